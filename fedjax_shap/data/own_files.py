"""Sources that are a user's own files: a comma-separated table, or arrays in an npz file."""

from collections.abc import Mapping

import numpy as np

from fedjax_shap._validate import finite, integer, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.pool import Pool, classes, hold_out
from fedjax_shap.data.tables import Table, pool_of, read_table
from fedjax_shap.typing import HostArray


def csv(
    *,
    path: str,
    label: str,
    client: str | None = None,
    test_column: str | None = None,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Pool:
    """Any comma-separated file with a line of column names, a label and perhaps a client column.

    Columns that hold only numbers are standardised by the training rows, the others become one-hot.

    Args:
        path: the file, gzipped or not.
        label: the column of classes, which become 0..L-1 in sorted order.
        client: the column that says whose a row is, which then is not a feature; None if there is
            none.
        test_column: a column of "train" and "test" that says which rows are the test set; None to
            draw them.
        test_fraction: the fraction of rows drawn for the test set, nearly the same in each class.
        seed: decides which.

    Raises:
        InvalidInputError: no such file or column, ragged lines, an empty or NaN cell, fewer than
            two classes.
    """
    integer("seed", seed, least=0)
    table = read_table(files.given(path))
    asked = {"label": label, "client": client, "test_column": test_column}
    named = {argument: name for argument, name in asked.items() if name is not None}
    for argument, name in named.items():
        table.column(argument, name)
    require(
        len(set(named.values())) == len(named),
        f"Expected label, client and test_column to differ, got {list(named.values())}.",
    )
    if test_column is not None:
        train = _stated(table, test_column)
        return pool_of(table, label=label, client=client, train=train, drop=[test_column])
    rng = np.random.default_rng(seed)
    rows, _ = hold_out(rng, table.columns[label], test_fraction, "test_fraction")
    train = np.zeros(len(table.lines), bool)
    train[rows] = True
    return pool_of(table, label=label, client=client, train=train)


def npz(*, path: str, test_fraction: float = 0.25, seed: int = 0) -> Pool:
    """A NumPy npz file with arrays x and y, perhaps client, and perhaps test_x and test_y.

    Args:
        path: the file: x[T, ...] used as it is, y[T] whose classes become 0..L-1 in sorted order,
            client[T] that says whose a row is, test_x and test_y.
        test_fraction: the fraction of rows drawn for the test set if the file holds none, nearly
            the same in each class.
        seed: decides which.

    Raises:
        InvalidInputError: not an npz file, an array that is missing or of another length, NaN,
            fewer than two classes.
    """
    integer("seed", seed, least=0)
    arrays = files.npz(files.given(path), ["x", "y"])
    _require_rows(path, arrays)
    # the file's own test set stands behind the training rows
    own_test = "test_x" in arrays
    x = _features(path, arrays, "x")
    y = arrays["y"]
    if own_test:
        x = np.concatenate([x, _features(path, arrays, "test_x")])
        y = np.concatenate([y, arrays["test_y"]])
    y, kinds = classes(y, f"y of {path}")
    if own_test:
        train = np.arange(len(arrays["y"]))
        test = np.arange(len(arrays["y"]), len(y))
    else:
        train, test = hold_out(np.random.default_rng(seed), y, test_fraction, "test_fraction")
    columns = {}
    natural = None
    if "client" in arrays:
        columns["client"] = arrays["client"].astype(str)[train]
        natural = "client"
    return Pool(
        x=x[train],
        y=y[train],
        test=(x[test], y[test]),
        num_classes=len(kinds),
        columns=columns,
        natural=natural,
        notes={"labels": kinds},
    )


def _stated(table: Table, test_column: str) -> HostArray:
    """The training rows, bool[T], where a column says which these are."""
    cells = table.columns[test_column]
    for cell in np.unique(cells):
        one_of(f"a cell of column {test_column!r} of {table.name}", str(cell), ("train", "test"))
    return np.asarray(cells == "train")


def _require_rows(path: str, arrays: Mapping[str, HostArray]) -> None:
    """Refuses arrays that differ in their rows, or half a test set."""
    require(
        ("test_x" in arrays) == ("test_y" in arrays),
        f"Expected {path} to hold test_x and test_y, or neither.",
    )
    partners = {"x": "y", "y": "y", "client": "y", "test_x": "test_y", "test_y": "test_y"}
    for name, partner in partners.items():
        if name in arrays:
            rows = arrays[partner].shape
            require(
                np.shape(arrays[name])[:1] == rows and len(rows) == 1 and rows[0] > 0,
                f"Expected {name} of {path} to have a row for each of {partner}, got shapes "
                f"{arrays[name].shape} and {rows}.",
            )


def _features(path: str, arrays: Mapping[str, HostArray], name: str) -> HostArray:
    """An array of features as float32.

    Refuses what is not numbers, not finite, or has rows of another shape than x.
    """
    values = arrays[name]
    real = np.issubdtype(values.dtype, np.number) and not np.issubdtype(
        values.dtype, np.complexfloating
    )
    require(
        real or values.dtype == bool,
        f"Expected {name} of {path} to be real numbers, got {values.dtype}.",
    )
    shape = arrays["x"].shape[1:]
    require(
        values.shape[1:] == shape,
        f"Expected rows of {name} of {path} to have shape {shape}, got {values.shape[1:]}.",
    )
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused
        values = values.astype(np.float32)
    finite(f"{name} of {path}", values)
    return values
