"""The figures of a settlement: payments, costs beside profits, other prices, findings of audits."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fedjax_shap.audits.evidence import Finding
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.report import style
from fedjax_shap.report.sweeps import Sweep

_TITLE = 11  # points, of a panel's title
_MOST_FONT = 8.5  # points, of findings; smaller where they are long
_MARKS = {
    True: ("holds", style.GREEN),
    False: ("does not hold", style.RED),
    None: ("not judged", style.GREY),
}
_SIDE = 0.38  # between the centres of two bars that stand side by side, of the distance of members
_POINT = 1 / 72  # inches


def page(
    title: str,
    settled: Settlement,
    *,
    intervals: Intervals | None = None,
    sweeps: Sequence[Sweep] = (),
    findings: Sequence[Finding] = (),
) -> Figure:
    """One page on a settlement.

    Args:
        title: above everything.
        settled: who is paid what.
        intervals: of the payments; none are drawn if None.
        sweeps: a panel each, at most two.
        findings: of audits, as text beside the panels.
    """
    rows = 1 + bool(sweeps)
    widths = [1.0, 1.0]
    if findings:
        widths.append(1.15)
    size = (5.2 * len(widths), style.HEIGHT * rows)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(rows, len(widths), width_ratios=widths)
    payments(figure.add_subplot(grid[0, 0]), settled, intervals)
    costs_and_profits(figure.add_subplot(grid[0, 1]), settled)
    for place, sweep in enumerate(sweeps[:2]):
        repriced(figure.add_subplot(grid[1, place]), settled, sweep)
    if findings:
        text(figure.add_subplot(grid[:, 2]), findings)
    figure.suptitle(style.plain(title), x=0.01, ha="left", fontweight="bold")
    return figure


def payments(
    axes: Axes, settled: Settlement, intervals: Intervals | None = None, title: str | None = None
) -> None:
    """Draws a bar for each member's payment, and its interval.

    Args:
        axes: where to.
        settled: who is paid what.
        intervals: of the payments; none are drawn if None.
        title: of the panel; None for one that names the revenue.
    """
    paid = np.array(settled.payments, float)
    places = np.arange(len(paid))
    highest = paid
    between = ""
    style.bars(axes, places, paid, style.BLUE)
    if intervals is not None:
        low = np.asarray(intervals.low, float)
        high = np.asarray(intervals.high, float)
        # rounding can leave a payment outside its interval by a minor unit
        reach = np.stack([np.maximum(paid - low, 0), np.maximum(high - paid, 0)])
        style.error_bars(axes, places, paid, reach)
        highest = np.maximum(paid, high)
        between = f", with {100 * intervals.level:g} % intervals"
    if len(places) <= style.MOST_NAMES:
        span = max(np.abs(highest).max(), np.abs(paid).max(), 1e-9)
        amounts = [f"{payment:,f}" for payment in settled.payments]
        style.numbers_above(axes, highest, amounts, span)
    _title(axes, title or f"Payments of {settled.revenue:,f}{between}")
    axes.margins(y=0.09)  # for the numbers above the bars
    _members(axes, settled.players)


def costs_and_profits(axes: Axes, settled: Settlement) -> None:
    """Draws each member's cost beside its profit, which hangs below the axis if it is a loss."""
    cost = np.array(settled.costs, float)
    profit = np.array(settled.profits, float)
    left = np.arange(len(cost)) - _SIDE / 2
    right = left + _SIDE
    width = _SIDE * 0.94
    style.bars(axes, left, cost, style.GREY, "cost", width=width)
    style.bars(axes, right, np.maximum(profit, 0), style.GREEN, "profit", width=width)
    # below a minor unit, a loss is only what rounding took
    if any(-each >= settled.minor_unit for each in settled.profits):
        style.bars(axes, right, np.minimum(profit, 0), style.ORANGE, "loss", width=width)
    _title(axes, f"Costs and profits by the rule '{settled.rule.replace('_', ' ')}'")
    axes.legend(frameon=False, fontsize=9)
    _members(axes, settled.players)


def repriced(axes: Axes, settled: Settlement, sweep: Sweep, title: str | None = None) -> None:
    """Draws each member's payment against a price.

    Where members are more than colours, those that are paid least now are grey.

    Args:
        axes: where to.
        settled: the present settlement.
        sweep: the payments at other prices.
        title: of the panel; None for one that names the price.
    """
    paid = np.array(settled.payments, float)
    colored = np.argsort(-paid, kind="stable")[: len(style.COLORS)].tolist()
    others = sorted(set(range(len(paid))) - set(colored))
    lines = [np.column_stack([sweep.at, sweep.payments[:, player]]) for player in others]
    axes.add_collection(LineCollection(lines, color=style.GREY, linewidth=0.8, alpha=0.7))
    for player, color in zip(colored, style.COLORS):
        name = style.plain(settled.players[player])
        axes.plot(sweep.at, sweep.payments[:, player], color=color, linewidth=2, label=name)
    _mark(axes, sweep.now, "now", 0.99, "-")
    if sweep.mark is not None:
        place, name = sweep.mark
        _mark(axes, place, name, 0.92, ":")
    axes.set(xlabel=sweep.label, ylabel="payment")
    style.amounts_on_x(axes)
    style.amounts_on_y(axes)
    style.open_frame(axes)
    _title(axes, title or f"Payments against the {sweep.label.split(',')[0]}")
    axes.legend(fontsize=style.SMALL, framealpha=0.8, edgecolor="none")


def text(axes: Axes, findings: Sequence[Finding], width: int = 72) -> None:
    """Writes what audits found: the audit's name, whether it holds, and its sentence.

    Args:
        axes: where to; its frame is taken away.
        findings: of audits; where they are long, they are written smaller, so that all fit.
        width: characters a line.
    """
    axes.set_axis_off()
    _title(axes, "Audits")
    # wrap the sentences before `plain` adds what is not seen
    sentences = [textwrap.wrap(finding.sentence, width) for finding in findings]
    heights = [len(lines) + 2.0 for lines in sentences]  # a name above, an empty line below
    # find the size at which all lines fit
    inches = 0.9 * axes.figure.bbox.height / axes.figure.dpi
    size = min(_MOST_FONT, inches / (1.3 * _POINT * sum(heights)))
    line = 1.3 * size * _POINT / inches
    place = 0.995
    for finding, lines, height in zip(findings, sentences, heights, strict=True):
        mark, color = _MARKS[finding.holds]
        name = style.plain(f"{finding.name.replace('_', ' ')}: {mark}")
        axes.text(0, place, name, color=color, va="top", fontsize=size, fontweight="bold")
        below = place - 1.1 * line
        sentence = style.plain("\n".join(lines))
        axes.text(0, below, sentence, va="top", fontsize=size, linespacing=1.15)
        place -= height * line


def _mark(axes: Axes, place: float, name: str, height: float, line: str) -> None:
    """A vertical line at a price, with its name at a height of the panel from 0 to 1."""
    axes.axvline(place, color="black", linewidth=0.8, linestyle=line)
    axes.annotate(
        f" {name}",
        (place, height),
        xycoords=("data", "axes fraction"),
        va="top",
        fontsize=style.SMALL,
    )


def _members(axes: Axes, players: Sequence[str]) -> None:
    """The members under their bars, and amounts of money beside them."""
    style.zero_line(axes)
    style.name_members(axes, players, style.NARROW)
    style.amounts_on_y(axes)
    style.open_frame(axes)


def _title(axes: Axes, words: str) -> None:
    axes.set_title(style.plain(words), loc="left", fontsize=_TITLE)
