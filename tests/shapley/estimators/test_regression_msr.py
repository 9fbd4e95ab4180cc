"""Regression-adjusted sampling: unbiased whatever the surrogate, exact where the surrogate is the
game."""

from itertools import permutations, product

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from played import Played, error_ratio, is_unbiased, play, read_from, repeated, saturating, voting
from test_polynomial import quadratic

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import of_size
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.estimators.regression_msr import regression_msr
from fedjax_shap.shapley.exact import shapley_values


@pytest.mark.parametrize("options", [{"degree": 1}, {"ridge": 30.0}, {"folds": 2}], ids=str)
def test_estimates_are_unbiased_however_bad_the_surrogate(options):
    game = voting(7)
    values, errors = repeated(regression_msr(**options), game, 40)
    assert is_unbiased(values, game.values)
    assert 0.8 < error_ratio(values, errors, game.values) < 1.25


@pytest.mark.parametrize("folds", [2, 3, 5, 9])
@pytest.mark.parametrize("budget", [6, 7])
def test_the_mean_over_all_draws_is_exact_from_the_smallest_budget_on(budget, folds):
    """Three players: of two or three coalitions of a size not every fold gets one."""
    table = np.random.default_rng(4).normal(size=8)
    estimator = regression_msr(folds=folds)
    masks, _ = estimator.ask(jax.random.key(0), estimator.init(3, budget, None))
    quotas = np.bincount(masks.sum(axis=1), minlength=4)[1:3].tolist()
    assert len(masks) == budget and min(quotas) == 2
    # the coalitions of a size come in any order, each as likely as any other
    orders = [permutations(of_size(3, size), quota) for size, quota in enumerate(quotas, 1)]
    values = [
        read_from(estimator, table, budget, np.concatenate([singles, pairs]))
        for singles, pairs in product(*orders)
    ]
    assert_allclose(np.mean(values, axis=0), shapley_values(table), atol=1e-12)
    assert np.ptp(values, axis=0).min() > 0.1


def test_a_smallest_budget_cannot_be_undercut():
    with pytest.raises(InvalidInputError, match="budget=7 to be at least 8 distinct coalitions"):
        regression_msr().init(4, 7, None)


def test_a_game_of_pairs_is_all_but_exact_and_far_better_than_permutations():
    function = quadratic(9)
    game = Played(9, lambda masks: function.at(masks)[:, 0])
    found, _ = play(regression_msr(ridge=1e-6), game.utility, 9, budget=150)
    assert_allclose(found.values, game.values, atol=1e-3)
    assert found.std_errors.max() < 1e-3


def test_a_saturating_federation_is_valued_better_than_by_permutations():
    game = saturating(10, seed=1)
    ours, plain = (
        np.mean(
            [
                (play(make(), game.utility, 10, budget=200, seed=s)[0].values - game.values) ** 2
                for s in range(10)
            ]
        )
        for make in (regression_msr, permutation)
    )
    assert ours < 0.2 * plain


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"degree": 3}, "degree=3 to be"),
        ({"ridge": 0.0}, "ridge=0.0 to be"),
        ({"folds": 1}, "folds=1 to be"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        regression_msr(**options)
