"""How a file of separated values is written: its separator, its encoding, its names of columns."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from fedjax_shap._validate import a_text, caution, how_many, listed, require, texts
from fedjax_shap.data import files
from fedjax_shap.data.cells import Notation

SEPARATORS = (",", ";", "\t", "|")  # among which a file's own is looked for
SPELLED = {"\\t": "\t", "tab": "\t"}  # ways to write a separator on a command line
SAMPLE = 20  # lines by which a separator is chosen
UNNAMED = re.compile(
    r"(Unnamed: \d+)?"
)  # what pandas writes, or reads, for a column of row numbers


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file is written.

    Attributes:
        separator: what stands between cells; None to find out.
        encoding: of the text; "utf-8-sig" takes a byte-order mark or none, those of UTF-16 and
            UTF-32 too.
        header: whether the first line names the columns, or else their names.
        na: further texts that stand for a missing value.
        notation: how numbers are written.
    """

    separator: str | None = None
    encoding: str = "utf-8-sig"
    header: bool | Sequence[str] = True
    na: Sequence[str] = ()
    notation: Notation = field(default_factory=Notation)

    def check(self) -> None:
        """Refuses what is not a dialect."""
        self.notation.check()
        texts("na", self.na)
        a_text("encoding", self.encoding)
        separator = self.separator
        if separator is not None:
            a_text("separator", separator)
        require(
            separator != self.notation.decimal,
            f"Expected separator={separator!r} to differ from decimal={self.notation.decimal!r}.",
        )
        require(
            separator is None or (len(one_letter(separator)) == 1 and separator not in '"\r\n'),
            f"Expected separator={separator!r} to be one character, such as ';'.",
        )
        if not isinstance(self.header, bool):
            names = [tidy(name) for name in texts("header", self.header)]
            require(
                len(set(names)) == len(names) > 0,
                f"Expected header={names} to name columns, each of them once.",
            )


class Lines(NamedTuple):
    """A file split into cells.

    Attributes:
        header: the columns' names.
        body: (line number from 1, cells without surrounding blanks), each as wide as the header.
        unnamed: the names of columns that have none in the file: "column_3" for the third.
    """

    header: list[str]
    body: list[tuple[int, list[str]]]
    unnamed: tuple[str, ...] = ()


def tidy(name: str) -> str:
    """A name without surrounding blanks, in Unicode's composed form: what looks alike is equal."""
    return unicodedata.normalize("NFC", str(name)).strip()


def one_letter(separator: str) -> str:
    """A separator as one character, where it is spelled out."""
    return SPELLED.get(separator, separator)


def read_lines(path: Path, dialect: Dialect) -> Lines:
    """The lines of a file.

    Raises:
        InvalidInputError: no line or no row, ragged lines, two columns of one name, or a text that
            cannot be read.
    """
    text = files.text(path, encoding=dialect.encoding)
    separator = one_letter(dialect.separator or _separator_of(path, text, dialect))
    rows = files.cells(path, text, separator=separator)
    if dialect.header is True:
        (_, first), *body = rows
        header = [tidy(name) for name in first]
    else:
        body = rows
        header = _stated(path, len(rows[0][1]), dialect.header)
    names = [name for name in header if name]
    require(
        len(set(names)) == len(names), f"Expected {path} to name each column once, got {header}."
    )
    filled = [(line, cells) for line, cells in body if any(cells)]
    if len(filled) < len(body):
        count = len(body) - len(filled)
        caution(f"{path}: {how_many(count, 'line')} of separators only left out.")
    require(
        len(filled) > 0,
        f"Expected {path} to hold rows below its line of names, but there are none.",
    )
    return _named(path, Lines(header, filled))


def _separator_of(path: Path, text: str, dialect: Dialect) -> str:
    """The separator by which the first lines are equally wide, and that the first of them holds."""
    widths = {mark: _width(text, mark) for mark in SEPARATORS}
    if not isinstance(dialect.header, bool):
        # names that are given say how wide a line is
        widths = {mark: width * (width == len(dialect.header)) for mark, width in widths.items()}
    fitting = [mark for mark, width in widths.items() if width > 1]
    require(
        len(fitting) < 2 or dialect.header is True,
        f"Expected separator to be given, as {path} can be read with any of {fitting}.",
    )
    if not fitting:
        # lines that differ are refused by whoever splits them: by the first, if it can be split
        widths = {mark: _width(text, mark, 1) for mark in SEPARATORS}
        fitting = list(SEPARATORS)
    separator = max(fitting, key=lambda mark: widths[mark])
    if separator == ",":
        return separator
    caution(
        f"{path}: cells are separated by {separator!r}, as its first lines show; write separator = "
        "..., if that is wrong."
    )
    return separator


def _width(text: str, separator: str, count: int = SAMPLE) -> int:
    """How many cells each of the first `count` lines has; 0 if that differs."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        widths = {len(cells) for cells in islice(lines, count) if cells not in ([], [""])}
    except csv.Error:
        return 0
    return max(widths) * (len(widths) == 1) if widths else 0


def _stated(path: Path, width: int, header: bool | Sequence[str]) -> list[str]:
    """The names of the columns of a file without a line of names."""
    if isinstance(header, bool):
        return [f"column_{place}" for place in range(1, width + 1)]
    require(
        len(header) == width,
        f"Expected header to name the {width} columns of {path}, got {len(header)} names.",
    )
    return [tidy(name) for name in header]


def _named(path: Path, lines: Lines) -> Lines:
    """The lines without columns that have no name: numbers of rows in front, and empty ones.

    Another column without a name is called column_1, ... by its place.
    """
    unnamed = [place for place, name in enumerate(lines.header) if UNNAMED.fullmatch(name)]
    if not unnamed:
        return lines
    numbered = []
    empty = []
    for place in unnamed:
        cells = [row[place] for _, row in lines.body]
        if not any(cells):
            empty.append(place)
        elif place == 0 and _counts(cells):
            numbered.append(place)
    if numbered:
        caution(
            f"{path}: the first column has no name and counts the rows, so it was left out; name "
            "it in the file to use it."
        )
    if empty:
        places = listed([str(place + 1) for place in empty], quoted=False)
        caution(f"{path}: columns without a name or a value were left out: {places}.")
    left = [place for place in range(len(lines.header)) if place not in {*numbered, *empty}]
    header = [lines.header[place] or f"column_{place + 1}" for place in left]
    require(
        len(set(header)) == len(header), f"Expected {path} to name each column once, got {header}."
    )
    body = [(line, [row[place] for place in left]) for line, row in lines.body]
    kept = [header[left.index(place)] for place in unnamed if place in left]
    return Lines(header, body, tuple(kept))


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    start = cells[0]
    return start in ("0", "1") and list(cells) == [str(int(start) + i) for i in range(len(cells))]
