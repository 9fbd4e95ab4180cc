"""Does taking out the members that an estimator values most hurt the model most?

Claim: as members leave in the order of their values, most valuable first, accuracy falls at once; least valuable first,
it stays or rises until the harmful ones are gone. The area between both curves tells how much an order knows, and a
tenth of the trainings orders members nearly as well as all of them.

One federation of 10 clients with unequal labels, of which three have wrong labels. The accuracy after each departure is
looked up among the 1,024 coalitions that the exact values have trained: nothing is trained again.

Command: python -m experiments.removal --json removal.json --figure removal.png
    python -m experiments.removal --data DIR --set data=mnist --json removal.json
MINUTES
SEEN

References:
    Ghorbani, Zou 2019, "Data Shapley"; FLCE's client removal (Chen et al. 2024); OpenDataVal (Jiang et al. 2023).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.agreement import CONFIG as FEDERATION
from experiments.agreement import federated
from experiments.five_settings import pool_of
from experiments.methods import METHODS, overrides, parser, progress, ranked, run, valued
from fedjax_shap.data.pool import Pool
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.estimate import estimate
from fedjax_shap.shapley.single import individual, leave_one_out
from fedjax_shap.typing import HostArray

CONFIG: dict[str, Any] = FEDERATION | {"metric": "accuracy", "trainings": 3}
NAME = "unequal, noisy"
FEWEST = 1  # members are taken out until so many are left


def removal(order: Sequence[int], num_players: int) -> HostArray:
    """bool[P - FEWEST + 1, P]: who is left after none, one, two, ... of `order` have gone."""
    masks = np.ones((num_players - FEWEST + 1, num_players), bool)
    for gone, player in enumerate(order[: num_players - FEWEST]):
        masks[gone + 1 :, player] = False
    return masks


def measure(
    settings: dict[str, Any], pool: Pool, training: int, done: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Method -> its values, and the accuracy as the most and the least valuable leave, under one seed of training."""
    of, store = federated(settings, pool, NAME, training), UtilityStore()
    each = {name: valued(name, of, store).found.values for name in METHODS}
    for name, estimator in (("leave-one-out", leave_one_out()), ("individual", individual())):
        each[name] = estimate(of.game, estimator, key=of.key, store=store).values
    num_players = of.data.num_clients
    each["at random"] = np.random.default_rng(training).normal(size=num_players)
    found = {}
    for name, values in each.items():
        order = ranked(values)
        curves = [store.read(removal(one, num_players)) for one in (order, order[::-1])]
        area = float(np.mean(curves[1] - curves[0]))
        best, worst = (curve.tolist() for curve in curves)
        found[name] = {"values": values.tolist(), "best_first": best, "worst_first": worst, "area": area}
    done(f"training {training}")
    return found


def figure(record: dict[str, Any]) -> Figure:
    """Accuracy as members leave, most valuable first (falling lines) and least valuable first, by method."""
    drawn = Figure(figsize=(11.0, 4.8), layout="constrained")
    for axes, which, title in zip(
        drawn.subplots(1, 2, sharey=True),
        ("best_first", "worst_first"),
        ("the most valuable leave first", "the least valuable leave first"),
        strict=True,
    ):
        for name in record["runs"][0]:
            curves = np.array([run[name][which] for run in record["runs"]])
            style: dict[str, Any] = {"linewidth": 2.4 if name == "exact" else 1.2}
            if name == "at random":
                style |= {"linestyle": ":", "color": "black"}
            axes.plot(curves.mean(axis=0), marker="o", markersize=3, label=name, **style)
        axes.set_title(title, loc="left")
        axes.set_xlabel("members gone")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    drawn.axes[0].set_ylabel("accuracy of those who are left")
    drawn.legend(*drawn.axes[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=5)
    return drawn


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal: the area between both curves, and accuracies after three departures."""
    title = "Accuracy as members leave, mean over trainings"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in ("method", "area between", "best 3 gone", "worst 3 gone"):
        table.add_column(column, justify="left" if column == "method" else "right", no_wrap=True)
    areas = {name: np.array([run[name]["area"] for run in record["runs"]]) for name in record["runs"][0]}
    for name in sorted(areas, key=lambda name: -areas[name].mean()):
        gone = [np.mean([run[name][which][3] for run in record["runs"]]) for which in ("best_first", "worst_first")]
        spread = f"{areas[name].mean():.3f} ± {areas[name].std(ddof=min(1, len(areas[name]) - 1)):.3f}"
        table.add_row(name, spread, *(f"{one:.3f}" for one in gone))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("removal", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings = overrides(CONFIG, options.set)
    pool, done = pool_of(settings, options.data), progress()
    return {"config": settings, "runs": [measure(settings, pool, seed, done) for seed in range(settings["trainings"])]}


if __name__ == "__main__":
    sys.exit(main())
