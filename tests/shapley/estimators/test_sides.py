"""Means with and without each player: textbook errors, and unbiased where a side may be missing."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import hypergeom

from fedjax_shap.coalitions import of_size
from fedjax_shap.shapley.estimators.sides import difference, missed, side


@pytest.mark.parametrize(("others", "own", "drawn"), [(6, 4, 1), (6, 4, 3), (6, 4, 7), (30, 2, 5)])
def test_the_chance_to_miss_a_side_is_that_of_a_draw_without_replacement(others, own, drawn):
    expected = hypergeom(others + own, own, drawn).pmf(0)
    assert_allclose(missed(others, own, drawn), expected, rtol=1e-9, atol=1e-15)


def test_a_side_has_the_textbook_mean_and_variance_and_one_draw_borrows_the_spread_of_all():
    inside = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], float)
    values = np.array([3.0, 5.0, 1.0, 8.0])[:, None]
    own = side(inside, values, population=6.0)
    assert own.seen.tolist() == [3, 1, 0]
    assert_allclose(own.mean[:2, 0], [3.0, 3.0])
    everyone = values.var(ddof=1)
    expected = [values[:3].var(ddof=1) / 3 * (1 - 3 / 6), everyone * (1 - 1 / 6)]
    assert_allclose(own.variance[:2, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("drawn", [2, 3, 5])
def test_the_mean_of_the_difference_over_all_samples_is_that_of_all_coalitions(drawn):
    """Samples of pairs of four players, of whom some are in none of them or in all."""
    masks = of_size(4, 2).astype(float)
    values = np.random.default_rng(0).normal(size=(6, 1)) + 2
    weights = (0.7, 0.4)
    centre = np.array([1.5])
    chance = 1 - 2 * missed(3, 3, drawn)
    results = []
    for rows in combinations(range(6), drawn):
        inside = masks[list(rows)]
        own = values[list(rows)]
        plus = side(inside, own, 3.0)
        minus = side(1 - inside, own, 3.0)
        results.append(difference(plus, minus, chance, weights, centre)[0])
    expected = 0.7 * masks.T @ values / 3 - 0.4 * (1 - masks).T @ values / 3
    assert_allclose(np.mean(results, axis=0), expected, atol=1e-12)
