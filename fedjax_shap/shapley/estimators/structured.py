"""Structured sampling: in each joining order all players are valued at one position.

Take a random order and a position s, where player x stands: T are the s players before. Each player
i in turn changes places with x, and so joins s others: T where i is not in T, T + x - i where i is.
Either is uniform among the coalitions of s others, so that the mean over positions is the Shapley
value. An order costs P + 1 coalitions for P marginals, all of the same size. The first and the last
position have one coalition a player, and are exact.

van Campen et al. give each of the P positions t of P t orders. Where the budget is smaller than two
sweeps over the positions, neighbouring positions form strata of equal length, so that each gets two
orders at least. Where it ends within a sweep, some strata have an order more; each counts by its
length.

References:
    van Campen, Hamers, Husslage, Lindelauf 2018, "A new approximation method for the Shapley value
    applied to the WTC 9/11 terrorist attack".
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.typing import HostArray, Masks


class Strata(NamedTuple):
    """Where in [0, 1) a unit was drawn from: one of H strata of equal length.

    Attributes:
        own: int[U], the stratum.
        total: int[U], H, the same for all.
    """

    own: HostArray
    total: HostArray


def structured() -> Estimator:
    """Each order values all players at one position, into which each in turn is swapped.

    Guarantees:
        Unbiased; exact on additive games at any budget, and where the budget covers all coalitions.
        Not efficient. The budget is never exceeded; the least is 4 P + 4. Standard errors come from
        the spread within strata.
    """
    design = Design(
        name="structured",
        propose=_propose,
        reduce=_reduce,
        unit_size=lambda num_players: num_players + 1,
        fixed=_ends,
    )
    return sampling_estimator(design, Guarantees(additive=True))


def _ends(num_players: int, budget: int) -> Masks:
    """bool[2 P, P]: each player alone, then all but each: the first and the last position."""
    alone = np.eye(num_players, dtype=bool)
    return np.concatenate([alone, ~alone])


def _propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[Strata, Masks]:
    """The positions of the next orders, and the coalitions of their players there."""
    num_players = state.num_players
    positions = np.arange(num_players)
    if len(state.fixed) > 2:
        positions = positions[1:-1]  # the others are known
    place, units = next_strata(rng, state, count, unit=num_players + 1, most=len(positions))
    order = rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1)
    return units, swapped(order, positions[(place * len(positions)).astype(np.int64)])


def _reduce(draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: the mean over positions."""
    values, errors = within_strata(_marginals(draws.masks, draws.utilities), draws.units)
    if len(draws.fixed) == 2:
        return values, errors
    # the first and the last position, exactly, and the mean of the others
    num_players = draws.masks.shape[-1]
    inner = num_players - 2
    alone, others = np.split(draws.fixed_utilities[2:], 2)
    ends = (alone - draws.empty) + (draws.grand - others)
    return (ends + inner * values) / num_players, inner / num_players * errors


def swapped(order: HostArray, position: HostArray) -> Masks:
    """bool[U, P + 2, P]: T, T + x, then for each player the coalition that one of them is compared
    with.

    Args:
        order: int[U, P], joining orders.
        position: int[U], s: T are the first s, x is the one after them.
    """
    num_players = order.shape[-1]
    joined = np.argsort(order, axis=-1)
    before = joined < position[:, None]
    until = joined <= position[:, None]
    # T + i for a player i who is not in T, T + x - i for one who is
    nearest = np.where(before[:, :, None], until[:, None], before[:, None])
    star = nearest ^ np.eye(num_players, dtype=bool)
    return np.concatenate([before[:, None], until[:, None], star], axis=1)


def _marginals(masks: Masks, utilities: HostArray) -> HostArray:
    """float64[U, P, ...]: what each player adds, from the coalitions of `swapped`."""
    inside = masks[:, 0].reshape(masks.shape[0], masks.shape[2], *[1] * (utilities.ndim - 2))
    before = utilities[:, :1]
    until = utilities[:, 1:2]
    star = utilities[:, 2:]
    return np.where(inside, until - star, star - before)


def next_strata(
    rng: np.random.Generator, state: SamplingState, count: int, *, unit: int, most: int
) -> tuple[HostArray, Strata]:
    """(float64[count]: where in [0, 1) each of the next units is drawn; the strata of these).

    There are as many strata as get two units of `unit` coalitions each from the budget, but at most
    `most`. Those with the fewest units so far come first, in random order.
    """
    strata = min(max((state.budget - len(state.fixed)) // unit // 2, 1), most)
    # count the units that each stratum has had
    so_far = np.zeros(strata, np.int64)
    for batch in state.units:
        so_far = so_far + np.bincount(batch.own, minlength=strata)
    # visit the strata sweep by sweep, at random within a sweep
    rounds = np.arange(1 + int(so_far.max() - so_far.min()) + count // strata)
    visit = so_far[:, None] + rounds + rng.random((strata, len(rounds))) / 2
    index = np.argsort(visit, axis=None)[:count] // len(rounds)
    return (index + rng.random(count)) / strata, Strata(index, np.full(count, strata))


def within_strata(draws: HostArray, units: Strata) -> tuple[HostArray, HostArray]:
    """The mean of draws float64[U, ...] over [0, 1), stratum by stratum, and its standard error.

    With n_h draws of mean m_h and variance s_h^2 in the stratum of length l_h, the mean is
    sum_h l_h m_h, and its variance is sum_h l_h^2 s_h^2 / n_h. Before all units were evaluated,
    neighbours are taken as one until each has two draws.
    """
    index = units.own
    strata = int(units.total[0])
    length = np.full(strata, 1 / strata)
    size = np.bincount(index, minlength=strata)
    # merge neighbouring strata until each has two draws
    while size.min() < 2 and len(size) > 1:
        pairs = np.arange(0, len(size), 2)
        index = index // 2
        length = np.add.reduceat(length, pairs)
        size = np.add.reduceat(size, pairs)
    # the mean and the sum of squares of each stratum
    column = (-1, *(1,) * (draws.ndim - 1))
    length = length.reshape(column)
    size = size.reshape(column)
    means, squares = np.zeros((2, len(size), *draws.shape[1:]))
    np.add.at(means, index, draws)
    means /= size
    np.add.at(squares, index, (draws - means[index]) ** 2)
    variance = (length**2 * squares / (size - 1) / size).sum(axis=0)
    return (length * means).sum(axis=0), np.sqrt(variance)
