"""Where the next draw goes: the optimum in whole numbers, within what strata hold, never starving
one."""

from itertools import product
from math import log, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.shapley.allocation import (
    RISK,
    Spreads,
    apportion,
    bernstein,
    check,
    neyman,
    spreads_of,
    variances,
)

ENDLESS = np.full(3, np.inf)


def shares(errors, count, *, drawn=(1, 1, 1), least=(1, 1, 1), most=ENDLESS):
    drawn = np.array(drawn)
    order = apportion(errors, drawn, count, least=np.array(least), most=np.array(most))
    return drawn + np.bincount(order, minlength=len(drawn))


def best(errors, total):
    """The smallest sum of squared errors of all ways to place `total` draws, at least one in each
    of three strata."""
    ways = [way for way in product(range(1, total), repeat=3) if sum(way) == total]
    return min(float(errors(np.array(way, float)).sum()) for way in ways)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "rule", [lambda s: variances(s.squares), bernstein], ids=["variances", "bernstein"]
)
def test_draws_are_placed_as_well_as_by_trying_all_ways(rule, seed):
    rng = np.random.default_rng(seed)
    deviation = rng.uniform(0, 3, 3)
    span = rng.uniform(3, 9, 3)
    errors = rule(Spreads(np.full(3, 5), deviation**2, deviation * span, span**2))
    placed = shares(errors, 17)
    assert placed.sum() == 20
    assert_allclose(errors(placed.astype(float)).sum(), best(errors, 20), rtol=1e-12)


def test_many_draws_are_shared_in_proportion_to_standard_deviations():
    deviation = np.array([1.0, 2.0, 5.0])
    placed = shares(variances(deviation**2), 797)
    assert np.abs(placed - 800 * deviation / 8).max() <= 1


def test_strata_that_spread_alike_are_drawn_equally_often_even_if_nothing_spreads():
    for squares in (np.ones(3), np.zeros(3)):
        assert_array_equal(shares(variances(squares), 30), [11, 11, 11])


def test_the_first_draws_fill_every_stratum_and_none_holds_more_than_there_is():
    errors = variances(np.array([100.0, 1.0, 1.0]))
    assert shares(errors, 5, drawn=(0, 0, 0), least=(2, 2, 2)).tolist() in (
        [2, 2, 1],
        [2, 1, 2],
        [1, 2, 2],
    )
    assert_array_equal(shares(errors, 20, most=(4, np.inf, 6)), [4, 13, 6])
    assert (
        len(apportion(errors, np.array([4, 3, 3]), 9, least=np.ones(3), most=np.array([4, 5, 6])))
        == 5
    )


def test_a_stratum_whose_two_draws_agreed_by_chance_is_drawn_again():
    seen = Spreads(
        np.array([2, 2, 2]),
        np.array([0.0, 4.0, 4.0]),
        np.array([0.0, 6.0, 6.0]),
        np.array([0.0, 9.0, 9.0]),
    )
    for rule in (neyman, bernstein):
        placed = shares(rule(seen), 60)
        assert 8 < placed[0] < placed[1]


def test_the_bernstein_bound_is_that_of_audibert_munos_and_szepesvari():
    rng = np.random.default_rng(0)
    draws = [rng.normal(size=(6, 4)) * scale for scale in (1, 3)]
    seen = Spreads(np.array([6, 6]), *np.array([spreads_of(one) for one in draws]).T)
    bits = log(3 / RISK)
    wanted = np.zeros(2)
    pulled = [
        np.array([kind.mean() for kind in seen[1:]])
    ] * 2  # one draw more that shows the mean of all strata
    for stratum, one in enumerate(draws):
        parts = np.zeros(3)
        for player in range(4):
            deviation = one[:, player].std(ddof=1)
            span = one[:, player].max() - one[:, player].min()
            parts += [deviation**2, deviation * span, span**2]
        square, mixed, span = (6 * parts + pulled[stratum]) / 7
        m = 10
        wanted[stratum] = (
            2 * bits / m * square
            + 2 * sqrt(2 * bits / m) * 3 * bits / m * mixed
            + (3 * bits / m) ** 2 * span
        )
    assert_allclose(bernstein(seen)(np.array([10.0, 10.0])), wanted, rtol=1e-12)


def test_bernstein_bounds_give_few_draws_with_a_wide_range_more_than_variances_do():
    deviation = np.array([1.0, 1.0, 1.0])
    span = np.array([2.0, 2.0, 20.0])
    seen = Spreads(np.full(3, 50), deviation**2, deviation * span, span**2)
    assert shares(bernstein(seen), 27)[2] > 14 > shares(neyman(seen), 27)[2] == 10


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("neymann", 0.5), "allocation='neymann' to be an allocation; did you mean 'neyman'"),
        (("neyman", 0.0), r"pilot=0.0 to lie in \(0, 1\)"),
        (("neyman", 1), r"pilot=1 to lie in \(0, 1\)"),
        (("neyman", "half"), "pilot='half' to be a finite number"),
    ],
)
def test_what_is_no_allocation_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        check(*options)
