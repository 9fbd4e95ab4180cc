"""The figures of a run: what members are worth, what they are paid, and how the models learn."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.report import style
from fedjax_shap.report.names import LONGEST_IN_FIGURES, Shown, chosen, distinct, shortened
from fedjax_shap.report.saved_run import AnyCurves, AnyRun, AnyValues
from fedjax_shap.typing import HostArray

CHARACTERS = {style.ONE: 46, style.TWO: 100}  # of a title, by the width of the figure
ALONE = (*style.COLORS[1:-1], style.PINK)  # colours of members alone; blue is the federation
LINES = ("-", "--", ":", "-.")  # of members alone, where they are more than colours
WIDE_RANGE = 15.0  # the most over the fewest examples, from which an axis is logarithmic


def figures(result: AnyRun, beside: Mapping[str, AnyValues] | None = None) -> dict[str, Figure]:
    """The figures of a run's values, payments and learning, by what they show.

    Args:
        result: what a run found out.
        beside: other values of the same members, by what they are called.
    """
    drawn = {"values": values(result, beside)}
    if result.settlement is not None:
        drawn["payments"] = payments(result, result.settlement)
    if result.curve is not None:
        drawn["curve"] = curve(result.curve, result.config.title, result.players)
    return drawn


def values(result: AnyRun, beside: Mapping[str, AnyValues] | None = None) -> Figure:
    """Each member's value with its 95 % interval, and other estimates of it as markers on the bar;
    where members are many, those of the highest and the lowest values.

    Args:
        result: what a run found out.
        beside: other values of the same members, by what they are called.
    """
    attribution = result.attribution
    shown = _shown(result)
    figure, axes = style.bar_figure([result.players[member] for member in shown.members])
    heights = attribution.values[shown.members]
    label = style.plain(f"{result.value_label} (bar)")
    style.bars(axes, shown.places, heights, style.BLUE, label)
    known = (attribution.std_errors > 0).any()
    if known:
        reach = style.NORMAL * attribution.std_errors[shown.members]
        style.error_bars(axes, shown.places, heights, reach, "95 % interval")
    for (name, other), marker in zip((beside or {}).items(), cycle("Dos^v"), strict=False):
        look: dict[str, Any] = {"color": style.ORANGE, "markersize": 4, "zorder": 4}
        heights = other.values[shown.members]
        axes.plot(shown.places, heights, marker, label=style.plain(name), **look)
    style.zero_line(axes)
    metric = style.plain(_metric(result))
    axes.set_ylabel(f"value ({metric})")
    _title(figure, result.config.title, "what each member's data is worth")
    _name(axes, result, shown)
    style.legend_below(figure)
    surplus = float(attribution.grand - attribution.empty)
    caption = f"{result.config.title}. Bars: {result.value_label} of each member, in {metric}; "
    caption += f"all members together add V(N) - V(empty) = {surplus:.3g}."
    if known:
        caption += " Whiskers: 95 % intervals (1.96 standard errors)."
    if beside:
        caption += f" Markers: {', '.join(beside)} of the same members."
    return style.captioned(figure, caption)


def payments(result: AnyRun, settled: Settlement) -> Figure:
    """Each member's payment, split into its cost and its profit; a loss hangs below the axis.

    Args:
        result: what a run found out; where members are many, those of the highest and the lowest
            values are shown.
        settled: its settlement.
    """
    shown = _shown(result)
    figure, axes = style.bar_figure([result.players[member] for member in shown.members])
    cost = np.array(settled.costs, float)[shown.members]
    paid = np.array(settled.payments, float)[shown.members]
    covered = np.clip(np.minimum(paid, cost), 0, None)
    profit = np.clip(paid - cost, 0, None)
    loss = np.minimum(paid - cost, 0)
    # stack the profit on the cost that is covered
    _stacked(axes, shown, covered, style.GREY, "cost covered")
    _stacked(axes, shown, profit, style.GREEN, "profit", bottom=cost)
    _stacked(axes, shown, loss, style.ORANGE, "loss")
    reach = _payment_intervals(axes, result, shown, paid)
    # write each payment above its bar and interval
    amounts = [f"{settled.payments[member]:,f}" for member in shown.members]
    style.numbers_above(axes, reach, amounts, places=shown.places)
    style.zero_line(axes)
    style.amounts_on_y(axes)
    axes.set_ylabel("payment (revenue's unit)")
    rule = settled.rule.replace("_", " ")
    what = f"payments of {settled.revenue:,f} by the rule '{rule}'"
    _title(figure, result.config.title, what)
    _name(axes, result, shown)
    style.legend_below(figure)
    caption = f"{result.config.title}: {what}, each split into the cost that it covers and the "
    caption += "profit; the numbers are the payments."
    if result.intervals is not None:
        caption += f" Whiskers: {100 * result.intervals.level:g} % intervals of the payments."
    return style.captioned(figure, caption)


def curve(curves: AnyCurves, title: str, members: Sequence[str]) -> Figure:
    """The game's metric on the test set against the examples seen, of the federation, pooled data,
    and each member alone; against rounds where the examples are not known.

    Args:
        curves: how the models learned.
        title: of the run.
        members: their names.
    """
    width = style.ONE
    if curves.alone is not None and len(curves.alone) > len(ALONE):
        width = style.TWO
    figure, [axes] = style.panels(width, style.ROW + 0.4)
    style.open_frame(axes, "both")
    along = _along(axes, curves)
    known: dict[str, Any] = {"marker": "o" * (len(curves.federated) == 1), "markersize": 4}
    if curves.alone is not None:
        looks = zip(np.repeat(LINES, len(ALONE)), cycle(ALONE))
        names = distinct(members, LONGEST_IN_FIGURES)
        for name, each, reached, (line, color) in zip(
            names, along[1], curves.alone, looks, strict=False
        ):
            drawn: dict[str, Any] = {"linestyle": line, "color": color, "linewidth": 0.9}
            axes.plot(each, reached, label=style.plain(f"{name} alone"), **drawn, **known)
    # a ring and dashes, so that what lies under them is seen
    around: dict[str, Any] = {"color": "black", "fillstyle": "none", **known, "markersize": 8}
    axes.plot(along[2], curves.pooled, "--", label="pooled data", zorder=3, **around)
    label = "federation"
    axes.plot(along[0], curves.federated, color=style.BLUE, label=label, linewidth=2, **known)
    axes.set_ylabel(f"{style.plain(curves.label)} on the test set")
    _title(figure, title, f"{curves.label} as the models learn")
    style.legend_below(figure, columns=6)
    caption = f"{title}: {curves.label} on the test set after each round, of the federation, "
    caption += "of one model trained on the pooled data"
    caption += " and of each member alone." if curves.alone is not None else "."
    if curves.examples is not None:
        caption += " Across: training examples seen until then, by all members together."
    return style.captioned(figure, caption)


def _along(axes: Axes, curves: AnyCurves) -> tuple[Any, Any, Any]:
    """Where the points of the federation, the members alone and pooled data are; names the axis."""
    seen = curves.examples
    if seen is not None:
        axes.set_xlabel("training examples seen")
        every = np.concatenate([seen.federated, seen.pooled, np.ravel(seen.alone)])
        if every.max() > WIDE_RANGE * every[every > 0].min(initial=np.inf):
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
            style.amounts_on_x(axes)
        return seen.federated, seen.alone, seen.pooled
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(curves.federated) == 1:
        axes.set(xlim=(0, 2), xticks=[1])
    alone = [] if curves.alone is None else [_rounds(one) for one in curves.alone]
    return _rounds(curves.federated), alone, _rounds(curves.pooled)


def _metric(result: AnyRun) -> str:
    """The unit of values: the game's metric, or less of it where less is better."""
    metric = result.label.replace("_", " ")
    if result.metric_sign < 0:
        return f"reduction of {metric}"
    return metric


def _shown(result: AnyRun) -> Shown:
    """The members that the figures of a run show."""
    return chosen(result.attribution.values, most=style.MOST_NAMES)


def _name(axes: Axes, result: AnyRun, shown: Shown) -> None:
    """Writes names under bars, and how many members the gap between them stands for."""
    names = distinct(result.players, LONGEST_IN_FIGURES)
    style.name_members(axes, [names[member] for member in shown.members], places=shown.places)
    if shown.left_out:
        gap = len(shown.highest)
        axes.text(
            gap, 0, f"{shown.left_out:,}\nmore", ha="center", va="bottom", fontsize=style.SMALL
        )


def _stacked(
    axes: Axes,
    shown: Shown,
    heights: HostArray,
    color: str,
    label: str,
    bottom: HostArray | float = 0.0,
) -> None:
    """Draws bars, which the legend names where there is something to see."""
    if heights.any():
        style.bars(axes, shown.places, heights, color, label, bottom=bottom)


def _payment_intervals(axes: Axes, result: AnyRun, shown: Shown, paid: HostArray) -> HostArray:
    """Draws the intervals of the payments, if known; float[P], the tops of bars and intervals."""
    intervals = result.intervals
    if intervals is None:
        return paid
    low = np.asarray(intervals.low, float)[shown.members]
    high = np.asarray(intervals.high, float)[shown.members]
    # rounding can leave a payment outside its interval by a minor unit
    reach = np.stack([np.maximum(paid - low, 0), np.maximum(high - paid, 0)])
    label = f"{100 * intervals.level:g} % interval"
    style.error_bars(axes, shown.places, paid, reach, label)
    tops: HostArray = np.maximum(paid, high)
    return tops


def _rounds(accuracies: HostArray) -> HostArray:
    """The numbers of the rounds, from 1."""
    return np.arange(1, len(accuracies) + 1)


def _title(figure: Figure, title: str, what: str) -> None:
    """The run's title and what is shown, in one line where the figure has room for both."""
    room = CHARACTERS[figure.get_figwidth()]
    between = "\n"
    if len(title) + len(what) + 2 <= room:
        between = " "
    style.title_above(figure, f"{shortened(title, room)}:{between}{what}")
