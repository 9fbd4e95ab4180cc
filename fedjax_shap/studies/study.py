"""A study: the results in the folders of one folder, with the fields in which they differ."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, a_path, how_many, listed, require
from fedjax_shap.pipeline.records import RESULT, read_json

ERROR = "error.txt"  # why a cell failed, in its folder
MEMBER = "member"
CELL = "cell"
# of a member, in a table with a row a member
PER_MEMBER = ("examples", "value", "std_error", "cost", "payment", "profit")
# of a whole cell, repeated in the rows of its members
PER_CELL = (
    "metric",
    "grand",
    "empty",
    "federated",
    "pooled",
    "coalitions",
    "trained",
    "seconds",
)


class StudyCell(NamedTuple):
    """The result of one cell.

    Attributes:
        name: of its folder.
        settings: the fields in which the cells of the study differ, by dotted name; None where this
            cell does not give a field.
        members: the P members' names.
        per_member: the columns `PER_MEMBER`, each with P entries; None where not known.
        per_cell: the entries `PER_CELL`; None where not known.
    """

    name: str
    settings: dict[str, Any]
    members: tuple[str, ...]
    per_member: dict[str, tuple[Any, ...]]
    per_cell: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Study:
    """The results of several cells.

    Attributes:
        fields: the dotted names in which the cells' configurations differ, titles aside.
        cells: the cells, in the order of their names.
        notes: what a reader should know, one sentence each.
    """

    fields: tuple[str, ...]
    cells: tuple[StudyCell, ...]
    notes: tuple[str, ...]

    def columns(self) -> dict[str, list[Any]]:
        """The study column by column, a cell and member a row: `cell`, the fields, `member`, and
        the columns `PER_MEMBER` and `PER_CELL`. Fields that are lists or tables are JSON text.
        """
        names = (CELL, *self.fields, MEMBER, *PER_MEMBER, *PER_CELL)
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for cell in self.cells:
            count = len(cell.members)
            columns[CELL] += [cell.name] * count
            columns[MEMBER] += cell.members
            for field in self.fields:
                columns[field] += [simple(cell.settings[field])] * count
            for name in PER_MEMBER:
                columns[name] += cell.per_member[name]
            for name in PER_CELL:
                columns[name] += [cell.per_cell[name]] * count
        return columns


def load_study(folder: str | Path) -> Study:
    """Reads the results in the folders of a folder, however they came there.

    Args:
        folder: whose folders are those of runs.

    Raises:
        InvalidInputError: no such folder, none of its folders has a result, or one that is no run.
    """
    root = a_path("study", folder)
    require(
        root.is_dir() and not (root / RESULT).is_file(),
        f"Expected study={str(folder)!r} to be a folder that holds the folders of several runs.",
    )
    files = sorted(root.glob(f"*/{RESULT}"))
    require(
        bool(files),
        f"Expected study={str(folder)!r} to hold the folders of several runs, but none of its "
        f"folders has a {RESULT}.",
    )
    records = {file.parent.name: read_json(file, "result") for file in files}
    study = study_of(records)
    return replace(study, notes=tuple(_notes(root, study.cells)))


def study_of(records: Mapping[str, Mapping[str, Any]]) -> Study:
    """The study of results that were read before, without notes.

    Args:
        records: each cell's result.json by the cell's name.

    Raises:
        InvalidInputError: one that is not of a run.
    """
    configs = {name: _flat(record.get("config", {})) for name, record in records.items()}
    fields = _differing(configs)
    cells = tuple(
        _cell(name, record, {field: configs[name].get(field) for field in fields})
        for name, record in records.items()
    )
    return Study(fields=fields, cells=cells, notes=())


def simple(value: Any) -> Any:
    """A setting as a table has it: a text, a number, None, or JSON text for what has parts."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list | dict):
        return json.dumps(value, default=float)
    return value


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration by dotted names, its title left out; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        elif name != "title":
            flat[name] = value
    return flat


def _differing(configs: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The names whose values differ, in the order in which they first stand."""
    names = dict.fromkeys(name for config in configs.values() for name in config)
    return tuple(
        name
        for name in names
        if len({json.dumps(config.get(name), default=float) for config in configs.values()}) > 1
    )


def _cell(name: str, record: Mapping[str, Any], settings: dict[str, Any]) -> StudyCell:
    """What is kept of one result."""
    expected = f"Expected result={f'{name}/{RESULT}'!r} to be the result of a run, but"
    require(
        "values" in record and "settlement" in record,
        f"{expected} it has not the keys 'values' and 'settlement'.",
    )
    try:
        members = tuple(map(str, record["players"]))
        per_member = _of_members(record, len(members))
        per_cell = _of_cell(record)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"{expected} it cannot be read: {error!r}.") from error
    for column, entries in per_member.items():
        require(
            len(entries) == len(members),
            f"{expected} it has {len(entries)} entries of {column!r} for {len(members)} members.",
        )
    return StudyCell(name, settings, members, per_member, per_cell)


def _of_members(record: Mapping[str, Any], count: int) -> dict[str, tuple[Any, ...]]:
    """The columns `PER_MEMBER` of a result; amounts are exact."""
    settled = record["settlement"] or {}
    nothing = (None,) * count
    costs = settled.get("costs", record.get("costs", nothing))
    columns = {"cost": costs}
    for name, key in (("payment", "payments"), ("profit", "profits")):
        columns[name] = settled.get(key, nothing)
    return {
        "examples": tuple(map(int, record["sizes"])),
        "value": _floats(record["values"]),
        "std_error": _floats(record["std_errors"]),
        **{name: tuple(map(_exact, entries)) for name, entries in columns.items()},
    }


def _of_cell(record: Mapping[str, Any]) -> dict[str, Any]:
    """The entries `PER_CELL` of a result."""
    metric = record["metric"]
    pooled = record["centralized"] or {}
    grand = _float(record["grand"])
    known = {
        "metric": metric["name"],
        "grand": grand,
        "empty": _float(record["empty"]),
        "federated": None if grand is None else int(metric["sign"]) * grand,
        "pooled": _float(pooled.get("pooled")),
        "coalitions": record["num_coalitions"],
        "trained": record["coalitions"]["trained"],
        "seconds": _float(record["timing"]["total_s"]),
    }
    return {name: known[name] for name in PER_CELL}


def _float(value: Any) -> float | None:
    """A number, or None where it is not known."""
    return None if value is None else float(value)


def _floats(values: Any) -> tuple[float | None, ...]:
    return tuple(map(_float, values))


def _exact(value: Any) -> Decimal | None:
    """An amount of money, or None where nothing was paid."""
    return None if value is None else Decimal(str(value))


def _notes(root: Path, cells: tuple[StudyCell, ...]) -> list[str]:
    """Sentences on cells without results, and on metrics that differ."""
    finished = {cell.name for cell in cells}
    failed = sorted(
        file.parent.name for file in root.glob(f"*/{ERROR}") if file.parent.name not in finished
    )
    notes = []
    if failed:
        count = how_many(len(failed), "cell")
        notes.append(f"Without {count} that failed, see their {ERROR}: {listed(failed)}.")
    metrics = sorted({cell.per_cell["metric"] for cell in cells})
    if len(metrics) > 1:
        notes.append(f"The cells are measured in different units: {listed(metrics)}.")
    return notes
