"""Runs side by side as a figure: values with their intervals, and payments."""

from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedjax_shap.pipeline.comparison import ComparedRun, Comparison
from fedjax_shap.report import style
from fedjax_shap.report.names import LONGEST_IN_FIGURES, Shown, chosen, shortened
from fedjax_shap.typing import HostArray

APART = 0.15  # of the distance between two members: between the dots of two runs
SPREAD = 0.6  # of that distance, over which the dots of all runs are spread at the most
MARKERS = "osD^v"


def compared_figure(compared: Comparison) -> Figure:
    """A dot for each member and run, with the 95 % interval of its value where it is known; below,
    the payments where there are some.

    Args:
        compared: the runs; where members are many, those of the highest and the lowest values in
            the first run are shown.
    """
    shown = chosen(compared.runs[0].values)
    paid = any(run.payments is not None for run in compared.runs)
    figure, panels = style.panels(style.TWO, style.ROW * (1 + paid) + 0.3, 1 + paid, sharex=True)
    _draw_values(panels[0], compared, shown)
    if paid:
        _draw_payments(panels[1], compared, shown)
        style.amounts_on_y(panels[1])
    names = [compared.members[member] for member in shown.members]
    for axes in panels:
        style.zero_line(axes)
        style.name_members(axes, names, places=shown.places)
        axes.set_xlim(-0.5, shown.places[-1] + 0.5)
    style.legend_below(figure)
    caption = "Values of the same members in each run; whiskers: 95 % intervals where known."
    if paid:
        caption += " Below: their payments, in the unit of the revenue."
    return style.captioned(figure, caption)


def _draw_values(axes: Axes, compared: Comparison, shown: Shown) -> None:
    """The values of all runs."""
    for run, moved, color, marker in _looks(compared):
        reach = style.NORMAL * np.nan_to_num(run.std_errors[shown.members])
        axes.errorbar(
            shown.places + moved,
            run.values[shown.members],
            reach,
            fmt=marker,
            color=color,
            capsize=style.CAP,
            markersize=4,
            linewidth=0.9,
            label=style.plain(shortened(run.label, LONGEST_IN_FIGURES)),
            zorder=3,
        )
    axes.set_ylabel("value (unit of the metric)")


def _draw_payments(axes: Axes, compared: Comparison, shown: Shown) -> None:
    """The payments of the runs that have some."""
    for run, moved, color, marker in _looks(compared):
        if run.payments is not None:
            paid: HostArray = np.array(run.payments, float)[shown.members]
            axes.plot(shown.places + moved, paid, marker, color=color, markersize=4, zorder=3)
    axes.set_ylabel("payment (revenue's unit)")


def _looks(compared: Comparison) -> list[tuple[ComparedRun, float, str, str]]:
    """Each run with how far its dots are moved sideways, its colour and its marker."""
    width = min(SPREAD, APART * (len(compared.runs) - 1))
    moved = np.linspace(-width / 2, width / 2, len(compared.runs))
    return list(zip(compared.runs, map(float, moved), cycle(style.COLORS), cycle(MARKERS)))
