"""Participant subsampling: exact among a few, and honest about what it never sees."""

from itertools import combinations

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import is_unbiased, play, saturating

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import ranks
from fedjax_shap.shapley.estimators.subsampling import subsampling

TABLE = np.random.default_rng(1).normal(size=128)


def drawn(table, seed, *, budget, size=None):
    """(what is read, the groups of each deal int[U, groups, members])."""
    estimator = subsampling(size=size)
    key = jax.random.key(seed)
    masks, state = estimator.ask(key, estimator.init(len(table).bit_length() - 1, budget, None))
    state = estimator.tell(state, masks, table[ranks(masks)])
    return estimator.read(state), state.sampling.draws.units


def inside(table, members):
    """The Shapley values of `members` in the game that the others sit out, by the naive sum over
    coalitions."""
    rows = [
        sum(1 << int(m) for bit, m in enumerate(members) if row >> bit & 1)
        for row in range(2 ** len(members))
    ]
    return oracle.shapley(table[rows])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_deal_values_everybody_exactly_inside_a_group(size):
    found, deals = drawn(TABLE, 0, budget=100, size=size)
    each = np.zeros((len(deals), 7))
    for deal, values in zip(deals, each, strict=True):
        seen = [[] for _ in range(7)]
        for group in deal:
            assert len(set(group)) == size + 1
            for player, value in zip(group, inside(TABLE, group), strict=True):
                seen[player].append(value)
        assert min(map(len, seen)) >= 1 and sum(map(len, seen)) == deal.size
        values[:] = [np.mean(one) for one in seen]
    assert len(deals) >= 2 and found.notes == {"size": size}
    assert_allclose(found.values, each.mean(axis=0), atol=1e-12)
    assert_allclose(found.std_errors, each.std(axis=0, ddof=1) / np.sqrt(len(each)), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_mean_over_all_sets_of_others_is_what_is_estimated_bias_and_all(size):
    target = np.zeros(7)
    for player in range(7):
        rest = [other for other in range(7) if other != player]
        target[player] = np.mean(
            [inside(TABLE, (player, *others))[0] for others in combinations(rest, size)]
        )
    assert np.abs(target - oracle.shapley(TABLE)).max() > 0.05, "the game should show the bias"
    values = np.array([drawn(TABLE, seed, budget=126, size=size)[0].values for seed in range(100)])
    assert is_unbiased(values, target)


@pytest.mark.parametrize("players", [2, 3, 4, 5])
def test_it_is_exact_where_everybody_is_drawn(players):
    table = TABLE[: 2**players]
    found, _ = drawn(table, 0, budget=2**players, size=4)
    assert_allclose(found.values, oracle.shapley(table), atol=1e-12)
    assert_array_equal(found.std_errors, 0)


def test_players_in_a_saturating_game_are_valued_too_high():
    game = saturating(10)
    found, _ = play(subsampling(size=2), game.utility, 10, budget=150)
    assert found.efficiency_gap > 5 * np.sqrt((found.std_errors**2).sum())
    wide, _ = play(subsampling(size=4), game.utility, 10, budget=400)
    assert 0 < wide.efficiency_gap < found.efficiency_gap


def test_one_who_adds_nothing_gets_exactly_nothing_with_certainty():
    table = TABLE[np.arange(128) & ~4]
    found, _ = drawn(table, 0, budget=100)
    assert found.values[2] == found.std_errors[2] == 0.0


@pytest.mark.parametrize(
    ("players", "budget", "size"),
    [(10, 126, 4), (10, 125, 3), (9, 64, 2), (100, 1200, 3), (7, 44, 2), (7, 43, 1)],
)
def test_where_no_size_is_named_it_is_the_largest_that_the_budget_holds_two_deals_of(
    players, budget, size
):
    found, asked = play(
        subsampling(), lambda masks: masks.sum(axis=1) ** 0.5, players, budget=budget
    )
    assert found.notes == {"size": size}
    assert asked <= budget


def test_it_may_be_read_after_any_turn(key):
    estimator = subsampling(size=2)
    deals = []
    state = estimator.init(9, 300, 16)
    while len((asked := estimator.ask(jax.random.fold_in(key, len(deals)), state))[0]):
        masks, state = asked
        state = estimator.tell(state, masks, np.sqrt(masks.sum(axis=1)))
        found = estimator.read(state)
        deals.append(state.sampling.num_units)
        assert np.isfinite(found.values).all() and np.isfinite(found.std_errors).all()
    assert len(deals) > 2 and deals[0] >= 2 and deals == sorted(deals)


def test_nobody_is_seen_with_more_others_than_are_drawn(key):
    masks, _ = subsampling(size=3).ask(key, subsampling(size=3).init(8, 100, None))
    assert_array_equal(np.unique(masks.sum(axis=1)), [0, 1, 2, 3, 4, 8])
    assert (masks.sum(axis=1) == 8).sum() == 1


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: subsampling(size=0), "size=0 to be an integer >= 1 and <= 15"),
        (lambda: subsampling(size=16), "size=16 to be an integer >= 1 and <= 15"),
        (
            lambda: subsampling(size=4).init(10, 125, None),
            "size=4 to be <= 3 for budget=125 and 10 .* budget of 126",
        ),
        (
            lambda: subsampling(size=9).init(6, 30, None),
            "size=9 to be <= 2 for budget=30 and 6 .* budget of 64",
        ),
        (lambda: subsampling(size=9).init(6, 19, None), "budget=19 to be at least 64"),
        (lambda: subsampling().init(10, 31, None), "budget=31 to be at least 32"),
        (
            lambda: subsampling().init(10, None, None),
            "a budget of distinct coalitions for estimator='subsampling'",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
