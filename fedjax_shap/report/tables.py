"""Tables as plain data: what a table says, without how it is drawn (`render` draws it)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

_SMALL = 0.1  # seconds below which milliseconds are read more easily
_TIMES = {"days": 86400.0, "h": 3600.0, "min": 60.0}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        align: the side on which its cells are flush; "right" suits numbers.
        wraps: whether a long cell may take several lines. A number never may: half an amount is a
            wrong one.
    """

    name: str
    align: Literal["left", "right"] = "right"
    wraps: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: what stands above it; "" for nothing.
        columns: the columns, from left to right.
        rows: the rows, each with a cell for every column. Cells are plain text: no markup of any
            renderer is read in them.
        totals: more rows at the end, set apart from the others.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    totals: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuses a row that has not one cell for every column."""
        for row in (*self.rows, *self.totals):
            if len(row) != len(self.columns):
                raise ValueError(f"Expected {len(self.columns)} cells, got the row {row}.")


def text(name: str) -> Column:
    """A column of words that may wrap, such as members' names or sentences."""
    return Column(name, align="left", wraps=True)


def word(name: str) -> Column:
    """A column of words that stay in one piece, such as names from a registry."""
    return Column(name, align="left")


def numbers(*names: str) -> tuple[Column, ...]:
    """Columns of numbers."""
    return tuple(Column(name) for name in names)


def amount(value: Decimal, unit: Decimal | None = None) -> str:
    """An amount of money as a table shows it.

    Args:
        value: the amount, which may be finer than the smallest payable unit.
        unit: round to the decimals of this unit; None for all decimals.

    Returns:
        Plain decimal text with separators of thousands, such as "1,234.50".
    """
    if unit is not None and _exponent(value) < _exponent(unit):
        value = value.quantize(Decimal(1).scaleb(min(_exponent(unit), 0)))
    if not value:
        value = value.copy_abs()  # rounding leaves a minus sign on a small loss
    return f"{value:,f}"


def small_amounts(amounts: Sequence[Decimal], unit: Decimal) -> list[str]:
    """Amounts of one column, which may all be far below the smallest payable unit.

    Args:
        amounts: the column.
        unit: the smallest payable unit.

    Returns:
        Texts with the decimals of the unit, or as many more as show two digits of the smallest
        amount that is not 0.
    """
    digits = min((one.adjusted() for one in amounts if one), default=0)
    finest = Decimal(1).scaleb(min(_exponent(unit), digits - 1, 0))
    return [amount(one.quantize(finest)) for one in amounts]


def number(value: float, digits: int = 4) -> str:
    """A number with so many decimals, and no minus sign before a zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def with_error(value: float, error: float) -> str:
    """A value, with its standard error where it has one above zero."""
    if error > 0:
        return f"{number(value)} ± {error:.4f}"
    return number(value)


def time_unit(seconds: float) -> tuple[str, float]:
    """The unit in which a time is read most easily, and how many seconds it has."""
    for name, length in _TIMES.items():
        if seconds >= 2 * length:
            return name, length
    if 0 < seconds < _SMALL:
        return "ms", 1e-3
    return "s", 1.0


def duration(seconds: float) -> str:
    """A time as a sentence has it: "14.8 h"."""
    unit, length = time_unit(seconds)
    return f"{seconds / length:.3g} {unit}"


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts of money, exactly."""
    return sum(amounts, Decimal(0))


def listed(names: Sequence[str], most: int) -> str:
    """Names one after the other; beyond `most`, how many more there are.

    Args:
        names: what to list, at least one.
        most: how many are named at the most.
    """
    parts = list(names[:most])
    if len(names) > most:
        parts.append(f"and {len(names) - most:,} more")
    return "; ".join(parts)


def _exponent(value: Decimal) -> int:
    """The power of ten of an amount's last digit: -2 for cents; amounts are finite."""
    return int(value.as_tuple().exponent)
