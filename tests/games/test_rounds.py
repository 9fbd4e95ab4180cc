"""The games inside one run: round by round what the naive loops say, for whoever took part."""

import chex
import jax
import numpy as np
import oracle
import pytest
from federations import (
    CLASSES,
    FEATURES,
    clients_of,
    federation,
    in_float64,
    initial,
    layers,
    metric_of,
    sgd,
)
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.participation import always, cyclic, trace, uniform
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.exact import exact, shapley_values
from fedjax_shap.valuation.estimate import game_key
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options

SIZES = (7, 12, 4, 9)
TRACE = ((1, 0, 0, 1), (0, 0, 0, 0), (0, 0, 1, 1), (1, 0, 1, 0))
PARTICIPATIONS = {
    "always": always(),
    "uniform": uniform(participants=2),
    "cyclic": cyclic(participants=3),
    "trace": trace(available=TRACE),
}
PLAN = Plan(layout="client", buckets=1)


@pytest.fixture
def double():
    """64-bit JAX: references are float64."""
    with jax.enable_x64(True):
        yield


def run_of(
    data, participation, *, weights="examples", length=4, steps=2, batch_size=None, **options
):
    training = Training(
        linear(),
        local(learning_rate=0.3, steps=steps, batch_size=batch_size),
        fedavg(weights=weights, max_rounds=length),
        participation=participation,
        initial=initial(FEATURES, CLASSES),
    )
    return rounds(data, training, metric="negative_loss", **options)


def oracle_values(data, present, *, weights="examples", steps=2, **options):
    """(values[R, P], metrics[R + 1]) of the run in which present[R, P] says who takes part."""
    start = layers(initial(FEATURES, CLASSES))
    participants = [np.flatnonzero(row).tolist() for row in present]
    values, metrics = oracle.rounds_values(
        start, clients_of(data), participants, sgd(0.3, steps), weights, metric_of(data), **options
    )
    return values, np.array(metrics)


@pytest.mark.parametrize("participation", PARTICIPATIONS.values(), ids=PARTICIPATIONS)
def test_values_summed_over_rounds_are_the_oracles(participation):
    data = federation(SIZES)
    run = run_of(data, participation)
    values, metrics = oracle_values(data, run.present)
    summed = estimate_rounds(run, exact(), Options(plan=PLAN))
    assert_allclose(summed.values, values.sum(axis=0), atol=1e-5, rtol=0)
    assert_allclose([summed.empty, summed.grand], metrics[[0, -1]], rtol=1e-5)
    assert_allclose(summed.values.sum(), metrics[-1] - metrics[0], atol=1e-5)
    assert_allclose(summed.efficiency_gap, 0, atol=1e-5)
    never = ~run.present.any(axis=0)
    assert_array_equal(summed.values[never], 0)
    assert_array_equal(summed.std_errors, 0)


def test_a_client_that_never_takes_part_gets_exactly_nothing():
    run = run_of(federation(SIZES), PARTICIPATIONS["trace"])
    assert not run.present[:, 1].any()
    assert estimate_rounds(run, exact(), Options(plan=PLAN)).values[1] == 0.0


@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_with_several_aggregations_a_round_the_values_are_the_oracles_too(layout):
    data = federation(SIZES)
    options = {"inner_rounds": 2, "weights": "uniform"}
    run = run_of(data, trace(available=TRACE[2:]), length=2, **options)
    values, metrics = oracle_values(data, run.present, **options)
    summed = estimate_rounds(run, exact(), Options(plan=Plan(layout=layout, buckets=1)))
    assert_allclose(summed.values, values.sum(axis=0), atol=1e-5, rtol=0)
    assert_allclose(summed.values.sum(), metrics[-1] - metrics[0], atol=1e-5)


def test_each_round_starts_from_the_model_that_the_round_before_left(key, double):
    data = federation(SIZES)
    run = run_of(data, PARTICIPATIONS["trace"])
    values, metrics = oracle_values(data, run.present)
    indices = []
    for game, participants, index in run.play(key):
        masks = np.zeros((2 ** len(participants), 4), bool)
        masks[:, participants] = all_subsets(len(participants))
        table = evaluate(game.replace(world=in_float64(game.world)), key, masks, PLAN)
        assert_array_equal(participants, np.flatnonzero(TRACE[index]))
        # the models between rounds are float32, all else is float64
        assert_allclose(shapley_values(table), values[index, participants], atol=1e-6)
        assert_allclose(table[[0, -1]], metrics[[index, index + 1]], atol=1e-6)
        indices.append(index)
    assert indices == [0, 2, 3]


def test_mixing_the_uploads_is_training_every_coalition(key):
    data = federation(SIZES)
    masks = all_subsets(4)
    run = run_of(data, always(), length=2, batch_size=5)
    first, second = run.play(key)
    training = Training(
        linear(),
        local(learning_rate=0.3, steps=2, batch_size=5),
        fedavg(max_rounds=1),
        initial=initial(FEATURES, CLASSES),
    )
    trained = silo(data, training, metric="negative_loss")
    for game, index in ((first.game, 0), (second.game, 1)):
        world = trained.world.replace(initial=game.world.world.initial, first_round=np.int32(index))
        alone = evaluate(trained.replace(world=world), key, masks, PLAN)
        assert_allclose(evaluate(game, key, masks, PLAN), alone, rtol=1e-5)


def test_rounds_of_a_run_draw_fresh_mini_batches(key):
    run = run_of(federation((8, 8, 8)), always(), length=2, steps=1, batch_size=3)
    first, second = (one.game.world for one in run.play(key))
    again, _ = (one.game.world for one in run.play(key))

    def moved(uploads):
        return np.asarray(uploads.params["Dense_0"]["kernel"]) - np.asarray(
            uploads.world.initial["Dense_0"]["kernel"]
        )

    assert_array_equal(moved(first), moved(again))
    assert np.abs(moved(first) - moved(second)).max() > 1e-2


@pytest.mark.parametrize("inner_rounds", [1, 2])
def test_an_idle_client_of_weight_zero_gets_exactly_nothing(inner_rounds):
    data = federation(SIZES, idle=[False, True, False, False])
    run = run_of(data, always(), weights=(7.0, 0.0, 4.0, 9.0), length=2, inner_rounds=inner_rounds)
    values = estimate_rounds(run, exact(), Options(plan=PLAN)).values
    assert values[1] == 0.0
    assert np.abs(values[[0, 2, 3]]).min() > 1e-3


def test_the_value_of_an_idle_client_with_a_weight_is_the_oracles():
    data = federation(SIZES, idle=[False, True, False, False])
    run = run_of(data, always(), length=2)
    expected, _ = oracle_values(data, run.present, idle={1})
    values = estimate_rounds(run, exact(), Options(plan=PLAN)).values
    assert_allclose(values, expected.sum(axis=0), atol=1e-5)


def test_all_rounds_share_one_program_for_training_and_one_for_valuing(key):
    run = run_of(federation(SIZES), uniform(participants=3), length=5)
    counted = {}
    for game, participants, _ in run.play(game_key(key)):
        masks = np.zeros((8, 4), bool)
        masks[:, participants] = all_subsets(3)
        if game.values not in counted:
            counted[game.values] = chex.assert_max_traces(game.values, n=1)
        evaluate(game.replace(values=counted[game.values]), key, masks, PLAN)
    assert len(counted) == 1


@pytest.mark.parametrize(
    ("training", "options", "sentence"),
    [
        ({}, {"inner_rounds": 0}, "inner_rounds=0 to be an integer >= 1"),
        ({"algorithm": fedavg(tol=0.1)}, {}, "tol=0.1 to be None"),
        (
            {"participation": uniform(participants=5)},
            {},
            "participants=5 to be an integer >= 1 and <= 4",
        ),
        ({}, {"metric": "loss"}, "metric='loss' to be a metric of the task 'classification'"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(training, options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        rounds(federation(SIZES), Training(linear(), **training), **options)


def test_a_run_without_anybody_is_refused():
    run = run_of(federation(SIZES), trace(available=((0, 0, 0, 0),)), length=1)
    with pytest.raises(InvalidInputError, match="somebody to take part in some round"):
        estimate_rounds(run, exact())


def test_only_coalitions_that_hold_a_member_that_diverges_are_refused_and_not_stored():
    rng = np.random.default_rng(0)
    clients = [(rng.normal(size=(12, 3)) * scale, np.arange(12) % 2) for scale in (1.0, 1.0, 1e30)]
    data = from_arrays(clients, clients[0])
    training = Training(linear(), local(learning_rate=1e9, steps=3), fedavg(max_rounds=1))
    run = rounds(data, training, metric="negative_loss")
    first = next(run.play(jax.random.key(0)))
    store = UtilityStore()
    sentence = r"coalitions \[2\], \[1, 2\], \[0, 2\], \[0, 1, 2\] are not: training"
    with pytest.raises(InvalidInputError, match=sentence):
        evaluate(first.game, jax.random.key(0), all_subsets(3), store=store)
    assert_array_equal(store.known(all_subsets(3)), ~all_subsets(3)[:, 2])
