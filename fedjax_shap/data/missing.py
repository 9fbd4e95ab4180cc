"""Cells without a value: refused, filled by what the training rows hold, or left out with their
rows.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from fedjax_shap._validate import MOST_LISTED, InvalidInputError, caution, how_many, one_of, require
from fedjax_shap.data.tables import Table, numbers
from fedjax_shap.typing import HostArray

Missing = Literal["refuse", "mean", "median", "drop"]
POLICIES = ("refuse", "mean", "median", "drop")
CATEGORY = "missing"  # what a missing cell is called in a column of categories


def settle_rows(
    table: Table, missing: str, *, needed: Sequence[str], used: Sequence[str], fills: bool = True
) -> Table:
    """The table without the rows that a missing cell rules out.

    Args:
        table: the table.
        missing: what becomes of missing cells, see `POLICIES`.
        needed: columns that nothing can be filled into: labels, members, the split.
        used: the columns of features.
        fills: whether the caller fills cells where `missing` asks for it.

    Raises:
        InvalidInputError: a missing cell that may not be there.
    """
    one_of("missing", missing, POLICIES)
    if missing != "drop":
        refused = [*needed, *used] if missing == "refuse" else needed
        for name in [name for name in table.absent if name in refused]:
            _refuse(table, name, can_be_filled=fills and name not in needed)
        return table
    gaps = {name: absent for name, absent in table.absent.items() if name in {*needed, *used}}
    gone = np.zeros(table.num_rows, bool)
    for absent in gaps.values():
        gone |= absent
    if not gone.any():
        return table
    require(
        not gone.all(),
        f"Expected {table.name} to hold a row without a missing cell, but each of {len(gone)} has "
        'one; write missing = "mean" or "median", or drop the columns that are empty.',
    )
    counts = {name: int(absent.sum()) for name, absent in gaps.items()}
    left = how_many(int(gone.sum()), "row")
    caution(
        f"{table.name}: {left} of {len(gone)} left out, as a cell is missing "
        f"({_by_column(counts)})."
    )
    return table.rows(~gone)


def filled(table: Table, used: Sequence[str], train: HostArray, missing: str) -> Table:
    """The table with a value in every cell that is used.

    Numbers are filled by the training rows' mean or median; in a column of categories a missing
    cell is a category of its own.

    Args:
        table: the table.
        used: the columns of features.
        train: bool[T], the training rows.
        missing: "mean" or "median"; nothing else has anything to fill.

    Returns:
        A table whose filled columns of numbers stand in its `values`.
    """
    gaps = [name for name in used if name in table.absent]
    if not gaps:
        return table
    columns = dict(table.columns)
    values = dict(table.values)
    for name in gaps:
        absent = table.absent[name]
        known = numbers(table, name)
        if known is None:
            columns[name] = np.where(absent, CATEGORY, columns[name])
            continue
        base = known[train & ~absent]
        require(
            len(base) > 0,
            f"Expected column {name!r} of {table.name} to hold a number in a training row, but it "
            f"is missing in each; write drop = [{name!r}].",
        )
        middle = np.median(base)
        if missing == "mean":
            middle = np.mean(base)
        values[name] = np.where(absent, middle, known)
    _say_filled(table, [name for name in gaps if name in values], f"the training rows' {missing}")
    _say_filled(table, [name for name in gaps if name not in values], f"a category {CATEGORY!r}")
    return table.with_columns(columns, values)


def _say_filled(table: Table, names: Sequence[str], by: str) -> None:
    """A caution about columns whose missing cells were filled by something."""
    counts = {name: int(table.absent[name].sum()) for name in names}
    if counts:
        caution(
            f"{table.name}: {how_many(sum(counts.values()), 'missing cell')} filled by {by} "
            f"({_by_column(counts)})."
        )


def _refuse(table: Table, name: str, *, can_be_filled: bool) -> None:
    """Refuses the first missing cell of a column."""
    row = int(np.argmax(table.absent[name]))
    hint = 'write missing = "mean", "median" or "drop" to go on without it'
    if not can_be_filled:
        hint = 'it cannot be filled: write missing = "drop", or leave the row out'
    raise InvalidInputError(
        f"Expected {table.name} to hold a value in every cell, but column {name!r} of "
        f"{table.place(row)} is {str(table.columns[name][row])!r}; {hint}."
    )


def _by_column(counts: Mapping[str, int]) -> str:
    """Counts of cells by column, the largest first."""
    most = sorted(counts, key=lambda name: -counts[name])
    said = ", ".join(f"{name!r}: {counts[name]}" for name in most[:MOST_LISTED])
    return said + ", ..." * (len(most) > MOST_LISTED)
