"""What a store keeps in its folder: a label, and parts, each of them whole or absent."""

import errno
import hashlib
import io
import json
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.atomic import replacing, sync_names, writable
from fedjax_shap.typing import Masks, Utilities

LABEL = "store.json"
_PART = re.compile(r"part-(\d{20})-[0-9a-f]{16}\.npz")


class BrokenPartError(ValueError):
    """A part that cannot be used; the message says why."""


# ------------------------------------------------------------------ the label


class Label(NamedTuple):
    """What a store's folder says about it.

    Attributes:
        fingerprint: the name of its game.
        players: the P players' names; none where they were not known, as in older stores.
    """

    fingerprint: str
    players: tuple[str, ...]


def label_of(folder: Path) -> Label | None:
    """The label of a store's folder; None where there is none.

    Raises:
        InvalidInputError: the label cannot be read, or there are parts and no label.
    """
    path = folder / LABEL
    parts = part_names(folder)  # listed first: whoever writes a part has written the label before
    try:
        record = json.loads(path.read_bytes())
        fingerprint = record["fingerprint"]
        players = record.get("players", [])
        named = isinstance(fingerprint, str) and bool(fingerprint)
        require(named, f"its fingerprint is {fingerprint!r}")
        listed = isinstance(players, list) and all(isinstance(one, str) for one in players)
        require(listed, f"its players are {players!r}")
    except FileNotFoundError:
        require(
            not parts,
            f"Expected store={str(folder)!r} to say whose utilities it holds, but it has no "
            f"{LABEL}; choose another folder.",
        )
        return None
    except (OSError, AttributeError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"Expected {str(path)!r} to be the readable label of a store: {error}."
        ) from error
    return Label(fingerprint, tuple(players))


def owner(folder: Path) -> str | None:
    """The fingerprint on a folder's label, see `label_of`; None where there is no label."""
    label = label_of(folder)
    if label is None:
        return None
    return label.fingerprint


def require_owner(folder: Path, fingerprint: str) -> None:
    """Refuses a folder that holds another game's utilities; a folder without a label is free."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    require(
        there.is_dir(),
        f"Expected store={str(folder)!r} to be a folder, but {str(there)!r} is a file.",
    )
    name = owner(folder) or fingerprint
    require(
        name == fingerprint,
        f"Expected store={str(folder)!r} to belong to this configuration, but it holds the "
        f"utilities of another (fingerprint {name[:8]}, this run's is {fingerprint[:8]}); choose "
        "another folder (--out on the command line).",
    )


def claim(folder: Path, fingerprint: str, players: Sequence[str] = ()) -> None:
    """Makes and labels a store's folder before a part is written; refuses another game's folder.

    Where two games label one folder at the same moment, the seals tell their parts apart.

    Args:
        folder: the store's.
        fingerprint: the name of its game.
        players: the P players' names; none where they are not known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / LABEL).exists():
        record: dict[str, str | list[str]] = {"fingerprint": fingerprint}
        if players:
            record["players"] = list(players)
        sync_names(folder.parent)
        with replacing(folder / LABEL) as file:
            file.write(json.dumps(record).encode())
    require_owner(folder, fingerprint)


def clear(folder: Path) -> None:
    """Removes what a store keeps in its folder, the parts before the label; nothing else."""
    with writable("store", folder):
        for name in sorted(part_names(folder)):
            (folder / name).unlink(missing_ok=True)
        (folder / LABEL).unlink(missing_ok=True)


# ------------------------------------------------------------------ the parts


def part_names(folder: Path) -> set[str]:
    """The names of a folder's parts; none where there is no folder."""
    try:
        return {path.name for path in folder.iterdir() if _PART.fullmatch(path.name)}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def unread(folder: Path, seen: set[str]) -> Iterator[Path]:
    """The parts that are not in `seen`, oldest first; adds their names to `seen`.

    The folder is listed until nothing new shows up: a part may be merged into another after it was
    listed and before it is read.
    """
    while fresh := sorted(part_names(folder) - seen):
        seen.update(fresh)
        yield from (folder / name for name in fresh)


def write_part(
    folder: Path, fingerprint: str, masks: Masks, utilities: Utilities, *, as_old_as: str = ""
) -> str:
    """Writes one part under a name that no other process uses.

    Args:
        folder: the store's, labelled.
        fingerprint: the game's name.
        masks: bool[M, P].
        utilities: float[M, ...].
        as_old_as: the name of a part whose age the new part takes over; "" for the current time.

    Returns:
        The name of the part. Names sort by age.
    """
    age = f"{time.time_ns():020d}"
    if older := _PART.fullmatch(as_old_as):
        age = older[1]
    name = f"part-{age}-{secrets.token_hex(8)}.npz"
    utilities = np.asarray(utilities, np.float64)
    seal = np.array([fingerprint, _checksum(fingerprint, masks, utilities)])
    with replacing(folder / name) as file:
        np.savez(file, masks=masks, utilities=utilities, seal=seal)
    return name


def read_part(
    path: Path, fingerprint: str, shape: tuple[int, ...] | None = None
) -> tuple[Masks, Utilities] | None:
    """Reads one part and checks it.

    Args:
        path: where it is.
        fingerprint: the name of the game that it must belong to.
        shape: (P, ...) that it must have: the players, and the axes of a utility; any if None.

    Returns:
        masks bool[M, P] and utilities float64[M, ...], all finite; None where the part is gone.

    Raises:
        BrokenPartError: it is not as it was written, or it does not belong to this store.
        InvalidInputError: the file cannot be read, so that nothing can be said about it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return None
        raise InvalidInputError(
            f"Expected part {str(path)!r} of a store to be readable: {error}."
        ) from error
    masks, utilities, name, checksum = _unpacked(content)
    if name != fingerprint:
        raise BrokenPartError(
            f"it belongs to another game (fingerprint {name[:8]}, not {fingerprint[:8]})"
        )
    if checksum != _checksum(name, masks, utilities):
        raise BrokenPartError("its checksum is not that of its content")
    _refuse_misfit(masks, utilities, shape)
    return masks, utilities


def _unpacked(content: bytes) -> tuple[Masks, Utilities, str, str]:
    """(masks, utilities, fingerprint, checksum), as a part's file holds them."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            masks = arrays["masks"]
            utilities = arrays["utilities"]
            name, checksum = arrays["seal"].tolist()
    except Exception as error:  # numpy and zipfile raise anything on corrupted bytes
        raise BrokenPartError(f"it is not a readable part: {error}") from error
    return masks, utilities, name, checksum


def _refuse_misfit(masks: Masks, utilities: Utilities, shape: tuple[int, ...] | None) -> None:
    """Refuses a part whose content is as it was written, but does not fit the store."""
    if masks.dtype != bool or masks.ndim != 2 or len(masks) != len(utilities):
        raise BrokenPartError(
            f"its masks {masks.dtype}{list(masks.shape)} do not fit its {len(utilities)} utilities"
        )
    own = (masks.shape[1], *utilities.shape[1:])
    if shape is not None and own != shape:
        raise BrokenPartError(
            f"it holds utilities of shape {own[1:]} of {own[0]} players, the store {shape[1:]} "
            f"of {shape[0]}"
        )
    if not np.isfinite(utilities).all():
        raise BrokenPartError("it holds utilities that are not finite")


def _checksum(fingerprint: str, masks: Masks, utilities: Utilities) -> str:
    """SHA-256 of a part's content."""
    digest = hashlib.sha256(fingerprint.encode())
    for array in (masks, utilities):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
