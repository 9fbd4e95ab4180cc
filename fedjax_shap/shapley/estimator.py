"""What every estimator is: init, ask, tell, read; and what it gives: an attribution."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flax import struct

from fedjax_shap.typing import HostArray, Key, Masks, Utilities

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
    """

    values: HostArray
    std_errors: HostArray
    empty: HostArray
    grand: HostArray
    num_coalitions: int
    stopped: str

    @property
    def efficiency_gap(self) -> HostArray:
        """float64[...]: the sum of the values minus (V(N) - V(empty)); 0 where efficiency holds."""
        return self.values.sum(axis=0) - (self.grand - self.empty)


class Estimator(NamedTuple):
    """An estimator of players' values; it never sees a model.

    Attributes:
        init: (num_players, budget or None) -> State; refuses what it cannot do with that budget.
        ask: (key, State) -> (masks bool[M, P] whose utilities it wants next, State); done where M = 0. It gives the
            state back so that what was drawn for these masks is not drawn again when they are told.
        tell: (State, masks, utilities float64[M, ...]) -> State.
        read: (State) -> Attribution.
    """

    init: Callable[[int, int | None], State]
    ask: Callable[[Key, State], tuple[Masks, State]]
    tell: Callable[[State, Masks, Utilities], State]
    read: Callable[[State], Attribution]
