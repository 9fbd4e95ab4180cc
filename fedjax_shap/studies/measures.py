"""What a study can be asked for: a number of each cell, of each member, or of two cells."""

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, how_many, listed, one_of, require
from fedjax_shap.pipeline.toml import value_of
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.studies.study import MEMBER, PER_CELL, PER_MEMBER, Study, StudyCell, simple

OF_CELLS = tuple(name for name in PER_CELL if name != "metric")
OF_PAIRS = (
    "spearman",
    "kendall",
    "relative_l2",
    "euclidean",
    "max_difference",
    "cosine_distance",
)
MEASURES = (*OF_CELLS, *PER_MEMBER, *OF_PAIRS)


class Entry(NamedTuple):
    """One number of a study.

    Attributes:
        settings: what it belongs to: the fields of its cell, and `member` for one of a member.
        number: finite.
    """

    settings: Mapping[str, Any]
    number: float


def entries_of(study: Study, value: str, reference: str | None = None) -> list[Entry]:
    """The numbers of a measure.

    Args:
        study: the cells.
        value: one of `MEASURES`.
        reference: "FIELD=VALUE": each cell without this setting is compared with the cell that has
            it and agrees in all other fields; for the agreements of two cells' values alone.

    Returns:
        One for each cell, or each cell and member, or each cell that is compared. What is not known
        is left out.

    Raises:
        InvalidInputError: no such measure, no numbers, or a reference that is missing or cannot be
            used.
    """
    one_of("value", value, MEASURES, "a measure of cells, members or pairs of cells")
    if value in OF_PAIRS:
        return _compared(study, value, reference)
    require(
        reference is None,
        f"Expected reference={reference!r} to be left out with value={value!r}; agreements such as "
        "'spearman' take one.",
    )
    entries = []
    for cell in study.cells:
        if value in OF_CELLS:
            entries.append((cell.settings, cell.per_cell[value]))
            continue
        for member, number in zip(cell.members, cell.per_member[value], strict=True):
            entries.append(({**cell.settings, MEMBER: member}, number))
    found = [
        Entry(settings, float(number))
        for settings, number in entries
        if number is not None and np.isfinite(float(number))
    ]
    require(bool(found), f"Expected value={value!r} to be known of some cell, but it is of none.")
    missing = len(entries) - len(found)
    without = {cell.name for cell in study.cells if not _all_known(cell, value)}
    if missing:
        caution(
            f"{missing:,} of {len(entries):,} numbers are unknown or not finite and are left out: "
            f"{value!r} of {listed(sorted(without), quoted=False)}."
        )
    return found


def _all_known(cell: StudyCell, value: str) -> bool:
    """Whether all numbers of a measure are there, and finite."""
    numbers = cell.per_member.get(value) or [cell.per_cell[value]]
    return all(number is not None and np.isfinite(float(number)) for number in numbers)


def _compared(study: Study, value: str, reference: str | None) -> list[Entry]:
    """How the values of cells agree with those of their references."""
    name, wanted = _reference(study, value, reference)
    left_out = {name} | keywords_of_some([cell.settings for cell in study.cells], name)
    references: dict[str, StudyCell] = {}
    others = []
    for cell in study.cells:
        rest = text_of(cell.settings, left_out)
        if simple(cell.settings[name]) == wanted:
            require(
                rest not in references,
                f"Expected reference={reference!r} to be one cell for each that is compared, but "
                f"{cell.name!r} and {references.get(rest, cell).name!r} differ in nothing else.",
            )
            references[rest] = cell
        else:
            others.append(cell)
    entries = []
    for cell in others:
        known = references.get(text_of(cell.settings, left_out))
        if known is not None:
            entries.append(Entry(cell.settings, _agreement(cell, known, value)))
    require(
        bool(entries),
        f"Expected reference={reference!r} to be cells that agree with others in all other fields, "
        f"got {how_many(len(references), 'cell')} and no other to compare with them.",
    )
    return entries


def _reference(study: Study, value: str, reference: str | None) -> tuple[str, Any]:
    """(field, value) of the cells that others are compared with."""
    example = "estimator.name=exact"
    if study.fields:
        first = study.cells[0].settings[study.fields[0]]
        example = f"{study.fields[0]}={simple(first)}"
    if reference is None:
        raise InvalidInputError(
            f"Expected value={value!r} to come with a reference, the cells that others are "
            f"compared with, such as --reference {example}."
        )
    name, equals, text = reference.partition("=")
    require(bool(equals), f"Expected reference={reference!r} to be FIELD=VALUE, such as {example}.")
    one_of("reference", name, study.fields, "a field in which the cells differ")
    wanted = simple(value_of(text))
    known = {simple(cell.settings[name]) for cell in study.cells}
    require(
        wanted in known,
        f"Expected reference={reference!r} to be a setting of some cell; known: "
        f"{listed(sorted(map(str, known)), quoted=False)}.",
    )
    return name, wanted


def keywords_of_some(entries: Sequence[Mapping[str, Any]], field: str) -> set[str]:
    """The keywords that only some entries of a section take, such as `algorithm.mu`: they tell no
    cells apart where their entries, `algorithm.name`, are compared.

    Args:
        entries: the fields of each cell.
        field: what is compared; of a field that names no entry there are none.
    """
    section, _, keyword = field.rpartition(".")
    if keyword != "name":
        return set()
    return {
        name
        for name in entries[0]
        if name.startswith(f"{section}.") and any(one[name] is None for one in entries)
    }


def text_of(settings: Mapping[str, Any], left_out: Container[str]) -> str:
    """A text that two cells have in common if all fields but those left out are the same."""
    rest = {name: value for name, value in settings.items() if name not in left_out}
    return json.dumps(rest, default=float)


def _agreement(cell: StudyCell, known: StudyCell, value: str) -> float:
    """How the values of one cell agree with those of another, over the same members."""
    require(
        sorted(cell.members) == sorted(known.members),
        f"Expected {cell.name!r} and its reference {known.name!r} to have the same members.",
    )
    places = [known.members.index(member) for member in cell.members]
    try:
        own = np.array(cell.per_member["value"], np.float64)
        other = np.array(known.per_member["value"], np.float64)[places]
        return agreement(own, other)[value]
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{error} These are the values of {cell.name!r} and its reference {known.name!r}."
        ) from error
