"""Raw files, gzipped or not, read as idx, libsvm or csv, or refused with what is wrong."""

import codecs
import csv
import gzip
import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedjax_shap._validate import InvalidInputError, how_many, require
from fedjax_shap.typing import HostArray

VARIABLE = "FEDJAX_SHAP_DATA"  # the environment variable that names the folder of data sets


def locate(folder: str | None, inside: str, names: Sequence[str], *, origin: str) -> Path:
    """Finds a file of a data set, gzipped or not, in `folder/inside` or in `folder` itself.

    Args:
        folder: the folder of data sets; None for the one that the environment variable
            FEDJAX_SHAP_DATA names.
        inside: the data set's own folder.
        names: the names under which the file is known.
        origin: where the file can be got, in words.

    Returns:
        The first that exists.

    Raises:
        InvalidInputError: no folder, or no such file: which one, every place that was looked at,
            and its origin.
    """
    root = folder
    if folder is None:
        root = os.environ.get(VARIABLE)
    if not root:
        raise InvalidInputError(
            "Expected a folder of data sets, as folder=, --data or the environment variable "
            f"{VARIABLE}, to find {names[0]} there (from {origin})."
        )
    places = [Path(root) / inside, Path(root)]
    for place in places:
        for name in names:
            for path in (place / name, place / f"{name}.gz"):
                if path.is_file():
                    return path
    looked = " or ".join(str(place) for place in places)
    known = " or ".join(names)
    raise InvalidInputError(
        f"Expected a file {known} (or with .gz) in {looked}; it can be had from {origin}."
    )


def given(path: str) -> Path:
    """The file at `path`, a refusal if there is none."""
    require(is_file(path), f"Expected path={str(path)!r} to be a file, but there is none.")
    return Path(path)


def is_file(path: str | Path) -> bool:
    """Whether there is a file at `path`; a path that cannot be one is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def contents(path: Path) -> bytes:
    """All bytes of a file, unpacked if they are gzipped (whatever its name)."""
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            return gzip.decompress(raw)
        return raw
    except (EOFError, OSError, zlib.error) as error:
        raise InvalidInputError(
            f"Expected {path} to be readable, but it is not: {error}."
        ) from error


def text(path: Path, *, encoding: str = "utf-8-sig") -> str:
    """A file's text, unpacked if gzipped.

    Args:
        path: the file.
        encoding: "utf-8-sig" is UTF-8 with or without a byte-order mark. Where it is the encoding,
            the marks of UTF-16 and UTF-32 are followed.

    Raises:
        InvalidInputError: bytes that are not of this encoding, or that are no text.
    """
    raw = contents(path)
    if encoding == "utf-8-sig":
        # the mark of UTF-32 begins like that of UTF-16
        if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            encoding = "utf-32"
        elif raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "utf-16"
    try:
        decoded = raw.decode(encoding)
    except LookupError as error:
        raise InvalidInputError(
            f"Expected encoding={encoding!r} to be an encoding of text, such as 'latin-1'."
        ) from error
    except ValueError as error:
        where = getattr(error, "start", 0)
        called = encoding.removesuffix("-sig").upper()
        raise InvalidInputError(
            f"Expected {path} to be {called} text, but byte {where} is not; "
            "write encoding = ..., such as 'latin-1' or 'utf-16', if it is written otherwise."
        ) from error
    place = decoded.find("\0")
    require(
        place < 0,
        f"Expected {path} to be text, but line {decoded.count(chr(10), 0, place) + 1} holds a null "
        "character; write encoding = 'utf-16', if that is how it is written.",
    )
    return decoded


def idx(path: Path, *, dimensions: int) -> HostArray:
    """The array of an idx file of unsigned bytes (the format of MNIST).

    Args:
        path: the file.
        dimensions: how many axes the array must have: 3 for images, 1 for labels.

    Returns:
        uint8[...] of the shape that the file's header names.

    Raises:
        InvalidInputError: another magic number, or more or fewer bytes than the header promises.
    """
    raw = contents(path)
    # two zeros, the type (8: unsigned bytes), the number of axes
    magic = bytes((0, 0, 8, dimensions))
    require(
        raw[:4] == magic,
        f"Expected {path} to begin with the idx magic number 0x{magic.hex()}, got "
        f"0x{raw[:4].hex()}.",
    )
    # the length of each axis, then the bytes
    start = 4 + 4 * dimensions
    shape = tuple(int(size) for size in np.frombuffer(raw[4:start], ">u4", len(raw[4:start]) // 4))
    size = int(np.prod(shape, dtype=np.int64))
    require(
        len(shape) == dimensions and len(raw) == start + size,
        f"Expected {path} to hold {start + size} bytes for its shape {shape}, got {len(raw)}.",
    )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def libsvm(path: Path, *, num_features: int) -> tuple[HostArray, HostArray]:
    """The rows of a libsvm file, lines of ``label index:value ...`` with indices from 1.

    Args:
        path: the file.
        num_features: how many features a row has; those that a line leaves out are zero.

    Returns:
        (float32[T, num_features], float64[T]), features and labels as the file has them.

    Raises:
        InvalidInputError: no line, or a line that is not of this form, by its number.
    """
    lines = [line.split() for line in text(path).splitlines()]
    filled = [(number, line) for number, line in enumerate(lines, 1) if line]
    require(len(filled) > 0, f"Expected {path} to hold at least one line, but it is empty.")
    x = np.zeros((len(filled), num_features), np.float32)
    y = np.zeros(len(filled))
    # what a line leaves out stays zero
    for row, (number, (label, *pairs)) in enumerate(filled):
        try:
            y[row] = float(label)
            for pair in pairs:
                index, value = pair.split(":")
                place = int(index) - 1
                if not 0 <= place < num_features:
                    raise ValueError(f"index {index} is not in 1..{num_features}")
                x[row, place] = float(value)
        except ValueError as error:
            raise InvalidInputError(
                f"Expected line {number} of {path} to read 'label index:value ...', but {error}."
            ) from error
    require(
        bool(np.isfinite(x).all() and np.isfinite(y).all()),
        f"Expected {path} to hold finite numbers only.",
    )
    return x, y


def rows(
    path: Path, *, width: int | None = None, skip: str | None = None
) -> list[tuple[int, list[str]]]:
    """The lines of a comma-separated file, see `cells`."""
    return cells(path, text(path), width=width, skip=skip)


def cells(
    path: Path,
    text: str,
    *,
    separator: str = ",",
    width: int | None = None,
    skip: str | None = None,
) -> list[tuple[int, list[str]]]:
    """The lines of a text, split into cells without surrounding blanks.

    Empty lines are passed over.

    Args:
        path: the file that holds the text, for refusals.
        text: the whole of it.
        separator: the character between cells.
        width: how many cells a line must have; as many as the first if None.
        skip: lines that begin with this are passed over too.

    Returns:
        (line number from 1, cells) for each line.

    Raises:
        InvalidInputError: no line, a quotation that does not end, or a line with more or fewer
            cells.
    """
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    lines = []
    try:
        for found in reader:
            empty = found in ([], [""])
            if not empty and not (skip is not None and found[0].startswith(skip)):
                lines.append((reader.line_num, [cell.strip() for cell in found]))
    except csv.Error as error:
        raise InvalidInputError(
            f"Expected line {reader.line_num} of {path} to be separated by {separator!r}, but: "
            f"{error}."
        ) from error
    require(len(lines) > 0, f"Expected {path} to hold at least one line, but it is empty.")
    # every line is as wide as the first
    if width is None:
        width = len(lines[0][1])
    for number, found in lines:
        require(
            len(found) == width,
            f"Expected line {number} of {path} to have {how_many(width, 'cell')}, but it has "
            f"{len(found)}.",
        )
    return lines
