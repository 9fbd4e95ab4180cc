"""Coefficients of semivalues are their closed forms, in fractions, and names mean what they say."""

from fractions import Fraction
from functools import partial
from math import comb, factorial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.shapley.semivalue import (
    Coefficients,
    banzhaf,
    beta,
    coefficients_of,
    name_of,
    semivalues,
    shapley,
    weighted_banzhaf,
)

PLAYERS = (1, 2, 3, 7, 20)
each_number_of_players = pytest.mark.parametrize("players", PLAYERS)


def floats(fractions):
    return [float(fraction) for fraction in fractions]


def beta_integral(a, b):
    """B(a, b) of whole numbers."""
    return Fraction(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))


def number_of_times(coefficients, players):
    """The sum over sizes of coefficient times the number of coalitions of others."""
    return sum(c * comb(players - 1, size) for size, c in enumerate(coefficients(players)))


@each_number_of_players
def test_shapleys_are_factorials(players):
    expected = [
        Fraction(factorial(size) * factorial(players - size - 1), factorial(players))
        for size in range(players)
    ]
    assert_allclose(shapley(players), floats(expected), rtol=1e-15)


@each_number_of_players
def test_banzhafs_are_one_over_the_number_of_coalitions_of_others(players):
    assert_array_equal(banzhaf(players), [1 / 2 ** (players - 1)] * players)


@each_number_of_players
@pytest.mark.parametrize("chance", [Fraction(1, 2), Fraction(1, 5), Fraction(3, 4)])
def test_weighted_banzhafs_are_the_chance_that_just_these_others_join(players, chance):
    expected = [chance**size * (1 - chance) ** (players - size - 1) for size in range(players)]
    assert_allclose(weighted_banzhaf(float(chance))(players), floats(expected), rtol=1e-13)


@each_number_of_players
@pytest.mark.parametrize(("a", "b"), [(1, 1), (4, 1), (1, 4), (16, 1), (2, 3)])
def test_betas_are_ratios_of_beta_integrals(players, a, b):
    """Kwon and Zou 2022, equation 5: B(s + b, P - s - 1 + a) / B(a, b)."""
    expected = [
        beta_integral(size + b, players - size - 1 + a) / beta_integral(a, b)
        for size in range(players)
    ]
    assert_allclose(beta(a, b)(players), floats(expected), rtol=1e-11)


def test_beta_one_one_is_shapley_and_a_large_alpha_counts_small_coalitions_more():
    assert_allclose(beta(1, 1)(9), shapley(9), rtol=1e-11)
    assert beta(4, 1)(9)[0] > shapley(9)[0] > beta(1, 4)(9)[0]
    assert beta(4, 1)(9)[-1] < shapley(9)[-1] < beta(1, 4)(9)[-1]


@each_number_of_players
@pytest.mark.parametrize("name", ["shapley", "banzhaf", "banzhaf(0.3)", "beta(4, 1)"])
def test_the_weights_of_all_coalitions_of_others_sum_to_one(name, players):
    assert_allclose(number_of_times(coefficients_of(name), players), 1, rtol=1e-11)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("shapley", shapley),
        ("banzhaf", banzhaf),
        ("banzhaf(0.3)", weighted_banzhaf(0.3)),
        ("beta(4, 1)", beta(4, 1)),
        ("beta(4,1)", beta(4, 1)),
    ],
)
def test_a_name_stands_for_its_function(name, function):
    assert_array_equal(coefficients_of(name)(6), function(6))
    assert name_of(name) == name
    assert coefficients_of(function) is function


def test_a_function_is_called_by_its_name():
    assert name_of(shapley) == "shapley"
    assert name_of(partial(shapley)) == "semivalue"


def test_a_configuration_can_tell_coefficients_from_other_values():
    """Configured values are checked against annotations at run time."""
    assert isinstance(shapley, Coefficients) and isinstance(beta(4, 1), Coefficients)
    assert not isinstance("shapley", Coefficients) and not isinstance(3, Coefficients)


@pytest.mark.parametrize("name", ["shapley", "banzhaf", "banzhaf(0.3)", "beta(4, 1)"])
def test_a_unanimity_game_of_two_gives_both_the_weight_of_the_coalitions_with_the_other(name):
    """V(S) = 1 if players 0 and 2 are in S: player 0 adds 1 to every coalition with 2."""
    players = 4
    rows = np.arange(2**players)
    table = ((rows & 0b101) == 0b101).astype(float)
    weights = coefficients_of(name)(players)
    pivotal = sum(comb(players - 2, size - 1) * weights[size] for size in range(1, players))
    assert_allclose(semivalues(table, name), [pivotal, 0, pivotal, 0], atol=1e-15)


@pytest.mark.parametrize(
    ("semivalue", "sentence"),
    [
        ("nash", "semivalue='nash' to be 'shapley', 'banzhaf', "),
        ("beta(4)", r"semivalue='beta\(4\)' to be 'shapley', "),
        ("banzhaf(0.1, 0.2)", "to be 'shapley', "),
        ("beta(four, 1)", "to be 'shapley', "),
        ("shapley()", "to be 'shapley', "),
        (3, "semivalue=3 to be 'shapley', "),
        ("banzhaf(1)", "p=1.0 to be < 1"),
        ("beta(0, 1)", "alpha=0.0 to be a finite number > 0"),
        ("beta(1, -1)", "beta=-1.0 to be a finite number > 0"),
    ],
)
def test_what_is_not_a_semivalue_is_refused_in_one_sentence(semivalue, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        coefficients_of(semivalue)
