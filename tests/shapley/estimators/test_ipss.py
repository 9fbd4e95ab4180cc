"""Key combinations: what is small is known, the next size is a balanced sample, what is large is
taken as assumed."""

from collections import Counter
from math import comb

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import (
    Played,
    additive,
    airport,
    error_ratio,
    play,
    repeated,
    saturating,
    tabled,
    voting,
)

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack, ranks
from fedjax_shap.shapley.estimators.ipss import balanced, ipss, key_size

TABLE = np.random.default_rng(1).normal(size=64)
each_way = pytest.mark.parametrize("beyond", ["nothing", "last"])


def asked_for(num_players, budget, seed=0, turn=None):
    estimator = ipss()
    asked = []
    state = estimator.init(num_players, budget, turn)
    while not asked or len(asked[-1]):
        masks, state = estimator.ask(jax.random.fold_in(jax.random.key(seed), len(asked)), state)
        state = estimator.tell(state, masks, np.zeros(len(masks)))
        asked.append(masks)
    return np.concatenate(asked)


def additive_beyond(num_players, size, seed=0):
    """A game that is rough among coalitions of up to `size` players, from which on everyone adds a
    weight of their own.

    V of a larger coalition would depend on the order of joining unless V(S) = w(S) + c for |S| =
    `size` already.
    """
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=num_players)
    masks = all_subsets(num_players)
    table = np.where(masks.sum(axis=1) < size, rng.normal(size=len(masks)), masks @ weights + 3)
    return tabled(table)


def by_definition(masks, table, beyond):
    """Values by loops over the coalitions asked for: means of marginals by size, sizes that lack
    some being cut off."""
    players = masks.shape[1]
    known = {tuple(mask): table[rank] for mask, rank in zip(masks, ranks(masks), strict=True)}
    values = np.zeros(players)
    for player in range(players):
        means = []
        for size in range(players):
            gains = []
            for mask, value in known.items():
                before = tuple(joined and other != player for other, joined in enumerate(mask))
                if mask[player] and sum(mask) == size + 1 and before in known:
                    gains.append(value - known[before])
            if not gains:
                break
            means.append(np.mean(gains))
        means += [means[-1] if beyond == "last" else 0] * (players - len(means))
        values[player] = np.mean(means)
    return values


@pytest.mark.parametrize("players", [2, 3, 6, 9])
def test_the_key_size_is_the_largest_up_to_which_all_coalitions_fit_beside_everybody(players):
    for budget in range(players + 2, 2**players):
        fitting = [
            size
            for size in range(1, players)
            if sum(comb(players, k) for k in range(size + 1)) + 1 <= budget
        ]
        assert key_size(players, budget) == max(fitting)


@pytest.mark.parametrize(("players", "budget"), [(6, 30), (8, 64), (9, 128), (10, 250), (12, 600)])
def test_all_small_coalitions_are_asked_for_and_a_sample_of_the_next_size_and_everybody(
    players, budget
):
    masks = asked_for(players, budget)
    count = Counter(masks.sum(axis=1).tolist())
    size = key_size(players, budget)
    assert len(set(pack(masks))) == len(masks) == budget
    assert all(count[k] == comb(players, k) for k in range(size + 1)) and count[players] == 1
    assert set(count) == {*range(size + 2), players}


@pytest.mark.parametrize(
    ("players", "budget"), [(6, 30), (8, 64), (8, 90), (9, 101), (10, 250), (100, 1200)]
)
@pytest.mark.parametrize("turn", [None, 25], ids=["at-once", "in-turns"])
def test_every_player_appears_equally_often_in_the_sample(players, budget, turn):
    for seed in range(3):
        masks = asked_for(players, budget, seed, turn)
        sample = masks[masks.sum(axis=1) == key_size(players, budget) + 1]
        assert np.ptp(sample.sum(axis=0)) <= 1 and len(set(pack(masks))) == len(masks) == budget


def test_balanced_coalitions_are_new_and_make_up_for_who_appeared_less():
    rng = np.random.default_rng(0)
    seen = np.array([5, 0, 1, 2, 1, 0])
    taken = set(pack(all_subsets(6)[[3, 6, 48]]))
    masks = balanced(rng, 6, 2, seen, taken)
    assert (
        (masks.sum(axis=1) == 2).all()
        and len(set(pack(masks))) == 6
        and not set(pack(masks)) & taken
    )
    total = seen + masks.sum(axis=0)
    assert total[0] == 5 and np.ptp(total[1:]) <= 1
    assert_array_equal(seen, [5, 0, 1, 2, 1, 0])


def test_any_coalition_of_the_size_is_sampled_alike():
    count = Counter[int]()
    for seed in range(300):
        masks = asked_for(6, 30, seed)
        count.update(ranks(masks[masks.sum(axis=1) == 3]).tolist())
    assert len(count) == 20 and sum(count.values()) == 300 * 7
    chance = 7 / 20
    assert all(
        abs(n - 300 * chance) < 5 * np.sqrt(300 * chance * (1 - chance)) for n in count.values()
    )


@each_way
@pytest.mark.parametrize("budget", [28, 34, 47, 60])
def test_values_are_the_mean_marginals_by_size_of_the_definition(budget, beyond):
    found, _ = play(ipss(beyond=beyond), tabled(TABLE).utility, 6, budget=budget)
    masks = ipss().ask(jax.random.fold_in(jax.random.key(0), 0), ipss().init(6, budget, None))[0]
    assert_allclose(found.values, by_definition(masks, TABLE, beyond), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_game_that_is_additive_beyond_the_key_size_is_valued_without_error(size):
    game = additive_beyond(8, size)
    budget = sum(comb(8, k) for k in range(size + 1)) + 1
    found, _ = play(ipss(beyond="last"), game.utility, 8, budget=budget + 20)
    assert_allclose(found.values, oracle.shapley(game.table), atol=1e-12)
    assert_allclose(found.std_errors, 0, atol=1e-12)
    rough, _ = play(ipss(beyond="last"), saturating(8).utility, 8, budget=budget + 20)
    assert np.abs(rough.values - saturating(8).values).max() > 1e-3, (
        "not every game should be valued without error"
    )


def test_a_game_that_is_saturated_beyond_the_key_size_is_valued_without_error_by_adding_nothing():
    sizes = all_subsets(8).sum(axis=1)
    table = np.where(sizes <= 2, np.random.default_rng(0).normal(size=256), 2.0)
    table[sizes == 2] = 2.0
    found, _ = play(ipss(), tabled(table).utility, 8, budget=60)
    assert_allclose(found.values, oracle.shapley(table), atol=1e-12)


@each_way
@pytest.mark.parametrize(
    "game", [airport(10), voting(10), saturating(10)], ids=["airport", "voting", "saturating"]
)
def test_standard_errors_tell_how_far_values_are_from_their_mean(game, beyond):
    values, errors = repeated(ipss(beyond=beyond), game, 230, runs=150)
    assert 0.8 < error_ratio(values, errors, values.mean(axis=0)) < 1.25


def test_what_is_added_beyond_decides_what_additive_games_and_saturating_ones_lose():
    game = additive(9)
    last, nothing = (
        play(ipss(beyond=way), game.utility, 9, budget=100)[0] for way in ("last", "nothing")
    )
    assert_allclose(last.values, game.values, atol=1e-12)
    assert_allclose(nothing.values, game.values * 3 / 9, atol=1e-12)
    game = Played(9, lambda masks: np.tanh(2.0 * masks.sum(axis=1)))
    last, nothing = (
        play(ipss(beyond=way), game.utility, 9, budget=100)[0] for way in ("last", "nothing")
    )
    assert np.abs(nothing.values - game.values).max() < np.abs(last.values - game.values).max() / 2


@each_way
def test_where_the_rest_does_not_give_every_player_two_coalitions_nothing_is_sampled(beyond):
    found, asked = play(
        ipss(beyond=beyond), tabled(TABLE).utility, 6, budget=26
    )  # 22 + everybody, and 3 of size 3
    assert asked == found.num_coalitions == 23
    assert_array_equal(found.std_errors, 0)
    masks = all_subsets(6)[(all_subsets(6).sum(axis=1) <= 2) | all_subsets(6).all(axis=1)]
    assert_allclose(found.values, by_definition(masks, TABLE, beyond), atol=1e-12)


@each_way
def test_values_are_exact_where_the_budget_covers_all_coalitions_at_once_and_in_turns(beyond):
    for turn in (None, 10):
        found, asked = play(ipss(beyond=beyond), tabled(TABLE).utility, 6, budget=64, turn=turn)
        assert asked == 64
        assert_allclose(found.values, oracle.shapley(TABLE), atol=1e-12)
        assert_array_equal(found.std_errors, 0)


def test_values_may_be_read_after_every_turn_without_a_budget():
    game = saturating(9)
    estimator = ipss(beyond="last")
    sizes = []
    state = estimator.init(9, None, 40)
    for turn in range(8):
        masks, state = estimator.ask(jax.random.fold_in(jax.random.key(0), turn), state)
        state = estimator.tell(state, masks, game.utility(masks))
        found = estimator.read(state)
        assert np.isfinite(found.values).all() and len(masks) <= 41
        sizes.append(int(masks[~masks.all(axis=1)].sum(axis=1).max()))
    assert sizes == sorted(sizes) and sizes[0] == 2 and sizes[-1] > 3


def test_the_budget_is_never_exceeded():
    for players in range(1, 8):
        table = np.random.default_rng(players).normal(size=2**players)
        for budget in range(min(2**players, players + 2), 2**players + 1):
            found, asked = play(ipss(), tabled(table).utility, players, budget=budget)
            assert asked == found.num_coalitions <= budget
            assert np.isfinite(found.values).all() and np.isfinite(found.std_errors).all()


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: ipss().init(8, 9, None), "budget=9 to be at least 10 distinct coalitions"),
        (lambda: ipss(beyond="all"), "beyond='all' to be"),
        (
            lambda: ipss().init(8, None, None),
            "a budget of distinct coalitions for estimator='ipss', got none",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
