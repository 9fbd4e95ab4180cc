"""Joining orders walked step by step, many at a time: what truncating estimators share.

In each batch every walk under way asks for its next coalition. A walk ends once V is near V(N): the
players still to join are taken to add 0, and no coalition with them is asked for.

References:
    Ghorbani and Zou 2019, "Data Shapley: equitable valuation of data for machine learning",
    algorithm 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from fedjax_shap._validate import integer
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.shapley.estimator import (
    Attribution,
    Estimator,
    Guarantees,
    require_affordable,
    resolve_budget,
    seed_of,
)
from fedjax_shap.shapley.evaluations import no_evaluations
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.sampling import FREE_DRAWS
from fedjax_shap.shapley.walks import TruncatedState, advanced, next_masks
from fedjax_shap.typing import HostArray, Key, Masks, Utilities


class ReduceWalks(Protocol):
    """Reads the values off walks."""

    def __call__(self, state: TruncatedState, /) -> tuple[HostArray, HostArray, str]:
        """(the values, their standard errors, float64[P, ...] each; why the estimator stopped)."""


@dataclass(frozen=True, kw_only=True)
class Truncation:
    """How an estimator walks.

    Attributes:
        name: what it is called in refusals.
        block_size: P -> B, how many joining orders are drawn as a block.
        draw_block: (rng, P) -> int[B, P], a block of them.
        num_startable: (state, how many are under way) -> how many more walks may start now.
        tolerance: state -> float64[...], a walk ends where |V(N) - V| is smaller.
        unfinished: state -> bool[...], the slices that want more walks; the estimator stops where
            none does.
        reduce: reads the values.
        enumerates: whether all coalitions are asked for where the budget covers them.
    """

    name: str
    block_size: Callable[[int], int]
    draw_block: Callable[[np.random.Generator, int], HostArray]
    num_startable: Callable[[TruncatedState, int], int]
    tolerance: Callable[[TruncatedState], HostArray]
    unfinished: Callable[[TruncatedState], HostArray]
    reduce: ReduceWalks
    enumerates: bool


def truncation_estimator(truncation: Truncation, guarantees: Guarantees) -> Estimator:
    """An estimator that walks until the next walk might not fit into the budget.

    Guarantees:
        Which walks are made depends on neither the batch size nor how many go at a time: a walk
        starts only where the budget holds all coalitions that it and those under way may still ask
        for. No walk is abandoned half-way.
    """
    return Estimator(
        init=partial(_init, truncation),
        ask=partial(_ask, truncation),
        tell=_tell,
        read=partial(_read, truncation),
        guarantees=guarantees,
    )


def _init(
    truncation: Truncation, num_players: int, budget: int | None, turn: int | None = None
) -> TruncatedState:
    """The state before the first walk; refuses a budget for fewer than two walks."""
    integer("num_players", num_players, least=1)
    everything = 2**num_players
    budget = resolve_budget(truncation.name, num_players, budget, turn)
    two_walks = 2 + 2 * (num_players - 1)
    require_affordable(truncation.name, num_players, budget, min(everything, two_walks))
    return TruncatedState(
        num_players,
        min(int(budget), everything),
        turn,
        no_evaluations(num_players),
        orders=np.zeros((0, num_players), np.int64),
    )


def _ask(truncation: Truncation, key: Key, state: TruncatedState) -> tuple[Masks, TruncatedState]:
    """(bool[M, P]: the coalitions of the next batch; the state with them)."""
    enumerates = truncation.enumerates and state.covers_all and state.num_players <= MOST_PLAYERS
    if not len(state.evaluations):
        return _ask_first(key, state, enumerates)
    if enumerates and state.evaluations.complete:
        return np.zeros((0, state.num_players), bool), state
    # walk and start walks until each walk under way needs a utility that is not known
    while True:
        state = advanced(state, truncation.tolerance(state))
        started = _with_new_walks(truncation, state)
        if started is state:
            break
        state = started
    new, evaluations = state.evaluations.ask(next_masks(state, state.active))
    # ask for the rest where walks give nothing new any more, or where one batch holds it
    missing = 2**state.num_players - len(state.evaluations)
    if enumerates and (not len(new) or missing <= (state.turn or 0)):
        every = all_subsets(state.num_players)
        rest = every[state.evaluations.rows(every) < 0]
        new, evaluations = state.evaluations.ask(rest[: state.turn])
    return new, state._replace(evaluations=evaluations)


def _ask_first(key: Key, state: TruncatedState, enumerates: bool) -> tuple[Masks, TruncatedState]:
    """The first batch: the empty and the grand coalition, or all if they fit into one batch."""
    empty = np.zeros((1, state.num_players), bool)
    masks, evaluations = state.evaluations.ask(np.concatenate([empty, ~empty]))
    in_one_batch = state.turn is None or state.turn >= state.budget
    if enumerates and in_one_batch:
        rest, evaluations = evaluations.ask(all_subsets(state.num_players))
        masks = np.concatenate([masks, rest])
    return masks, state._replace(evaluations=evaluations, seed=tuple(seed_of(key)))


def _tell(state: TruncatedState, masks: Masks, utilities: Utilities) -> TruncatedState:
    """The state with the utilities float[M, ...] of the coalitions asked for last."""
    return state._replace(evaluations=state.evaluations.tell(utilities))


def _with_new_walks(truncation: Truncation, state: TruncatedState) -> TruncatedState:
    """The state with as many more walks as there is room for; the same object where there is
    none.
    """
    count = _num_new_walks(truncation, state)
    if count <= 0:
        return state
    unfinished = truncation.unfinished(state)
    if not unfinished.any():
        return state
    # a slice in which V(empty) is near V(N) is closed from the start
    apart = np.abs(state.grand - state.empty) >= truncation.tolerance(state)
    still_open = np.broadcast_to(unfinished & apart, unfinished.shape)
    opened = np.tile(still_open, (count,) + (1,) * unfinished.ndim)
    before = state.open.reshape(len(state.orders), *unfinished.shape)
    return state._replace(
        orders=np.concatenate([state.orders, _next_orders(truncation, state, count)]),
        place=np.concatenate([state.place, np.zeros(count, np.int64)]),
        open=np.concatenate([before, opened]),
    )


def _num_new_walks(truncation: Truncation, state: TruncatedState) -> int:
    """How many more walks may start; 0 or less for none."""
    steps = max(state.num_players - 1, 1)
    active = state.active
    most = FREE_DRAWS * max(state.budget // steps, 2)
    count = min(truncation.num_startable(state, len(active)), most - len(state.orders))
    if state.turn is not None:
        count = min(count, max(state.turn - len(active), 0))
    if not state.covers_all:
        # what the walks under way may still ask for is reserved
        reserved = int((state.num_players - 1 - state.place[active]).sum())
        room = state.budget - len(state.evaluations) - reserved
        count = min(count, room // steps)
    return count


def _next_orders(truncation: Truncation, state: TruncatedState, count: int) -> HostArray:
    """int[count, P]: the next joining orders.

    Block b of them is drawn from the seed and b alone.
    """
    orders: list[HostArray] = []
    missing = count
    block, skip = divmod(len(state.orders), truncation.block_size(state.num_players))
    while missing > 0:
        rng = np.random.default_rng([*state.seed, block])
        drawn = truncation.draw_block(rng, state.num_players)[skip:][:missing]
        orders.append(drawn)
        missing -= len(drawn)
        block += 1
        skip = 0
    return np.concatenate(orders)


def _read(truncation: Truncation, state: TruncatedState) -> Attribution:
    """The values: exact ones if all coalitions were valued, else what `reduce` reads."""
    state = advanced(state, truncation.tolerance(state))
    if truncation.enumerates and state.evaluations.complete:
        values = shapley_values(state.evaluations.read(all_subsets(state.num_players)))
        errors = np.zeros_like(values)
        stopped = "all coalitions valued"
    else:
        values, errors, stopped = truncation.reduce(state)
    return Attribution(
        values=values,
        std_errors=errors,
        empty=state.empty,
        grand=state.grand,
        num_coalitions=len(state.evaluations),
        stopped=stopped,
        notes={"permutations": state.num_finished},
    )
