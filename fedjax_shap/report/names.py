"""Names as tables and figures show them, and which members are shown where there are many."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fedjax_shap.report.tables import Table
from fedjax_shap.typing import HostArray

LONGEST = 40  # characters of a name in a table or a sentence
LONGEST_IN_FIGURES = 24
MOST_SHOWN = 40  # members that tables and figures show one by one
HIGHEST = 10  # members shown where there are more: so many of the highest values
LOWEST = 10  # and so many of the lowest
_GAP = "…"  # stands for what was left out


class Shown(NamedTuple):
    """The members that a table or a figure shows.

    Attributes:
        highest: int[A], all members in their order; or, where there are too many, those of the
            highest values, the highest first.
        lowest: int[B], none; or those of the lowest values, the lowest last.
        left_out: how many members are between the two.
    """

    highest: HostArray
    lowest: HostArray
    left_out: int

    @property
    def members(self) -> list[int]:
        """The members in the order in which they are shown."""
        return [*map(int, self.highest), *map(int, self.lowest)]

    @property
    def places(self) -> HostArray:
        """float[A + B]: where they stand along an axis, with a gap for those left out."""
        places = np.arange(len(self.members), dtype=float)
        places[len(self.highest) :] += 1
        return places


def chosen(
    values: HostArray, highest: int = HIGHEST, lowest: int = LOWEST, most: int = MOST_SHOWN
) -> Shown:
    """Which members are shown: all, or those of the highest and the lowest values.

    Args:
        values: float[P].
        highest: how many of the highest, where P is above `most`.
        lowest: how many of the lowest, then.
        most: so many members are all shown.
    """
    count = len(values)
    if count <= most:
        return Shown(np.arange(count), np.arange(0), 0)
    order = np.argsort(-np.asarray(values), kind="stable")
    return Shown(order[:highest], order[count - lowest :], count - highest - lowest)


def cut(table: Table, shown: Shown, gap: str = "… {:,} more in values.csv") -> Table:
    """The table with the rows of the members shown, and one that says how many are left out.

    Args:
        table: with a row for each member, whose name is in the first column.
        shown: whose rows stay.
        gap: what stands in place of the others, whose number goes into the braces.
    """
    if not shown.left_out:
        return table
    empty = ("",) * (len(table.columns) - 1)
    rows = [
        *(table.rows[member] for member in shown.highest),
        (gap.format(shown.left_out), *empty),
        *(table.rows[member] for member in shown.lowest),
    ]
    return replace(table, rows=tuple(rows))


def distinct(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Names on one line, short, and still different from each other.

    Args:
        names: P names that differ.
        longest: how many characters a name may have; longer ones lose their middle.

    Returns:
        P names that differ. Where two would be the same, the member's number, from 1, stands behind
        them.
    """
    short = [shortened(name, longest) for name in names]
    while True:
        times = Counter(short)
        alike = [place for place, name in enumerate(short) if times[name] > 1]
        if not alike:
            return short
        for place in alike:
            number = f" #{place + 1}"
            short[place] = shortened(names[place], longest - len(number)) + number


def shortened(name: str, longest: int = LONGEST) -> str:
    """A name on one line, without its middle where it is too long.

    Args:
        name: any text; line breaks and characters that move a cursor become spaces.
        longest: how many characters it may have.
    """
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    if len(line) <= longest:
        return line
    left = (longest - len(_GAP) + 1) // 2
    right = longest - len(_GAP) - left
    return f"{line[:left]}{_GAP}{line[len(line) - right :]}"
