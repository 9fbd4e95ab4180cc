"""Do our algorithms reach the accuracies of Flower's niid_bench where members' classes differ?

Claim: in a fiftieth of the work, FedAvg, FedProx, SCAFFOLD and FedNova come within 3 points of the
published accuracies on MNIST with classes in Dirichlet proportions, and within 11 on Fashion-MNIST;
with two classes a client, few rounds do not suffice.

Seen (2026-11-28, two cores, Intel Xeon), as FedAvg, FedProx, SCAFFOLD, FedNova. Dirichlet: MNIST
96.5, 96.5, 97.6, 96.3 (published 98.8 to 99.0), Fashion-MNIST 78.5, 78.3, 81.6, 79.6 (88.1 to
88.6). Two classes a client: MNIST 73.7 to 84.6 (96.5 to 96.7), Fashion-MNIST 50.8 to 64.7 (70.5 to
81.0, and 10.0 for SCAFFOLD, which did not learn there). Seconds in the record hold other work on
the machine, and pauses.

Protocol of the baseline: 10 clients, all in every round; its own partitions (Dirichlet .5 and two
classes a client, drawn again here from its seed, 42, so that clients hold the same images); SGD at
.01 with momentum .9 and weight decay 1e-5, fresh in each round, batches of 64, means weighted by
examples, PyTorch's kind of initial weights; accuracy on the 10,000 test images. There 50 rounds of
10 epochs; here, unless --set says otherwise, 10 rounds of one epoch on all images, a fiftieth of
the work. What differs besides:

- our LeNet5 pads an image by two pixels (61,706 parameters, theirs 44,426);
- FedProx has mu = .01 alone; they choose among .001, .01, .1 and 1;
- SCAFFOLD's correction passes through the momentum, theirs is added behind it. Our variates are
  updates over K eta / (1 - momentum), theirs over K eta, so that both move a model about as far;
- the shuffles of batches and the initial weights are our own, of one seed.

A configuration that `--store` holds is not trained again.

Command: python -m experiments.niid_bench --data DIR --json niid_bench.json --figure niid_bench.png
        --store DIR/niid_bench
    python -m experiments.niid_bench --data DIR --set rounds=50 --set epochs=10
        --json niid_bench_whole.json --store DIR/niid_bench (all of it)
    python -m experiments.niid_bench --data DIR --set images=1000 --set rounds=2 (a trial)
Minutes: 12 on two cores, estimated; all of it is 50 times as much work.

References:
    Li, Diao, Chen, He 2022, "Federated learning on non-IID data silos: an experimental study"; its
    baseline in Flower, baselines/niid_bench, whose README has the published accuracies. Karimireddy
    et al. 2020 (SCAFFOLD). Li et al. 2020 (FedProx). Wang et al. 2020 (FedNova).
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
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
from experiments.regression import balanced
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Partition, Shares, as_shares
from fedjax_shap.data.sources import fashion_mnist, mnist
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import cnn
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import World
from fedjax_shap.report import style
from fedjax_shap.report.looks import look
from fedjax_shap.typing import Array, HostArray, Params

CONFIG: Settings = {
    "images": 0,  # training images; 0 for all 60,000
    "rounds": 10,
    "epochs": 1,
    "seed": 0,  # of initial weights and batches
}
CLIENTS = 10
PARTITION_SEED = 42  # the baseline's, in every published configuration
MOMENTUM = 0.9
RATE = 0.01
TRAINING: dict[str, Any] = {"learning_rate": RATE, "batch_size": 64, "l2": 1e-5}
METHODS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "FedAvg": ("fedavg", {}),
    "SCAFFOLD": ("scaffold", {}),
    "FedProx": ("fedprox", {"mu": 0.01}),
    "FedNova": ("fednova", {"momentum": MOMENTUM}),
}
SETS: Mapping[str, Callable[..., Pool]] = {"MNIST": mnist, "Fashion-MNIST": fashion_mnist}
# accuracies after 50 rounds of 10 epochs, in per cent, as METHODS are ordered
PUBLISHED = {
    ("MNIST", "Dirichlet .5"): (98.9, 99.0, 99.0, 98.8),
    ("MNIST", "two classes"): (96.6, 96.6, 96.7, 96.5),
    ("Fashion-MNIST", "Dirichlet .5"): (88.4, 88.4, 88.6, 88.1),
    ("Fashion-MNIST", "two classes"): (81.0, 10.0, 78.8, 70.5),
}


# ------------------------------------------------------------------ the baseline's partitions


def as_published(partition: Partition) -> Partition:
    """A partition that draws from the baseline's seed, whatever the federation's is."""

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        return partition(np.random.default_rng(PARTITION_SEED), pool)

    return split


def two_classes(rng: np.random.Generator, pool: Pool) -> Shares:
    """Client c gets class c and another one at random; its holders share a class equally."""
    classes = int(pool.num_classes or 0)
    held: list[list[int]] = []
    for client in range(CLIENTS):
        own = [client % classes]
        while len(own) < 2:
            drawn = int(rng.choice(classes, 1)[0])
            if drawn not in own:
                own.append(drawn)
        held.append(own)
    rows: list[list[HostArray]] = [[] for _ in range(CLIENTS)]
    for label in range(classes):
        images = rng.permutation(np.flatnonzero(np.asarray(pool.y) == label))
        holders = [client for client in range(CLIENTS) if label in held[client]]
        for client, own_rows in zip(holders, np.array_split(images, len(holders)), strict=True):
            rows[client].append(own_rows)
    return as_shares([np.concatenate(own) for own in rows])


PARTITIONS: Mapping[str, Partition] = {
    "Dirichlet .5": as_published(balanced(num_clients=CLIENTS, alpha=0.5)),
    "two classes": as_published(two_classes),
}


# ------------------------------------------------------------------ training


def accuracies(settings: Settings, data: FederatedData, method: str) -> list[float]:
    """On the test images after each round of one algorithm, in per cent."""
    algorithm, keywords = METHODS[method]
    client_training = local(
        **TRAINING, epochs=settings["epochs"], options={"momentum": MOMENTUM}
    )._replace(learning_rate=RATE / (1 - MOMENTUM))  # of which control variates are made
    training = Training(
        cnn(initializer="torch"),
        client_training,
        ALGORITHMS[algorithm](max_rounds=settings["rounds"], weights="examples", **keywords),
        key=jax.random.key(settings["seed"]),
    )
    learning = learner(data, training)

    def right(world: World, params: Params) -> Array:
        x, y = world.data.test
        return (learning.model.apply(params, x).argmax(-1) == y).mean()

    game = trained(learning, lambda world, params, trace, mask: trace.observed, right)
    plan = Plan(chunk=1, layout="client", workers=1, devices=1)
    everyone = np.ones((1, CLIENTS), bool)
    key = jax.random.key(settings["seed"])
    curve = evaluate(game, key, everyone, plan, on_nonfinite="keep")[0]
    return [round(100 * float(part), 2) for part in curve]


def measure(settings: Settings, folder: str | None, store: str | None) -> list[dict[str, Any]]:
    """A row for each set, partition and algorithm."""
    done = progress()
    rows = []
    for of, partition in itertools.product(SETS, PARTITIONS):
        pool = SETS[of](folder=folder, train_limit=settings["images"] or None)
        data = federate(pool, PARTITIONS[partition], seed=settings["seed"])
        for place, method in enumerate(METHODS):
            named = {"set": of, "partition": partition, "method": method}
            row = kept(store, settings | named, partial(_trained, settings, data, method))
            rows.append({**named, **row, "published": PUBLISHED[of, partition][place]})
            done(f"{of}, {partition}, {method}: {row['accuracy'][-1]:.1f} %")
    return rows


def _trained(settings: Settings, data: FederatedData, method: str) -> dict[str, Any]:
    """One configuration: the accuracy after each round, and its seconds, compilation included."""
    began = time.perf_counter()
    curve = accuracies(settings, data, method)
    seconds = round(time.perf_counter() - began, 1)
    return {"sizes": np.asarray(data.sizes).tolist(), "accuracy": curve, "seconds": seconds}


# ------------------------------------------------------------------ what is shown


def figure(record: Record) -> Figure:
    """By round the accuracy of each algorithm, a panel a set and partition; dots: published."""
    drawn, panels = style.panels(style.TWO, 4.6, 2, 2, sharex=True)
    for axes, (of, partition) in zip(panels, PUBLISHED, strict=True):
        for row in record["rows"]:
            if (row["set"], row["partition"]) != (of, partition):
                continue
            color = look(row["method"].lower()).color
            curve = row["accuracy"]
            rounds = np.arange(1, len(curve) + 1)
            axes.plot(rounds, curve, color=color, label=row["method"])
            axes.axhline(row["published"], color=color, linestyle=":", linewidth=1)
        dress(axes, f"{of}, {partition}")
    for axes in panels[2:]:
        axes.set_xlabel("round")
    for axes in panels[::2]:
        axes.set_ylabel("accuracy, %")
    style.legend_below(drawn, columns=4)
    caption = """Accuracy on the test set by round, one training an algorithm; dotted lines are what
    Flower's baseline published after 50 rounds of the whole sets."""
    return style.captioned(drawn, caption)


def show(record: Record, console: Console) -> None:
    """A table of accuracies, ours after the last round and the published ones."""
    shown = table("Accuracy, %: ours (published)", ("set", "partition", *METHODS))
    for of, partition in PUBLISHED:
        cells = [
            f"{row['accuracy'][-1]:.1f} ({row['published']:.1f})"
            for row in record["rows"]
            if (row["set"], row["partition"]) == (of, partition)
        ]
        shown.add_row(of, partition, *cells)
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    made = parser("niid_bench", __doc__, CONFIG)
    add_store(made)
    return run(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, images=0, rounds=1, epochs=1, seed=0)
    rows = measure(settings, options.data, options.store)
    return {"config": settings, "training": {**TRAINING, "momentum": MOMENTUM}, "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
