"""Bounds of payments: where intervals end, by the delta method or at percentiles of replicates
(Spec 5.9).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from fedjax_shap._validate import InvalidInputError, finite, require
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.division import Division, Rule
from fedjax_shap.economics.errors import payment_std_errors
from fedjax_shap.economics.settle import Read
from fedjax_shap.typing import HostArray

# of the sum of values: with a larger standard error of it the delta method is said to be rough
UNSURE = 0.2
ROUNDING = Fraction(1, 10**6)  # of a minor unit: so much is taken for the rounding error of a float


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
    return float(-ndtri(tail) if draws is None else -stdtrit(draws - 1, tail))


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
    claim, division, reached = given.claim, given.rule.divide(given.claim), Fraction(reach)
    matters = division.cut and any(division.counted)
    near = tuple(
        matters and abs(value) < reached * error for value, error in zip(claim.values, errors)
    )
    found = payment_std_errors(claim, division, errors, efficient=efficient, near=near)
    ends = []
    for i, (close, error) in enumerate(zip(near, found)):
        if close:
            ends.append(_near_zero(claim, division, given.rule, i, reached * Fraction(error)))
        else:
            ends.append(_around(division, i, reached * Fraction(error)))
    step = Fraction(given.unit)
    low = tuple(math.floor(end / step) * step for end, _ in ends)
    high = tuple(math.ceil(end / step) * step for _, end in ends)
    return Bounds(low, high, found, _rough(claim, division, errors, near, reach, efficient))


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
    wide = 1.0 if draws is None else math.sqrt(draws / (draws - 1))
    moved = float(ndtr(-wide * quantile(tail, draws)))
    least = math.ceil(1 / moved - 1e-9) - 1
    require(
        len(rows) >= least,
        f"Expected at least {least} replicates for intervals of this level, got {len(rows)}.",
    )
    paid = np.empty(rows.shape)
    for number, row in enumerate(rows):
        try:
            paid[number] = given.rule.divide(
                replace(given.claim, values=tuple(map(Fraction, row.tolist())))
            ).payments
        except InvalidInputError as error:
            raise InvalidInputError(
                "Expected a rule that divides by every replicate, but it refuses "
                f"replicates[{number}]: {error}"
            ) from error
    low, high = np.quantile(paid, [moved, 1 - moved], axis=0, method="weibull")
    owed = given.rule.divide(given.claim).payments
    off = [
        name
        for name, r, a, b in zip(given.claim.players, owed, low, high)
        if not a <= float(r) <= b
    ]
    told = f"The payments of these players lie outside of their intervals, as replicates lie elsewhere: {', '.join(off)}."
    step = Fraction(given.unit)
    return Bounds(
        tuple(math.floor(Fraction(end) / step + ROUNDING) * step for end in low.tolist()),
        tuple(math.ceil(Fraction(end) / step - ROUNDING) * step for end in high.tolist()),
        paid.std(axis=0, ddof=1).tolist(),
        (told,) if off else (),
    )


def matrix(name: str, rows: Any, players: int | None = None) -> HostArray:
    """float64[B, P] of B >= 2 rows, or a refusal.

    Args:
        name: what it is, for the refusal.
        rows: what was given.
        players: P, any number if None.

    Raises:
        InvalidInputError: another shape, or a number that is not finite.
    """
    held = np.asarray(rows)
    wanted = f"Expected {name} to be numbers of shape [B >= 2, {'P' if players is None else players}], got "
    require(held.dtype.kind in "iuf", f"{wanted}{held.dtype}.")
    fits = (
        held.ndim == 2
        and len(held) >= 2
        and held.shape[1] >= 1
        and players in (None, held.shape[-1])
    )
    require(fits, f"{wanted}{list(held.shape)}.")
    finite(name, held)
    return held.astype(np.float64)


def _rough(
    claim: Claims,
    division: Division,
    errors: tuple[Fraction, ...],
    near: tuple[bool, ...],
    reach: float,
    efficient: bool,
) -> tuple[str, ...]:
    """The notes on where the delta method's intervals are rough."""
    notes = []
    if any(near):
        names = ", ".join(name for name, close in zip(claim.players, near) if close)
        notes.append(
            f"The values of these players lie within {reach:.3g} standard errors of zero, where "
            "normal intervals are "
            f"rough; theirs are cut at what the policy pays: {names}."
        )
    total = sum(
        (value for value, counts in zip(claim.values, division.counted) if counts), Fraction(0)
    )
    moving = [
        error for error, counts, close in zip(errors, division.counted, near) if counts or close
    ]
    noise = (
        math.hypot(*(float(error / total) for error in moving)) if total and not efficient else 0.0
    )
    if noise > UNSURE:
        notes.append(
            f"The sum of the values has a standard error of {noise:.0%} of itself, which the delta "
            "method takes for "
            "small."
        )
    return tuple(notes)


def _around(division: Division, i: int, margin: Fraction) -> tuple[Fraction, Fraction]:
    """The payment with a margin, cut at a share of nothing and of all where the policy lets shares
    be no other.
    """
    paid = _paid(division, i)
    if not division.cut or not margin:
        return paid - margin, paid + margin
    least, most = sorted((division.bases[i], division.bases[i] + division.pool))
    return max(paid - margin, least), min(paid + margin, most)


def _near_zero(
    claim: Claims, division: Division, rule: Rule, i: int, margin: Fraction
) -> tuple[Fraction, Fraction]:
    """The ends for a player whose value may lie on either side of zero: all that it would be paid
    in either case.
    """
    value = claim.values[i]
    total = sum(
        (value for value, counts in zip(claim.values, division.counted) if counts), Fraction(0)
    )
    ends = []
    if (
        counted := division if value >= 0 else _with_value(claim, rule, i, Fraction(0))
    ) is not None:
        base, pool = counted.bases[i], counted.pool
        middle, (least, most) = base + pool * value / total, sorted((base, base + pool))
        ends += [min(max(end, least), most) for end in (middle - margin, middle + margin)]
    if (
        left_out := division if value < 0 else _with_value(claim, rule, i, Fraction(-1))
    ) is not None:
        ends.append(_paid(left_out, i))
    return min(ends), max(ends)


def _paid(division: Division, i: int) -> Fraction:
    """Player i's payment alone; `Division.payments` computes all of them."""
    return division.bases[i] + division.shares[i] * division.pool


def _with_value(claim: Claims, rule: Rule, i: int, value: Fraction) -> Division | None:
    """The division if player i had that value; None where the rule refuses it, as it does where
    nobody counts.
    """
    try:
        return rule.divide(
            replace(claim, values=(*claim.values[:i], value, *claim.values[i + 1 :]))
        )
    except InvalidInputError:
        return None
