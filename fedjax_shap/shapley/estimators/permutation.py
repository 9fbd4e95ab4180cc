"""Permutation sampling: the mean of marginals along random joining orders.

Along an order, player i joins the set S of the players before. With w_s the semivalue's coefficient
of size s, a player's value is the mean over orders of

    P C(P - 1, s) w_s [V(S + i) - V(S)],   s = |S|.

For the Shapley value the factor before the bracket is 1.

References:
    Castro, Gomez, Tejada 2009, "Polynomial calculation of the Shapley value based on sampling".
    Mitchell, Cooper, Frank, Holmes 2022, "Sampling permutations for Shapley value estimation":
    orders that spread evenly (`shapley/orders.py`).
"""

from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from fedjax_shap._validate import integer, one_of
from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.orders import ORDERS, Orders, prefixes
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.semivalue import (
    Coefficients,
    coefficients_of,
    name_of,
    semivalues,
    shapley,
)
from fedjax_shap.typing import HostArray, Masks


class Joined(NamedTuple):
    """What `propose` says of each unit, which is one order or an order and its reverse.

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

    Args:
        orders: "random": independent ones; "antithetic": pairs, the second order the reverse of the
            first; "orthogonal": such pairs, in blocks of up to P - 1 whose directions are
            orthogonal; "low_discrepancy": joining times that are scrambled Sobol sequences.
        max_permutations: the most orders drawn where the budget would allow more; as many as the
            budget if None.
        semivalue: "shapley", "banzhaf", "beta(ALPHA, BETA)", or the coefficients of another.

    Guarantees:
        Unbiased, since every single order is uniform; exact where the budget covers every coalition
        and `max_permutations` is None. The Shapley value is efficient to rounding, since every
        order's marginals sum to V(N) - V(empty). The budget is never exceeded. Standard errors come
        from the spread of independent draws (orders, pairs, or blocks, eight of which fill side by
        side): from fewer than about ten draws they are rough, and a player who made the same
        difference in all of them has 0.
    """
    one_of("orders", orders, ORDERS)
    kind = ORDERS[orders]
    target = name_of(semivalue)
    coefficients = coefficients_of(semivalue)
    most_units = None
    if max_permutations is not None:
        integer("max_permutations", max_permutations, least=2 * kind.group)
        most_units = max_permutations // kind.group
    design = Design(
        name="permutation",
        propose=partial(_propose, kind),
        reduce=partial(_reduce, kind, target, coefficients),
        unit_size=lambda num_players: kind.group * (num_players - 1),
        most_units=most_units,
        from_table=partial(semivalues, coefficients=coefficients),
    )
    is_shapley = target == "shapley"
    guarantees = Guarantees(target=target, efficient=is_shapley, additive=is_shapley)
    return sampling_estimator(design, guarantees)


def _propose(
    kind: Orders, rng: np.random.Generator, state: SamplingState, count: int
) -> tuple[Joined, Masks]:
    """The next orders, and the coalitions along them."""
    # blocks are drawn from one seed for the whole run, taken from its first batch
    seed = 0
    if state.units:
        seed = int(state.units[0].seed[0])
    elif kind.block_size is not None:
        seed = int(rng.integers(2**63))
    orders = kind.draw(rng, seed, state.num_units + np.arange(count), state.num_players)
    masks = prefixes(orders).reshape(count, -1, state.num_players)
    return Joined(orders, np.full(count, seed)), masks


def _reduce(
    kind: Orders, target: str, coefficients: Coefficients, draws: Draws
) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: the means of the orders' marginals."""
    orders = draws.units.orders
    num_players = orders.shape[-1]
    gains = marginals(draws._replace(units=orders))
    # weigh each marginal by the size of the coalition joined; the Shapley value's factor is 1
    if target != "shapley":
        by_size = coefficients(num_players) / shapley(num_players)
        factor = by_size[np.argsort(orders, axis=-1)]
        gains = gains * factor.reshape(factor.shape + (1,) * (gains.ndim - 3))
    return blockwise(gains.mean(axis=1), kind.block_of(np.arange(len(orders)), num_players))


def marginals(draws: Draws) -> HostArray:
    """float64[U, G, P, ...]: what each player added in each of the G joining orders of each unit.

    Args:
        draws: units int[U, G, P] are joining orders, coalitions the prefixes of them all.
    """
    orders = draws.units
    num_units, group, num_players = orders.shape
    # utilities along each order, and what each place in it added
    trailing = draws.utilities.shape[2:]
    along = draws.utilities.reshape(num_units, group, num_players + 1, *trailing)
    gains = np.diff(along, axis=2)
    # from places to players
    place = np.argsort(orders, axis=-1)
    return np.take_along_axis(gains, place.reshape(place.shape + (1,) * (gains.ndim - 3)), axis=2)


def blockwise(draws: HostArray, block: HostArray) -> tuple[HostArray, HostArray]:
    """The mean over draws and its standard error, where draws of different blocks are independent.

    With n_b draws of mean m_b in block b, and m the mean of all n, the variance is
    sum_b n_b^2 (m_b - m)^2 / (n^2 - sum_b n_b^2), the usual one where every n_b is 1.

    Args:
        draws: float64[U, ...].
        block: int[U], the block of each; there must be at least two blocks.
    """
    _, own, size = np.unique(block, return_inverse=True, return_counts=True)
    mean = draws.mean(axis=0)
    off = np.zeros((len(size), *draws.shape[1:]))  # n_b (m_b - m)
    np.add.at(off, own, draws - mean)
    return mean, np.sqrt((off**2).sum(axis=0) / (len(draws) ** 2 - (size**2).sum()))
