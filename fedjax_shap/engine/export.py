"""The utilities of stores as one table, a row for each coalition, for other programs to read."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fedjax_shap._validate import one_of, require
from fedjax_shap.engine.archive import Archive, require_same_shape
from fedjax_shap.typing import Masks, Utilities

FORMATS = ("csv", "json", "npz")


def export(archives: Sequence[Archive], names: Sequence[str], kind: str = "csv") -> bytes:
    """The content of a file with one row for each coalition of each store.

    csv: the columns `member_0`, ... (1 for members, else 0), `size`, and `utility`, or `utility_0`,
    ... where a utility has axes, in row-major order. json: a list of objects with `members` (their
    numbers), `size`, `utility`. npz: the arrays `masks` bool[M, P], `sizes` int[M], `utilities`
    float64[M, ...]. Where there are several stores, a first column (key, array) `store` says which
    store a row comes from.

    Args:
        archives: the stores; empty ones are left out.
        names: what each is called.
        kind: one of `FORMATS`.

    Raises:
        InvalidInputError: an unknown kind, nothing to export, or stores of different players or
            shapes.
    """
    one_of("kind", kind, FORMATS)
    filled = [(archive, name) for archive, name in zip(archives, names) if len(archive.masks)]
    require(
        bool(filled), f"Expected a store with utilities to export, but {', '.join(names)} is empty."
    )
    require_same_shape([archive for archive, _ in filled])
    masks = np.concatenate([archive.masks for archive, _ in filled])
    utilities = np.concatenate([archive.utilities for archive, _ in filled])
    stores = None
    if len(archives) > 1:
        stores = [name for archive, name in filled for _ in archive.masks]
    return {"csv": _csv, "json": _json, "npz": _npz}[kind](stores, masks, utilities)


def _npz(stores: list[str] | None, masks: Masks, utilities: Utilities) -> bytes:
    """The content of an npz file."""
    arrays: dict[str, Any] = {
        "masks": masks,
        "sizes": masks.sum(axis=1),
        "utilities": utilities,
    }
    if stores is not None:
        arrays["store"] = np.array(stores)
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def _json(stores: list[str] | None, masks: Masks, utilities: Utilities) -> bytes:
    """The content of a JSON file."""
    rows = []
    for index, (mask, utility) in enumerate(zip(masks, utilities.tolist())):
        row: dict[str, Any] = {}
        if stores is not None:
            row["store"] = stores[index]
        row["members"] = np.flatnonzero(mask).tolist()
        row["size"] = int(mask.sum())
        row["utility"] = utility
        rows.append(row)
    return (json.dumps(rows, indent=1) + "\n").encode()


def _csv(stores: list[str] | None, masks: Masks, utilities: Utilities) -> bytes:
    """The content of a CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(_lines(stores, masks, utilities))
    return text.getvalue().encode()


def _lines(stores: list[str] | None, masks: Masks, utilities: Utilities) -> Iterator[list[Any]]:
    """The lines of a CSV file, the names of its columns first."""
    flat = utilities.reshape(len(masks), -1)
    members = [f"member_{player}" for player in range(masks.shape[1])]
    columns = [f"utility_{index}" for index in range(flat.shape[1])]
    if utilities.ndim == 1:
        columns = ["utility"]
    header = [*members, "size", *columns]
    rows = [
        [*mask, sum(mask), *utility]
        for mask, utility in zip(masks.astype(int).tolist(), flat.tolist())
    ]
    if stores is not None:
        header = ["store", *header]
        rows = [[store, *row] for store, row in zip(stores, rows)]
    yield header
    yield from rows
