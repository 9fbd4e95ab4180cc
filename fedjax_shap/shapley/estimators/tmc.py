"""Truncated Monte-Carlo: joining orders that end once V is near V(N).

Along an order, each player gets what V grows by when they join. Once |V(N) - V(S)| is small,
whoever joins later adds 0. What is saved on the ends of orders buys further orders. A truncated
player's 0 counts in the mean, but is not written into any store: the coalitions that would have
come are not asked for.

References:
    Ghorbani, Zou 2019, "Data Shapley: equitable valuation of data for machine learning",
    algorithm 1.
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import fraction, integer
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.sampling import mean_and_error
from fedjax_shap.shapley.truncation import Truncation, truncation_estimator
from fedjax_shap.shapley.walks import TruncatedState, gains
from fedjax_shap.typing import HostArray


def tmc(
    *, tolerance: float = 0.01, width: int = 16, max_permutations: int | None = None
) -> Estimator:
    """Random joining orders that end once |V(N) - V(S)| < tolerance |V(N) - V(empty)|.

    Args:
        tolerance: in [0, 1], how near is near, relative to V(N) - V(empty); 0 truncates nothing.
        width: how many orders advance side by side; each asks for one coalition in a batch of
            requests. It changes no value.
        max_permutations: the most orders walked where the budget would allow more; as many as the
            budget if None.

    Guarantees:
        Exact where the budget covers every coalition and `max_permutations` is None. Otherwise
        biased: what late players add is left out, so the values of an order sum to V(N) - V(empty)
        only up to the tolerance, and where everyone adds something each is valued a little too low.
        With tolerance 0 the orders are those of plain permutation sampling. The budget is never
        exceeded; neither it nor the batches end an order half-way. Standard errors come from the
        spread of whole orders and know nothing of the bias; until two orders have ended they are
        infinite, and the values equal shares. Each slice of trailing axes is truncated by its own
        utilities; the slices share the budget, and an order goes on while any slice does, so that
        one slice alone may afford more orders.
    """
    fraction("tolerance", tolerance)
    integer("width", width, least=1)
    if max_permutations is not None:
        integer("max_permutations", max_permutations, least=2)
    rules = _Rules(tolerance, width, max_permutations)
    enumerates = max_permutations is None
    truncation = Truncation(
        name="tmc",
        block_size=lambda num_players: 1,
        draw_block=lambda rng, num_players: rng.permutation(num_players)[None],
        num_startable=rules.num_startable,
        tolerance=rules.near,
        unfinished=lambda state: np.ones(state.grand.shape, bool),
        reduce=rules.reduce,
        enumerates=enumerates,
    )
    bias = "what players add once V is within the tolerance of V(N) is left out"
    guarantees = Guarantees(unbiased=False, bias=bias, enumerates=enumerates)
    return truncation_estimator(truncation, guarantees)


class _Rules(NamedTuple):
    """When an order starts and ends: the arguments of `tmc`."""

    tolerance: float
    width: int
    max_permutations: int | None

    def num_startable(self, state: TruncatedState, active: int) -> int:
        """How many more orders may start beside the active ones."""
        free = self.width - active
        if self.max_permutations is None:
            return free
        return min(free, self.max_permutations - len(state.orders))

    def near(self, state: TruncatedState) -> HostArray:
        """float64[...]: an order ends once V is nearer to V(N) than this."""
        return np.asarray(self.tolerance * np.abs(state.grand - state.empty))

    def reduce(self, state: TruncatedState) -> tuple[HostArray, HostArray, str]:
        """The values, their standard errors, and why the estimator stopped."""
        count = state.num_finished
        # equal shares, of which nothing is known, until there are two orders
        if count < 2:
            share = (state.grand - state.empty)[None] / state.num_players
            shares = np.repeat(share, state.num_players, axis=0)
            return shares, np.full_like(shares, np.inf), "fewer than two permutations walked"
        values, errors = mean_and_error(gains(state, count, self.near(state)))
        return values, errors, f"{count} permutations walked"
