"""Powers: of a known base, and products of many, equal to those of Python's integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedjax_shap.privacy.powers import (
    fixed_base,
    inverses,
    products_of_powers,
    signed_digits,
)

PRIME = 2**127 - 1


@given(st.integers(2, PRIME - 1), st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=4))
def test_powers_of_a_known_base_are_those_of_integers(base, exponents):
    powers = fixed_base(base, PRIME, 40)
    for exponent in [0, 1, 2**40 - 1, *exponents]:
        assert powers.power(exponent) == pow(base, exponent, PRIME)


@given(st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=20), st.integers(2, 12))
def test_digits_add_up_to_their_number(numbers, window):
    places = 51 // window + 1
    numbers += [2**50, -(2**50), 2**window // 2, -(2**window) // 2]
    digits = signed_digits(np.array(numbers), window, places)
    assert np.abs(digits).max() <= 2 ** (window - 1)
    weights = [2 ** (window * place) for place in range(places)]
    sums = [
        sum(int(digit) * weight for digit, weight in zip(column, weights, strict=True))
        for column in digits.T
    ]
    assert sums == numbers


@pytest.mark.parametrize("bits", [1, 5, 24, 62])
@pytest.mark.parametrize("count", [1, 3, 200])
def test_products_of_powers_are_those_of_integers(bits, count):
    random = np.random.default_rng(bits + count)
    bases = [int(one) ** 3 + 2 for one in random.integers(1, 2**40, count)]
    exponents = random.integers(-(2**bits) + 1, 2**bits, (count, 3))
    exponents[:, 2] = 0
    expected = []
    for column in exponents.T.tolist():
        product = 1
        for base, exponent in zip(bases, column, strict=True):
            product = product * pow(base, exponent, PRIME) % PRIME
        expected.append(product)
    assert products_of_powers(bases, exponents, PRIME) == expected
    assert expected[2] == 1


def test_no_row_gives_a_product_of_nothing():
    assert products_of_powers([], np.zeros((0, 2), np.int64), PRIME) == [1, 1]


def test_inverses_are_those_of_single_numbers():
    numbers = [3, 5, 2**100 + 1, PRIME - 1]
    assert inverses(numbers, PRIME) == [pow(one, -1, PRIME) for one in numbers]
