"""Participant subsampling: each player's exact value among a few others drawn at random (Spec
2.5).
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.sampling import (
    Design,
    Draws,
    SamplingState,
    mean_and_error,
    sampling_estimator,
)
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

LARGEST = 15  # others drawn: 2**16 coalitions a group
USUAL = 4


class Subsampled(NamedTuple):
    """How far the estimator is: `size` others at a time."""

    size: int
    deals: SamplingState


def subsampling(*, size: int | None = None) -> Estimator:
    """The mean over random sets M of `size` others of player i's Shapley value in the game of M and
    i alone.

    A draw deals all players at random into groups of size + 1 and values everybody in the group,
    all of whose 2^(size + 1) coalitions are asked for: for each member the others are a uniformly
    random M, and the members share the coalitions. A group that is short is filled up with players
    of another, who are then valued twice and whose two values are averaged.

    Args:
        size: how many others a player is valued among; 4, or as many fewer as the budget holds two
            deals of, if None.

    Guarantees:
        Exact for P <= size + 1, on additive games, and where the budget covers every coalition.
        Otherwise biased: what a player adds to coalitions of more than `size` others is never seen,
        and smaller ones count for more instead; where utilities saturate values come out too high,
        and their sum is not V(N) - V(empty). A player whose every marginal is 0 gets exactly 0. The
        budget is never exceeded. Standard errors come from the spread of independent deals and know
        nothing of the bias.
    """
    if size is not None:
        integer("size", size, least=1, most=LARGEST)

    def init(num_players: int, budget: int | None, turn: int | None = None) -> Subsampled:
        integer("num_players", num_players, least=1)
        if budget is not None:
            integer("budget", budget, least=1)
        found = size or _fitting(num_players, budget, USUAL)
        if size is not None and budget is not None:
            _check(size, num_players, budget)
        return Subsampled(found, _dealing(found).init(num_players, budget, turn))

    def ask(key: Key, state: Subsampled) -> tuple[Masks, Subsampled]:
        masks, deals = _dealing(state.size).ask(key, state.deals)
        return masks, state._replace(deals=deals)

    def tell(state: Subsampled, masks: Masks, utilities: Utilities) -> Subsampled:
        return state._replace(deals=_dealing(state.size).tell(state.deals, masks, utilities))

    def read(state: Subsampled) -> Attribution:
        return _dealing(state.size).read(state.deals)

    bias = "what is added to coalitions of more players than are drawn is never seen"
    return Estimator(init, ask, tell, read, Guarantees(unbiased=False, bias=bias, additive=True))


def _coalitions(size: int, num_players: int) -> int:
    """The most coalitions of a deal besides nobody."""
    members = min(size + 1, num_players)
    return int(-(-num_players // members) * (2**members - 1))


def _needed(size: int, num_players: int) -> int:
    """The least budget: two deals, or all coalitions where these are fewer."""
    return int(min(2**num_players, 2 + 2 * _coalitions(size, num_players)))


def _fitting(num_players: int, budget: int | None, most: int) -> int:
    """The largest size up to `most` of which two deals fit into the budget; 1 where none does."""
    fits = [
        size
        for size in range(1, most + 1)
        if budget is None or 2 + 2 * _coalitions(size, num_players) <= budget
    ]
    return max(fits, default=1)


def _check(size: int, num_players: int, budget: int) -> None:
    """Refuses a size of which the budget does not hold two deals, where it does of a smaller
    one.
    """
    fitting = _fitting(num_players, budget, size)
    require(
        budget >= _needed(size, num_players) or budget < _needed(fitting, num_players),
        f"Expected size={size} to be <= {fitting} for budget={budget} and {num_players} players: "
        f"at size={size} "
        f"estimator='subsampling' needs a budget of {_needed(size, num_players)}.",
    )


def _dealing(size: int) -> Estimator:
    """The estimator that values everybody among `size` others."""
    design = Design(
        name="subsampling",
        propose=lambda rng, state, count: _propose(rng, state, count, size),
        reduce=_reduce,
        unit_size=lambda num_players: _coalitions(size, num_players),
        notes=lambda draws: {"size": size},
    )
    return sampling_estimator(design, Guarantees())


def _propose(
    rng: np.random.Generator, state: SamplingState, count: int, size: int
) -> tuple[HostArray, Masks]:
    num_players, members = state.num_players, min(size + 1, state.num_players)
    dealt = rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1)
    short = -num_players % members
    groups = np.concatenate([dealt, dealt[:, :short]], axis=1).reshape(count, -1, members)
    masks = np.zeros((*groups.shape[:2], 2**members, num_players), bool)
    np.put_along_axis(masks, groups[:, :, None], all_subsets(members), axis=-1)
    return groups, masks.reshape(count, -1, num_players)


def _reduce(draws: Draws) -> tuple[HostArray, HostArray]:
    count, num_groups, members = draws.units.shape
    trailing = draws.empty.shape
    tables = draws.utilities.reshape(count, num_groups, 2**members, *trailing)
    inside = np.moveaxis(shapley_values(np.moveaxis(tables, 2, 0)), 0, 2).reshape(
        count, -1, *trailing
    )
    who, deal = draws.units.reshape(count, -1), np.arange(count)[:, None]
    values = np.zeros((count, draws.masks.shape[-1], *trailing))
    times = np.zeros(values.shape[:2])
    np.add.at(values, (deal, who), inside)
    np.add.at(times, (deal, who), 1)
    return mean_and_error(values / times.reshape(*times.shape, *(1,) * len(trailing)))
