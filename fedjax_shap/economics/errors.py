"""Errors of payments: what the values' standard errors make of them, by the delta method (Spec
5.9).
"""

import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.division import Division


def payment_std_errors(
    claim: Claims,
    division: Division,
    std_errors: tuple[Fraction, ...],
    *,
    efficient: bool = False,
    near: tuple[bool, ...] | None = None,
) -> tuple[float, ...]:
    """The standard errors of payments by the delta method (Spec 5.9).

    With S the sum of the counted values and share w_i = phi_i / S of a pool B, dr_i/dphi_j = B/S *
    ([i = j] - w_i), so Var(r_i) = (B/S)^2 * [(1 - w_i)^2 s_i^2 + w_i^2 * sum_{j != i} s_j^2]. The
    values' errors are taken as independent and small against S; a player whose negative value was
    clipped or excluded counts as certain to stay so; rounding to minor units is left out. Where
    values play no part the standard errors are zero.

    The values of an efficient estimator sum to V(N) - V(nobody) in every run, so that their errors
    cancel and S is as certain as what was not counted: Var(r_i) = (B/S)^2 * [s_i^2 + w_i^2 * sum of
    s_j^2 over j not counted].

    Args:
        claim: the claims that were divided.
        division: what the rule made of them.
        std_errors: s[P] >= 0, of the values.
        efficient: whether the errors of the values sum to zero.
        near: bool[P], players whose negative or positive value is not certain to be so: what a rule
            does not count of them may count, and the other way round. Theirs is the error that they
            would have if they counted.

    Returns:
        float[P], in money.

    Raises:
        InvalidInputError: standard errors so large that their squares are no floats.
    """
    near = (False,) * len(claim.players) if near is None else near
    total = sum(
        (value for value, counts in zip(claim.values, division.counted) if counts), Fraction(0)
    )
    if total == 0:
        return (0.0,) * len(claim.players)
    squares = [error**2 for error in std_errors]
    moving = [counts or close for counts, close in zip(division.counted, near)]
    unsure = [
        not counts or close for counts, close in zip(division.counted, near)
    ]  # what leaves S uncertain
    noise = sum(
        (square for square, yes in zip(squares, unsure if efficient else moving) if yes),
        Fraction(0),
    )
    variances = []
    for value, square, moves, open_ in zip(claim.values, squares, moving, unsure):
        share, scale = value / total, division.pool / total
        others = noise - (square if (open_ if efficient else moves) else 0)
        own = square if efficient else (1 - share) ** 2 * square
        variances.append(scale**2 * (own + share**2 * others) if moves else Fraction(0))
    errors = tuple(_root(variance) for variance in variances)
    require(
        all(map(math.isfinite, errors)),
        "Expected std_errors to be of the order of the values, but they overflow.",
    )
    return errors


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
        InvalidInputError: a wrong length, a negative error, or what is no number.
    """
    if std_errors is None:
        return None, ()
    named = list(zip(claim.players, money.items("std_errors", std_errors, len(claim.players))))
    unknown = [
        name
        for name, error in named
        if isinstance(error, float | np.floating) and not np.isfinite(error)
    ]
    if unknown:
        return None, (
            "Payments have no standard errors, as those of these values are unknown: "
            f"{', '.join(unknown)}.",
        )
    errors = tuple(money.exact(f"std_errors[{name!r}]", error) for name, error in named)
    for name, error in zip(claim.players, errors):
        require(error >= 0, f"Expected std_errors[{name!r}]={float(error)} to be >= 0.")
    return errors, ()


def _root(square: Fraction) -> float:
    """The square root as a float, of a fraction that may itself lie beyond the floats."""
    context = Context(prec=40)
    return float(
        context.sqrt(context.divide(Decimal(square.numerator), Decimal(square.denominator)))
    )
