"""Truncated Monte-Carlo: it walks as algorithm 1 says, asks for nothing that it truncates, and
makes up no utility."""

from itertools import permutations

import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import airport, error_ratio, is_unbiased, play, truncated, walk

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack, ranks
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games import closed_form
from fedjax_shap.shapley.estimators.tmc import tmc
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

RANDOM = np.random.default_rng(1).normal(size=64)
FALLING = -np.sqrt(all_subsets(6) @ np.arange(1.0, 7.0)) + 0.01 * RANDOM
SATURATED = np.minimum(all_subsets(6) @ np.array([1.0, 2, 3, 1, 2, 3]), 5) + 0.5
TABLES = {"random": RANDOM, "falling": FALLING, "saturated": SATURATED}
each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def walked(table, seed=0, *, budget, turn=None, **options):
    """What `walk` tells of truncated Monte-Carlo."""
    return walk(tmc(**options), table, seed, budget=budget, turn=turn)


def naive(table, orders, tolerance):
    """Algorithm 1 of Ghorbani and Zou, one player at a time: float64[K, P] marginals."""
    return truncated(table, orders, tolerance * abs(table[-1] - table[0]))


@each_table
@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.3, 1.0])
def test_values_are_those_of_the_algorithm_walked_player_by_player(table, tolerance):
    found, state, _ = walked(table, budget=45, tolerance=tolerance)
    each = naive(table, state.orders, tolerance)
    assert len(each) == found.notes["permutations"] >= 4
    assert_allclose(found.values, each.mean(axis=0), atol=1e-12)
    assert_allclose(found.std_errors, each.std(axis=0, ddof=1) / np.sqrt(len(each)), atol=1e-12)


def test_nothing_is_asked_for_once_all_has_been_gained():
    table = np.minimum(all_subsets(8).sum(axis=1), 3.0)
    found, _, asked = walked(table, budget=80)
    assert set(asked.sum(axis=1)) == {0, 1, 2, 3, 8}
    assert (
        found.notes["permutations"]
        > walked(table, budget=80, tolerance=0.0)[0].notes["permutations"]
    )


def test_a_store_filled_by_it_holds_nothing_but_what_coalitions_are_worth(key):
    game = closed_form.table(SATURATED).game
    store = UtilityStore()
    truncated = estimate(game, tmc(tolerance=0.3), Options(budget=40, stores=store), key=key)
    whole = estimate(game, exact(), Options(stores=store), key=key)
    assert whole.num_stored == truncated.num_coalitions > 20
    assert_allclose(whole.values, oracle.shapley(SATURATED), atol=1e-12)


@each_table
@pytest.mark.parametrize(("width", "turn"), [(1, None), (5, None), (64, None), (16, 2), (16, 11)])
def test_neither_the_width_nor_the_turn_changes_what_is_asked_for_or_found(table, width, turn):
    usual, state, asked = walked(table, 3, budget=45)
    found, other, same = walked(table, 3, budget=45, width=width, turn=turn)
    assert set(pack(same)) == set(pack(asked))
    assert_array_equal(other.orders, state.orders)
    assert_array_equal(found.values, usual.values)
    assert_array_equal(found.std_errors, usual.std_errors)


def test_no_turn_asks_for_more_than_there_are_orders_abreast(key):
    estimator = tmc(width=3)
    state = estimator.init(9, 200)
    sizes = []
    while len((asked := estimator.ask(key, state))[0]):
        masks, state = asked
        state = estimator.tell(state, masks, masks.sum(axis=1) ** 0.5)
        sizes.append(len(masks))
    assert sizes[0] == 2 and max(sizes[1:]) == 3


def test_the_mean_over_all_orders_is_what_is_estimated_bias_and_all():
    table = all_subsets(4) @ np.arange(1.0, 5.0)
    tolerance = 0.35
    target = naive(table, list(permutations(range(4))), tolerance).mean(axis=0)
    assert np.abs(target - oracle.shapley(table)).max() > 0.01, "the game should show the bias"
    runs = [
        walked(table, seed, budget=15, tolerance=tolerance, max_permutations=3)[0]
        for seed in range(400)
    ]
    values = np.array([run.values for run in runs])
    assert {run.notes["permutations"] for run in runs} == {3}
    assert is_unbiased(values, target)


def test_without_tolerance_it_is_plain_permutation_sampling_and_efficient():
    values = np.array(
        [walked(RANDOM, seed, budget=30, tolerance=0.0)[0].values for seed in range(100)]
    )
    assert_allclose(values.sum(axis=1), RANDOM[-1] - RANDOM[0], atol=1e-12)
    assert is_unbiased(values, oracle.shapley(RANDOM))


@pytest.mark.parametrize("turn", [None, 4])
def test_it_may_be_read_after_any_turn_and_reads_whole_orders_only(turn, key):
    estimator = tmc(tolerance=0.2)
    state = tmc().init(6, 50, turn)
    seen = []
    while len((asked := estimator.ask(key, state))[0]):
        masks, state = asked
        state = estimator.tell(state, masks, SATURATED[ranks(masks)])
        found = estimator.read(state)
        seen.append(found.notes["permutations"])
        if seen[-1] < 2:
            assert_allclose(found.values, np.full(6, (SATURATED[-1] - SATURATED[0]) / 6))
            assert np.isinf(found.std_errors).all()
        else:
            each = naive(SATURATED, state.orders[: seen[-1]], 0.2)
            assert_allclose(found.values, each.mean(axis=0), atol=1e-12)
    assert seen[0] == 0 and seen == sorted(seen) and len(set(seen)) > 2


def test_each_slice_is_truncated_by_its_own_utilities():
    tables = np.stack([RANDOM, FALLING, SATURATED, np.zeros(64)], axis=-1).reshape(64, 2, 2)
    found, state, _ = walked(tables, budget=50, tolerance=0.25)
    for place in np.ndindex(2, 2):
        each = naive(tables[(slice(None), *place)], state.orders, 0.25)
        assert_allclose(found.values[(slice(None), *place)], each.mean(axis=0), atol=1e-12)


def test_a_budget_for_all_coalitions_is_used_in_turns_and_gives_the_exact_values():
    for turn in (None, 5, 17):
        found, _, asked = walked(SATURATED, budget=64, turn=turn, tolerance=0.5)
        assert len(set(pack(asked))) == len(asked) == found.num_coalitions == 64
        assert_allclose(found.values, oracle.shapley(SATURATED), atol=1e-12)
        assert_array_equal(found.std_errors, 0)


def test_hundreds_of_players_are_valued_to_the_tolerance_by_more_orders_than_plain_ones():
    game = airport(300)
    found, asked = play(tmc(), game.utility, 300, budget=3000)
    assert asked == found.num_coalitions <= 3000
    assert found.notes["permutations"] > 2 * (3000 // 299)
    assert -0.01 * found.grand < found.efficiency_gap <= 0
    assert 0.8 < error_ratio(found.values, found.std_errors, game.values) < 1.25


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: tmc(tolerance=1.5), r"tolerance=1.5 to lie in \[0, 1\]"),
        (lambda: tmc(width=0), "width=0 to be an integer >= 1"),
        (lambda: tmc(max_permutations=1), "max_permutations=1 to be an integer >= 2"),
        (
            lambda: tmc().init(4, None),
            "a budget of distinct coalitions for estimator='tmc', got none",
        ),
        (lambda: tmc().init(4, 7), "budget=7 to be at least 8 distinct coalitions"),
        (lambda: tmc().init(0, 7), "num_players=0 to be an integer >= 1"),
        (
            lambda: tmc().read(tmc().init(3, 8)),
            "utilities to be given to tell before values are read",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
