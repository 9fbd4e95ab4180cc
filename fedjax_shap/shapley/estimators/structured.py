"""Structured sampling: every player stands at each position equally often (van Campen et al.
2018).
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.sampling import Design, Draws, SamplingState, sampling_estimator
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
    """Each order values all players at one position, into which each in turn is swapped; unbiased.

    In a random order, the player at position s changes places with player i: then i is preceded by
    s others. If T are the first s of the order and x is next, they are T where i is not in T, and T
    + x - i where i is. Either is uniform among the coalitions of s others, so the mean over
    positions is the Shapley value. An order costs P + 1 coalitions for P marginals, all of the same
    size. The first and the last position have one coalition a player, and are known.

    van Campen, Hamers, Husslage, Lindelauf (2018) give each of the P positions t of P t orders.
    Where the budget is smaller than two sweeps, neighbouring positions form strata of equal shares,
    so that each gets two orders at least; where it ends within a sweep, some strata have an order
    more, and each counts by its share.

    Guarantees:
        Unbiased; exact on additive games at any budget, and where the budget covers all coalitions.
        Not efficient. The budget is never exceeded; the least is 4 P + 4. Standard errors come from
        the spread within strata.
    """

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[Strata, Masks]:
        num_players, known = state.num_players, len(state.fixed) > 2
        positions = np.arange(num_players)[1:-1] if known else np.arange(num_players)
        place, units = next_strata(rng, state, count, unit=num_players + 1, most=len(positions))
        order = rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1)
        return units, swapped(order, positions[(place * len(positions)).astype(np.int64)])

    def reduce(draws: Draws) -> tuple[HostArray, HostArray]:
        values, errors = within_strata(_marginals(draws.masks, draws.utilities), draws.units)
        num_players = draws.masks.shape[-1]
        if len(draws.fixed) == 2:
            return values, errors
        alone, others = np.split(draws.fixed_utilities[2:], 2)
        ends = (alone - draws.empty) + (draws.grand - others)
        return (ends + (num_players - 2) * values) / num_players, (
            num_players - 2
        ) / num_players * errors

    design = Design(
        name="structured",
        propose=propose,
        reduce=reduce,
        unit_size=lambda num_players: num_players + 1,
        fixed=lambda num_players, budget: np.concatenate(
            [np.eye(num_players, dtype=bool), ~np.eye(num_players, dtype=bool)]
        ),
    )
    return sampling_estimator(design, Guarantees(additive=True))


def swapped(order: HostArray, position: HostArray) -> Masks:
    """bool[U, P + 2, P]: T, T + x, then for each player the coalition that T or T + x is compared
    with.

    Args:
        order: int[U, P], joining orders.
        position: int[U], s: T are the first s, x is the one after them.
    """
    joined, num_players = np.argsort(order, axis=-1), order.shape[-1]
    before, until = joined < position[:, None], joined <= position[:, None]
    star = np.where(before[:, :, None], until[:, None], before[:, None]) ^ np.eye(
        num_players, dtype=bool
    )
    return np.concatenate([before[:, None], until[:, None], star], axis=1)


def _marginals(masks: Masks, utilities: HostArray) -> HostArray:
    """float64[U, P, ...]: what each player adds, from the coalitions of `swapped`."""
    inside = masks[:, 0].reshape(masks.shape[0], masks.shape[2], *[1] * (utilities.ndim - 2))
    before, until, star = utilities[:, :1], utilities[:, 1:2], utilities[:, 2:]
    return np.where(inside, until - star, star - before)


def next_strata(
    rng: np.random.Generator, state: SamplingState, count: int, *, unit: int, most: int
) -> tuple[HostArray, Strata]:
    """(where in [0, 1) each of the next `count` units is drawn, float64[U]; the strata that they
    are drawn from).

    There are as many strata as get two units of `unit` coalitions each from the budget, `most` of
    them at most; those with the fewest units so far come first, in random order.
    """
    strata = min(max((state.budget - len(state.fixed)) // unit // 2, 1), most)
    told = [np.bincount(turn.own, minlength=strata) for turn in state.units]
    sofar = np.sum(told, axis=0) if told else np.zeros(strata, np.int64)
    rounds = np.arange(1 + int(sofar.max() - sofar.min()) + count // strata)
    visit = sofar[:, None] + rounds + rng.random((strata, len(rounds))) / 2
    index = np.argsort(visit, axis=None)[:count] // len(rounds)
    return (index + rng.random(count)) / strata, Strata(index, np.full(count, strata))


def within_strata(draws: HostArray, units: Strata) -> tuple[HostArray, HostArray]:
    """The mean of draws float64[U, ...] over [0, 1), stratum by stratum, and its standard error.

    With n_h draws of variance s_h^2 in the stratum of length l_h, the mean is sum_h l_h m_h, and
    its variance is sum_h l_h^2 s_h^2 / n_h. Neighbours are taken as one until each has two draws,
    where not all were told yet.
    """
    index, strata = units.own, int(units.total[0])
    length, size = np.full(strata, 1 / strata), np.bincount(index, minlength=strata)
    while size.min() < 2 and len(size) > 1:
        pairs = np.arange(0, len(size), 2)
        index, length, size = (
            index // 2,
            np.add.reduceat(length, pairs),
            np.add.reduceat(size, pairs),
        )
    length, size = (one.reshape(-1, *[1] * (draws.ndim - 1)) for one in (length, size))
    means, squares = np.zeros((2, len(size), *draws.shape[1:]))
    np.add.at(means, index, draws)
    means /= size
    np.add.at(squares, index, (draws - means[index]) ** 2)
    return (length * means).sum(axis=0), np.sqrt(
        (length**2 * squares / (size - 1) / size).sum(axis=0)
    )
