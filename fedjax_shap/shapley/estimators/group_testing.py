"""Group testing: differences between players' values from the utilities of random groups.

A group S has size k with probability q(k) = (1/k + 1/(P - k)) / Z for k = 1..P - 1, where
Z = 2 (1 + 1/2 + ... + 1/(P - 1)), and any k members with equal probability. Then

    C_ij = the mean over groups of Z [V(S) - V(empty)] ([i in S] - [j in S])

estimates phi_i - phi_j without bias (Jia et al. 2019, theorem 3). The papers accept any values that
sum to V(N) - V(empty) and keep |phi_i - phi_j - C_ij| below a bound. The best of these by least
squares needs no solver: phi_i = (V(N) - V(empty)) / P + the mean over j of C_ij.

References:
    Jia et al. 2019, "Towards efficient data valuation based on the Shapley value".
    Wang, Rausch, Zhang, Jia, Song 2020, "A principled approach to data valuation for federated
    learning", algorithms 3 and 4.
"""

import numpy as np

from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.sampling import mean_and_error, sampling_estimator
from fedjax_shap.shapley.strata import random_of_sizes
from fedjax_shap.typing import HostArray, Masks


def group_testing() -> Estimator:
    """Random groups, each of which informs about every pair of players.

    Guarantees:
        Unbiased, since the values are linear in the C_ij. Efficient to rounding. Exact where the
        budget covers every coalition. The error does not vanish on additive games and is large
        beside that of other estimators, since whole utilities are averaged and not marginals.
        Standard errors come from the spread of independent groups; one that was drawn before counts
        again and costs nothing. The budget is never exceeded.
    """
    design = Design(
        name="group_testing", propose=_propose, reduce=_reduce, unit_size=lambda num_players: 1
    )
    return sampling_estimator(design, Guarantees(efficient=True))


def size_law(num_players: int) -> tuple[HostArray, float]:
    """(float64[P - 1]: q(k) for groups of 1..P - 1; the constant Z)."""
    size = np.arange(1, num_players)
    chance = 1 / size + 1 / (num_players - size)
    return chance / chance.sum(), float(chance.sum())


def _propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[HostArray, Masks]:
    """(int[U]: the sizes of the groups; bool[U, 1, P]: the groups)."""
    chance, _ = size_law(state.num_players)
    sizes = rng.choice(np.arange(1, state.num_players), size=count, p=chance)
    return sizes, random_of_sizes(rng, sizes, state.num_players)[:, None]


def _reduce(draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: one term a group, whose mean is that of C_ij."""
    groups = draws.masks[:, 0]
    num_players = groups.shape[1]
    _, constant = size_law(num_players)
    # the mean over j of [i in S] - [j in S]
    joined = groups - groups.mean(axis=1, keepdims=True)
    joined = joined.reshape(*joined.shape, *(1,) * draws.empty.ndim)
    gain = (draws.utilities[:, 0] - draws.empty)[:, None]
    means, errors = mean_and_error(constant * joined * gain)
    return (draws.grand - draws.empty) / num_players + means, errors
