"""Values from one marginal contribution each: to everybody else (leave-one-out), or to nobody (on
one's own).

Neither is fair where data overlap: leave-one-out gives two who hold the same data nothing each, and
values on one's own pay for it twice (Ghorbani and Zou 2019). They are what an estimate of the
Shapley value is compared with.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.shapley.evaluations import Evaluations, no_evaluations
from fedjax_shap.typing import HostArray, Key, Masks, Utilities


class SingleState(NamedTuple):
    """How far it is: what is asked for, and what was told."""

    num_players: int
    evaluations: Evaluations


def leave_one_out() -> Estimator:
    """What is lost where one leaves: phi_i = V(N) - V(N without i) (Cook 1977).

    Guarantees:
        The error is 0; P + 2 distinct coalitions are asked for in one turn, 2 where P = 1. A null
        player's value is exactly 0, twins have the same value, additive games are valued exactly.
        Efficiency does not hold.
    """
    return _one_marginal(
        "leave_one_out", lambda alone: ~alone, lambda changed, empty, grand: grand - changed
    )


def individual() -> Estimator:
    """What each is worth alone: phi_i = V({i}) - V(nobody).

    Guarantees:
        The error is 0; P + 2 distinct coalitions are asked for in one turn, 2 where P = 1. A null
        player's value is exactly 0, twins have the same value, additive games are valued exactly.
        Efficiency does not hold.
    """
    return _one_marginal(
        "individual", lambda alone: alone, lambda changed, empty, grand: changed - empty
    )


def _one_marginal(
    name: str,
    coalitions: Callable[[Masks], Masks],
    values: Callable[[HostArray, HostArray, HostArray], HostArray],
) -> Estimator:
    """An estimator that asks for one coalition a player, besides nobody and everybody.

    Args:
        name: what it is called, and what it estimates.
        coalitions: each player alone bool[P, P] -> the coalition that is valued for that player,
            bool[P, P].
        values: (utilities of these float64[P, ...], V of nobody, V of everybody) -> float64[P,
            ...].
    """

    def init(num_players: int, budget: int | None, turn: int | None = None) -> SingleState:
        integer("num_players", num_players, least=1)
        needed = num_players + 2 if num_players > 1 else 2
        if budget is not None:
            integer("budget", budget, least=1)
        require(
            budget is None or budget >= needed,
            f"Expected budget={budget} to cover the {needed} coalitions that estimator={name!r} "
            "needs for "
            f"{num_players} players.",
        )
        return SingleState(num_players, no_evaluations(num_players))

    def ask(key: Key, state: SingleState) -> tuple[Masks, SingleState]:
        nobody, alone = (
            np.zeros((1, state.num_players), bool),
            np.eye(state.num_players, dtype=bool),
        )
        fresh, evaluations = state.evaluations.ask(
            np.concatenate([nobody, ~nobody, coalitions(alone)])
        )
        return fresh, state._replace(evaluations=evaluations)

    def tell(state: SingleState, masks: Masks, utilities: Utilities) -> SingleState:
        return state._replace(evaluations=state.evaluations.tell(np.asarray(utilities, np.float64)))

    def read(state: SingleState) -> Attribution:
        require(
            state.evaluations.utilities is not None,
            "Expected the utilities to be told before the values are read.",
        )
        changed = state.evaluations.read(coalitions(np.eye(state.num_players, dtype=bool)))
        empty, grand = state.evaluations.read(
            np.array([[False], [True]]).repeat(state.num_players, axis=1)
        )
        found = values(changed, empty, grand)
        return Attribution(
            values=found,
            std_errors=np.zeros_like(found),
            empty=empty,
            grand=grand,
            num_coalitions=len(state.evaluations),
            stopped=f"one coalition valued for each of {state.num_players} players",
        )

    return Estimator(
        init,
        ask,
        tell,
        read,
        Guarantees(target=name, additive=True, enumerates=False, errors="none"),
    )
