"""The cells of a sweep: a configuration for each combination of its axes, named by what differs."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, how_many, listed, require
from fedjax_shap.pipeline.config import Config, parse
from fedjax_shap.pipeline.toml import SWEEP, assigned, set_data_folder
from fedjax_shap.studies.axes import Axis

MOST_CELLS = 100_000
LONGEST_NAME = 120  # characters of a folder's name
ONLY_CELL = "run"  # what the cell of a sweep is called in which nothing differs


class Cell(NamedTuple):
    """One cell of a sweep.

    Attributes:
        name: of its folder, such as "alpha=0.1,seed=3".
        settings: the fields that the sweep sets, by dotted name.
        raw: its configuration as nested mappings.
        config: the same, checked.
    """

    name: str
    settings: dict[str, Any]
    raw: dict[str, Any]
    config: Config


def cells_of(
    raw: Mapping[str, Any], axes: Sequence[Axis], *, data: str | None = None
) -> list[Cell]:
    """All combinations of the axes, each a checked configuration.

    Args:
        raw: the configuration that all cells have in common; its section [sweep] is left out.
        axes: what differs; the last one changes fastest.
        data: the folder of data sets, for sources that read from one and are not given another.

    Raises:
        InvalidInputError: a field that two axes name or a value given twice, too many cells, or a
            cell whose configuration cannot be run.
    """
    _check(axes)
    common = {key: value for key, value in raw.items() if key != SWEEP}
    settings = [
        {
            name: value
            for axis, row in zip(axes, rows)
            for name, value in zip(axis.names, row, strict=True)
        }
        for rows in product(*(axis.rows for axis in axes))
    ]
    names = cell_names(settings)
    return [
        _cell(common, name, setting, data) for name, setting in zip(names, settings, strict=True)
    ]


def cell_names(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the folders of cells are called: by the fields in which the cells differ.

    Args:
        settings: what each cell sets, the same fields in all.

    Returns:
        Distinct names without characters that a file system may refuse.
    """
    fields = list(settings[0])
    differing = [name for name in fields if len({_key(one[name]) for one in settings}) > 1]
    short = _short(differing)
    names = [
        _safe(",".join(f"{short[name]}={_in_name(one[name])}" for name in differing)) or ONLY_CELL
        for one in settings
    ]
    # a hash sets apart what is called alike, also on file systems that know no capitals
    times = Counter(name.casefold() for name in names)
    for place, (name, one) in enumerate(zip(names, settings, strict=True)):
        if times[name.casefold()] > 1 or len(name) > LONGEST_NAME:
            digest = hashlib.sha256(_key(dict(one)).encode()).hexdigest()[:8]
            names[place] = f"{name[:LONGEST_NAME]}-{digest}"
    return names


def _check(axes: Sequence[Axis]) -> None:
    """Refuses a field that is named twice, a row that is given twice, and too many cells."""
    require(
        len(axes) > 0,
        "Expected a sweep to vary something: a section [sweep] in the configuration, or --set "
        "NAME=VALUES, such as --set partition.alpha=0.1,0.3,1.",
    )
    names = [name for axis in axes for name in axis.names]
    twice = [name for name, times in Counter(names).items() if times > 1]
    require(not twice, f"Expected a field to be varied once, got {listed(twice)} more than once.")
    for axis in axes:
        rows = Counter(_key(row) for row in axis.rows)
        repeated = [row for row in axis.rows if rows[_key(row)] > 1]
        require(
            not repeated,
            f"Expected the values of {' and '.join(axis.names)} to differ, got "
            f"{listed(repeated[:1] and list(repeated[0]), quoted=False)} more than once.",
        )
    count = math.prod(len(axis.rows) for axis in axes)
    require(
        count <= MOST_CELLS,
        f"Expected a sweep of at most {MOST_CELLS:,} cells, got {how_many(count, 'cell')}.",
    )


def _cell(common: Mapping[str, Any], name: str, settings: dict[str, Any], data: str | None) -> Cell:
    """One cell, its configuration checked."""
    try:
        raw = assigned(common, _fields(settings))
        raw["title"] = f"{common.get('title', 'run')}, {name}"
        if data is not None:
            set_data_folder(raw, data)
        config = parse(raw)
    except InvalidInputError as error:
        raise InvalidInputError(f"{error} The cell {name!r} says so.") from error
    return Cell(name, settings, raw, config)


def _fields(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The fields of a cell: a table for a whole section sets what stands in it, and no more."""
    fields: list[tuple[str, Any]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and "." not in name:
            fields += [(f"{name}.{key}", one) for key, one in value.items()]
        else:
            fields.append((name, value))
    return fields


def _short(names: Sequence[str]) -> dict[str, str]:
    """What folders call fields: `alpha` for partition.alpha and `algorithm` for algorithm.name,
    where no other field is called so, else all of the dotted name.
    """
    short = {name: name.removesuffix(".name").split(".")[-1] for name in names}
    times = Counter(short.values())
    return {name: one if times[one] == 1 else name for name, one in short.items()}


def _in_name(value: Any) -> str:
    """A value in the name of a folder."""
    if isinstance(value, Mapping):
        return "+".join(map(_in_name, value.values()))
    if isinstance(value, list):
        return "+".join(map(_in_name, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _safe(name: str) -> str:
    """A name without characters that a file system, or a shell, may read otherwise."""
    return re.sub(r"[^\w.,=+-]+", "_", name).strip("._ ")


def _key(value: Any) -> str:
    """A text that two values have in common only if they are the same."""
    return json.dumps(value, sort_keys=True, default=repr)
