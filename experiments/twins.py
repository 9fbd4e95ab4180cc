"""What sets the values of twins apart where few take part: luck alone, the split, or the learning?

Claim: how often FedSV sets two clients with the same data apart by more than half (published: 65 %)
is decided by how fast the gains of rounds fall and by how runs count in which neither twin is worth
more than 0. The published share lies within what learning rates that nobody published can give.

Luck alone: 3 of 10 clients a round, 10 rounds; a round gains r^t, shared equally by those in it.
The share of gaps |s_0 - s_9| / max(s_0, s_9) > .5 is exact, by enumeration of the 4^10 ways in
which the twins are present or absent.

Trained: what is public of example 1 of the paper is that clients 0 to 8 hold images of two classes
of MNIST, client 9 a copy of client 0's, that the model is a fully connected network, and that the
value is of the loss on the server's images; 10 rounds, 50 repeats. Rates, batches, epochs and the
numbers of images are not. So FedSV is computed at several rates, of both splits and both models; no
rate is chosen by its share. `by luck` is what luck alone gives with the mean gains of the rounds
(0 where a round loses). `wide` counts a run in which neither twin is worth more than 0 as a
wide gap; `as written` does not, as the quotient is negative there.

Command: python -m experiments.twins --data DIR --json twins.json --figure twins.png
        --store DIR/twins
    python -m experiments.twins --data DIR --set repeats=5 --set images=1000 (a trial)
Minutes: 12 on two cores, estimated from runs on a busy machine.
Seen (Intel Xeon, CPU, 2026-11-28): by luck alone 30 % of the gaps are above one half where all
    rounds gain alike, 41 % at r = .9, 66 % at .6, 73 % at .5, 82 % at .4.

References:
    Fan, Fang, Zhou, Pei, Friedlander, Liu, Zhang 2022, "Improving fairness for data valuation in
    horizontal federated learning", example 1 and section VII. Wang, Rausch, Zhang, Jia, Song 2020,
    "A principled approach to data valuation for federated learning".
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.harness import (
    Settings,
    add_store,
    dress,
    kept,
    overridden,
    parser,
    progress,
    run,
)
from fedjax_shap.data.corrupt import corrupt, duplicate
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.label_skew import shards
from fedjax_shap.data.partition import iid
from fedjax_shap.data.shares import Partition
from fedjax_shap.data.sources import digits, mnist
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.architecture import Architecture
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.participation import uniform
from fedjax_shap.learning.training import Training
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, ORANGE
from fedjax_shap.shapley.exact import exact
from fedjax_shap.typing import HostArray, Params
from fedjax_shap.valuation.in_run import estimate_rounds

CONFIG: Settings = {
    "repeats": 50,
    "images": 6_000,
    "test_images": 1_000,
    "batch_size": 16,
    "epochs": 1,
}
CLIENTS, PARTICIPANTS, ROUNDS = 10, 3, 10
WIDE = 0.5
PUBLISHED = 0.65
DECAYS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
RATES = (0.01, 0.03, 0.1)
SHARES = ("wide", "as_written", "neither_above_0", "by_luck")  # of a row
SPLITS: Mapping[str, Callable[[], Partition]] = {
    "two classes": lambda: shards(num_clients=CLIENTS, classes_per_client=2),
    "alike": lambda: iid(num_clients=CLIENTS),
}
MODELS: Mapping[str, Architecture] = {"mlp": mlp(hidden=(200,)), "linear": linear()}


def chance_by_luck(gains: Sequence[float]) -> float:
    """P(|s_0 - s_9| > .5 max(s_0, s_9)), where each round's gain is shared equally by those in it.

    Args:
        gains: of each round.
    """
    pairs = CLIENTS * (CLIENTS - 1)
    both = PARTICIPANTS * (PARTICIPANTS - 1) / pairs
    one = PARTICIPANTS * (CLIENTS - PARTICIPANTS) / pairs  # the first twin only, or the second
    weights = np.array([1 - both - 2 * one, one, one, both])
    first, second, chance = np.zeros(1), np.zeros(1), np.ones(1)
    for gain in gains:
        first = np.add.outer(first, gain * np.array([0, 1, 0, 1])).ravel()
        second = np.add.outer(second, gain * np.array([0, 0, 1, 1])).ravel()
        chance = np.multiply.outer(chance, weights).ravel()
    largest = np.maximum(first, second)
    wide = np.abs(first - second) > WIDE * largest * (1 + 1e-9)  # not by rounding alone
    return float(chance[wide].sum())


def played(
    settings: Settings, data: FederatedData, model: str, rate: float, seed: int
) -> tuple[HostArray, HostArray]:
    """One run: FedSV of all clients, and by how much each round lowered the server's loss."""
    training = Training(
        MODELS[model],
        local(
            learning_rate=rate,
            batch_size=settings["batch_size"],
            epochs=settings["epochs"],
        ),
        fedavg(max_rounds=ROUNDS, weights="uniform"),
        participation=uniform(participants=PARTICIPANTS),
        key=jax.random.key(seed),
    )
    key = jax.random.key(seed)
    found = estimate_rounds(rounds(data, training, metric="negative_loss"), exact(), key=key)
    # the losses after each round, of the same run
    after: list[Params] = []
    for _ in rounds(data, training, metric="negative_loss").play(key, after.append):
        pass
    losses = [_loss(data, model, params) for params in after]
    gain = float(found.grand - found.empty)
    return np.asarray(found.values), -np.diff([losses[-1] + gain, *losses])


def _loss(data: FederatedData, model: str, params: Params) -> float:
    """The cross-entropy of a model on the server's images."""
    x, y = data.validation
    built = MODELS[model](data.example_shape, int(data.num_classes or 0))
    outputs = built.apply(params, jnp.asarray(x))
    each = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.asarray(y))
    return float(each.mean())


def variant(
    settings: Settings, folder: str | None, split: str, model: str, rate: float
) -> dict[str, Any]:
    """The twins' values and the gains of rounds in every repeat, each of its own data and luck."""
    pairs = []
    gains = []
    for seed in range(settings["repeats"]):
        if folder is None:
            pool = digits()
        else:
            limits = {
                "train_limit": settings["images"],
                "test_limit": settings["test_images"],
            }
            pool = mnist(folder=folder, flat=True, seed=seed, **limits)
        data = federate(pool, SPLITS[split](), seed=seed)
        data = corrupt(data, [duplicate(client=CLIENTS - 1, of=0)], seed=seed)
        values, gained = played(settings, data, model, rate, seed)
        pairs.append([float(values[0]), float(values[-1])])
        gains.append(gained)
    return {"twins": pairs, "gains": np.mean(gains, axis=0).tolist()}


def shares_of(pairs: Any) -> dict[str, float]:
    """How many gaps are wide, by both ways to count, and how often neither is worth more than 0."""
    each: HostArray = np.asarray(pairs)
    largest = each.max(axis=1)
    apart = np.abs(each[:, 0] - each[:, 1]) > WIDE * largest
    return {
        "wide": float((apart | (largest <= 0)).mean()),
        "as_written": float((apart & (largest > 0)).mean()),
        "neither_above_0": float((largest <= 0).mean()),
    }


def measure(settings: Settings, folder: str | None, store: str | None) -> Record:
    """The record."""
    done = progress()
    luck = [
        {"decay": decay, "chance": chance_by_luck([decay**t for t in range(ROUNDS)])}
        for decay in DECAYS
    ]
    rows = []
    for split, model, rate in itertools.product(SPLITS, MODELS, RATES):
        named = {"split": split, "model": model, "learning_rate": rate}
        asked = settings | named | {"data": "digits" if folder is None else "mnist"}
        found = kept(store, asked, partial(variant, settings, folder, split, model, rate))
        luck_alone = chance_by_luck(np.maximum(found["gains"], 0).tolist())
        rows.append({**named, **found, **shares_of(found["twins"]), "by_luck": luck_alone})
        done(f"{split}, {model}, rate {rate}: {rows[-1]['wide']:.0%}")
    return {"config": settings, "published": PUBLISHED, "luck": luck, "rows": rows}


def figure(record: Record) -> Figure:
    """By learning rate the share of wide gaps by both counts, a panel a split and model."""
    drawn, panels = style.panels(style.TWO, 2.3, 1, 4, sharey=True)
    counts = {"wide": ("neither above 0 counts", BLUE), "as_written": ("as written", ORANGE)}
    for axes, (split, model) in zip(panels, itertools.product(SPLITS, MODELS), strict=True):
        rows = [row for row in record["rows"] if (row["split"], row["model"]) == (split, model)]
        rates = [row["learning_rate"] for row in rows]
        for name, (label, color) in counts.items():
            axes.semilogx(rates, [row[name] for row in rows], "o-", color=color, label=label)
        axes.axhline(PUBLISHED, color="black", linestyle=":", linewidth=1, label="published")
        axes.set(xlabel="learning rate", ylim=(0, 1.02))
        dress(axes, f"{split}, {model}")
    panels[0].set_ylabel("share of gaps > 1/2")
    style.legend_below(drawn, columns=3)
    caption = f"""How often the values of two equal members differ by more than half of the larger,
    by learning rate: shares of {record["config"]["repeats"]} trainings, counted in two ways."""
    return style.captioned(drawn, caption)


def show(record: Record, console: Console) -> None:
    """What luck alone gives, and what runs gave."""
    shown = table("By luck alone", ("gain of a round over that before", "P(gap > .5)"))
    for row in record["luck"]:
        shown.add_row(f"{row['decay']:g}", f"{row['chance']:.0%}")
    console.print(shown)
    columns = ("split", "model", "rate", "wide", "as written", "neither above 0", "by luck")
    shown = table(f"{record['config']['repeats']} runs each", columns, left=("split", "model"))
    for row in record["rows"]:
        counts = (f"{row[name]:.0%}" for name in SHARES)
        shown.add_row(row["split"], row["model"], f"{row['learning_rate']:g}", *counts)
    console.print(shown)
    console.print(f"Published: {PUBLISHED:.0%}.", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    made = parser("twins", __doc__, CONFIG)
    add_store(made)
    return run(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, repeats=1, images=1, test_images=1, batch_size=1, epochs=1)
    return measure(settings, options.data, options.store)


if __name__ == "__main__":
    sys.exit(main())
