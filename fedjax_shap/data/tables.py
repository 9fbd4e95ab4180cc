"""Tables: numbers standardised, categories one-hot; and the sources that are a user's own csv and
npz files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, finite, integer, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.pool import Pool, classes, hold_out, standardise
from fedjax_shap.typing import HostArray

MISSING = frozenset(
    {"", "nan", "na", "n/a", "null"}
)  # how a table says that it does not know, in lower case


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table of text.

    Attributes:
        name: the file it came from.
        columns: str[T] by name.
        lines: int[T], the number of the line from which each row came.
    """

    name: str
    columns: Mapping[str, HostArray]
    lines: HostArray

    def column(self, argument: str, name: str) -> HostArray:
        """One column; `argument` is what asked for it, named if the table has no such column."""
        one_of(argument, name, self.columns)
        return self.columns[name]


def read_table(path: files.Path) -> Table:
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
    for line, cells in body:
        for name, cell in zip(header, cells):
            if cell.lower() in MISSING:
                raise InvalidInputError(
                    f"Expected {path} to hold a value in every cell, but column {name!r} of line "
                    f"{line} is {cell!r}."
                )
    columns = {
        name: np.array(cells) for name, cells in zip(header, zip(*(cells for _, cells in body)))
    }
    return Table(name=str(path), columns=columns, lines=np.array([line for line, _ in body]))


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
            return None
        row = int(np.argmin(good))
    else:
        if np.isfinite(values).all():
            return values
        row = int(np.argmin(np.isfinite(values)))
    raise InvalidInputError(
        f"Expected column {name!r} of {table.name} to hold finite numbers as most of it does, but "
        "line "
        f"{table.lines[row]} holds {str(cells[row])!r}."
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
    parts, categories, names = [], {}, []
    for name in used:
        values = numbers(table, name)
        if values is None:
            categories[name] = table.columns[name]
            kinds = np.unique(table.columns[name][train])
            parts.append((table.columns[name][:, None] == kinds).astype(np.float32))
            names += [f"{name}={kind}" for kind in kinds]
        else:
            parts.append(standardise(values[train, None], values[:, None])[1])
            names.append(name)
    return np.concatenate(parts, axis=1), categories, names


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
        **notes: what else to tell.
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


def csv(
    *,
    path: str,
    label: str,
    client: str | None = None,
    test_column: str | None = None,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Pool:
    """Any comma-separated file (gzipped or not) with a line of column names, a label and perhaps a
    client column.

    Columns that hold only numbers are standardised by the training rows, the others become one-hot.

    Args:
        path: the file.
        label: the column of classes, which become 0..L-1 in sorted order.
        client: the column that says whose a row is, which then is not a feature; None if there is
            none.
        test_column: a column of "train" and "test" that says which rows are the test set; None to
            draw them.
        test_fraction: the share of rows drawn for the test set, nearly the same in each class.
        seed: decides which.

    Raises:
        InvalidInputError: no such file or column, ragged lines, an empty or NaN cell, fewer than
            two classes.
    """
    integer("seed", seed, least=0)
    table = read_table(files.given(path))
    asked = {"label": label, "client": client, "test_column": test_column}
    for argument, name in asked.items():
        if name is not None:
            table.column(argument, name)
    named = [name for name in asked.values() if name is not None]
    require(
        len(set(named)) == len(named),
        f"Expected label, client and test_column to differ, got {named}.",
    )
    train = np.zeros(len(table.lines), bool)
    if test_column is None:
        train[
            hold_out(
                np.random.default_rng(seed), table.columns[label], test_fraction, "test_fraction"
            )[0]
        ] = True
    else:
        cells = table.columns[test_column]
        for cell in np.unique(cells):
            one_of(
                f"a cell of column {test_column!r} of {table.name}", str(cell), ("train", "test")
            )
        train = cells == "train"
    return pool_of(
        table,
        label=label,
        client=client,
        train=train,
        drop=() if test_column is None else [test_column],
    )


def npz(*, path: str, test_fraction: float = 0.25, seed: int = 0) -> Pool:
    """A NumPy npz file with arrays x and y, perhaps client, and perhaps test_x and test_y.

    Args:
        path: the file: x[T, ...] used as it is, y[T] whose classes become 0..L-1 in sorted order,
            client[T] that says whose a row is, test_x and test_y.
        test_fraction: the share of rows drawn for the test set if the file holds none, nearly the
            same in each class.
        seed: decides which.

    Raises:
        InvalidInputError: not an npz file, an array that is missing or of another length, NaN,
            fewer than two classes.
    """
    integer("seed", seed, least=0)
    held = files.npz(files.given(path), ["x", "y"])
    require(
        ("test_x" in held) == ("test_y" in held),
        f"Expected {path} to hold test_x and test_y, or neither.",
    )
    own = "test_x" in held
    for name in ("x", "y", "client", "test_x", "test_y"):
        if name in held:
            partner = "test_y" if name.startswith("test_") else "y"
            require(
                np.shape(held[name])[:1] == held[partner].shape
                and held[partner].ndim == 1
                and held[partner].size > 0,
                f"Expected {name} of {path} to have a row for each of {partner}, got shapes "
                f"{held[name].shape} and "
                f"{held[partner].shape}.",
            )
    x = np.concatenate([_features(path, held, name, "x") for name in ("x", *["test_x"] * own)])
    y, kinds = classes(
        np.concatenate([held[name] for name in ("y", *["test_y"] * own)]), f"y of {path}"
    )
    if own:
        train, test = np.arange(len(held["y"])), np.arange(len(held["y"]), len(y))
    else:
        train, test = hold_out(np.random.default_rng(seed), y, test_fraction, "test_fraction")
    return Pool(
        x=x[train],
        y=y[train],
        test=(x[test], y[test]),
        num_classes=len(kinds),
        columns={"client": held["client"].astype(str)[train]} if "client" in held else {},
        natural="client" if "client" in held else None,
        notes={"labels": kinds},
    )


def _features(path: str, held: Mapping[str, HostArray], name: str, like: str) -> HostArray:
    """An array of features as float32, or a refusal: not numbers, not finite, or rows of another
    shape.
    """
    values = held[name]
    real = np.issubdtype(values.dtype, np.number) and not np.issubdtype(
        values.dtype, np.complexfloating
    )
    require(
        real or values.dtype == bool,
        f"Expected {name} of {path} to be real numbers, got {values.dtype}.",
    )
    require(
        values.shape[1:] == held[like].shape[1:],
        f"Expected rows of {name} of {path} to have shape {held[like].shape[1:]}, got "
        f"{values.shape[1:]}.",
    )
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused
        values = values.astype(np.float32)
    finite(f"{name} of {path}", values)
    return values


def _is_number(cell: str) -> bool:
    """Whether a cell reads as a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
