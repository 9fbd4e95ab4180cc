"""Regressors as surrogates: their values size by size, and estimates that they leave unbiased."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import (
    Played,
    additive,
    error_ratio,
    is_unbiased,
    play,
    repeated,
    saturating,
    voting,
)
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.covariance import JITTER
from fedjax_shap.shapley.estimators import regressor
from fedjax_shap.shapley.estimators.regression_msr import regression_msr
from fedjax_shap.shapley.estimators.regressor import (
    REGRESSORS,
    GaussianProcess,
    Regressed,
    orders_for,
)
from fedjax_shap.shapley.exact import shapley_values


class Table:
    """Predicts a rough game, whatever it is fitted to."""

    def __init__(self, players, seed=0):
        self.worth = np.random.default_rng(seed).normal(size=2**players)

    def fit(self, members, utilities):
        return self

    def predict(self, members):
        return self.worth[(members @ (1 << np.arange(members.shape[1]))).astype(int)]


def assert_unbiased_and_honest(estimator, game, budget, runs):
    values, errors = repeated(estimator, game, budget, runs)
    assert is_unbiased(values, game.values)
    assert 0.8 < error_ratio(values, errors, game.values) < 1.25


@pytest.mark.parametrize("players", [1, 2, 5])
def test_listed_values_are_those_of_the_table_without_its_ends(players):
    tables = Table(players), Table(players, seed=1)
    found = Regressed(tables, np.zeros((0, players), int)).shapley_by_size()[0].sum(axis=0)
    worth = np.stack([table.worth for table in tables], axis=1)
    assert_allclose(found, shapley_values(worth) - (worth[-1] - worth[0]) / players, atol=1e-12)


def test_the_mean_over_all_joining_orders_is_what_is_listed_size_by_size():
    orders = np.array(list(permutations(range(5))))
    along = Regressed((Table(5),), orders).shapley_by_size()
    listed = Regressed((Table(5),), orders[:0]).shapley_by_size()
    assert along.shape == (120, 6, 5, 1)
    assert_allclose(along.mean(axis=0), listed[0], atol=1e-12)


def test_orders_change_with_the_coalitions_told_and_are_drawn_for_many_players_alone():
    assert len(orders_for(all_subsets(6))) == 0
    masks = np.random.default_rng(0).random((40, 15)) < 0.5
    one = orders_for(masks)
    same = orders_for(masks.copy())
    other = orders_for(~masks)
    assert (one == same).all() and (one != other).any()
    assert (np.sort(one, axis=1) == np.arange(15)).all()
    assert 70_000 < one.shape[0] * 15 * 14 <= 80_000
    assert len(orders_for(np.ones((2, 200), bool))) == 8


@pytest.mark.parametrize(
    "surrogate",
    [RandomForestRegressor(4, max_depth=3, random_state=0), Table(8)],
    ids=["random-forest", "nothing-like-the-game"],
)
def test_estimates_are_unbiased_and_honest_whatever_the_regressor(surrogate):
    assert_unbiased_and_honest(regression_msr(surrogate=surrogate, folds=2), voting(8), 100, 100)


def test_they_are_where_the_values_of_the_regressor_are_estimates_too(monkeypatch):
    monkeypatch.setattr(regressor, "MOST_LISTED", 3)
    monkeypatch.setattr(
        regressor, "ALONG_ORDERS", 0
    )  # the fewest orders: errors are then mostly theirs
    tree = regression_msr(surrogate=DecisionTreeRegressor(max_depth=4, random_state=0), folds=2)
    assert_unbiased_and_honest(tree, voting(8), 200, 100)
    _, along = repeated(tree, voting(8), 200, 5)
    monkeypatch.setattr(regressor, "MOST_LISTED", 14)
    _, listed = repeated(tree, voting(8), 200, 5)
    assert (along**2).mean() > 1.5 * (listed**2).mean()


@pytest.mark.parametrize(("players", "budget"), [(7, 60), (20, 200)])
def test_a_game_that_the_regressor_finds_is_exact(players, budget):
    weights = np.random.default_rng(1).normal(size=players)
    estimator = regression_msr(surrogate=LinearRegression())
    found, _ = play(estimator, lambda masks: masks @ weights + 0.25, players, budget=budget)
    assert_allclose(found.values, weights, atol=1e-9)
    assert_allclose(found.std_errors, 0, atol=1e-9)


@pytest.mark.parametrize("name", REGRESSORS)
def test_every_name_values_a_federation_each_column_alone_and_in_the_same_way_again(name):
    games = saturating(6), saturating(6, seed=1)
    both = Played(6, lambda masks: np.stack([game.utility(masks) for game in games], axis=1))
    found, again = (
        play(regression_msr(surrogate=name, folds=2), both.utility, 6, budget=50)[0]
        for _ in range(2)
    )
    alone, _ = play(regression_msr(surrogate=name, folds=2), games[1].utility, 6, budget=50)
    assert_array_equal(found.values, again.values)
    assert_allclose(found.values[:, 1], alone.values, atol=1e-12)
    assert (np.abs(found.values - both.values) < 5 * found.std_errors + 1e-9).all()


def test_the_gaussian_process_leaves_less_than_half_of_the_error_of_the_polynomial():
    game = saturating(8, seed=1)
    ours, plain = (
        np.sqrt(
            ((repeated(regression_msr(surrogate=name), game, 64, 10)[0] - game.values) ** 2).mean()
        )
        for name in ("gaussian_process", "polynomial")
    )
    assert ours < 0.5 * plain


def test_the_gaussian_process_predicts_by_the_covariance_with_what_it_learnt_from():
    masks = all_subsets(6)
    game = saturating(6)
    learnt = masks[::2]
    fresh = masks[1::2]
    found = GaussianProcess().fit(learnt.astype(float), game.utility(learnt))
    whole = found.kernel.covariance(masks) - JITTER * np.eye(64)
    inside = whole[::2, ::2] + JITTER * np.eye(32)
    level = game.utility(learnt).mean()
    expected = level + whole[1::2, ::2] @ np.linalg.solve(inside, game.utility(learnt) - level)
    assert_allclose(found.predict(fresh.astype(float)), expected, atol=1e-5)
    flat = GaussianProcess().fit(learnt.astype(float), np.full(32, 0.7))
    assert_allclose(flat.predict(fresh.astype(float)), 0.7, atol=1e-12)


def test_a_regressor_given_is_left_as_it_was():
    given = LinearRegression()
    play(regression_msr(surrogate=given), additive(6).utility, 6, budget=40)
    assert not hasattr(given, "coef_")


@pytest.mark.parametrize(
    ("surrogate", "sentence"),
    [
        (3, "Expected surrogate=3 to be a name, or a regressor that can fit and predict"),
        (LinearRegression, "to be a name, or a regressor that can fit and predict"),
        (
            "random_forrest",
            "Expected surrogate='random_forrest' to be a known name; did you mean 'random_forest'",
        ),
        ("polynom", "did you mean 'polynomial'"),
    ],
    ids=["a-number", "a-class", "a-misspelling", "another"],
)
def test_what_is_no_regressor_is_refused_in_one_sentence(surrogate, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        regression_msr(surrogate=surrogate)
