"""Monte-Carlo over permutations: marginals along random joining orders (Castro et al. 2009; Mitchell et al. 2022)."""

import numpy as np

from fedjax_shap._validate import integer
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.sampled import Design, Draws, Sampled, mean_and_error, sampled
from fedjax_shap.typing import HostArray, Masks


def permutation(*, antithetic: bool = True, max_permutations: int | None = None) -> Estimator:
    """Random joining orders, each with its reverse where antithetic; unbiased, with standard errors.

    Args:
        antithetic: draw orders in pairs, the second the reverse of the first; the pairs are then the independent
            draws from which standard errors are computed.
        max_permutations: the most orders drawn where the budget would allow more; as many as the budget if None.

    Guarantees:
        Unbiased; exact where the budget covers every coalition and `max_permutations` is None. Efficiency holds to
        rounding, since every order's marginals sum to V(N) - V(empty). The budget is never exceeded. Standard errors
        come from the spread of independent draws: from fewer than about ten draws they are rough, and a player who
        made the same difference in all of them has 0.
    """
    group = 2 if antithetic else 1
    if max_permutations is not None:
        integer("max_permutations", max_permutations, least=2 * group)

    def propose(rng: np.random.Generator, state: Sampled, count: int) -> tuple[HostArray, Masks]:
        first = rng.permuted(np.tile(np.arange(state.num_players), (count, 1)), axis=1)
        orders = np.stack([first, first[:, ::-1]][:group], axis=1)
        return orders, prefixes(orders).reshape(count, -1, state.num_players)

    design = Design(
        name="permutation",
        propose=propose,
        reduce=lambda draws: mean_and_error(marginals(draws).mean(axis=1)),
        unit=lambda num_players: group * (num_players - 1),
        most_units=None if max_permutations is None else max_permutations // group,
    )
    return sampled(design, Guarantees(efficient=True, additive=True))


def prefixes(orders: HostArray) -> Masks:
    """bool[..., P + 1, P]: nobody, then one player more a row, in each joining order of int[..., P]."""
    joined = np.argsort(orders, axis=-1)
    return np.asarray(joined[..., None, :] < np.arange(orders.shape[-1] + 1)[:, None])


def marginals(draws: Draws) -> HostArray:
    """float64[U, G, P, ...]: what each player added in each of the G joining orders of each unit.

    Args:
        draws: units int[U, G, P] are joining orders, coalitions the prefixes of them all.
    """
    orders = draws.units
    along = draws.utilities.reshape(*orders.shape[:2], orders.shape[2] + 1, *draws.utilities.shape[2:])
    gains, place = np.diff(along, axis=2), np.argsort(orders, axis=-1)
    return np.take_along_axis(gains, place.reshape(place.shape + (1,) * (gains.ndim - 3)), axis=2)
