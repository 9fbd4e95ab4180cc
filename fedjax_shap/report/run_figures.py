"""The figures of a run: what members are worth, what they are paid, and how the models learn."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedjax_shap.pipeline.result import LearningCurves, Result
from fedjax_shap.shapley.estimator import Attribution

BLUE, ORANGE, GREY, GREEN = "#3b6ea5", "#d9822b", "#9aa0a6", "#4f9d69"
MOST_NAMES = 30  # members named on an axis; beyond, they are numbered by matplotlib


def values(result: Result, beside: Mapping[str, Attribution] | None = None) -> Figure:
    """Each member's Shapley value with its standard error, and other estimates of it as markers
    beside the bar.
    """
    figure, axes = _canvas(len(result.data.names))
    places = np.arange(len(result.data.names))
    found = result.attribution
    label = "in-run Shapley value" if result.setting == "cross-device" else "Shapley value"
    axes.bar(places, found.values, color=BLUE, width=0.62, label=label, zorder=2)
    if (found.std_errors > 0).any():
        axes.errorbar(
            places,
            found.values,
            1.96 * found.std_errors,
            fmt="none",
            ecolor="black",
            capsize=3,
            zorder=3,
        )
    for (name, other), marker in zip((beside or {}).items(), cycle("Dos^v"), strict=False):
        axes.plot(places, other.values, marker, color=ORANGE, markersize=6, label=name, zorder=4)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel(
        "value, V(N) - V(∅) = "
        f"{float(found.grand - found.empty):.3f}\n({result.metric.replace('_', ' ')})"
    )
    axes.set_title(f"{result.config.title}: what each member's data is worth", loc="left")
    _names(axes, result)
    if beside:
        figure.legend(frameon=False, loc="outside lower center", ncols=4)
    return figure


def payments(result: Result) -> Figure:
    """Each member's payment, parted into its cost and its profit; a loss hangs below the axis."""
    figure, axes = _canvas(len(result.data.names))
    settled = result.settlement
    places = np.arange(len(settled.players))
    cost = np.array([float(c) for c in settled.costs])
    paid = np.array([float(p) for p in settled.payments])
    covered = np.clip(np.minimum(paid, cost), 0, None)
    axes.bar(places, covered, color=GREY, width=0.62, label="cost covered", zorder=2)
    axes.bar(
        places,
        np.clip(paid - cost, 0, None),
        bottom=cost,
        color=GREEN,
        width=0.62,
        label="profit",
        zorder=2,
    )
    lost, reach = np.minimum(paid - cost, 0), paid
    if (lost < 0).any():
        axes.bar(places, lost, color=ORANGE, width=0.62, label="loss", zorder=2)
    if (found := result.intervals) is not None:
        low, high = (np.array([float(end) for end in ends]) for ends in (found.low, found.high))
        label = f"{found.level:.0%} interval".replace("%", " %")
        both = np.stack([np.maximum(paid - low, 0), np.maximum(high - paid, 0)])
        axes.errorbar(
            places, paid, both, fmt="none", ecolor="black", capsize=3, zorder=3, label=label
        )
        reach = np.maximum(paid, high)
    top = max(reach.max(), cost.max())
    for place, amount in enumerate(settled.payments):
        axes.text(
            place,
            max(reach[place], 0) + 0.015 * top,
            f"{amount:,}",
            ha="center",
            va="bottom",
            fontsize=8,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("money")
    rule = settled.rule.replace("_", " ")
    axes.set_title(
        f"{result.config.title}: payments of {settled.revenue:,} by the rule '{rule}'", loc="left"
    )
    figure.legend(frameon=False, loc="outside lower center", ncols=4)
    _names(axes, result)
    return figure


def curve(result: Result) -> Figure:
    """Test accuracy by round: the federation, each member alone, and one model on everybody's
    data.
    """
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.subplots()
    followed: LearningCurves = result.curve
    for index, alone in enumerate([] if followed.alone is None else followed.alone):
        label = "each member alone" if index == 0 else None
        axes.plot(
            np.arange(1, len(alone) + 1), alone, color=GREY, linewidth=1, alpha=0.8, label=label
        )
    for accuracy, color, style, label in (
        (followed.pooled, "black", "--", "pooled data"),
        (followed.federated, BLUE, "-", "federated"),
    ):
        axes.plot(
            np.arange(1, len(accuracy) + 1), accuracy, style, color=color, linewidth=2, label=label
        )
    axes.set(xlabel="round", ylabel="test accuracy", ylim=(0, 1.02))
    axes.set_title(f"{result.config.title}: accuracy by round", loc="left")
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    _bare(axes)
    return figure


def _canvas(bars: int) -> tuple[Figure, Axes]:
    """A figure wide enough for so many bars."""
    figure = Figure(figsize=(min(max(7.0, 0.75 * bars), 16.0), 4.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(axis="y", alpha=0.3, zorder=0)
    _bare(axes)
    return figure, axes


def _names(axes: Axes, result: Result) -> None:
    """Members' names under their bars, turned where they would touch."""
    names = result.data.names
    if len(names) > MOST_NAMES:
        axes.set_xlabel("member")
        return
    turned = max(map(len, names)) * len(names) > 80
    axes.set_xticks(
        range(len(names)), names, rotation=30 if turned else 0, ha="right" if turned else "center"
    )


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
