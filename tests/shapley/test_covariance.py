"""The Gaussian process on coalitions: closed forms against sums over all coalitions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime
from threadpoolctl import threadpool_info

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley import covariance_fit
from fedjax_shap.shapley.covariance import JITTER, Kernel, inverse_root, weights_of
from fedjax_shap.shapley.covariance_fit import _prior, fitted, fixed_of, negative_log_likelihood
from fedjax_shap.shapley.exact import shapley_values


def kernel(players):
    rng = np.random.default_rng(players)
    lengths = rng.uniform(0.05, 1, players)
    decays = rng.uniform(0, 0.4, players)
    return Kernel(lengths, decays, white=0.3, linear=0.2, pairs=0.1, size=0.7, empty=0.9)


@pytest.mark.parametrize("players", [1, 2, 5, 8])
def test_covariances_of_values_are_the_values_of_covariances(players):
    masks = all_subsets(players)
    whole = kernel(players).covariance(masks)
    assert_allclose(kernel(players).variances(masks), np.diag(whole), rtol=1e-14)
    covariance = whole - JITTER * np.eye(len(masks))
    expected = shapley_values(covariance)
    assert_allclose(kernel(players).shapley(masks), expected, atol=1e-12)
    assert_allclose(
        kernel(players).shapley_variance(), np.diag(shapley_values(expected.T)), atol=1e-12
    )


def test_the_covariance_is_the_formula_written_out():
    ours = kernel(4)
    masks = all_subsets(4)[[0, 3, 9, 14, 15]]
    for a, one in enumerate(masks):
        for b, other in enumerate(masks):
            shared = (one & other).sum()
            places = [np.log1p(m.sum()) / np.log1p(4) for m in (one, other)]
            total = (
                100
                + 0.2 * shared
                + 0.1 * shared * (shared - 1) / 2
                + 0.7 * np.exp(-2 * abs(places[0] - places[1]))
            )
            total += np.prod(
                np.exp(-ours.decays * (1.0 * one + other) - ours.lengths * (one != other))
            )
            total += (0.3 * np.exp(-2 * ours.decays[one].sum()) + JITTER) if a == b else 0
            total += 0.9 * (a == b and not one.any())
            assert_allclose(ours.covariance(masks)[a, b], total, rtol=1e-12)


def test_weights_give_the_shapley_values():
    table = np.random.default_rng(0).normal(size=64)
    assert_allclose(weights_of(all_subsets(6)) @ table, shapley_values(table), atol=1e-12)


def test_the_likelihood_that_settings_are_fitted_by_has_the_gradient_it_says():
    rng = np.random.default_rng(0)
    players = 5
    fixed = fixed_of(all_subsets(players)[::2])
    utilities = rng.normal(size=16)
    settings = _prior(players)[0] + rng.uniform(0, 0.2, 2 * players + 7)
    _, slope = negative_log_likelihood(settings, fixed, utilities)
    numeric = approx_fprime(
        settings, lambda x: negative_log_likelihood(x, fixed, utilities)[0], 1e-6
    )
    assert_allclose(slope, numeric, rtol=2e-3, atol=2e-3)


def test_a_player_who_changes_nothing_is_found_out():
    masks = all_subsets(7)
    utilities = np.tanh(masks[:, :6] @ np.linspace(0.2, 1, 6))
    found = fitted(masks, utilities - utilities.mean(), steps=20)
    assert found.lengths[6] < found.lengths[:6].min()


def test_the_root_is_that_of_the_inverse():
    covariance = kernel(6).covariance(all_subsets(6))
    root = inverse_root(covariance)
    assert_allclose(root.T @ root @ covariance, np.eye(64), atol=1e-8)
    assert_allclose(np.triu(root, 1), 0, atol=0)
    assert_allclose(-2 * np.log(np.diag(root)).sum(), np.linalg.slogdet(covariance)[1])


def test_the_empty_coalition_says_little_about_others_where_it_is_far_from_all_of_them():
    masks = all_subsets(6)
    utilities = np.tanh(0.3 * masks @ np.linspace(0.2, 1, 6)) / 10
    smooth = fitted(masks, utilities - utilities.mean(), steps=20)
    utilities[0] = -5.0
    far = fitted(masks, utilities - utilities.mean(), steps=20)
    assert far.empty > 30 * smooth.empty


def test_a_fit_uses_one_thread_and_leaves_the_others_as_they_were():
    before = [pool["num_threads"] for pool in threadpool_info()]
    seen = []

    def recorded(*arguments):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return negative_log_likelihood(*arguments)

    masks = all_subsets(4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covariance_fit, "negative_log_likelihood", recorded)
        fitted(masks, 1.0 * masks.sum(axis=1), steps=2)
    assert set(seen) == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before
