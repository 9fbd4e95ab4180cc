"""Bounds of payments: where intervals end, by the delta method or at percentiles of replicates."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import scipy

from fedjax_shap._validate import InvalidInputError, finite, require
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.division import Division, Rule, counted_sum
from fedjax_shap.economics.errors import payment_std_errors
from fedjax_shap.economics.settle import Read
from fedjax_shap.typing import HostArray

# of the sum of values: with a larger standard error of it the delta method is said to be rough
UNSURE = 0.2
# of a minor unit: the most that is taken for the rounding error of a float
ROUNDING = Fraction(1, 10**6)


class Bounds(NamedTuple):
    """The ends of the intervals of P payments.

    Attributes:
        low: money[P], whole minor units, rounded down.
        high: money[P], whole minor units, rounded up.
        std_errors: money[P], before rounding.
        notes: where they are rough.
    """

    low: tuple[Fraction, ...]
    high: tuple[Fraction, ...]
    std_errors: Sequence[float]
    notes: tuple[str, ...]


def quantile(tail: float, draws: int | None) -> float:
    """How many standard errors an interval reaches to either side.

    Args:
        tail: the chance beyond it on either side.
        draws: how many draws the standard errors come from: Student's t with draws - 1; None for
            the normal.
    """
    if draws is None:
        return float(-scipy.special.ndtri(tail))
    return float(-scipy.special.stdtrit(draws - 1, tail))


def normal_bounds(
    given: Read, errors: tuple[Fraction, ...], reach: float, efficient: bool
) -> Bounds:
    """Payment +- reach * standard error, cut at what the policy pays.

    Args:
        given: values, costs, revenue and rule.
        errors: s[P], of the values.
        reach: how many standard errors to either side.
        efficient: whether the errors of the values sum to zero.

    Returns:
        The bounds. The payment of `settle` lies between them.
    """
    claim = given.claim
    division = given.rule.divide(claim)
    width = Fraction(reach)
    # Who may lie on either side of zero, where the policy makes that a difference.
    cuts = division.cut and any(division.counted)
    near = tuple(cuts and abs(value) < width * error for value, error in zip(claim.values, errors))
    std_errors = payment_std_errors(claim, division, errors, efficient=efficient, near=near)
    # The ends of each interval, then rounded outward to minor units.
    ends = []
    for i, (close, error) in enumerate(zip(near, std_errors)):
        if close:
            ends.append(_near_zero(claim, division, given.rule, i, width * Fraction(error)))
        else:
            ends.append(_around(division, i, width * Fraction(error)))
    step = Fraction(given.unit)
    notes = _near_note(claim, near, reach)
    if not efficient:
        notes += _rough_note(claim, division, errors, near)
    return Bounds(
        low=tuple(math.floor(end / step) * step for end, _ in ends),
        high=tuple(math.ceil(end / step) * step for _, end in ends),
        std_errors=std_errors,
        notes=notes,
    )


def percentile_bounds(given: Read, rows: HostArray, tail: float, draws: int | None) -> Bounds:
    """Percentiles of the payments that the rule makes of replicates of the values.

    Args:
        given: values, costs, revenue and rule.
        rows: float64[B, P], the replicates.
        tail: the chance beyond the interval on either side.
        draws: how many draws the replicates were resampled from. A resample of n draws spreads
            sqrt((n - 1) / n) as wide as it should, and is no wider for n being small: percentiles
            are taken at Phi(-sqrt(n / (n - 1)) * t) instead of `tail` (Hesterberg 2015).

    Returns:
        The bounds.

    Raises:
        InvalidInputError: fewer replicates than the percentiles take, or one that the rule refuses.
    """
    # Move the percentiles outward for few draws, and see that there are replicates beyond them.
    widening = 1.0
    if draws is not None:
        widening = math.sqrt(draws / (draws - 1))
    moved_tail = float(scipy.special.ndtr(-widening * quantile(tail, draws)))
    least = math.ceil(1 / moved_tail - 1e-9) - 1
    require(
        len(rows) >= least,
        f"Expected at least {least} replicates for intervals of this level, got {len(rows)}.",
    )
    # Divide by every replicate, and read off the percentiles player by player.
    paid = _payments_of(given, rows)
    low, high = np.quantile(paid, [moved_tail, 1 - moved_tail], axis=0, method="weibull")
    step = Fraction(given.unit)
    return Bounds(
        low=tuple(math.floor(Fraction(end) / step + ROUNDING) * step for end in low.tolist()),
        high=tuple(math.ceil(Fraction(end) / step - ROUNDING) * step for end in high.tolist()),
        std_errors=paid.std(axis=0, ddof=1).tolist(),
        notes=_outside_note(given, low, high),
    )


def matrix(name: str, rows: Any, players: int | None = None) -> HostArray:
    """Reads float64[B, P] of B >= 2 rows.

    Args:
        name: what it is, for the refusal.
        rows: what was given.
        players: P, any number if None.

    Raises:
        InvalidInputError: another shape, or a number that is not finite.
    """
    array = np.asarray(rows)
    expected = f"Expected {name} to be numbers of shape [B >= 2, {players or 'P'}], got "
    require(array.dtype.kind in "iuf", f"{expected}{array.dtype}.")
    two_axes = array.ndim == 2 and len(array) >= 2 and array.shape[1] >= 1
    fits = two_axes and players in (None, array.shape[-1])
    require(fits, f"{expected}{list(array.shape)}.")
    finite(name, array)
    return array.astype(np.float64)


def _payments_of(given: Read, rows: HostArray) -> HostArray:
    """float64[B, P]: what the rule pays on each replicate float64[B, P] of the values."""
    paid = np.empty(rows.shape)
    for number, row in enumerate(rows):
        claim = replace(given.claim, values=tuple(map(Fraction, row.tolist())))
        try:
            paid[number] = given.rule.divide(claim).payments
        except InvalidInputError as error:
            raise InvalidInputError(
                "Expected a rule that divides by every replicate, but it refuses "
                f"replicates[{number}]: {error}"
            ) from error
    return paid


def _outside_note(given: Read, low: HostArray, high: HostArray) -> tuple[str, ...]:
    """The note on players whose payment lies outside of its interval, if there are any."""
    owed = given.rule.divide(given.claim).payments
    rows = zip(given.claim.players, owed, low, high)
    outside = [name for name, r, least, most in rows if not least <= float(r) <= most]
    if not outside:
        return ()
    return (
        "The payments of these members lie outside of their intervals, as replicates lie "
        f"elsewhere: {', '.join(outside)}.",
    )


def _near_note(claim: Claims, near: tuple[bool, ...], reach: float) -> tuple[str, ...]:
    """The note on players whose values lie near zero, if there are any."""
    names = [name for name, close in zip(claim.players, near) if close]
    if not names:
        return ()
    return (
        f"The values of these members lie within {reach:.3g} standard errors of zero, where "
        "normal intervals are rough; theirs are cut at what the policy pays: "
        f"{', '.join(names)}.",
    )


def _rough_note(
    claim: Claims, division: Division, errors: tuple[Fraction, ...], near: tuple[bool, ...]
) -> tuple[str, ...]:
    """The note on a sum of values that is too uncertain for the delta method, where it is."""
    total = counted_sum(claim, division)
    if not total:
        return ()
    rows = zip(errors, division.counted, near)
    noise = math.hypot(*(float(error / total) for error, counts, close in rows if counts or close))
    if noise <= UNSURE:
        return ()
    return (
        f"The sum of the values has a standard error of {noise:.0%} of itself, which the delta "
        "method takes for small.",
    )


def _around(division: Division, i: int, margin: Fraction) -> tuple[Fraction, Fraction]:
    """The payment with a margin, cut where the policy keeps shares between nothing and all."""
    paid = _paid(division, i)
    if not division.cut or not margin:
        return paid - margin, paid + margin
    # The payments at a share of nothing and of all.
    least, most = sorted((division.bases[i], division.bases[i] + division.pool))
    return max(paid - margin, least), min(paid + margin, most)


def _near_zero(
    claim: Claims, division: Division, rule: Rule, i: int, margin: Fraction
) -> tuple[Fraction, Fraction]:
    """The ends for a player whose value may lie on either side of zero.

    They span all that it would be paid in either case.
    """
    # The division as it is, and as it would be on the other side of zero.
    value = claim.values[i]
    total = counted_sum(claim, division)
    if value >= 0:
        counted: Division | None = division
        left_out = _with_value(claim, rule, i, Fraction(-1))
    else:
        counted = _with_value(claim, rule, i, Fraction(0))
        left_out = division
    ends = []
    # Where it counts: its payment with the margin, cut at nothing and all of the pool.
    if counted is not None:
        base = counted.bases[i]
        middle = base + counted.pool * value / total
        least, most = sorted((base, base + counted.pool))
        ends += [min(max(end, least), most) for end in (middle - margin, middle + margin)]
    # Where it does not: the one payment that the policy then makes.
    if left_out is not None:
        ends.append(_paid(left_out, i))
    return min(ends), max(ends)


def _paid(division: Division, i: int) -> Fraction:
    """Player i's payment alone; `Division.payments` computes all of them."""
    return division.bases[i] + division.shares[i] * division.pool


def _with_value(claim: Claims, rule: Rule, i: int, value: Fraction) -> Division | None:
    """The division if player i had that value; None where the rule refuses it.

    It does so where no value counts.
    """
    values = (*claim.values[:i], value, *claim.values[i + 1 :])
    try:
        return rule.divide(replace(claim, values=values))
    except InvalidInputError:
        return None
