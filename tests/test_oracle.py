"""The oracle against itself, against closed forms and against sklearn and optax in float64."""

from fractions import Fraction
from itertools import pairwise

import jax
import numpy as np
import optax
import oracle
import pytest
from chex import assert_trees_all_close
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

WIDTHS = {"softmax regression": (4, 3), "mlp": (4, 5, 3), "deep mlp": (4, 6, 5, 3)}


def network(widths, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(d, h)), 0.3 * rng.normal(size=h)) for d, h in pairwise(widths)]


def examples(count, seed, classes=3, features=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, features)), rng.integers(0, classes, count)


def sgd(steps, learning_rate=0.3):
    return lambda params, x, y, client, round_: oracle.local_sgd(params, x, y, steps, learning_rate)


@pytest.fixture
def clients():
    return [examples(count, seed=10 + count) for count in (6, 9, 4)]


@pytest.fixture
def held_out():
    return examples(50, seed=99)


@pytest.mark.parametrize("widths", WIDTHS.values(), ids=WIDTHS)
def test_gradients_are_the_finite_differences_of_the_loss(widths):
    params = network(widths)
    x, y = examples(7, seed=1)
    gradient = oracle.gradient(params, x, y)
    for layer in range(len(params)):
        for leaf in (0, 1):
            for place in np.ndindex(params[layer][leaf].shape):
                nudged = []
                for step in (1e-6, -1e-6):
                    copy = [[kernel.copy(), bias.copy()] for kernel, bias in params]
                    copy[layer][leaf][place] += step
                    nudged.append(oracle.loss(copy, x, y))
                slope = (nudged[0] - nudged[1]) / 2e-6
                assert_allclose(gradient[layer][leaf][place], slope, rtol=1e-6, atol=1e-8)


def test_loss_and_metrics_are_those_of_sklearn(held_out):
    x, y = held_out
    logits = oracle.forward(network((4, 3)), x)
    assert_allclose(
        oracle.negative_loss(logits, y), -log_loss(y, oracle.probabilities(logits)), rtol=1e-12
    )
    assert_allclose(
        oracle.balanced_accuracy(logits, y), balanced_accuracy_score(y, logits.argmax(axis=1))
    )
    assert oracle.accuracy(logits, y) == (logits.argmax(axis=1) == y).mean()
    some = y < 2  # the third class does not occur
    expected = np.mean([(logits[y == c].argmax(axis=1) == c).mean() for c in (0, 1)])
    assert_allclose(oracle.balanced_accuracy(logits[some], y[some]), expected)


def test_roc_auc_is_sklearns_with_and_without_ties():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    for scores in (rng.normal(size=60), rng.integers(0, 4, 60).astype(float), np.zeros(60)):
        logits = np.stack([np.zeros(60), scores], axis=1)
        assert_allclose(oracle.roc_auc(logits, y), roc_auc_score(y, scores), rtol=1e-12)


@pytest.mark.parametrize(
    ("local", "optimizer"),
    [
        (oracle.local_sgd, optax.sgd(0.05)),
        (oracle.local_momentum, optax.sgd(0.05, momentum=0.9)),
        (oracle.local_adam, optax.adam(0.05)),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_local_optimisers_take_the_steps_of_optax(local, optimizer):
    start = network((4, 5, 3))
    x, y = examples(12, seed=3)
    batches = np.random.default_rng(4).integers(0, 12, (6, 5))
    trained, losses = local(start, x, y, 6, 0.05, batches=batches)
    with jax.enable_x64(True):
        params = jax.tree.map(jax.numpy.asarray, start)
        expected = []
        state = optimizer.init(params)
        for rows in batches:
            host = jax.tree.map(np.asarray, params)
            expected.append(oracle.loss(host, x[rows], y[rows]))
            gradients = oracle.gradient(host, x[rows], y[rows])
            updates, state = optimizer.update(gradients, state, params)
            params = optax.apply_updates(params, updates)
        assert_trees_all_close(trained, params, rtol=1e-10, atol=1e-12)
    assert_allclose(losses, expected, rtol=1e-10)


def test_one_full_batch_step_by_example_counts_is_gradient_descent_on_the_pooled_data(clients):
    start = network((4, 5, 3))
    x, y = (np.concatenate(parts) for parts in zip(*clients))
    federated, trace = oracle.fedavg(start, clients, (0, 1, 2), 5, sgd(1))
    pooled, losses = oracle.local_sgd(start, x, y, 5, 0.3)
    assert_trees_all_close(federated, pooled, rtol=1e-12, atol=1e-12)
    assert_allclose(trace, losses, rtol=1e-12)


def test_weights_by_count_uniform_and_given_make_different_means(clients):
    start = network((4, 3))
    coalition = (0, 2)
    uploads = [sgd(4)(start, *clients[i], i, 0)[0] for i in coalition]
    shares = {"examples": 6 / 10, "uniform": 1 / 2, (3.0, 7.0, 1.0): 3 / 4}
    for weights, first in shares.items():
        mixed, _ = oracle.fedavg(start, clients, coalition, 1, sgd(4), weights)
        expected = [
            (first * K + (1 - first) * k, first * B + (1 - first) * b)
            for (K, B), (k, b) in zip(*uploads)
        ]
        assert_trees_all_close(mixed, expected, rtol=1e-12)


def test_a_round_reports_the_weighted_mean_of_what_members_saw_before_their_steps(clients):
    start = network((4, 3))
    _, trace = oracle.fedavg(start, clients, (0, 1), 1, sgd(3))
    seen = [np.mean(oracle.local_sgd(start, *clients[i], 3, 0.3)[1]) for i in (0, 1)]
    assert_allclose(trace, [(6 * seen[0] + 9 * seen[1]) / 15], rtol=1e-12)


def test_training_stops_after_patience_calm_rounds_with_the_last_rounds_model(clients):
    start = network((4, 3))
    everyone = (0, 1, 2)
    tol = 0.02
    _, full = oracle.fedavg(start, clients, everyone, 60, sgd(2))
    calm = [abs(b - a) <= tol * abs(a) for a, b in pairwise(full)]
    third_calm = next(t for t in range(2, 59) if all(calm[t - 2 : t + 1]))
    stop = third_calm + 2  # rounds run
    assert stop < 60
    stopped, trace = oracle.fedavg(start, clients, everyone, 60, sgd(2), tol=tol, patience=3)
    expected, _ = oracle.fedavg(start, clients, everyone, stop, sgd(2))
    assert_array_equal(trace, full[:stop])
    assert_trees_all_close(stopped, expected, rtol=0)


def test_calm_rounds_count_only_in_a_row(clients):
    script = [10.0, 10.5, 20.0, 20.5, 21.0, 50.0]  # calm to a tenth: yes, no, yes, yes

    def local(params, x, y, client, round_):
        return params, [script[round_]]

    _, trace = oracle.fedavg(network((4, 3)), clients, (0,), 6, local, tol=0.1, patience=2)
    assert trace == script[:5]


def test_nobody_and_weight_zero_leave_the_initial_model(clients):
    start = network((4, 3))
    assert oracle.fedavg(start, clients, (), 3, sgd(2)) == (start, [])
    assert oracle.fedavg(start, clients, (0, 1), 3, sgd(2), weights=[0.0, 0.0, 1.0]) == (start, [])


def test_idle_members_upload_what_they_received_and_count_by_their_weight(clients):
    start = network((4, 3))
    mixed, trace = oracle.fedavg(start, clients, (0, 1), 1, sgd(2), "uniform", idle={1})
    moved, losses = sgd(2)(start, *clients[0], 0, 0)
    expected = [((K + k) / 2, (B + b) / 2) for (K, B), (k, b) in zip(start, moved)]
    assert_trees_all_close(mixed, expected, rtol=1e-12)
    assert_allclose(trace, [(np.mean(losses) + oracle.loss(start, *clients[1])) / 2], rtol=1e-12)


def test_tables_are_in_binary_order():
    assert_array_equal(
        oracle.table_of(lambda S: sum(10**i for i in S), 3), [0, 1, 10, 11, 100, 101, 110, 111]
    )


def test_silo_tables_value_each_coalition_by_its_own_training(clients, held_out):
    start = network((4, 3))
    metric = oracle.scored(oracle.negative_loss, *held_out)
    table = oracle.silo_table(start, clients, 3, sgd(2), metric, weights="uniform")
    assert table[0] == metric(start)
    params = start
    for _ in range(3):
        params, _ = sgd(2)(params, *clients[1], 1, 0)
    assert_allclose(table[0b010], metric(params), rtol=1e-12)
    assert table[0b101] == metric(oracle.fedavg(start, clients, (0, 2), 3, sgd(2), "uniform")[0])
    assert len(set(table)) == 8


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_the_formula_is_the_mean_over_orders_and_is_efficient(n):
    table = np.random.default_rng(n).normal(size=2**n)
    values = oracle.shapley(table)
    assert_allclose(values, oracle.shapley_by_permutations(table), rtol=1e-12, atol=1e-12)
    assert_allclose(values.sum(), table[-1] - table[0], rtol=1e-12, atol=1e-12)


GAMES = {
    "additive": (
        lambda S: sum((3, -1, 0.5, 2)[i] for i in S),
        4,
        oracle.additive_answer((3, -1, 0.5, 2)),
    ),
    "airport": (
        lambda S: max(((4, 1, 0, 4, 2.5)[i] for i in S), default=0),
        5,
        oracle.airport_answer((4, 1, 0, 4, 2.5)),
    ),
    "glove 2:5": (
        lambda S: min(sum(i < 2 for i in S), sum(i >= 2 for i in S)),
        7,
        oracle.glove_answer(2, 5),
    ),
    "glove 4:2": (
        lambda S: min(sum(i < 4 for i in S), sum(i >= 4 for i in S)),
        6,
        oracle.glove_answer(4, 2),
    ),
    "glove 3:3": (
        lambda S: min(sum(i < 3 for i in S), sum(i >= 3 for i in S)),
        6,
        oracle.glove_answer(3, 3),
    ),
    "glove 0:2": (lambda S: 0, 2, oracle.glove_answer(0, 2)),
    "voting": (
        lambda S: sum((4, 3, 2, 1, 0)[i] for i in S) >= 6,
        5,
        oracle.voting_answer((4, 3, 2, 1, 0), 6),
    ),
}


@pytest.mark.parametrize(("value", "n", "answer"), GAMES.values(), ids=GAMES)
def test_closed_forms_are_the_values_of_their_games_by_both_definitions(value, n, answer):
    table = oracle.table_of(value, n)
    expected = [float(a) for a in answer]
    assert_allclose(oracle.shapley(table), expected, rtol=1e-12, atol=1e-14)
    assert_allclose(oracle.shapley_by_permutations(table), expected, rtol=1e-12, atol=1e-14)


def test_textbook_answers_are_met_exactly():
    sixth = Fraction(1, 6)
    assert oracle.glove_answer(2, 1) == [sixth, sixth, 4 * sixth]
    assert oracle.voting_answer((50, 49, 1), 51) == [4 * sixth, sixth, sixth]
    assert oracle.airport_answer((1, 2, 3)) == [2 * sixth, 5 * sixth, 11 * sixth]


def test_values_of_rounds_are_efficient_and_absent_players_get_nothing(clients, held_out):
    metric = oracle.scored(oracle.negative_loss, *held_out)
    participants = [(0, 1, 2), (0, 2), (1,), ()]
    for inner in (1, 2):
        values, metrics = oracle.rounds_values(
            network((4, 3)), clients, participants, sgd(2), "examples", metric, inner_rounds=inner
        )
        assert_allclose(values.sum(axis=1), np.diff(metrics), atol=1e-12)
        assert_array_equal(
            values == 0, [[False] * 3, [False, True, False], [True, False, True], [True] * 3]
        )


def test_a_single_round_of_everyone_is_the_silo_game_of_one_round(clients, held_out):
    start = network((4, 3))
    metric = oracle.scored(oracle.negative_loss, *held_out)
    values, _ = oracle.rounds_values(
        start, clients, [(0, 1, 2)], sgd(2), "uniform", metric, inner_rounds=3
    )
    table = oracle.silo_table(start, clients, 3, sgd(2), metric, weights="uniform")
    assert_array_equal(values[0], oracle.shapley(table))


def test_rounds_move_on_with_the_model_of_all_participants(clients, held_out):
    start = network((4, 3))
    metric = oracle.scored(oracle.accuracy, *held_out)
    rounds = []

    def local(params, x, y, client, round_):
        rounds.append(round_)
        return oracle.local_sgd(params, x, y, 2, 0.3)

    _, metrics = oracle.rounds_values(
        start, clients, [(0, 1, 2)] * 2, local, "examples", metric, inner_rounds=2
    )
    assert set(rounds) == {0, 1, 2, 3}
    assert metrics[-1] == metric(oracle.fedavg(start, clients, (0, 1, 2), 4, sgd(2))[0])


def test_payments_sum_to_the_revenue_exactly_and_profits_are_in_the_ratio_of_the_values():
    values = (0.3, 0.1, 0.25)
    costs = (10.1, 0, 7)
    revenue = 100
    payments = oracle.exact_payment(values, costs, revenue)
    profits = [r - Fraction(c) for r, c in zip(payments, costs)]
    assert sum(payments) == revenue
    for i in range(3):
        for j in range(3):
            assert profits[i] * Fraction(values[j]) == profits[j] * Fraction(values[i])
    assert oracle.exact_payment((2, 1, 1), (1, 2, 3), 10) == [3, 3, 4]
