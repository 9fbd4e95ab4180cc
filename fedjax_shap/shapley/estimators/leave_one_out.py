"""Values from one marginal contribution each: to all others (leave-one-out), or to none (alone).

Neither is fair where data overlap: leave-one-out gives two players with the same data nothing each,
and values alone pay for that data twice (Ghorbani and Zou 2019). They are what estimates of the
Shapley value are compared with.
"""

from typing import NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.shapley.evaluations import Evaluations, no_evaluations
from fedjax_shap.typing import HostArray, Key, Masks, Utilities


def leave_one_out() -> Estimator:
    """What is lost where one leaves: phi_i = V(N) - V(N without i) (Cook 1977).

    Guarantees:
        The error is 0; P + 2 distinct coalitions are asked for at once, 2 where P = 1. A null
        player's value is exactly 0, twins have the same value, additive games are valued exactly.
        Efficiency does not hold.
    """
    return _one_marginal(
        "leave_one_out", lambda alone: ~alone, lambda changed, empty, grand: grand - changed
    )


def individual() -> Estimator:
    """What each is worth alone: phi_i = V({i}) - V(empty).

    Guarantees:
        The error is 0; P + 2 distinct coalitions are asked for at once, 2 where P = 1. A null
        player's value is exactly 0, twins have the same value, additive games are valued exactly.
        Efficiency does not hold.
    """
    return _one_marginal(
        "individual", lambda alone: alone, lambda changed, empty, grand: changed - empty
    )


class SingleState(NamedTuple):
    """How far the estimator is.

    Attributes:
        num_players: P.
        evaluations: the coalitions asked for, and their utilities.
    """

    num_players: int
    evaluations: Evaluations


class _Coalitions(Protocol):
    def __call__(self, alone: Masks, /) -> Masks:
        """bool[P, P]: the coalition valued for each player, from each player alone bool[P, P]."""


class _Marginals(Protocol):
    def __call__(self, changed: HostArray, empty: HostArray, grand: HostArray, /) -> HostArray:
        """float64[P, ...]: the values, from the utilities float64[P, ...] of each player's
        coalition, V(empty) and V(N).
        """


def _one_marginal(name: str, coalitions: _Coalitions, marginals: _Marginals) -> Estimator:
    """An estimator that asks for one coalition a player, besides the empty and the grand one.

    Args:
        name: what it is called, and what it estimates.
        coalitions: which coalition is valued for each player.
        marginals: the values from the utilities of these coalitions.
    """

    def init(num_players: int, budget: int | None, turn: int | None = None) -> SingleState:
        integer("num_players", num_players, least=1)
        needed = 2
        if num_players > 1:
            needed = num_players + 2
        if budget is not None:
            integer("budget", budget, least=1)
        require(
            budget is None or budget >= needed,
            f"Expected budget={budget} to cover the {needed} coalitions that estimator={name!r} "
            f"needs for {num_players} players.",
        )
        return SingleState(num_players, no_evaluations(num_players))

    def ask(key: Key, state: SingleState) -> tuple[Masks, SingleState]:
        wanted = np.concatenate([_ends(state.num_players), coalitions(_alone(state.num_players))])
        fresh, evaluations = state.evaluations.ask(wanted)
        return fresh, state._replace(evaluations=evaluations)

    def read(state: SingleState) -> Attribution:
        return _read(state, coalitions, marginals)

    guarantees = Guarantees(
        target=name, additive=True, enumerates=False, errors="none", at_once=True
    )
    return Estimator(init, ask, _tell, read, guarantees)


def _tell(state: SingleState, masks: Masks, utilities: Utilities) -> SingleState:
    """The state with the utilities of the coalitions last asked for."""
    return state._replace(evaluations=state.evaluations.tell(utilities))


def _read(state: SingleState, coalitions: _Coalitions, marginals: _Marginals) -> Attribution:
    """The values of all players from the utilities observed."""
    changed = state.evaluations.read(coalitions(_alone(state.num_players)))
    empty, grand = state.evaluations.read(_ends(state.num_players))
    values = marginals(changed, empty, grand)
    return Attribution(
        values=values,
        std_errors=np.zeros_like(values),
        empty=empty,
        grand=grand,
        num_coalitions=len(state.evaluations),
        stopped=f"one coalition valued for each of {state.num_players} players",
    )


def _alone(num_players: int) -> Masks:
    """bool[P, P]: each player alone."""
    return np.eye(num_players, dtype=bool)


def _ends(num_players: int) -> Masks:
    """bool[2, P]: the empty coalition and the grand one."""
    return np.array([[False], [True]]).repeat(num_players, axis=1)
