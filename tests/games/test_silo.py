"""The cross-silo game: each coalition trains alone as in the naive loops, valued by its model."""

from functools import cache

import chex
import jax
import numpy as np
import oracle
import pytest
from federations import (
    CLASSES,
    FEATURES,
    clients_of,
    drawn_batches,
    examples,
    federation,
    initial,
    layers,
    metric_of,
    sgd,
    widened,
)
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.exact import shapley_values

each_layout = pytest.mark.parametrize("layout", ["client", "coalition"])
EVERY = all_subsets(3)


@pytest.fixture
def double():
    """64-bit JAX: references are float64."""
    with jax.enable_x64(True):
        yield


def plan(layout, chunk=8):
    """One slot width, so that each layout compiles one program."""
    return Plan(chunk=chunk, layout=layout, buckets=1)


def softmax_regression(
    data, *, rounds=4, steps=3, weights="examples", metric="negative_loss", **options
):
    """A game of softmax regressions under full-batch training from one arbitrary initial model."""
    training = Training(
        linear(),
        local(learning_rate=0.3, steps=steps),
        fedavg(weights=weights, max_rounds=rounds, **options),
        initial=initial(FEATURES, CLASSES),
    )
    return silo(data, training, metric=metric)


def oracle_table(data, *, rounds=4, steps=3, metric=oracle.negative_loss, **options):
    start = layers(initial(FEATURES, CLASSES))
    return oracle.silo_table(
        start, clients_of(data), rounds, sgd(0.3, steps), metric_of(data, metric), **options
    )


@pytest.mark.parametrize(("layout", "weights"), [("client", "uniform"), ("coalition", "examples")])
def test_utilities_of_all_coalitions_are_the_oracles(layout, weights, key):
    data = federation()
    utilities = evaluate(
        softmax_regression(data, weights=weights), key, EVERY, plan(layout, chunk=3)
    )
    assert_allclose(utilities, oracle_table(data, weights=weights), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("layout", "weights"), [("client", "examples"), ("coalition", "uniform")])
def test_utilities_in_float64_are_the_oracles_to_rounding(layout, weights, key, double):
    data = federation()
    utilities = evaluate(
        widened(softmax_regression(data, weights=weights)), key, EVERY, plan(layout)
    )
    assert_allclose(utilities, oracle_table(data, weights=weights), atol=1e-12, rtol=0)


@each_layout
def test_nobody_is_worth_the_untrained_model_and_so_are_members_without_weight(layout, key, double):
    data = federation()
    weights = (0.0, 0.25, 2.0)
    utilities = evaluate(
        widened(softmax_regression(data, weights=weights)), key, EVERY, plan(layout)
    )
    assert_allclose(utilities, oracle_table(data, weights=weights), atol=1e-12, rtol=0)
    untrained = metric_of(data)(layers(initial(FEATURES, CLASSES)))
    assert_allclose(utilities[:2], untrained, rtol=1e-12)
    assert_allclose(utilities[3::2], utilities[2::2], rtol=1e-12)
    assert np.abs(utilities[2:] - untrained).min() > 1e-2


def test_accuracy_is_the_oracles(key, double):
    data = federation()
    utilities = evaluate(widened(softmax_regression(data, metric="accuracy")), key, EVERY)
    assert_allclose(utilities, oracle_table(data, metric=oracle.accuracy), atol=1e-7, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "rate", "naive", "layout"),
    [
        ("sgd", None, 0.1, oracle.local_sgd, "client"),
        ("sgd", {"momentum": 0.9}, 0.1, oracle.local_momentum, "coalition"),
        ("adam", None, 0.02, oracle.local_adam, "client"),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_an_mlp_on_mini_batches_is_the_oracles_for_the_same_batches(
    name, options, rate, naive, layout, key, double
):
    data = federation()
    batch_size = 5
    epochs = 2
    start = initial(FEATURES, 5, CLASSES)
    training = Training(
        mlp(hidden=(5,)),
        local(
            optimizer=name,
            options=options,
            learning_rate=rate,
            batch_size=batch_size,
            epochs=epochs,
        ),
        fedavg(max_rounds=3),
        initial=start,
    )
    game = widened(silo(data, training, metric="negative_loss"))

    @cache
    def batches(round_, client, size):
        return drawn_batches(
            key,
            round_,
            client,
            num_rows=int(data.sizes.max()),
            size=size,
            batch_size=batch_size,
            steps=epochs * -(-size // batch_size),
        )

    def one(params, x, y, client, round_):
        rows = batches(round_, client, len(y))
        return naive(params, x, y, len(rows), rate, batches=rows)

    expected = oracle.silo_table(layers(start), clients_of(data), 3, one, metric_of(data))
    assert_allclose(evaluate(game, key, EVERY, plan(layout)), expected, atol=1e-11, rtol=0)


@each_layout
def test_clients_do_their_own_numbers_of_steps_and_an_idle_one_uploads_what_it_received(
    layout, key, double
):
    data = federation(idle=[False, True, False])
    steps = (3, 5, 1)
    expected = oracle.silo_table(
        layers(initial(FEATURES, CLASSES)),
        clients_of(data),
        4,
        lambda params, x, y, client, round_: oracle.local_sgd(params, x, y, steps[client], 0.3),
        metric_of(data),
        idle={1},
    )
    utilities = evaluate(widened(softmax_regression(data, steps=steps)), key, EVERY, plan(layout))
    assert_allclose(utilities, expected, atol=1e-12, rtol=0)
    assert utilities[2] == utilities[0]


@each_layout
def test_an_idle_member_does_not_count_in_the_training_loss(layout, key, double):
    """It meets no loss; the loss of a round is that of the members who trained, weighted as their
    uploads are."""
    data = federation(idle=[False, True, False])
    training = Training(
        linear(),
        local(learning_rate=0.3),
        fedavg(max_rounds=1),
        initial=initial(FEATURES, CLASSES),
    )
    game = curves(data, training, metric="negative_loss")
    losses = evaluate(widened(game), key, EVERY, plan(layout))[:, 0, 0]
    alone = [oracle.loss(layers(initial(FEATURES, CLASSES)), x, y) for x, y in clients_of(data)]
    both = np.average([alone[0], alone[2]], weights=[7, 4])
    assert_allclose(losses, [0, alone[0], 0, alone[0], alone[2], both, alone[2], both], atol=1e-12)


def test_one_client_alone_is_plain_gradient_descent(key, double):
    data = federation((9,))
    x, y = clients_of(data)[0]
    params = layers(initial(FEATURES, CLASSES))
    for _ in range(4 * 3):
        params = [
            (k - 0.3 * gk, b - 0.3 * gb)
            for (k, b), (gk, gb) in zip(params, oracle.gradient(params, x, y))
        ]
    (utility,) = evaluate(widened(softmax_regression(data)), key, np.ones((1, 1), bool))
    assert_allclose(utility, metric_of(data)(params), atol=1e-12)


@each_layout
def test_twins_get_equal_values(layout, key, double):
    one = examples(8, 1)
    other = examples(11, 2)
    data = from_arrays([one, other, one], examples(40, 3), num_classes=CLASSES)
    values = shapley_values(evaluate(widened(softmax_regression(data)), key, EVERY, plan(layout)))
    assert_allclose(values[0], values[2], atol=1e-13)
    assert abs(values[0] - values[1]) > 1e-3


@each_layout
def test_each_coalition_stops_where_the_oracle_stops_it_on_its_own(layout, key, double):
    data = federation((7, 12, 4, 20))
    rounds = 30
    rule = {"tol": 0.04, "patience": 2}
    start = layers(initial(FEATURES, CLASSES))
    masks = all_subsets(4)
    training = Training(
        linear(),
        local(learning_rate=0.5, steps=2),
        fedavg(max_rounds=rounds, **rule),
        initial=initial(FEATURES, CLASSES),
    )
    game = silo(data, training, metric="negative_loss")
    followed = curves(data, training, metric="negative_loss")
    utilities = evaluate(widened(game), key, masks, plan(layout, chunk=7))
    traces = evaluate(widened(followed), key, masks, plan(layout, chunk=7))
    lengths = []
    for mask, utility, (losses, going, _, observed) in zip(masks, utilities, traces):
        members = tuple(np.flatnonzero(mask))
        params, expected = oracle.fedavg(
            start, clients_of(data), members, rounds, sgd(0.5, 2), **rule
        )
        length = int(going.sum())
        worth = metric_of(data)(params)
        assert_allclose(utility, worth, atol=1e-11)
        if members:
            assert_array_equal(going, np.arange(rounds) < len(expected))
            assert_allclose(losses[: len(expected)], expected, atol=1e-11)
        assert_array_equal(losses[length:], losses[length - 1])
        assert_allclose(observed[length - 1 :], worth, atol=1e-11)
        lengths.append(length)
    assert len(set(lengths[1:])) > 3, "the coalitions should stop at different rounds"
    assert max(lengths) < rounds


def test_initial_parameters_are_drawn_from_the_key_unless_given():
    def start(**options):
        training = Training(mlp(hidden=(5,)), **options)
        return jax.tree.leaves(silo(federation(), training).world.initial)

    drawn, again, others = (start(key=jax.random.key(seed)) for seed in (0, 0, 1))
    chex.assert_trees_all_equal(drawn, again)
    assert not any(np.array_equal(a, b) for a, b in zip(drawn, others) if np.any(a))
    given = initial(FEATURES, 5, CLASSES)
    chex.assert_trees_all_equal(start(initial=given), jax.tree.leaves(given))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"metric": "acuracy"},
            "metric='acuracy' to be a metric of the task 'classification'; did you mean 'accuracy'",
        ),
        ({"metric": "rmse"}, "metric='rmse' to be a metric of the task 'classification'"),
        ({"report": "last"}, "report='last' to be a known name"),
        ({"skip_rounds": 20}, "skip_rounds=20 to be an integer >= 0 and <= 19"),
        ({"empty": float("nan")}, "empty=nan to be a finite number"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        silo(federation(), Training(linear()), **options)
