"""The pool: what a source of data gives before its rows are split among clients."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, number, require
from fedjax_shap.data.targets import classes as classes
from fedjax_shap.typing import HostArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Training rows not yet given to clients, and the server's test set; all arrays on the host.

    Attributes:
        x: float32[T, ...], features of the training rows.
        y: int32[T], labels in 0..L-1; float32[T, ...] where rows have quantities instead of
            classes.
        test: (x[T, ...], y[T, ...]), the test set; its T is its own.
        num_classes: L; None where rows have quantities.
        columns: what is known of each training row, str[T] by name: the columns by which rows can
            be given to clients.
        test_columns: the same of each test row; {} where nothing is known of them.
        natural: the column that is the natural federation (a row's hospital, say); None if there is
            none.
        class_order: int[L], the place of each class among all wherever something is drawn by
            class: that of its first row, so that no draw depends on how classes are called; None
            for the order of the labels.
        notes: what else the source says: "features" (their names), "labels" (the classes' names),
            published results, "said" (sentences on what was left out).
    """

    x: HostArray
    y: HostArray
    test: tuple[HostArray, HostArray]
    num_classes: int | None
    columns: Mapping[str, HostArray] = field(default_factory=dict)
    test_columns: Mapping[str, HostArray] = field(default_factory=dict)
    natural: str | None = None
    class_order: HostArray | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """T, the number of training rows."""
        return len(self.y)

    @property
    def classes(self) -> int:
        """L, or a refusal where rows have quantities."""
        if self.num_classes is None:
            raise InvalidInputError(
                "Expected data whose rows have classes, got quantities: use a partition that does "
                "not go by class."
            )
        return self.num_classes


def hold_out(
    rng: np.random.Generator, y: HostArray, fraction: float, name: str
) -> tuple[HostArray, HostArray]:
    """Splits rows in two at random, so that each class is held out in nearly its own proportion.

    Args:
        rng: the generator that decides.
        y: [T], the rows' labels, whose order decides among equal draws.
        fraction: the fraction of the rows to hold out, in (0, 1).
        name: how the fraction is called in a refusal.

    Returns:
        (kept, held out), row indices in random order; round(fraction * T) rows are held out.

    Raises:
        InvalidInputError: a fraction outside (0, 1), or one that leaves either side without a row.
    """
    count = num_held_out(len(y), fraction, name)
    # sort by class, in random order within a class
    rows = rng.permutation(len(y))
    rows = rows[np.argsort(y[rows], kind="stable")]
    chosen = evenly_spaced(rng, len(y), count)
    return rng.permutation(rows[~chosen]), rng.permutation(rows[chosen])


def num_held_out(num_rows: int, fraction: float, name: str) -> int:
    """round(fraction * T), or a refusal of a fraction that leaves a side without a row."""
    number(name, fraction)
    require(0 < fraction < 1, f"Expected {name}={fraction!r} to lie strictly between 0 and 1.")
    count = round(fraction * num_rows)
    require(
        0 < count < num_rows,
        f"Expected {name}={fraction!r} of {num_rows} rows to leave a row on both sides.",
    )
    return count


def evenly_spaced(rng: np.random.Generator, num_rows: int, count: int) -> HostArray:
    """`count` of `num_rows` places at equal distances from a random start, as bool[num_rows]."""
    chosen = np.zeros(num_rows, bool)
    chosen[((np.arange(count) + rng.random()) * num_rows / count).astype(int)] = True
    return chosen


def standardise(reference: HostArray, *others: HostArray) -> tuple[HostArray, ...]:
    """Scales columns by the mean and standard deviation of `reference`.

    A column that is constant there becomes zero where it has that constant.

    Args:
        reference: float[T, features], the training rows.
        *others: further rows, scaled by the statistics of `reference`.

    Returns:
        float32 copies of `reference` and of each of `others`.
    """
    mean = reference.mean(axis=0, dtype=np.float64)
    deviation = reference.std(axis=0, dtype=np.float64)
    # a column that is constant up to rounding is not divided
    largest = np.abs(reference).max(axis=0, initial=0.0)
    scale = np.where(deviation > 1e-12 * largest, deviation, 1.0)
    return tuple(((part - mean) / scale).astype(np.float32) for part in (reference, *others))
