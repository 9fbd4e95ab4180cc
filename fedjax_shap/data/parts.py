"""Training and test parts of measured rows: drawn within members, or the last of each member."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedjax_shap._validate import integer, number, require
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.splits import appearance, draw_test
from fedjax_shap.data.tables import Table, numbers
from fedjax_shap.typing import HostArray


def drawn_within(members: HostArray, kinds: HostArray, *, fraction: float, seed: int) -> HostArray:
    """Training rows where the test rows are drawn within each member, by class.

    Args:
        members: [T], whose each row is.
        kinds: [T], each row's class; all equal where rows have quantities.
        fraction: the fraction of the rows to hold out, in (0, 1).
        seed: decides which.

    Returns:
        bool[T], True for the training rows. A member's classes are held out in nearly their own
        proportion, and every member keeps a training row.

    Raises:
        InvalidInputError: a seed or a fraction out of range.
    """
    integer("seed", seed, least=0)
    rows, _ = draw_test(seed, members, appearance(kinds), fraction)
    train = np.zeros(len(members), bool)
    train[rows] = True
    return train


def last_of_each(owner: HostArray, order: HostArray, *, fraction: float) -> HostArray:
    """Training rows where the test rows are the last ones of each member.

    Args:
        owner: [T], whose each row is.
        order: [T], what a member's rows are ordered by, such as time; ties keep their order.
        fraction: the fraction of each member's rows to hold out, in (0, 1), rounded.

    Returns:
        bool[T], True for the training rows.

    Raises:
        InvalidInputError: a fraction out of range, or a member without a training row.
    """
    number("test_fraction", fraction)
    require(
        0 < fraction < 1, f"Expected test_fraction={fraction!r} to lie strictly between 0 and 1."
    )
    members, member = np.unique(owner, return_inverse=True)
    train = np.ones(len(owner), bool)
    for index in range(len(members)):
        rows = np.flatnonzero(member == index)
        rows = rows[np.argsort(order[rows], kind="stable")]
        train[rows[len(rows) - round(fraction * len(rows)) :]] = False
    counts = np.bincount(member[train], minlength=len(members))
    require(
        bool(counts.all()),
        f"Expected test_fraction={fraction!r} to leave every member a training row, but "
        f"{str(members[np.argmin(counts)])!r} has none.",
    )
    return train


def numeric(table: Table, name: str) -> HostArray:
    """A column of a table that must be numbers, float64[T]."""
    values = numbers(table, name)
    require(values is not None, f"Expected column {name!r} of {table.name} to be numbers.")
    return np.asarray(values)


def parted(
    x: HostArray,
    y: HostArray,
    train: HostArray,
    *,
    columns: Mapping[str, HostArray],
    natural: str | None,
    num_classes: int | None,
    notes: Mapping[str, Any],
) -> Pool:
    """The pool of rows of which some are the test set.

    Args:
        x: [T, ...], features of all rows.
        y: [T], classes 0..L-1, or quantities where `num_classes` is None.
        train: bool[T], the training rows.
        columns: str[T] by name, what is known of all rows.
        natural: the column that is the natural federation; None if there is none.
        num_classes: L, or None.
        notes: the pool's notes.
    """
    # quantities are float32, classes int32
    kinds = {True: np.float32, False: np.int32}
    y = y.astype(kinds[num_classes is None])
    x = x.astype(np.float32, copy=False)
    return Pool(
        x=x[train],
        y=y[train],
        test=(x[~train], y[~train]),
        num_classes=num_classes,
        columns={name: cells[train] for name, cells in columns.items()},
        test_columns={name: cells[~train] for name, cells in columns.items()},
        natural=natural,
        notes=notes,
    )
