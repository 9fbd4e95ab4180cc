"""One table from one or several files: which files a path names, and whose file is whose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, listed, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.cells import absent
from fedjax_shap.data.csv_dialect import Dialect, Lines, read_lines, tidy
from fedjax_shap.data.tables import Table, column_of

Paths = str | Sequence[str] | Mapping[str, str]
SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
WILD = "*?["


@dataclass(frozen=True)
class Files:
    """The files that a path names.

    Attributes:
        paths: of the files.
        names: what each is called as a member; None where there is a single file.
    """

    paths: tuple[Path, ...]
    names: tuple[str, ...] | None


def files_at(argument: str, path: Paths, *, without: Sequence[Path] = ()) -> Files:
    """The files that a path names.

    Args:
        argument: what the path is called in a refusal.
        path: a file, a folder, a pattern such as "sites/*.csv", several of these, or files by the
            names of their members.
        without: files that a folder or a pattern does not stand for.

    Raises:
        InvalidInputError: no such file, a folder or a pattern without files, or a file named twice.
    """
    if isinstance(path, Mapping):
        paths = [_file(argument, one) for one in path.values()]
        require(len(paths) > 0, f"Expected {argument}={path!r} to name a file.")
        return Files(tuple(paths), tuple(tidy(name) for name in path))
    if isinstance(path, str | Path) and files.is_file(path):
        return Files((Path(path),), None)
    several = path
    if isinstance(several, str | Path):
        several = [str(several)]
    found = [one for text in several for one in _expanded(argument, text, without)]
    require(len(found) > 0, f"Expected {argument}={path!r} to name a file.")
    require(
        len({one.resolve() for one in found}) == len(found),
        f"Expected {argument} to name each file once, got {listed([str(one) for one in found])}.",
    )
    return Files(tuple(found), tuple(_member_names(found)))


def table_from(training: Files, test: Files | None, dialect: Dialect, drop: Sequence[str]) -> Table:
    """One table of all files, those of training rows first.

    Args:
        training: files of the training rows, or of all.
        test: of the test rows; None if there are none of their own.
        dialect: how they are written.
        drop: columns to leave out, whether or not they have a name.

    Raises:
        InvalidInputError: a file that cannot be read, a column without a name, or files whose
            columns differ.
    """
    paths = list(training.paths)
    if test is not None:
        paths += test.paths
    whole = [read_lines(path, dialect) for path in paths]
    known = dict.fromkeys(name for lines in whole for name in lines.header)
    for name in drop:
        one_of("drop", name, known)
    parts = [_without(path, lines, drop) for path, lines in zip(paths, whole)]
    header = parts[0].header
    for path, part in zip(paths, parts):
        odd = sorted(set(header) ^ set(part.header))
        require(
            not odd,
            f"Expected {path} to have the columns of {paths[0]}, but {listed(odd)} stand in one of "
            "them only.",
        )
    file = np.repeat(np.arange(len(parts)), [len(part.body) for part in parts])
    marks = frozenset(dialect.na)
    columns = {}
    missing = {}
    for name in header:
        places = [part.header.index(name) for part in parts]
        cells = [row[at] for part, at in zip(parts, places) for _, row in part.body]
        columns[name] = column_of(cells)
        gaps = absent(cells, marks)
        if gaps.any():
            missing[name] = gaps
    return Table(
        name=" and ".join(str(path) for path in paths[:2]) + " and others" * (len(paths) > 2),
        columns=columns,
        lines=np.array([line for part in parts for line, _ in part.body]),
        files=tuple(str(path) for path in paths),
        file=file,
        absent=missing,
        notation=dialect.notation,
    )


def _without(path: Path, lines: Lines, drop: Sequence[str]) -> Lines:
    """Lines without the columns to leave out; a refusal of others that have no name."""
    nameless = [name for name in lines.unnamed if name not in drop]
    require(
        not nameless,
        f"Expected every column of {path} to have a name, but the line of names leaves out "
        f"{listed(nameless)}; name it in the file, or write drop = {nameless}.",
    )
    kept = [place for place, name in enumerate(lines.header) if name not in drop]
    if len(kept) == len(lines.header):
        return lines
    body = [(line, [row[place] for place in kept]) for line, row in lines.body]
    return Lines([lines.header[place] for place in kept], body)


def _file(argument: str, path: str) -> Path:
    """A file, a refusal if there is none."""
    require(
        files.is_file(path), f"Expected {argument}={str(path)!r} to be a file, but there is none."
    )
    return Path(path)


def _expanded(argument: str, text: str, without: Sequence[Path]) -> list[Path]:
    """The files that one text stands for, in the order of their names."""
    path = Path(text)
    if _is_folder(path):
        inside = [one for one in path.iterdir() if one.name.lower().endswith(SUFFIXES)]
    elif any(mark in text for mark in WILD) and not files.is_file(path):
        inside = _matching(argument, path)
    else:
        return [_file(argument, text)]
    apart = {one.resolve() for one in without}
    found = sorted(one for one in inside if one.is_file() and not one.name.startswith("."))
    kept = [one for one in found if one.resolve() not in apart]
    require(
        len(kept) > 0,
        f"Expected {argument}={text!r} to be a file, or a folder or a pattern of files, but there "
        "is none.",
    )
    if len(kept) < len(found):
        caution(f"{text}: the files of the test set are not among the members.")
    return kept


def _is_folder(path: Path) -> bool:
    """Whether there is a folder at `path`; a path that cannot be one is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _matching(argument: str, pattern: Path) -> list[Path]:
    """The files that a pattern stands for."""
    try:
        return list(Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor))))
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"Expected {argument}={str(pattern)!r} to be a pattern of files, but: {error}."
        ) from error


def _member_names(paths: Sequence[Path]) -> list[str]:
    """Files' names without their endings, with their folders where these are needed."""
    stems = [tidy(_stem(path)) for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [tidy(str(path.with_name(_stem(path)))) for path in paths]


def _stem(path: Path) -> str:
    """A file's name without its ending."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.stem
