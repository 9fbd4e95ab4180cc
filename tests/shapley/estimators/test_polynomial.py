"""A polynomial of degree 2: its fit is ridge regression, its values are those of its table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.estimators.polynomial import Polynomial, fit
from fedjax_shap.shapley.exact import shapley_values


def quadratic(players):
    rng = np.random.default_rng(players)
    pair = rng.normal(size=(players, players))
    pair = pair + pair.T
    np.fill_diagonal(pair, 0)
    return Polynomial(np.array([0.3]), rng.normal(size=(players, 1)), pair[:, :, None])


@pytest.mark.parametrize("players", [1, 2, 3, 6])
def test_values_of_a_polynomial_are_sums_of_its_sizes(players):
    function = quadratic(players)
    masks = all_subsets(players)
    table = function.at(masks)
    expected = shapley_values(table) - (table[-1] - table[0]) / players
    assert_allclose(function.shapley_by_size()[0].sum(axis=0), expected, atol=1e-12)
    middle = masks.sum(axis=1) == 2
    alone = shapley_values(np.where(middle[:, None], table, 0.0))
    if players > 2:
        assert_allclose(function.shapley_by_size()[0, 2], alone, atol=1e-12)


def test_the_fit_finds_a_polynomial():
    function = quadratic(6)
    masks = all_subsets(6)
    found = fit(masks, function.at(masks), degree=2, ridge=1e-9)
    assert_allclose(found.single, function.single, atol=1e-6)
    assert_allclose(found.pair, function.pair, atol=1e-6)


def test_the_fit_is_ridge_regression():
    masks = all_subsets(4)[1:12]
    utilities = np.random.default_rng(0).normal(size=(11, 1))
    ridge = 0.5
    pairs = [masks[:, i] & masks[:, j] for i in range(4) for j in range(i + 1, 4)]
    columns = np.concatenate([masks.T, pairs]).T.astype(float)
    centred = columns - columns.mean(axis=0)
    slopes = np.linalg.solve(
        centred.T @ centred + ridge * np.eye(10), centred.T @ (utilities - utilities.mean())
    )
    found = fit(masks, utilities, degree=2, ridge=ridge)
    assert_allclose(found.single, slopes[:4], atol=1e-10)
    assert_allclose(found.at(masks), utilities.mean() + centred @ slopes, atol=1e-10)
