"""The next coalitions to observe: those whose utilities say most about the Shapley values.

References:
    ShaplEIG 2026, ICML (arXiv 2606.02247) chooses one coalition at a time by the information that
    its utility is expected to give on the values. Krause, Singh, Guestrin 2008, "Near-optimal
    sensor placements in Gaussian processes": a greedy choice of several at once.
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap.shapley.covariance import Kernel, inverse_root
from fedjax_shap.shapley.covariance_fit import one_thread
from fedjax_shap.typing import HostArray, Masks

DIGITS = 6  # of gains that count: beyond them, the first of equal candidates is chosen
LEAST_VARIANCE = 1e-12  # of a utility that all but follows from those observed


class Posterior(NamedTuple):
    """What N candidates are expected to be, given the utilities observed.

    Attributes:
        reduced: float64[M, N], with which the covariances fall by `reduced.T @ reduced`.
        variances: float64[N], of the candidates' utilities.
        with_values: float64[P, N], the covariance of each player's Shapley value with each.
    """

    reduced: HostArray
    variances: HostArray
    with_values: HostArray


def most_informative(kernel: Kernel, observed: Masks, candidates: Masks, count: int) -> Masks:
    """The candidates that lower the variance of the values most, one chosen after the other.

    A chosen one counts as observed when the next is chosen: that takes its place, as the fall of
    the variance does not depend on the utility itself.

    Args:
        kernel: the covariance of utilities.
        observed: bool[M, P], the coalitions whose utilities are known.
        candidates: bool[N, P], distinct others.
        count: how many to choose; all where there are fewer.

    Returns:
        bool[min(count, N), P], in the order chosen.
    """
    count = min(count, len(candidates))
    with one_thread():
        reduced, variances, with_values = _posterior(kernel, observed, candidates)
        # a row for each one chosen
        known = len(observed)
        reduced = np.concatenate([reduced, np.zeros((count, len(candidates)))])
        chosen: list[int] = []
        for row in range(known, known + count):
            # the fall of the summed variance of the values by each candidate
            gains = (with_values**2).sum(axis=0) / np.maximum(variances, LEAST_VARIANCE)
            gains[chosen] = -1.0
            best = _first_best(gains)
            # its covariance with all candidates, as far as it is not explained yet
            shared = kernel.between(candidates[best : best + 1], candidates)[0]
            shared -= reduced[:row, best] @ reduced[:row]
            shared[best] = max(variances[best], LEAST_VARIANCE)
            reduced[row] = shared / np.sqrt(shared[best])
            # from here on it counts as observed
            with_values -= np.outer(with_values[:, best] / reduced[row, best], reduced[row])
            variances -= reduced[row] ** 2
            chosen.append(best)
    return candidates[chosen]


def _posterior(kernel: Kernel, observed: Masks, candidates: Masks) -> Posterior:
    """`Posterior` of the candidates."""
    root = inverse_root(kernel.covariance(observed))
    reduced = root @ kernel.between(observed, candidates)
    explained = (kernel.shapley(observed) @ root.T) @ reduced
    variances = kernel.variances(candidates) - (reduced**2).sum(axis=0)
    return Posterior(reduced, variances, kernel.shapley(candidates) - explained)


def _first_best(gains: HostArray) -> int:
    """The first of the largest gains, those alike in the leading digits being equal.

    So equal candidates are chosen alike on machines that round differently.
    """
    return int(np.argmax(gains >= gains.max() * (1 - 10.0**-DIGITS)))
