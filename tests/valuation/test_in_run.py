"""Methods inside one run: rounds decayed, normalised and truncated; completed; followed to first
order."""

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
from fedjax_shap.data.corrupt import corrupt, duplicate
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.participation import trace
from fedjax_shap.learning.training import Training
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.run import attribution_of
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.in_run import estimate_rounds, multi_round
from fedjax_shap.valuation.in_run_methods import IN_RUN, comfedsv, taylor
from fedjax_shap.valuation.options import Options

SIZES = (7, 12, 4, 9)
TRACE = ((1, 1, 1, 1), (1, 0, 0, 1), (0, 0, 0, 0), (0, 1, 1, 1), (1, 0, 1, 0))
STEPS, RATE = 2, 0.3


def run_of(available=TRACE, *, data=None, rate=RATE, metric="negative_loss", **options):
    """A run of full-batch softmax regression, whose participants are given."""
    training = Training(
        linear(),
        local(learning_rate=rate, steps=STEPS),
        fedavg(max_rounds=len(available)),
        participation=trace(available=available),
        initial=initial(FEATURES, CLASSES),
    )
    data = federation(SIZES) if data is None else data
    return rounds(data, training, metric=metric, **options)


def oracle_rounds(available=TRACE, rate=RATE):
    """(values[R, 4], metrics[R + 1]) of the naive loops."""
    data = federation(SIZES)
    there = [tuple(np.flatnonzero(row)) for row in available]
    start = layers(initial(FEATURES, CLASSES))
    found = oracle.rounds_values(
        start, clients_of(data), there, sgd(rate, STEPS), "examples", metric_of(data)
    )
    return found[0], np.asarray(found[1])


def oracle_run(available):
    """[(x_t, {client: its upload}, x_{t+1})] for the rounds of a run in float64, each model one
    flat vector."""
    data, x_t = federation(SIZES), layers(initial(FEATURES, CLASSES))
    clients, followed = clients_of(data), []
    for index, row in enumerate(available):
        there = tuple(np.flatnonzero(row).tolist())
        sent = {i: sgd(RATE, STEPS)(x_t, *clients[i], i, index)[0] for i in there}
        after = oracle.fedavg(x_t, clients, there, 1, sgd(RATE, STEPS), first_round=index)[0]
        followed.append((x_t, sent, after))
        x_t = after
    return followed


def test_decayed_rounds_are_the_oracles_weighted_by_powers():
    values, metrics = oracle_rounds()
    found = estimate_rounds(run_of(), exact(), decay=0.6)
    assert_allclose(found.values, (0.6 ** np.arange(5)) @ values, atol=1e-5)
    assert_allclose([found.empty, found.grand], metrics[[0, -1]], atol=1e-5)


def test_normalised_rounds_are_the_oracles_over_their_sums_and_losing_rounds_count_nothing():
    uneven = ((1, 1, 1, 1), (0, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 0), (1, 1, 0, 1))
    values, _ = oracle_rounds(uneven, rate=1.0)
    sums = values.sum(axis=1)
    assert (sums < -1e-4).any() and (sums > 1e-4).any()
    counts = np.where(sums > 0, 1 / sums, 0.0) * 0.8 ** np.arange(5)
    found = estimate_rounds(run_of(uneven, rate=1.0), exact(), normalise=True, decay=0.8)
    assert_allclose(found.values, counts @ values, rtol=1e-3, atol=1e-4)


def test_truncated_rounds_are_not_valued_though_the_run_goes_on():
    values, metrics = oracle_rounds()
    stores = {}
    run = run_of()
    found = estimate_rounds(
        run,
        multi_round(decay=0.5, truncation=0.1),
        Options(stores=lambda part, _: stores.setdefault(part, UtilityStore())),
    )
    counts = 0.5 ** np.arange(5) * (0.5 ** np.arange(5) >= 0.1)
    assert_allclose(found.values, counts @ values, atol=1e-5)
    assert_allclose(found.grand, metrics[-1], atol=1e-5)
    assert [len(stores[f"round-000{t}"]) for t in (0, 1, 3, 4)] == [16, 4, 8, 1] and len(
        stores
    ) == 4
    assert found.num_coalitions == 28


def test_plain_multi_round_is_the_federated_shapley_value():
    assert_array_equal(
        estimate_rounds(run_of(), multi_round()).values, estimate_rounds(run_of(), exact()).values
    )


def test_standard_errors_of_rounds_are_weighted_as_their_values_are():
    run, budget = run_of(((1, 1, 1, 1),)), 14
    whole = estimate_rounds(run, permutation(), Options(budget=budget))
    assert (whole.std_errors > 0).any()
    shared = estimate_rounds(run, permutation(), Options(budget=budget), normalise=True)
    assert_allclose(shared.std_errors, whole.std_errors / whole.values.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    "name", [name for name in ("permutation", "group_testing") if name in ESTIMATORS]
)
def test_sampling_estimators_of_the_federated_value_are_within_their_errors(name):
    """Wang et al. 2020, algorithms 2 to 4: rounds valued by permutations, or by group testing."""
    run = run_of(((1, 1, 1, 1, 1, 1), (1, 0, 1, 1, 1, 1)), data=federation((7, 12, 4, 9, 8, 6)))
    expected = estimate_rounds(run, exact())
    found = estimate_rounds(run, ESTIMATORS[name](), Options(budget=30), key=jax.random.key(3))
    assert found.num_coalitions <= 60
    assert (found.std_errors > 0).all()
    assert (np.abs(found.values - expected.values) < 5 * found.std_errors + 1e-6).all()


def test_where_everyone_is_always_there_completion_of_full_rank_gives_the_exact_values():
    run = run_of(((1, 1, 1, 1),) * 3)
    expected = estimate_rounds(run, exact())
    found = estimate_rounds(run, comfedsv(rank=3, regularisation=1e-10))
    assert_allclose(found.values, expected.values, atol=1e-6)
    assert_allclose([found.empty, found.grand], [expected.empty, expected.grand], atol=1e-6)
    assert_array_equal(found.std_errors, 0)


def test_completion_by_orders_is_within_its_errors_of_the_exact_values_where_nothing_is_missing():
    run = run_of(((1,) * 7,), data=federation((7, 12, 4, 9, 8, 6, 10)))
    found = estimate_rounds(
        run, comfedsv(rank=1, regularisation=1e-10), Options(budget=98), key=jax.random.key(1)
    )
    expected = estimate_rounds(run, exact())
    assert "prefixes of 16 orders" in found.stopped
    away = (found.values - expected.values) / found.std_errors
    assert (np.abs(away) < 5).all() and 0.3 < np.sqrt((away**2).mean()) < 2
    assert_allclose(found.values.sum(), expected.values.sum(), atol=1e-6)


def test_coalitions_are_asked_for_only_among_those_who_took_part_and_within_the_budget():
    stores = {}
    run = run_of()
    estimate_rounds(
        run, comfedsv(), Options(stores=lambda part, _: stores.setdefault(part, UtilityStore()))
    )
    assert [len(stores[f"round-000{t}"]) for t in (0, 1, 3, 4)] == [16, 4, 8, 4] and len(
        stores
    ) == 4
    stores.clear()
    found = estimate_rounds(
        run,
        comfedsv(),
        Options(budget=11, stores=lambda part, _: stores.setdefault(part, UtilityStore())),
    )
    assert max(len(store) for store in stores.values()) <= 11
    assert found.num_coalitions == sum(len(store) for store in stores.values())


def test_twins_are_valued_nearly_alike_by_completion_and_apart_by_rounds():
    """Client 5 is a copy of client 0, and takes part in one round where 0 takes part in four."""
    data = corrupt(federation((12, 10, 8, 11, 9, 12)), [duplicate(client=5, of=0)], seed=0)
    pairs = (
        (1, 1, 0, 0, 0, 0),
        (1, 0, 1, 0, 0, 0),
        (0, 0, 0, 1, 0, 1),
        (1, 0, 0, 1, 0, 0),
        (1, 0, 0, 0, 1, 0),
    )
    run, gaps = run_of(((1, 1, 1, 1, 1, 1), *pairs), data=data), []
    for method in (exact(), comfedsv()):
        first, last = estimate_rounds(run, method).values[[0, 5]]
        gaps.append(abs(first - last) / max(first, last))
    assert gaps[1] < 0.3 * gaps[0]


def test_everyone_takes_part_in_the_first_round_where_completion_needs_it():
    assert_array_equal(run_of(TRACE[1:], everyone_first=True).present, ((1, 1, 1, 1), *TRACE[2:]))
    with pytest.raises(
        InvalidInputError, match=r"a round in which everyone takes part, .* set everyone_first"
    ):
        estimate_rounds(run_of(TRACE[1:]), comfedsv())


def inner(one, other):
    return sum((k * g).sum() + (b * h).sum() for (k, b), (g, h) in zip(one, other))


def test_first_order_values_are_minus_the_gradient_times_the_weighted_updates():
    found = estimate_rounds(run_of(), taylor())
    data, expected = federation(SIZES), np.zeros(4)
    held = [np.asarray(part) for part in data.validation]
    for x_t, sent, _ in oracle_run(TRACE):
        slope = oracle.gradient(x_t, held[0].astype(np.float64), held[1])
        for i, upload in sent.items():
            update = [(k - K, b - B) for (k, b), (K, B) in zip(upload, x_t)]
            expected[i] -= SIZES[i] / sum(SIZES[j] for j in sent) * inner(slope, update)
    assert_allclose(found.values, expected, atol=1e-6)
    assert_allclose(found.values[1], expected[1], rtol=1e-4)
    assert_array_equal(found.std_errors, 0)


def test_a_gradient_taken_in_blocks_of_examples_is_that_of_the_whole_set():
    """`score` cuts larger held-out sets into blocks; the slope along a direction is what finite
    differences say."""
    data = federation(SIZES, held_out=600)
    run = rounds(
        data,
        Training(
            mlp(hidden=(5,)),
            local(learning_rate=1e-2),
            fedavg(max_rounds=1),
            initial=initial(FEATURES, 5, CLASSES),
        ),
        metric="negative_loss",
    )
    found = estimate_rounds(run, taylor()).values
    x, y = (np.asarray(part) for part in data.validation)
    start, clients = layers(initial(FEATURES, 5, CLASSES)), clients_of(data)
    for i, (rows, labels) in enumerate(clients):
        upload, _ = oracle.local_sgd(start, rows, labels, 1, 1e-2)
        sides = [
            oracle.loss(
                [(K + h * (k - K), B + h * (b - B)) for (k, b), (K, B) in zip(upload, start)], x, y
            )
            for h in (1e-3, -1e-3)
        ]
        assert_allclose(found[i], -SIZES[i] / sum(SIZES) * (sides[0] - sides[1]) / 2e-3, rtol=2e-3)


def test_first_order_values_meet_the_exact_ones_in_the_limit_of_small_steps():
    """Halving the rate halves the values and quarters their distance, in the game in which the
    absent are unchanged."""
    always_there = ((1, 1, 1, 1),) * 2
    apart, size = [], []
    for rate in (0.05, 0.025, 0.0125):
        run = run_of(always_there, rate=rate, absent="unchanged")
        exactly = estimate_rounds(run, exact()).values
        apart.append(np.linalg.norm(estimate_rounds(run, taylor()).values - exactly))
        size.append(np.linalg.norm(exactly))
    shrinks = np.array(apart[:-1]) / apart[1:]
    assert (shrinks > 3.5).all() and (shrinks < 4.2).all()
    assert ((np.array(size[:-1]) / size[1:]) < 2.1).all()


def test_where_the_absent_are_left_out_first_order_values_have_the_right_sum():
    run = run_of(((1, 1, 1, 1),) * 2, rate=0.02)
    found = estimate_rounds(run, taylor())
    assert_allclose(found.values.sum(), found.grand - found.empty, rtol=0.05)


def test_the_absent_unchanged_a_coalition_is_worth_what_the_oracle_says():
    run = run_of(((1, 1, 0, 1),), absent="unchanged")
    (game,) = run.play(jax.random.key(0))
    ((x_t, sent, _),) = oracle_run(((1, 1, 0, 1),))
    worth = metric_of(federation(SIZES))
    total = sum(SIZES[i] for i in sent)

    def value(members):
        model = [(K.copy(), B.copy()) for K, B in x_t]
        for i in members:
            share = SIZES[i] / total
            model = [
                (M + share * (k - K), N + share * (b - B))
                for (M, N), (k, b), (K, B) in zip(model, sent[i], x_t)
            ]
        return worth(model)

    present = (0, 1, 3)
    expected = oracle.shapley([value(oracle.members(row, present)) for row in range(8)])
    assert_allclose(estimate_rounds(run, exact()).values[list(present)], expected, atol=1e-6)
    assert game.number == 0


def test_a_zero_update_is_worth_exactly_nothing_to_first_order():
    run = run_of(data=federation(SIZES, idle=[False, True, False, False]))
    found = estimate_rounds(run, taylor()).values
    assert found[1] == 0.0 and np.abs(found[[0, 2, 3]]).min() > 1e-4


def test_runs_that_differ_in_the_absent_do_not_share_a_store():
    key = jax.random.key(0)
    names = {fingerprint(run_of(absent=absent).start, key) for absent in ("left_out", "unchanged")}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("settings", "method", "keywords", "sentence"),
    [
        ({}, exact(), {"decay": 1.5}, r"decay=1.5 to lie in \[0, 1\]"),
        ({}, exact(), {"truncation": -1}, "truncation=-1 to be a finite number >= 0"),
        ({}, exact(), {"truncation": 2.0}, "truncation=2.0 to leave a round"),
        ({}, taylor(), {"decay": 0.5}, "to be left out with a method for the whole run"),
        ({}, taylor(), {"options": Options(until="never()", turn=3)}, "Expected until, turn to be"),
        ({}, exact(), {"options": Options(stores=UtilityStore())}, "stores to be a function"),
        (
            {"metric": "accuracy"},
            taylor(),
            {},
            "metric='accuracy' to be a differentiable one such as 'negative_loss'",
        ),
        ({"inner_rounds": 2}, taylor(), {}, "inner_rounds to be 1"),
        ({}, comfedsv(), {"options": Options(budget=5)}, "budget=5 to be an integer >= 8"),
        (
            {"inner_rounds": 2, "absent": "unchanged"},
            exact(),
            {},
            "absent='unchanged' to be 'left_out'",
        ),
    ],
)
def test_what_a_method_cannot_do_is_refused_in_one_sentence(settings, method, keywords, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        estimate_rounds(run_of(**settings), method, **keywords)


def test_a_run_whose_uploads_diverged_has_no_first_order_values():
    clients = [
        (x * (1e30 if i == 2 else 1), y)
        for i, (x, y) in enumerate(examples(9, i) for i in range(3))
    ]
    run = run_of(((1, 1, 1),), data=from_arrays(clients, examples(40, 99)), rate=1e9)
    with pytest.raises(
        InvalidInputError, match=r"round 0 to be finite, but those of players \[2\] are not"
    ):
        estimate_rounds(run, taylor())


@pytest.mark.parametrize("name", IN_RUN)
def test_methods_are_chosen_by_name_with_rounds_and_refused_with_other_games(name):
    assert (
        parse({"game": {"name": "rounds"}, "estimator": {"name": name}}).build("estimator")
        is not None
    )
    for game in ("silo", "reconstructed"):
        with pytest.raises(
            InvalidInputError,
            match=f"game.name='{game}' to be 'rounds' with estimator.name='{name}'",
        ):
            parse({"game": {"name": game}, "estimator": {"name": name}})


@pytest.mark.parametrize("name", IN_RUN)
def test_a_configuration_values_its_run_by_a_method(name):
    raw = {
        "partition": {"name": "iid", "num_clients": 4},
        "algorithm": {"max_rounds": 3},
        "participation": {"name": "uniform", "participants": 2},
        "game": {"name": "rounds", "metric": "negative_loss", "everyone_first": True},
        "estimator": {"name": name},
    }
    config = parse(raw)
    found = attribution_of(config, setting_of(config), Options())
    assert found.values.shape == (4,) and (found.values > 0).all()
    assert found.grand > found.empty
