"""Amounts of money: read exactly, computed exactly, paid in whole minor units (Spec 5.7).

An amount is a `decimal.Decimal`; in between, sums and shares are `fractions.Fraction`, so nothing
is rounded but once, when payments become whole minor units by the method of the largest remainder
(Hamilton's method of apportionment).
"""

import decimal
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from fedjax_shap._validate import require

# Room for every product and difference of amounts; a result that would not fit is an error, never a
# rounding.
EXACT = decimal.Context(
    prec=400, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero]
)

_MOST_DIGITS = 30  # before the point, and after it
_AMOUNT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def amount(name: str, value: Any) -> Decimal:
    """Reads an amount of money exactly.

    Args:
        name: what the amount is, for the refusal.
        value: a number or a decimal text such as "12.34", not negative. A float stands for its
            shortest decimal text: 0.1 is a tenth, and not the binary number next to it.

    Returns:
        The amount, with the decimals it was given with.

    Raises:
        InvalidInputError: not a number, not finite, negative, or beyond 30 digits on either side of
            the point.
    """
    value = np.asarray(value)[()] if getattr(value, "ndim", None) == 0 else value
    expected = f"Expected {name}={_shown(value)} to be an amount of money >= 0, a number or a text like '12.34'."
    known = isinstance(value, int | float | Decimal | np.integer | np.floating | str)
    require(known and not isinstance(value, bool), expected)
    text = _shown(value) if isinstance(value, int) else str(value).strip()
    require(isinstance(value, Decimal) or _AMOUNT.fullmatch(text) is not None, expected)
    read = value if isinstance(value, Decimal) else Decimal(text)
    require(read.is_finite() and read >= 0, expected)
    digits = f"Expected {name}={_shown(value)} to have at most {_MOST_DIGITS} digits before the point and after it."
    exponent = read.as_tuple().exponent
    require(
        isinstance(exponent, int) and exponent >= -_MOST_DIGITS and read.adjusted() < _MOST_DIGITS,
        digits,
    )
    return read.copy_abs()


def amounts(name: str, values: Any, players: Sequence[str]) -> tuple[Decimal, ...]:
    """Reads one amount for each player; see `amount`."""
    listed = items(name, values, len(players))
    return tuple(amount(f"{name}[{player!r}]", value) for player, value in zip(players, listed))


def items(name: str, values: Any, length: int | None = None) -> list[Any]:
    """The entries of a list, a tuple or an array, refused where there should be `length` of them
    and are not.
    """
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    array = not listed and getattr(values, "ndim", 0) >= 1
    require(
        listed or array,
        f"Expected {name} to be a list with one entry for each player, got {_shown(values)}.",
    )
    entries = list(np.asarray(values)) if array else list(values)
    want = len(entries) if length is None else length
    require(
        len(entries) == want,
        f"Expected {name} to have {want} entries, one a player, got {len(entries)}.",
    )
    return entries


def counts(name: str, values: Any, players: Sequence[str] | None = None) -> tuple[int, ...]:
    """Reads one whole number >= 0 for each player: examples, or local steps."""
    listed = items(name, values, None if players is None else len(players))
    for player, value in zip(range(len(listed)) if players is None else players, listed):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        expected = f"Expected {name}[{player!r}]={_shown(value)} to be a whole number >= 0."
        require(whole and 0 <= value < 2**63, expected)
    return tuple(int(value) for value in listed)


def exact(name: str, value: Any) -> Fraction:
    """The exact fraction that a finite number is: a float's binary value, a Decimal's decimal
    one.
    """
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    expected = f"Expected {name}={_shown(value)} to be a finite number."
    require(
        isinstance(value, int | float | Decimal | Fraction) and not isinstance(value, bool),
        expected,
    )
    try:
        finite = math.isfinite(value)
    except (OverflowError, ValueError):  # an integer beyond every float; a signalling NaN
        finite = False
    require(finite, expected)
    require(not isinstance(value, Decimal) or value == 0 or value.adjusted() >= -400, expected)
    return Fraction(value)


def largest_remainder(
    shares: Sequence[Fraction], unit: Decimal, *, priority: Sequence[tuple[Any, ...]]
) -> tuple[Decimal, ...]:
    """Rounds amounts to whole units without changing their sum, by the largest remainder (Spec
    5.7).

    Args:
        shares: P exact amounts, of either sign, whose sum is a whole number of units.
        unit: the minor unit, such as 0.01.
        priority: P sort keys, the smallest first, which decide between equal remainders.

    Returns:
        P whole multiples of `unit`, each less than one unit away from its exact amount.

    Guarantees:
        The sum is that of `shares`; a whole amount stays as it is; rounding down is towards minus
        infinity, so a negative amount needs no rule of its own; and the order of the players
        matters only where remainders and priorities are both equal.
    """
    step = Fraction(unit)
    scaled = [share / step for share in shares]
    units = [math.floor(share) for share in scaled]
    total = sum(scaled)
    require(
        total.denominator == 1,
        f"Expected the amounts to sum to a whole number of {unit}, got {float(total)} of it.",
    )
    order = sorted(range(len(shares)), key=lambda i: (units[i] - scaled[i], priority[i]))
    for i in order[: int(total) - sum(units)]:
        units[i] += 1
    return tuple(EXACT.multiply(Decimal(count), unit) for count in units)


def decimal_of(value: Fraction, unit: Decimal) -> Decimal:
    """A fraction that came from an amount as that amount again, with at least the decimals of
    `unit`.
    """
    read = EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    places = int(unit.as_tuple().exponent)
    return EXACT.quantize(read, unit) if int(read.as_tuple().exponent) > places else read


def written(value: Decimal) -> str:
    """An amount as plain decimal text, never with an exponent: 1200.00, not 1.2E+3."""
    return format(value, "f")


def _shown(value: Any) -> str:
    """A value as a refusal shows it: a number bare, a text in quotes, anything long cut short."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = str(value) if isinstance(value, Decimal | Fraction | np.generic) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
