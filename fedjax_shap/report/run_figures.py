"""The figures of a run: what members are worth, what they are paid, and how the models learn."""

from collections.abc import Mapping
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

LONGEST_TITLE = 90  # characters above a panel


def values(result: AnyRun, beside: Mapping[str, AnyValues] | None = None) -> Figure:
    """Each member's value with its 95 % interval, and other estimates of it as markers on the bar;
    where members are many, those of the highest and the lowest values.

    Args:
        result: what a run found out.
        beside: other values of the same members, by what they are called.
    """
    attribution = result.attribution
    shown = _shown(result)
    figure, axes = style.bar_figure(len(shown.members))
    heights = attribution.values[shown.members]
    style.bars(axes, shown.places, heights, style.BLUE, result.value_label)
    if (attribution.std_errors > 0).any():
        reach = style.NORMAL * attribution.std_errors[shown.members]
        style.error_bars(axes, shown.places, heights, reach)
    for (name, other), marker in zip((beside or {}).items(), cycle("Dos^v"), strict=False):
        axes.plot(
            shown.places,
            other.values[shown.members],
            marker,
            color=style.ORANGE,
            markersize=6,
            label=style.plain(name),
            zorder=4,
        )
    style.zero_line(axes)
    surplus = float(attribution.grand - attribution.empty)
    metric = style.plain(result.label.replace("_", " "))
    if result.metric_sign < 0:
        metric = f"V = -{metric}"
    axes.set_ylabel(f"value, V(N) - V(empty) = {surplus:.3f}\n({metric})")
    _title(axes, result.config.title, "what each member's data is worth")
    _name(axes, result, shown)
    if beside:
        _legend_below(figure, columns=4)
    return figure


def payments(result: AnyRun, settled: Settlement) -> Figure:
    """Each member's payment, split into its cost and its profit; a loss hangs below the axis.

    Args:
        result: what a run found out; where members are many, those of the highest and the lowest
            values are shown.
        settled: its settlement.
    """
    shown = _shown(result)
    figure, axes = style.bar_figure(len(shown.members))
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
    span = max(reach.max(), cost.max())
    amounts = [f"{settled.payments[member]:,f}" for member in shown.members]
    style.numbers_above(axes, reach, amounts, span, places=shown.places)
    style.zero_line(axes)
    axes.set_ylabel("money")
    rule = settled.rule.replace("_", " ")
    _title(axes, result.config.title, f"payments of {settled.revenue:,f} by the rule '{rule}'")
    _legend_below(figure, columns=4)
    _name(axes, result, shown)
    return figure


def curve(curves: AnyCurves, title: str) -> Figure:
    """The score on the test set by round, of the federation, each member alone, and pooled data.

    Args:
        curves: how the models learned.
        title: of the run.
    """
    figure = Figure(figsize=(7.0, style.HEIGHT), layout="constrained")
    axes = figure.subplots()
    marker = "o" * (len(curves.federated) == 1)  # one round is no line
    if curves.alone is not None:
        rounds = _rounds(curves.alone[0])
        lines = axes.plot(
            rounds, curves.alone.T, marker=marker, color=style.GREY, linewidth=1, alpha=0.8
        )
        lines[0].set_label("each member alone")
    pooled = curves.pooled
    federated = curves.federated
    known: dict[str, Any] = {"marker": marker, "linewidth": 2}
    # a ring and dashes, so that what lies under them is seen
    around: dict[str, Any] = {"zorder": 3, "fillstyle": "none", "markersize": 11, **known}
    axes.plot(_rounds(pooled), pooled, "--", color="black", label="pooled data", **around)
    axes.plot(_rounds(federated), federated, color=style.BLUE, label="federated", **known)
    axes.set(xlabel="round", ylabel=f"{style.plain(curves.label)} on the test set")
    if curves.label == "accuracy":
        axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if marker:
        axes.set(xlim=(0, 2), xticks=[1])
    _title(axes, title, f"{curves.label} by round")
    style.open_frame(axes)
    axes.grid(axis="x", alpha=0.3)
    _legend_below(figure, columns=3)
    return figure


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


def _title(axes: Axes, title: str, what: str) -> None:
    short = shortened(title, max(LONGEST_TITLE - len(what), LONGEST_IN_FIGURES))
    axes.set_title(style.plain(f"{short}: {what}"), loc="left")


def _legend_below(figure: Figure, columns: int) -> None:
    """A legend under the panel, where something in it has a name."""
    if any(axes.get_legend_handles_labels()[0] for axes in figure.axes):
        figure.legend(frameon=False, loc="outside lower center", ncols=columns)
