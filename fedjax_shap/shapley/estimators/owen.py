"""Owen sampling: the Shapley value as an integral over the probability q with which others join.

phi_i is the integral over q in [0, 1] of E[V(S + i) - V(S - i)], where each player is in S with
probability q, independently: the integral of the gradient of the multilinear extension along the
diagonal (Owen 1972). One S serves all players. It is compared with its P neighbours, S with i where
i is out and S without i where i is in, at P + 1 coalitions. Okhrati and Lipani (2021) pair q with
1 - q by the complement of S ("halved"), and take q from a fixed grid. Here q is uniform within each
cell of a grid, so that the grid adds no bias.

References:
    Owen 1972, "Multilinear extensions of games".
    Okhrati, Lipani 2021, "A multilinear sampling algorithm to estimate Shapley values".
"""

import numpy as np

from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.estimators.structured import Strata, next_strata, within_strata
from fedjax_shap.shapley.sampling import mean_and_error, sampling_estimator
from fedjax_shap.typing import HostArray, Masks

MOST_CELLS = 64  # of the grid of q: within so narrow a cell only S varies


def owen(*, antithetic: bool = True, stratified: bool = True) -> Estimator:
    """Random coalitions, each compared with its P neighbours, over all probabilities of joining.

    Args:
        antithetic: value S and its complement together, which stands for 1 - q.
        stratified: draw q evenly: from as many equal cells as the budget can give two draws each;
            else at random.

    Guarantees:
        Unbiased; exact on additive games at any budget, and where the budget covers all coalitions.
        Not efficient. The budget is never exceeded. Standard errors come from the spread of the
        draws, within cells if stratified.
    """
    group = 1 + antithetic

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[Strata, Masks]:
        # draw q in the next cells of the grid; of a pair, the lower half of [0, 1)
        unit = group * (state.num_players + 1)
        place, cell = next_strata(rng, state, count, unit=unit, most=MOST_CELLS)
        q = place
        if not stratified:
            q = rng.random(count)
        # draw S and, of a pair, its complement, each with its neighbours
        joined = rng.random((count, state.num_players)) < q[:, None] / group
        both = np.stack([joined, ~joined][:group], axis=1)
        return cell, neighbours(both).reshape(count, unit, state.num_players)

    def reduce(draws: Draws) -> tuple[HostArray, HostArray]:
        shape = (len(draws.masks), group, draws.masks.shape[-1] + 1)
        masks = draws.masks.reshape(*shape, -1)
        utilities = draws.utilities.reshape(*shape, *draws.empty.shape)
        gains = differences(masks, utilities).mean(axis=1)
        if not stratified:
            return mean_and_error(gains)
        return within_strata(gains, draws.units)

    design = Design(
        name="owen",
        propose=propose,
        reduce=reduce,
        unit_size=lambda num_players: group * (num_players + 1),
    )
    return sampling_estimator(design, Guarantees(additive=True))


def neighbours(masks: Masks) -> Masks:
    """bool[..., P + 1, P]: each of the masks bool[..., P], then those that differ by one player."""
    num_players = masks.shape[-1]
    changed = np.concatenate([np.zeros((1, num_players), bool), np.eye(num_players, dtype=bool)])
    return np.asarray(masks[..., None, :] ^ changed)


def differences(masks: Masks, utilities: HostArray) -> HostArray:
    """float64[U, G, P, ...]: V with each player less V without, over a coalition's neighbours.

    Args:
        masks: bool[U, G, P + 1, P], `neighbours` of G coalitions.
        utilities: float64[U, G, P + 1, ...], theirs.
    """
    change = utilities[:, :, 1:] - utilities[:, :, :1]
    sign = np.where(masks[:, :, 0], -1.0, 1.0)
    return change * sign.reshape(sign.shape + (1,) * (change.ndim - 3))
