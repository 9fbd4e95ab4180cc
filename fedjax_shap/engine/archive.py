"""Stores as they lie on disk: looked over, checked and merged, without the games that filled
them.
"""

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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

SECONDS_UNTIL_ABANDONED = (
    24 * 3600.0
)  # no writer, on whatever host and clock, takes so long for one file


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
        problems: a sentence for each thing that is wrong: broken parts, parts and files that are
            not the store's, disputed coalitions.
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


def find(folder: str | Path) -> list[Path]:
    """The folders of stores in `folder`, itself included, in the order of their names.

    Raises:
        InvalidInputError: there is none.
    """
    folder = Path(folder)
    require(folder.is_dir(), f"Expected folder={str(folder)!r} to be a folder.")
    found = {path.parent for pattern in (LABEL, "part-*.npz") for path in folder.rglob(pattern)}
    require(
        bool(found),
        f"Expected folder={str(folder)!r} to hold a utility store, but no {LABEL} is in it.",
    )
    return sorted(found)


def read(folder: str | Path) -> Archive:
    """Reads and checks one store's folder; changes nothing.

    Raises:
        InvalidInputError: it has no readable label.
    """
    folder = Path(folder)
    name = owner(folder)
    if name is None:
        raise InvalidInputError(
            f"Expected folder={str(folder)!r} to be a utility store, but it has no {LABEL}."
        )
    held, problems = _whole_parts(folder, name)
    masks, utilities, disputed, dispute = _distinct(list(held.values()))
    problems += dispute
    files = _files(folder)
    own = part_names(folder) | {
        LABEL,
        *(file for file in files if file.startswith(".") or file.endswith(".broken")),
    }
    problems += [f"{file}: not a file of a store" for file in sorted(files.keys() - own)]
    return Archive(
        folder=folder,
        fingerprint=name,
        parts=tuple(held),
        masks=masks,
        utilities=utilities,
        disputed=disputed,
        problems=tuple(problems),
        size=sum(status.st_size for status in files.values()),
        written=max(
            (files[path.name].st_mtime for path in held if path.name in files), default=0.0
        ),
    )


def _whole_parts(
    folder: Path, fingerprint: str
) -> tuple[dict[Path, tuple[Masks, Utilities]], list[str]]:
    """What the whole parts of a store hold, oldest first, and a sentence for each other part."""
    held: dict[Path, tuple[Masks, Utilities]] = {}
    problems = []
    shape = None
    for path in unread(folder, set()):
        try:
            content = read_part(path, fingerprint, shape)
        except BrokenPartError as error:
            problems.append(f"{path.name}: {error}")
        else:
            if content is not None:
                held[path] = content
                shape = (content[0].shape[1], *content[1].shape[1:])
    return held, problems


def verify(folder: str | Path) -> tuple[str, ...]:
    """A sentence for each thing that is wrong with one store, see `Archive.problems`; changes
    nothing.
    """
    try:
        return read(folder).problems
    except InvalidInputError as error:
        return (str(error),)


def merge(folders: Sequence[str | Path], *, into: str | Path | None = None) -> list[Merged]:
    """Makes one part of a store's parts; the new one is on disk before an old one is removed.

    Args:
        folders: where the stores are; in one of these or below.
        into: a store, made where there is none, that takes in all of them, which stay as they are;
            each store is merged for itself if None. Where utilities disagree, those of `into` stay,
            then those of earlier folders.

    Returns:
        A record for each store that was written to.

    Raises:
        InvalidInputError: no store, or stores of different games to be merged into one.
    """
    archives = [
        read(folder)
        for folder in dict.fromkeys(path.resolve() for folder in folders for path in find(folder))
    ]
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
            "fingerprint "
            f"{first.fingerprint[:8]} and {str(other.folder)!r} has {other.fingerprint[:8]}.",
        )
    require_same_shape(archives)
    return [_merge(target, archives)]


def _merge(target: Path, archives: list[Archive]) -> Merged:
    """Writes what `archives` hold into `target` as one part, then removes the parts of its own that
    are in it.
    """
    own = [part for archive in archives if archive.folder == target for part in archive.parts]
    held = [(archive.masks, archive.utilities) for archive in archives if len(archive.masks)]
    masks, utilities, _, dispute = _distinct(held)
    here = sum(len(archive.masks) for archive in archives if archive.folder == target)
    useful = len(own) > 1 or len(masks) > here
    with writable("store", target):
        if useful:
            claim(target, archives[0].fingerprint)
            write_part(
                target,
                archives[0].fingerprint,
                masks,
                utilities,
                heir_of=own[0].name if own else "",
            )
        old = [*(own if useful else []), *_abandoned(target)]
        for path in old:
            path.unlink(missing_ok=True)
    return Merged(
        folder=target,
        coalitions=len(masks),
        parts=sum(len(archive.parts) for archive in archives),
        removed=len(old),
        problems=(*(problem for archive in archives for problem in archive.problems), *dispute),
    )


def _distinct(held: Sequence[tuple[Masks, Utilities]]) -> tuple[Masks, Utilities, Masks, list[str]]:
    """Each coalition once with its first utility, smaller ones first; the disputed ones, and a
    sentence if any are.
    """
    if not held:
        return np.zeros((0, 0), bool), np.zeros(0), np.zeros((0, 0), bool), []
    masks, utilities = (np.concatenate(arrays) for arrays in zip(*held))
    _, first, place = np.unique(
        np.packbits(~masks, axis=1), axis=0, return_index=True, return_inverse=True
    )
    gaps = np.abs(utilities - utilities[first[place.reshape(-1)]])
    gaps = gaps.max(axis=tuple(range(1, gaps.ndim)))
    order = first[np.argsort(masks[first].sum(axis=1), kind="stable")]
    disputed = masks[order[np.isin(order, first[place.reshape(-1)[gaps > 0]])]]
    dispute = []
    if len(disputed):
        dispute.append(
            f"{len(disputed)} of {len(order)} coalitions have different utilities in different "
            "parts, by up to "
            f"{gaps.max():.3g}; the first is {np.flatnonzero(disputed[0]).tolist()}"
        )
    return masks[order], utilities[order], disputed, dispute


def require_same_shape(archives: Sequence[Archive]) -> None:
    """Refuses stores that differ in their players or in the axes of a utility; an empty one fits
    everywhere.
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


def _files(folder: Path) -> dict[str, os.stat_result]:
    """The files of a folder; those that vanish meanwhile are left out."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found[path.name] = path.stat()
    return found


def _abandoned(folder: Path) -> list[Path]:
    """The files that were being written aside by writers that are surely dead."""
    past = time.time() - SECONDS_UNTIL_ABANDONED
    aside = {
        file: status
        for file, status in _files(folder).items()
        if file.startswith(".") and file.endswith(".tmp")
    }
    return [folder / file for file, status in aside.items() if status.st_mtime < past]
