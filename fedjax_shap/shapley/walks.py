"""Joining orders walked step by step: where each walk is, and what players added along it."""

from typing import NamedTuple

import numpy as np

from fedjax_shap.shapley.evaluations import Evaluations
from fedjax_shap.shapley.orders import prefixes
from fedjax_shap.typing import HostArray, Masks


class TruncatedState(NamedTuple):
    """How far the walks are.

    Attributes:
        num_players: P.
        budget: the most distinct coalitions to ask for.
        turn: about how many of them to ask for in a batch of requests; None for no limit.
        evaluations: the coalitions asked for, and their utilities: first the empty coalition, then
            the grand one.
        seed: of the orders: the k-th order is the same however many batches it takes to get there.
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
        """float64[...]: V of the empty coalition."""
        return np.asarray(self.evaluations.observed[0])

    @property
    def grand(self) -> HostArray:
        """float64[...]: V of the grand coalition."""
        return np.asarray(self.evaluations.observed[1])

    @property
    def covers_all(self) -> bool:
        """Whether the budget is enough for every coalition there is."""
        return bool(self.budget == 2**self.num_players)

    @property
    def active(self) -> HostArray:
        """int[...]: the walks under way.

        The last step of a walk leads to the grand coalition, which is known.
        """
        still_open = self.open.any(axis=tuple(range(1, self.open.ndim)))
        return np.flatnonzero((self.place < self.num_players - 1) & still_open)

    @property
    def num_finished(self) -> int:
        """How many walks have ended, counted up to the first that has not."""
        return int(min(self.active, default=len(self.place)))


def next_masks(state: TruncatedState, walks: HostArray) -> Masks:
    """bool[W, P]: the coalitions that the walks int[W] come to next."""
    return np.asarray(np.argsort(state.orders[walks], axis=1) <= state.place[walks, None])


def advanced(state: TruncatedState, near: HostArray) -> TruncatedState:
    """The state after all steps to coalitions whose utilities are known.

    Args:
        state: the walks.
        near: float64[...], a walk ends in the slices in which |V(N) - V| is smaller.
    """
    utilities = state.evaluations.observed
    place = state.place.copy()
    still_open = state.open.copy()
    state = state._replace(place=place, open=still_open)
    while len(walks := state.active):
        rows = state.evaluations.rows(next_masks(state, walks))
        known = (rows >= 0) & (rows < len(utilities))
        if not known.any():
            break
        # take the step, and close the slices in which V is now near V(N)
        place[walks[known]] += 1
        still_open[walks[known]] &= np.abs(state.grand - utilities[rows[known]]) >= near
    return state


def gains(state: TruncatedState, count: int, near: HostArray) -> HostArray:
    """float64[K, P, ...]: what each player added in the first `count` walks.

    It is 0 for those who joined after V was nearer to V(N) than `near` float64[...].
    """
    orders = state.orders[:count]
    masks = prefixes(orders)
    rows = state.evaluations.rows(masks)
    along = state.evaluations.observed[rows]  # [K, P + 1, ...]; what stands at row -1 is not used
    trailing = (None,) * (along.ndim - 2)
    # find the step at which each walk ended
    near_the_end = (np.abs(state.grand - along) < near) & (rows >= 0)[:, :, *trailing]
    first = near_the_end.argmax(axis=1)
    ends = np.where(near_the_end.any(axis=1), first, state.num_players)[:, None]
    # let V stay from there on
    steps = np.arange(state.num_players + 1)[:, *trailing]
    along = np.take_along_axis(along, np.minimum(ends, steps), axis=1)
    # give each step to the player who joined
    place = np.argsort(orders, axis=1)
    return np.take_along_axis(np.diff(along, axis=1), place[:, :, *trailing], axis=1)
