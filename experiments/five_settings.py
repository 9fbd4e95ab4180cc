"""Do the fast ways of valuing members agree with exact values on the five settings of the literature?

Claim: where clients differ, exact values tell them apart, and values inside one run (in-run, MR, OR, GTG) follow them
without training coalitions; where all are alike (setting 1) exact values of two trainings agree no better with each
other than anything else does with them, so that only the noise floor tells what a distance means.

The settings are those of `benchmarks.mnist_settings`, 10 clients; metrics are those of GTG-Shapley on normalised values
(cosine and Euclidean distance, largest difference, seconds) and rank correlations. Every method is held against exact
values by training all 1,024 coalitions; the noise floor is two other trainings of all of them against each other.

Command: python -m experiments.five_settings --data DIR --json five_settings.json --figure five_settings.png
    python -m experiments.five_settings --set data=digits --json five_settings.json     (embedded digits, no folder)
MINUTES
SEEN

References:
    Song, Tong, Wei 2019, "Profit allocation for federated learning".
    Liu et al. 2022, "GTG-Shapley: efficient and accurate participant contribution evaluation in federated learning".
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.mnist_settings import SETTINGS, mnist_pool, mnist_setting
from experiments.methods import METHODS, Federated, overrides, parser, progress, run, valued
from fedjax_shap._validate import integer, one_of
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.sources import digits
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.repeated import repeated
from fedjax_shap.learning.algorithm import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import cnn, linear, mlp
from fedjax_shap.noise import noise_floor
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.exact import shapley_values

CONFIG: dict[str, Any] = {
    "data": "mnist",
    "images": 10_840,
    "model": "linear",
    "clients": 10,
    "rounds": 10,
    "epochs": 1,
    "batch_size": 64,
    "learning_rate": 0.1,
    "metric": "accuracy",
    "trainings": 2,
    "seed": 0,
}
MODELS = {"linear": linear(), "mlp": mlp(hidden=(64,)), "cnn": cnn()}
MEASURES = ("cosine_distance", "euclidean", "max_difference", "spearman", "kendall")


def pool_of(settings: dict[str, Any], folder: str | None) -> Pool:
    """The images that are dealt out."""
    one_of("data", settings["data"], ("digits", "mnist"))
    one_of("model", settings["model"], MODELS)
    image = settings["model"] == "cnn"
    if settings["data"] == "digits":
        return digits(image=image)
    return mnist_pool(folder, images=settings["images"], flat=not image, seed=settings["seed"])


def federated(settings: dict[str, Any], pool: Pool, setting: int) -> Federated:
    """The federation of one setting, and how it learns."""
    return Federated(
        data=mnist_setting(pool, setting, num_clients=settings["clients"], seed=settings["seed"], validation=0.5),
        model=MODELS[settings["model"]],
        training=local(
            learning_rate=settings["learning_rate"], batch_size=settings["batch_size"], epochs=settings["epochs"]
        ),
        algorithm=fedavg(max_rounds=settings["rounds"]),
        metric=settings["metric"],
        key=jax.random.key(settings["seed"]),
    )


def measure(settings: dict[str, Any], pool: Pool, setting: int, done: Callable[[str], None]) -> dict[str, Any]:
    """All methods on one setting: their values, seconds, coalitions, and agreement with exact values."""
    of = federated(settings, pool, setting)
    each = {}
    for name in METHODS:
        each[name] = valued(name, of)
        done(f"setting {setting}: {name}")
    exact = each["exact"].found.values
    several = shapley_values(
        evaluate(repeated(of.game, settings["trainings"]), jax.random.fold_in(of.key, 9), all_subsets(len(exact)))
    )
    done(f"setting {setting}: noise floor")
    floor = noise_floor(several / several.sum(axis=0)) or {}
    methods = {
        name: {
            "values": one.found.values.tolist(),
            "seconds": one.seconds,
            "coalitions": one.found.num_coalitions,
            "stopped": one.found.stopped,
            **_measures(agreement(one.found.values, exact, normalised=True)),
        }
        for name, one in each.items()
    }
    return {"setting": setting, "name": SETTINGS[setting], "noise_floor": _measures(floor), "methods": methods}


def _measures(found: dict[str, float]) -> dict[str, float]:
    return {name: found[name] for name in MEASURES if name in found}


def shown(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """A table for each setting, the noise floor below."""
    tables = []
    for row in rows:
        title = f"Setting {row['setting']}: {row['name']}"
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for column in ("method", "seconds", "cosine", "Euclidean", "max diff.", "Spearman", "Kendall"):
            table.add_column(column, justify="left" if column == "method" else "right", no_wrap=True)
        for name, one in row["methods"].items():
            table.add_row(name, f"{one['seconds']:.1f}", *_figures(one))
        table.add_section()
        table.add_row("noise floor", "", *_figures(row["noise_floor"]))
        tables.append(table)
    return tables


def _figures(one: dict[str, float]) -> list[str]:
    forms = (".1e", ".4f", ".4f", "+.2f", "+.2f")
    return [f"{one[name]:{form}}" for name, form in zip(MEASURES, forms, strict=True)]


def figure(record: dict[str, Any]) -> Figure:
    """The distance and the rank correlation of each method to exact values, setting by setting."""
    drawn = Figure(figsize=(11.0, 6.6), layout="constrained")
    left, right = drawn.subplots(2, 1, sharex=True)
    _panel(left, record["rows"], "max_difference", "largest difference of shares")
    left.set_yscale("log")
    left.set_title("How far from exact values, by method (grey: two trainings of everything)", loc="left")
    _panel(right, record["rows"], "spearman", "Spearman's rank correlation")
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xticks(
        range(len(record["rows"])), [f"{row['setting']}: {row['name']}" for row in record["rows"]], fontsize=8
    )
    drawn.legend(*left.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=8)
    return drawn


def _panel(axes: Axes, rows: Sequence[dict[str, Any]], measure: str, label: str) -> None:
    """Bars of one measure, and the noise floor as a grey mark over each setting."""
    names = [name for name in METHODS if name != "exact"]
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        at = np.arange(len(rows)) + (place - (len(names) - 1) / 2) * width
        axes.bar(at, [row["methods"][name][measure] for row in rows], width * 0.9, label=name, zorder=2)
    for at, row in enumerate(rows):
        floor = row["noise_floor"][measure]
        axes.plot([at - 0.42, at + 0.42], [floor, floor], color="0.35", linewidth=2.0, zorder=3)
    axes.set_ylabel(label)
    axes.grid(axis="y", alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def show(record: dict[str, Any], console: Console) -> None:
    """The tables on the terminal."""
    for table in shown(record["rows"]):
        console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(_parser(), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings = overrides(CONFIG, options.set)
    integer("trainings", settings["trainings"], least=2)
    pool, done = pool_of(settings, options.data), progress()
    return {"config": settings, "rows": [measure(settings, pool, setting, done) for setting in options.settings]}


def _parser() -> argparse.ArgumentParser:
    made, which = parser("five_settings", __doc__, CONFIG), tuple(SETTINGS)
    made.add_argument("--settings", nargs="+", type=int, choices=which, default=which, help="which (default: all)")
    return made


if __name__ == "__main__":
    sys.exit(main())
