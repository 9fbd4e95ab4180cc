"""Tables as plain data: what a table says, without how it is drawn (`render` draws it)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


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
    return f"{value:,f}"


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
