"""The figures of a settlement: payments with intervals, costs beside profits, other prices, and
what audits found.
"""

import math
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.audits.evidence import Finding
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.revenue import what_if
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.report.run_figures import BLUE, GREEN, GREY, MOST_NAMES, ORANGE
from fedjax_shap.typing import HostArray

COLORS = (BLUE, ORANGE, GREEN, "#8a6bb1", "#b0483f", "#5aa7b8", "#c2a83e", "#6b6b6b")
FACTORS = (0, 0.5, 1, 1.5, 2, 3, 4, 5)  # on the price of energy, or on all costs
_POINTS = 24  # revenues in a sweep
_FIGURES = FuncFormatter(lambda amount, _: f"{amount:,.10g}")
_POINT = 1 / 72  # inches


class Sweep(NamedTuple):
    """Settlements at many prices, each with everything else as it is.

    Attributes:
        label: what differs, with its unit, as an axis shows it.
        at: float[K], the prices, ascending.
        payments: float[K, P], what the members would be paid, in money; NaN where the rule refuses.
        now: where the settlement as it is stands.
        mark: another place worth a line, and what it is called; None for none.
    """

    label: str
    at: HostArray
    payments: HostArray
    now: float
    mark: tuple[float, str] | None = None


def over_revenue(settled: Settlement, **keywords: Any) -> Sweep:
    """The settlement at revenues from nothing to twice the present one or the costs, whichever is
    more.

    Args:
        settled: the settlement as it is.
        keywords: of `settle`: its rule, and the sizes where that needs them.
    """
    costs, unit = sum(map(Fraction, settled.costs), Fraction(0)), Fraction(settled.minor_unit)
    units = 2 * max(Fraction(settled.revenue), costs) / unit
    amounts = sorted(
        {settled.minor_unit * math.floor(units * k / _POINTS) for k in range(_POINTS + 1)}
    )
    mark = (float(costs), "covers the costs") if costs > 0 else None
    return _swept("revenue", settled, "revenues", amounts, float(settled.revenue), mark, keywords)


def over_energy(
    settled: Settlement, bill: Bill, factors: Sequence[Any] = FACTORS, **keywords: Any
) -> Sweep:
    """The settlement at multiples of the price of energy; `bill` has the parts of its costs."""
    label = "price of energy, times what it is"
    return _swept(label, settled, "energy", factors, 1.0, None, {"bill": bill, **keywords})


def over_costs(settled: Settlement, factors: Sequence[Any] = FACTORS, **keywords: Any) -> Sweep:
    """The settlement at multiples of all costs."""
    return _swept("costs, times what they are", settled, "scaled", factors, 1.0, None, keywords)


def _swept(
    label: str,
    settled: Settlement,
    changed: str,
    at: Sequence[Any],
    now: float,
    mark: tuple[float, str] | None,
    keywords: dict[str, Any],
) -> Sweep:
    """The payments at each price; NaN where the rule refuses it."""
    given: dict[str, Any] = {
        "players": settled.players,
        "minor_unit": settled.minor_unit,
        **keywords,
    }

    def paid(prices: Sequence[Any]) -> list[HostArray]:
        try:
            told = given | {changed: tuple(prices)}
            _, *others = what_if(settled.values, settled.costs, settled.revenue, **told)
        except InvalidInputError:  # of one of them
            alone = len(prices) == 1
            return (
                [np.full(len(settled.players), np.nan)]
                if alone
                else [row for one in prices for row in paid([one])]
            )
        return [_floats(other.settlement.payments) for other in others]

    return Sweep(label, np.array([float(price) for price in at]), np.stack(paid(at)), now, mark)


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
    rows, columns = (2 if sweeps else 1), (3 if findings else 2)
    figure = Figure(figsize=(5.2 * columns, 4.2 * rows), layout="constrained")
    grid = figure.add_gridspec(
        rows, columns, width_ratios=[1.0, 1.0, *([1.15] if findings else [])]
    )
    payments(figure.add_subplot(grid[0, 0]), settled, intervals)
    costs_and_profits(figure.add_subplot(grid[0, 1]), settled)
    for place, sweep in enumerate(sweeps[:2]):
        repriced(figure.add_subplot(grid[1, place]), settled, sweep)
    if findings:
        text(figure.add_subplot(grid[:, 2]), findings)
    figure.suptitle(_plain(title), x=0.01, ha="left", fontweight="bold")
    return figure


def payments(
    axes: Axes, settled: Settlement, intervals: Intervals | None = None, title: str | None = None
) -> None:
    """A bar for each member's payment, and its interval."""
    paid, places = _floats(settled.payments), np.arange(len(settled.players))
    axes.bar(places, paid, color=BLUE, width=0.62, zorder=2)
    highest = paid
    if intervals is not None:
        low, high = np.asarray(intervals.low, float), np.asarray(intervals.high, float)
        reach = np.stack(
            [np.maximum(paid - low, 0), np.maximum(high - paid, 0)]
        )  # a cent of rounding may lie outside
        axes.errorbar(places, paid, reach, fmt="none", ecolor="black", capsize=4, zorder=3)
        highest = np.maximum(paid, high)
    if len(places) <= MOST_NAMES:
        span = max(np.abs(highest).max(), np.abs(paid).max(), 1e-9)
        for place, amount, top in zip(places.tolist(), settled.payments, np.maximum(highest, 0)):
            axes.text(
                place, top + 0.015 * span, f"{amount:,f}", ha="center", va="bottom", fontsize=8
            )
    between = "" if intervals is None else f", with {100 * intervals.level:g} % intervals"
    axes.set_title(title or f"Payments of {settled.revenue:,f}{between}", loc="left", fontsize=11)
    axes.margins(y=0.09)  # for the figures above the bars
    _members(axes, settled.players)


def costs_and_profits(axes: Axes, settled: Settlement) -> None:
    """Each member's cost beside its profit, which hangs below the axis where it is a loss."""
    cost, profit = _floats(settled.costs), _floats(settled.profits)
    places, width = np.arange(len(cost)), 0.38
    axes.bar(places - width / 2, cost, width * 0.94, color=GREY, zorder=2, label="cost")
    axes.bar(
        places + width / 2,
        np.maximum(profit, 0),
        width * 0.94,
        color=GREEN,
        zorder=2,
        label="profit",
    )
    if any(-each >= settled.minor_unit for each in settled.profits):  # less is what rounding took
        axes.bar(
            places + width / 2,
            np.minimum(profit, 0),
            width * 0.94,
            color=ORANGE,
            zorder=2,
            label="loss",
        )
    axes.set_title(
        f"Costs and profits by the rule '{settled.rule.replace('_', ' ')}'", loc="left", fontsize=11
    )
    axes.legend(frameon=False, fontsize=9)
    _members(axes, settled.players)


def repriced(axes: Axes, settled: Settlement, sweep: Sweep, title: str | None = None) -> None:
    """Each member's payment against a price; where members are more than colours, the least paid
    are grey.
    """
    named = np.argsort(-_floats(settled.payments), kind="stable")[: len(COLORS)].tolist()
    others = sorted(set(range(len(settled.players))) - set(named))
    lines = [np.column_stack([sweep.at, sweep.payments[:, player]]) for player in others]
    axes.add_collection(LineCollection(lines, color=GREY, linewidth=0.8, alpha=0.7))
    for player, color in zip(named, COLORS):
        axes.plot(
            sweep.at,
            sweep.payments[:, player],
            color=color,
            linewidth=2,
            label=_plain(settled.players[player]),
        )
    axes.axvline(sweep.now, color="black", linewidth=0.8)
    axes.annotate(
        " now", (sweep.now, 0.99), xycoords=("data", "axes fraction"), va="top", fontsize=8
    )
    if sweep.mark is not None:
        axes.axvline(sweep.mark[0], color="black", linewidth=0.8, linestyle=":")
        axes.annotate(
            f" {sweep.mark[1]}",
            (sweep.mark[0], 0.92),
            xycoords=("data", "axes fraction"),
            va="top",
            fontsize=8,
        )
    axes.set(xlabel=sweep.label, ylabel="payment")
    axes.xaxis.set_major_formatter(_FIGURES)
    axes.set_title(
        title or f"Payments against the {sweep.label.split(',')[0]}", loc="left", fontsize=11
    )
    axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")
    _bare(axes)


def text(axes: Axes, findings: Sequence[Finding], width: int = 72) -> None:
    """What audits found, as text: the audit's name, whether it holds, and its sentence; smaller
    where it is much.
    """
    axes.set_axis_off()
    axes.set_title("Audits", loc="left", fontsize=11)
    marks = {
        True: ("holds", GREEN),
        False: ("does not hold", "#b0483f"),
        None: ("not judged", GREY),
    }
    said = [textwrap.wrap(_plain(found.sentence), width) for found in findings]
    inches, lines = (
        0.9 * axes.figure.bbox.height / axes.figure.dpi,
        sum(len(one) + 2.0 for one in said),
    )
    size = min(8.5, inches / (1.3 * _POINT * lines))
    line, place = 1.3 * size * _POINT / inches, 0.995
    for found, sentence in zip(findings, said):
        mark, color = marks[found.holds]
        name = f"{found.name.replace('_', ' ')}: {mark}"
        axes.text(0, place, name, color=color, va="top", fontsize=size, fontweight="bold")
        axes.text(
            0, place - 1.1 * line, "\n".join(sentence), va="top", fontsize=size, linespacing=1.15
        )
        place -= (len(sentence) + 2.0) * line


def _floats(amounts: Sequence[Decimal]) -> HostArray:
    return np.array([float(amount) for amount in amounts])


def _members(axes: Axes, players: Sequence[str]) -> None:
    """Members' names under their bars, turned where they would touch; beyond MOST_NAMES they are
    numbered.
    """
    axes.axhline(0, color="black", linewidth=0.8)
    if len(players) > MOST_NAMES:
        axes.set_xlabel("member")
    else:
        turned = max(map(len, players)) * len(players) > 48
        names = [_plain(name) for name in players]
        axes.set_xticks(
            range(len(players)),
            names,
            rotation=30 if turned else 0,
            ha="right" if turned else "center",
        )
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(_FIGURES)
    axes.grid(axis="y", alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _plain(words: str) -> str:
    """Text as it is: matplotlib reads what stands between two dollar signs as mathematics."""
    return words.replace("$", r"\$")
