"""Stores as they lie on disk: read and checked, without the games that filled them."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, a_path, require
from fedjax_shap.engine.parts import (
    LABEL,
    BrokenPartError,
    label_of,
    part_names,
    read_part,
    unread,
)
from fedjax_shap.typing import Masks, Utilities


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One store's folder, read in full.

    Attributes:
        folder: where it is.
        fingerprint: the name of its game.
        players: the P players' names; none where its label does not say.
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
    players: tuple[str, ...]
    parts: tuple[Path, ...]
    masks: Masks
    utilities: Utilities
    disputed: Masks
    problems: tuple[str, ...]
    size: int
    written: float


class Distinct(NamedTuple):
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
    folder = a_path("folder", folder)
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
    folder = a_path("folder", folder)
    label = label_of(folder)
    if label is None:
        raise InvalidInputError(
            f"Expected folder={str(folder)!r} to be a utility store, but it has no {LABEL}."
        )
    parts, broken = _whole_parts(folder, label.fingerprint)
    distinct = distinct_of(list(parts.values()))
    files = files_in(folder)
    problems = [*broken, *distinct.problems, *_foreign(folder, files)]
    return Archive(
        folder=folder,
        fingerprint=label.fingerprint,
        players=label.players,
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


def distinct_of(parts: Sequence[tuple[Masks, Utilities]]) -> Distinct:
    """The coalitions of all parts, each with the utility of the first part that holds it."""
    if not parts:
        return Distinct(np.zeros((0, 0), bool), np.zeros(0), np.zeros((0, 0), bool), [])
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
    return Distinct(masks[order], utilities[order], disputed, problems)


def files_in(folder: Path) -> dict[str, os.stat_result]:
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
