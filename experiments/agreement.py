"""Do values from inside one run agree with values from training every coalition?

Claim: in-run values (each round's game, summed) and retrain values (every coalition trained) answer different
questions: how well they agree depends on how clients differ, and where values carry no signal above the noise of
training, an agreement means nothing, and the result says so in a plain sentence.

Four federations of digits (or MNIST) are valued both ways under several seeds of training, 10 clients: alike or with
unequal labels (Dirichlet), clean or with three clients of 30 to 60 % wrong labels. Whether values carry a signal is
decided by a one-way analysis of variance: clients are groups, seeds are repeats.

Command: python -m experiments.agreement --json agreement.json --figure agreement.png
    python -m experiments.agreement --data DIR --set data=mnist --json agreement.json
MINUTES
SEEN

References:
    The published correlations of in-run and retrain values: +0.89 and +0.93 on corrupted data of unequal labels, -0.27
    on clean data of equal labels (flirds, MNIST LeNet5, 10 clients).
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.stats import f_oneway, spearmanr

from benchmarks.harness import present
from experiments.five_settings import MODELS, pool_of
from experiments.methods import Federated, overrides, parser, valued
from fedjax_shap._validate import integer
from fedjax_shap.data.corrupt import corrupt, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import dirichlet, iid
from fedjax_shap.data.pool import Pool
from fedjax_shap.learning.algorithm import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.noise import noise_floor
from fedjax_shap.typing import HostArray

CONFIG: dict[str, Any] = {
    "data": "digits",
    "images": 10_840,
    "model": "linear",
    "clients": 10,
    "rounds": 10,
    "epochs": 1,
    "batch_size": 32,
    "learning_rate": 0.1,
    "alpha": 0.3,
    "metric": "negative_loss",
    "trainings": 5,
    "seed": 0,
}
NOISY = {0: 0.3, 1: 0.45, 2: 0.6}  # client -> share of wrong labels
SIGNAL = 0.01  # clients that are alike would differ as much by luck in one case of a hundred
FEDERATIONS = {
    "alike": (False, False),
    "alike, noisy": (False, True),
    "unequal": (True, False),
    "unequal, noisy": (True, True),
}
WAYS = ("exact", "in-run exact")


def federated(settings: dict[str, Any], pool: Pool, name: str, training: int) -> Federated:
    """One of `FEDERATIONS`, trained under one seed; its data is the same under all."""
    unequal, wrong = FEDERATIONS[name]
    clients = settings["clients"]
    partition = dirichlet(num_clients=clients, alpha=settings["alpha"]) if unequal else iid(num_clients=clients)
    data = federate(pool, partition, seed=settings["seed"], validation=0.5)
    if wrong:
        data = corrupt(data, [label_noise(client=i, rate=rate) for i, rate in NOISY.items()], seed=settings["seed"])
    return Federated(
        data=data,
        model=MODELS[settings["model"]],
        training=local(
            learning_rate=settings["learning_rate"], batch_size=settings["batch_size"], epochs=settings["epochs"]
        ),
        algorithm=fedavg(max_rounds=settings["rounds"]),
        metric=settings["metric"],
        key=jax.random.key(1000 + training),
    )


def measure(settings: dict[str, Any], pool: Pool, name: str) -> dict[str, Any]:
    """Both kinds of values of one federation under every seed of training, and how they agree."""
    each = {
        way: np.array(
            [valued(way, federated(settings, pool, name, seed)).found.values for seed in range(settings["trainings"])]
        )
        for way in WAYS
    }
    retrain, in_run = (each[way] for way in WAYS)
    ways = {
        way: {
            "values": values.tolist(),
            "p_value": float(f_oneway(*values.T).pvalue),
            "noise_floor_spearman": (noise_floor(values.T) or {})["spearman"],
        }
        for way, values in each.items()
    }
    agree = [float(spearmanr(one, two).statistic) for one, two in zip(retrain, in_run, strict=True)]
    return {
        "federation": name,
        "spearman_per_training": agree,
        "spearman_of_means": float(spearmanr(retrain.mean(axis=0), in_run.mean(axis=0)).statistic),
        "ways": ways,
        "said": said(name, float(np.mean(agree)), ways),
    }


def said(name: str, agree: float, ways: dict[str, Any]) -> str:
    """What the numbers mean, in a plain sentence."""
    silent = [way for way in WAYS if ways[way]["p_value"] > SIGNAL]
    if len(silent) == len(WAYS):
        return f"{name}: neither kind of value carries a signal above the noise of training; do not pay by them."
    if silent:
        return f"{name}: {silent[0]} values carry no signal above the noise of training; a rank agreement means little."
    verdict = "rank clients alike" if agree > 0.5 else "rank clients differently: they answer different questions"
    return f"{name}: both kinds of values carry a signal, and {verdict} (Spearman {agree:+.2f})."


def figure(record: dict[str, Any]) -> Figure:
    """In-run against retrain values, a dot a client with its spread over trainings, one panel a federation."""
    drawn = Figure(figsize=(11.0, 3.4), layout="constrained")
    for axes, row in zip(np.atleast_1d(drawn.subplots(1, len(record["rows"]))), record["rows"], strict=True):
        retrain, in_run = (np.array(row["ways"][way]["values"]) for way in WAYS)
        noisy = np.isin(np.arange(retrain.shape[1]), list(NOISY)) & ("noisy" in row["federation"])
        for which, color, label in ((~noisy, "#3b6ea5", "clean"), (noisy, "#d9822b", "wrong labels")):
            if which.any():
                _dots(axes, retrain[:, which], in_run[:, which], color, label)
        axes.set_title(f"{row['federation']}\nSpearman {np.mean(row['spearman_per_training']):+.2f}", fontsize=9)
        axes.set_xlabel("retrain value")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    drawn.axes[0].set_ylabel("in-run value")
    drawn.axes[-1].legend(frameon=False, fontsize=8)
    return drawn


def _dots(axes: Any, along: HostArray, up: HostArray, color: str, label: str) -> None:
    spread = {"xerr": along.std(axis=0, ddof=1), "yerr": up.std(axis=0, ddof=1)}
    axes.errorbar(along.mean(axis=0), up.mean(axis=0), **spread, fmt="o", color=color, markersize=4, label=label)


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal, and a sentence for each federation."""
    table = Table(title="In-run against retrain values", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in ("federation", "Spearman", "of means", "two trainings", "two runs"):
        table.add_column(column, justify="left" if column == "federation" else "right", no_wrap=True)
    for row in record["rows"]:
        each = row["spearman_per_training"]
        floors = [f"{row['ways'][way]['noise_floor_spearman']:+.2f}" for way in WAYS]
        spread = f"{np.mean(each):+.2f} ± {np.std(each, ddof=1):.2f}"
        table.add_row(row["federation"], spread, f"{row['spearman_of_means']:+.2f}", *floors)
    console.print(table)
    for row in record["rows"]:
        console.print(row["said"], highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return present(parser("agreement", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings = overrides(CONFIG, options.set)
    integer("trainings", settings["trainings"], least=2)
    pool = pool_of(settings, options.data)
    return {"config": settings, "rows": [measure(settings, pool, name) for name in FEDERATIONS]}


if __name__ == "__main__":
    sys.exit(main())
