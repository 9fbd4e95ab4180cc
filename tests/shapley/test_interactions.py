"""Interaction indices: equal to their definitions and to shapiq's, and exact where games are
known."""

from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.interactions import interactions, moebius

INDICES = ("SII", "k-SII", "STII", "Banzhaf")
TABLE = np.random.default_rng(0).normal(size=2**5)
each_index = pytest.mark.parametrize("index", INDICES)


def bits(members):
    return sum(1 << i for i in members)


def naive_pair(table, index, i, j):
    """The definition: second differences over the coalitions of the others, one by one."""
    players = len(table).bit_length() - 1
    others = [k for k in range(players) if k not in (i, j)]
    total = 0.0
    for size in range(players - 1):
        weight = {
            "SII": factorial(size) * factorial(players - size - 2) / factorial(players - 1),
            "k-SII": factorial(size) * factorial(players - size - 2) / factorial(players - 1),
            "STII": 2 / players / comb(players - 1, size),
            "Banzhaf": 2.0 ** (2 - players),
        }[index]
        for joined in combinations(others, size):
            s = bits(joined)
            total += weight * (
                table[s | 1 << i | 1 << j] - table[s | 1 << i] - table[s | 1 << j] + table[s]
            )
    return total


@each_index
def test_pairs_are_their_definition(index):
    found = interactions(TABLE, index=index)
    for i, j in combinations(range(5), 2):
        assert (
            found[i, j] == found[j, i] == pytest.approx(naive_pair(TABLE, index, i, j), abs=1e-12)
        )


@each_index
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("players", [1, 2, 3, 6])
def test_singles_and_pairs_are_those_of_shapiq(index, order, players):
    shapiq = pytest.importorskip("shapiq", reason="shapiq is not installed")
    if order > players:
        pytest.skip("no pairs among one player")
    table = np.random.default_rng(players).normal(size=2**players)
    table[0] = 0.0
    computer = shapiq.ExactComputer(
        lambda masks: table[masks @ (1 << np.arange(players))], n_players=players
    )
    theirs = computer("BII" if index == "Banzhaf" else index, order)
    found = interactions(table, order=order, index=index)
    for i in range(players):
        assert found[i, i] == pytest.approx(theirs[(i,)], abs=1e-12)
        for j in range(i):
            assert found[i, j] == pytest.approx(theirs[(j, i)] if order == 2 else 0.0, abs=1e-12)


@pytest.mark.parametrize("index", ["k-SII", "STII"])
def test_singles_and_pairs_sum_to_what_there_is(index):
    assert np.triu(interactions(TABLE, index=index)).sum() == pytest.approx(
        TABLE[-1] - TABLE[0], abs=1e-12
    )


@each_index
def test_a_game_of_pairs_has_their_surplus_as_interactions(index):
    rng = np.random.default_rng(1)
    alone = rng.normal(size=6)
    surplus = np.triu(rng.normal(size=(6, 6)), 1)
    joined = all_subsets(6).astype(float)
    found = interactions(
        2.5 + joined @ alone + np.einsum("mi,ij,mj->m", joined, surplus, joined), index=index
    )
    assert_allclose(np.triu(found, 1), surplus, atol=1e-12)
    halves = (surplus + surplus.T).sum(axis=1) / 2
    assert_allclose(
        np.diag(found), alone + (halves if index in ("SII", "Banzhaf") else 0), atol=1e-12
    )


@each_index
def test_one_who_adds_nothing_does_not_interact(index):
    table = TABLE[np.arange(32) & ~4]
    found = interactions(table, index=index)
    assert_allclose(found[2], np.zeros(5), atol=1e-15 if index == "k-SII" else 0)
    assert np.abs(np.delete(np.delete(found, 2, 0), 2, 1)).min() > 0


def test_dividends_sum_to_the_utility_of_each_coalition():
    found = moebius(TABLE)
    masks = all_subsets(5)
    inside = (masks[:, None] <= masks[None]).all(axis=2)  # [subset, coalition]
    assert_allclose(found @ inside, TABLE, atol=1e-12)


def test_dividends_are_their_definition_and_shared_equally_give_shapley_values():
    found = moebius(TABLE)
    for row in range(32):
        members = [i for i in range(5) if row >> i & 1]
        naive = sum(
            (-1) ** (len(members) - size) * TABLE[bits(part)]
            for size in range(len(members) + 1)
            for part in combinations(members, size)
        )
        assert found[row] == pytest.approx(naive, abs=1e-12)
    masks = all_subsets(5)
    shared = (masks[1:] * (found[1:] / masks[1:].sum(axis=1))[:, None]).sum(axis=0)
    assert_allclose(shared, shapley_values(TABLE), atol=1e-12)


def test_a_table_is_left_as_it_was():
    before = TABLE.copy()
    moebius(TABLE)
    interactions(TABLE)
    assert_array_equal(TABLE, before)


@each_index
def test_trailing_axes_are_read_one_by_one(index):
    tables = np.random.default_rng(2).normal(size=(16, 2, 3))
    together = interactions(tables, index=index)
    dividends = moebius(tables)
    assert together.shape == (4, 4, 2, 3) and dividends.shape == tables.shape
    for a in range(2):
        for b in range(3):
            assert_allclose(
                together[..., a, b], interactions(tables[:, a, b], index=index), atol=1e-14
            )
            assert_allclose(dividends[:, a, b], moebius(tables[:, a, b]), atol=1e-14)


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: interactions(np.zeros(6)), r"table to have 2\^P rows"),
        (lambda: moebius(np.zeros(1)), r"table to have 2\^P rows"),
        (lambda: moebius(np.float64(1)), r"table to have 2\^P rows"),
        (lambda: moebius([0, np.nan]), "table to be finite"),
        (
            lambda: interactions(TABLE, index="SIII"),
            "index='SIII' to be a known name; did you mean 'SII'",
        ),
        (lambda: interactions(TABLE, order=3), "order=3 to be an integer >= 1 and <= 2"),
    ],
)
def test_what_is_no_table_and_no_index_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
