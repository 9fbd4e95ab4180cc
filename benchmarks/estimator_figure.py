"""The figure of the benchmark of estimators: error against budget on each game."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from benchmarks.harness import Record
from fedjax_shap.report import style
from fedjax_shap.report.looks import look

COLUMNS = 2  # panels side by side
BEST = 4  # so many of ours are named, and half as many of another package
FAMILIAR = ("kernelshap", "tmc", "permutation")  # named wherever they stand
TITLES = {"accuracy": "B by accuracy", "roc_auc": "B by ROC-AUC", "round": "one round"}
FEW_DECADES = 30.0  # the largest over the smallest error, up to which ticks are at 1, 2 and 5
Name = tuple[str, str]  # (package, estimator)
Rows = Sequence[dict[str, Any]]  # of one estimator, budget by budget
Lines = dict[Name, list[dict[str, Any]]]


def figure(record: Record) -> Figure:
    """Relative L2 error against the budget on each game: ours, shapiq's, and the noise floor."""
    games = list(record["games"])
    rows = math.ceil(len(games) / COLUMNS)
    columns = min(COLUMNS, len(games))
    drawn, panels = style.panels(style.ONE, 1.5 * rows + 0.6, rows, columns)
    named = _named(record)
    for axes, game in zip(panels, games, strict=False):
        _panel(axes, record, game, named)
    for axes in panels[len(games) :]:
        axes.set_axis_off()
    for axes in panels[::columns]:
        axes.set_ylabel("relative L2 error")
    for axes in panels[-columns:]:
        axes.set_xlabel("coalitions trained")
    style.legend_below(drawn, columns=2)
    seeds = max(row["seeds"] for row in record["rows"])
    players = [one["players"] for one in record["games"].values()]
    caption = f"""Relative L2 error of Shapley values against the number of distinct coalitions
    trained, on games of {min(players)} to {max(players)} players whose exact values are known.
    Lines are means over up to {seeds} seeds; the band is the 10 % to 90 % range of the default
    estimator (Gaussian process). Dashed lines with an asterisk are estimators of the
    package shapiq, grey lines the others. Dotted: the noise floor, exact values of another
    training of the same federation."""
    return style.captioned(drawn, caption)


def _panel(axes: Axes, record: Record, game: str, named: Sequence[Name]) -> None:
    """One game; the lines that are named are drawn last, on top of the others."""
    lines = _lines(row for row in record["rows"] if row["game"] == game)
    others = [name for name in lines if name not in named]
    for place, name in enumerate(others):
        label = {"label": "other estimators"} if place == 0 else {}
        axes.plot(*_points(lines[name]), color="0.82", linewidth=0.6, zorder=1, **label)
    for name in named:
        if name in lines:
            _line(axes, name, lines[name], record["default"])
    about = record["games"][game]
    if about["noise_floor"] is not None:
        floor = about["noise_floor"]["rel_l2"]
        axes.axhline(floor, color="black", linestyle=":", linewidth=1, label="noise floor")
    budgets = sorted({row["budget"] for rows in lines.values() for row in rows})
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(budgets, [str(budget) for budget in budgets])
    _error_ticks(axes)
    style.title(axes, f"game {game}" if len(game) == 1 else TITLES.get(game, game))


def _error_ticks(axes: Axes) -> None:
    """Ticks of the errors: at powers of ten, or at 1, 2 and 5 where these are few."""
    low, high = axes.get_ylim()
    axes.yaxis.set_minor_formatter(NullFormatter())
    if high < FEW_DECADES * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")


def _lines(rows: Any) -> Lines:
    """Rows by their estimator."""
    lines: Lines = {}
    for row in rows:
        lines.setdefault((row["package"], row["estimator"]), []).append(row)
    return lines


def _named(record: Record) -> list[Name]:
    """The estimators that the legend names, the same in all panels: our best over all games,
    familiar ones of ours, and shapiq's best.
    """
    known = _lines(record["rows"])
    whole = {name: len(rows) for name, rows in known.items()}
    best = sorted(known, key=lambda name: (-whole[name], _standing(known[name])))
    ours = [name for name in best if name[0] == "fedjax_shap"]
    theirs = [name for name in best if name[0] == "shapiq"]
    familiar = [name for name in ours if name[1] in FAMILIAR]
    return list(dict.fromkeys([*ours[:BEST], *familiar, *theirs[: BEST // 2]]))


def _standing(rows: Rows) -> float:
    """The mean of the logarithms of the errors."""
    return sum(math.log(max(row["rel_l2"], 1e-12)) for row in rows) / len(rows)


def _points(rows: Rows) -> tuple[list[int], list[float]]:
    """Budgets and errors of an estimator."""
    return [row["budget"] for row in rows], [row["rel_l2"] for row in rows]


def _line(axes: Axes, name: Name, rows: Rows, default: str) -> None:
    """An estimator that the legend names: the default stands out, with its band."""
    package, estimator = name
    one = look(estimator)
    looks: dict[str, Any] = {"markersize": 2.5, "linewidth": 1.1, **one.of_line}
    if package != "fedjax_shap":
        looks |= {"linestyle": "--", "label": f"{one.name}*"}
    if name == ("fedjax_shap", default):
        low, high = zip(*(row["rel_l2_band"] for row in rows), strict=True)
        budgets, _ = _points(rows)
        axes.fill_between(budgets, low, high, color=one.color, alpha=0.2, linewidth=0)
        looks |= {"linewidth": 2, "zorder": 5}
    axes.plot(*_points(rows), **looks)
