"""The utilities of stores as one table, a row for each coalition, for other programs to read."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import one_of, require
from fedjax_shap.engine.archive import Archive
from fedjax_shap.engine.merging import require_same_shape
from fedjax_shap.typing import Masks, Utilities

FORMATS = ("csv", "json", "npz")
STORE = "store"
SIZE = "size"
UTILITY = "utility"


class _Rows(NamedTuple):
    """What is exported.

    Attributes:
        stores: M names, of the store that each row comes from; None where there is one store.
        players: P names, none twice.
        masks: bool[M, P].
        utilities: float64[M, ...].
    """

    stores: list[str] | None
    players: tuple[str, ...]
    masks: Masks
    utilities: Utilities


def export(
    archives: Sequence[Archive],
    names: Sequence[str],
    kind: str = "csv",
    *,
    players: Sequence[str] = (),
) -> bytes:
    """The content of a file with one row for each coalition of each store.

    csv: a column for each player, by name (1 for members, else 0), `size`, and `utility`, or
    `utility_0`, ... where a utility has axes, in row-major order. json: a list of objects with
    `members` (their names), `size`, `utility`. npz: the arrays `players` str[P], `masks`
    bool[M, P], `sizes` int[M], `utilities` float64[M, ...]. Where there are several stores, a first
    column (key, array) `store` says which store a row comes from.

    Args:
        archives: the stores; empty ones are left out.
        names: what each is called.
        kind: one of `FORMATS`.
        players: the players' names where the stores do not know them; where nobody does, they are
            `member_0`, ....

    Raises:
        InvalidInputError: an unknown kind, nothing to export, or stores of different players or
            shapes.
    """
    one_of("kind", kind, FORMATS)
    filled = [(archive, name) for archive, name in zip(archives, names) if len(archive.masks)]
    require(
        bool(filled), f"Expected a store with utilities to export, but {', '.join(names)} is empty."
    )
    whole = [archive for archive, _ in filled]
    require_same_shape(whole)
    masks = np.concatenate([archive.masks for archive in whole])
    utilities = np.concatenate([archive.utilities for archive in whole])
    stores = None
    if len(archives) > 1:
        stores = [name for archive, name in filled for _ in archive.masks]
    named = _players(whole, masks.shape[1], players)
    rows = _Rows(stores, columns(named, _taken(utilities)), masks, utilities)
    return {"csv": _csv, "json": _json, "npz": _npz}[kind](rows)


def columns(players: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """The players' names as names of columns, of which no two look alike.

    A name that is empty, that is that of another column, or that differs from another one only by
    the spaces around it, gets the player's number.

    Args:
        players: P names.
        taken: the names of the other columns.
    """
    shown = [name.strip() for name in players]
    times = Counter(shown)
    named = list(players)
    for player, name in enumerate(shown):
        if not name or times[name] > 1 or name in taken:
            named[player] = f"{name} (member_{player})".strip()
    distinct = {*taken, *(name.strip() for name in named)}
    if len(distinct) < len(set(taken)) + len(named):
        return tuple(_numbered(len(named)))
    return tuple(named)


def _numbered(num_players: int) -> list[str]:
    """Names for players without one."""
    return [f"member_{player}" for player in range(num_players)]


def _players(archives: Sequence[Archive], num_players: int, players: Sequence[str]) -> list[str]:
    """The P players' names, as the stores know them, else as the caller does."""
    known = {archive.players: str(archive.folder) for archive in archives if archive.players}
    require(
        len(known) < 2,
        "Expected stores of the same players, got "
        + " and ".join(f"{', '.join(names)} in {folder!r}" for names, folder in known.items())
        + "; export them one by one.",
    )
    for names in (*known, tuple(players)):
        if len(names) == num_players:
            return list(names)
    return _numbered(num_players)


def _taken(utilities: Utilities) -> list[str]:
    """The names of the columns that are not players."""
    return [STORE, SIZE, UTILITY, *_utility_columns(utilities)]


def _utility_columns(utilities: Utilities) -> list[str]:
    """The names of the columns of utilities float64[M, ...]."""
    if utilities.ndim == 1:
        return [UTILITY]
    return [f"{UTILITY}_{index}" for index in range(utilities[0].size)]


def _npz(rows: _Rows) -> bytes:
    """The content of an npz file."""
    arrays: dict[str, Any] = {
        "players": np.array(rows.players),
        "masks": rows.masks,
        "sizes": rows.masks.sum(axis=1),
        "utilities": rows.utilities,
    }
    if rows.stores is not None:
        arrays[STORE] = np.array(rows.stores)
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def _json(rows: _Rows) -> bytes:
    """The content of a JSON file."""
    records = []
    for index, (mask, utility) in enumerate(zip(rows.masks, rows.utilities.tolist())):
        record: dict[str, Any] = {}
        if rows.stores is not None:
            record[STORE] = rows.stores[index]
        record["members"] = [rows.players[player] for player in np.flatnonzero(mask)]
        record[SIZE] = int(mask.sum())
        record[UTILITY] = utility
        records.append(record)
    return (json.dumps(records, indent=1) + "\n").encode()


def _csv(rows: _Rows) -> bytes:
    """The content of a CSV file."""
    text = io.StringIO(newline="")
    header, *lines = _lines(rows)
    names = csv.writer(text, lineterminator="\n")
    # by itself the writer quotes the line breaks that it writes, but no others
    if any("\r" in name for name in header):
        names = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    names.writerow(header)
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _lines(rows: _Rows) -> Iterator[list[Any]]:
    """The lines of a CSV file, the names of its columns first."""
    header = [*rows.players, SIZE, *_utility_columns(rows.utilities)]
    flat = rows.utilities.reshape(len(rows.masks), -1)
    lines = [
        [*mask, sum(mask), *utility]
        for mask, utility in zip(rows.masks.astype(int).tolist(), flat.tolist())
    ]
    if rows.stores is not None:
        header = [STORE, *header]
        lines = [[store, *line] for store, line in zip(rows.stores, lines)]
    yield header
    yield from lines
