"""The axioms as checks: exact values pass, and each broken axiom is flagged by its own number."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.axioms import check, null_players, twin_players
from fedjax_shap.shapley.exact import shapley_values

MASKS = all_subsets(4)
RANDOM = np.random.default_rng(0).normal(size=16)
VOTING = 1.0 * (
    MASKS @ np.array([3, 2, 2, 0]) >= 4
)  # 0, 1 and 2 are interchangeable, 3 adds nothing
GLOVE = 1.0 * np.minimum(MASKS[:, :2].sum(axis=1), MASKS[:, 2:].sum(axis=1))


def broken(report):
    return {
        name
        for name in ("efficiency", "symmetry", "null_player", "additivity")
        if getattr(report, name) > 1e-9
    }


@pytest.mark.parametrize(
    "table", [RANDOM, VOTING, GLOVE, 1e6 * RANDOM, 1e-6 * VOTING, np.full(16, 3.0)]
)
def test_exact_values_pass(table):
    report = check(shapley_values(table), table)
    assert report.holds
    assert max(
        report.efficiency, report.symmetry, report.null_player, report.additivity
    ) <= 1e-12 * max(np.ptp(table), 1)


def test_interchangeable_and_idle_players_are_found():
    assert twin_players(RANDOM) == null_players(RANDOM) == ()
    assert twin_players(VOTING) == ((0, 1), (0, 2), (1, 2))
    assert null_players(VOTING) == (3,)
    assert twin_players(GLOVE) == ((0, 1), (2, 3))
    noisy = VOTING + 1e-7 * RANDOM
    assert null_players(noisy) == () and null_players(noisy, 1e-6) == (3,)
    assert twin_players(noisy) == () and twin_players(noisy, 1e-6) == ((0, 1), (0, 2), (1, 2))


@pytest.mark.parametrize(
    ("table", "change", "flags"),
    [
        (RANDOM, [0.1, 0, 0, 0], {"efficiency", "additivity"}),
        (GLOVE, [0.1, -0.1, 0, 0], {"symmetry", "additivity"}),
        (VOTING, [-0.1, -0.1, -0.1, 0.3], {"null_player", "additivity"}),
        (RANDOM, [0.1, -0.1, 0, 0], {"additivity"}),
        (np.full(16, 3.0), [0.1, 0, 0, 0], {"efficiency", "symmetry", "null_player", "additivity"}),
    ],
    ids=["efficiency", "symmetry", "null player", "additivity", "a game without stakes"],
)
def test_each_broken_axiom_is_flagged(table, change, flags):
    report = check(shapley_values(table) + change, table)
    assert not report.holds
    assert broken(report) == flags
    gaps = {"efficiency": abs(sum(change)), "additivity": np.abs(change).max()}
    for name in flags & set(gaps):
        assert_allclose(getattr(report, name), gaps[name])


def test_a_rule_that_keeps_all_axioms_but_additivity_is_flagged_for_it():
    equal_shares = np.full(4, (RANDOM[-1] - RANDOM[0]) / 4)
    report = check(equal_shares, RANDOM)
    assert broken(report) == {"additivity"} and not report.holds


def test_the_tolerance_is_relative_to_the_spread_of_the_table():
    values = shapley_values(1e6 * RANDOM)
    values[0] += 1e-4
    assert check(values, 1e6 * RANDOM).holds
    assert not check(values, 1e6 * RANDOM, tolerance=1e-12).holds


def test_a_single_player_is_checked():
    assert check(np.array([2.0]), np.array([1.0, 3.0])).holds
    assert not check(np.array([3.0]), np.array([1.0, 3.0])).holds


@pytest.mark.parametrize(
    ("values", "table"),
    [(np.zeros(3), RANDOM), (np.zeros((4, 2)), RANDOM), (np.zeros(4), RANDOM[:15])],
)
def test_a_table_of_another_game_is_refused(values, table):
    with pytest.raises(
        InvalidInputError, match=r"table to have 2\^\d rows for \d values, got shape"
    ):
        check(values, table)
