"""Tables of text as features: numbers standardised, categories one-hot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.pool import Pool, classes, standardise
from fedjax_shap.typing import HostArray

MISSING = frozenset({"", "nan", "na", "n/a", "null"})  # a cell without a value, in lower case


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table of text.

    Attributes:
        name: the file it came from.
        columns: str[T] by name.
        lines: int[T], the number of the line that each row came from.
    """

    name: str
    columns: Mapping[str, HostArray]
    lines: HostArray

    def column(self, argument: str, name: str) -> HostArray:
        """One column, or a refusal of `argument` if the table has no such column."""
        one_of(argument, name, self.columns)
        return self.columns[name]


def read_table(path: Path) -> Table:
    """A comma-separated file whose first line names the columns; every cell must hold something.

    Raises:
        InvalidInputError: no rows, two columns of one name, ragged lines, or an empty or NaN cell.
    """
    (_, header), *body = files.rows(path)
    require(
        len(set(header)) == len(header), f"Expected {path} to name each column once, got {header}."
    )
    require(
        len(body) > 0, f"Expected {path} to hold rows below its line of names, but there are none."
    )
    # every cell must hold something
    for line, cells in body:
        for name, cell in zip(header, cells):
            if cell.lower() in MISSING:
                raise InvalidInputError(
                    f"Expected {path} to hold a value in every cell, but column {name!r} of line "
                    f"{line} is {cell!r}."
                )
    return table_of(str(path), header, body)


def table_of(name: str, header: Sequence[str], body: Sequence[tuple[int, Sequence[str]]]) -> Table:
    """A table from the names of its columns and its (line number, cells)."""
    columns = zip(*(cells for _, cells in body))
    return Table(
        name=name,
        columns={column: np.array(cells) for column, cells in zip(header, columns)},
        lines=np.array([line for line, _ in body]),
    )


def numbers(table: Table, name: str) -> HostArray | None:
    """A column as float64[T], or None if it holds categories.

    Raises:
        InvalidInputError: mostly numbers, but not all of them; or a number that is not finite.
    """
    cells = table.columns[name]
    try:
        values = cells.astype(np.float64)
    except ValueError:
        good = np.array([_is_number(cell) for cell in cells])
        if 2 * good.sum() <= len(cells):
            return None  # words for the most part: categories
        row = int(np.argmin(good))
    else:
        if np.isfinite(values).all():
            return values
        row = int(np.argmin(np.isfinite(values)))
    raise InvalidInputError(
        f"Expected column {name!r} of {table.name} to hold finite numbers as most of it does, but "
        f"line {table.lines[row]} holds {str(cells[row])!r}."
    )


def encode(
    table: Table, used: Sequence[str], train: HostArray
) -> tuple[HostArray, dict[str, HostArray], list[str]]:
    """Features of a table: numbers standardised by the training rows, categories one-hot.

    Args:
        table: the table.
        used: the columns to use, in order.
        train: bool[T], the training rows; a category that none of them holds is all zeros
            elsewhere.

    Returns:
        float32[T, features]; the columns of categories, str[T] by name; the features' names.
    """
    blocks = []
    categories = {}
    names = []
    for name in used:
        values = numbers(table, name)
        if values is None:
            # a column of 0 and 1 for each category that a training row has
            cells = table.columns[name]
            kinds = np.unique(cells[train])
            categories[name] = cells
            blocks.append((cells[:, None] == kinds).astype(np.float32))
            names += [f"{name}={kind}" for kind in kinds]
        else:
            blocks.append(standardise(values[train, None], values[:, None])[1])
            names.append(name)
    return np.concatenate(blocks, axis=1), categories, names


def pool_of(
    table: Table,
    *,
    label: str,
    client: str | None,
    train: HostArray,
    drop: Sequence[str] = (),
    **notes: Any,
) -> Pool:
    """The pool of a table.

    Args:
        table: the table.
        label: the column of classes, which become 0..L-1 in sorted order.
        client: the column that is the natural federation, not a feature; None if there is none.
        train: bool[T], the training rows; the others are the test set.
        drop: further columns that are not features.
        **notes: further entries of the pool's notes.
    """
    require(
        bool(train.any()),
        f"Expected {table.name} to hold at least one training row, but there is none.",
    )
    require(
        not train.all(), f"Expected {table.name} to hold at least one test row, but there is none."
    )
    y, kinds = classes(table.columns[label], f"column {label!r} of {table.name}")
    used = [name for name in table.columns if name not in {label, client, *drop}]
    require(
        len(used) > 0,
        f"Expected {table.name} to hold a column of features beside {list(table.columns)}.",
    )
    x, categories, features = encode(table, used, train)
    if client is not None:
        categories[client] = table.columns[client]
    return Pool(
        x=x[train],
        y=y[train],
        test=(x[~train], y[~train]),
        num_classes=len(kinds),
        columns={name: cells[train] for name, cells in categories.items()},
        natural=client,
        notes={"features": features, "labels": kinds, **notes},
    )


def _is_number(cell: str) -> bool:
    """Whether a cell reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
