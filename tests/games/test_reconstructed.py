"""One game for a whole run: coalitions made of its uploads are those of the naive loop."""

import jax
import numpy as np
import oracle
import pytest
from federations import (
    CLASSES,
    FEATURES,
    clients_of,
    examples,
    federation,
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
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.participation import trace
from fedjax_shap.learning.training import Training
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.run import run
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.in_run import estimate_rounds

SIZES = (7, 12, 4, 9)
ALWAYS = ((1, 1, 1, 1),) * 3
PARTLY = ((1, 0, 0, 1), (0, 1, 1, 1), (0, 0, 0, 0), (1, 0, 0, 1), (0, 1, 0, 0))
KEY = jax.random.key(0)


def training_of(available, *, model=None, rate=0.3, initial=None):
    """Two full-batch steps a round, in which those `available` take part."""
    return Training(
        model or linear(),
        local(learning_rate=rate, steps=2),
        fedavg(max_rounds=len(available)),
        participation=trace(available=available),
        initial=initial,
    )


def game_of(available, **options):
    """The game of a run of four clients."""
    data = federation(SIZES)
    return reconstructed(data, training_of(available, **options), metric="negative_loss")


def oracle_table(available, start):
    """V of all 16 coalitions: S follows the mean of the updates of its own participants."""
    data = federation(SIZES)
    clients = clients_of(data)
    worth = metric_of(data)
    train = sgd(0.3, 2)
    models = [start] * 16
    x_t = start
    for index, row in enumerate(available):
        there = tuple(np.flatnonzero(row).tolist())
        sent = {i: train(x_t, *clients[i], i, index)[0] for i in there}
        for coalition in range(16):
            members = [i for i in oracle.members(coalition, range(4)) if i in there]
            for i in members:
                share = SIZES[i] / sum(SIZES[j] for j in members)
                models[coalition] = [
                    (M + share * (k - K), N + share * (b - B))
                    for (M, N), (k, b), (K, B) in zip(models[coalition], sent[i], x_t)
                ]
        x_t = oracle.fedavg(x_t, clients, there, 1, train, first_round=index)[0]
    return np.array([worth(model) for model in models])


@pytest.mark.parametrize("available", [ALWAYS, PARTLY], ids=["always", "partly"])
@pytest.mark.parametrize("hidden", [(), (5,)], ids=["softmax", "mlp"])
def test_utilities_of_all_coalitions_are_those_of_the_naive_loop(available, hidden):
    start = initial(FEATURES, *hidden, CLASSES)
    game = game_of(available, model=mlp(hidden=hidden), initial=start)
    expected = oracle_table(available, layers(start))
    for layout in ("client", "coalition"):
        utilities = evaluate(game, KEY, all_subsets(4), Plan(layout=layout, chunk=16, buckets=1))
        assert_allclose(utilities, expected, atol=2e-6)


@pytest.mark.parametrize("available", [ALWAYS, PARTLY], ids=["always", "partly"])
def test_nobody_makes_the_first_model_of_the_run_and_everybody_the_last(available):
    training = training_of(available, initial=initial(FEATURES, CLASSES))
    followed = rounds(federation(SIZES), training, metric="negative_loss")
    by_rounds = estimate_rounds(followed, exact())
    game = reconstructed(federation(SIZES), training, metric="negative_loss")
    at_once = estimate(game, exact())
    assert_allclose([at_once.empty, at_once.grand], [by_rounds.empty, by_rounds.grand], atol=2e-6)
    assert_allclose(at_once.values.sum(), by_rounds.values.sum(), atol=5e-6)


def test_a_run_of_one_round_is_that_round():
    start = initial(FEATURES, CLASSES)
    training = Training(
        linear(), local(learning_rate=0.3, steps=2), fedavg(max_rounds=1), initial=start
    )
    one = rounds(federation(SIZES), training, metric="negative_loss")
    values = estimate(game_of(ALWAYS[:1], initial=start), exact()).values
    assert_allclose(values, estimate_rounds(one, exact()).values, atol=1e-6)


def test_rounds_of_the_same_participants_share_their_sums():
    assert len(game_of(ALWAYS).world.weights) == 4
    partly = game_of(PARTLY).world
    assert len(partly.weights) == 3 * 3  # three sets of participants, room for three in each
    assert_array_equal(np.bincount(np.asarray(partly.group)), [3, 3, 3])


def test_a_client_that_never_took_part_is_worth_exactly_nothing():
    never = tuple((*row[:2], 0, row[3]) for row in PARTLY)
    assert estimate(game_of(never), exact()).values[2] == 0.0


def test_only_coalitions_that_hold_an_update_that_diverged_are_nan():
    clients = [examples(9, client) for client in range(3)]
    x, y = clients[2]
    clients[2] = (x * 1e30, y)
    data = from_arrays(clients, examples(40, 99))
    game = reconstructed(data, training_of(((1, 1, 1),), rate=1e9), metric="negative_loss")
    utilities = evaluate(game, KEY, all_subsets(3), on_nonfinite="keep")
    assert_array_equal(np.isnan(utilities), all_subsets(3)[:, 2])


def test_mini_batches_are_those_of_the_key_given_for_them():
    training = Training(linear(), local(batch_size=3, epochs=2), fedavg(max_rounds=2))

    def utilities(seed):
        game = reconstructed(
            federation(SIZES), training, metric="negative_loss", batches=jax.random.key(seed)
        )
        return evaluate(game, KEY, all_subsets(4))

    one, again, other = (utilities(seed) for seed in (1, 1, 2))
    assert_array_equal(one, again)
    assert np.abs(one - other)[1:].min() > 1e-6


def test_a_configuration_runs_it_with_partial_participation():
    raw = {
        "partition": {"name": "iid", "num_clients": 4},
        "algorithm": {"max_rounds": 3},
        "participation": {"name": "uniform", "participants": 2},
        "game": {"name": "reconstructed", "metric": "negative_loss"},
    }
    result = run(parse(raw))
    assert abs(result.attribution.efficiency_gap) < 1e-12
    assert result.attribution.num_coalitions == 16
    assert result.curve.federated.shape == (3,)


def test_a_run_without_anybody_and_an_early_stop_are_refused():
    with pytest.raises(InvalidInputError, match="somebody to take part in some round"):
        game_of(((0, 0, 0, 0),))
    with pytest.raises(InvalidInputError, match=r"tol=0.1 to be None"):
        reconstructed(federation(SIZES), Training(linear(), algorithm=fedavg(tol=0.1)))
