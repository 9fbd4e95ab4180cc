"""Mistakes of other packages: marginals lost in parallel, idle caches, paid free riders."""

import jax
import numpy as np
import oracle
import pytest
from federations import CLASSES, FEATURES, clients_of, federation, initial, layers, metric_of, sgd
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.closed_form import table
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.participation import trace
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate, game_key
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options

EVERY = all_subsets(3)
START = initial(FEATURES, CLASSES)
TRAINING = Training(
    linear(), local(learning_rate=0.3, steps=2), fedavg(max_rounds=3), initial=START
)


@pytest.fixture(scope="module")
def game():
    return silo(federation(), TRAINING, metric="negative_loss")


def run_of(data, available, **options):
    training = TRAINING._replace(
        algorithm=fedavg(max_rounds=len(available), **options),
        participation=trace(available=available),
    )
    return rounds(data, training, metric="negative_loss")


def test_no_marginal_is_lost_however_many_coalitions_are_valued_at_once(game, key):
    one_by_one = estimate(game, exact(), Options(plan=Plan(chunk=1)), key=key).values
    at_once = estimate(game, exact(), Options(plan=Plan(chunk=3)), key=key).values
    expected = oracle.shapley(evaluate(game, game_key(key), EVERY))
    assert_allclose(at_once, one_by_one, rtol=1e-4, atol=1e-6)
    assert_allclose(one_by_one, expected, rtol=1e-4, atol=1e-6)


def test_a_coalition_is_trained_once_and_hits_are_counted(key):
    values = np.random.default_rng(0).normal(size=64)
    store = UtilityStore()
    for budget in (30, 64, 64):
        estimate(table(values).game, permutation(), Options(budget=budget, stores=store), key=key)
    estimate(table(values).game, exact(), Options(stores=store), key=key)
    assert store.trained == len(store) == 64
    assert store.asked == store.from_store + store.trained > 128


def test_single_clients_are_trained_as_larger_coalitions_are_and_from_the_same_model(game, key):
    utilities = evaluate(game, key, EVERY)
    expected = oracle.silo_table(
        layers(START), clients_of(federation()), 3, sgd(0.3, 2), metric_of(federation())
    )
    assert_allclose(utilities, expected, atol=1e-5)
    assert_array_equal(evaluate(game, key, EVERY), utilities)


def test_values_are_efficient_and_every_result_states_its_gap(game, key):
    for attribution in (
        estimate(game, exact(), key=key),
        estimate(game, permutation(), Options(budget=8), key=key),
    ):
        gain = attribution.grand - attribution.empty
        assert abs(attribution.efficiency_gap) < 1e-12
        assert_allclose(attribution.values.sum(), gain, atol=1e-12)
        assert gain > 0.1
    halved = attribution.replace(values=attribution.values / 2)
    assert_allclose(halved.efficiency_gap, -gain / 2)


def test_the_store_holds_trained_utilities_and_nothing_else(game, key, tmp_path):
    store = UtilityStore(tmp_path, fingerprint="a")
    estimate(
        game,
        permutation(orders="random", max_permutations=2),
        Options(budget=8, stores=store),
        key=key,
    )
    kept = UtilityStore(tmp_path, fingerprint="a")
    known = EVERY[kept.known(EVERY)]
    assert 4 <= len(known) == store.trained
    assert_allclose(kept.read(known), evaluate(game, game_key(key), known), rtol=1e-5)


def test_a_free_rider_that_uploads_what_it_received_is_not_paid_for_it():
    data = federation((7, 12, 9), idle=[False, True, False])
    always = ((1, 1, 1),) * 3
    heavy = estimate_rounds(run_of(data, always), exact())
    assert heavy.values[1] < 0 < heavy.values[[0, 2]].min(), "it only slows the others down"
    assert_allclose(heavy.values.sum(), heavy.grand - heavy.empty, atol=1e-6)
    weightless = estimate_rounds(run_of(data, always, weights=(7.0, 0.0, 9.0)), exact())
    assert weightless.values[1] == 0.0


def test_clients_are_addressed_by_identity_under_partial_participation():
    ids = [1, 3, 4]  # of the three clients, among six
    few = federation((7, 12, 4))
    clients = [few.client(0)] * 6
    for index, client in enumerate(ids):
        clients[client] = few.client(index)
    many = from_arrays(clients, few.test, num_classes=CLASSES)
    available = ((1, 0, 1), (0, 1, 1))
    spread = np.zeros((2, 6), int)
    spread[:, ids] = available
    expected = estimate_rounds(run_of(few, available), exact()).values
    values = estimate_rounds(run_of(many, tuple(map(tuple, spread.tolist()))), exact()).values
    assert_allclose(values[ids], expected, atol=1e-6)
    assert_array_equal(values[[0, 2, 5]], 0)


@pytest.mark.slow
def test_a_coalition_is_worth_its_last_model_unless_the_best_is_asked_for(key):
    """Measured where it matters: a step size at which the last round is not the best."""
    training = TRAINING._replace(
        local=local(learning_rate=4.0, steps=3), algorithm=fedavg(max_rounds=6)
    )
    metric = {"metric": "negative_loss"}
    followed = evaluate(curves(federation(), training, **metric), key, EVERY)[1:, 3]
    last = evaluate(silo(federation(), training, **metric), key, EVERY)[1:]
    best = evaluate(silo(federation(), training, report="best", **metric), key, EVERY)[1:]
    assert_allclose(last, followed[:, -1], rtol=1e-5)
    assert_allclose(best, followed.max(axis=1), rtol=1e-5)
    assert (best - last).max() > 0.01


def test_a_seed_reproduces_the_values_and_another_does_not():
    training = TRAINING._replace(local=local(learning_rate=0.3, batch_size=3))
    game = silo(federation(), training, metric="negative_loss")
    first, same, other = (
        estimate(game, exact(), key=jax.random.key(seed)).values for seed in (0, 0, 1)
    )
    assert_array_equal(first, same)
    assert np.abs(first - other).max() > 1e-4
