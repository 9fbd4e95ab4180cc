"""The exact Shapley value, and other semivalues, from the utilities of all 2^P coalitions."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.shapley.semivalue import Coefficients, coefficients_of, name_of, semivalues
from fedjax_shap.typing import HostArray, Key, Masks, Utilities


class ExactState(NamedTuple):
    """How far the exact estimator is.

    Attributes:
        num_players: P.
        table: float64[2^P, ...], the utilities; None until they are observed.
    """

    num_players: int
    table: Utilities | None


def shapley_values(table: Utilities | Mapping[Collection[int], Any]) -> HostArray:
    """The Shapley values of a game given as a table.

    They are `semivalues` with the coefficients |S|! (P - |S| - 1)! / P!.

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i
            of r is set. A mapping from coalitions, tuples or frozensets of ids, is taken as well:
            {(): 0.0, (0,): 1.0, (1,): 2.0, (0, 1): 4.0}.

    Returns:
        float64[P, ...].

    Raises:
        InvalidInputError: the table's length is not a power of two, or one of its numbers is not
            finite.

    Guarantees:
        Efficiency, symmetry and additivity hold to float64 rounding; the value of a null player is
        exactly 0.

    References:
        Shapley 1953, "A value for n-person games".
    """
    return semivalues(table)


def exact(*, semivalue: str | Coefficients = "shapley") -> Estimator:
    """Every coalition is valued: exact, 2^P utilities, P <= 24.

    Args:
        semivalue: "shapley", "banzhaf", "beta(ALPHA, BETA)", or the coefficients of another.

    Guarantees:
        The error is 0, the Shapley value is efficient to rounding, 2^P distinct coalitions are
        asked for in one batch.
    """
    target = name_of(semivalue)
    # the coefficients of a function need not sum to 1
    named = isinstance(semivalue, str)
    guarantees = Guarantees(
        target=target,
        efficient=target == "shapley",
        additive=named,
        errors="none",
        at_once=True,
    )
    return Estimator(_init, _ask, _tell, partial(_read, coefficients_of(semivalue)), guarantees)


def _init(num_players: int, budget: int | None, turn: int | None = None) -> ExactState:
    """The state before the one batch; refuses a budget that does not cover it."""
    integer("num_players", num_players, least=1)
    require(
        num_players <= MOST_PLAYERS,
        f"Expected at most {MOST_PLAYERS} players for estimator='exact', got {num_players}, whose "
        f"2^{num_players} coalitions cannot all be valued; use estimator='gaussian_process' with a "
        "budget.",
    )
    if budget is not None:
        integer("budget", budget, least=1)
    require(
        budget is None or budget >= 2**num_players,
        f"Expected budget={budget} to cover the {2**num_players:,} coalitions that "
        f"estimator='exact' needs for {num_players} players; raise it or use "
        "estimator='gaussian_process'.",
    )
    return ExactState(num_players, None)


def _ask(key: Key, state: ExactState) -> tuple[Masks, ExactState]:
    """All coalitions, once."""
    if state.table is not None:
        return np.zeros((0, state.num_players), bool), state
    return all_subsets(state.num_players), state


def _tell(state: ExactState, masks: Masks, utilities: Utilities) -> ExactState:
    """The state with the utilities of all coalitions."""
    return state._replace(table=utilities)


def _read(coefficients: Coefficients, state: ExactState) -> Attribution:
    """The semivalues of the table."""
    require(
        state.table is not None,
        "Expected utilities to be given to tell before values are read, got none.",
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
