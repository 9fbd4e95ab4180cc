"""The choice of the next coalitions, against the variance of the values by plain linear algebra."""

import numpy as np
from numpy.testing import assert_array_equal

from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.shapley.covariance import JITTER, Kernel
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.informative import most_informative

PLAYERS = 5
KERNEL = Kernel(
    lengths=np.linspace(0.2, 1.0, PLAYERS),
    decays=np.linspace(0.0, 0.5, PLAYERS),
    white=0.05,
    linear=0.3,
    pairs=0.02,
    size=0.7,
    empty=0.4,
)


def variance_of_values(rows: list[int]) -> float:
    """The summed posterior variance of the values, given the utilities of these coalitions."""
    every = all_subsets(PLAYERS)
    whole = KERNEL.covariance(every)
    counts = shapley_values(np.eye(len(every)))
    inside = np.linalg.inv(whole[np.ix_(rows, rows)])
    left = whole - whole[:, rows] @ inside @ whole[rows]
    return float(np.trace(counts @ (left - JITTER * np.eye(len(every))) @ counts.T))


def test_each_coalition_chosen_lowers_the_variance_of_the_values_most():
    every = all_subsets(PLAYERS)
    known = [0, 31, 3, 12]
    others = [row for row in range(32) if row not in known]
    chosen = ranks(most_informative(KERNEL, every[known], every[others], 5)).tolist()
    for step in range(5):
        before = known + chosen[:step]
        left = [row for row in others if row not in before]
        best = min(left, key=lambda row: variance_of_values([*before, row]))
        assert chosen[step] == best


def test_no_more_is_chosen_than_there_is():
    every = all_subsets(PLAYERS)
    chosen = most_informative(KERNEL, every[:28], every[28:], 10)
    assert_array_equal(np.sort(ranks(chosen)), [28, 29, 30, 31])
