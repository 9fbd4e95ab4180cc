"""Data frames of pandas, polars and Arrow as pools, by the rules of tables in files.

Frames are read by the methods that these libraries share: none of them is imported here.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import described, one_of, require
from fedjax_shap.data.cells import absent
from fedjax_shap.data.csv_files import Files
from fedjax_shap.data.features import Treatment
from fedjax_shap.data.missing import Missing
from fedjax_shap.data.own_csv import Reading, Split, pool_of_table
from fedjax_shap.data.own_targets import Kind
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.roles import Roles
from fedjax_shap.data.scaling import Scale
from fedjax_shap.data.tables import Table, column_of
from fedjax_shap.typing import HostArray

NAME = "the frame"


def from_frame(
    frame: Any,
    *,
    label: str | Sequence[str],
    client: str | None = None,
    test: Any = None,
    test_column: str | None = None,
    test_fraction: float = 0.25,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    groups: str | Sequence[str] = (),
    most_categories: int = 100,
    scale: Scale = "pooled",
    missing: Missing = "refuse",
    indicator: bool = False,
    targets: Kind = "classes",
    seed: int = 0,
) -> Pool:
    """A data frame of pandas, polars or Arrow, or one for each member.

    Columns of numbers become one feature each; those of text, and categorical ones, one for each
    category. The keywords are those of the source "csv".

    Args:
        frame: the frame; a mapping from column names to sequences; or a mapping from members'
            names to frames.
        label: the column of classes, which become 0..L-1 in sorted order; for regression, the
            column of quantities or several of them.
        client: the column that says whose a row is; None if there is none.
        test: the frame of test rows, or one for each member; None if they have none of their own.
        test_column: a column of "train" and "test" that says which rows are the test set; None to
            draw them.
        test_fraction: the fraction of rows drawn for the test set, nearly the same in each class
            and each member.
        features: the columns to use; None for all that are nothing else.
        drop: columns not to use.
        categories: columns of categories although they hold numbers, such as codes.
        groups: columns that are no features, but by which a partition can give rows to members.
        most_categories: a column of more categories is refused, as is one of nearly as many as
            rows.
        scale: of columns of numbers: "pooled", "per_client", "unit" or "none".
        missing: what becomes of missing cells: "refuse", "mean", "median" or "drop".
        indicator: whether columns with filled numbers get one beside them that says which.
        targets: "classes" or "quantities".
        seed: decides which rows are test rows.

    Raises:
        InvalidInputError: what is not a frame, frames whose columns differ, or what the source
            "csv" refuses of a table.
    """
    roles = Roles.of(label, client, test_column, features, drop, categories, groups)
    training = _parts("frame", frame)
    testing = None
    if test is not None:
        testing = _parts("test", test)
    reading = Reading(
        roles=roles,
        targets=targets,
        missing=missing,
        split=Split(test_path=testing and NAME, test_fraction=test_fraction, seed=seed),
        treatment=Treatment(scale=scale, indicator=indicator, most_categories=most_categories),
    )
    table = _table(training, testing, roles)
    reading.check()
    return pool_of_table(table, training.files, testing and testing.files, reading)


class _Parts(NamedTuple):
    """Frames, one or one a member.

    Attributes:
        columns: of each frame, by name.
        files: the frames as if they were files: their members' names.
    """

    columns: list[dict[str, "_Column"]]
    files: Files


class _Column(NamedTuple):
    """One column of a frame.

    Attributes:
        cells: str[T], as they would stand in a file.
        values: float64[T], NaN where missing; None where it does not hold numbers.
        absent: bool[T], where a value is missing.
        categorical: whether the frame says that it holds categories.
    """

    cells: HostArray
    values: HostArray | None
    absent: HostArray
    categorical: bool


def _parts(argument: str, frame: Any) -> _Parts:
    """One frame, or one for each member."""
    if isinstance(frame, Mapping) and frame and all(map(_is_frame, frame.values())):
        names = tuple(str(name) for name in frame)
        columns = [_columns(f"{argument}[{name!r}]", one) for name, one in frame.items()]
        return _Parts(columns, Files(tuple(map(Path, names)), names))
    return _Parts([_columns(argument, frame)], Files((Path(NAME),), None))


def _is_frame(frame: Any) -> bool:
    """Whether something has columns by name."""
    return hasattr(frame, "columns") or hasattr(frame, "column_names") or isinstance(frame, Mapping)


def _columns(argument: str, frame: Any) -> dict[str, _Column]:
    """The columns of a frame by name, or a refusal of what has none."""
    require(
        _is_frame(frame),
        f"Expected {argument}={described(frame)} to be a data frame of pandas, polars or Arrow, a "
        "mapping from column names to sequences, or a mapping from members' names to frames.",
    )
    names = [str(name) for name, _ in _pairs(frame)]
    require(
        len(set(names)) == len(names) > 0,
        f"Expected {argument} to name each column once, got {names}.",
    )
    columns = {str(name): _column(values) for name, values in _pairs(frame)}
    lengths = {len(column.cells) for column in columns.values()}
    require(
        len(lengths) == 1 and lengths != {0},
        f"Expected the columns of {argument} to have a row for each example, got "
        f"{sorted(lengths)} rows.",
    )
    return columns


def _pairs(frame: Any) -> Iterator[tuple[Any, Any]]:
    """The names and the columns of a frame."""
    if isinstance(frame, Mapping):
        yield from frame.items()
    elif hasattr(frame, "column_names"):  # Arrow, whose `columns` are the columns themselves
        yield from zip(frame.column_names, frame.columns)
    elif hasattr(frame, "iloc"):  # pandas, where a name may stand for several columns
        yield from ((name, frame.iloc[:, at]) for at, name in enumerate(frame.columns))
    else:
        yield from ((name, frame[name]) for name in frame.columns)


def _column(values: Any) -> _Column:
    """One column: numbers where it holds them, else text."""
    listed = _listed(values)
    gaps = np.array([_is_missing(one) for one in listed], bool)
    there = [one for one, gap in zip(listed, gaps) if not gap]
    categorical = "categor" in str(getattr(values, "dtype", "")).lower()
    numeric = not categorical and all(isinstance(one, Real | Decimal | np.bool_) for one in there)
    cells = column_of("" if gap else _text(one) for one, gap in zip(listed, gaps))
    if numeric and there:
        numbers = np.full(len(listed), np.nan)
        numbers[~gaps] = [float(one) for one in there]
        return _Column(cells, numbers, gaps, categorical)
    return _Column(cells, None, gaps | absent(cells.tolist(), frozenset()), categorical)


def _listed(values: Any) -> list[Any]:
    """The cells of a column as Python's own values."""
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def _is_missing(cell: Any) -> bool:
    """Whether a cell holds no value: None, NaN, or what pandas has for them."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def _text(cell: Any) -> str:
    """A cell as it would stand in a file; whole numbers lose their fraction."""
    if isinstance(cell, float | np.floating):
        return f"{cell:.17g}"
    return str(cell)


def _table(training: _Parts, testing: _Parts | None, roles: Roles) -> Table:
    """One table of all frames, those of training rows first."""
    parts = list(training.columns)
    if testing is not None:
        parts += testing.columns
    known = dict.fromkeys(name for part in parts for name in part)
    for name in roles.drop:
        one_of("drop", name, known)
    header = [name for name in parts[0] if name not in roles.drop]
    for part in parts[1:]:
        odd = sorted(set(header) ^ (set(part) - set(roles.drop)))
        require(
            not odd,
            f"Expected all frames to have the same columns, but {odd} stand in some only.",
        )
    columns = {}
    values = {}
    missing = {}
    words = set()
    for name in header:
        own = [part[name] for part in parts]
        columns[name] = np.concatenate([column.cells for column in own])
        gaps = np.concatenate([column.absent for column in own])
        if gaps.any():
            missing[name] = gaps
        if any(column.categorical for column in own):
            words.add(name)
        numbers = [column.values for column in own if column.values is not None]
        if len(numbers) == len(own):
            values[name] = np.concatenate(numbers)
    sizes = [len(part[header[0]].cells) for part in parts]
    return Table(
        name=NAME,
        columns=columns,
        lines=np.concatenate([np.arange(size) for size in sizes]),
        counted="row",
        files=tuple(f"frame {place}" for place in range(len(parts))),
        file=np.repeat(np.arange(len(parts)), sizes),
        absent=missing,
        values=values,
        words=frozenset(words),
    )
