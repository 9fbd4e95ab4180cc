"""What a sweep varies: axes, each of one field or of several that change together."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, described, integer, listed, one_of, require
from fedjax_shap.pipeline.toml import SWEEP, value_of

ZIP = "zip"  # in this section: fields that change together
RANDOM = "random"  # in this section: fields that are drawn
COUNT = "count"  # of draws
SEED = "seed"  # of draws
MOST_VALUES = 100_000  # of an axis
DRAWN = "'uniform(0.1, 1)', 'log_uniform(0.001, 1)', 'integers(1, 9)', or a list to pick from"
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")
_LAW = re.compile(r"(\w+)\(([^(),]+),([^(),]+)\)")
_OPENING = "[{("
_CLOSING = "]})"


class Axis(NamedTuple):
    """One axis of a sweep.

    Attributes:
        names: the dotted names of its fields, such as `partition.alpha`.
        rows: what these are set to, a row a step, each with a value for every field.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def axes_of(section: Any) -> list[Axis]:
    """The axes that the section [sweep] of a configuration asks for.

    Args:
        section: fields with their values, by dotted name or nested as TOML has them: a list, one
            value, or a text such as "0..4" or "0.1,0.3,1". `zip` is a table, or a list of tables,
            of fields that change together; `random` is a table of laws with `count` and `seed`.

    Raises:
        InvalidInputError: what cannot be read.
    """
    given = _table(SWEEP, section)
    axes = [
        Axis((name,), tuple((value,) for value in _values(name, said)))
        for name, said in _flat({key: given[key] for key in given if key not in (ZIP, RANDOM)})
    ]
    together = given.get(ZIP, [])
    if isinstance(together, Mapping):
        together = [together]
    require(
        isinstance(together, Sequence) and not isinstance(together, str),
        f"Expected {SWEEP}.{ZIP}={together!r} to be tables of fields, [[{SWEEP}.{ZIP}]].",
    )
    for one in together:
        axes.append(zipped(dict(_flat(_table(f"{SWEEP}.{ZIP}", one)))))
    if RANDOM in given:
        laws = dict(_flat(_table(f"{SWEEP}.{RANDOM}", given[RANDOM])))
        require(
            COUNT in laws, f"Expected {SWEEP}.{RANDOM}.{COUNT} to say how many draws there are."
        )
        axes.append(drawn(laws.pop(COUNT), laws.pop(SEED, 0), laws))
    return axes


def zipped(fields: Mapping[str, Any]) -> Axis:
    """Fields that change together.

    Args:
        fields: each field's values, as in `axes_of`; equally many.
    """
    require(
        len(fields) > 1,
        f"Expected {ZIP} to name at least two fields that change together, got "
        f"{listed(list(fields)) or 'none'}.",
    )
    columns = {name: _values(name, said) for name, said in fields.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    said = ", ".join(f"{count} of {name}" for name, count in lengths.items())
    require(
        len(set(lengths.values())) == 1,
        f"Expected the fields of {ZIP} to have equally many values, got {said}.",
    )
    return Axis(tuple(columns), tuple(zip(*columns.values(), strict=True)))


def drawn(count: Any, seed: Any, laws: Mapping[str, Any]) -> Axis:
    """Fields whose values are drawn.

    Args:
        count: how many draws.
        seed: of the draws; an integer >= 0.
        laws: each field's law, such as "uniform(0.1, 1)", "log_uniform(0.001, 1)" or
            "integers(1, 9)" (ends included), or a list of which one value is picked.

    Guarantees:
        What is drawn for a field at one place depends on the seed, the field's name, its law and
        the place alone: more draws, or another field, leave the others as they were.
    """
    integer(COUNT, count, least=1, most=MOST_VALUES)
    integer(SEED, seed, least=0)
    require(bool(laws), f"Expected {RANDOM} to name a field to draw, such as local.learning_rate.")
    columns = [
        [_draw(name, law, seed, place) for place in range(count)] for name, law in laws.items()
    ]
    return Axis(tuple(laws), tuple(zip(*columns, strict=True)))


def split(text: str) -> tuple[str, str]:
    """(NAME, VALUES) of a word NAME=VALUES of the command line.

    Raises:
        InvalidInputError: it is none.
    """
    name, equals, values = text.partition("=")
    require(
        bool(equals) and bool(re.fullmatch(r"\w+(\.\w+)*", name)),
        f"Expected {text!r} to be NAME=VALUES, such as partition.alpha=0.1,0.3,1.",
    )
    return name, values


def _values(name: str, said: Any) -> list[Any]:
    """The values of a field: those of a list, or what a text lists."""
    if isinstance(said, str):
        said = _listed_in(name, said)
    if not isinstance(said, list):
        said = [said]
    require(len(said) > 0, f"Expected {name} to have at least one value, got none.")
    require(
        len(said) <= MOST_VALUES,
        f"Expected {name} to have at most {MOST_VALUES:,} values, got {len(said):,}.",
    )
    return list(said)


def _listed_in(name: str, text: str) -> list[Any]:
    """The values that a text lists: a range such as 0..4 or 0..8..2, or values between commas."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return [value_of(part) for part in _parts(text)]
    first = int(match[1])
    last = int(match[2])
    step = int(match[3] or 1)
    require(
        step > 0 and last >= first and (last - first) // step < MOST_VALUES,
        f"Expected {name}={text!r} to be a range FIRST..LAST or FIRST..LAST..STEP that goes up, "
        f"of at most {MOST_VALUES:,} values.",
    )
    return list(range(first, last + 1, step))


def _parts(text: str) -> list[str]:
    """A text cut at its commas, but not at those inside brackets or quotes."""
    parts = [""]
    depth = 0
    quote = ""
    for letter in text:
        if quote:
            quote = quote.replace(letter, "")
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _draw(name: str, law: Any, seed: int, place: int) -> Any:
    """One value of a law; its randomness is folded in by seed, name and place."""
    digest = hashlib.sha256(f"{seed}\n{name}\n{place}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    match = None
    if isinstance(law, str):
        match = _LAW.fullmatch(law.replace(" ", ""))
    if match is None:
        known = _values(name, law)
        require(
            len(known) > 1,
            f"Expected {RANDOM}.{name}={law!r} to be a law, such as {DRAWN}.",
        )
        return known[rng.integers(len(known))]
    return _of_law(name, str(law), match, rng)


def _of_law(name: str, law: str, match: re.Match[str], rng: np.random.Generator) -> Any:
    """One value of a law that is given as text."""
    one_of(f"{RANDOM}.{name}", match[1], ("integers", "log_uniform", "uniform"), "a known law")
    expected = f"Expected {RANDOM}.{name}={law!r} to have a lower and a higher bound"
    try:
        low = float(match[2])
        high = float(match[3])
    except ValueError:
        raise InvalidInputError(f"{expected} that are numbers.") from None
    require(math.isfinite(low) and math.isfinite(high) and low < high, f"{expected}.")
    if match[1] == "uniform":
        return float(rng.uniform(low, high))
    if match[1] == "log_uniform":
        require(low > 0, f"{expected} above 0.")
        return math.exp(rng.uniform(math.log(low), math.log(high)))
    require(low.is_integer() and high.is_integer(), f"{expected} that are whole numbers.")
    return int(rng.integers(int(low), int(high), endpoint=True))


def _table(name: str, value: Any) -> dict[str, Any]:
    """A section as a dict, or a refusal."""
    require(
        isinstance(value, Mapping),
        f"Expected {name}={described(value)} to be a section of fields and their values.",
    )
    return dict(value)


def _flat(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Nested sections as pairs (dotted name, value)."""
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}.{inner}", one) for inner, one in _flat(value)]
        else:
            pairs.append((name, value))
    return pairs
