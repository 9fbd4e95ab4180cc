"""How an estimator that draws coalitions draws them and reads values off them.

It draws *units*, each some coalitions that are valued together, such as the prefixes of a joining
order. A `Design` says how units are proposed and how values are read off all units drawn;
`sampling.sampling_estimator` does the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from fedjax_shap.shapley.evaluations import Evaluations
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Masks, PyTree, Utilities

MANY_PLAYERS = 1000  # with more, numbers of coalitions of one size do not fit into a float64


class Draws(NamedTuple):
    """All units drawn, with the utilities of their coalitions.

    Attributes:
        units: what `propose` noted of each unit, leaves [U, ...]; None before the first.
        masks: bool[U, G, P], the units' coalitions.
        utilities: float64[U, G, ...], theirs.
        fixed: bool[F, P], the coalitions asked for in any case: the empty one, the grand one, and
            those of `Design.fixed`.
        fixed_utilities: float64[F, ...], theirs.
        evaluations: all distinct coalitions and their utilities.
    """

    units: PyTree
    masks: Masks
    utilities: Utilities
    fixed: Masks
    fixed_utilities: Utilities
    evaluations: Evaluations

    @property
    def empty(self) -> HostArray:
        """float64[...]: V of the empty coalition."""
        return np.asarray(self.fixed_utilities[0])

    @property
    def grand(self) -> HostArray:
        """float64[...]: V of the grand coalition."""
        return np.asarray(self.fixed_utilities[1])


class SamplingState(NamedTuple):
    """What a sampling estimator has drawn so far.

    Attributes:
        num_players: P.
        budget: the most distinct coalitions to ask for.
        turn: about how many of them to ask for in a batch of requests; None for no limit.
        fixed: bool[F, P], the coalitions asked for in any case.
        evaluations: the coalitions asked for, and their utilities.
        units: what was noted of the units of each batch.
        rows: int[U, G] for each batch: the rows in `evaluations` of the units' coalitions.
        exhausted: whether nothing further is drawn: a unit did not fit, or there are no more.
    """

    num_players: int
    budget: int
    turn: int | None
    fixed: Masks
    evaluations: Evaluations
    units: tuple[PyTree, ...] = ()
    rows: tuple[HostArray, ...] = ()
    exhausted: bool = False

    @property
    def num_units(self) -> int:
        """How many units were drawn."""
        return sum(len(rows) for rows in self.rows)

    @property
    def draws(self) -> Draws:
        """All units drawn so far; the utilities of all of them must have been observed."""
        units = None
        rows = np.zeros((0, 1), np.int64)
        if self.rows:
            units = jax.tree.map(lambda *batches: np.concatenate(batches), *self.units)
            rows = np.concatenate(self.rows)
        evaluations = self.evaluations
        return Draws(
            units=units,
            masks=evaluations.masks[rows],
            utilities=evaluations.observed[rows],
            fixed=self.fixed,
            fixed_utilities=evaluations.read(self.fixed),
            evaluations=evaluations,
        )


class Propose(Protocol):
    """Draws units."""

    def __call__(
        self, rng: np.random.Generator, state: SamplingState, count: int, /
    ) -> tuple[PyTree, Masks]:
        """(what is noted of `count` units, leaves [U, ...]; their coalitions bool[U, G, P]).

        It may draw fewer than `count`; none if there are no more. It may look at `state.draws` if
        it draws in several batches.
        """


class Reduce(Protocol):
    """Reads the values off all units drawn."""

    def __call__(self, draws: Draws, /) -> tuple[HostArray, HostArray]:
        """(the values, their standard errors), float64[P, ...] each."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """How an estimator draws and reads.

    Attributes:
        name: what it is called in refusals and in `Attribution.stopped`.
        propose: draws units.
        reduce: reads the values off them.
        unit_size: P -> the most coalitions of a unit that may be new, besides the fixed ones.
        fixed: (P, budget) -> bool[F, P], coalitions asked for in any case besides the empty and the
            grand one.
        least_units: how many units `reduce` needs at least, or P -> that.
        most_units: the most units drawn, where the budget would allow more; the values then stay
            estimates, however large the budget.
        stage_size: state -> the most new coalitions of the next batch, for estimators that go in
            stages.
        first_size: (P, budget) -> the fewest coalitions of the first batch, where `least_units` are
            not enough.
        from_table: table float64[2^P, ...] -> the values, for a budget that covers all coalitions.
        notes: further numbers to report.
        most_players: the most players, where the numbers of coalitions of each size must fit into
            floats.
    """

    name: str
    propose: Propose
    reduce: Reduce
    unit_size: Callable[[int], int]
    fixed: Callable[[int, int], Masks] | None = None
    least_units: int | Callable[[int], int] = 2
    most_units: int | None = None
    stage_size: Callable[[SamplingState], int] | None = None
    first_size: Callable[[int, int], int] | None = None
    from_table: Callable[[Utilities], HostArray] = shapley_values
    notes: Callable[[Draws], dict[str, Any]] = lambda draws: {}
    most_players: int | None = None
