"""Where only some take part in a round, do equal clients get equal values, and are noisy clients
found?

Claim: the federated value (rounds summed, the absent get nothing) sets two clients with the same
data apart by more
than half in most runs, by the luck of who took part when (published: 65 %); completing the
utilities of those who were absent brings them together.

Twins: 10 clients, client 9 a copy of client 0, 3 a round, 10 rounds; the relative gap |phi_0 -
phi_9| / max(phi_0,
phi_9), infinite where neither is worth more than 0. The federated value is read off runs as
published, and off the runs with a first round of everyone that completion needs. Noise: 100
clients, 10 of them with 30 % wrong labels, 10 a round; the Jaccard index of the noisy ten and the
bottom ten by value. Of equal draws a third would be 0.05.

Command: python -m experiments.partial_participation --data DIR --json partial.json --figure partial.png
    python -m experiments.partial_participation --repeats 5 --rounds 20     (embedded digits, a trial)
Minutes: 10 on four cores shared with other work.
Expected: the federated value sets the twins apart by more than half in about 65 % of the runs,
    completion in few; the noisy are found by both.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21, MNIST; commit and all numbers in
experiments/results/partial_participation.json): 50 runs with twins; Jaccard index, mean and range
of seeds 0, 1, 2:

    method                       P(gap > 0.5)   median gap   Jaccard of the bottom ten
    federated                    80 %           0.852        0.88 (0.82 to 1.00)
    federated, everyone first     0 %           0.200        1.00 (1.00 to 1.00)
    completed                     0 %           0.029        0.94 (0.82 to 1.00)
    completed, unweighted         0 %           0.044        0.83 (0.67 to 1.00)
    first order                  74 %           0.797        0.37 (0.25 to 0.43)

    The claim holds, with a wider gap than published (80 %, not 65 %; the paper's learning rate,
    batches and split are not known to us). But much of the repair is the first round of everyone,
    without any completion: it alone brings the share to none, and it finds the noisy better than
    completion does. Completion narrows the gap further. The noisy were completed first from 20
    orders (2,048 coalitions), which found 0.18, 0.82, 0.18; 464 orders were taken after that, the N
    log N of the paper. On seed 0 rank 1 found none of the noisy, with 20, 100 or 464 orders. That
    first order finds few was not looked into.

References:
    Fan, Fang, Zhou, Pei, Friedlander, Liu, Zhang 2022, "Improving fairness for data valuation in
    horizontal federated learning", example 1 and section on noisy labels. Wang, Rausch, Zhang, Jia,
    Song 2020, "A principled approach to data valuation for federated learning".
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.harness import present
from fedjax_shap._validate import integer
from fedjax_shap.data.corrupt import Corruption, corrupt, duplicate, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import iid
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.sources import load
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.participation import uniform
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.in_run import Method, estimate_rounds
from fedjax_shap.valuation.in_run_methods import comfedsv, taylor
from fedjax_shap.valuation.options import Options

PUBLISHED = 0.65  # P(gap > 0.5) of the federated value
WIDE = 0.5
TWINS = {"clients": 10, "participants": 3, "rounds": 10, "images": 6_000, "test_images": 1_000}
NOISE = {
    "clients": 100,
    "noisy": 10,
    "rate": 0.3,
    "participants": 10,
    "images": 20_000,
    "test_images": 1_000,
}
TRAINING = {"learning_rate": 0.1, "batch_size": 16, "epochs": 1}
BUDGET = (
    2_048  # coalitions a round of the noisy federation: all of 10 participants, and orders of 100
)
# with completion, of which nearly all go to the first round: 464 orders, N log N of them
COMPLETED_BUDGET = 46_000
METHODS: dict[
    str, tuple[Callable[[], Estimator | Method], bool]
] = {  # name -> method, whether everyone is first
    "federated": (exact, False),
    "federated, everyone first": (exact, True),
    "completed": (comfedsv, True),
    "completed, unweighted": (lambda: comfedsv(weighted=False), True),  # the objective as published
    "first order": (taylor, False),
}
COLORS = ("#b0483f", "#d9822b", "#3b6ea5", "#8fb3d9", "#4f9d69")


def pool_of(folder: str | None, images: int, test_images: int, seed: int) -> Pool:
    """So many images of MNIST from a folder, or all embedded digits where there is none."""
    if folder is None:
        return load("digits", seed=seed)
    return load(
        "mnist", folder=folder, flat=True, train_limit=images, test_limit=test_images, seed=seed
    )


def run_of(
    pool: Pool,
    corruptions: list[Corruption],
    clients: int,
    participants: int,
    length: int,
    seed: int,
    first: bool,
) -> Rounds:
    """A run of softmax regression on rows dealt out at random, so many clients a round."""
    data = corrupt(federate(pool, iid(num_clients=clients), seed=seed), corruptions, seed=seed)
    training = Training(
        linear(),
        local(**TRAINING),
        fedavg(max_rounds=length, weights="uniform"),
        participation=uniform(participants=participants),
        key=jax.random.key(seed),
    )
    return rounds(data, training, metric="negative_loss", everyone_first=first)


def gap(values: HostArray) -> float:
    """|phi_0 - phi_9| / max(phi_0, phi_9); infinite where neither is worth more than 0."""
    first, last = float(values[0]), float(values[-1])
    return abs(first - last) / max(first, last) if max(first, last) > 0 else np.inf


def jaccard(values: HostArray, noisy: set[int]) -> float:
    """Of the lowest values, as many as are noisy, and the noisy: how many are in both, over how
    many in either.
    """
    lowest = set(np.argsort(values, kind="stable")[: len(noisy)].tolist())
    return len(lowest & noisy) / len(lowest | noisy)


def twins(options: argparse.Namespace) -> dict[str, list[float]]:
    """The gap of the twins by each method, one for each repeat (the data, the start and who takes
    part differ).
    """
    gaps: dict[str, list[float]] = {name: [] for name in METHODS}
    clients, participants, length = TWINS["clients"], TWINS["participants"], TWINS["rounds"]
    for seed in range(options.repeats):
        pool = pool_of(options.data, TWINS["images"], TWINS["test_images"], seed)
        copied = [duplicate(client=clients - 1, of=0)]
        for first in (False, True):
            run = run_of(pool, copied, clients, participants, length, seed, first)
            for name, (method, needs) in METHODS.items():
                if needs == first:
                    gaps[name].append(
                        gap(estimate_rounds(run, method(), key=jax.random.key(seed)).values)
                    )
    return gaps


def noise(options: argparse.Namespace) -> dict[str, list[float]]:
    """The Jaccard index by each method, one for each seed."""
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    clients, count, participants = (
        int(NOISE["clients"]),
        int(NOISE["noisy"]),
        int(NOISE["participants"]),
    )
    for seed in range(options.seeds):
        pool = pool_of(options.data, int(NOISE["images"]), int(NOISE["test_images"]), seed)
        noisy = np.random.default_rng([seed, 1]).permutation(clients)[:count].tolist()
        flipped = [label_noise(client=client, rate=NOISE["rate"]) for client in noisy]
        for first in (False, True):
            run = run_of(pool, flipped, clients, participants, options.rounds, seed, first)
            for name, (method, needs) in METHODS.items():
                if needs == first:
                    chosen = (
                        permutation() if method is exact else method()
                    )  # all coalitions where they fit
                    budget = COMPLETED_BUDGET if name.startswith("completed") else BUDGET
                    values = estimate_rounds(
                        run, chosen, Options(budget=budget), key=jax.random.key(seed)
                    ).values
                    found[name].append(jaccard(values, set(noisy)))
    return found


def figure(record: dict[str, Any]) -> Figure:
    """How the gaps of the twins are distributed, and beside them how many of the noisy are
    found.
    """
    drawn = Figure(figsize=(10.5, 4.2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    for color, (name, gaps) in zip(COLORS, record["twins"].items()):
        shares = np.arange(1, len(gaps) + 1) / len(gaps)
        left.step(
            np.sort([1.5 if one is None else one for one in gaps]),
            shares,
            where="post",
            color=color,
            label=name,
        )
    left.axvline(WIDE, color="black", linewidth=0.8, linestyle=":")
    left.set(
        xlim=(0, 1.4),
        ylim=(0, 1.02),
        xlabel="relative gap of the twins",
        ylabel="share of runs with no more",
    )
    left.set_title("Two clients with the same data", loc="left")
    left.legend(frameon=False, fontsize=9)
    right.set_title("Ten noisy clients of a hundred", loc="left")
    right.set(ylabel="Jaccard index of the bottom ten", ylim=(0, 1))
    for place, (color, (_, indices)) in enumerate(zip(COLORS, record["noise"].items())):
        right.bar(place, np.mean(indices), color=color)
        right.plot([place] * len(indices), indices, ".", color="black", alpha=0.5)
    right.set_xticks(
        range(len(record["noise"])),
        [name.replace(", ", ",\n") for name in record["noise"]],
        fontsize=9,
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return drawn


def show(record: dict[str, Any], console: Console) -> None:
    """A table of both experiments."""
    title = f"{record['data']}: {record['repeats']} runs with twins, {record['seeds']} with noisy clients"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in ("method", f"P(gap > {WIDE:g})", "median gap", "Jaccard of the bottom ten"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name, gaps in record["twins"].items():
        each, indices = (
            np.array([np.inf if one is None else one for one in gaps]),
            record["noise"][name],
        )
        jaccards = f"{np.mean(indices):.2f} ({min(indices):.2f} to {max(indices):.2f})"
        table.add_row(name, f"{(each > WIDE).mean():.0%}", f"{np.median(each):.3f}", jaccards)
    console.print(table)
    console.print(
        f"Published P(gap > {WIDE:g}) of the federated value: {PUBLISHED:.0%}.", highlight=False
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    return present(_parser(), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    for name in ("repeats", "seeds", "rounds"):
        integer(name, getattr(options, name), least=1)
    gaps = {
        name: [one if np.isfinite(one) else None for one in each]
        for name, each in twins(options).items()
    }
    return {
        "data": "digits" if options.data is None else "MNIST",
        "repeats": options.repeats,
        "seeds": options.seeds,
        "rounds": options.rounds,
        "settings": {
            "twins": TWINS,
            "noise": NOISE,
            "training": TRAINING,
            "budgets": [BUDGET, COMPLETED_BUDGET],
        },
        "twins": gaps,
        "wide": {
            name: float(np.mean([one is None or one > WIDE for one in each]))
            for name, each in gaps.items()
        },
        "noise": noise(options),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.partial_participation",
        description=(__doc__ or "").split("\n")[0],
    )
    add = parser.add_argument
    add("--data", help="the folder of data sets, for MNIST (default: the embedded digits)")
    add("--repeats", type=int, default=50, help="runs with twins (default: %(default)s)")
    add("--seeds", type=int, default=3, help="runs with noisy clients (default: %(default)s)")
    add("--rounds", type=int, default=100, help="rounds of these (default: %(default)s)")
    add("--json", help="where the record goes")
    add("--figure", help="where the figure goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
