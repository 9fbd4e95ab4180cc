"""Joining orders walked step by step, many abreast: what estimators that truncate share (Ghorbani
and Zou 2019).

In each turn every walk under way asks for its next coalition. A walk ends where V is near V(N): the
players still to join are taken to add 0, and nothing is asked for them. A coalition's utility is
only ever what was told of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.shapley.estimator import (
    Attribution,
    Estimator,
    Guarantees,
    require_affordable,
    resolve_budget,
    seed_of,
)
from fedjax_shap.shapley.estimators.permutation import prefixes
from fedjax_shap.shapley.evaluations import Evaluations, no_evaluations
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.sampling import FREE_DRAWS
from fedjax_shap.typing import HostArray, Key, Masks


class TruncatedState(NamedTuple):
    """How far the walks are.

    Attributes:
        num_players: P.
        budget: the most distinct coalitions to ask for.
        turn: about how many of them to ask for at a time.
        told: what was asked for, and told: nobody first, everybody second.
        seed: of the orders: the k-th is the same however many turns it takes to get there.
        orders: int[K, P], the joining orders of the walks that were started.
        place: int[K], how many players have joined in each.
        open: bool[K, ...], the slices of the trailing axes in which V is not near V(N) yet.
    """

    num_players: int
    budget: int
    turn: int | None
    evaluations: Evaluations
    seed: tuple[int, ...] = ()
    orders: HostArray = np.zeros((0, 0), np.int64)
    place: HostArray = np.zeros(0, np.int64)
    open: HostArray = np.zeros(0, bool)

    @property
    def empty(self) -> HostArray:
        """float64[...]: V of nobody."""
        return np.asarray(np.asarray(self.evaluations.utilities)[0])

    @property
    def grand(self) -> HostArray:
        """float64[...]: V of everybody."""
        return np.asarray(np.asarray(self.evaluations.utilities)[1])

    @property
    def covers_all(self) -> bool:
        """Whether the budget is enough for every coalition there is."""
        return bool(self.budget == 2**self.num_players)

    @property
    def active(self) -> HostArray:
        """int[...]: the walks under way. One who is last to join makes the grand coalition, which
        is known.
        """
        still_open = self.open.any(axis=tuple(range(1, self.open.ndim)))
        return np.flatnonzero((self.place < self.num_players - 1) & still_open)

    @property
    def num_finished(self) -> int:
        """How many walks ended, from the first on; a short walk that overtook a longer one does not
        count yet.
        """
        return int(min(self.active, default=len(self.place)))


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
        reduce: state -> (values float64[P, ...], standard errors float64[P, ...], why it stopped).
        enumerates: whether all coalitions are asked for where the budget covers them.
    """

    name: str
    block_size: Callable[[int], int]
    draw_block: Callable[[np.random.Generator, int], HostArray]
    num_startable: Callable[[TruncatedState, int], int]
    tolerance: Callable[[TruncatedState], HostArray]
    unfinished: Callable[[TruncatedState], HostArray]
    reduce: Callable[[TruncatedState], tuple[HostArray, HostArray, str]]
    enumerates: bool


def truncation_estimator(truncation: Truncation, guarantees: Guarantees) -> Estimator:
    """An estimator that walks as `truncation` says until the next walk might not fit into the budget.

    Guarantees:
        Which walks are made depends on neither the turn nor how many go abreast: a walk starts only
        where the budget would hold all coalitions that it and those under way may still ask for.
        None is abandoned half-way.
    """
    return Estimator(
        init=partial(_init, truncation),
        ask=partial(_ask, truncation),
        tell=lambda state, masks, utilities: state._replace(
            evaluations=state.evaluations.tell(np.asarray(utilities, np.float64))
        ),
        read=partial(_read, truncation),
        guarantees=guarantees,
    )


def gains(state: TruncatedState, count: int, near: HostArray) -> HostArray:
    """float64[K, P, ...]: what each player added in the first `count` walks, 0 once V was `near`
    V(N).
    """
    masks, orders = prefixes(state.orders[:count]), state.orders[:count]
    utilities, rows = np.asarray(state.evaluations.utilities), state.evaluations.rows(masks)
    along, steps = utilities[rows], np.arange(state.num_players + 1)
    spread = (slice(None),) * 2 + (None,) * (along.ndim - 2)
    there = (np.abs(state.grand - along) < near) & (rows >= 0)[spread]
    ends = np.where(there.any(axis=1), there.argmax(axis=1), state.num_players)[:, None]
    along = np.take_along_axis(
        along, np.minimum(ends, steps.reshape(-1, *(1,) * (along.ndim - 2))), axis=1
    )
    place = np.argsort(orders, axis=1)
    return np.take_along_axis(np.diff(along, axis=1), place[spread], axis=1)


def _init(
    truncation: Truncation, num_players: int, budget: int | None, turn: int | None = None
) -> TruncatedState:
    integer("num_players", num_players, least=1)
    everything = 2**num_players
    budget = resolve_budget(truncation.name, num_players, budget, turn)
    require_affordable(
        truncation.name, num_players, budget, min(everything, 2 + 2 * (num_players - 1))
    )
    orders = np.zeros((0, num_players), np.int64)
    return TruncatedState(
        num_players, min(int(budget), everything), turn, no_evaluations(num_players), orders=orders
    )


def _ask(truncation: Truncation, key: Key, state: TruncatedState) -> tuple[Masks, TruncatedState]:
    nobody = np.zeros((1, state.num_players), bool)
    everything = truncation.enumerates and state.covers_all and state.num_players <= MOST_PLAYERS
    if not len(state.evaluations):
        seed = tuple(seed_of(key))
        masks, evaluations = state.evaluations.ask(np.concatenate([nobody, ~nobody]))
        state = state._replace(evaluations=evaluations, seed=seed)
        if not everything or (state.turn is not None and state.turn < state.budget):
            return masks, state
        more, evaluations = evaluations.ask(all_subsets(state.num_players))
        return np.concatenate([masks, more]), state._replace(evaluations=evaluations)
    if everything and state.evaluations.complete:
        return nobody[:0], state
    while True:
        state = _moved(truncation, state)
        started = _started(truncation, state)
        if started is state:
            break
        state = started
    fresh, evaluations = state.evaluations.ask(_next(state, state.active))
    if everything and (
        not len(fresh) or 2**state.num_players - len(state.evaluations) <= (state.turn or 0)
    ):
        missing = all_subsets(state.num_players)
        missing = missing[state.evaluations.rows(missing) < 0]
        fresh, evaluations = state.evaluations.ask(missing[: state.turn])
    return fresh, state._replace(evaluations=evaluations)


def _next(state: TruncatedState, which: HostArray) -> Masks:
    """bool[W, P]: the coalitions that the walks `which` int[W] come to next."""
    return np.asarray(np.argsort(state.orders[which], axis=1) <= state.place[which, None])


def _moved(truncation: Truncation, state: TruncatedState) -> TruncatedState:
    """The state after all steps to coalitions whose utilities are known."""
    utilities, near = np.asarray(state.evaluations.utilities), truncation.tolerance(state)
    place, still_open = state.place.copy(), state.open.copy()
    state = state._replace(place=place, open=still_open)
    while len(which := state.active):
        rows = state.evaluations.rows(_next(state, which))
        known = (rows >= 0) & (rows < len(utilities))
        if not known.any():
            break
        place[which[known]] += 1
        still_open[which[known]] &= np.abs(state.grand - utilities[rows[known]]) >= near
    return state


def _started(truncation: Truncation, state: TruncatedState) -> TruncatedState:
    """The state with as many more walks under way as there is room for; the same object where there
    is none.
    """
    steps, going, made = max(state.num_players - 1, 1), state.active, len(state.orders)
    count = min(
        truncation.num_startable(state, len(going)),
        FREE_DRAWS * max(state.budget // steps, 2) - made,
    )
    if state.turn is not None:
        count = min(count, max(state.turn - len(going), 0))
    if not state.covers_all:
        reserved = int((state.num_players - 1 - state.place[going]).sum())
        count = min(count, (state.budget - len(state.evaluations) - reserved) // steps)
    if count <= 0:
        return state
    wanted = truncation.unfinished(state)
    if not wanted.any():
        return state
    still_open = np.broadcast_to(
        wanted & (np.abs(state.grand - state.empty) >= truncation.tolerance(state)), wanted.shape
    )
    return state._replace(
        orders=np.concatenate([state.orders, _orders(truncation, state, count)]),
        place=np.concatenate([state.place, np.zeros(count, np.int64)]),
        open=np.concatenate(
            [
                state.open.reshape(made, *wanted.shape),
                np.tile(still_open, (count,) + (1,) * wanted.ndim),
            ]
        ),
    )


def _orders(truncation: Truncation, state: TruncatedState, count: int) -> HostArray:
    """int[count, P]: the next joining orders; block b of them is drawn from the seed and b
    alone.
    """
    found, seen = list[HostArray](), 0
    number, skip = divmod(len(state.orders), truncation.block_size(state.num_players))
    while seen < count:
        drawn = truncation.draw_block(
            np.random.default_rng([*state.seed, number]), state.num_players
        )[skip:]
        found.append(drawn[: count - seen])
        seen, number, skip = seen + len(found[-1]), number + 1, 0
    return np.concatenate(found)


def _read(truncation: Truncation, state: TruncatedState) -> Attribution:
    require(
        state.evaluations.utilities is not None,
        "Expected the utilities to be told before the values are read.",
    )
    state = _moved(truncation, state)
    if truncation.enumerates and state.evaluations.complete:
        values = shapley_values(state.evaluations.read(all_subsets(state.num_players)))
        errors, stopped = np.zeros_like(values), "all coalitions valued"
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
