"""Configurations as they are written: TOML files, and fields set on the command line."""

import codecs
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.pipeline.config import LIST
from fedjax_shap.pipeline.schema import SECTIONS, describe

SWEEP = "sweep"  # a section of several runs, which `fedjax-shap sweep` reads


def read_toml(path: str | Path) -> dict[str, Any]:
    """The mappings of a TOML file.

    Raises:
        InvalidInputError: the file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(_decoded(Path(path).read_bytes()))
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"Expected config={str(path)!r} to be a readable TOML file: {error}."
        ) from error


def _decoded(content: bytes) -> str:
    """A file's text, in UTF-8, or in UTF-16 where it begins with the mark of that.

    Raises:
        ValueError: it is in neither.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16").replace("\r\n", "\n")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} is not in UTF-8, as TOML must be; save the file in UTF-8"
        ) from None


def override(raw: Mapping[str, Any], assignments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A configuration with some fields set, each by a dotted name such as `partition.alpha` or
    `corrupt.0.rate`.

    Args:
        raw: the configuration; it stays as it is.
        assignments: (dotted name, text). A text is read as TOML (`0.3`, `true`, `[1, 2]`), or taken
            as it is where it is not TOML. Naming another entry for a section (`partition.name`)
            drops the keywords of the old one that the new one does not take. The number after the
            last entry of a list adds one: `corrupt.0.name` where nothing is corrupted.

    Guarantees:
        The order of the assignments does not matter, unless two of them set the same field: then
        the last one counts.
    """
    return assigned(raw, [(dotted, value_of(text)) for dotted, text in assignments])


def assigned(raw: Mapping[str, Any], assignments: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Does what `override` does with values instead of their texts."""
    changed: dict[str, Any] = _copied(raw)
    # whole sections first, then names, then keywords: each may undo what comes after it
    for dotted, value in sorted(dict(assignments).items(), key=_rank):
        *path, last = dotted.split(".")
        if path and path[0] == LIST:
            changed.setdefault(LIST, [])
        where: Any = changed
        for step in path:
            where = _enter(where, step, dotted)
        require(
            not isinstance(where, list),
            f"Expected {dotted!r} to name a field of one entry, such as corrupt.0.rate.",
        )
        require(
            isinstance(where, dict), f"Expected {dotted!r} to name a field of the configuration."
        )
        if last == "name" and path:
            _drop_others(path[0], value, where)
        where[last] = _copied(value)
    return changed


def set_data_folder(raw: dict[str, Any], folder: str) -> None:
    """Hands the folder of data sets to a source that reads from one and names none itself."""
    section = raw.setdefault("data", {})
    if not isinstance(section, dict):  # refused when the configuration is parsed
        return
    source = describe("data").entries.get(section.get("name", ""))
    if source is not None and "folder" in source.keywords:
        section.setdefault("folder", folder)


def _rank(assignment: tuple[str, Any]) -> tuple[int, bool, list[int]]:
    """Sorts assignments: a whole section before its name, its name before its keywords, and the
    entries of a list by their numbers.
    """
    path = assignment[0].split(".")
    return len(path), path[-1] != "name", [int(step) for step in path if step.isdecimal()]


def _drop_others(section: str, name: Any, given: dict[str, Any]) -> None:
    """Drops the keywords that entry `name` of a section does not take."""
    if section not in SECTIONS or name not in list(describe(section).entries):
        return
    taken = describe(section).keywords(name)
    for key in [key for key in given if key not in taken]:
        del given[key]


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _enter(where: Any, step: str, dotted: str) -> Any:
    """One step along a dotted name, into a section or an entry of a list."""
    if isinstance(where, list):
        require(
            step.isdecimal() and int(step) <= len(where),
            f"Expected {dotted!r} to number one of the {len(where)} entries, from 0, or the next.",
        )
        if int(step) == len(where):
            where.append({})
        return where[int(step)]
    require(isinstance(where, dict), f"Expected {dotted!r} to name a field of the configuration.")
    return where.setdefault(step, {})


def value_of(text: str) -> Any:
    """What a text says as TOML, or the text itself where it is not TOML."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
