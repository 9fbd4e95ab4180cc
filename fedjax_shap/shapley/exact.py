"""The Shapley value from all 2^P utilities, by one vectorised float64 reduction (Shapley 1953; Spec
1.3).
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.shapley.semivalue import Coefficients, coefficients_of, name_of, semivalues
from fedjax_shap.typing import HostArray, Key, Masks, Utilities


class ExactState(NamedTuple):
    """How far the exact estimator is: `table` is None until the utilities are told."""

    num_players: int
    table: Utilities | None


def shapley_values(table: Utilities) -> HostArray:
    """Shapley values of a game given as a table: `semivalues` with |S|! (P-|S|-1)! / P! (Spec 1.3).

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i
            of r is set.

    Returns:
        float64[P, ...].

    Raises:
        InvalidInputError: the table's length is no power of two, or one of its numbers is not
            finite.

    Guarantees:
        Efficiency, symmetry and additivity hold to float64 rounding; a null player's value is
        exactly 0.
    """
    return semivalues(table)


def exact(*, semivalue: str | Coefficients = "shapley") -> Estimator:
    """Every coalition is valued: exact, 2^P utilities, P <= 24 (Shapley 1953).

    Args:
        semivalue: "shapley", "banzhaf", "beta(ALPHA, BETA)", or the coefficients of another.

    Guarantees:
        The error is 0, efficiency holds to rounding (Shapley), 2^P distinct coalitions are asked
        for in one turn.
    """
    coefficients = coefficients_of(semivalue)

    def init(num_players: int, budget: int | None, turn: int | None = None) -> ExactState:
        integer("num_players", num_players, least=1)
        require(
            num_players <= MOST_PLAYERS,
            f"Expected at most {MOST_PLAYERS} players for estimator='exact', got {num_players}, "
            "whose "
            f"2^{num_players} coalitions cannot all be valued; use estimator='gaussian_process' "
            "with a budget.",
        )
        if budget is not None:
            integer("budget", budget, least=1)
        require(
            budget is None or budget >= 2**num_players,
            f"Expected budget={budget} to cover the {2**num_players:,} coalitions that "
            "estimator='exact' needs for "
            f"{num_players} players; raise it or use estimator='gaussian_process'.",
        )
        return ExactState(num_players, None)

    def ask(key: Key, state: ExactState) -> tuple[Masks, ExactState]:
        done = state.table is not None
        return (
            np.zeros((0, state.num_players), bool) if done else all_subsets(state.num_players)
        ), state

    def tell(state: ExactState, masks: Masks, utilities: Utilities) -> ExactState:
        return state._replace(table=utilities)

    def read(state: ExactState) -> Attribution:
        require(
            state.table is not None,
            "Expected the utilities to be given to tell before values are read.",
        )
        table = np.asarray(state.table)
        values = semivalues(table, coefficients)
        return Attribution(
            values=values,
            std_errors=np.zeros_like(values),
            empty=table[0],
            grand=table[-1],
            num_coalitions=len(table),
            stopped="all coalitions valued",
        )

    target = name_of(semivalue)
    named = isinstance(semivalue, str)  # the coefficients of a function need not sum to 1
    promised = Guarantees(
        target=target, efficient=target == "shapley", additive=named, errors="none"
    )
    return Estimator(init, ask, tell, read, promised)
