"""Tables of text: columns by name, the lines they came from, and what their cells mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.data import cells as cells_of
from fedjax_shap.data import files
from fedjax_shap.data.cells import Notation, parse, readings
from fedjax_shap.typing import HostArray

WIDE = 2**28  # bytes of a column beyond which its cells are kept one by one


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table of text.

    Attributes:
        name: the file it came from, or the files.
        columns: str[T] by name.
        lines: int[T], the number of the line that each row came from.
        counted: what these are: "line", or "row" of a frame, from 0.
        files: the files, where they are known.
        file: int[T], the place in `files` of the file that each row came from.
        absent: bool[T] by name, the cells without a value; only columns that have such cells.
        values: float64[T] by name, columns whose numbers are known already.
        words: the columns that hold categories, whatever these look like.
        notation: how numbers are written.
    """

    name: str
    columns: Mapping[str, HostArray]
    lines: HostArray
    counted: str = "line"
    files: tuple[str, ...] = ()
    file: HostArray | None = None
    absent: Mapping[str, HostArray] = field(default_factory=dict)
    values: Mapping[str, HostArray] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    notation: Notation = field(default_factory=Notation)

    @property
    def num_rows(self) -> int:
        """T."""
        return len(self.lines)

    def column(self, argument: str, name: str) -> HostArray:
        """One column, or a refusal of `argument` if the table has no such column."""
        wanted = "a known name"
        if len(self.columns) == 1:
            wanted = f"one of several columns (write separator = ..., if {self.name} has them)"
        one_of(argument, name, self.columns, wanted)
        return self.columns[name]

    def place(self, row: int) -> str:
        """Where a row stands: its line, and its file where there are several."""
        line = f"{self.counted} {self.lines[row]}"
        if self.file is None or len(self.files) < 2:
            return line
        return f"{line} of {self.files[self.file[row]]}"

    def rows(self, chosen: HostArray) -> "Table":
        """The table of some rows, bool[T]."""
        file = self.file
        if file is not None:
            file = file[chosen]
        absent = {name: mask[chosen] for name, mask in self.absent.items()}
        return replace(
            self,
            columns={name: cells[chosen] for name, cells in self.columns.items()},
            lines=self.lines[chosen],
            file=file,
            absent={name: mask for name, mask in absent.items() if mask.any()},
            values={name: numbers[chosen] for name, numbers in self.values.items()},
        )

    def with_columns(
        self, columns: Mapping[str, HostArray], values: Mapping[str, HostArray]
    ) -> "Table":
        """The table with other columns, in which nothing is missing."""
        return replace(self, columns=columns, values=values, absent={})


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
            if cell.lower() in cells_of.MISSING:
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
        columns={column: column_of(cells) for column, cells in zip(header, columns)},
        lines=np.array([line for line, _ in body]),
    )


def column_of(cells: Iterable[str]) -> HostArray:
    """Cells as str[T]; as objects where one is so long that all would take much memory."""
    cells = list(cells)
    longest = max(map(len, cells), default=0)
    if 4 * longest * len(cells) > WIDE:
        return np.array(cells, object)
    return np.array(cells)


def numbers(table: Table, name: str) -> HostArray | None:
    """A column as float64[T], NaN where a cell is missing; None if it holds categories.

    Raises:
        InvalidInputError: mostly numbers, but not all of them; or a number that is not finite.
    """
    if name in table.words:
        return None
    if name in table.values:
        return table.values[name]
    there = np.ones(table.num_rows, bool)
    if name in table.absent:
        there = ~table.absent[name]
    cells = table.columns[name][there]
    values, good = parse(cells, table.notation)
    infinite = np.isinf(values)
    if not good.all():
        if 2 * (good | infinite).sum() <= len(cells):
            return None  # words for the most part: categories
        row = int(np.argmin(good))
        raise InvalidInputError(
            f"Expected column {name!r} of {table.name} to hold finite numbers as most of it does, "
            f"but {table.place(int(np.flatnonzero(there)[row]))} holds {str(cells[row])!r}"
            f"{_meaning(cells, str(cells[row]))}."
        )
    _require_one_unit(table, name, cells, np.flatnonzero(there))
    found = np.full(table.num_rows, np.nan)
    found[there] = values
    return found


def _require_one_unit(table: Table, name: str, cells: HostArray, rows: HostArray) -> None:
    """Refuses numbers of which some have a unit and some none, or another: 7.3 % and 0.073."""
    notation = table.notation
    if not notation.units or not len(cells):
        return
    units = [notation.units_of(str(cell)) for cell in cells]
    for row, unit in zip(rows, units):
        require(
            unit == units[0],
            f"Expected column {name!r} of {table.name} to hold numbers of one unit, but "
            f"{table.place(int(rows[0]))} holds {str(cells[0])!r} and {table.place(int(row))} "
            f"{str(table.columns[name][row])!r}; write them in one unit in the file.",
        )


def _meaning(cells: HostArray, cell: str) -> str:
    """What to say of a cell that is no number in a column of numbers."""
    if any(letter.isdigit() for letter in cell):
        said = readings(cells)
        if said:
            return f"; write {' or '.join(said)}, if that is how its numbers are written"
    return (
        f"; write na = [{cell!r}] and missing = ..., if it marks a missing value, or name the "
        "column in categories"
    )
