"""Completion: a matrix of low rank comes back from a part of it, and the values of the completed
one are read off."""

from itertools import permutations
from math import comb

import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.completion import (
    columns_of,
    complete,
    observable,
    values_of_orders,
    values_of_table,
)

FINE = {"regularisation": 1e-9, "tolerance": 1e-14, "max_sweeps": 2000}


def low_rank(rank, num_rounds=12, num_columns=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num_rounds, rank)) @ rng.normal(size=(rank, num_columns))


def product(completed):
    return completed.rounds @ completed.coalitions.T


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_matrix_of_low_rank_comes_back_from_two_thirds_of_it(rank, weighted):
    whole = low_rank(rank)
    observed = np.random.default_rng(1).random(whole.shape) < 2 / 3
    found = complete(
        np.where(observed, whole, np.nan), observed, rank=rank, weighted=weighted, **FINE
    )
    assert_allclose(product(found), whole, atol=1e-3)
    assert found.residual < 1e-5


def test_one_full_round_and_a_few_entries_of_the_others_determine_a_matrix_of_rank_one():
    whole = low_rank(1, num_columns=200)
    observed = np.zeros((12, 200), bool)
    observed[0] = observed[:, :3] = True
    assert_allclose(
        product(complete(np.where(observed, whole, np.nan), observed, rank=1, **FINE)),
        whole,
        atol=1e-4,
    )


def away_of_run(seed, **options):
    """The relative error of values completed from a run of 10 rounds: everyone is heard once, then
    3 of 10 a round.

    The utilities are near rank one: a saturating game, times a factor of its own in each round.
    """
    rng = np.random.default_rng(seed)
    masks = all_subsets(10)
    present = np.zeros((10, 10), bool)
    present[0] = True
    for row in present[1:]:
        row[rng.permutation(10)[:3]] = True
    saturating = 1 - np.exp(-(masks @ rng.uniform(0.2, 1, size=10)))
    noise = 0.01 * rng.normal(size=(10, 1024)) * masks.any(axis=1)
    whole = rng.uniform(0.5, 1.5, size=(10, 1)) * saturating + noise
    observed = observable(masks, present)
    found, _ = values_of_table(complete(np.where(observed, whole, np.nan), observed, **options))
    expected = oracle.shapley(whole.sum(axis=0))
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("seed", range(3))
def test_weighting_recovers_values_from_sparse_rounds_where_plain_regularisation_does_not(seed):
    assert away_of_run(seed, rank=1, regularisation=1e-3) < 0.05
    weighted = away_of_run(seed)
    plain = away_of_run(seed, weighted=False)
    assert weighted < 0.25 and plain > 3 * weighted


@pytest.mark.parametrize("weighted", [True, False])
def test_what_it_finds_is_stationary_for_what_it_minimises(weighted):
    """The gradient of the objective, written out, is 0."""
    whole = low_rank(4)
    observed = np.random.default_rng(2).random(whole.shape) < 0.5
    observed[0] = True
    scale = np.sqrt((whole[observed] ** 2).mean())
    found = complete(
        whole,
        observed,
        rank=2,
        regularisation=0.1,
        weighted=weighted,
        tolerance=1e-15,
        max_sweeps=5000,
    )
    w = found.rounds / np.sqrt(scale)
    h = found.coalitions / np.sqrt(scale)
    n_t, n_s = (
        observed.sum(axis=axis) if weighted else np.ones(whole.shape[1 - axis]) for axis in (1, 0)
    )
    for t in range(len(w)):
        pulled = sum(
            (whole[t, s] / scale - w[t] @ h[s]) * h[s] for s in np.flatnonzero(observed[t])
        )
        assert_allclose(pulled, 0.1 * n_t[t] * w[t], atol=1e-5)
    for s in range(len(h)):
        pulled = sum(
            (whole[t, s] / scale - w[t] @ h[s]) * w[t] for t in np.flatnonzero(observed[:, s])
        )
        assert_allclose(pulled, 0.1 * n_s[s] * h[s], atol=1e-5)


def test_values_go_in_proportion_to_utilities():
    whole = low_rank(3, num_columns=16)
    observed = np.random.default_rng(3).random(whole.shape) < 0.7
    one, thousandth = (values_of_table(complete(whole * c, observed))[0] for c in (1.0, 1e-3))
    assert_allclose(thousandth, one / 1000, rtol=1e-9)


def test_what_is_not_observed_is_not_read_and_a_column_never_observed_is_zero():
    whole = low_rank(2)
    observed = np.ones((12, 40), bool)
    observed[:, 7] = False
    observed[3, 5] = False
    found = [complete(np.where(observed, whole, hidden), observed) for hidden in (0.0, np.inf)]
    assert_array_equal(product(found[0]), product(found[1]))
    assert_array_equal(found[0].coalitions[7], 0)


def test_columns_observed_alike_come_out_alike():
    whole = low_rank(3)
    observed = np.random.default_rng(4).random((12, 40)) < 0.5
    whole[:, 9] = whole[:, 2]
    observed[:, 9] = observed[:, 2]
    found = complete(whole, observed)
    assert_allclose(found.coalitions[9], found.coalitions[2], rtol=1e-9)


def test_the_values_of_a_table_are_the_papers_formula():
    """(1/N) sum_t sum_S (w_t h_(S + i) - w_t h_S) / C(N - 1, |S|), term by term."""
    found = complete(low_rank(2, num_columns=16), np.ones((12, 16), bool))
    values, errors = values_of_table(found)
    expected = np.zeros(4)
    for i in range(4):
        for row in range(16):
            if not row >> i & 1:
                gains = [
                    w @ (found.coalitions[row | 1 << i] - found.coalitions[row])
                    for w in found.rounds
                ]
                expected[i] += sum(gains) / comb(3, row.bit_count()) / 4
    assert_allclose(values, expected, rtol=1e-10)
    assert_array_equal(errors, 0)


def test_the_values_of_all_orders_are_those_of_the_table():
    table = np.random.default_rng(5).normal(size=(3, 16))
    orders = np.array(list(permutations(range(4))))
    masks = columns_of(orders)
    along = table[:, masks @ (1 << np.arange(4))]
    found, _ = values_of_orders(complete(along, np.ones(along.shape, bool), rank=3, **FINE), orders)
    assert_allclose(found, oracle.shapley(table.sum(axis=0)), atol=1e-6)


def test_errors_of_orders_are_the_spread_of_what_each_order_says():
    rng = np.random.default_rng(6)
    table = rng.normal(size=16)
    orders = np.stack([rng.permutation(4) for _ in range(9)])
    said = np.zeros((9, 4))
    for row, order in zip(said, orders):
        joined = 0
        for i in order:
            row[i] = table[joined | 1 << i] - table[joined]
            joined |= 1 << i
    along = table[columns_of(orders) @ (1 << np.arange(4))][None]
    values, errors = values_of_orders(
        complete(along, np.ones(along.shape, bool), rank=1, **FINE), orders
    )
    assert_allclose(values, said.mean(axis=0), atol=1e-6)
    assert_allclose(errors, said.std(axis=0, ddof=1) / 3, atol=1e-6)


def test_a_coalition_is_observable_where_all_of_it_took_part():
    masks = all_subsets(3)
    present = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0]], bool)
    expected = [[set(np.flatnonzero(m)) <= set(np.flatnonzero(p)) for m in masks] for p in present]
    assert_array_equal(observable(masks, present), expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rank": 0}, "rank=0 to be an integer >= 1"),
        ({"regularisation": 0.0}, "regularisation=0.0 to be a finite number > 0"),
        ({"max_sweeps": 0}, "max_sweeps=0 to be an integer >= 1"),
    ],
)
def test_bad_settings_are_refused(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        complete(np.ones((2, 4)), np.ones((2, 4), bool), **options)


def test_utilities_that_are_not_finite_where_observed_or_of_another_shape_are_refused():
    with pytest.raises(InvalidInputError, match="utilities to be finite"):
        complete(np.full((2, 4), np.nan), np.ones((2, 4), bool))
    with pytest.raises(InvalidInputError, match="to be \\[R, M\\] alike"):
        complete(np.ones((2, 4)), np.ones((2, 3), bool))
