"""What all estimators that draw coalitions share: the budget, batches of requests, and reading.

An estimator of this kind is a `Design`: how it proposes units of coalitions, and how it reads
values off all units drawn.
"""

from functools import partial

import jax
import numpy as np

from fedjax_shap._validate import integer
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.shapley.design import Design, SamplingState
from fedjax_shap.shapley.estimator import (
    MOST_IN_A_TABLE,
    Attribution,
    Estimator,
    Guarantees,
    require_affordable,
    resolve_budget,
    seed_of,
)
from fedjax_shap.shapley.evaluations import no_evaluations
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

MOST_AT_ONCE = 2**16  # coalitions of the units proposed at a time, before it is known how many fit
FEW_DRAWS = 10  # with fewer, the spread of the draws is a rough measure of error
# Units all of whose coalitions are known cost nothing: no more units are drawn than this many
# times those that the budget holds.
FREE_DRAWS = 4


def sampling_estimator(design: Design, guarantees: Guarantees) -> Estimator:
    """An estimator that draws units until the next one does not fit into the budget."""
    return Estimator(
        init=partial(_init, design),
        ask=partial(_ask, design),
        tell=_tell,
        read=partial(_read, design),
        guarantees=guarantees,
    )


def mean_and_error(draws: HostArray) -> tuple[HostArray, HostArray]:
    """The mean over independent draws float64[U, ...], U >= 2, and its standard error."""
    return draws.mean(axis=0), draws.std(axis=0, ddof=1) / np.sqrt(len(draws))


def _init(
    design: Design, num_players: int, budget: int | None, turn: int | None = None
) -> SamplingState:
    """The state before the first batch; refuses a budget for fewer than the least units."""
    integer("num_players", num_players, least=1, most=design.most_players)
    everything = 2 ** min(num_players, MOST_IN_A_TABLE)
    budget = resolve_budget(design.name, num_players, budget, turn)
    empty = np.zeros((1, num_players), bool)
    fixed = [empty, ~empty]
    # all coalitions in one batch: the fixed ones come with them
    at_once = budget >= everything and turn is None
    if design.fixed is not None and not at_once:
        fixed.append(design.fixed(num_players, budget))
    fixed_masks = np.concatenate(fixed)
    units = _least_units(design, num_players) * design.unit_size(num_players)
    least = min(everything, len(fixed_masks) + units)
    require_affordable(design.name, num_players, budget, least)
    budget = int(min(budget, everything))
    return SamplingState(num_players, budget, turn, fixed_masks, no_evaluations(num_players))


def _ask(design: Design, key: Key, state: SamplingState) -> tuple[Masks, SamplingState]:
    """(bool[M, P]: the coalitions of the next batch that are new; the state with them)."""
    before = len(state.evaluations)
    state = _asking_for(state, state.fixed)
    covers_all = state.budget == 2**state.num_players and state.num_players <= MOST_PLAYERS
    enumerates = covers_all and design.most_units is None
    last = state.turn is None or state.budget - len(state.evaluations) <= state.turn
    # draw units, unless the batch can hold all coalitions that are left
    if not (state.exhausted or (enumerates and last)):
        rng = np.random.default_rng(seed_of(key))
        state = _with_next_units(design, rng, state, before)
    # ask for the rest where draws give nothing new any more
    nothing_new = len(state.evaluations) == before
    if enumerates and (last or nothing_new):
        state = _asking_for(state, all_subsets(state.num_players))
    return state.evaluations.masks[before:], state


def _asking_for(state: SamplingState, masks: Masks) -> SamplingState:
    """The state after asking for coalitions bool[A, P], too."""
    _, evaluations = state.evaluations.ask(masks)
    return state._replace(evaluations=evaluations)


def _tell(state: SamplingState, masks: Masks, utilities: Utilities) -> SamplingState:
    """The state with the utilities float[M, ...] of the coalitions asked for last."""
    return state._replace(evaluations=state.evaluations.tell(utilities))


def _with_next_units(
    design: Design, rng: np.random.Generator, state: SamplingState, before: int
) -> SamplingState:
    """The state after the units of a batch, before which `before` coalitions were asked for.

    A batch ends after the unit that fills it; only the budget rejects a unit. To reject units with
    many new coalitions at the end of each batch would favour those with few.
    """
    size = max(design.unit_size(state.num_players), 1)
    until = _end_of_batch(design, state, before, size)
    most = _most_units(design, state, size)
    while state.num_units < most and not (design.most_units is None and state.evaluations.complete):
        # propose as many units as would fill the batch if all their coalitions were new
        missing = max((until - len(state.evaluations)) // size, 1)
        count = min(missing, most - state.num_units, max(MOST_AT_ONCE // size, 1))
        units, masks = design.propose(rng, state, count)
        # keep those that fit into the budget
        room = state.budget - len(state.evaluations)
        fitting = state.evaluations.num_affordable(masks, room)
        if fitting:
            kept = jax.tree.map(lambda leaf, end=fitting: leaf[:end], units)
            state = _asking_for(state, masks[:fitting].reshape(-1, state.num_players))
            rows = state.evaluations.rows(masks[:fitting])
            state = state._replace(units=(*state.units, kept), rows=(*state.rows, rows))
        # stop for good at the first that does not fit, or where there are no more
        if fitting < len(masks) or not len(masks):
            return state._replace(exhausted=True)
        # stop for now where the batch is full
        if len(state.evaluations) >= until and until < state.budget:
            break
    return state


def _end_of_batch(design: Design, state: SamplingState, before: int, size: int) -> int:
    """How many coalitions will have been asked for when the batch is full."""
    # the least of what the budget, the batch size and the stage allow
    wish = state.budget
    if state.turn:
        wish = min(wish, before + state.turn)
    if design.stage_size is not None:
        wish = min(wish, before + design.stage_size(state))
    # but one unit at least, and as many in the first batch as `reduce` needs
    least = before + size
    if not before:
        least = len(state.fixed) + _least_units(design, state.num_players) * size
        if design.first_size is not None:
            least = max(least, design.first_size(state.num_players, state.budget))
    return min(max(wish, least), state.budget)


def _most_units(design: Design, state: SamplingState, size: int) -> int:
    """The most units that are drawn in all."""
    if design.most_units is not None:
        return design.most_units
    least = _least_units(design, state.num_players)
    return FREE_DRAWS * max(state.budget // size, least)


def _least_units(design: Design, num_players: int) -> int:
    """How many units `reduce` needs."""
    if callable(design.least_units):
        return design.least_units(num_players)
    return design.least_units


def _read(design: Design, state: SamplingState) -> Attribution:
    """The values: exact ones if all coalitions were valued, else what `reduce` reads."""
    draws = state.draws
    if state.evaluations.complete and design.most_units is None:
        values = design.from_table(state.evaluations.read(all_subsets(state.num_players)))
        errors = np.zeros_like(values)
        stopped = "all coalitions valued"
    else:
        values, errors = design.reduce(draws)
        stopped = f"{state.num_units} draws of estimator={design.name!r}"
        if state.num_units < FEW_DRAWS:
            stopped += f", so few that errors are rough: fewer than {FEW_DRAWS}"
    return Attribution(
        values=values,
        std_errors=errors,
        empty=draws.empty,
        grand=draws.grand,
        num_coalitions=len(state.evaluations),
        stopped=stopped,
        notes=design.notes(draws),
    )
