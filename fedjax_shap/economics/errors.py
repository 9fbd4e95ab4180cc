"""Errors of payments: what the values' standard errors make of them, by the delta method.

With S the sum of the counted values and share w_i = phi_i / S of a pool B, dr_i / dphi_j = B / S *
([i = j] - w_i). Where the errors of the values are independent and small against S, so

    Var(r_i) = (B / S)^2 * [(1 - w_i)^2 s_i^2 + w_i^2 * sum over j != i of s_j^2].

The values of an efficient estimator sum to V(N) - V(empty) in every run: their errors cancel, and S
is as certain as what was not counted:

    Var(r_i) = (B / S)^2 * [s_i^2 + w_i^2 * sum of s_j^2 over j not counted].

A value of exactly 0 counts, with its standard error. A player whose negative value was clipped or
excluded is taken to stay so for certain, and rounding to minor units is left out.
"""

import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.division import Division, counted_sum

_DIGITS = Context(prec=40)  # of a square root


def payment_std_errors(
    claim: Claims,
    division: Division,
    std_errors: tuple[Fraction, ...],
    *,
    efficient: bool = False,
    near: tuple[bool, ...] | None = None,
) -> tuple[float, ...]:
    """The standard errors of payments by the delta method; the formulas are the module's.

    Args:
        claim: the claims that were divided.
        division: what the rule made of them.
        std_errors: s[P] >= 0, of the values.
        efficient: whether the errors of the values sum to zero.
        near: bool[P], players whose value may lie on either side of zero; they count as moving.

    Returns:
        float[P], in money; 0 where values play no part.

    Raises:
        InvalidInputError: standard errors so large that their squares are no floats.
    """
    near = near or (False,) * len(claim.players)
    total = counted_sum(claim, division)
    if total == 0:
        return (0.0,) * len(claim.players)
    squares = [error**2 for error in std_errors]
    moving = [counts or close for counts, close in zip(division.counted, near)]
    # Whose errors make the sum of the counted values uncertain.
    in_sum = moving
    if efficient:
        in_sum = [not counts or close for counts, close in zip(division.counted, near)]
    noise = sum((square for square, adds in zip(squares, in_sum) if adds), Fraction(0))
    # The variance of each payment, of its own error and of what it shares with the others.
    scale = (division.pool / total) ** 2
    errors = []
    for value, square, moves, adds in zip(claim.values, squares, moving, in_sum):
        variance = Fraction(0)
        if moves:
            variance = scale * _variance(value / total, square, noise, adds, efficient)
        errors.append(_root(variance))
    finite = all(map(math.isfinite, errors))
    require(finite, "Expected std_errors to be of the order of the values, but they overflow.")
    return tuple(errors)


def read_errors(
    std_errors: Any, claim: Claims
) -> tuple[tuple[Fraction, ...] | None, tuple[str, ...]]:
    """The values' standard errors, or None and the reason where some are not known.

    Args:
        std_errors: number[P] >= 0, of which NaN and infinity stand for unknown; or None.
        claim: whose they are.

    Returns:
        (s[P] or None, notes).

    Raises:
        InvalidInputError: a wrong length, a negative error, or what is not a number.
    """
    if std_errors is None:
        return None, ()
    entries = list(zip(claim.players, money.items("std_errors", std_errors, len(claim.players))))
    unknown = [name for name, error in entries if _is_unknown(error)]
    if unknown:
        return None, (
            "Payments have no standard errors, as those of these values are unknown: "
            f"{', '.join(unknown)}.",
        )
    errors = tuple(money.exact(f"std_errors[{name!r}]", error) for name, error in entries)
    for name, error in zip(claim.players, errors):
        require(error >= 0, f"Expected std_errors[{name!r}]={float(error)} to be >= 0.")
    return errors, ()


def _variance(
    share: Fraction, square: Fraction, noise: Fraction, adds: bool, efficient: bool
) -> Fraction:
    """The variance of a payment in units of (B / S)^2; `adds` says whether noise has the square."""
    own = square
    if not efficient:
        own = (1 - share) ** 2 * square
    others = noise
    if adds:
        others = noise - square
    return own + share**2 * others


def _is_unknown(error: Any) -> bool:
    """Whether an error is a float that is not finite."""
    return isinstance(error, float | np.floating) and not np.isfinite(error)


def _root(square: Fraction) -> float:
    """The square root as a float, of a fraction that may itself lie beyond the floats."""
    numerator = Decimal(square.numerator)
    return float(_DIGITS.sqrt(_DIGITS.divide(numerator, Decimal(square.denominator))))
