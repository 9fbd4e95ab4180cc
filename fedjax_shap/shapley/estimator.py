"""What every estimator is, what it promises, and what it returns: an attribution."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import jax
import numpy as np
from flax import struct

from fedjax_shap._validate import integer, require
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

MOST_IN_A_TABLE = 62  # players; all coalitions of more are more than any budget
State = Any
_Valued = TypeVar("_Valued", "Attribution", "Slices")


@struct.dataclass
class Slices:
    """The players' values from each of several points of view, or after each of several rounds.

    Attributes:
        kind: "judges" or "rounds".
        names: of the J slices.
        weights: float64[J], what part of all test rows each judge has; float64[0] for rounds.
        values: float64[P, J], what the data of each player are worth to each judge, or after each
            round.
        std_errors: float64[P, J].
        empty: float64[J], V of the empty coalition.
        grand: float64[J], V of the grand coalition.
    """

    kind: str
    names: tuple[str, ...]
    weights: HostArray
    values: HostArray
    std_errors: HostArray
    empty: HostArray
    grand: HostArray


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
        num_stored: how many of the coalitions were in the store already, so that they were free.
        notes: further numbers that the estimator reports, by name.
        slices: values from several points of view or by round, of games that have them: `values`
            are then those on all test rows, or after the last round.
        permanent: the name of a member that is in every coalition and no player; "" for none.
    """

    values: HostArray
    std_errors: HostArray
    empty: HostArray
    grand: HostArray
    num_coalitions: int
    stopped: str
    num_stored: int = 0
    notes: dict[str, Any] = struct.field(default_factory=dict)
    slices: Slices | None = None
    permanent: str = ""

    @property
    def efficiency_gap(self) -> HostArray:
        """float64[...]: the sum of the values minus (V(N) - V(empty)); 0 where efficiency holds."""
        gap: HostArray = self.values.sum(axis=0) - (self.grand - self.empty)
        return gap


@dataclass(frozen=True, kw_only=True)
class Guarantees:
    """What an estimator promises; the conformance tests check every registered one.

    Attributes:
        target: what it estimates.
        unbiased: whether the mean over its draws is the target, whatever the game.
        bias: what the bias comes from, if it is not unbiased.
        efficient: whether its values sum to V(N) - V(empty), to rounding, at any budget.
        additive: whether it is exact, to rounding, on additive games at any budget.
        enumerates: whether it is exact once the budget covers all coalitions.
        slicewise: whether each slice of utilities with trailing axes is valued as it would be
            alone, which is not so where the next draws depend on all slices.
        errors: where its standard errors come from; "none" for one that draws nothing.
        at_once: whether it asks for all its coalitions in one batch, whatever `turn`, so that no
            rule can stop it before.
    """

    target: str = "shapley"
    unbiased: bool = True
    bias: str = ""
    efficient: bool = False
    additive: bool = False
    enumerates: bool = True
    slicewise: bool = True
    errors: Literal["analytic", "draws", "jackknife", "none"] = "draws"
    at_once: bool = False


class Init(Protocol):
    """Starts an estimator."""

    def __call__(self, num_players: int, budget: int | None, turn: int | None = None, /) -> State:
        """The state before anything was asked for.

        Args:
            num_players: P.
            budget: the most distinct coalitions that the estimator may ask for; None for no limit.
            turn: about how many it should ask for at a time; None for as many as it can.

        Raises:
            InvalidInputError: the estimator cannot do anything with such a budget.
        """


class Ask(Protocol):
    """Says which coalitions an estimator wants next."""

    def __call__(self, key: Key, state: State, /) -> tuple[Masks, State]:
        """(bool[M, P], the coalitions wanted next, none where M = 0; the state with them).

        The state is returned so that what was drawn for these coalitions is not drawn again when
        their utilities come.
        """


class Tell(Protocol):
    """Gives an estimator the utilities of the coalitions that it asked for last."""

    def __call__(self, state: State, masks: Masks, utilities: Utilities, /) -> State:
        """The state that knows utilities float64[M, ...] of masks bool[M, P]."""


class Read(Protocol):
    """Reads the values off what was observed so far."""

    def __call__(self, state: State, /) -> Attribution:
        """The attribution; it may be read after any `tell`."""


class Estimator(NamedTuple):
    """An estimator of players' values; it never sees a model.

    Attributes:
        init: starts it with a number of players and a budget.
        ask: says which coalitions it wants next.
        tell: gives it their utilities.
        read: reads the values.
        guarantees: what it promises.
    """

    init: Init
    ask: Ask
    tell: Tell
    read: Read
    guarantees: Guarantees = Guarantees()


def seed_of(key: Key) -> list[int]:
    """The seed that a NumPy generator takes in place of `key`."""
    return [int(word) for word in np.asarray(jax.random.key_data(key)).ravel()]


def resolve_budget(name: str, num_players: int, budget: int | None, turn: int | None) -> int:
    """The budget given, or that of all coalitions.

    Raises:
        InvalidInputError: there is neither a budget nor a batch size, so that nothing would stop
            the estimator `name` before all coalitions.
    """
    require(
        budget is not None or turn is not None,
        f"Expected a budget of distinct coalitions for estimator={name!r}, got none.",
    )
    if budget is None:
        budget = 2 ** min(num_players, MOST_IN_A_TABLE)
    integer("budget", budget, least=1)
    return budget


def require_affordable(name: str, num_players: int, budget: int, least: int) -> None:
    """Refuses a budget of fewer than the `least` coalitions that estimator `name` needs."""
    integer("budget", budget, least=1)
    require(
        budget >= least,
        f"Expected budget={budget} to be at least {least} distinct coalitions, as "
        f"estimator={name!r} needs for {num_players} players.",
    )


def projected(attribution: Attribution) -> Attribution:
    """The nearest efficient values: every player gets an equal part of what is missing.

    The standard errors are those of the shifted values where the errors of different players are
    independent.

    References:
        Ruiz, Valenciano, Zarzuelo 1998, "The family of least square values for transferable
        utility games".
    """
    slices = attribution.slices
    if slices is not None:
        slices = _efficient(slices)
    return dataclasses.replace(_efficient(attribution), slices=slices)


def _efficient(found: _Valued) -> _Valued:
    """The values and standard errors shifted, slice by slice."""
    num_players = len(found.values)
    gap = found.values.sum(axis=0) - (found.grand - found.empty)
    variance = found.std_errors**2
    shifted = variance * (1 - 2 / num_players) + variance.sum(axis=0) / num_players**2
    return dataclasses.replace(
        found, values=found.values + -gap / num_players, std_errors=np.sqrt(shifted)
    )
