"""Refusals: bad input is answered early, on the host, in one sentence (after jax_privacy).

Each sentence names the argument, its value and what was expected: ``Expected alpha=-1 to be > 0.``
"""

import difflib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import isfunction, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

import numpy as np

MOST_INTEGER = 2**63  # integers of the machine are smaller
MOST_LISTED = 10  # names in a sentence


class InvalidInputError(ValueError):
    """The caller's input cannot be used; the message says in one sentence what was expected."""


class InputWarning(UserWarning):
    """The caller's input is used, but not all of it, or not as it may have been meant."""


def caution(sentence: str) -> None:
    """Warns with `sentence`; what was done with the input must stand in it."""
    warnings.warn(sentence, InputWarning, stacklevel=3)


@contextmanager
def cautions() -> Iterator[list[str]]:
    """Collects the sentences of `caution` instead of showing them, each once, in their order."""
    sentences: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        yield sentences
    for one in caught:
        if not issubclass(one.category, InputWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif str(one.message) not in sentences:
            sentences.append(str(one.message))


def require(condition: bool, sentence: str) -> None:
    """Raises `InvalidInputError` with `sentence` unless `condition` holds."""
    if not condition:
        raise InvalidInputError(sentence)


def not_installed(package: str, use: str, remedy: str) -> InvalidInputError:
    """The refusal of what needs a package that is not there.

    Args:
        package: its name.
        use: what it is for.
        remedy: what to do, such as "install fedjax-shap[ledger]".
    """
    return InvalidInputError(
        f"Expected the package {package} to be installed for {use}, but it is not; {remedy}."
    )


def listed(names: Sequence[Any], most: int = MOST_LISTED, *, quoted: bool = True) -> str:
    """Names in a sentence: the first few, and how many more there are."""
    shown = [str(name) for name in names[:most]]
    if quoted:
        shown = list(map(repr, shown))
    said = ", ".join(shown)
    if len(names) <= most:
        return said
    return f"{said} and {len(names) - most:,} more"


def how_many(count: int, noun: str, plural: str = "") -> str:
    """How many of something there are, in words: 1 row, 2 rows.

    Args:
        count: how many.
        noun: what one of them is called.
        plural: what several are called; "" for the noun with an s.
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {plural or noun + 's'}"


def described(value: Any) -> str:
    """What a refusal calls a value: a number or text, a function's name, or a type."""
    if value is None or isinstance(value, str | int | float | np.number):
        return repr(value)
    return str(getattr(value, "__name__", "")) or f"<{type(value).__name__}>"


def of_kind(name: str, value: Any, kind: type | UnionType, example: str) -> None:
    """Refuses `value` unless it is of `kind`; `example` says in code what gives one."""
    if isinstance(value, kind):
        return
    kinds = get_args(kind) or (kind,)
    wanted = " or ".join("None" if one is NoneType else one.__name__ for one in kinds)
    written = f"such as {example} gives"
    called = described(value)
    if isfunction(value):
        written += f"; a function that makes one must be called: {called}()"
    raise InvalidInputError(f"Expected {name}={called} to be of type {wanted}, {written}.")


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Texts in their order; one may stand for a list of one.

    Args:
        name: what they are for.
        value: what was given.
    """
    given = (value,) if isinstance(value, str) else value
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InvalidInputError(
            f"Expected {name}={described(value)} to be texts, such as {name} = ['a', 'b']."
        )
    several = tuple(given)
    for one in several:
        if not isinstance(one, str):
            raise InvalidInputError(
                f"Expected {name} to hold texts, got {described(one)}; write ['{one}']."
            )
    return several


def a_text(name: str, value: Any) -> str:
    """A text.

    Args:
        name: what it is for.
        value: what was given.
    """
    if not isinstance(value, str):
        raise InvalidInputError(f"Expected {name}={described(value)} to be a text.")
    return value


def a_path(name: str, value: Any) -> Path:
    """A path that is given as text or as such.

    Args:
        name: what it is for.
        value: what was given.
    """
    if not isinstance(value, str | os.PathLike):
        raise InvalidInputError(f"Expected {name}={described(value)} to be a path, such as 'runs'.")
    return Path(value)


def function_of(name: str, value: Any, arguments: Sequence[str], example: str) -> None:
    """Refuses `value` unless it can be called with so many arguments by position.

    Args:
        name: what it is for.
        value: what was given.
        arguments: what the arguments are, in words.
        example: says in code what gives such a function.
    """
    called = described(value)
    expected = (
        f"Expected {name}={called} to be a function of {', '.join(arguments)}, such as {example} "
        "gives"
    )
    require(callable(value), f"{expected}.")
    try:
        signature(value).bind(*arguments)
    except TypeError as error:
        hint = f"; a function that makes one must be called: {called}()" * isfunction(value)
        raise InvalidInputError(f"{expected}{hint}.") from error
    except ValueError:
        return  # some functions of other languages have no signature


def number(
    name: str, value: Any, *, above: float | None = None, least: float | None = None
) -> None:
    """Refuses `value` unless it is a finite number, `> above` and `>= least` if given."""
    bound = ""
    if above is not None:
        bound = f" > {above:g}"
    elif least is not None:
        bound = f" >= {least:g}"
    expected = f"Expected {name}={value!r} to be a finite number{bound}."
    require(isinstance(value, int | float | np.number) and not isinstance(value, bool), expected)
    require(bool(np.isfinite(value)), expected)
    require((above is None or value > above) and (least is None or value >= least), expected)


def integer(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> None:
    """Refuses `value` unless it is an integer of 64 bits, `>= least` and `<= most` if given."""
    bounds = ((">=", least), ("<=", most))
    limits = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
    expected = f"Expected {name}={value!r} to be {f'an integer {limits}'.strip()}."
    require(isinstance(value, int | np.integer) and not isinstance(value, bool), expected)
    require((least is None or value >= least) and (most is None or value <= most), expected)
    require(
        abs(int(value)) < MOST_INTEGER,
        f"Expected {name}={value!r} to be an integer between -{MOST_INTEGER} and {MOST_INTEGER}.",
    )


def fraction(name: str, value: Any) -> None:
    """Refuses `value` unless it is a number in [0, 1]."""
    number(name, value)
    require(0 <= value <= 1, f"Expected {name}={value!r} to lie in [0, 1].")


def one_of(name: str, value: Any, known: Iterable[str], wanted: str = "a known name") -> None:
    """Refuses `value` unless it is one of the names in `known`, and offers the nearest name."""
    known = sorted(known)
    if value in known:
        return
    near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = "known: "
    if near:
        hint = f"did you mean {near[0]!r}? Known: "
    raise InvalidInputError(f"Expected {name}={value!r} to be {wanted}; {hint}{', '.join(known)}.")


def places(name: str, given: Sequence[str], players: Sequence[str]) -> list[int] | None:
    """Where each of `players` stands in `given`; None where `given` names none of the players.

    A `given` without players' names goes by position. Names that are only partly those of the
    players are refused: by position they would go to the wrong ones.
    """
    if not set(given) & set(players):
        return None
    same = sorted(given) == sorted(players)
    require(
        same,
        f"Expected {name} to name {', '.join(players)}, or none of them, got {', '.join(given)}.",
    )
    return [list(given).index(player) for player in players]


def finite(name: str, values: Any) -> None:
    """Refuses an array with a NaN or an infinity, naming the first place."""
    values = np.asarray(values)
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InvalidInputError(
            f"Expected {name} to be finite, but {name}[{place}]={values[place]}."
        )
