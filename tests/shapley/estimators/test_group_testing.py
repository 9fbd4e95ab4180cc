"""Group testing: the published differences, the values that fit them best, unbiased and
efficient."""

from math import comb

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose
from played import error_ratio, is_unbiased, play

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.shapley.estimators.group_testing import group_testing, size_law

TABLE = np.random.default_rng(1).normal(size=64)
VOTES = (4, 3, 2, 1, 5, 2)
VOTING = 1.0 * (all_subsets(6) @ np.array(VOTES) >= 9)


def drawn(table, seed, *, budget):
    """(what is read, the groups drawn int[U, P], each with its repeats)."""
    estimator = group_testing()
    key = jax.random.key(seed)
    masks, state = estimator.ask(key, estimator.init(len(table).bit_length() - 1, budget, None))
    state = estimator.tell(state, masks, table[ranks(masks)])
    return estimator.read(state), state.draws.masks[:, 0]


def differences(table, groups):
    """Algorithm 3 of Wang et al., group by group and pair by pair: float64[P, P] of C_ij."""
    num_players = groups.shape[1]
    constant = 2 * sum(1 / k for k in range(1, num_players))
    found = np.zeros((num_players, num_players))
    for group in groups:
        worth = table[sum(1 << i for i in range(num_players) if group[i])] - table[0]
        for i in range(num_players):
            for j in range(num_players):
                found[i, j] += constant * worth * (int(group[i]) - int(group[j])) / len(groups)
    return found


@pytest.mark.parametrize("table", [TABLE, VOTING + 2], ids=["random", "voting"])
def test_values_fit_the_differences_best_among_those_that_sum_to_what_there_is(table):
    found, groups = drawn(table, 0, budget=40)
    wanted = differences(table, groups)
    pairs = [(i, j) for i in range(6) for j in range(i)]
    rows = np.eye(6)
    slopes = np.array([rows[i] - rows[j] for i, j in pairs])
    left = np.block([[2 * slopes.T @ slopes, np.ones((6, 1))], [np.ones((1, 6)), np.zeros((1, 1))]])
    right = np.append(2 * slopes.T @ [wanted[pair] for pair in pairs], table[-1] - table[0])
    assert_allclose(found.values, np.linalg.solve(left, right)[:6], atol=1e-10)


@pytest.mark.parametrize("num_players", [2, 3, 10, 100])
def test_sizes_follow_the_published_law(num_players):
    chance, constant = size_law(num_players)
    assert_allclose(constant, 2 * sum(1 / k for k in range(1, num_players)), rtol=1e-13)
    published = [(1 / k + 1 / (num_players - k)) / constant for k in range(1, num_players)]
    assert_allclose(chance, published, rtol=1e-12)
    assert_allclose(chance.sum(), 1, rtol=1e-12)


def test_groups_are_drawn_by_the_law_of_sizes_and_everybody_as_often_as_anybody():
    groups = np.concatenate([drawn(TABLE, seed, budget=40)[1] for seed in range(60)])
    chance = size_law(6)[0]
    draws = len(groups)
    share = np.bincount(groups.sum(axis=1), minlength=7)[1:6] / draws
    assert draws > 1500 and set(groups.sum(axis=1)) == {1, 2, 3, 4, 5}
    assert (np.abs(share - chance) < 5 * np.sqrt(chance * (1 - chance) / draws)).all()
    assert (np.abs(groups.mean(axis=0) - 0.5) < 5 * 0.5 / np.sqrt(draws)).all()


@pytest.mark.parametrize("table", [TABLE, VOTING + 2], ids=["random", "voting"])
def test_the_expected_differences_are_those_of_the_shapley_values(table):
    """Every group counted with its chance instead of drawn: theorem 3 of Jia et al., so that
    nothing is biased."""
    chance, constant = size_law(6)
    expected = np.zeros(6)
    for row in range(1, 63):
        size = row.bit_count()
        for player in range(6):
            joined = (row >> player & 1) - size / 6
            expected[player] += (
                chance[size - 1] / comb(6, size) * constant * (table[row] - table[0]) * joined
            )
    assert_allclose(expected + (table[-1] - table[0]) / 6, oracle.shapley(table), atol=1e-12)


@pytest.mark.parametrize("budget", [8, 40])
def test_estimates_are_unbiased_and_efficient(budget):
    runs = [drawn(VOTING, seed, budget=budget)[0] for seed in range(200)]
    values = np.array([run.values for run in runs])
    answer = np.array([float(a) for a in oracle.voting_answer(VOTES, 9)])
    assert is_unbiased(values, answer)
    assert_allclose(values.sum(axis=1), 1, atol=1e-12)


def test_what_everybody_has_without_doing_anything_does_not_count():
    one = drawn(TABLE, 0, budget=40)[0]
    other = drawn(TABLE + 1000, 0, budget=40)[0]
    assert_allclose(other.values, one.values, atol=1e-9)
    assert_allclose(other.std_errors, one.std_errors, atol=1e-9)


def test_two_players_and_hundreds_are_valued():
    found, _ = play(group_testing(), lambda masks: masks @ np.array([1.0, 2.0]) ** 2, 2, budget=4)
    assert_allclose(found.values, [1, 4], atol=1e-12)
    weights = np.linspace(0, 1, 300)
    found, asked = play(group_testing(), lambda masks: masks @ weights, 300, budget=2000)
    assert asked == 2000
    assert 0.8 < error_ratio(found.values, found.std_errors, weights) < 1.25


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            lambda: group_testing().init(4, None, None),
            "a budget of distinct coalitions for estimator='group_testing'",
        ),
        (lambda: group_testing().init(4, 3, None), "budget=3 to be at least 4 distinct coalitions"),
        (lambda: group_testing().init(0, 9, None), "num_players=0 to be an integer >= 1"),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
