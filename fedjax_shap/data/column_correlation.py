"""Columns split by how much those of different parties are correlated, after VertiBench."""

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy

from fedjax_shap.typing import HostArray


def rank_correlations(x: HostArray) -> HostArray:
    """Spearman's correlations of columns, float64[F, F]; 0 with a column that is constant."""
    ranks = scipy.stats.rankdata(x, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.corrcoef(ranks, rowvar=False).reshape(x.shape[1], x.shape[1])
    return np.asarray(np.nan_to_num(found, nan=0.0))


def spread(block: HostArray) -> float:
    """Pcor: the spread of the singular values of a block of correlations, 0 for none.

    Args:
        block: float64[F_i, F_j], correlations of the columns of two parties, or of one.

    References:
        Wu, Hou, He 2024, "VertiBench", arXiv 2307.02040, equation 4.
    """
    values = np.linalg.svd(block, compute_uv=False)
    if len(values) < 2:
        return 0.0
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def between_parties(correlations: HostArray, owners: HostArray) -> float:
    """Icor: how much parties' columns are correlated with each other's, less with their own.

    Args:
        correlations: float64[F, F].
        owners: int[F], 0..P-1, each of them at least once.

    References:
        Wu, Hou, He 2024, "VertiBench", arXiv 2307.02040, equation 5.
    """
    held = [np.flatnonzero(owners == party) for party in range(int(owners.max()) + 1)]
    inside = [spread(correlations[np.ix_(own, own)]) for own in held]
    across = [
        spread(correlations[np.ix_(one, other)])
        for at, one in enumerate(held)
        for other in held[at + 1 :]
    ]
    return float(np.mean(across) - np.mean(inside))


def split_by_correlation(
    rng: np.random.Generator, x: HostArray, num_parties: int, beta: float, trials: int
) -> HostArray:
    """Owners of columns, int[F] in 0..P-1, whose `between_parties` is near a target.

    Args:
        rng: decides where the searches begin and what they try.
        x: float[N, F].
        num_parties: P >= 2.
        beta: 0 for the least correlation that is found between parties, 1 for the most.
        trials: how many changes of places each of the three searches tries.
    """
    measure = partial(between_parties, rank_correlations(x))
    sizes = [len(part) for part in np.array_split(np.arange(x.shape[1]), num_parties)]
    start = rng.permutation(np.repeat(np.arange(num_parties), sizes))
    low = _searched(rng, start, measure, trials)
    high = _searched(rng, start, lambda owners: -measure(owners), trials)
    if beta in (0, 1):
        return (low, high)[int(beta)]
    target = (1 - beta) * measure(low) + beta * measure(high)
    return _searched(rng, start, lambda owners: abs(measure(owners) - target), trials)


def _searched(
    rng: np.random.Generator,
    start: HostArray,
    cost: Callable[[HostArray], float],
    trials: int,
) -> HostArray:
    """Owners of least cost among those that changes of places find, each of which lowers it."""
    owners = start.copy()
    least = cost(owners)
    for one, other in rng.integers(len(owners), size=(trials, 2)):
        if owners[one] == owners[other]:
            continue
        swapped = owners.copy()
        swapped[[one, other]] = owners[[other, one]]
        found = cost(swapped)
        if found < least:
            owners = swapped
            least = found
    return owners
