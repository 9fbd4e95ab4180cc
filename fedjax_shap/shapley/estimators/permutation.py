"""Monte-Carlo over permutations: marginals along random joining orders (Castro et al. 2009;
Mitchell et al. 2022).
"""

from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from fedjax_shap._validate import integer, one_of
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.orders import ORDERS
from fedjax_shap.shapley.sampling import Design, Draws, SamplingState, sampling_estimator
from fedjax_shap.shapley.semivalue import (
    Coefficients,
    coefficients_of,
    name_of,
    semivalues,
    shapley,
)
from fedjax_shap.typing import HostArray, Masks


class Joined(NamedTuple):
    """What is said of each unit.

    Attributes:
        orders: int[U, G, P], its joining orders.
        seed: int[U], what the blocks of the run are drawn from.
    """

    orders: HostArray
    seed: HostArray


def permutation(
    *,
    orders: Literal["random", "antithetic", "orthogonal", "low_discrepancy"] = "antithetic",
    max_permutations: int | None = None,
    semivalue: str | Coefficients = "shapley",
) -> Estimator:
    """Random joining orders, by default each with its reverse; unbiased, with standard errors.

    A player's value is the mean over orders of P C(P - 1, s) w_s [V(S + i) - V(S)], where S joined
    before i, s = |S| and w_s is the semivalue's coefficient; Shapley's factor is 1.

    Args:
        orders: "random": independent ones; "antithetic": pairs, the second order the reverse of the
            first; "orthogonal": such pairs, in blocks of up to P - 1 whose directions are
            orthogonal; "low_discrepancy": joining times that are scrambled Sobol sequences.
        max_permutations: the most orders drawn where the budget would allow more; as many as the
            budget if None.
        semivalue: "shapley", "banzhaf", "beta(ALPHA, BETA)", or the coefficients of another.

    Guarantees:
        Unbiased, since every single order is uniform; exact where the budget covers every coalition
        and `max_permutations` is None. For the Shapley value efficiency holds to rounding, since
        every order's marginals sum to V(N) - V(empty). The budget is never exceeded. Standard
        errors come from the spread of independent
        draws (orders, pairs, or blocks, eight of which fill side by side): from fewer than about
            ten draws
        they are rough, and a player who made the same difference in all of them has 0.
    """
    one_of("orders", orders, ORDERS)
    kind, coefficients, target = ORDERS[orders], coefficients_of(semivalue), name_of(semivalue)
    if max_permutations is not None:
        integer("max_permutations", max_permutations, least=2 * kind.group)

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[Joined, Masks]:
        seed = (
            int(state.units[0].seed[0])
            if state.units
            else int(rng.integers(2**63))
            if kind.block_size
            else 0
        )
        drawn = kind.draw(rng, seed, state.num_units + np.arange(count), state.num_players)
        return Joined(drawn, np.full(count, seed)), prefixes(drawn).reshape(
            count, -1, state.num_players
        )

    def reduce(draws: Draws) -> tuple[HostArray, HostArray]:
        joined, num_players = draws.units.orders, draws.masks.shape[-1]
        gains = marginals(draws._replace(units=joined))
        if target != "shapley":
            factor = (coefficients(num_players) / shapley(num_players))[np.argsort(joined, axis=-1)]
            gains = gains * factor.reshape(factor.shape + (1,) * (gains.ndim - 3))
        return blockwise(gains.mean(axis=1), kind.block_of(np.arange(len(joined)), num_players))

    design = Design(
        name="permutation",
        propose=propose,
        reduce=reduce,
        unit_size=lambda num_players: kind.group * (num_players - 1),
        most_units=None if max_permutations is None else max_permutations // kind.group,
        from_table=partial(semivalues, coefficients=coefficients),
    )
    is_shapley = target == "shapley"
    return sampling_estimator(
        design, Guarantees(target=target, efficient=is_shapley, additive=is_shapley)
    )


def prefixes(orders: HostArray) -> Masks:
    """bool[..., P + 1, P]: nobody, then one player more a row, in each joining order of int[...,
    P].
    """
    joined = np.argsort(orders, axis=-1)
    return np.asarray(joined[..., None, :] < np.arange(orders.shape[-1] + 1)[:, None])


def marginals(draws: Draws) -> HostArray:
    """float64[U, G, P, ...]: what each player added in each of the G joining orders of each unit.

    Args:
        draws: units int[U, G, P] are joining orders, coalitions the prefixes of them all.
    """
    orders = draws.units
    along = draws.utilities.reshape(
        *orders.shape[:2], orders.shape[2] + 1, *draws.utilities.shape[2:]
    )
    gains, place = np.diff(along, axis=2), np.argsort(orders, axis=-1)
    return np.take_along_axis(gains, place.reshape(place.shape + (1,) * (gains.ndim - 3)), axis=2)


def blockwise(draws: HostArray, block: HostArray) -> tuple[HostArray, HostArray]:
    """The mean over draws float64[U, ...] and its standard error, where draws of different blocks
    are independent.

    With n_b draws of mean m_b in block b, and m the mean of all n: the variance is
    sum_b n_b^2 (m_b - m)^2 / (n^2 - sum_b n_b^2), the usual one where every n_b is 1.

    Args:
        draws: float64[U, ...].
        block: int[U], the block of each, of which there must be two.
    """
    _, own, size = np.unique(block, return_inverse=True, return_counts=True)
    mean, off = draws.mean(axis=0), np.zeros((len(size), *draws.shape[1:]))
    np.add.at(off, own, draws - mean)
    return mean, np.sqrt((off**2).sum(axis=0) / (len(draws) ** 2 - (size**2).sum()))
