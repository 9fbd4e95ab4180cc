"""Amounts and their rounding: Hamilton's method done by hand in integers, and what is no amount."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.money import amount, decimal_of, largest_remainder, written


def hamilton(weights, seats):
    """Seats by weight, in integers: whole quotas first, the others one by one to the largest
    remainder left."""
    total = sum(weights)
    given_out = []
    for weight in weights:
        given_out.append(weight * seats // total)
    left = [weight * seats % total for weight in weights]
    for _ in range(seats - sum(given_out)):
        best = max(range(len(weights)), key=lambda i: (left[i], -i))
        given_out[best] = given_out[best] + 1
        left[best] = -1
    return given_out


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any),
    st.integers(0, 10**6),
    st.sampled_from(["0.01", "1", "0.001", "5", "0.05", "1000"]),
)
def test_units_are_apportioned_as_hamilton_apportions_seats(weights, seats, unit):
    unit = Decimal(unit)
    shares = [Fraction(weight, sum(weights)) * seats * Fraction(unit) for weight in weights]
    rounded = largest_remainder(shares, unit, priority=[(i,) for i in range(len(weights))])
    assert rounded == tuple(count * unit for count in hamilton(weights, seats))


def test_amounts_that_do_not_sum_to_whole_units_are_refused():
    with pytest.raises(InvalidInputError, match=r"sum to a whole number of 0\.01"):
        largest_remainder([Fraction(1, 3)], Decimal("0.01"), priority=[(0,)])


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (0.1, "0.1"),
        ("12.340", "12.340"),
        (3, "3"),
        (Decimal("-0"), "0"),
        ("1e3", "1000"),
        (1e-7, "0.0000001"),
    ],
)
def test_an_amount_is_the_decimal_that_was_written(value, read):
    assert written(amount("cost", value)) == read


@pytest.mark.parametrize(
    "value", [-1, "-0.01", float("nan"), "12,34", "", True, None, "1_0", "1e-31", 10**30, "٣"]
)
def test_what_is_no_amount_is_refused_with_its_name(value):
    with pytest.raises(InvalidInputError, match="Expected cost="):
        amount("cost", value)


def test_an_amount_is_shown_with_the_decimals_of_the_minor_unit_or_more():
    assert written(decimal_of(Fraction(3, 2), Decimal("0.01"))) == "1.50"
    assert written(decimal_of(Fraction("1.0625"), Decimal("0.01"))) == "1.0625"
    assert written(decimal_of(Fraction(1500), Decimal(5))) == "1500"
