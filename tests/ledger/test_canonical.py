"""Canonical JSON: the texts of RFC 8785, an independent writer, and what is refused."""

import json
import math
import struct
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.ledger.canonical import canonical, digest, read

# Doubles by their bits and how ECMAScript writes them: RFC 8785, appendix B.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


def naive(value) -> str:
    """Canonical JSON, character by character; nothing is shared with the package."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Decimal):
        return naive_text(format(value, "f"))
    if isinstance(value, int) and abs(value) > 2**53:
        return naive_text(str(value))
    if isinstance(value, int | float):
        return naive_number(float(value))
    if isinstance(value, str):
        return naive_text(value)
    if isinstance(value, list):
        return "[" + ",".join(map(naive, value)) + "]"
    keys = sorted(
        value,
        key=lambda key: struct.unpack(
            f">{len(key.encode('utf-16-be')) // 2}H", key.encode("utf-16-be")
        ),
    )
    return "{" + ",".join(naive_text(key) + ":" + naive(value[key]) for key in keys) + "}"


def naive_number(value: float) -> str:
    """The shortest digits found by trying 1, 2, ... 17 of them; then the four cases of ECMA-262."""
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    shortest = next(text for text in (f"{value:.{k}e}" for k in range(17)) if float(text) == value)
    digits, power = shortest.replace(".", "").split("e")
    exponent = int(power)
    if 0 <= exponent < 21:
        padded = digits + "0" * max(0, exponent + 1 - len(digits))
        return sign + (padded[: exponent + 1] + "." + padded[exponent + 1 :]).rstrip(".")
    if -7 < exponent < 0:
        return sign + "0." + "0" * (-exponent - 1) + digits
    return sign + (digits[0] + "." + digits[1:]).rstrip(".") + f"e{exponent:+d}"


def naive_text(text: str) -> str:
    short = {
        '"': '\\"',
        "\\": "\\\\",
        "\b": "\\b",
        "\t": "\\t",
        "\n": "\\n",
        "\f": "\\f",
        "\r": "\\r",
    }
    return (
        '"'
        + "".join(short.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text)
        + '"'
    )


TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4)
SCALARS = st.none() | st.booleans() | TEXTS | st.integers() | FLOATS | DECIMALS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20
)


@given(VALUES)
def test_any_value_is_written_as_the_naive_writer_does_and_stays_so_when_read(value):
    text = canonical(value)
    assert text == naive(value)
    assert canonical(read(text)) == text
    assert canonical(json.loads(json.dumps(read(text)))) == text, (
        "any JSON library may carry the value"
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_gives_its_double_back(value):
    assert float(canonical(value)) == value


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items(), ids=NUMBERS)
def test_numbers_are_those_of_rfc_8785(bits, text):
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(value) == text


def test_the_order_of_keys_is_that_of_rfc_8785():
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]  # its section 3.2.3
    text = canonical(dict.fromkeys(keys, 0))
    assert list(json.loads(text)) == [
        "\r",
        "1",
        "\u0080",
        "\u00f6",
        "\u20ac",
        "\U0001f600",
        "\ufb33",
    ]
    assert sorted(keys) != list(json.loads(text)), (
        "code points sort the last two the other way round"
    )


def test_the_example_of_rfc_8785():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }  # its section 3.2.2
    wanted = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value) == wanted


def test_amounts_keep_their_decimals_and_large_integers_their_digits():
    assert (
        canonical([Decimal("12.30"), Decimal("1E+3"), Decimal("-0.005")])
        == '["12.30","1000","-0.005"]'
    )
    assert (
        canonical([2**53, 2**53 + 1, -(10**30)])
        == f'[9007199254740992,"9007199254740993","-1{"0" * 30}"]'
    )


def test_numpy_scalars_and_tuples_are_what_they_hold():
    assert (
        canonical((np.float64(0.1), np.int32(3), np.bool_(True), np.float32(0.5)))
        == "[0.1,3,true,0.5]"
    )


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"a": [1.0, math.nan]}, "Expected value.a[1]=nan to be a finite number."),
        ([-math.inf], "Expected value[0]=-inf to be a finite number."),
        (Decimal("NaN"), "Expected value=NaN to be a finite number."),
        ({"a": "\ud800"}, "Expected value.a='\\ud800' to be Unicode text."),
        ({"\udc00": 1}, "to be Unicode text."),
        ({1: 2}, "Expected the keys of value to be texts, got 1."),
        (
            {"a": {3}},
            "Expected value.a to be a number, a text, None, a list or an object, got set.",
        ),
        (b"a", "got bytes."),
    ],
    ids=["nan", "inf", "decimal", "surrogate", "key", "number key", "set", "bytes"],
)
def test_what_json_cannot_hold_is_refused_with_its_place(value, sentence):
    with pytest.raises(InvalidInputError) as caught:
        canonical(value)
    assert sentence in str(caught.value)


def test_endless_nesting_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(InvalidInputError, match="nested"):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        '{"a": 1}',
        "1.0",
        "1e0",
        "-0",
        "01",
        '"\\u0041"',
        "NaN",
        "[1,]",
        "\ufeff1",
        "",
    ],
)
def test_only_the_canonical_form_is_read(text):
    with pytest.raises(ValueError):
        read(text)


def test_the_digest_is_sha_256_of_utf_8():
    # printf '{"a":"€"}' | sha256sum
    assert (
        digest(canonical({"a": "€"}))
        == "db8566e7dc218a6795f689fe26667214b263a2443d9966d00742cbd38019c33e"
    )
