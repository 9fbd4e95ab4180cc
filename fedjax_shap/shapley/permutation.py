"""Monte-Carlo over permutations: marginals along random joining orders (Castro et al. 2009; Mitchell et al. 2022)."""

from typing import NamedTuple

import jax
import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import pack, ranks
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Key, Masks, Utilities


class PermutationState(NamedTuple):
    """How far the estimator is; `orders` are None until drawn, `marginals` until the utilities are told.

    Attributes:
        num_players: P.
        budget: the most distinct coalitions to ask for.
        orders: int[D, G, P], joining orders in D independent groups of G.
        marginals: float64[D, G, P, ...], each player's marginal contribution in each order.
        empty, grand: float64[...], V of nobody and of everybody.
        num_coalitions: distinct coalitions asked for.
        exact: float64[P, ...], the values read off all coalitions, where the budget covered them.
    """

    num_players: int
    budget: int
    orders: HostArray | None = None
    marginals: HostArray | None = None
    empty: HostArray | None = None
    grand: HostArray | None = None
    num_coalitions: int = 0
    exact: HostArray | None = None


def permutation(*, antithetic: bool = True, max_permutations: int | None = None) -> Estimator:
    """Random joining orders, each with its reverse where antithetic; unbiased, with standard errors.

    All coalitions are asked for in one turn: as many orders as fit into the budget of distinct coalitions.

    Args:
        antithetic: draw orders in pairs, the second the reverse of the first; the pairs are then the independent
            draws from which standard errors are computed.
        max_permutations: the most orders drawn where the budget would allow more; as many as the budget if None.

    Guarantees:
        Unbiased; exact where the budget covers every coalition and `max_permutations` is None. Efficiency holds to
        rounding, since every order's marginals sum to V(N) - V(empty). The budget is never exceeded. Standard errors
        come from the spread of independent draws: from fewer than about ten draws they are rough, and a player who
        made the same difference in all of them has 0.
    """
    group = 2 if antithetic else 1
    if max_permutations is not None:
        integer("max_permutations", max_permutations, least=2 * group)

    def init(num_players: int, budget: int | None) -> PermutationState:
        integer("num_players", num_players, least=1)
        require(budget is not None, "Expected a budget of distinct coalitions for estimator='permutation', got none.")
        integer("budget", budget, least=min(2**num_players, 2 + 2 * group * (num_players - 1)))
        return PermutationState(num_players, int(budget or 0))

    def ask(key: Key, state: PermutationState) -> tuple[Masks, PermutationState]:
        if state.orders is not None:
            return np.zeros((0, state.num_players), bool), state
        orders, masks = _draw(key, state, group, max_permutations or max(state.budget, 2 * group))
        return masks, state._replace(orders=orders, num_coalitions=len(masks))

    def tell(state: PermutationState, masks: Masks, utilities: Utilities) -> PermutationState:
        row = {name: index for index, name in enumerate(pack(masks))}
        orders = np.asarray(state.orders)
        along = np.stack(
            [utilities[[row[name] for name in pack(_prefixes(o))]] for o in orders.reshape(-1, orders.shape[-1])]
        )
        gains = np.diff(along, axis=1)
        marginals = np.empty_like(gains)
        for one, order, gain in zip(marginals, orders.reshape(-1, orders.shape[-1]), gains):
            one[order] = gain
        whole = len(masks) == 2**state.num_players and max_permutations is None
        return state._replace(
            exact=shapley_values(utilities[np.argsort(ranks(masks))]) if whole else None,
            marginals=marginals.reshape(*orders.shape, *utilities.shape[1:]),
            empty=along[0, 0],
            grand=along[0, -1],
        )

    return Estimator(init, ask, tell, _read)


def _read(state: PermutationState) -> Attribution:
    """The means over the independent draws, or the exact values where these are known."""
    require(state.marginals is not None, "Expected the utilities to be told before the values are read.")
    draws = np.asarray(state.marginals).mean(axis=1)
    spread = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    known = state.exact is not None
    return Attribution(
        values=np.asarray(state.exact) if known else draws.mean(axis=0),
        std_errors=np.zeros_like(spread) if known else spread,
        empty=np.asarray(state.empty),
        grand=np.asarray(state.grand),
        num_coalitions=state.num_coalitions,
        stopped="all coalitions valued" if known else f"{np.asarray(state.orders)[..., 0].size} permutations drawn",
    )


def _draw(key: Key, state: PermutationState, group: int, most: int) -> tuple[HostArray, Masks]:
    """Joining orders int[D, G, P], as many as the budget and `most` allow, and their distinct coalitions."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
    known: dict[bytes, HostArray] = {}
    orders: list[HostArray] = []
    while (len(orders) + 1) * group <= most:
        first = rng.permutation(state.num_players)
        drawn = np.stack([first, first[::-1]][:group])
        masks = np.concatenate([_prefixes(order) for order in drawn])
        fresh = {name: mask for name, mask in zip(pack(masks), masks) if name not in known}
        if len(known) + len(fresh) > state.budget:
            break
        known |= fresh
        orders.append(drawn)
    return np.stack(orders), np.stack(list(known.values()))


def _prefixes(order: HostArray) -> Masks:
    """bool[P + 1, P]: nobody, then one player more a row, in the given order."""
    joined = np.empty(len(order), np.int64)
    joined[order] = np.arange(len(order))
    return joined < np.arange(len(order) + 1)[:, None]
