"""Repeats under several seeds: the error of a value is split into training, sampling and test-set
noise."""

import jax
import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.repeated import repeated
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.class_scores import accuracy
from fedjax_shap.learning.local import local
from fedjax_shap.learning.metric import bootstrapped
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact, shapley_values
from fedjax_shap.valuation.estimate import estimate, game_key
from fedjax_shap.valuation.options import Options
from fedjax_shap.valuation.repeats import estimate_repeated, noise_floor

EVERY = all_subsets(3)
TRAINING = local(learning_rate=0.3, batch_size=3)


def game_of(model=None, initial=None, **options):
    training = Training(model or mlp(hidden=(4,)), TRAINING, fedavg(max_rounds=3), initial=initial)
    return silo(federation(), training, metric="negative_loss", **options)


def test_each_repeat_is_the_game_under_a_seed_of_its_own(key):
    """Against the same game built anew for each seed, with that seed's initial parameters."""
    game = game_of()
    found = evaluate(repeated(game, 3), key, EVERY, Plan(chunk=8))
    assert found.shape == (8, 3)
    for index in range(3):
        own = jax.random.fold_in(key, index)
        alone = game.replace(world=game.reseed(game.world, jax.random.fold_in(own, 1)))
        assert_allclose(found[:, index], evaluate(alone, own, EVERY, Plan(chunk=8)), atol=1e-5)
    assert np.ptp(found[0]) > 1e-3


def test_every_layout_repeats_alike(key):
    game = repeated(game_of(), 2)
    one, two = (
        evaluate(game, key, EVERY, Plan(chunk=3, layout=layout, buckets=1))
        for layout in ("client", "coalition")
    )
    assert_allclose(one, two, atol=1e-5)


def test_given_initial_parameters_stay_and_only_mini_batches_differ(key):
    game = repeated(game_of(linear(), initial=initial(FEATURES, CLASSES)), 2)
    found = evaluate(game, key, EVERY)
    assert_array_equal(found[0, 0], found[0, 1])
    assert np.abs(found[1:, 0] - found[1:, 1]).max() > 1e-4


def test_the_parts_of_the_error_are_those_of_the_tables(key):
    game = game_of(resamples=20)
    table = evaluate(repeated(game, 4), game_key(key), EVERY)
    values = shapley_values(table)  # [3, 21, 4]
    found = estimate_repeated(game, exact(), repeats=4, key=key)
    assert_allclose(found.values, values[:, 0].mean(axis=1), atol=1e-9)
    training = values[:, 0].std(axis=1, ddof=1)
    test_set = np.sqrt(np.mean([values[:, 1:, r].var(axis=1, ddof=1) for r in range(4)], axis=0))
    assert_allclose(found.notes["training_noise"], training, atol=1e-9)
    assert_allclose(found.notes["test_set_noise"], test_set, atol=1e-9)
    assert_array_equal(found.notes["sampling_noise"], 0)
    assert_allclose(found.std_errors, np.sqrt(training**2 / 4 + test_set**2), atol=1e-9)
    assert_allclose(found.efficiency_gap, 0, atol=1e-6)


def test_sampling_noise_is_what_the_estimator_says_of_each_seed(key):
    game = game_of()
    plain = permutation(max_permutations=4)
    told = estimate(repeated(game, 2), plain, Options(budget=8), key=key)
    found = estimate_repeated(game, plain, Options(budget=8), repeats=2, key=key)
    assert_allclose(found.notes["sampling_noise"], np.sqrt((told.std_errors**2).mean(axis=1)))
    assert found.notes["test_set_noise"] is None


def test_one_seed_tells_nothing_about_training_noise(key):
    found = estimate_repeated(game_of(), exact(), key=key)
    assert found.notes["training_noise"] is found.notes["noise_floor"] is None
    assert_array_equal(found.std_errors, 0)


def test_the_noise_floor_is_the_mean_agreement_of_two_seeds():
    values = np.random.default_rng(0).normal(size=(6, 3)) + np.arange(6)[:, None]
    floor = noise_floor(values)
    pairs = [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)]
    assert_allclose(
        floor["spearman"],
        np.mean([spearmanr(values[:, a], values[:, b]).statistic for a, b in pairs]),
    )
    distance = [
        np.linalg.norm(values[:, a] - values[:, b]) / np.linalg.norm(values[:, b]) for a, b in pairs
    ]
    assert_allclose(floor["relative_l2"], np.mean(distance))


def test_the_bootstrap_spreads_as_a_test_set_of_that_size_does():
    """The share of hits among T examples has the standard deviation sqrt(p (1 - p) / T)."""
    labels = np.zeros(400, np.int32)
    logits = np.stack([np.arange(400) < 300, np.full(400, 0.5)], axis=1).astype(np.float32)
    found = np.asarray(
        bootstrapped(accuracy, 300)(jax.numpy.asarray(logits), jax.numpy.asarray(labels))
    )
    assert found[0] == 0.75
    expected = np.sqrt(0.75 * 0.25 / 400)
    assert abs(found[1:].mean() - 0.75) < 5 * expected / np.sqrt(300)
    assert abs(found[1:].std() / expected - 1) < 5 / np.sqrt(2 * 300)


def test_utilities_with_other_axes_are_refused(key):
    game = game_of(resamples=3).replace(resamples=5)
    with pytest.raises(InvalidInputError, match=r"Expected utilities with axes \(6, 1\)"):
        estimate_repeated(game, exact(), key=key)
