"""Stratified sampling: every marginal its right chance, sizes in bands, any semivalue, adaptive
where it pays."""

from math import comb

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from played import (
    additive,
    airport,
    error_ratio,
    error_ratios_by_turn,
    is_unbiased,
    play,
    repeated,
    saturating,
    tabled,
)

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.estimators.stratified import Band, joins, stratified
from fedjax_shap.shapley.semivalue import semivalues

TABLE = np.random.default_rng(1).normal(size=64)
ADAPTIVE = ("neyman", "bernstein")
every_way = pytest.mark.parametrize("allocation", ["equal", *ADAPTIVE])


def by_definition(table, weight):
    """A semivalue as the sum over sizes and coalitions of `weight(size)` times the mean marginal of
    that size."""
    players = len(table).bit_length() - 1
    values = np.zeros(players)
    for row in range(len(table)):
        size = bin(row).count("1")
        for player in range(players):
            if not row >> player & 1:
                values[player] += (
                    weight(size) / comb(players - 1, size) * (table[row | 1 << player] - table[row])
                )
    return values


@pytest.mark.parametrize(
    ("players", "low", "width"), [(6, 1, 4), (7, 2, 3), (5, 3, 1), (8, 0, 8), (9, 1, 7)]
)
def test_every_size_of_the_band_and_every_other_player_is_as_likely_as_any(players, low, width):
    units = 4000
    band = Band(np.full(units, low), np.full(units, width))
    masks = joins(np.random.default_rng(0), band, players)
    without = masks[:, :players]
    joined = masks[:, players:]
    assert_array_equal(joined, without | np.eye(players, dtype=bool))
    assert not without[:, np.arange(players), np.arange(players)].any()
    sizes = without.sum(axis=2)
    assert sizes.min() == low and sizes.max() == low + width - 1
    chance = 1 / width
    for size in range(low, low + width):
        share = (sizes == size).mean(axis=0)
        assert (np.abs(share - chance) <= 5 * np.sqrt(chance * (1 - chance) / units)).all()
        for player in range(players):
            others = without[sizes[:, player] == size, player]
            wanted = size / (players - 1)
            off = np.abs(np.delete(others.mean(axis=0), player) - wanted)
            assert (off <= 5 * np.sqrt(wanted * (1 - wanted) / len(others)) + 1e-12).all()


@pytest.mark.parametrize(
    ("players", "low", "width", "most"), [(100, 1, 49, 104), (100, 1, 25, 104), (12, 1, 5, 16)]
)
def test_a_unit_shares_coalitions_among_players(players, low, width, most):
    masks = joins(
        np.random.default_rng(0), Band(np.array([low] * 5), np.array([width] * 5)), players
    )
    assert max(len(set(pack(unit))) for unit in masks) <= most < 2 * players


@pytest.mark.parametrize(
    ("semivalue", "weight"),
    [
        ("shapley", lambda size: 1 / 6),
        ("banzhaf", lambda size: comb(5, size) / 32),
        ("beta(1, 4)", lambda size: comb(5, size) * 4 * beta_function(size + 4, 6 - size)),
    ],
)
@pytest.mark.parametrize(("bands", "budget"), [(1, 40), (2, 50), (None, 58)])
def test_estimates_are_unbiased_and_their_standard_errors_honest(semivalue, weight, bands, budget):
    answer = by_definition(TABLE, weight)
    values, errors = repeated(stratified(semivalue=semivalue, bands=bands), tabled(TABLE), budget)
    assert is_unbiased(values, answer)
    assert 0.8 < error_ratio(values, errors, answer) < 1.25


def beta_function(first, second):
    """B of whole numbers: (first - 1)! (second - 1)! / (first + second - 1)!."""
    return 1 / ((first + second - 1) * comb(first + second - 2, first - 1))


def test_the_mean_over_sizes_is_the_shapley_value():
    assert_allclose(by_definition(TABLE, lambda size: 1 / 6), oracle.shapley(TABLE), atol=1e-12)


@pytest.mark.parametrize("allocation", ADAPTIVE)
def test_adaptive_draws_are_biased_by_less_than_half_a_standard_error(allocation):
    game = airport(9)
    values, errors = repeated(stratified(allocation=allocation), game, 150, runs=100)
    assert 0.8 < error_ratio(values, errors, values.mean(axis=0)) < 1.25
    bias = np.abs(values.mean(axis=0) - game.values)
    noise = 5 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert (bias <= 0.5 * values.std(axis=0) + noise + 1e-9).all()


@every_way
def test_the_first_and_the_last_size_are_known_without_error(allocation):
    table = np.random.default_rng(2).normal(size=128)
    sizes = all_subsets(7).sum(axis=1)
    table[(sizes > 1) & (sizes < 6)] = table[sizes == 1] = 0.5
    table[0] = 2.0
    found, _ = play(
        stratified(allocation=allocation, bands=5), tabled(table).utility, 7, budget=100
    )
    exact = semivalues(table)
    assert found.std_errors.max() > 0, "the sizes next to the last are drawn"
    assert (np.abs(found.values - exact) <= 5 * found.std_errors + 1e-9).all()
    table[sizes == 6] = 0.5
    table[-1] = 4.0
    found, _ = play(
        stratified(allocation=allocation, bands=5), tabled(table).utility, 7, budget=100
    )
    assert_allclose(found.values, semivalues(table), atol=1e-12)
    assert_allclose(found.std_errors, 0, atol=1e-12)


@every_way
@given(
    players=st.integers(1, 8),
    slack=st.integers(0, 200),
    seed=st.integers(0, 2**32 - 1),
    turn=st.integers(1, 60),
)
def test_the_budget_is_never_exceeded_and_additive_games_are_valued_without_error(
    allocation, players, slack, seed, turn
):
    budget = min(2**players, 2 + 6 * players) + slack
    game = additive(players)
    found, asked = play(
        stratified(allocation=allocation),
        game.utility,
        players,
        budget=budget,
        seed=seed,
        turn=turn,
    )
    assert asked == found.num_coalitions <= min(budget, 2**players)
    assert_allclose(found.values, game.values, atol=1e-10)
    assert_allclose(found.std_errors, 0, atol=1e-10)


@every_way
def test_values_may_be_read_after_every_turn_and_the_errors_are_honest(allocation):
    estimator = stratified(allocation=allocation)
    ratios = error_ratios_by_turn(estimator, saturating(10), budget=200, turn=20, turns=12)
    assert len(ratios) > 3
    assert 0.8 < min(ratios) <= max(ratios) < 1.25


def test_bands_are_as_fine_as_the_budget_allows():
    game = saturating(12)
    bands = [
        len(play(stratified(), game.utility, 12, budget=budget)[0].notes["draws_by_band"])
        for budget in (80, 1000)
    ]
    assert bands[0] <= 4 and bands[1] == 12, "each size is a band of its own at last"
    found, _ = play(stratified(bands=2), game.utility, 12, budget=300)
    assert list(found.notes["draws_by_band"]) == ["0-0", "1-5", "6-10", "11-11"]
    counts = list(found.notes["draws_by_band"].values())
    assert counts[0] == counts[3] == 1 and abs(counts[1] - counts[2]) <= 1


@pytest.mark.parametrize("allocation", ADAPTIVE)
def test_adaptive_draws_go_where_marginals_vary_and_lower_the_error(allocation):
    sizes = all_subsets(9).sum(axis=1)
    game = tabled(np.random.default_rng(0).normal(size=512) * (sizes == 2))
    found, _ = play(stratified(allocation=allocation, bands=3), game.utility, 9, budget=220)
    counts = list(found.notes["draws_by_band"].values())
    assert max(counts) == counts[1] > sum(counts) / 2
    error = [
        (
            (repeated(stratified(allocation=kind, bands=3), game, 220, runs=40)[0] - game.values)
            ** 2
        ).mean()
        for kind in ("equal", allocation)
    ]
    assert error[1] < 0.8 * error[0]


def test_strata_lower_the_error_of_airport_fees_at_equal_cost():
    game = airport(10)
    ours, theirs = (repeated(kind(), game, 250, runs=60)[0] for kind in (stratified, permutation))
    assert ((ours - game.values) ** 2).mean() < 0.8 * ((theirs - game.values) ** 2).mean()


def test_hundreds_of_players_are_valued():
    weights = np.linspace(-1, 2, 300)
    found, _ = play(stratified(), lambda masks: masks @ weights, 300, budget=3000)
    assert_allclose(found.values, weights, atol=1e-10)


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            lambda: stratified(allocation="nayman"),
            "allocation='nayman' to be an allocation; did you mean 'neyman'",
        ),
        (lambda: stratified(bands=0), "bands=0 to be an integer >= 1"),
        (lambda: stratified(semivalue="shaply"), "semivalue='shaply' to be"),
        (lambda: stratified().init(6, 37, None), "budget=37 to be at least 38 distinct coalitions"),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
