"""GTG-Shapley: guided joining orders, truncated within a round and between rounds.

The values of one round's game are means of marginals along joining orders. Orders come in sweeps of
P, in which every player is first once. A round that changed little is not valued at all; an order
ends once V is near V(N); and the estimator stops once the running mean has converged.

References:
    Liu, Chen, Zhang, Lu 2022, "GTG-Shapley: efficient and accurate participant contribution
    evaluation in federated learning", algorithm 1 and equation 10.
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.stopping import settled_within
from fedjax_shap.shapley.truncation import Truncation, truncation_estimator
from fedjax_shap.shapley.walks import TruncatedState, gains
from fedjax_shap.typing import HostArray


def gtg(
    *,
    between: float = 0.001,
    within: float = 0.001,
    settled: float = 0.05,
    last: int = 10,
    least: int = 30,
) -> Estimator:
    """Sweeps of P joining orders, every player first in one, until the running mean has converged.

    Made for the game of one round, valued by `estimate_rounds`; it serves any other game as well.
    The values are the plain means. The authors' program then scales them by the values of one sign,
    which pays for uploads that changed nothing; the paper does not, nor does this.

    Args:
        between: a round with |V(N) - V(empty)| <= between costs two coalitions and gives all 0.
        within: once |V(N) - V(S)| < within in an order, whoever joins later adds 0.
        settled: with phi^k the mean of the first k orders, stop after the first whole sweep, k >=
            max(least, P), at which the mean over players and m = 1..last of
            |phi^k - phi^(k - m)| / |phi^k| is below this (equation 10); 0 spends the whole budget.
        last: how many orders to look back.
        least: the fewest orders before the estimator may stop.

    Guarantees:
        Biased by what truncation leaves out. With `between` and `within` of 0 and no stopping rule
        it is the mean of uniform orders, stratified by who is first. A player whose every marginal
        is 0 gets exactly 0. The budget is never exceeded and ends no order half-way, but may end a
        sweep; values are not exact where it covers all coalitions. Standard errors are described in
        `stratified`; they know nothing of the bias, and are 0 where a round was truncated. Until
        two orders have ended they are infinite, and the values equal shares. Each slice of trailing
        axes is truncated and stops by its own utilities; the slices share the budget.
    """
    for name, value in (("between", between), ("within", within), ("settled", settled)):
        number(name, value, least=0)
    integer("last", last, least=1)
    integer("least", least, least=2)
    return _estimator(_Rules(between, within, settled, last, least))


class _Rules(NamedTuple):
    """When a round, an order and the estimator end: the arguments of `gtg`."""

    between: float
    within: float
    settled: float
    last: int
    least: int

    def tolerance(self, state: TruncatedState) -> HostArray:
        """float64[...]: an order ends once V is nearer to V(N) than this."""
        return np.full(state.grand.shape, self.within)

    def worthwhile(self, state: TruncatedState) -> HostArray:
        """bool[...]: whether the round changed enough to be valued."""
        # written as a negation so that a V(N) of NaN is valued, and shows
        return ~np.asarray(np.abs(state.grand - state.empty) <= self.between)

    def convergence(self, state: TruncatedState) -> tuple[HostArray, HostArray]:
        """(int[...]: how many orders each slice uses; bool[...]: whether it converged there)."""
        count = state.num_finished
        num_players = state.num_players
        shape = state.grand.shape
        used = np.full(shape, count)
        converged = np.zeros(shape, bool)
        # the first whole sweep at which the rule may hold
        first = -(-max(self.least, self.last + 1) // num_players) * num_players
        if not self.settled or count < first:
            return used, converged
        # the running means phi^k
        total = np.cumsum(gains(state, count, self.tolerance(state)), axis=0)
        running = total / np.arange(1, count + 1).reshape(-1, *(1,) * (total.ndim - 1))
        # each slice ends with its own first sweep at which equation 10 holds
        for place in np.ndindex(shape):
            for end in range(first, count + 1, num_players):
                recent = running[(slice(end - self.last - 1, end), slice(None), *place)]
                if settled_within(recent, share=self.settled, last=self.last):
                    used[place] = end
                    converged[place] = True
                    break
        return used, converged

    def unfinished(self, state: TruncatedState) -> HostArray:
        """bool[...]: the slices that need more orders."""
        return self.worthwhile(state) & ~self.convergence(state)[1]

    def reduce(self, state: TruncatedState) -> tuple[HostArray, HostArray, str]:
        """The values, their standard errors, and why the estimator stopped."""
        count = state.num_finished
        worthwhile = self.worthwhile(state)
        used, converged = self.convergence(state)
        reason = f"{count} guided permutations walked"
        if not worthwhile.any():
            reason = "round truncated: it changed too little"
        elif converged[worthwhile].all():
            reason += ", values settled"
        # equal shares, of which nothing is known, or nothing where the round was truncated
        shares = np.where(worthwhile, state.grand - state.empty, 0.0) / state.num_players
        values = np.repeat(shares[None], state.num_players, axis=0)
        unknown = np.where(worthwhile, np.inf, 0.0)
        errors = np.repeat(unknown[None], state.num_players, axis=0)
        if count < 2:
            return values, errors, reason
        # the mean marginals of each slice that is valued
        added = gains(state, count, self.tolerance(state))
        for place in np.ndindex(worthwhile.shape):
            if worthwhile[place]:
                orders = slice(int(used[place]))
                own = (slice(None), *place)
                first = state.orders[orders, 0]
                values[own], errors[own] = stratified(added[(orders, *own)], first)
        return values, errors, reason


def _estimator(rules: _Rules) -> Estimator:
    """The estimator that walks orders by these rules."""
    truncation = Truncation(
        name="gtg",
        block_size=lambda num_players: num_players,
        draw_block=_sweep,
        num_startable=_rest_of_the_sweep,
        tolerance=rules.tolerance,
        unfinished=rules.unfinished,
        reduce=rules.reduce,
        enumerates=False,
    )
    bias = "what players add is left out once V is near V(N), and in rounds that changed little"
    return truncation_estimator(truncation, Guarantees(unbiased=False, bias=bias, enumerates=False))


def stratified(added: HostArray, first: HostArray) -> tuple[HostArray, HostArray]:
    """The mean of orders and its standard error, where everyone is first once in each sweep of P.

    The orders with the same first player are a stratum, in which the variance is that of
    independent draws. The choice of strata adds none, but in a last, unfinished sweep: its first
    players are some of all, drawn without replacement. Fewer than two whole sweeps are taken as
    independent orders, whose standard error is rather too large.

    Args:
        added: float64[K, P], what each player added in each order.
        first: int[K], the first player of each order.
    """
    count, num_players = added.shape
    values = added.mean(axis=0)
    if count < 2 * num_players:
        return values, added.std(axis=0, ddof=1) / np.sqrt(count)
    # the variance within the stratum of each first player
    is_first = (first == np.arange(num_players)[:, None]).astype(float)  # [P strata, K]
    orders = is_first.sum(axis=1)[:, None]
    means = is_first @ added / orders
    spread = is_first @ (added - means[first]) ** 2 / (orders - 1)
    variance = (orders * spread).sum(axis=0)
    # the variance between strata, of which the last sweep has only some
    unfinished = count % num_players
    if unfinished:
        variance += unfinished * (1 - unfinished / num_players) * means.var(axis=0, ddof=1)
    return values, np.sqrt(variance) / count


def _sweep(rng: np.random.Generator, num_players: int) -> HostArray:
    """int[P, P]: P joining orders; each player is first in one, and the others follow at random."""
    orders = np.argsort(rng.random((num_players, num_players)), axis=1)
    first = rng.permutation(num_players)[:, None]
    rest = orders[orders != first].reshape(num_players, num_players - 1)
    return np.concatenate([first, rest], axis=1)


def _rest_of_the_sweep(state: TruncatedState, active: int) -> int:
    """How many more orders may start: none of the next sweep until the one before has ended, since
    the estimator may stop there.
    """
    inside = len(state.orders) % state.num_players
    if active and not inside:
        return 0
    return state.num_players - inside
