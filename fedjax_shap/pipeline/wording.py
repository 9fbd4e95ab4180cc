"""Refusals in the words of whoever wrote the configuration: fields by their dotted names."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, one_of
from fedjax_shap.pipeline.schema import SECTIONS, describe

LISTS = ("corrupt",)  # sections of which there may be several
MOST_NAMED = 4  # entries, or fields, that a sentence lists


class Field(NamedTuple):
    """A field of a configuration.

    Attributes:
        path: its dotted name, such as `partition.alpha` or `corrupt.0.rate`.
        keyword: the last part of it.
        value: what the configuration gives.
    """

    path: str
    keyword: str
    value: Any


@contextmanager
def located(fields: Sequence[Field]) -> Iterator[None]:
    """Refusals of a field that a factory knows by its argument alone name it by its path.

    Args:
        fields: what the configuration gives.

    Raises:
        InvalidInputError: whatever is refused inside, in these words.
    """
    try:
        yield
    except InvalidInputError as error:
        sentence = str(error)
        meant = {field.path: field for field in fields if _is_of(sentence, field)}
        if len(meant) != 1:
            raise
        (field,) = meant.values()
        begun = f"Expected {field.keyword}"
        raise InvalidInputError(f"Expected {field.path}{sentence.removeprefix(begun)}") from error


def _is_of(sentence: str, field: Field) -> bool:
    """Whether a refusal is about a field: it begins with its name and its value."""
    values = {repr(field.value), str(field.value)}
    if isinstance(field.value, tuple):
        values.add(repr(list(field.value)))
    return any(sentence.startswith(f"Expected {field.keyword}={value} ") for value in values)


def require_section(key: str, value: Any, others: Sequence[str]) -> None:
    """Refuses what stands at the top of a configuration and is no section; a keyword there is told
    where it belongs.

    Args:
        key: what stands there.
        value: what it says.
        others: what may stand there besides sections.
    """
    known = (*others, *SECTIONS)
    if key in known:
        return
    places = [_path(section, key) for section in SECTIONS if _takers(section, key)]
    if isinstance(value, Mapping) or not places:
        one_of("section", key, known)
        return
    raise InvalidInputError(
        f"Expected {key}={value!r} to stand in a section, as {_either(places)}."
    )


def require_keyword(section: str, name: str, key: str) -> None:
    """Refuses a keyword that an entry does not take; where others take it, they are named."""
    keywords = describe(section).keywords(name)
    what = f"keyword in [{section}]"
    takers = [entry for entry in _takers(section, key) if entry != name]
    if key in keywords or not takers:
        one_of(what, key, keywords, f"one that {name!r} takes")
        return
    raise InvalidInputError(
        f"Expected {what}={key!r} to be one that {name!r} takes; it belongs to {section}.name="
        f"{_either([repr(taker) for taker in takers])}. {name!r} takes: "
        f"{', '.join(sorted(keywords)) or 'none'}."
    )


def _takers(section: str, key: str) -> list[str]:
    """The entries of a section that take a keyword, in the order of the alphabet."""
    known = describe(section)
    return sorted(name for name in known.entries if key in known.keywords(name))


def _path(section: str, key: str) -> str:
    """The dotted name of a field."""
    if section in LISTS:
        return f"{section}.0.{key}"
    return f"{section}.{key}"


def _either(names: Sequence[str]) -> str:
    """Names joined by "or", not too many of them."""
    shown = list(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        shown.append("others")
    return " or ".join(shown)
