"""The figure of the benchmark of estimators: error against budget on each game."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.harness import Record

COLUMNS = 2  # panels side by side
BEST = 5  # so many of ours are named, and half as many of another package
FAMILIAR = ("kernelshap", "tmc", "permutation")  # named wherever they stand
Name = tuple[str, str]  # (package, estimator)
Rows = Sequence[dict[str, Any]]  # of one estimator, budget by budget
LINES = {"fedjax_shap": "-"}  # by package; dashed for others


def figure(record: Record) -> Figure:
    """Relative L2 error against the budget on each game: ours, shapiq's, and the noise floor."""
    games = list(record["games"])
    rows = math.ceil(len(games) / COLUMNS)
    drawn = Figure(figsize=(12.0, 5.6 * rows), layout="constrained")
    for place, game in enumerate(games, 1):
        _panel(drawn.add_subplot(rows, min(COLUMNS, len(games)), place), record, game)
    return drawn


def _panel(axes: Axes, record: Record, game: str) -> None:
    """One game; the lines that are named are drawn last, on top of the others."""
    lines: dict[Name, list[dict[str, Any]]] = {}
    for row in record["rows"]:
        if row["game"] == game:
            lines.setdefault((row["package"], row["estimator"]), []).append(row)
    named = _named(lines)
    for name in lines:
        if name not in named:
            _grey(axes, name, lines[name])
    for rank, name in enumerate(named):
        _line(axes, name, lines[name], record["default"], rank)
    about = record["games"][game]
    if about["noise_floor"] is not None:
        floor = about["noise_floor"]["rel_l2"]
        label = "noise floor of training"
        axes.axhline(floor, color="0.4", linestyle=":", linewidth=1.2, label=label)
    budgets = sorted({row["budget"] for rows in lines.values() for row in rows})
    axes.set(xscale="log", yscale="log")
    axes.set(xlabel="distinct coalitions trained", ylabel="relative L2 error")
    axes.set_xticks(budgets, [str(budget) for budget in budgets], minor=False)
    axes.minorticks_off()
    axes.set_title(f"game {game}: {about['players']} players", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _named(lines: dict[Name, list[dict[str, Any]]]) -> list[Name]:
    """The estimators that the legend names: our best, familiar ones of ours, and shapiq's best."""
    best = sorted(lines, key=lambda name: _standing(lines[name]))
    ours = [name for name in best if name[0] == "fedjax_shap"]
    theirs = [name for name in best if name[0] == "shapiq"]
    familiar = [name for name in ours if name[1] in FAMILIAR]
    return list(dict.fromkeys([*ours[:BEST], *familiar, *theirs[: BEST // 2]]))


def _standing(rows: Rows) -> tuple[int, float]:
    """Orders estimators: those with values at more budgets first, then those of lower errors."""
    return (-len(rows), float(np.prod([row["rel_l2"] for row in rows])))


def _grey(axes: Axes, name: Name, rows: Rows) -> None:
    """An estimator that the legend does not name."""
    style = LINES.get(name[0], "--")
    budgets = [row["budget"] for row in rows]
    errors = [row["rel_l2"] for row in rows]
    axes.plot(budgets, errors, style, color="0.85", linewidth=0.8, zorder=1)


def _line(axes: Axes, name: Name, rows: Rows, default: str, rank: int) -> None:
    """An estimator that the legend names: the default stands out, with its band."""
    package, estimator = name
    budgets = [row["budget"] for row in rows]
    errors = [row["rel_l2"] for row in rows]
    if name == ("fedjax_shap", default):
        low, high = zip(*(row["rel_l2_band"] for row in rows), strict=True)
        axes.fill_between(budgets, low, high, color="black", alpha=0.15, linewidth=0)
        axes.plot(budgets, errors, "ko-", linewidth=2.4, zorder=5, label=f"{estimator} (default)")
        return
    label = estimator
    if package != "fedjax_shap":
        label += f" ({package})"
    style = LINES.get(package, "--")
    color = f"C{rank % 10}"
    axes.plot(budgets, errors, style, color=color, marker="o", markersize=3, label=label)
