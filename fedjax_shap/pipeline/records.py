"""Records read from files: JSON with exact amounts, and the CSV of what is to be settled."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, a_path, one_of, require

COLUMNS = {  # of a CSV file -> the key of the record
    "player": "players",
    "value": "values",
    "cost": "costs",
    "std_error": "std_errors",
    "size": "sizes",
}
SYNONYMS = {"member": "player", "examples": "size"}  # as a run's tables call these columns
RESULT = "result.json"  # of a run, in its folder
_NEEDED = ("value", "cost")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_COUNT = re.compile(r"\d{1,18}", re.ASCII)


def read_record(path: str | Path) -> dict[str, Any]:
    """Reads what is to be settled, as `economics.record.settle_record` takes it.

    Args:
        path: a JSON file with an object of that record's keys; or a CSV file (its name ends in
            .csv) with a row for each player, whose first line names the columns: `value` and
            `cost`, and perhaps `player`, `std_error` (an empty cell is one that is not known) and
            `size`. Numbers are read exactly, as they are written.

    Returns:
        The record; of a CSV file only what its columns say, so without the revenue.

    Raises:
        InvalidInputError: a file that cannot be read, an unknown or repeated column or key, a row
            of another length, or a cell that is no number.
    """
    if Path(path).suffix.lower() != ".csv":
        return read_json(path)
    try:
        return _from_csv(str(path), Path(path).read_text(encoding="utf-8-sig"))
    except InvalidInputError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidInputError(
            f"Expected input={str(path)!r} to be a readable CSV file: {error}."
        ) from error


def read_json(path: str | Path, argument: str = "input") -> dict[str, Any]:
    """Reads a JSON object; numbers with a point are Decimals, so that money stays exact.

    Args:
        path: the file.
        argument: what a refusal calls it.

    Raises:
        InvalidInputError: a file that cannot be read, holds no object, or has a key twice.
    """
    try:
        return _from_json(str(path), Path(path).read_text(encoding="utf-8-sig"), argument)
    except InvalidInputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"Expected {argument}={str(path)!r} to be a readable JSON file: {error}."
        ) from error


def result_file(path: str | Path) -> Path:
    """The file of a run's result.

    Args:
        path: a run's folder, the result.json in it, or another file that is read like it.

    Raises:
        InvalidInputError: no such file or folder, or a folder without a result.
    """
    place = a_path("result", path)
    require(
        place.exists(),
        f"Expected result={str(path)!r} to be a run's folder or its {RESULT}, but there is no such "
        "run.",
    )
    if not place.is_dir():
        return place
    require(
        (place / RESULT).is_file(),
        f"Expected result={str(path)!r} to be a run's folder, but it holds no {RESULT}, which a "
        "run leaves once it is finished.",
    )
    return place / RESULT


class RunStores(NamedTuple):
    """What a run's result says of the stores beside it.

    Attributes:
        players: the P players' names; none where there is no result.
        games: the fingerprint of each part of the valuation, as far as the result says.
    """

    players: tuple[str, ...] = ()
    games: Mapping[str, str] = {}


def run_stores(folder: Path) -> RunStores:
    """What is said of the stores in `folder` by the result beside them or above; nothing where
    there is no result that can be read.
    """
    for place in (folder, *list(folder.absolute().parents)[:2]):
        if (place / RESULT).is_file():
            try:
                return stores_of(read_json(place / RESULT, "result"))
            except InvalidInputError:
                return RunStores()
    return RunStores()


def stores_of(record: Mapping[str, Any]) -> RunStores:
    """What a run's record says of its stores."""
    players = record.get("players")
    games = record.get("stores")
    if not isinstance(players, list):
        players = []
    if not isinstance(games, dict):
        games = {}
    return RunStores(tuple(map(str, players)), games)


def differing(one: Any, other: Any, *, name: str = "") -> list[str]:
    """The dotted names of the fields in which two configurations differ, titles aside.

    Args:
        one: a configuration as a record has it.
        other: another, or the same field of it.
        name: of the field.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        fields = [field for field in {**one, **other} if (name, field) != ("", "title")]
        return [
            inner
            for field in fields
            for inner in differing(
                one.get(field), other.get(field), name=f"{name}.{field}".removeprefix(".")
            )
        ]
    if json.dumps(one, default=float) == json.dumps(other, default=float):
        return []
    return [name]


def _from_json(path: str, text: str, argument: str) -> dict[str, Any]:
    record = json.loads(text, parse_float=Decimal, object_pairs_hook=_once)
    require(isinstance(record, dict), f"Expected {argument}={path!r} to hold a JSON object.")
    return dict(record)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ: of two costs of one player, JSON would silently take the
    last.
    """
    twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
    require(
        not twice,
        f"Expected the keys of a JSON object to differ, got {', '.join(map(repr, twice))} more "
        "than once.",
    )
    return dict(pairs)


def _from_csv(path: str, text: str) -> dict[str, Any]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip().lower() for name in next(rows, [])]
    header = [SYNONYMS.get(name, name) for name in header]
    for name in header:
        one_of("column", name, COLUMNS)
    twice = [name for name, times in Counter(header).items() if times > 1]
    require(
        not twice,
        f"Expected the columns of {path!r} to differ, got {', '.join(twice)} more than once.",
    )
    missing = [name for name in _NEEDED if name not in header]
    require(
        not missing,
        f"Expected {path!r} to have a column {' and one '.join(missing)}, got {', '.join(header)}.",
    )
    read: dict[str, list[Any]] = {name: [] for name in header}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        place = f"line {rows.line_num} of {path!r}"
        require(
            len(row) == len(header),
            f"Expected {place} to have {len(header)} cells, got {len(row)}.",
        )
        for name, cell in zip(header, row):
            read[name].append(_cell(place, name, cell.strip()))
    require(bool(read[header[0]]), f"Expected {path!r} to have a row for each player, got none.")
    return {COLUMNS[name]: column for name, column in read.items()}


def _cell(place: str, column: str, cell: str) -> Any:
    """One cell as the record takes it: a name, or a number exactly as written."""
    if column == "player":
        return cell
    if column == "std_error" and cell.lower() in ("", "nan"):
        return float("nan")
    kind, form = ("a whole number", _COUNT) if column == "size" else ("a number", _NUMBER)
    require(
        form.fullmatch(cell) is not None, f"Expected {column}={cell!r} in {place} to be {kind}."
    )
    return int(cell) if column == "size" else Decimal(cell)
