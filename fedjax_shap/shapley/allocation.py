"""Which stratum the next draw goes to: equal shares, Neyman's, or those of empirical Bernstein
bounds.
"""

from collections.abc import Callable
from math import log
from typing import Any, Literal, NamedTuple

import numpy as np

from fedjax_shap._validate import number, one_of, require
from fedjax_shap.shapley.design import Draws, SamplingState
from fedjax_shap.shapley.estimator import Guarantees
from fedjax_shap.typing import HostArray

Allocation = Literal["equal", "neyman", "bernstein"]
SquaredErrors = Callable[
    [HostArray], HostArray
]  # draws int[K] of each stratum -> squared errors float64[K]

ADAPTIVE = "how often a stratum is drawn depends on what its first draws gave; the bias falls like one over the draws"
# new coalitions in a turn of the Bernstein allocation, or P where that is more: an engine stays
# full
BATCH = 32
RISK = (
    0.05  # that a Bernstein bound fails; a smaller one gives ranges more weight against variances
)


def guarantees_of(allocation: Allocation, **others: Any) -> Guarantees:
    """What holds of an allocation: draws that follow what was told are biased, and follow all
    slices together.
    """
    adaptive = allocation != "equal"
    return Guarantees(
        unbiased=not adaptive, bias=ADAPTIVE if adaptive else "", slicewise=not adaptive, **others
    )


class Spreads(NamedTuple):
    """How widely draws of each stratum spread, summed over players and trailing axes.

    Attributes:
        draws: int[K], how many draws of each stratum this was seen in.
        squares: float64[K], sums of variances.
        products: float64[K], sums of standard deviations times ranges.
        ranges: float64[K], sums of squared ranges.
    """

    draws: HostArray
    squares: HostArray
    products: HostArray
    ranges: HostArray


def apportion(
    errors: SquaredErrors, drawn: HostArray, count: int, *, least: HostArray, most: HostArray
) -> HostArray:
    """The strata of the next draws, each where it lowers the sum of squared errors most.

    For errors variance / draws this is Neyman's optimum in whole numbers (Wright 2012, The American
    Statistician 66: Neyman allocation and equal proportions are one), and for any convex errors it
    is the optimum likewise.

    Args:
        errors: what the squared error of each stratum is, by its draws.
        drawn: int[K], draws that each stratum has had.
        count: how many draws to place.
        least: int[K], draws that each stratum gets before any other rule holds.
        most: float64[K], draws after which nothing of a stratum is left.

    Returns:
        int[D], strata in 0..K-1; D < `count` only where nothing is left of any.
    """
    drawn, chosen = drawn.astype(np.float64), np.empty(count, np.int64)
    for draw in range(count):
        held = np.maximum(drawn, 1)
        gains = np.where(drawn < least, np.inf, errors(held) - errors(held + 1))
        gains = np.where(drawn < most, gains, -np.inf)
        best = np.lexsort((drawn, -gains))[0] if len(gains) else 0
        if not len(gains) or gains[best] == -np.inf:
            return chosen[:draw]
        chosen[draw], drawn[best] = best, drawn[best] + 1
    return chosen


def variances(squares: HostArray) -> SquaredErrors:
    """The squared errors of means of draws whose variances are float64[K]; all alike: equal
    shares.
    """
    return lambda drawn: squares / drawn


def neyman(spreads: Spreads) -> SquaredErrors:
    """Squared errors by the variances seen (Neyman 1934; for Shapley values Castro et al. 2017).

    Each variance counts as if one more draw had shown the mean variance of all strata: one whose
    few first draws agreed by chance is not left out for good.
    """
    return variances(_smoothed(spreads).squares)


def _smoothed(spreads: Spreads) -> Spreads:
    seen, *kinds = spreads
    return Spreads(seen, *((seen * kind + kind.mean()) / (seen + 1) for kind in kinds))


def bernstein(spreads: Spreads) -> SquaredErrors:
    """Squared empirical Bernstein bounds (sigma sqrt(2 L / m) + 3 L range / m)^2 with L = log(3 /
    RISK).

    The bound is that of Audibert, Munos, Szepesvari (2009, theorem 1), with the range seen in place
    of the true one; to draw next where the bound falls most is after Burgess and Chapman (2021),
    who bound all strata jointly.
    """
    bits, spreads = log(3 / RISK), _smoothed(spreads)

    def errors(drawn: HostArray) -> HostArray:
        mixed = 2 * 3 * bits * np.sqrt(2 * bits) * spreads.products / drawn**1.5
        return np.asarray(
            2 * bits * spreads.squares / drawn + mixed + (3 * bits) ** 2 * spreads.ranges / drawn**2
        )

    return errors


def spreads_of(draws: HostArray) -> tuple[float, float, float]:
    """(squares, products, ranges) of `Spreads` for one stratum, of whose draws float64[D, ...] each
    is one.
    """
    if len(draws) < 2:
        return 0.0, 0.0, 0.0
    squares, ranges = draws.var(axis=0, ddof=1), np.ptp(draws, axis=0)
    return float(squares.sum()), float((np.sqrt(squares) * ranges).sum()), float((ranges**2).sum())


def rule(
    allocation: Allocation,
    pilot: float,
    state: SamplingState,
    alike: HostArray,
    measured: Callable[[Draws], Spreads],
) -> SquaredErrors:
    """The squared errors by which the next draws are placed.

    Args:
        allocation: which rule.
        pilot: the share of the budget in which Neyman's allocation first sees the variances.
        state: what was drawn and told.
        alike: float64[K], variances of the strata as far as they are known before any draw.
        measured: the spreads seen in draws.
    """
    known = observed_draws(state)
    if (
        allocation == "equal"
        or known is None
        or (allocation == "neyman" and piloting(state, pilot))
    ):
        return variances(alike)
    return {"neyman": neyman, "bernstein": bernstein}[allocation](measured(known))


def observed_draws(state: SamplingState) -> Draws | None:
    """The draws whose utilities are told, without those that wait for theirs; None before the
    first.
    """
    told = 0 if state.evaluations.utilities is None else len(state.evaluations.utilities)
    turns = [turn for turn, rows in enumerate(state.rows) if rows.max() < told]
    if not turns:
        return None
    kept = state._replace(
        units=tuple(state.units[t] for t in turns), rows=tuple(state.rows[t] for t in turns)
    )
    return kept.draws


def piloting(state: SamplingState, pilot: float) -> bool:
    """Whether the pilot's share of the budget is not told yet."""
    told = 0 if state.evaluations.utilities is None else len(state.evaluations.utilities)
    return told + 2 * state.num_players < pilot * state.budget


def stages(allocation: Allocation, pilot: float) -> Callable[[SamplingState], int] | None:
    """`Design.stage_size`: one for equal shares, the pilot and the rest for Neyman's, batches for
    Bernstein bounds.
    """
    if allocation == "equal":
        return None
    if allocation == "bernstein":
        return lambda state: max(BATCH, state.num_players)
    return lambda state: (
        int(pilot * state.budget) - len(state.evaluations)
        if piloting(state, pilot)
        else state.budget
    )


def check(allocation: str, pilot: float) -> None:
    """Refuses an allocation that is none, or a pilot that is no share."""
    one_of("allocation", allocation, ("equal", "neyman", "bernstein"), "an allocation")
    number("pilot", pilot)
    require(0 < pilot < 1, f"Expected pilot={pilot!r} to lie in (0, 1).")
