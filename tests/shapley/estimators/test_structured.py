"""Structured sampling: everyone stands at each position equally often, and everyone is valued by
every order."""

from itertools import permutations

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import airport, play, saturating

from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.shapley.estimators.structured import Strata, structured, swapped, within_strata

TABLE = np.random.default_rng(1).normal(size=64)


def evaluated(budget, table=TABLE, turns=1, turn=None, seed=0):
    """The state after some turns of a game given as a table."""
    estimator = structured()
    state = estimator.init(len(table).bit_length() - 1, budget, turn)
    for index in range(turns):
        masks, state = estimator.ask(jax.random.fold_in(jax.random.key(seed), index), state)
        state = estimator.tell(state, masks, table[ranks(masks)])
    return estimator, state


def test_the_coalitions_are_those_of_the_order_with_each_player_swapped_into_the_position():
    order = np.array([3, 0, 4, 1, 2])
    for position in range(5):
        before, until, *star = swapped(order[None], np.array([position]))[0]
        for player in range(5):
            joined = list(order)
            place = list(order).index(player)
            joined[place], joined[position] = joined[position], joined[place]
            ahead = set(joined[:position])
            then = set(joined[: position + 1])
            found = [set(np.flatnonzero(mask)) for mask in (before, until, star[player])]
            assert (ahead, then) in ((found[0], found[2]), (found[2], found[1]))
            assert then - ahead == {player}


def test_the_mean_over_all_orders_and_positions_is_the_shapley_value():
    """The design is unbiased: no sampling, every order of four players at every position, against
    the oracle."""
    table = TABLE[:16]
    weights = np.zeros(4)
    for order in permutations(range(4)):
        for position in range(4):
            before, until, *star = swapped(np.array([order]), np.array([position]))[0]
            value = lambda mask: table[ranks(mask[None])[0]]  # noqa: E731
            for player in range(4):
                inside = before[player]
                weights[player] += (
                    value(until) - value(star[player])
                    if inside
                    else value(star[player]) - value(before)
                )
    assert_allclose(weights / (24 * 4), oracle.shapley(table), atol=1e-12)


def test_every_position_gets_as_many_orders_as_any_other():
    table = np.random.default_rng(2).normal(size=256)
    _, state = evaluated(150, table)
    times = np.bincount(state.draws.masks[:, 0].sum(axis=1), minlength=8)
    assert times[0] == times[7] == 0, "the ends are known"
    assert times[1:7].min() >= 2 and times.max() - times[1:7].min() <= 1
    assert {0, 255, *(1 << np.arange(8)), *(255 - (1 << np.arange(8)))} <= set(
        ranks(state.evaluations.masks).tolist()
    )


def test_games_decided_at_the_ends_are_valued_without_error():
    """One for whoever comes first, ten for whoever comes last, and weights: all that is known
    exactly."""
    game = airport(7)
    weights = np.arange(7) / 3
    utility = lambda masks: masks.any(axis=1) + 10.0 * masks.all(axis=1) + masks @ weights  # noqa: E731
    found, _ = play(structured(), utility, game.num_players, budget=60)
    assert_allclose(found.values, 11 / 7 + weights, atol=1e-12)
    assert_allclose(found.std_errors, 0, atol=1e-12)


def test_strata_that_are_known_apart_count_by_their_length():
    draws = np.random.default_rng(0).normal(size=(9, 3))
    own = np.array([0, 1, 2, 0, 1, 2, 0, 2, 2])
    values, errors = within_strata(draws, Strata(own, np.full(9, 3)))
    parts = [draws[own == h] for h in range(3)]
    assert_allclose(values, sum(part.mean(axis=0) for part in parts) / 3, atol=1e-14)
    variance = sum(part.var(axis=0, ddof=1) / len(part) for part in parts) / 9
    assert_allclose(errors, np.sqrt(variance), atol=1e-14)


def test_strata_that_wait_for_their_second_draw_are_taken_with_their_neighbours():
    draws = np.array([1.0, 2.0, 4.0, 8.0, 16.0])[:, None]
    own = np.array([0, 1, 2, 2, 1])
    values, errors = within_strata(draws, Strata(own, np.full(5, 3)))
    assert_allclose(values, 2 / 3 * 19 / 3 + 1 / 3 * 6, atol=1e-14)
    first = np.var([1, 2, 16], ddof=1) / 3
    assert_allclose(errors, np.sqrt(4 / 9 * first + 1 / 9 * np.var([4, 8], ddof=1) / 2), atol=1e-14)
    lone = within_strata(draws[:2], Strata(np.array([0, 4]), np.full(2, 5)))
    assert_allclose(lone, [[1.5], [0.5]], atol=1e-14)


def test_values_can_be_read_after_every_turn():
    game = saturating(9)
    estimator = structured()
    state = estimator.init(9, 300, 12)
    for turn in range(12):
        masks, state = estimator.ask(jax.random.fold_in(jax.random.key(3), turn), state)
        state = estimator.tell(state, masks, game.utility(masks))
        found = estimator.read(state)
        assert np.isfinite(found.values).all() and (found.std_errors > 0).all()
    assert (np.abs(found.values - game.values) < 5 * found.std_errors).all()


def test_positions_weigh_less_error_than_orders_drawn_without_them():
    """The same coalitions, once as strata of positions and once as plain draws, on fees that hang
    on the position."""
    game = airport(10)
    strata = []
    plain = []
    for seed in range(150):
        estimator = structured()
        masks, state = estimator.ask(jax.random.key(seed), estimator.init(10, 400, None))
        state = estimator.tell(state, masks, game.utility(masks))
        strata.append(estimator.read(state).std_errors ** 2)
        whole = state._replace(
            units=tuple(Strata(np.zeros_like(t.own), np.ones_like(t.total)) for t in state.units)
        )
        plain.append(estimator.read(whole).std_errors ** 2)
    assert np.mean(strata) < 0.9 * np.mean(plain)


def test_the_least_budget_is_enough_and_one_less_is_refused():
    table = np.random.default_rng(2).normal(size=256)
    estimator, state = evaluated(36, table)
    assert len(state.evaluations) <= 36 and np.isfinite(estimator.read(state).values).all()
    with pytest.raises(ValueError, match="budget=35 to be at least 36 distinct coalitions"):
        structured().init(8, 35, None)


def test_all_coalitions_in_turns_end_where_all_at_once_do():
    masks = all_subsets(5)
    table = masks @ np.arange(5.0) + masks.all(axis=1)
    found, _ = play(structured(), lambda m: table[ranks(m)], 5, budget=32, turn=8)
    assert_array_equal(np.round(found.values, 9), np.round(np.arange(5) + 0.2, 9))
