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
    ... where a utility
    has axes, in row-major order. json: a list of objects with `members` (their numbers), `size`,
    `utility`. npz: the arrays `masks` bool[M, P], `sizes` int[M], `utilities` float64[M, ...].
    Where there are several stores, a first column (key, array) `store` names a row's.

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
    stores = (
        [name for archive, name in filled for _ in archive.masks] if len(archives) > 1 else None
    )
    if kind == "npz":
        arrays = {} if stores is None else {"store": np.array(stores)}
        content = io.BytesIO()
        np.savez(content, masks=masks, sizes=masks.sum(axis=1), utilities=utilities, **arrays)  # type: ignore[arg-type]
        return content.getvalue()
    text = io.StringIO(newline="")
    if kind == "json":
        json.dump(list(_objects(stores, masks, utilities)), text, indent=1)
        text.write("\n")
    else:
        csv.writer(text, lineterminator="\n").writerows(_lines(stores, masks, utilities))
    return text.getvalue().encode()


def _objects(
    stores: list[str] | None, masks: Masks, utilities: Utilities
) -> Iterator[dict[str, Any]]:
    """The rows of a JSON file."""
    for row, (mask, utility) in enumerate(zip(masks, utilities.tolist())):
        members = np.flatnonzero(mask).tolist()
        named = {} if stores is None else {"store": stores[row]}
        yield {**named, "members": members, "size": len(members), "utility": utility}


def _lines(stores: list[str] | None, masks: Masks, utilities: Utilities) -> Iterator[list[Any]]:
    """The lines of a CSV file, the names of its columns first."""
    flat = utilities.reshape(len(masks), -1)
    columns = ["utility"] if utilities.ndim == 1 else [f"utility_{i}" for i in range(flat.shape[1])]
    members = [f"member_{player}" for player in range(masks.shape[1])]
    yield [*([] if stores is None else ["store"]), *members, "size", *columns]
    for row, (mask, utility) in enumerate(zip(masks.astype(int).tolist(), flat.tolist())):
        yield [*([] if stores is None else [stores[row]]), *mask, sum(mask), *utility]
