"""SVARM: means with and without a player, unbiased with as few coalitions as there may be, honest
about their error."""

from collections import Counter
from math import comb

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import (
    airport,
    error_ratio,
    error_ratios_by_turn,
    is_unbiased,
    play,
    repeated,
    saturating,
    tabled,
    voting,
)
from scipy.stats import hypergeom

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack, ranks
from fedjax_shap.shapley.estimators.svarm import svarm

TABLE = np.random.default_rng(1).normal(size=64)
each_way = pytest.mark.parametrize("stratified", [True, False], ids=["stratified", "plain"])


def drawn(estimator, num_players, budget, seed=0):
    return estimator.ask(jax.random.key(seed), estimator.init(num_players, budget, None))


def mean_and_variance(values, population, spare):
    """The textbook's mean of a simple random sample, its variance, and that of one draw lent where
    there is but one."""
    n = len(values)
    spread = sum((v - sum(values) / n) ** 2 for v in values) / (n - 1) if n > 1 else spare
    return sum(values) / n, spread / n * (1 - n / population)


def by_definition(masks, values, players):
    """(values, variances) by loops: the sum over sizes of mean with - mean without, over the chance
    to see both."""
    phi = np.full(players, (values[(True,) * players] - values[(False,) * players]) / players)
    variance = np.zeros(players)
    for player in range(players):
        for size in range(1, players):
            own = [mask for mask in map(tuple, masks) if sum(mask) == size]
            spare = np.var([values[mask] for mask in own], ddof=1)
            having = [values[mask] for mask in own if mask[player]]
            lacking = [values[mask] for mask in own if not mask[player]]
            there = comb(players - 1, size - 1), comb(players - 1, size)
            none, every = hypergeom(sum(there), there[0], len(own)).pmf([0, len(own)])
            chance = 1 - none - every
            if having and lacking:
                plus, v_plus = mean_and_variance(having, there[0], spare)
                minus, v_minus = mean_and_variance(lacking, there[1], spare)
                phi[player] += (plus - minus) / chance / players
                inside = v_plus + v_minus
                variance[player] += (chance * inside + (1 - chance) * (plus - minus) ** 2) / (
                    chance * players
                ) ** 2
    return phi, variance


@pytest.mark.parametrize("budget", [20, 27, 41, 60])
def test_values_and_errors_are_the_means_by_size_of_the_definition(budget):
    masks, state = drawn(svarm(), 6, budget)
    found = svarm().read(svarm().tell(state, masks, TABLE[ranks(masks)]))
    values = {tuple(mask): TABLE[rank] for mask, rank in zip(masks, ranks(masks), strict=True)}
    phi, variance = by_definition(masks, values, 6)
    assert_allclose(found.values, phi, atol=1e-12)
    assert_allclose(found.std_errors**2, variance, atol=1e-12)


@each_way
@pytest.mark.parametrize("budget", [20, 33, 50])
def test_estimates_are_unbiased_from_the_smallest_budget_on_and_their_errors_honest(
    budget, stratified
):
    values, errors = repeated(svarm(stratified=stratified), tabled(TABLE), budget)
    answer = oracle.shapley(TABLE)
    assert is_unbiased(values, answer)
    assert 0.8 < error_ratio(values, errors, answer) < 1.25


@pytest.mark.parametrize(
    "game", [airport(10), voting(10), saturating(10)], ids=["airport", "voting", "saturating"]
)
def test_the_errors_of_plain_svarm_are_honest_too(game):
    values, errors = repeated(svarm(stratified=False), game, 250, runs=150)
    assert 0.8 < error_ratio(values, errors, game.values) < 1.25


@pytest.mark.parametrize(
    "game", [airport(10), voting(10), saturating(10)], ids=["airport", "voting", "saturating"]
)
def test_strata_lower_the_error_at_equal_budgets(game):
    squared = [
        ((repeated(svarm(stratified=way), game, 100, runs=40)[0] - game.values) ** 2).mean()
        for way in (True, False)
    ]
    assert squared[0] < squared[1] / 2


def test_the_budget_is_used_up_with_two_coalitions_of_every_size_and_all_of_the_outer_ones():
    masks, _ = drawn(svarm(), 100, 1200)
    assert len(set(pack(masks))) == len(masks) == 1200
    count = Counter(masks.sum(axis=1).tolist())
    assert (count[0], count[1], count[99], count[100]) == (1, 100, 100, 1)
    assert all(count[size] >= 2 for size in range(2, 99))
    assert all(abs(count[size] - count[100 - size]) <= 1 for size in range(2, 50))
    assert abs(count[2] / count[8] - 4) < 0.5, "sizes should be drawn in proportion to 1 / size"


def test_no_more_of_a_size_is_drawn_than_there_is():
    masks, _ = drawn(svarm(), 8, 250)
    assert len(set(pack(masks))) == len(masks) == 250
    count = Counter(masks.sum(axis=1).tolist())
    assert [count[size] for size in (1, 2, 3, 5, 6, 7)] == [
        comb(8, size) for size in (1, 2, 3, 5, 6, 7)
    ]
    assert count[4] == 64


def test_what_is_left_out_is_any_coalition_of_its_size_alike():
    absent = Counter[int]()
    for seed in range(400):
        masks, _ = drawn(svarm(), 5, 31, seed)
        (rank,) = set(range(32)) - set(ranks(masks).tolist())
        absent[rank] += 1
    assert all(bin(rank).count("1") in (2, 3) for rank in absent)
    for size in (2, 3):
        own = [absent[int(rank)] for rank in ranks(all_subsets(5)) if bin(rank).count("1") == size]
        total = sum(own)
        assert all(abs(n - total / 10) <= 5 * np.sqrt(max(total, 1) * 0.09) for n in own)


def test_a_size_that_is_exhausted_has_no_error():
    sizes = all_subsets(6).sum(axis=1)
    rng = np.random.default_rng(0)
    table = np.where(
        np.isin(sizes, (1, 2, 4, 5)), rng.normal(size=64), np.sqrt(sizes)
    )  # size 3 tells nothing apart
    found, asked = play(svarm(), tabled(table).utility, 6, budget=60)
    assert asked == 60
    assert_allclose(found.values, oracle.shapley(table), atol=1e-12)
    assert_allclose(found.std_errors, 0, atol=1e-12)


def test_plain_draws_have_all_sizes_alike_given_that_a_player_is_in_the_first_or_not_in_the_other():
    total = np.zeros((2, 7), int)
    for seed in range(100):
        _, state = drawn(svarm(stratified=False), 7, 126, seed)
        masks = state.evaluations.masks[np.concatenate(state.rows)]
        assert masks.shape == (62, 2, 7)
        for way, inside in enumerate((masks[:, 0], ~masks[:, 1])):
            sizes = masks[:, way].sum(axis=1)
            total[way] += np.bincount(sizes[inside[:, 3]], minlength=7)
    for way in range(2):
        share = total[way, 1:] / total[way].sum()
        seen = total[way].sum()
        assert (np.abs(share - 1 / 6) < 5 * np.sqrt(5 / 36 / seen)).all()


@each_way
def test_values_may_be_read_after_every_turn_without_a_budget_and_the_errors_are_honest(stratified):
    estimator = svarm(stratified=stratified)
    ratios = error_ratios_by_turn(estimator, saturating(9), budget=None, turn=40, turns=5)
    assert len(ratios) == 5
    assert 0.8 < min(ratios) <= max(ratios) < 1.25


@each_way
def test_a_turn_without_a_budget_asks_for_about_what_it_is_told_to(stratified):
    estimator = svarm(stratified=stratified)
    state = estimator.init(9, None, 40)
    for turn in range(5):
        masks, state = estimator.ask(jax.random.key(turn), state)
        state = estimator.tell(state, masks, masks.sum(axis=1) ** 0.5)
        assert 39 <= len(masks) <= 41
        assert estimator.read(state).num_coalitions == len(state.evaluations)


def test_a_hundred_players_are_valued_in_turns_without_a_budget_and_the_errors_are_honest():
    game = airport(100)
    estimator = svarm()
    masks, state = estimator.ask(jax.random.key(0), estimator.init(100, None, 500))
    found = estimator.read(estimator.tell(state, masks, game.utility(masks)))
    assert found.num_coalitions == 500
    assert 0.8 < error_ratio(found.values, found.std_errors, game.values) < 1.25


@each_way
def test_the_budget_is_never_exceeded(stratified):
    for players in range(1, 8):
        table = np.random.default_rng(players).normal(size=2**players)
        for budget in range(min(2**players, max(4 * players - 4, 6)), 2**players + 1, 3):
            found, asked = play(
                svarm(stratified=stratified), tabled(table).utility, players, budget=budget
            )
            assert asked == found.num_coalitions <= budget
            assert np.isfinite(found.values).all() and np.isfinite(found.std_errors).all()


def test_the_key_decides_the_draws():
    one, same, other = (drawn(svarm(), 8, 60, seed)[0] for seed in (0, 0, 1))
    assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: svarm().init(8, 27, None), "budget=27 to be at least 28 distinct coalitions"),
        (
            lambda: svarm(stratified=False).init(8, 5, None),
            "budget=5 to be at least 6 distinct coalitions",
        ),
        (
            lambda: svarm().init(8, None, None),
            "a budget of distinct coalitions for estimator='svarm', got none",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
