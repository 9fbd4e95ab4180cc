"""The figures of a settlement: payments, costs beside profits, other prices, findings of audits."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedjax_shap.audits.evidence import Finding
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.report import style
from fedjax_shap.report.names import shortened
from fedjax_shap.report.sweeps import Sweep

_AUDITS = 108  # characters a line of findings across a figure of two columns
_MARKS = {
    True: ("holds", style.GREEN),
    False: ("does not hold", style.RED),
    None: ("not judged", style.GREY),
}
LONGEST_TITLE = 100  # characters of the page's title
_SIDE = 0.38  # between the centres of two bars that stand side by side, of the distance of members
_LINE = 1.35 * style.SMALL / 72  # inches, of text


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
    heights = [style.ROW + 0.1] * (1 + bool(sweeps))
    lines = _lines(findings)
    if findings:
        heights.append(_LINE * (len(lines) + 2))
    figure = Figure(figsize=(style.TWO, sum(heights) + 0.3), layout="constrained")
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    payments(figure.add_subplot(grid[0, 0]), settled, intervals)
    costs_and_profits(figure.add_subplot(grid[0, 1]), settled)
    for place, sweep in enumerate(sweeps[:2]):
        panel = figure.add_subplot(grid[1, place])
        repriced(panel, settled, sweep)
        if place == 0:
            style.legend_below(figure, panel, columns=len(style.COLORS))
    if findings:
        _text(figure.add_subplot(grid[-1, :]), lines)
    shown = shortened(title, LONGEST_TITLE)
    figure.suptitle(style.plain(shown), x=0.01, ha="left", fontsize=style.TYPE, fontweight="bold")
    return style.captioned(figure, _caption(title, settled, intervals, sweeps))


def _caption(
    title: str, settled: Settlement, intervals: Intervals | None, sweeps: Sequence[Sweep]
) -> str:
    """What the page shows, and what its bars and lines are."""
    caption = f"{title}: payments of {settled.revenue:,f} by the rule "
    caption += f"'{settled.rule.replace('_', ' ')}', costs beside profits"
    if sweeps:
        caption += ", and payments at other prices; the line 'now' is the present price"
    if intervals is not None:
        caption += f". Whiskers: {100 * intervals.level:g} % intervals of the payments"
    return f"{caption}. Amounts are in the unit of the revenue."


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
        amounts = [f"{payment:,f}" for payment in settled.payments]
        style.numbers_above(axes, highest, amounts)
    _title(axes, title or f"Payments of {settled.revenue:,f}{between}")
    axes.set_ylabel("payment (revenue's unit)")
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
    axes.set_ylabel("amount (revenue's unit)")
    style.legend(axes)
    _members(axes, settled.players)


def repriced(axes: Axes, settled: Settlement, sweep: Sweep, title: str | None = None) -> None:
    """Draws each member's payment against a price, with labels for a legend.

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
        axes.plot(sweep.at, sweep.payments[:, player], color=color, linewidth=1.4, label=name)
    _mark(axes, sweep.now, "now", 0.99, "-")
    if sweep.mark is not None:
        place, name = sweep.mark
        _mark(axes, place, name, 0.99, ":")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set(xlabel=sweep.label, ylabel="payment (revenue's unit)")
    style.amounts_on_x(axes)
    style.amounts_on_y(axes)
    style.open_frame(axes)
    _title(axes, title or f"Payments against the {sweep.label.split(',')[0]}")


def _lines(findings: Sequence[Finding]) -> list[tuple[str, str | None]]:
    """What audits found as (line of text, its colour): the audit's name, whether it holds, and its
    sentence; black where the colour is None.
    """
    lines: list[tuple[str, str | None]] = []
    for finding in findings:
        mark, color = _MARKS[finding.holds]
        lines.append((f"{finding.name.replace('_', ' ')}: {mark}", color))
        # wrap the sentences before `plain` adds what is not seen
        lines += [(line, None) for line in textwrap.wrap(finding.sentence, _AUDITS)]
    return lines


def _text(axes: Axes, lines: Sequence[tuple[str, str | None]]) -> None:
    """Writes lines below each other, in a panel without a frame."""
    axes.set_axis_off()
    _title(axes, "Audits")
    axes.set_ylim(len(lines) + 0.5, 0)
    for place, (line, color) in enumerate(lines):
        look: dict[str, Any] = {"color": color or "black", "fontsize": style.SMALL, "va": "top"}
        if color is not None:
            look["fontweight"] = "bold"
        axes.text(0, place, style.plain(line), transform=axes.get_yaxis_transform(), **look)


def _mark(axes: Axes, place: float, name: str, height: float, line: str) -> None:
    """A vertical line at a price, with its name at a height of the panel from 0 to 1."""
    axes.axvline(place, color="black", linewidth=0.8, linestyle=line)
    axes.annotate(
        name,
        (place, height),
        xytext=(1, 0),
        textcoords="offset points",
        xycoords=("data", "axes fraction"),
        va="top",
        rotation=90,
        fontsize=style.SMALL,
    )


def _members(axes: Axes, players: Sequence[str]) -> None:
    """The members under their bars, and amounts of money beside them."""
    style.zero_line(axes)
    style.name_members(axes, players, style.NARROW)
    style.amounts_on_y(axes)
    style.open_frame(axes)


def _title(axes: Axes, words: str) -> None:
    style.title(axes, words, characters=52)
