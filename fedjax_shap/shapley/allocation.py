"""Which stratum the next draw goes to: equally often, by Neyman's rule, or by Bernstein bounds."""

from collections.abc import Callable
from math import log
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import number, one_of, require
from fedjax_shap.shapley.design import Draws, SamplingState
from fedjax_shap.shapley.estimator import Guarantees
from fedjax_shap.typing import HostArray

Allocation = Literal["equal", "neyman", "bernstein"]

ADAPTIVE = (
    "how often a stratum is drawn depends on what its first draws gave; the bias falls like one "
    "over the draws"
)
# New coalitions in a batch of the Bernstein allocation, or P where that is more: an engine stays
# full.
BATCH = 32
# The probability that a Bernstein bound fails; a smaller one gives ranges more weight against
# variances.
RISK = 0.05


class SquaredErrors(Protocol):
    """The squared error that each stratum contributes."""

    def __call__(self, draws: HostArray, /) -> HostArray:
        """float64[K]: the squared errors of K strata that had draws [K] each."""


class Spreads(NamedTuple):
    """How widely draws of each stratum spread, summed over players and trailing axes.

    Attributes:
        draws: int[K], how many draws of each stratum were observed.
        squares: float64[K], sums of variances.
        products: float64[K], sums of standard deviations times ranges.
        ranges: float64[K], sums of squared ranges.
    """

    draws: HostArray
    squares: HostArray
    products: HostArray
    ranges: HostArray


def guarantees_of(allocation: Allocation, **others: Any) -> Guarantees:
    """What holds with an allocation, besides `others`.

    Draws that depend on utilities are biased, and depend on all slices together.
    """
    if allocation == "equal":
        return Guarantees(**others)
    return Guarantees(unbiased=False, bias=ADAPTIVE, slicewise=False, **others)


def apportion(
    errors: SquaredErrors, drawn: HostArray, count: int, *, least: HostArray, most: HostArray
) -> HostArray:
    """The strata of the next draws, each where it lowers the sum of squared errors most.

    For errors variance / draws this is Neyman's optimum in whole numbers (Wright 2012, The American
    Statistician 66, "The equivalence of Neyman optimum allocation for sampling and equal
    proportions for apportioning"); for any convex errors it is the optimum likewise.

    Args:
        errors: the squared error of each stratum, by its draws.
        drawn: int[K], draws that each stratum has had.
        count: how many draws to place.
        least: int[K], draws that each stratum gets before errors count.
        most: float64[K], draws after which a stratum is exhausted.

    Returns:
        int[D], strata in 0..K-1; D < `count` only where all strata are exhausted.
    """
    drawn = drawn.astype(np.float64)
    chosen = np.empty(count, np.int64)
    if not len(drawn):
        return chosen[:0]
    for draw in range(count):
        # by how much one more draw lowers the error of each stratum
        before = np.maximum(drawn, 1)
        gains = np.where(drawn < least, np.inf, errors(before) - errors(before + 1))
        gains = np.where(drawn < most, gains, -np.inf)
        # the largest, of equals the one with the fewest draws
        best = np.lexsort((drawn, -gains))[0]
        if gains[best] == -np.inf:
            return chosen[:draw]
        chosen[draw] = best
        drawn[best] += 1
    return chosen


def variances(squares: HostArray) -> SquaredErrors:
    """The squared errors of means of draws whose variances are float64[K]."""

    def errors(draws: HostArray) -> HostArray:
        return squares / draws

    return errors


def neyman(spreads: Spreads) -> SquaredErrors:
    """Squared errors by the variances observed (Neyman 1934; Castro et al. 2017).

    Each variance counts as if one more draw had shown the mean variance of all strata: one whose
    few first draws agreed by chance is not left out for good.
    """
    return variances(_smoothed(spreads).squares)


def bernstein(spreads: Spreads) -> SquaredErrors:
    """Squared empirical Bernstein bounds, (sigma sqrt(2 L / m) + 3 L range / m)^2.

    L is log(3 / RISK), m the number of draws. The bound is that of Audibert, Munos, Szepesvari
    (2009, theorem 1), with the range observed in place of the true one. To draw next where the
    bound falls most is after Burgess and Chapman (2021), who bound all strata jointly.
    """
    bits = log(3 / RISK)
    spreads = _smoothed(spreads)

    def errors(draws: HostArray) -> HostArray:
        mixed = 2 * 3 * bits * np.sqrt(2 * bits) * spreads.products / draws**1.5
        ranges = (3 * bits) ** 2 * spreads.ranges / draws**2
        return np.asarray(2 * bits * spreads.squares / draws + mixed + ranges)

    return errors


def _smoothed(spreads: Spreads) -> Spreads:
    """The spreads, as if one more draw of each stratum had shown the mean spread of all."""
    seen, *kinds = spreads
    return Spreads(seen, *((seen * kind + kind.mean()) / (seen + 1) for kind in kinds))


def spreads_of(draws: HostArray) -> tuple[float, float, float]:
    """(squares, products, ranges) of `Spreads` for the draws float64[D, ...] of one stratum."""
    if len(draws) < 2:
        return 0.0, 0.0, 0.0
    squares = draws.var(axis=0, ddof=1)
    ranges = np.ptp(draws, axis=0)
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
        pilot: the fraction of the budget after which Neyman's allocation uses the variances
            observed.
        state: what was drawn and observed.
        alike: float64[K], variances of the strata as far as they are known before any draw.
        measured: the spreads observed in draws.
    """
    draws = observed_draws(state)
    in_pilot = allocation == "neyman" and piloting(state, pilot)
    if allocation == "equal" or draws is None or in_pilot:
        return variances(alike)
    if allocation == "neyman":
        return neyman(measured(draws))
    return bernstein(measured(draws))


def observed_draws(state: SamplingState) -> Draws | None:
    """The draws of the batches whose utilities are known; None before the first."""
    known = state.evaluations.num_observed
    batches = [batch for batch, rows in enumerate(state.rows) if rows.max() < known]
    if not batches:
        return None
    kept = state._replace(
        units=tuple(state.units[batch] for batch in batches),
        rows=tuple(state.rows[batch] for batch in batches),
    )
    return kept.draws


def piloting(state: SamplingState, pilot: float) -> bool:
    """Whether the pilot's fraction of the budget is not observed yet."""
    return state.evaluations.num_observed + 2 * state.num_players < pilot * state.budget


def stages(allocation: Allocation, pilot: float) -> Callable[[SamplingState], int] | None:
    """`Design.stage_size`: none for "equal", pilot and rest for "neyman", batches for
    "bernstein".
    """
    if allocation == "equal":
        return None
    if allocation == "bernstein":
        return lambda state: max(BATCH, state.num_players)

    def pilot_and_rest(state: SamplingState) -> int:
        if piloting(state, pilot):
            return int(pilot * state.budget) - len(state.evaluations)
        return state.budget

    return pilot_and_rest


def check(allocation: str, pilot: float) -> None:
    """Refuses an unknown allocation, and a pilot that is not a fraction of the budget."""
    one_of("allocation", allocation, ("equal", "neyman", "bernstein"), "an allocation")
    number("pilot", pilot)
    require(0 < pilot < 1, f"Expected pilot={pilot!r} to lie in (0, 1).")
