"""Tables of frozen games as files: written, read again, and checked against their manifest.

`NAME.npz` is what `shapiq.Game.load_values` reads: `values`, `coalitions`, `n_players` and
`normalization_value`, which is V(nobody); `meta` beside them is JSON. `NAME.json` holds the same
table for other languages: `meta`, `masks` as bit strings and `utilities`. The first character of a
mask is player 0, "1" for a member. Rows are in the order of `coalitions.all_subsets`.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from benchmarks.harness import Record, write_json
from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.atomic import replacing, writable
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Masks, Utilities

COMMITTED = Path(__file__).with_name("tables")
MANIFEST = "manifest.json"
FORMAT = 1
ROUNDING = 1e-9  # of values computed again from the same table
Meta = dict[str, Any]


class FrozenTable(NamedTuple):
    """A game in full.

    Attributes:
        masks: bool[2^P, P], from nobody to everybody, in the order of `all_subsets`.
        utilities: float64[2^P], numbers that float32 holds.
        meta: what the game is; `exact` are its Shapley values, `noise_floor` how far those of
            another training are from them, None where trainings do not differ.
    """

    masks: Masks
    utilities: Utilities
    meta: Meta


# ------------------------------------------------------------------ reading


def load(path: str | Path) -> FrozenTable:
    """The table in a file `NAME.npz` or `NAME.json`.

    Raises:
        InvalidInputError: no such file, another kind of file, or one that holds no whole game.
    """
    file = Path(path)
    require(
        file.suffix in READERS, f"Expected path={str(file)!r} to end in {' or '.join(READERS)}."
    )
    try:
        table = READERS[file.suffix](file)
    except OSError as error:
        raise InvalidInputError(
            f"Expected path={str(file)!r} to be a file that can be read: {error.strerror}."
        ) from None
    except (KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise InvalidInputError(
            f"Expected path={str(file)!r} to hold a frozen game: {error}."
        ) from None
    _require_whole(str(file), table)
    return table


def _from_npz(file: Path) -> FrozenTable:
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        meta = json.loads(str(arrays["meta"]))
        masks = np.asarray(arrays["coalitions"], bool)
        return FrozenTable(masks, np.asarray(arrays["values"], np.float64), meta)


def _from_json(file: Path) -> FrozenTable:
    held = json.loads(file.read_text(encoding="utf-8"))
    utilities = np.asarray(held["utilities"], np.float64)
    return FrozenTable(masks_of(held["masks"]), utilities, held["meta"])


READERS = {".npz": _from_npz, ".json": _from_json}


def bit_strings(masks: Masks) -> list[str]:
    """Masks as texts of a character a player, player 0 first: "1" for a member, else "0"."""
    return ["".join(row) for row in np.where(masks, "1", "0")]


def masks_of(strings: list[str]) -> Masks:
    """bool[M, P]: the masks that `bit_strings` wrote.

    Raises:
        InvalidInputError: no strings, strings of several lengths, or other characters.
    """
    lengths = {len(one) for one in strings}
    require(
        len(lengths) == 1 and lengths != {0} and set().union(*strings) <= {"0", "1"},
        "Expected masks to be bit strings of one length, such as '0110'.",
    )
    masks: Masks = np.array([list(one) for one in strings]) == "1"
    return masks


def _require_whole(file: str, table: FrozenTable) -> None:
    """Refuses a table that is not one of all coalitions in their order."""
    masks, utilities, _ = table
    require(
        masks.ndim == 2 and 1 <= masks.shape[1] <= 24 and len(masks) == 2 ** masks.shape[1],
        f"Expected {file} to hold all 2^P coalitions of P players, got {masks.shape}.",
    )
    require(
        np.array_equal(masks, all_subsets(masks.shape[1])),
        f"Expected the coalitions of {file} to count in binary from nobody, player 0 fastest.",
    )
    require(
        utilities.shape == (len(masks),) and bool(np.isfinite(utilities).all()),
        f"Expected {file} to hold a finite utility for each of {len(masks)} coalitions.",
    )


# ------------------------------------------------------------------ writing


def frozen(utilities: Utilities, meta: Mapping[str, Any]) -> FrozenTable:
    """A table of utilities rounded to float32, with its exact Shapley values in `meta`.

    Args:
        utilities: float[2^P], in the order of `all_subsets`.
        meta: what the game is.
    """
    rounded = np.asarray(np.asarray(utilities, np.float32), np.float64)
    num_players = len(rounded).bit_length() - 1
    said = {
        "format": FORMAT,
        **meta,
        "n_players": num_players,
        "empty": float(rounded[0]),
        "grand": float(rounded[-1]),
        "exact": shapley_values(rounded).tolist(),
    }
    table = FrozenTable(all_subsets(num_players), rounded, said)
    _require_whole(said.get("name", "the table"), table)
    return table


def write(table: FrozenTable, folder: Path) -> dict[str, str]:
    """Writes both files of a table, and returns the SHA-256 of each by its name."""
    name = table.meta["name"]
    with writable("out", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{name}.npz") as file:
            np.savez_compressed(
                file,
                values=table.utilities.astype(np.float32),
                coalitions=table.masks,
                n_players=np.int64(table.masks.shape[1]),
                normalization_value=np.float64(table.utilities[0]),
                meta=np.array(json.dumps(table.meta, sort_keys=True)),
            )
    write_text(table, folder)
    return {file: digest(folder / file) for file in (f"{name}.npz", f"{name}.json")}


def write_text(table: FrozenTable, folder: Path) -> Path:
    """Writes `NAME.json` of a table alone, a coalition a line and column."""
    held = {
        "meta": table.meta,
        "masks": bit_strings(table.masks),
        "utilities": table.utilities.tolist(),
    }
    path = folder / f"{table.meta['name']}.json"
    text = json.dumps(held, sort_keys=True, allow_nan=False) + "\n"
    with writable("out", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    return path


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ------------------------------------------------------------------ the manifest


def manifest_of(folder: Path) -> dict[str, Record]:
    """What the manifest of a folder says of each game; nothing where there is no manifest.

    Raises:
        InvalidInputError: a file that is no manifest.
    """
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        games: dict[str, Record] = json.loads(path.read_text(encoding="utf-8"))["games"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"Expected {path} to be a manifest of games: {error}.") from None
    return games


def note(folder: Path, name: str, entry: Record) -> None:
    """Puts what is said of one game into the manifest of a folder."""
    games = manifest_of(folder) | {name: entry}
    write_json({"format": FORMAT, "games": games}, folder / MANIFEST)


def is_there(folder: Path, name: str, entry: Record | None) -> bool:
    """Whether a folder holds the table of a game as its manifest says."""
    if entry is None:
        return False
    file = f"{name}.npz"
    path = folder / file
    return path.exists() and digest(path) == entry["sha256"][file]


def faults(folder: Path) -> list[str]:
    """What is wrong with the tables of a folder, a sentence each.

    Files must be those of the manifest, to the bit; tables must be whole, both forms of one equal,
    and their Shapley values those that are stated. `NAME.json` may be missing.
    """
    games = manifest_of(folder)
    if not games:
        return [f"{folder} has no manifest of games."]
    found = []
    for name, entry in games.items():
        for file, expected in entry["sha256"].items():
            path = folder / file
            if not path.exists():
                if path.suffix == ".npz":
                    found.append(f"{file} is missing.")
            elif digest(path) != expected:
                found.append(f"{file} is not the file of the manifest.")
        if (folder / f"{name}.npz").exists():
            found += _faults_of(folder, name, entry)
    return found


def _faults_of(folder: Path, name: str, entry: Record) -> list[str]:
    """What is wrong with one table that is there."""
    try:
        table = load(folder / f"{name}.npz")
        other = table
        if (folder / f"{name}.json").exists():
            other = load(folder / f"{name}.json")
    except InvalidInputError as error:
        return [str(error)]
    found = []
    if not np.array_equal(table.utilities, other.utilities) or table.meta != other.meta:
        found.append(f"{name}.json holds another table than {name}.npz.")
    if {key: entry.get(key) for key in table.meta} != table.meta:
        found.append(f"{name}.npz says something else than the manifest.")
    exact: HostArray = shapley_values(table.utilities)
    stated = np.asarray(table.meta["exact"], np.float64)
    scale = ROUNDING * max(float(np.abs(exact).max()), 1e-300)
    if stated.shape != exact.shape or np.abs(stated - exact).max() > scale:
        found.append(f"{name}.npz states other Shapley values than its utilities have.")
    return found
