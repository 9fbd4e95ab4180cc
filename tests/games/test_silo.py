"""The cross-silo game: each coalition trains alone as the naive loops say, and is worth what its model is worth."""

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
from fedjax_shap.learning.algorithm import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.shapley.exact import shapley_values

each_layout = pytest.mark.parametrize("layout", ["client", "coalition"])
EVERY = all_subsets(3)


@pytest.fixture
def double():
    """64-bit JAX: references are float64."""
    with jax.enable_x64(True):
        yield


def softmax_regression(data, *, rounds=4, steps=3, weights="examples", metric="negative_loss", **options):
    """A game of softmax regressions under full-batch training from one arbitrary initial model."""
    training = local(learning_rate=0.3, steps=steps)
    start = initial(FEATURES, CLASSES)
    return silo(data, linear(), training, fedavg(weights=weights, max_rounds=rounds, **options), metric=metric, initial=start)


def oracle_table(data, *, rounds=4, steps=3, metric=oracle.negative_loss, **options):
    start = layers(initial(FEATURES, CLASSES))
    return oracle.silo_table(start, clients_of(data), rounds, sgd(0.3, steps), metric_of(data, metric), **options)


@each_layout
@pytest.mark.parametrize("weights", ["examples", "uniform"])
def test_utilities_of_all_coalitions_are_the_oracles(layout, weights, key):
    data = federation()
    utilities = evaluate(softmax_regression(data, weights=weights), key, EVERY, Plan(chunk=3, layout=layout))
    assert_allclose(utilities, oracle_table(data, weights=weights), atol=1e-5, rtol=0)


@each_layout
@pytest.mark.parametrize("weights", ["examples", (0.0, 0.25, 2.0)], ids=["examples", "given"])
def test_utilities_in_float64_are_the_oracles_to_rounding(layout, weights, key, double):
    data = federation()
    game = widened(softmax_regression(data, weights=weights))
    utilities = evaluate(game, key, EVERY, Plan(layout=layout))
    assert_allclose(utilities, oracle_table(data, weights=weights), atol=1e-12, rtol=0)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_hit_rates_are_the_oracles(metric, key, double):
    data = federation()
    utilities = evaluate(widened(softmax_regression(data, metric=metric)), key, EVERY)
    assert_allclose(utilities, oracle_table(data, metric=getattr(oracle, metric)), atol=1e-6, rtol=0)


@each_layout
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_an_mlp_on_mini_batches_is_the_oracles_for_the_same_batches(layout, optimizer, key, double):
    data, batch_size, epochs = federation(), 5, 2
    options = {"momentum": 0.9} if optimizer == "momentum" else None
    name, rate = ("adam", 0.02) if optimizer == "adam" else ("sgd", 0.1)
    training = local(optimizer=name, options=options, learning_rate=rate, batch_size=batch_size, epochs=epochs)
    start, widest = initial(FEATURES, 5, CLASSES), int(data.sizes.max())
    step = {"sgd": oracle.local_sgd, "momentum": oracle.local_momentum, "adam": oracle.local_adam}[optimizer]

    def one(params, x, y, client, round_):
        steps = epochs * -(-len(y) // batch_size)
        rows = drawn_batches(key, round_, client, num_rows=widest, size=len(y), batch_size=batch_size, steps=steps)
        return step(params, x, y, steps, rate, batches=rows)

    game = widened(silo(data, mlp(hidden=(5,)), training, fedavg(max_rounds=3), metric="negative_loss", initial=start))
    expected = oracle.silo_table(layers(start), clients_of(data), 3, one, metric_of(data))
    assert_allclose(evaluate(game, key, EVERY, Plan(chunk=5, layout=layout)), expected, atol=1e-10, rtol=0)


@each_layout
def test_clients_with_their_own_numbers_of_steps_are_the_oracles(layout, key, double):
    data, steps = federation(), (3, 1, 0)
    expected = oracle.silo_table(
        layers(initial(FEATURES, CLASSES)),
        clients_of(data),
        4,
        lambda params, x, y, client, round_: oracle.local_sgd(params, x, y, steps[client], 0.3),
        metric_of(data),
    )
    utilities = evaluate(widened(softmax_regression(data, steps=steps)), key, EVERY, Plan(layout=layout))
    assert_allclose(utilities, expected, atol=1e-12, rtol=0)


@each_layout
def test_an_idle_client_uploads_the_model_it_received(layout, key, double):
    data = federation(idle=[False, True, False])
    utilities = evaluate(widened(softmax_regression(data)), key, EVERY, Plan(layout=layout))
    assert_allclose(utilities, oracle_table(data, idle={1}), atol=1e-12, rtol=0)
    assert utilities[2] == utilities[0]


@each_layout
def test_nobody_is_worth_the_untrained_model_and_so_are_those_without_weight(layout, key):
    data = federation()
    utilities = evaluate(softmax_regression(data, weights=(0.0, 1.0, 0.0)), key, EVERY, Plan(layout=layout))
    untrained = metric_of(data)(layers(initial(FEATURES, CLASSES)))
    assert_allclose(utilities[[0, 1, 4, 5]], untrained, rtol=1e-6)
    assert abs(utilities[2] - untrained) > 1e-2


@each_layout
def test_one_client_alone_is_plain_gradient_descent(layout, key, double):
    data = federation((9,))
    (x, y), params = clients_of(data)[0], layers(initial(FEATURES, CLASSES))
    for _ in range(4 * 3):
        params = [(k - 0.3 * gk, b - 0.3 * gb) for (k, b), (gk, gb) in zip(params, oracle.gradient(params, x, y))]
    (utility,) = evaluate(widened(softmax_regression(data)), key, np.ones((1, 1), bool), Plan(layout=layout))
    assert_allclose(utility, metric_of(data)(params), atol=1e-12)


@each_layout
def test_twins_get_equal_values(layout, key):
    one, other = examples(8, 1), examples(11, 2)
    data = from_arrays([one, other, one], examples(40, 3), num_classes=CLASSES)
    table = evaluate(softmax_regression(data), key, EVERY, Plan(layout=layout))
    values = shapley_values(table)
    assert_allclose(values[0], values[2], atol=1e-6)
    assert abs(values[0] - values[1]) > 1e-3


def test_twins_get_equal_values_to_rounding_in_float64(key, double):
    one, other = examples(8, 1), examples(11, 2)
    data = from_arrays([one, other, one], examples(40, 3), num_classes=CLASSES)
    values = shapley_values(evaluate(widened(softmax_regression(data)), key, EVERY))
    assert_allclose(values[0], values[2], atol=1e-13)


@each_layout
def test_each_coalition_stops_where_the_oracle_stops_it_on_its_own(layout, key, double):
    data, rounds, rule = federation((7, 12, 4, 20)), 30, {"tol": 0.02, "patience": 2}
    start, masks = layers(initial(FEATURES, CLASSES)), all_subsets(4)
    settings = (linear(), local(learning_rate=0.5, steps=2), fedavg(max_rounds=rounds, **rule))
    game = silo(data, *settings, metric="negative_loss", initial=initial(FEATURES, CLASSES))
    followed = curves(data, *settings, metric="negative_loss", initial=initial(FEATURES, CLASSES))
    plan = Plan(chunk=7, layout=layout)
    utilities, traces = evaluate(widened(game), key, masks, plan), evaluate(widened(followed), key, masks, plan)
    lengths = []
    for mask, utility, (losses, observed, going) in zip(masks, utilities, traces):
        members = tuple(np.flatnonzero(mask))
        params, expected = oracle.fedavg(start, clients_of(data), members, rounds, sgd(0.5, 2), **rule)
        worth = metric_of(data)(params)
        assert_allclose(utility, worth, atol=1e-11)
        if members:
            assert_array_equal(going, np.arange(rounds) < len(expected))
            assert_allclose(losses[: len(expected)], expected, atol=1e-11)
        assert_array_equal(losses[int(going.sum()) :], losses[int(going.sum()) - 1])
        assert_allclose(observed[int(going.sum()) - 1 :], worth, atol=1e-11)
        lengths.append(int(going.sum()))
    assert len(set(lengths[1:])) > 3, "the coalitions should stop at different rounds"
    assert max(lengths) < rounds


def test_the_best_round_and_the_value_of_nobody_are_named_options(key):
    data = federation()
    settings = (linear(), local(learning_rate=4.0, steps=3), fedavg(max_rounds=6))
    start = {"initial": initial(FEATURES, CLASSES), "metric": "negative_loss"}
    observed = evaluate(curves(data, *settings, **start), key, EVERY)[:, 1]
    final = evaluate(silo(data, *settings, **start), key, EVERY)
    assert_allclose(final, observed[:, -1], rtol=1e-5)
    for skip in (0, 2):
        best = evaluate(silo(data, *settings, report="best", skip_rounds=skip, **start), key, EVERY)
        assert_allclose(best[1:], observed[1:, skip:].max(axis=1), rtol=1e-5)
        assert_allclose(best[0], final[0], rtol=1e-6)
    assert (observed.argmax(axis=1)[1:] < 5).any(), "the last round should not be the best everywhere"
    given = evaluate(silo(data, *settings, empty=-7.5, **start), key, EVERY)
    assert given[0] == -7.5
    assert_allclose(given[1:], final[1:], rtol=1e-6)


def test_initial_parameters_are_drawn_from_the_key_unless_given(key):
    data, nobody = federation(), EVERY[:1]

    def untrained(**options):
        game = silo(data, mlp(hidden=(5,)), metric="negative_loss", **options)
        return evaluate(game, key, nobody)[0]

    drawn = [untrained(key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] == untrained() != drawn[2]
    given = initial(FEATURES, 5, CLASSES)
    assert_allclose(untrained(initial=given), metric_of(data)(layers(given)), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metric": "acuracy"}, "metric='acuracy' to be a known name; did you mean 'accuracy'"),
        ({"metric": "roc_auc"}, "metric='roc_auc' to be used on two classes that both occur, got 3 classes"),
        ({"report": "last"}, "report='last' to be a known name"),
        ({"skip_rounds": 20}, "skip_rounds=20 to be an integer >= 0 and <= 19"),
        ({"empty": float("nan")}, "empty=nan to be a finite number"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        silo(federation(), linear(), **options)
