"""Amounts of money: read exactly, computed exactly, paid in whole minor units.

An amount is a `decimal.Decimal`; in between, sums and shares are `fractions.Fraction`. Nothing is
rounded until payments become whole minor units by the method of the largest remainder (Hamilton's
method of apportionment).
"""

import decimal
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, require

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
    if getattr(value, "ndim", None) == 0:
        value = np.asarray(value)[()]
    expected = (
        f"Expected {name}={_shown(value)} to be an amount of money >= 0, a number or a text like "
        "'12.34'."
    )
    known = isinstance(value, int | float | Decimal | np.integer | np.floating | str)
    require(known and not isinstance(value, bool), expected)
    if isinstance(value, Decimal):
        read = value
    else:
        # `_shown` cuts an integer of thousands of digits short, which is then refused
        text = _shown(value)
        if not isinstance(value, int):
            text = str(value).strip()
        require(_AMOUNT.fullmatch(text) is not None, expected)
        read = Decimal(text)
    require(read.is_finite() and read >= 0, expected)
    # A number of absurd length would make exact arithmetic slow.
    exponent = read.as_tuple().exponent
    fits = isinstance(exponent, int) and exponent >= -_MOST_DIGITS
    require(
        fits and read.adjusted() < _MOST_DIGITS,
        f"Expected {name}={_shown(value)} to have at most {_MOST_DIGITS} digits before the point "
        "and after it.",
    )
    return read.copy_abs()


def amounts(name: str, values: Any, players: Sequence[str]) -> tuple[Decimal, ...]:
    """Reads one amount for each player; see `amount`."""
    entries = items(name, values, len(players))
    return tuple(amount(f"{name}[{player!r}]", value) for player, value in zip(players, entries))


def items(name: str, values: Any, length: int | None = None) -> list[Any]:
    """The entries of a list, a tuple or an array, one for each player.

    Args:
        name: what the entries are, for the refusal.
        values: the list, tuple or array.
        length: how many entries there must be; any number if None.

    Raises:
        InvalidInputError: not a list, or one of another length.
    """
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    array = not listed and getattr(values, "ndim", 0) >= 1
    require(
        listed or array,
        f"Expected {name} to be a list with one entry for each player, got {_shown(values)}.",
    )
    if array:
        values = np.asarray(values)
    entries = list(values)
    require(
        length is None or len(entries) == length,
        f"Expected {name} to have {length} entries, one a player, got {len(entries)}.",
    )
    return entries


def counts(name: str, values: Any, players: Sequence[str] | None = None) -> tuple[int, ...]:
    """Reads one whole number >= 0 for each player: examples, or local steps."""
    if players is None:
        entries = items(name, values)
        labels: Sequence[int | str] = range(len(entries))
    else:
        entries = items(name, values, len(players))
        labels = players
    for label, value in zip(labels, entries):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        require(
            whole and 0 <= value < 2**63,
            f"Expected {name}[{label!r}]={_shown(value)} to be a whole number >= 0.",
        )
    return tuple(int(value) for value in entries)


def exact(name: str, value: Any) -> Fraction:
    """The fraction that a finite number is exactly, a float's binary value, a Decimal's decimal."""
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    expected = f"Expected {name}={_shown(value)} to be a finite number."
    known = isinstance(value, int | float | Decimal | Fraction)
    require(known and not isinstance(value, bool), expected)
    try:
        finite = math.isfinite(value)
    except (OverflowError, ValueError):  # an integer beyond every float; a signalling NaN
        finite = False
    require(finite, expected)
    require(not isinstance(value, Decimal) or value == 0 or value.adjusted() >= -400, expected)
    return Fraction(value)


def numbers(name: str, values: Any, players: Sequence[str]) -> tuple[float, ...]:
    """Reads one finite number for each player, as a float."""
    entries = items(name, values, len(players))
    for player, value in zip(players, entries):
        exact(f"{name}[{player!r}]", value)
    return tuple(map(float, entries))


def largest_remainder(
    shares: Sequence[Fraction], unit: Decimal, *, priority: Sequence[tuple[Any, ...]]
) -> tuple[Decimal, ...]:
    """Rounds amounts to whole units by the largest remainder, without changing their sum.

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
    # Round every amount down to whole units.
    step = Fraction(unit)
    scaled = [share / step for share in shares]
    units = [math.floor(share) for share in scaled]
    total = sum(scaled)
    require(
        total.denominator == 1,
        f"Expected the amounts to sum to a whole number of {unit}, got {float(total)} of it.",
    )
    # The units left over go to the largest remainders, one each.
    order = sorted(range(len(shares)), key=lambda i: (units[i] - scaled[i], priority[i]))
    for i in order[: int(total) - sum(units)]:
        units[i] += 1
    return tuple(EXACT.multiply(Decimal(count), unit) for count in units)


def decimal_of(value: Fraction, unit: Decimal) -> Decimal:
    """The amount that a fraction was made from, with at least the decimals of `unit`."""
    read = EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    places = int(unit.as_tuple().exponent)
    if int(read.as_tuple().exponent) > places:
        return EXACT.quantize(read, unit)
    return read


def written(value: Decimal) -> str:
    """An amount as plain decimal text, never with an exponent: 1200.00, not 1.2E+3."""
    return format(value, "f")


def from_text(name: str, text: Any) -> Decimal:
    """The amount, of either sign, that `written` wrote as this text."""
    expected = f"Expected {name}={_shown(text)} to be an amount of money, such as '12.34'."
    try:
        read = Decimal(text)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidInputError(expected) from error
    require(read.is_finite(), expected)
    return read


def from_texts(name: str, texts: Any, players: Sequence[str]) -> tuple[Decimal, ...]:
    """Reads one amount, of either sign, for each player; see `from_text`."""
    entries = items(name, texts, len(players))
    return tuple(from_text(f"{name}[{player!r}]", text) for player, text in zip(players, entries))


def _shown(value: Any) -> str:
    """A value as a refusal shows it: a number bare, a text in quotes, anything long cut short."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    if isinstance(value, Decimal | Fraction | np.generic):
        text = str(value)
    if len(text) > 60:
        return text[:57] + "..."
    return text
