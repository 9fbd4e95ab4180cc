"""What every estimator is: init, ask, tell, read; what it promises; and what it gives: an
attribution.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from flax import struct

from fedjax_shap._validate import integer, require
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

MOST_IN_A_TABLE = 62  # players; all coalitions of more are more than any budget
State = Any


@struct.dataclass
class Attribution:
    """Values of the players, with their errors and what they cost.

    Attributes:
        values: float64[P, ...].
        std_errors: float64[P, ...], standard errors of `values`; 0 where the estimator is exact.
        empty: float64[...], V of the empty coalition.
        grand: float64[...], V of the grand coalition.
        num_coalitions: distinct coalitions asked for.
        stopped: why the estimator stopped, in words.
        num_stored: how many of these the store knew already, so that they were free.
        notes: further numbers that the estimator reports, by name.
    """

    values: HostArray
    std_errors: HostArray
    empty: HostArray
    grand: HostArray
    num_coalitions: int
    stopped: str
    num_stored: int = 0
    notes: dict[str, Any] = struct.field(default_factory=dict)

    @property
    def efficiency_gap(self) -> HostArray:
        """float64[...]: the sum of the values minus (V(N) - V(empty)); 0 where efficiency holds."""
        return self.values.sum(axis=0) - (self.grand - self.empty)


@dataclass(frozen=True, kw_only=True)
class Guarantees:
    """What an estimator promises; tests/shapley/test_conformance.py holds every registered one to
    it.

    Attributes:
        target: what it estimates.
        unbiased: whether the mean over its draws is the target, whatever the game.
        bias: where it is not, what the bias comes from.
        efficient: whether its values sum to V(N) - V(empty), to rounding, at any budget.
        additive: whether it is exact, to rounding, on additive games at any budget.
        enumerates: whether it is exact once the budget covers all coalitions.
        slicewise: whether each slice of utilities with trailing axes is valued as it would be
            alone. It is not where what is drawn next depends on all slices.
        errors: where its standard errors come from; "none" for one that draws nothing.
    """

    target: str = "shapley"
    unbiased: bool = True
    bias: str = ""
    efficient: bool = False
    additive: bool = False
    enumerates: bool = True
    slicewise: bool = True
    errors: Literal["analytic", "draws", "jackknife", "none"] = "draws"


class Estimator(NamedTuple):
    """An estimator of players' values; it never sees a model.

    Attributes:
        init: (num_players, budget, turn) -> State; refuses what it cannot do with that budget.
            `budget` is the most distinct coalitions that it may ask for, None for no limit; `turn`
            is about how many it should ask for at a time, None for as many as it can.
        ask: (key, State) -> (masks bool[M, P] whose utilities it wants next, State); done where M =
            0. It gives the state back so that what was drawn for these masks is not drawn again
            when they are told.
        tell: (State, masks, utilities float64[M, ...]) -> State.
        read: (State) -> Attribution; may be called after any `tell`.
        guarantees: what it promises.
    """

    init: Callable[[int, int | None, int | None], State]
    ask: Callable[[Key, State], tuple[Masks, State]]
    tell: Callable[[State, Masks, Utilities], State]
    read: Callable[[State], Attribution]
    guarantees: Guarantees = Guarantees()


def seed_of(key: Key) -> list[int]:
    """What seeds a NumPy generator as `key` seeds JAX."""
    return np.asarray(jax.random.key_data(key)).ravel().tolist()  # type: ignore[no-any-return]


def resolve_budget(name: str, num_players: int, budget: int | None, turn: int | None) -> int:
    """The budget given, or that of all coalitions where there is none and a rule may stop between
    turns.
    """
    require(
        budget is not None or turn is not None,
        f"Expected a budget of distinct coalitions for estimator={name!r}, got none.",
    )
    budget = 2 ** min(num_players, MOST_IN_A_TABLE) if budget is None else budget
    integer("budget", budget, least=1)
    return budget


def require_affordable(name: str, num_players: int, budget: int, least: int) -> None:
    """Refuses a budget of fewer distinct coalitions than the estimator `name` needs for so many
    players.
    """
    integer("budget", budget, least=1)
    require(
        budget >= least,
        f"Expected budget={budget} to be at least {least} distinct coalitions, as "
        f"estimator={name!r} needs for "
        f"{num_players} players.",
    )


def projected(found: Attribution) -> Attribution:
    """The nearest values that are efficient: each gets an equal share of what is missing (Ruiz et
    al. 1998).

    The standard errors are those of the shifted values where errors of different players are
    independent.
    """
    missing = -found.efficiency_gap / len(found.values)
    variance, num_players = found.std_errors**2, len(found.values)
    shifted = variance * (1 - 2 / num_players) + variance.sum(axis=0) / num_players**2
    return found.replace(values=found.values + missing, std_errors=np.sqrt(shifted))  # type: ignore[attr-defined, no-any-return]
