"""Permutation sampling: unbiased, honest about its error, within its budget, efficient."""

import jax
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack, ranks
from fedjax_shap.shapley.permutation import permutation

MASKS, RUNS = all_subsets(6), 200
COSTS, VOTES = (4.0, 1.0, 0.5, 4.0, 2.25, 3.0), (4, 3, 2, 1, 5, 2)
TABLE = np.random.default_rng(1).normal(size=64)
GAMES = {
    "airport": ((MASKS * COSTS).max(axis=1), [float(a) for a in oracle.airport_answer(COSTS)]),
    "random": (TABLE, oracle.shapley(TABLE)),
    "voting": (1.0 * (MASKS @ np.array(VOTES) >= 9), [float(a) for a in oracle.voting_answer(VOTES, 9)]),
}
each_game = pytest.mark.parametrize(("table", "answer"), GAMES.values(), ids=GAMES)
each_way = pytest.mark.parametrize("antithetic", [True, False], ids=["antithetic", "plain"])


def estimated(table, seed, *, budget, **options):
    estimator = permutation(**options)
    key = jax.random.key(seed)
    masks, state = estimator.ask(key, estimator.init(len(table).bit_length() - 1, budget))
    state = estimator.tell(state, masks, table[ranks(masks)])
    assert len(estimator.ask(key, state)[0]) == 0
    return estimator.read(state)


@each_way
@pytest.mark.parametrize("game", ["airport", "random"])
def test_estimates_are_unbiased_and_their_standard_errors_honest(game, antithetic):
    table, answer = GAMES[game]
    runs = [estimated(table, seed, budget=64, antithetic=antithetic, max_permutations=120) for seed in range(RUNS)]
    z = np.array([(run.values - answer) / run.std_errors for run in runs])
    assert np.abs(z.mean(axis=0)).max() < 5 / np.sqrt(RUNS)
    spread = z.std(axis=0)
    assert spread.min() > 0.8 and spread.max() < 1.25


@each_way
@each_game
def test_stopping_at_a_tight_budget_does_not_bias_the_estimates(table, answer, antithetic):
    runs = np.array([estimated(table, seed, budget=23, antithetic=antithetic).values for seed in range(2 * RUNS)])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert (np.abs(runs.mean(axis=0) - answer) < 5 * error).all()


def test_reversed_orders_lower_the_error_of_airport_fees_at_the_same_number_of_orders():
    table, answer = GAMES["airport"]
    squared = {
        antithetic: np.mean(
            [
                (
                    (estimated(table, s, budget=64, antithetic=antithetic, max_permutations=20).values - answer) ** 2
                ).mean()
                for s in range(RUNS)
            ]
        )
        for antithetic in (True, False)
    }
    assert squared[True] < squared[False]


@given(st.integers(1, 7), st.integers(0, 140), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_budget_is_never_exceeded_and_efficiency_holds(players, slack, antithetic, seed):
    least = min(2**players, 2 + 2 * (1 + antithetic) * (players - 1))
    table = np.random.default_rng(seed).normal(size=2**players)
    found = estimated(table, seed, budget=least + slack, antithetic=antithetic)
    assert found.num_coalitions <= min(least + slack, 2**players)
    assert_allclose(found.efficiency_gap, 0, atol=1e-12)
    assert np.isfinite(found.std_errors).all()
    assert (found.empty, found.grand) == (table[0], table[-1])


@each_way
def test_what_is_asked_for_are_distinct_coalitions_as_many_as_reported(antithetic, key):
    estimator = permutation(antithetic=antithetic)
    masks, state = estimator.ask(key, estimator.init(6, 40))
    assert len(set(pack(masks))) == len(masks) == len(state.told) <= 40
    assert {0, 63} <= set(ranks(masks).tolist())
    assert len(masks) > 40 - 2 * 5, "another draw should not have fitted"


def test_antithetic_orders_come_with_their_reverse(key):
    estimator = permutation()
    _, state = estimator.ask(key, estimator.init(6, 40))
    orders = np.concatenate(state.units)
    assert_array_equal(orders[:, 1], orders[:, 0, ::-1])


def test_an_additive_game_is_valued_without_error():
    weights = np.array([0.5, -1.25, 3.0, 0.125, 0.0, 7.0])
    found = estimated(MASKS @ weights, 0, budget=23)
    assert_allclose(found.values, weights, atol=1e-12)
    assert_allclose(found.std_errors, 0, atol=1e-12)


def test_one_who_adds_nothing_gets_exactly_nothing_with_certainty():
    table = np.random.default_rng(0).normal(size=64)[np.arange(64) & ~4]
    found = estimated(table, 0, budget=23)
    assert found.values[2] == found.std_errors[2] == 0.0


def test_trailing_axes_are_valued_one_by_one():
    tables = np.random.default_rng(0).normal(size=(64, 2))
    found = estimated(tables, 5, budget=30)
    for column in range(2):
        alone = estimated(tables[:, column], 5, budget=30)
        assert_allclose(found.values[:, column], alone.values, atol=1e-14)
        assert_allclose(found.std_errors[:, column], alone.std_errors, atol=1e-14)


def test_the_key_decides_the_draws():
    table = np.random.default_rng(0).normal(size=64)
    one, same, other = (estimated(table, seed, budget=30).values for seed in (0, 0, 1))
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_hundreds_of_players_are_valued(key):
    weights = np.linspace(-1, 2, 300)
    estimator = permutation()
    masks, state = estimator.ask(key, estimator.init(300, 5000))
    found = estimator.read(estimator.tell(state, masks, masks @ weights))
    assert_allclose(found.values, weights, atol=1e-10)


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: permutation().init(4, None), "a budget of distinct coalitions for estimator='permutation', got none"),
        (lambda: permutation().init(4, 13), "budget=13 to be an integer >= 14"),
        (lambda: permutation(antithetic=False).init(4, 7), "budget=7 to be an integer >= 8"),
        (lambda: permutation().init(2, 3), "budget=3 to be an integer >= 4"),
        (lambda: permutation().init(4, 20.0), "budget=20.0 to be an integer"),
        (lambda: permutation().init(0, 20), "num_players=0 to be an integer >= 1"),
        (lambda: permutation(max_permutations=3), "max_permutations=3 to be an integer >= 4"),
        (lambda: permutation().read(permutation().init(3, 8)), "utilities to be told before the values are read"),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
