"""GTG-Shapley: guided joining orders, truncated within a round and between rounds (Liu, Chen,
Zhang, Lu 2022).
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.stopping import settled_within
from fedjax_shap.shapley.truncation import TruncatedState, Truncation, gains, truncation_estimator
from fedjax_shap.typing import HostArray


def gtg(
    *,
    between: float = 0.001,
    within: float = 0.001,
    settled: float = 0.05,
    last: int = 10,
    least: int = 30,
) -> Estimator:
    """Sweeps of P joining orders, every player first in one of them, until the running mean has
    settled.

    Made for the game of one round, valued by `estimate_rounds`; it serves any other game as well. A
    round that changed little, |V(N) - V(empty)| <= between, costs two coalitions and gives
    everybody 0. In an order, once |V(N) - V(S)| < within, whoever joins later adds 0. The estimator
    stops after the first whole sweep at which the running mean phi^k over k >= max(least, P) orders
    has settled: the mean over players and m = 1..last of |phi^k - phi^(k - m)| / |phi^k| is below
    `settled` (equation 10).

    The values are the plain means. The authors' program then scales them by the values of one sign,
    which pays for uploads that changed nothing; that is not in the paper and not done here.

    Args:
        between: the gain of a round that is not worth sharing, in units of the utility.
        within: the gain that is not worth going on with an order, in units of the utility.
        settled: the share by which the values may still change; 0 goes on until the budget is used
            up.
        last: how many orders to look back.
        least: the fewest orders before the rule is asked.

    Guarantees:
        Biased by what truncation leaves out; with `between` and `within` of 0 and no stopping rule
        it is the mean of uniform orders, stratified by who is first. A player whose every marginal
        is 0 gets exactly 0. The budget is never exceeded and ends no order half-way, but may end a
        sweep; it is no promise of exact values where it covers all coalitions. Standard errors are
        those of a sample stratified by the first player; of fewer than two sweeps, those of
        independent orders, which are rather too large. They know nothing of the bias; where a round
        was truncated they are 0. They are infinite, and the values equal shares, until two orders
        have ended. Each slice of trailing axes is truncated and stops by its own utilities; the
        slices share the budget.
    """
    for name, value in (("between", between), ("within", within), ("settled", settled)):
        number(name, value, least=0)
    integer("last", last, least=1)
    integer("least", least, least=2)

    rules = _Rules(between, within, settled, last, least)
    truncation = Truncation(
        name="gtg",
        block_size=lambda num_players: num_players,
        draw_block=_sweep,
        num_startable=_to_the_end_of_the_sweep,
        tolerance=rules.near,
        unfinished=lambda state: rules.worth(state) & ~rules.ends(state)[1],
        reduce=rules.reduce,
        enumerates=False,
    )
    bias = "what players add is left out once V is near V(N), and in rounds that changed little"
    return truncation_estimator(truncation, Guarantees(unbiased=False, bias=bias, enumerates=False))


class _Rules(NamedTuple):
    """When a round, an order and the estimator end: the arguments of `gtg`."""

    between: float
    within: float
    settled: float
    last: int
    least: int

    def near(self, state: TruncatedState) -> HostArray:
        """float64[...]: how near V(N) an order ends."""
        return np.full(state.grand.shape, self.within)

    def worth(self, state: TruncatedState) -> HostArray:
        """bool[...]: whether the round is worth sharing."""
        return ~np.asarray(
            np.abs(state.grand - state.empty) <= self.between
        )  # of a V(N) that is NaN, too: NaN shows

    def ends(self, state: TruncatedState) -> tuple[HostArray, HostArray]:
        """(int[...]: how many orders each slice takes; bool[...]: whether it settled there)."""
        count, num_players, shape = state.num_finished, state.num_players, state.grand.shape
        taken, calm = np.full(shape, count), np.zeros(shape, bool)
        first = -(-max(self.least, self.last + 1) // num_players) * num_players
        if not self.settled or count < first:
            return taken, calm
        total = np.cumsum(gains(state, count, self.near(state)), axis=0)
        running = total / np.arange(1, count + 1).reshape(-1, *(1,) * (total.ndim - 1))
        for place in np.ndindex(shape):
            for end in range(first, count + 1, num_players):
                recent = running[(slice(end - self.last - 1, end), slice(None), *place)]
                if settled_within(recent, share=self.settled, last=self.last):
                    taken[place], calm[place] = end, True
                    break
        return taken, calm

    def reduce(self, state: TruncatedState) -> tuple[HostArray, HostArray, str]:
        """The values, their standard errors, and why the estimator stopped."""
        count, worth, (taken, calm) = state.num_finished, self.worth(state), self.ends(state)
        if not worth.any():
            why = "round truncated: it changed too little"
        else:
            why = f"{count} guided permutations walked{', values settled' if calm[worth].all() else ''}"
        shares = np.where(worth, state.grand - state.empty, 0.0) / state.num_players
        values = np.repeat(shares[None], state.num_players, axis=0)
        errors = np.repeat(np.where(worth, np.inf, 0.0)[None], state.num_players, axis=0)
        if count < 2:
            return values, errors, why
        added = gains(state, count, self.near(state))
        for place in np.ndindex(worth.shape):
            if worth[place]:
                used, own = slice(int(taken[place])), (slice(None), *place)
                values[own], errors[own] = stratified(added[(used, *own)], state.orders[used, 0])
        return values, errors, why


def stratified(added: HostArray, first: HostArray) -> tuple[HostArray, HostArray]:
    """The mean of float64[K, P] orders and its standard error, where in each block of P everybody
    is first once.

    Within a stratum, the orders with the same first player, the variance is that of independent
    draws. The strata themselves add none, but for the last, unfinished block, whose first players
    are some of all, drawn without return.
    """
    count, num_players = added.shape
    values = added.mean(axis=0)
    if count < 2 * num_players:
        return values, added.std(axis=0, ddof=1) / np.sqrt(count)
    is_first = (first == np.arange(num_players)[:, None]).astype(float)  # [P strata, K]
    orders = is_first.sum(axis=1)[:, None]
    means = is_first @ added / orders
    spread = is_first @ (added - means[first]) ** 2 / (orders - 1)
    variance, unfinished = (orders * spread).sum(axis=0), count % num_players
    if unfinished:
        variance += unfinished * (1 - unfinished / num_players) * means.var(axis=0, ddof=1)
    return values, np.sqrt(variance) / count


def _sweep(rng: np.random.Generator, num_players: int) -> HostArray:
    """int[P, P]: each player is first in one joining order, in a random turn, and the others follow
    at random.
    """
    orders = np.argsort(rng.random((num_players, num_players)), axis=1)
    first = rng.permutation(num_players)[:, None]
    rest = orders[orders != first].reshape(num_players, num_players - 1)
    return np.concatenate([first, rest], axis=1)


def _to_the_end_of_the_sweep(state: TruncatedState, going: int) -> int:
    """How many more orders may start: a sweep begins when the one before has ended, since that may
    be the last.
    """
    inside = len(state.orders) % state.num_players
    return state.num_players - inside if inside or not going else 0
