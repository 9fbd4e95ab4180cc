"""Studies as figures, for a column of a paper: means with their intervals, and mean ranks."""

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedjax_shap.report import style
from fedjax_shap.report.study_tables import LABELS, label
from fedjax_shap.studies.ranks import Ranks
from fedjax_shap.studies.summary import Summary

MARKERS = "osD^v<>P"
LOGARITHMIC = 20.0  # the largest over the smallest number, from which an axis is logarithmic
APART = 0.08  # of the distance between two groups: between the dots of two lines
SPREAD = 0.5  # of that distance, over which the dots of all lines are spread at the most


def summary_figure(summary: Summary) -> Figure:
    """Means by rows, a line for each column, with their bootstrap intervals.

    Args:
        summary: one field of rows; where its values are numbers, they are on a scale.
    """
    figure, axes = _panel()
    numeric = len(summary.row_fields) == 1 and all(
        isinstance(value, int | float) and not isinstance(value, bool) for (value,) in summary.rows
    )
    places = np.arange(len(summary.rows), dtype=float)
    lines = len(summary.columns)
    width = min(SPREAD, APART * (lines - 1))
    moved = np.linspace(-width / 2, width / 2, lines)
    if numeric:
        places = np.array([float(value) for (value,) in summary.rows])
        moved = np.zeros(lines)
    looks = zip(cycle(style.COLORS), cycle(MARKERS))
    for column, (color, marker) in zip(range(lines), looks):
        known = [row for row in range(len(summary.rows)) if (row, column) in summary.spreads]
        spreads = [summary.spreads[row, column] for row in known]
        means = np.array([one.mean for one in spreads])
        ends = np.array([[one.mean - one.low, one.high - one.mean] for one in spreads]).T
        axes.errorbar(
            places[known] + moved[column],
            means,
            np.nan_to_num(np.maximum(ends, 0)),
            fmt=f"{marker}-" if numeric else marker,
            color=color,
            markersize=4,
            linewidth=1,
            capsize=2,
            label=style.plain(label(summary.columns[column], summary.column_fields)),
        )
    _name_rows(axes, summary, places, numeric=numeric)
    axes.set_ylabel(LABELS[summary.value])
    if lines > 1:
        style.legend_below(figure)
    rows = ", ".join(summary.row_fields) or "all runs"
    caption = f"{LABELS[summary.value]} by {rows}: means, with bootstrap intervals."
    return style.captioned(figure, caption)


def ranks_figure(ranks: Ranks) -> Figure:
    """Mean ranks on a line, with bars over methods that do not differ (Demsar 2006)."""
    figure, axes = _panel(height=0.7 + 0.22 * (len(ranks.methods) + len(ranks.groups())))
    count = len(ranks.methods)
    depths = np.arange(count)[::-1]
    axes.plot(ranks.mean_ranks, depths, "o", color=style.BLUE, markersize=4, zorder=3)
    for number, (first, last) in enumerate(ranks.groups(), 1):
        ends = [ranks.mean_ranks[first], ranks.mean_ranks[last]]
        axes.plot(ends, [count - 1 + 0.6 * number] * 2, color="black", linewidth=2)
    axes.set_yticks(depths, [style.plain(str(method)) for method in ranks.methods])
    axes.set_xlim(0.9, count + 0.1)
    axes.set_xlabel(
        f"mean rank by {LABELS[ranks.value]} (1 is best)\n"
        f"critical difference {ranks.critical_difference:.2f}"
    )
    caption = f"Mean ranks by {LABELS[ranks.value]}, 1 is best. A bar lies over methods whose mean "
    caption += (
        f"ranks differ by less than the critical difference, {ranks.critical_difference:.2f}."
    )
    return style.captioned(figure, caption)


def _panel(height: float = style.ROW) -> tuple[Figure, Axes]:
    """A figure of one panel, as wide as a column."""
    figure, [axes] = style.panels(style.ONE, height)
    return figure, axes


def _name_rows(axes: Axes, summary: Summary, places: Any, *, numeric: bool) -> None:
    """The scale or the names under the groups."""
    axes.set_xlabel(style.plain(", ".join(summary.row_fields)))
    if not numeric:
        names = [style.plain(", ".join(map(str, key)) or "all") for key in summary.rows]
        axes.set_xticks(places, names, rotation=30 * (len(names) > 3), ha="center")
        axes.set_xlim(-0.5, len(places) - 0.5)
        return
    if min(places) > 0 and max(places) / min(places) >= LOGARITHMIC:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(places, [f"{place:g}" for place in places])
