"""What estimators that draw coalitions share: a budget of distinct coalitions, turns, and reading
values off draws.

An estimator of this kind is two functions. `propose` draws *units*, each some coalitions that are
valued together, such as the prefixes of a joining order; `reduce` reads values and standard errors
off all units drawn. All else is here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.shapley.estimator import (
    MOST_IN_A_TABLE,
    Attribution,
    Estimator,
    Guarantees,
    require_affordable,
    resolve_budget,
    seed_of,
)
from fedjax_shap.shapley.evaluations import Evaluations, no_evaluations
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Key, Masks, PyTree, Utilities

MOST_AT_ONCE = 2**16  # coalitions of the units proposed at a time, before it is known how many fit
MANY_PLAYERS = 1000  # with more, numbers of coalitions of one size do not fit into a float64
FEW_DRAWS = 10  # of which fewer say little about how they spread
# units whose coalitions are all known cost nothing: no more of them than this many times the budget
FREE_DRAWS = 4


class Draws(NamedTuple):
    """All that was drawn and told.

    Attributes:
        units: what `propose` said of each unit, leaves [U, ...]; None before the first.
        masks: bool[U, G, P], the units' coalitions.
        utilities: float64[U, G, ...], theirs.
        fixed: bool[F, P], the coalitions asked for in any case: nobody, everybody, and what `fixed`
            names.
        fixed_utilities: float64[F, ...], theirs.
        told: all distinct coalitions and utilities.
    """

    units: PyTree
    masks: Masks
    utilities: Utilities
    fixed: Masks
    fixed_utilities: Utilities
    evaluations: Evaluations

    @property
    def empty(self) -> HostArray:
        """float64[...]: V of nobody."""
        return np.asarray(self.fixed_utilities[0])

    @property
    def grand(self) -> HostArray:
        """float64[...]: V of everybody."""
        return np.asarray(self.fixed_utilities[1])


class SamplingState(NamedTuple):
    """How far a sampling estimator is.

    Attributes:
        num_players: P.
        budget: the most distinct coalitions to ask for.
        turn: about how many of them to ask for at a time.
        fixed: bool[F, P], the coalitions asked for in any case.
        told: what was asked for, and told.
        units: what was said of the units of each turn.
        rows: int[U, G] for each turn: the rows in `evaluations` of the units' coalitions.
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
        """All units drawn so far, whose utilities must have been told."""
        utilities = np.asarray(self.evaluations.utilities)
        rows = np.concatenate(self.rows) if self.rows else np.zeros((0, 1), np.int64)
        units = (
            jax.tree.map(lambda *turns: np.concatenate(turns), *self.units) if self.units else None
        )
        own = utilities[self.evaluations.rows(self.fixed)]
        return Draws(
            units, self.evaluations.masks[rows], utilities[rows], self.fixed, own, self.evaluations
        )


Propose = Callable[[np.random.Generator, SamplingState, int], tuple[PyTree, Masks]]
Reduce = Callable[[Draws], tuple[HostArray, HostArray]]


@dataclass(frozen=True, kw_only=True)
class Design:
    """How an estimator draws and reads.

    Attributes:
        name: what it is called in refusals and in what it says of itself.
        propose: (rng, state, U) -> (what it says of U units, leaves [U, ...]; their coalitions
            bool[U, G, P]). It may look at `state.draws` where it draws in several turns. No units:
            there are no more.
        reduce: draws -> (values float64[P, ...], standard errors float64[P, ...]).
        unit_size: P -> the most coalitions of a unit that may be new, besides the fixed ones.
        fixed: (P, budget) -> bool[F, P], coalitions asked for in any case besides nobody and
            everybody.
        least_units: what `reduce` needs at least, or P -> that.
        most_units: the most units drawn, where the budget would allow more; the values then stay
            estimates, however large the budget.
        stage_size: state -> the most new coalitions in the turn at hand, for estimators that go in
            stages.
        first_size: (P, budget) -> the fewest new coalitions of the first turn, where `least_units`
            are not enough.
        from_table: table float64[2^P, ...] -> the values, for a budget that covers all coalitions.
        notes: further numbers to report.
        most_players: where the numbers of coalitions by size have to fit into floats.
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


def sampling_estimator(design: Design, guarantees: Guarantees) -> Estimator:
    """An estimator that draws units of coalitions until the next one does not fit into the
    budget.
    """
    return Estimator(
        init=partial(_init, design),
        ask=partial(_ask, design),
        tell=lambda state, masks, utilities: state._replace(
            evaluations=state.evaluations.tell(np.asarray(utilities, np.float64))
        ),
        read=partial(_read, design),
        guarantees=guarantees,
    )


def _init(
    design: Design, num_players: int, budget: int | None, turn: int | None = None
) -> SamplingState:
    integer("num_players", num_players, least=1, most=design.most_players)
    everything = 2 ** min(num_players, MOST_IN_A_TABLE)
    budget = resolve_budget(design.name, num_players, budget, turn)
    nobody = np.zeros((1, num_players), bool)
    at_once = budget >= everything and turn is None
    extra = [] if design.fixed is None or at_once else [design.fixed(num_players, budget)]
    always = np.concatenate([nobody, ~nobody, *extra])
    least = len(always) + _least(design, num_players) * design.unit_size(num_players)
    require_affordable(design.name, num_players, budget, min(everything, least))
    return SamplingState(
        num_players, int(min(budget, everything)), turn, always, no_evaluations(num_players)
    )


def _ask(design: Design, key: Key, state: SamplingState) -> tuple[Masks, SamplingState]:
    before = len(state.evaluations)
    state = state._replace(evaluations=state.evaluations.ask(state.fixed)[1])
    last_turn = state.turn is None or state.budget - len(state.evaluations) <= state.turn
    whole = (
        state.budget == 2**state.num_players
        and state.num_players <= MOST_PLAYERS
        and design.most_units is None
    )
    if not (state.exhausted or (whole and last_turn)):
        rng = np.random.default_rng(seed_of(key))
        state = _drawn(design, rng, state, before)
    if whole and (
        last_turn or len(state.evaluations) == before
    ):  # the rest, where draws give nothing new any more
        state = state._replace(evaluations=state.evaluations.ask(all_subsets(state.num_players))[1])
    return state.evaluations.masks[before:], state


def _drawn(
    design: Design, rng: np.random.Generator, state: SamplingState, before: int
) -> SamplingState:
    """The state after the units of a turn, before which `before` coalitions had been asked for.

    A turn ends after the unit that fills it, and only the budget turns a unit away: to turn away
    those that bring much at every turn's end would favour those that bring little.
    """
    size, least = max(design.unit_size(state.num_players), 1), _least(design, state.num_players)
    stage = [] if design.stage_size is None else [design.stage_size(state)]
    wish = min(
        [
            state.budget,
            *([before + state.turn] if state.turn else []),
            *(before + room for room in stage),
        ]
    )
    first = len(state.fixed) + least * size if not before else before + size
    if design.first_size is not None and not before:
        first = max(first, design.first_size(state.num_players, state.budget))
    until = min(max(wish, first), state.budget)
    free = design.most_units is None
    most = FREE_DRAWS * max(state.budget // size, least) if free else design.most_units or 0
    while state.num_units < most and not (free and state.evaluations.complete):
        wanted = min(
            max((until - len(state.evaluations)) // size, 1),
            most - state.num_units,
            max(MOST_AT_ONCE // size, 1),
        )
        units, masks = design.propose(rng, state, wanted)
        fit = state.evaluations.num_affordable(masks, state.budget - len(state.evaluations))
        if fit:
            evaluations = state.evaluations.ask(masks[:fit].reshape(-1, state.num_players))[1]
            units = jax.tree.map(lambda leaf, fit=fit: leaf[:fit], units)
            rows = (*state.rows, evaluations.rows(masks[:fit]))
            state = state._replace(evaluations=evaluations, units=(*state.units, units), rows=rows)
        if fit < len(masks) or not len(masks):
            return state._replace(exhausted=True)
        if len(state.evaluations) >= until and until < state.budget:
            break
    return state


def _least(design: Design, num_players: int) -> int:
    return (
        design.least_units
        if isinstance(design.least_units, int)
        else design.least_units(num_players)
    )


def _read(design: Design, state: SamplingState) -> Attribution:
    require(
        state.evaluations.utilities is not None,
        "Expected the utilities to be told before the values are read.",
    )
    draws = state.draws
    if state.evaluations.complete and design.most_units is None:
        values, stopped = (
            design.from_table(state.evaluations.read(all_subsets(state.num_players))),
            "all coalitions valued",
        )
        errors = np.zeros_like(values)
    else:
        values, errors = design.reduce(draws)
        stopped = f"{state.num_units} draws of estimator={design.name!r}"
        stopped += (
            f", so few that errors are rough: fewer than {FEW_DRAWS}"
            if state.num_units < FEW_DRAWS
            else ""
        )
    return Attribution(
        values=values,
        std_errors=errors,
        empty=draws.empty,
        grand=draws.grand,
        num_coalitions=len(state.evaluations),
        stopped=stopped,
        notes=design.notes(draws),
    )


def mean_and_error(draws: HostArray) -> tuple[HostArray, HostArray]:
    """The mean over independent draws float64[U, ...], U >= 2, and its standard error."""
    return draws.mean(axis=0), draws.std(axis=0, ddof=1) / np.sqrt(len(draws))


def jackknife(without: HostArray) -> HostArray:
    """The standard error from estimates float64[K, ...], each without one of K groups of draws
    (Efron, Stein 1981).
    """
    return np.sqrt((len(without) - 1) * without.var(axis=0))
