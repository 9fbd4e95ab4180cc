"""Ids under secret scalars: products commute and divide, and points that are none are refused."""

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.curve import FIELD, hash_to_curve
from fedjax_shap.privacy.psi import LOW_ORDER, ORDER, require_points, secret_scalar
from tests.summed import entropy_of

A24 = 121665  # (486662 - 2) / 4
POINTS = hash_to_curve([b"a", b"b", b"c"])


def ladder(scalar, u):
    """scalar times the point of u, by the steps of RFC 7748, section 5, in Python's integers."""
    one, zero, top, bottom = 1, 0, u, 1
    low, low_bottom, high, high_bottom = one, zero, top, bottom
    for place in reversed(range(scalar.bit_length())):
        if scalar >> place & 1:
            low, low_bottom, high, high_bottom = high, high_bottom, low, low_bottom
        plus, minus = low + low_bottom, low - low_bottom
        crossed = (high - high_bottom) * plus % FIELD
        other = (high + high_bottom) * minus % FIELD
        high = (crossed + other) ** 2 % FIELD
        high_bottom = u * (crossed - other) ** 2 % FIELD
        double = plus**2 - minus**2
        low = plus**2 * minus**2 % FIELD
        low_bottom = double * (plus**2 + A24 * double) % FIELD
        if scalar >> place & 1:
            low, low_bottom, high, high_bottom = high, high_bottom, low, low_bottom
    return low * pow(low_bottom, -1, FIELD) % FIELD


def test_products_are_those_of_a_naive_ladder():
    content = entropy_of(0)(32)
    number = int.from_bytes(content, "little") % 2**255
    scalar = number - number % 8 | 2**254
    expected = [ladder(scalar, int.from_bytes(point, "little")) for point in POINTS]
    products = secret_scalar(lambda _count: content).multiply(POINTS)
    assert [int.from_bytes(one, "little") for one in products] == expected


@pytest.mark.parametrize("seed", range(8))
def test_scalars_commute_and_every_scalar_can_be_divided_by(seed):
    one = secret_scalar(entropy_of(2 * seed))
    other = secret_scalar(entropy_of(2 * seed + 1))
    product = other.multiply(POINTS)
    assert one.multiply(product) == other.multiply(one.multiply(POINTS))
    assert one.divide(other.multiply(one.multiply(POINTS))) == product
    assert one.divide(one.multiply(product)) == product


def test_a_division_clears_what_is_outside_the_prime_subgroup():
    scalar = secret_scalar(entropy_of(0))
    back = scalar.divide(scalar.multiply(POINTS))
    cleared = [ladder(8 * pow(8, -1, ORDER), int.from_bytes(one, "little")) for one in POINTS]
    assert [int.from_bytes(one, "little") for one in back] == cleared


@pytest.mark.parametrize("number", LOW_ORDER)
def test_points_of_low_order_are_refused_before_they_are_multiplied_and_when(number):
    content = number.to_bytes(32, "little")
    with pytest.raises(InvalidInputError, match="points of north to be of full order"):
        require_points("north", content, 1)
    with pytest.raises(InvalidInputError, match="one has a low order"):
        secret_scalar(entropy_of(0)).multiply([POINTS[0], content])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (POINTS[0], "Expected 2 points of 32 bytes of north, got 32 bytes"),
        (b"".join(POINTS)[:-1], "Expected 2 points of 32 bytes of north, got 95 bytes"),
        (POINTS[0] + POINTS[0], "points of north to differ"),
        (POINTS[0] + FIELD.to_bytes(32, "little"), "numbers below 2\\^255 - 19"),
        (POINTS[0] + bytes(31) + b"\x80", "numbers below 2\\^255 - 19"),
    ],
)
def test_what_cannot_be_points_is_refused(content, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        require_points("north", content, 2)
    assert require_points("north", POINTS[0] + POINTS[1], 2) == POINTS[:2]
