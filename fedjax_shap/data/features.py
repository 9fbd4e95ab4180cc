"""Features of a table of text: numbers on one scale, categories one-hot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import caution, how_many, integer, one_of, require
from fedjax_shap.data.pool import Pool, classes
from fedjax_shap.data.scaling import SCALES, scaled
from fedjax_shap.data.suspects import refuse_words, say_suspicious
from fedjax_shap.data.tables import Table, numbers
from fedjax_shap.typing import HostArray

FEW_VALUES = 100  # a column of numbers with no more values than these can name members
FEW_ROWS = 2  # a category of no more training rows is hardly learnt
MOST_BYTES = 2**32  # of the features of a table


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What is made of the columns of a table.

    Attributes:
        scale: of numbers, see `scaling.scaled`.
        indicator: whether a column of numbers with missing cells gets one beside it that says
            which these were.
        most_categories: the largest number of categories in a column; None for a table whose
            columns are known, in which nothing is suspicious either.
        scaled_later: whether numbers keep the digits of float64, as they are scaled elsewhere.
    """

    scale: str = "pooled"
    indicator: bool = False
    most_categories: int | None = None
    scaled_later: bool = False

    def check(self) -> None:
        """Refuses settings that are out of range."""
        one_of("scale", self.scale, SCALES)
        integer("most_categories", self.most_categories, least=1)


class Block(NamedTuple):
    """The features that one column becomes.

    Attributes:
        column: the column.
        names: the features' names.
        values: float32[T], or float64[T] if scaled later, one feature; or None.
        codes: int32[T], which feature is 1, all others being 0; -1 for none of them; or None.
    """

    column: str
    names: list[str]
    values: HostArray | None = None
    codes: HostArray | None = None


class Features(NamedTuple):
    """The features of a table.

    Attributes:
        blocks: one or more a column.
        columns: by name, what rows can be given to clients by: str[T] of categories and of numbers
            that have few values, float32[T] of others.
    """

    blocks: list[Block]
    columns: dict[str, HostArray]

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return [name for block in self.blocks for name in block.names]

    def of(self, rows: HostArray, dtype: type = np.float32) -> HostArray:
        """float[rows, features] of some rows, bool[T]."""
        x: HostArray = np.zeros((int(rows.sum()), len(self.names)), dtype)
        start = 0
        for block in self.blocks:
            if block.values is not None:
                x[:, start] = block.values[rows]
            if block.codes is not None:
                codes = block.codes[rows]
                known = np.flatnonzero(codes >= 0)
                x[known, start + codes[known]] = 1
            start += len(block.names)
        return x


def features_of(
    table: Table,
    used: Sequence[str],
    train: HostArray,
    treatment: Treatment,
    *,
    absent: Mapping[str, HostArray],
    members: HostArray | None = None,
) -> Features:
    """Numbers scaled by the training rows, categories one-hot.

    Args:
        table: the table, without a missing cell.
        used: the columns to use, in order.
        train: bool[T], the training rows; a category that none of them holds is all zeros
            elsewhere.
        treatment: what is made of the columns.
        absent: bool[T] by name, the cells that were missing.
        members: str[T], whose row it is, where it matters to the scale.

    Raises:
        InvalidInputError: a column that is no feature, or more features than memory should hold.
    """
    blocks = []
    columns: dict[str, HostArray] = {}
    for name in used:
        values = numbers(table, name)
        if values is None:
            if treatment.most_categories is not None:
                refuse_words(table, name, treatment.most_categories)
            blocks.append(_one_hot(name, table.columns[name], train))
            columns[name] = table.columns[name]
            continue
        if treatment.most_categories is not None:
            say_suspicious(table, name, values)
        columns[name] = naming(table.columns[name], values)
        what = f"column {name!r} of {table.name}"
        one = scaled(what, values[:, None], train, treatment.scale, members)[:, 0]
        if treatment.scaled_later:
            one = values
        blocks.append(Block(name, [name], values=one))
        if treatment.indicator and name in absent:
            blocks.append(Block(name, [f"{name} missing"], values=absent[name].astype(np.float32)))
    if treatment.most_categories is not None:
        _say_rare(table, [block for block in blocks if block.codes is not None], train)
    features = Features(blocks, columns)
    _refuse_large(table, features)
    return features


def pool_of(
    table: Table,
    *,
    label: str,
    client: str | None,
    train: HostArray,
    drop: Sequence[str] = (),
    **notes: Any,
) -> Pool:
    """The pool of a table whose columns are known.

    Args:
        table: the table.
        label: the column of classes, which become 0..L-1 in sorted order.
        client: the column that is the natural federation, not a feature; None if there is none.
        train: bool[T], the training rows; the others are the test set.
        drop: further columns that are not features.
        **notes: further entries of the pool's notes.
    """
    require_sides(table, train)
    y, kinds = classes(table.columns[label], f"column {label!r} of {table.name}")
    used = [name for name in table.columns if name not in {label, client, *drop}]
    require_features(table, used)
    features = features_of(table, used, train, Treatment(), absent={})
    columns = dict(features.columns)
    if client is not None:
        columns[client] = table.columns[client]
    return Pool(
        x=features.of(train),
        y=y[train],
        test=(features.of(~train), y[~train]),
        num_classes=len(kinds),
        columns={name: cells[train] for name, cells in columns.items()},
        test_columns={name: cells[~train] for name, cells in columns.items()},
        natural=client,
        notes={"features": features.names, "labels": kinds, **notes},
    )


def naming(cells: HostArray, values: HostArray | None) -> HostArray:
    """A column as that by which rows can be given to members.

    Args:
        cells: str[T].
        values: float64[T], its numbers; None if it holds categories.

    Returns:
        The cells; where they hold many numbers, these as float32[T].
    """
    if values is None or len(np.unique(values)) <= FEW_VALUES:
        return cells
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def require_sides(table: Table, train: HostArray) -> None:
    """Refuses a table without a training row, or without a test row."""
    for kind, rows in (("training", train), ("test", ~train)):
        require(
            bool(rows.any()),
            f"Expected {table.name} to hold at least one {kind} row, but there is none.",
        )


def require_features(table: Table, used: Sequence[str]) -> None:
    """Refuses a table that has no column of features."""
    require(
        len(used) > 0,
        f"Expected {table.name} to hold a column of features beside {list(table.columns)}.",
    )


def _one_hot(name: str, cells: HostArray, train: HostArray) -> Block:
    """A feature of 0 and 1 for each category that a training row has."""
    kinds, codes = np.unique(cells, return_inverse=True)
    trained = np.zeros(len(kinds), bool)
    trained[codes[train]] = True
    place = np.where(trained, np.cumsum(trained) - 1, -1).astype(np.int32)
    return Block(name, [f"{name}={kind}" for kind in kinds[trained]], codes=place[codes])


def _say_rare(table: Table, blocks: Sequence[Block], train: HostArray) -> None:
    """One caution for all categories that few training rows hold, or none."""
    rare = {}
    unseen = 0
    for block in blocks:
        codes = block.codes
        assert codes is not None  # these are columns of categories
        counts = np.bincount(codes[train], minlength=len(block.names))
        few = int((counts <= FEW_ROWS).sum())
        if few:
            rare[block.column] = few
        unseen += int((codes[~train] < 0).sum())
    sentences = []
    if rare:
        said = ", ".join(f"{name!r}: {count}" for name, count in list(rare.items())[:10])
        number = how_many(sum(rare.values()), "category", "categories")
        sentences.append(f"at most {FEW_ROWS} training rows hold each of {number} ({said})")
    if unseen:
        sentences.append(
            f"no training row has the category of {how_many(unseen, 'cell')} of test rows"
        )
    if sentences:
        caution(f"{table.name}: {', and '.join(sentences)}.")


def _refuse_large(table: Table, features: Features) -> None:
    """Refuses more features than memory should hold."""
    if not features.blocks:
        return
    widths = {block.column: len(block.names) for block in features.blocks}
    size = 4 * table.num_rows * len(features.names)
    require(
        size <= MOST_BYTES,
        f"Expected the features of {table.name} to take at most {MOST_BYTES / 1e9:.1f} GB, but "
        f"{table.num_rows} rows of {len(features.names)} features take {size / 1e9:.1f} GB; drop "
        f"columns such as {max(widths, key=lambda name: widths[name])!r}.",
    )
