"""Participant subsampling: each player's exact Shapley value among a few others drawn at random.

With M a random set of k others, a player's value is the mean over M of the Shapley value of i in
the game of M and i alone. A draw deals all players at random into groups of k + 1 and values
everyone inside their group, from its 2^(k + 1) coalitions: for each member the others are a
uniformly random M, and the members share the coalitions. A group that is short is filled up with
players of another, who are then valued twice and whose two values are averaged.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.sampling import mean_and_error, sampling_estimator
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

LARGEST = 15  # others drawn: 2**16 coalitions a group
USUAL = 4


class SubsamplingState(NamedTuple):
    """How far the estimator is.

    Attributes:
        size: k, how many others a player is valued among.
        sampling: the state of the draws of this size.
    """

    size: int
    sampling: SamplingState


def subsampling(*, size: int | None = None) -> Estimator:
    """The mean over random sets of `size` others of each player's value among them alone.

    Args:
        size: how many others a player is valued among; 4, or as many fewer as the budget holds two
            draws of, if None.

    Guarantees:
        Exact for P <= size + 1, on additive games, and where the budget covers every coalition.
        Otherwise biased: what a player adds to coalitions of more than `size` others is never seen,
        and smaller ones count for more instead. Where utilities saturate, values come out too high,
        and their sum is not V(N) - V(empty). A player whose every marginal is 0 gets exactly 0. The
        budget is never exceeded. Standard errors come from the spread of independent draws and know
        nothing of the bias.
    """
    if size is not None:
        integer("size", size, least=1, most=LARGEST)
    bias = "what is added to coalitions of more players than are drawn is never seen"
    guarantees = Guarantees(unbiased=False, bias=bias, additive=True)
    return Estimator(partial(_init, size), _ask, _tell, _read, guarantees)


def _init(
    size: int | None, num_players: int, budget: int | None, turn: int | None = None
) -> SubsamplingState:
    integer("num_players", num_players, least=1)
    if budget is not None:
        integer("budget", budget, least=1)
    if size is None:
        size = _largest_affordable(num_players, budget, USUAL)
    elif budget is not None:
        _require_affordable(size, num_players, budget)
    return SubsamplingState(size, _of_size(size).init(num_players, budget, turn))


def _ask(key: Key, state: SubsamplingState) -> tuple[Masks, SubsamplingState]:
    masks, sampling = _of_size(state.size).ask(key, state.sampling)
    return masks, state._replace(sampling=sampling)


def _tell(state: SubsamplingState, masks: Masks, utilities: Utilities) -> SubsamplingState:
    return state._replace(sampling=_of_size(state.size).tell(state.sampling, masks, utilities))


def _read(state: SubsamplingState) -> Attribution:
    return _of_size(state.size).read(state.sampling)


def _of_size(size: int) -> Estimator:
    """The estimator that values everyone among `size` others."""
    design = Design(
        name="subsampling",
        propose=partial(_propose, size),
        reduce=_reduce,
        unit_size=partial(_num_coalitions, size),
        notes=lambda draws: {"size": size},
    )
    return sampling_estimator(design, Guarantees())


def _num_coalitions(size: int, num_players: int) -> int:
    """The most coalitions of a draw besides the empty one."""
    members = min(size + 1, num_players)
    return int(-(-num_players // members) * (2**members - 1))


def _least_budget(size: int, num_players: int) -> int:
    """The budget of two draws, or of all coalitions where these are fewer."""
    return int(min(2**num_players, 2 + 2 * _num_coalitions(size, num_players)))


def _largest_affordable(num_players: int, budget: int | None, most: int) -> int:
    """The largest size up to `most` of which the budget holds two draws; 1 where it holds none."""
    affordable = [
        size
        for size in range(1, most + 1)
        if budget is None or 2 + 2 * _num_coalitions(size, num_players) <= budget
    ]
    return max(affordable, default=1)


def _require_affordable(size: int, num_players: int, budget: int) -> None:
    """Refuses a size of which the budget does not hold two draws, where a smaller one would do."""
    least = _least_budget(size, num_players)
    affordable = _largest_affordable(num_players, budget, size)
    require(
        budget >= least or budget < _least_budget(affordable, num_players),
        f"Expected size={size} to be <= {affordable} for budget={budget} and {num_players} "
        f"players: at size={size} estimator='subsampling' needs a budget of {least}.",
    )


def _propose(
    size: int, rng: np.random.Generator, state: SamplingState, count: int
) -> tuple[HostArray, Masks]:
    """(int[U, groups, members]: the groups of each draw; all their coalitions)."""
    num_players = state.num_players
    members = min(size + 1, num_players)
    # deal all players into groups; fill up the last with the first of the deal
    dealt = rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1)
    missing = -num_players % members
    groups = np.concatenate([dealt, dealt[:, :missing]], axis=1).reshape(count, -1, members)
    # list the coalitions of each group
    masks = np.zeros((*groups.shape[:2], 2**members, num_players), bool)
    np.put_along_axis(masks, groups[:, :, None], all_subsets(members), axis=-1)
    return groups, masks.reshape(count, -1, num_players)


def _reduce(draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: each player's mean over the draws."""
    count, num_groups, members = draws.units.shape
    trailing = draws.empty.shape
    # the Shapley values of each group's members
    tables = draws.utilities.reshape(count, num_groups, 2**members, *trailing)
    inside = np.moveaxis(shapley_values(np.moveaxis(tables, 2, 0)), 0, 2)
    inside = inside.reshape(count, -1, *trailing)
    # each player's value in each draw, the mean of two for those who filled up a group
    player = draws.units.reshape(count, -1)
    draw = np.arange(count)[:, None]
    values = np.zeros((count, draws.masks.shape[-1], *trailing))
    times = np.zeros(values.shape[:2])
    np.add.at(values, (draw, player), inside)
    np.add.at(times, (draw, player), 1)
    return mean_and_error(values / times.reshape(*times.shape, *(1,) * len(trailing)))
