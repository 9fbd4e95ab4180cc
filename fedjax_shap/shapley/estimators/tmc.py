"""Truncated Monte-Carlo: joining orders that end once V is near V(N) (Ghorbani and Zou 2019,
algorithm 1).
"""

import numpy as np

from fedjax_shap._validate import fraction, integer
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.sampling import mean_and_error
from fedjax_shap.shapley.truncation import TruncatedState, Truncation, gains, truncation_estimator
from fedjax_shap.typing import HostArray


def tmc(
    *, tolerance: float = 0.01, width: int = 16, max_permutations: int | None = None
) -> Estimator:
    """Random joining orders; once |V(N) - V(S)| < tolerance |V(N) - V(empty)|, whoever joins later
    adds 0.

    What is saved on the ends of orders buys further orders. A truncated player's 0 counts in the
    mean, but no utility is ever made up: the coalitions that would have come are not asked for, so
    no store holds them.

    Args:
        tolerance: in [0, 1], how near is near, as a share of what there is to share; 0 truncates
            nothing.
        width: how many orders advance abreast; each asks for one coalition a turn. It changes no
            value.
        max_permutations: the most orders walked where the budget would allow more; as many as the
            budget if None.

    Guarantees:
        Exact where the budget covers every coalition and `max_permutations` is None. Otherwise
        biased: what late players add is left out, so the values of an order sum to V(N) - V(empty)
        only up to the tolerance, and where everybody adds something each is valued a little too
        low. With tolerance 0 the orders are those of plain permutation sampling. The budget is
        never exceeded; neither it nor the turn ends an order half-way. Standard errors come from
        the spread of whole orders and know nothing of the bias; they are infinite, and the values
        equal shares, until two orders have ended. Each slice of trailing axes is truncated by its
        own utilities; the slices share the budget, and an order goes on while any slice does, so
        that one slice alone may afford more orders.
    """
    fraction("tolerance", tolerance)
    integer("width", width, least=1)
    if max_permutations is not None:
        integer("max_permutations", max_permutations, least=2)

    def abreast(state: TruncatedState, going: int) -> int:
        left = width if max_permutations is None else max_permutations - len(state.orders)
        return min(width - going, left)

    def near(state: TruncatedState) -> HostArray:
        return np.asarray(tolerance * np.abs(state.grand - state.empty))

    def reduce(state: TruncatedState) -> tuple[HostArray, HostArray, str]:
        count = state.num_finished
        if count < 2:
            shares = np.repeat(
                (state.grand - state.empty)[None] / state.num_players, state.num_players, axis=0
            )
            return shares, np.full_like(shares, np.inf), "fewer than two permutations walked"
        return *mean_and_error(gains(state, count, near(state))), f"{count} permutations walked"

    truncation = Truncation(
        name="tmc",
        block_size=lambda num_players: 1,
        draw_block=lambda rng, num_players: rng.permutation(num_players)[None],
        num_startable=abreast,
        tolerance=near,
        unfinished=lambda state: np.ones(state.grand.shape, bool),
        reduce=reduce,
        enumerates=max_permutations is None,
    )
    bias = "what players add once V is within the tolerance of V(N) is left out"
    return truncation_estimator(
        truncation, Guarantees(unbiased=False, bias=bias, enumerates=max_permutations is None)
    )
