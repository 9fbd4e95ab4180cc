"""Canonical JSON: one text for one value, so that its SHA-256 names the value.

The text of a value is that of RFC 8785, the JSON Canonicalization Scheme:

* no white space; the keys of an object are in the order of their UTF-16 code units, each of them
  once;
* a number is written as ECMAScript's `Number.prototype.toString` writes the nearest double: the
  fewest digits that give this double back, without an exponent from 1e-6 to below 1e21 (0.000001,
  1e-7, 100000000000000000000, 1e+21), and without a fraction that is zero (1.0 is 1, -0.0 is 0);
* a text is escaped where it must be and nowhere else: a quotation mark, a backslash, and what lies
  below U+0020 (as backslash and b, t, n, f or r where these exist, else as backslash, u and four
  lower-case hexadecimal digits);
* the whole is UTF-8 when it is hashed; a surrogate without its partner is refused, and so are NaN
  and infinities.

Two kinds of value that JSON does not know are written as texts: a Decimal as plain digits with the
decimals that it has ("12.30"), and an integer beyond 2^53, where not every whole number is a
double, as its digits.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError

_LARGEST = 2**53  # up to here every whole number is a double


def canonical(value: Any) -> str:
    """The canonical JSON of a value.

    Args:
        value: None, bool, int, float, Decimal, str, NumPy's scalars of these; lists, tuples and
            mappings with keys that are texts of them.

    Returns:
        Text whose UTF-8 bytes are hashed. `canonical(read(text))` is the text again.

    Raises:
        InvalidInputError: a number that is not finite, half of a surrogate pair, or what JSON
            cannot hold; the sentence says where it stands.

    References:
        Rundgren, Jordan and Erdtman, "JSON Canonicalization Scheme (JCS)", RFC 8785, 2020.
    """
    try:
        return _written(value, "")
    except RecursionError as error:
        raise InvalidInputError("Expected a value that is not nested so deeply.") from error


def digest(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def printable(text: str) -> str:
    """A text of unknown origin as one line for any terminal: what is not printable is escaped."""
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    """A character, escaped if it is not printable."""
    if character.isprintable():
        return character
    return repr(character)[1:-1]


def read(text: str) -> Any:
    """The value of a canonical text; numbers beyond 2^53 are floats.

    Raises:
        ValueError: the text is not JSON, or not its canonical form; the message says which.
    """
    try:
        value = json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if canonical(value) != text:
        raise ValueError("it is not in the canonical form")
    return value


def _whole(text: str) -> int | float:
    """A JSON number without point and exponent."""
    value = float(text)
    if abs(value) <= _LARGEST:
        return int(text)
    return value


def _written(value: Any, place: str) -> str:
    """The canonical JSON of what stands at `place`, such as `.costs[2]`."""
    writer = _WRITERS.get(type(value))
    if writer is not None:
        return writer(value, place)
    if isinstance(value, np.generic):
        return _written(value.item(), place)
    if isinstance(value, Mapping):
        return _object(value, place)
    for kind in (str, list, tuple, int, float):  # subclasses of what JSON knows
        if isinstance(value, kind):
            return _WRITERS[kind](value, place)
    raise InvalidInputError(
        f"Expected {_named(place)} to be a number, a text, None, a list or an object, got "
        f"{type(value).__name__}."
    )


def _text(value: str, place: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"Expected {_named(place)}={value!r} to be Unicode text."
        ) from error
    return encode_basestring(value)


def _integer(value: int, place: str) -> str:
    if abs(value) <= _LARGEST:
        return str(value)
    return f'"{Decimal(value):f}"'


def _amount(value: Decimal, place: str) -> str:
    if not value.is_finite():
        raise InvalidInputError(f"Expected {_named(place)}={value} to be a finite number.")
    return f'"{value:f}"'


def _number(value: float, place: str) -> str:
    """A double as ECMAScript writes it: k digits, the point after the n-th.

    References:
        ECMA-262, Number::toString.
    """
    if not math.isfinite(value):
        raise InvalidInputError(f"Expected {_named(place)}={value} to be a finite number.")
    if value == 0:
        return "0"
    if value < 0:
        return f"-{_number(-value, place)}"
    # The digits, and where the point is among them.
    mantissa, _, exponent = repr(float(value)).partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    n = len(digits) - len(part) + int(exponent or 0)
    digits = digits.rstrip("0")
    k = len(digits)
    # The point behind, within or before them, or an exponent.
    if k <= n <= 21:
        return digits + "0" * (n - k)
    if 0 < n <= 21:
        return f"{digits[:n]}.{digits[n:]}"
    if -6 < n <= 0:
        return f"0.{'0' * -n}{digits}"
    scientific = digits[0]
    if k > 1:
        scientific = f"{digits[0]}.{digits[1:]}"
    return f"{scientific}e{n - 1:+d}"


def _list(value: Any, place: str) -> str:
    return f"[{','.join(_written(item, f'{place}[{index}]') for index, item in enumerate(value))}]"


def _object(value: Mapping[Any, Any], place: str) -> str:
    for key in value:
        if not isinstance(key, str):
            raise InvalidInputError(
                f"Expected the keys of {_named(place)} to be texts, got {key!r}."
            )
    # `_text` refuses the keys that have no UTF-16 form, before they are sorted by it
    pairs = {}
    for key, item in value.items():
        at = f"{place}.{key}"
        pairs[key] = f"{_text(key, at)}:{_written(item, at)}"
    return f"{{{','.join(pairs[key] for key in sorted(pairs, key=_code_units))}}}"


def _code_units(key: str) -> bytes:
    return key.encode("utf-16-be")


def _named(place: str) -> str:
    return f"value{printable(place)}"


# type -> (value, place) -> its text
_WRITERS: dict[type, Callable[[Any, str], str]] = {
    type(None): lambda value, place: "null",
    bool: lambda value, place: str(value).lower(),
    int: _integer,
    float: _number,
    Decimal: _amount,
    str: _text,
    list: _list,
    tuple: _list,
    dict: _object,
}
