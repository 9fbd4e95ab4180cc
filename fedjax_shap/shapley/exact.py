"""The Shapley value from all 2^P utilities, by one vectorised float64 reduction (Shapley 1953; Spec 1.3)."""

from math import comb
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.typing import HostArray, Key, Masks, Utilities


class ExactState(NamedTuple):
    """How far the exact estimator is: `table` is None until the utilities are told."""

    num_players: int
    table: Utilities | None


def shapley_values(table: Utilities) -> HostArray:
    """Shapley values of a game given as a table.

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i of r is set.

    Returns:
        float64[P, ...]: sum over S without i of |S|! (P-|S|-1)! / P! [V(S + i) - V(S)] (Spec 1.3).

    Raises:
        InvalidInputError: the table's length is no power of two, or one of its numbers is not finite.

    Guarantees:
        Efficiency, symmetry and additivity hold to float64 rounding; a null player's value is exactly 0.
    """
    table = np.asarray(table, np.float64)
    num_players = (len(table) if table.ndim else 0).bit_length() - 1
    require(
        table.ndim >= 1 and len(table) == 2**num_players and num_players >= 1,
        f"Expected table to have 2^P rows for some P >= 1, got shape {table.shape}.",
    )
    require(bool(np.isfinite(table).all()), "Expected table to be finite, but it holds NaN or infinity.")
    by_size = np.array([1 / (num_players * comb(num_players - 1, size)) for size in range(num_players)])
    weights = by_size[_sizes(num_players - 1)]
    values = np.empty((num_players, *table.shape[1:]))
    for player in range(num_players):
        halves = table.reshape(2 ** (num_players - 1 - player), 2, 2**player, *table.shape[1:])
        marginals = (halves[:, 1] - halves[:, 0]).reshape(len(weights), *table.shape[1:])
        values[player] = np.tensordot(weights, marginals, axes=1)
    return values


def exact() -> Estimator:
    """Every coalition is valued: exact, 2^P utilities, P <= 24 (Shapley 1953).

    Guarantees:
        The error is 0, efficiency holds to rounding, 2^P distinct coalitions are asked for in one turn.
    """

    def init(num_players: int, budget: int | None) -> ExactState:
        integer("num_players", num_players, least=1)
        require(
            num_players <= MOST_PLAYERS,
            f"Expected at most {MOST_PLAYERS} players for estimator='exact', got {num_players}, whose "
            f"{2**num_players:,} coalitions cannot all be valued; use estimator='permutation' with a budget.",
        )
        require(
            budget is None or budget >= 2**num_players,
            f"Expected budget={budget} to cover the {2**num_players:,} coalitions that estimator='exact' needs for "
            f"{num_players} players; raise it or use estimator='permutation'.",
        )
        return ExactState(num_players, None)

    def ask(key: Key, state: ExactState) -> tuple[Masks, ExactState]:
        done = state.table is not None
        return (np.zeros((0, state.num_players), bool) if done else all_subsets(state.num_players)), state

    def tell(state: ExactState, masks: Masks, utilities: Utilities) -> ExactState:
        return state._replace(table=utilities)

    def read(state: ExactState) -> Attribution:
        require(state.table is not None, "Expected the utilities to be told before the values are read.")
        table = np.asarray(state.table)
        values = shapley_values(table)
        return Attribution(
            values=values,
            std_errors=np.zeros_like(values),
            empty=table[0],
            grand=table[-1],
            num_coalitions=len(table),
            stopped="all coalitions valued",
        )

    return Estimator(init, ask, tell, read)


def _sizes(num_players: int) -> HostArray:
    """int[2^P]: the number of members of each row of `all_subsets`."""
    sizes = np.zeros(1, np.int64)
    for _ in range(num_players):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes
