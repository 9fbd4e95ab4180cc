"""The one loop: an estimator asks, the engine values, the estimator is told."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.engine.evaluate import OnNonfinite, evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.stopping import Standing, StoppingRule, parse_rule
from fedjax_shap.typing import HostArray, Key, Progress

LEAST_TURN = 32  # coalitions asked for at a time, where a rule is to be looked at in between


def game_key(key: Key) -> Key:
    """The part of a run's key that reaches the game; the estimator's draws come from the other
    part.
    """
    return jax.random.fold_in(key, 0)


def estimate(
    game: Game | HostGame,
    estimator: Estimator,
    *,
    key: Key | None = None,
    budget: int | None = None,
    plan: Plan | None = None,
    store: UtilityStore | None = None,
    players: Sequence[int] | HostArray | None = None,
    progress: Progress | None = None,
    on_nonfinite: OnNonfinite = "error",
    until: StoppingRule | str | None = None,
    turn: int | None = None,
) -> Attribution:
    """Values the players of a game.

    Args:
        game: what a coalition is worth.
        estimator: which coalitions to value, and how to read values off them.
        key: seeds the game (mini-batches) and the estimator's draws, apart from each other, so that
            every estimator meets the same utilities; `jax.random.key(0)` if None.
        budget: the most distinct coalitions to ask for, for estimators that sample.
        plan: how the engine cuts the work.
        store: utilities known already, and where new ones are kept.
        players: value these only, in the game that the others sit out: their values are exactly 0.
            All if None.
        progress: called with (coalitions done, coalitions to do).
        on_nonfinite: what becomes of a utility that is not finite: "error", "floor" or "keep", see
            `evaluate`.
        until: stops before the budget is used up; looked at after each turn. Without a budget it
            alone stops. A rule of `shapley.stopping`, or its text: "standard_error(0.02) &
            rank_stability() | wall_clock(60)".
        turn: about how many distinct coalitions the estimator asks for at a time; if None, all that
            its budget allows, or where `until` is given, twice as many as there are players and at
            least 32.

    Returns:
        Values float64[P, ...] with standard errors, V of nobody and of everybody asked for, and
        what it cost.

    Raises:
        InvalidInputError: what the estimator cannot do with this many players or this budget, or a
            coalition whose utility is not finite.
    """
    key = jax.random.key(0) if key is None else key
    chosen = np.arange(game.num_players) if players is None else np.asarray(players)
    distinct = (
        chosen.dtype.kind in "iu" and chosen.ndim == 1 and 0 < len(chosen) == len(np.unique(chosen))
    )
    require(
        distinct and bool(np.isin(chosen, np.arange(game.num_players)).all()),
        f"Expected players={chosen.tolist()} to be some of 0..{game.num_players - 1}, each once.",
    )
    kept = UtilityStore() if store is None else store
    require(
        isinstance(estimator, Estimator),
        f"Expected estimator={estimator!r} to be one, such as exact().",
    )
    rule = parse_rule(until) if isinstance(until, str) else until
    turns = Turns(game, game_key(key), plan, kept, progress, on_nonfinite, rule, turn)
    return value_players(turns, estimator, jax.random.fold_in(key, 1), budget, chosen)


class Turns(NamedTuple):
    """How masks become utilities: everything that `evaluate` takes besides them, how many at a
    time, and until when.
    """

    game: Game | HostGame
    key: Key
    plan: Plan | None
    store: UtilityStore
    progress: Progress | None
    on_nonfinite: OnNonfinite
    until: StoppingRule | None = None
    turn: int | None = None


def value_players(
    turns: Turns, estimator: Estimator, key: Key, budget: int | None, chosen: HostArray
) -> Attribution:
    """Asks, values and tells until the estimator asks no more or a rule stops it, in the game that
    `chosen` play.
    """
    if turns.turn is not None:
        integer("turn", turns.turn, least=1)
    at_once = turns.turn or (None if turns.until is None else max(2 * len(chosen), LEAST_TURN))
    state, began = estimator.init(len(chosen), budget, at_once), time.perf_counter()
    history: list[Attribution] = []
    asked, stored, reason = 0, 0, None
    while reason is None:
        masks, state = estimator.ask(jax.random.fold_in(key, asked), state)
        if not len(masks):
            break
        lifted = np.zeros((len(masks), turns.game.num_players), bool)
        lifted[:, chosen] = masks
        before = turns.store.from_store
        utilities = evaluate(
            turns.game,
            turns.key,
            lifted,
            turns.plan,
            turns.store,
            turns.progress,
            on_nonfinite=turns.on_nonfinite,
        )
        stored += turns.store.from_store - before
        state, asked = estimator.tell(state, masks, utilities), asked + 1
        if turns.until is not None:
            history += _news(estimator.read(state), history)
            reason = (
                turns.until(Standing(history, time.perf_counter() - began)) if history else None
            )
    read = estimator.read(state)
    return read.replace(  # type: ignore[attr-defined, no-any-return]
        values=_among_zeros(read.values, chosen, turns.game.num_players),
        std_errors=_among_zeros(read.std_errors, chosen, turns.game.num_players),
        num_stored=stored,
        stopped=(reason or read.stopped)
        + (f", {stored} of them known from the store" if stored else ""),
    )


def _news(read: Attribution, history: list[Attribution]) -> list[Attribution]:
    """What was read, unless errors are unknown yet or it is what the turn before said: an order may
    take several.
    """
    last = history[-1] if history else None
    old = (
        last is not None
        and read.stopped == last.stopped
        and np.array_equal(read.values, last.values)
    )
    return [] if old or not np.isfinite(read.std_errors).all() else [read]


def _among_zeros(values: HostArray, chosen: HostArray, num_players: int) -> HostArray:
    """The chosen players' numbers among zeros for the others."""
    spread = np.zeros((num_players, *values.shape[1:]))
    spread[chosen] = values
    return spread
