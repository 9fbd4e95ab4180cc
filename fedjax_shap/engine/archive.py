"""Stores as they lie on disk: read, checked and merged, without the games that filled them."""

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.atomic import writable
from fedjax_shap.engine.parts import (
    LABEL,
    BrokenPartError,
    claim,
    owner,
    part_names,
    read_part,
    unread,
    write_part,
)
from fedjax_shap.typing import Masks, Utilities

SECONDS_UNTIL_ABANDONED = 24 * 3600.0  # no writer takes so long for one file, whatever its clock


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One store's folder, read in full.

    Attributes:
        folder: where it is.
        fingerprint: the name of its game.
        parts: its whole parts, oldest first.
        masks: bool[M, P], its distinct coalitions, smaller ones first.
        utilities: float64[M, ...], theirs; the oldest where parts disagree.
        disputed: bool[D, P], coalitions to which its parts give different utilities.
        problems: a sentence for each thing that is wrong: broken parts, parts and files that do
            not belong to the store, disputed coalitions.
        size: bytes on disk.
        written: when its last part was written, seconds since the epoch; 0 if none was.
    """

    folder: Path
    fingerprint: str
    parts: tuple[Path, ...]
    masks: Masks
    utilities: Utilities
    disputed: Masks
    problems: tuple[str, ...]
    size: int
    written: float


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What became of one store.

    Attributes:
        folder: where it is.
        coalitions: how many it holds now.
        parts: how many parts were read, of its own and of the stores that it took in.
        removed: how many files were removed: parts that are in the new one, and what dead writers
            left.
        problems: what was wrong before, see `Archive.problems`; broken parts and foreign files stay
            where they are.
    """

    folder: Path
    coalitions: int
    parts: int
    removed: int
    problems: tuple[str, ...]


class _Distinct(NamedTuple):
    """Each coalition once, smaller ones first, as in `Archive`, and a sentence about disputes."""

    masks: Masks
    utilities: Utilities
    disputed: Masks
    problems: list[str]


def find(folder: str | Path) -> list[Path]:
    """The folders of stores in `folder`, itself included, in the order of their names.

    Raises:
        InvalidInputError: there is none.
    """
    folder = Path(folder)
    require(folder.is_dir(), f"Expected folder={str(folder)!r} to be a folder.")
    stores = {path.parent for pattern in (LABEL, "part-*.npz") for path in folder.rglob(pattern)}
    require(
        bool(stores),
        f"Expected folder={str(folder)!r} to hold a utility store, but no {LABEL} is in it.",
    )
    return sorted(stores)


def read(folder: str | Path) -> Archive:
    """Reads and checks one store's folder; changes nothing.

    Raises:
        InvalidInputError: it has no readable label.
    """
    folder = Path(folder)
    fingerprint = owner(folder)
    if fingerprint is None:
        raise InvalidInputError(
            f"Expected folder={str(folder)!r} to be a utility store, but it has no {LABEL}."
        )
    parts, broken = _whole_parts(folder, fingerprint)
    distinct = _distinct(list(parts.values()))
    files = _files(folder)
    problems = [*broken, *distinct.problems, *_foreign(folder, files)]
    return Archive(
        folder=folder,
        fingerprint=fingerprint,
        parts=tuple(parts),
        masks=distinct.masks,
        utilities=distinct.utilities,
        disputed=distinct.disputed,
        problems=tuple(problems),
        size=sum(status.st_size for status in files.values()),
        written=max(
            (files[part.name].st_mtime for part in parts if part.name in files), default=0.0
        ),
    )


def find_problems(folder: str | Path) -> tuple[str, ...]:
    """A sentence for each thing that is wrong with one store; changes nothing.

    See `Archive.problems`; a store without a readable label has this one problem.
    """
    try:
        return read(folder).problems
    except InvalidInputError as error:
        return (str(error),)


def merge(folders: Sequence[str | Path], *, into: str | Path | None = None) -> list[Merged]:
    """Makes one part of a store's parts; the new part is on disk before an old one is removed.

    Args:
        folders: where the stores are; in one of these or below.
        into: a store, made where there is none, that takes in all of them, which stay as they are.
            Where utilities disagree, those of `into` stay, then those of earlier folders. If None,
            the parts of each store are merged within the store.

    Returns:
        A record for each store that was written to.

    Raises:
        InvalidInputError: no store, or stores of different games to be merged into one.
    """
    stores = dict.fromkeys(path.resolve() for folder in folders for path in find(folder))
    archives = [read(folder) for folder in stores]
    if into is None:
        return [_merge(archive.folder, [archive]) for archive in archives]
    target = Path(into).resolve()
    require(
        target.is_dir() or not target.exists(),
        f"Expected into={str(into)!r} to be a folder, but it is a file.",
    )
    if owner(target) is not None:
        archives = [read(target), *(archive for archive in archives if archive.folder != target)]
    first = archives[0]
    for other in archives[1:]:
        require(
            other.fingerprint == first.fingerprint,
            f"Expected the stores to be merged to be of one game, but {str(first.folder)!r} has "
            f"fingerprint {first.fingerprint[:8]} and {str(other.folder)!r} has "
            f"{other.fingerprint[:8]}.",
        )
    require_same_shape(archives)
    return [_merge(target, archives)]


def require_same_shape(archives: Sequence[Archive]) -> None:
    """Refuses stores that differ in their players or in the axes of a utility.

    An empty store fits all others.
    """
    shapes = {
        (a.masks.shape[1], *a.utilities.shape[1:]): str(a.folder) for a in archives if len(a.masks)
    }
    require(
        len(shapes) < 2,
        "Expected stores of the same players and shape of a utility, got "
        + " and ".join(f"{shape} in {folder!r}" for shape, folder in shapes.items())
        + ".",
    )


def _merge(target: Path, archives: list[Archive]) -> Merged:
    """Writes what `archives` hold into `target` as one part, then removes its older parts."""
    own = [part for archive in archives if archive.folder == target for part in archive.parts]
    here = sum(len(archive.masks) for archive in archives if archive.folder == target)
    distinct = _distinct([(a.masks, a.utilities) for a in archives if len(a.masks)])
    with writable("store", target):
        removed = _abandoned(target)
        # a part that is alone and holds everything stays
        if len(own) > 1 or len(distinct.masks) > here:
            oldest = own[0].name if own else ""
            fingerprint = archives[0].fingerprint
            claim(target, fingerprint)
            write_part(target, fingerprint, distinct.masks, distinct.utilities, as_old_as=oldest)
            removed = [*own, *removed]
        for path in removed:
            path.unlink(missing_ok=True)
    problems = [problem for archive in archives for problem in archive.problems]
    return Merged(
        folder=target,
        coalitions=len(distinct.masks),
        parts=sum(len(archive.parts) for archive in archives),
        removed=len(removed),
        problems=(*problems, *distinct.problems),
    )


def _whole_parts(
    folder: Path, fingerprint: str
) -> tuple[dict[Path, tuple[Masks, Utilities]], list[str]]:
    """The content of a store's whole parts, oldest first, and a sentence for each other part."""
    whole: dict[Path, tuple[Masks, Utilities]] = {}
    problems = []
    shape = None
    for path in unread(folder, set()):
        try:
            content = read_part(path, fingerprint, shape)
        except BrokenPartError as error:
            problems.append(f"{path.name}: {error}")
        else:
            if content is not None:
                whole[path] = content
                shape = (content[0].shape[1], *content[1].shape[1:])
    return whole, problems


def _distinct(parts: Sequence[tuple[Masks, Utilities]]) -> _Distinct:
    """The coalitions of all parts, each with the utility of the first part that holds it."""
    if not parts:
        return _Distinct(np.zeros((0, 0), bool), np.zeros(0), np.zeros((0, 0), bool), [])
    masks, utilities = (np.concatenate(arrays) for arrays in zip(*parts))
    _, first, place = np.unique(
        np.packbits(~masks, axis=1), axis=0, return_index=True, return_inverse=True
    )
    place = place.reshape(-1)
    # how far each row is from the first row of its coalition
    gaps = np.abs(utilities - utilities[first[place]])
    gaps = gaps.max(axis=tuple(range(1, gaps.ndim)))
    # smaller coalitions first
    order = first[np.argsort(masks[first].sum(axis=1), kind="stable")]
    disputed = masks[order[np.isin(order, first[place[gaps > 0]])]]
    problems = []
    if len(disputed):
        problems.append(
            f"{len(disputed)} of {len(order)} coalitions have different utilities in different "
            f"parts, by up to {gaps.max():.3g}; the first is {np.flatnonzero(disputed[0]).tolist()}"
        )
    return _Distinct(masks[order], utilities[order], disputed, problems)


def _files(folder: Path) -> dict[str, os.stat_result]:
    """The files of a folder by name; those that vanish meanwhile are left out."""
    files: dict[str, os.stat_result] = {}
    if not folder.is_dir():
        return files
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                files[path.name] = path.stat()
    return files


def _foreign(folder: Path, files: dict[str, os.stat_result]) -> list[str]:
    """A sentence for each file that no store writes."""
    own = part_names(folder) | {LABEL}
    own.update(file for file in files if file.startswith(".") or file.endswith(".broken"))
    return [f"{file}: not a file of a store" for file in sorted(files.keys() - own)]


def _abandoned(folder: Path) -> list[Path]:
    """Temporary files whose writers are surely dead."""
    past = time.time() - SECONDS_UNTIL_ABANDONED
    return [
        folder / file
        for file, status in _files(folder).items()
        if file.startswith(".") and file.endswith(".tmp") and status.st_mtime < past
    ]
