"""Complementary contributions: unbiased with empty cells, efficient, without replacement, adaptive
where it pays."""

from math import comb

import jax
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from played import (
    Played,
    airport,
    error_ratio,
    is_unbiased,
    play,
    repeated,
    saturating,
    tabled,
    voting,
)

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack
from fedjax_shap.shapley.estimators.complementary import complementary, strata
from fedjax_shap.shapley.estimators.permutation import permutation

TABLE = np.random.default_rng(1).normal(size=64)
ADAPTIVE = ("neyman", "bernstein")
every_way = pytest.mark.parametrize("allocation", ["equal", *ADAPTIVE])


def learning(players):
    """The mean recall of ten classes that saturates in their data, of players who hold some of
    each."""
    data = np.random.default_rng(3).dirichlet(np.ones(10), players)
    return Played(
        players, lambda masks: (0.1 + 0.8 * (masks @ data) / (masks @ data + 0.1)).mean(axis=1)
    )


def drawn(estimator, game, budget, seed=0):
    """The last state of an estimator that spent its budget."""
    state = estimator.init(game.num_players, budget, None)
    turn = 0
    while True:
        masks, state = estimator.ask(jax.random.fold_in(jax.random.key(seed), turn), state)
        if not len(masks):
            return state
        state = estimator.tell(state, masks, game.utility(masks))
        turn += 1


def naive(game, masks):
    """The estimate from the smaller sides of all pairs drawn, by one loop over sizes and players in
    words."""
    players = game.num_players

    def worth(side):
        return float(game.utility(np.array([side]))[0])

    total = np.full(players, worth([True] * players) - worth([False] * players))
    for size in range(1, players // 2 + 1):
        sides = [side for side in masks if side.sum() == size]
        gains = np.array([worth(side) - worth(~side) for side in sides])
        for player in range(players):
            inside = np.array([bool(side[player]) for side in sides])
            if 2 * size == players:
                total[player] += np.mean(
                    [gain if own else -gain for gain, own in zip(gains, inside, strict=True)]
                )
            else:
                weight = np.where(inside, players / size, -players / (players - size))
                total[player] += np.cov(weight, gains)[0, 1] * (1 - 1 / comb(players, size))
    return total / players


@pytest.mark.parametrize(("players", "budget"), [(6, 24), (7, 40), (6, 62)])
def test_values_are_those_of_a_loop_over_sizes_and_players(players, budget):
    game = tabled(np.random.default_rng(0).normal(size=2**players))
    estimator = complementary()
    state = drawn(estimator, game, budget)
    assert_allclose(estimator.read(state).values, naive(game, state.draws.masks[:, 0]), atol=1e-12)


def test_full_cells_give_the_papers_mean_of_each_cell():
    game = tabled(TABLE)
    sides = all_subsets(6)
    gains = game.utility(sides) - game.utility(~sides)
    cells = [
        sum(gains[sides[:, player] & (sides.sum(axis=1) == size)].mean() for size in range(1, 7))
        / 6
        for player in range(6)
    ]
    assert_allclose(cells, oracle.shapley(TABLE), atol=1e-12)
    values, errors = repeated(complementary(), game, 63, runs=20)  # all pairs but one
    assert (np.abs(values - cells) <= 5 * errors + 1e-9).all() and errors.max() < 0.2


@pytest.mark.parametrize("budget", [14, 24, 44])
def test_estimates_are_unbiased_although_cells_are_empty_and_their_standard_errors_honest(budget):
    values, errors = repeated(complementary(), tabled(TABLE), budget)
    answer = oracle.shapley(TABLE)
    assert is_unbiased(values, answer)
    assert 0.8 < error_ratio(values, errors, answer) < 1.25


@pytest.mark.parametrize("allocation", ADAPTIVE)
@pytest.mark.parametrize("game", [airport(9), saturating(9)], ids=["airport", "saturating"])
def test_adaptive_draws_are_biased_by_less_than_half_a_standard_error(game, allocation):
    values, errors = repeated(complementary(allocation=allocation), game, 150, runs=100)
    assert 0.8 < error_ratio(values, errors, values.mean(axis=0)) < 1.25
    noise = 5 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - game.values) < 0.5 * values.std(axis=0) + noise).all()


@every_way
def test_what_is_drawn_are_pairs_of_a_coalition_and_the_rest_each_once(allocation):
    state = drawn(complementary(allocation=allocation), tabled(TABLE), 51)
    sides = state.draws.masks
    assert (sides[:, 0] ^ sides[:, 1]).all()
    assert len(set(pack(sides.reshape(-1, 6)))) == 2 * len(sides) == 48
    assert (sides[:, 0].sum(axis=1) == state.draws.units).all()


@every_way
@given(players=st.integers(1, 8), slack=st.integers(0, 250), seed=st.integers(0, 2**32 - 1))
def test_values_sum_to_what_there_is_and_the_budget_is_never_exceeded(
    allocation, players, slack, seed
):
    least = min(2**players, 2 + 2 * int(np.minimum(2, strata(players)[1]).sum()))
    game = tabled(np.random.default_rng(seed).normal(size=2**players))
    found, asked = play(
        complementary(allocation=allocation), game.utility, players, budget=least + slack, seed=seed
    )
    assert asked == found.num_coalitions <= min(least + slack, 2**players)
    assert_allclose(found.efficiency_gap, 0, atol=1e-10)
    assert np.isfinite(found.std_errors).all()


def test_sizes_are_drawn_by_how_much_membership_tells_of_them():
    found, _ = play(complementary(), saturating(11).utility, 11, budget=302)
    pairs = np.array(found.notes["pairs_by_size"])
    assert pairs.sum() == 150 and pairs[0] == 11, "there are but eleven pairs of size one"
    share = np.sqrt(1 / (np.arange(2, 6) * np.arange(9, 5, -1)))
    assert np.abs(pairs[1:] - 139 * share / share.sum()).max() <= 1.5


@pytest.mark.parametrize("allocation", ADAPTIVE)
def test_adaptive_draws_go_where_utilities_vary_and_lower_the_error(allocation):
    sizes = all_subsets(9).sum(axis=1)
    game = tabled(np.random.default_rng(0).normal(size=512) * np.isin(sizes, (3, 6)))
    found, _ = play(complementary(allocation=allocation), game.utility, 9, budget=130)
    pairs = found.notes["pairs_by_size"]
    assert max(pairs) == pairs[2] > sum(pairs) / 2
    error = [
        (
            (repeated(complementary(allocation=kind), game, 130, runs=40)[0] - game.values) ** 2
        ).mean()
        for kind in ("equal", allocation)
    ]
    assert error[1] < 0.8 * error[0]


def test_bernstein_asks_in_turns_of_many_and_neyman_in_two():
    game = saturating(9)
    turns = {"equal": [], "neyman": [], "bernstein": []}
    for allocation, sizes in turns.items():
        utility = lambda masks, sizes=sizes: (sizes.append(len(masks)), game.utility(masks))[1]  # noqa: E731
        play(complementary(allocation=allocation), utility, 9, budget=200, seed=3)
    assert (
        len(turns["equal"]) == 1 and len(turns["neyman"]) == 2 and len(turns["bernstein"]) in (6, 7)
    )
    assert abs(turns["neyman"][0] - 100) <= 20
    assert max(turns["bernstein"]) <= 32


@pytest.mark.parametrize("game", [voting(10), learning(10)], ids=["voting", "learning"])
def test_a_pair_that_tells_of_all_players_beats_joining_orders_at_equal_cost(game):
    ours, theirs = (
        repeated(kind(), game, 150, runs=60)[0] for kind in (complementary, permutation)
    )
    assert ((ours - game.values) ** 2).mean() < 0.5 * ((theirs - game.values) ** 2).mean()


def test_hundreds_of_players_are_valued_and_the_errors_are_honest():
    weights = np.linspace(-1, 2, 300)
    found, _ = play(complementary(), lambda masks: masks @ weights, 300, budget=3000)
    assert_allclose(found.values.sum(), weights.sum(), atol=1e-9)
    assert 0.8 < error_ratio(found.values, found.std_errors, weights) < 1.25


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: complementary(allocation="even"), "allocation='even' to be an allocation"),
        (lambda: complementary(pilot=1.5), r"pilot=1.5 to lie in \(0, 1\)"),
        (
            lambda: complementary().init(6, 13, None),
            "budget=13 to be at least 14 distinct coalitions",
        ),
        (
            lambda: complementary().init(6, None, None),
            "a budget of distinct coalitions for estimator='complementary'",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
