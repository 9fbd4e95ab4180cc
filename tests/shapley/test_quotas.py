"""Quotas are whole, as near to their weights as they can be, and never more than there are."""

from math import comb

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap.shapley.quotas import (
    SizeDistribution,
    largest_remainders,
    next_quotas,
    next_sizes,
)


def all_sizes_alike(num_players):
    return np.ones(num_players - 1)


def falling(num_players):
    return 1 / np.arange(1, num_players)


@pytest.mark.parametrize("weights", [all_sizes_alike, falling])
@pytest.mark.parametrize("count", [1, 5, 17, 40, 62, 90])
def test_next_quotas_sum_to_the_count_or_to_all_that_are_left(weights, count):
    drawn = np.array([6, 3, 0, 2, 0])
    available = np.array([comb(6, size) for size in range(1, 6)])
    quotas = next_quotas(SizeDistribution(weights), 6, drawn, count)
    assert quotas.sum() == min(count, (available - drawn).sum())
    assert (quotas >= 0).all() and (drawn + quotas <= available).all()


def test_next_quotas_make_up_for_what_was_drawn_too_often():
    drawn = np.array([0, 12, 0, 0, 0, 0, 0, 0, 0])
    quotas = next_quotas(SizeDistribution(all_sizes_alike), 10, drawn, 60)
    others = np.arange(9) != 1
    assert quotas[1] == 0 and quotas.sum() == 60
    assert set(quotas[others]) == {7, 8}, "the other eight share 60 alike"


def test_batches_of_any_length_end_near_the_same_quotas():
    """In batches each size ends within one coalition of what a single batch gives it."""
    distribution = SizeDistribution(falling)
    at_once = next_quotas(distribution, 12, np.zeros(11, int), 300)
    drawn = np.zeros(11, int)
    for _ in range(30):
        drawn = drawn + next_quotas(distribution, 12, drawn, 10)
    assert drawn.sum() == at_once.sum() == 300
    assert np.abs(drawn - at_once).max() <= 1


def test_every_size_gets_its_least_before_weights_count():
    quotas = next_quotas(SizeDistribution(falling, least=2), 8, np.zeros(7, int), 15)
    assert quotas.min() == 2 and quotas.sum() == 15


def test_one_player_has_no_size_between():
    assert len(next_quotas(SizeDistribution(all_sizes_alike), 1, np.zeros(0, int), 5)) == 0


@pytest.mark.parametrize("total", [4, 7, 20, 33, 60, 100])
def test_largest_remainders_are_the_weights_rounded(total):
    weights = np.array([1.0, 0.5, 1 / 3, 0.25])
    available = np.array([10, 30, 12, 20])
    quotas = largest_remainders(weights, available, total, least=1)
    assert quotas.sum() == min(total, available.sum())
    assert (quotas <= available).all() and (quotas >= 1).all()
    free = (quotas > 1) & (quotas < available)
    if free.sum() > 1:
        levels = quotas[free] / weights[free]
        assert np.ptp(levels) <= 1 / weights[free].min() + 1e-9


def test_next_sizes_are_those_of_webster():
    """Seats for votes 53, 24, 23: in Webster's method each goes to votes / (2 seats + 1)."""
    votes = np.array([53.0, 24.0, 23.0])
    seats = np.zeros(3, int)
    expected = []
    for _ in range(20):
        best = int(np.argmax(votes / (2 * seats + 1)))
        seats[best] += 1
        expected.append(best)
    chosen = next_sizes(votes, [0, 0, 0], [99, 99, 99], 20, least=0)
    assert_array_equal(chosen, expected)


def test_next_sizes_start_with_the_least_of_each_and_stop_where_nothing_is_left():
    chosen = next_sizes(np.array([0.0, 1.0, 9.0]), [0, 0, 0], [5, 3, 4], 20, least=2)
    assert sorted(chosen[:4]) == [1, 1, 2, 2]
    assert_array_equal(np.bincount(chosen), [0, 3, 4])
