"""The one loop: the estimator asks for coalitions, the engine values them, the estimator reads."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fedjax_shap._validate import integer, of_kind, require
from fedjax_shap.engine.evaluate import checked_game
from fedjax_shap.engine.folders import WHOLE
from fedjax_shap.engine.store import fingerprint
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game
from fedjax_shap.keys import Seed, folded, key_of
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.slices import split
from fedjax_shap.shapley.stopping import EstimateProgress
from fedjax_shap.typing import HostArray, Key
from fedjax_shap.valuation.options import Options, UtilitySource

SMALLEST_BATCH = 32  # coalitions asked for at a time, where a rule is looked at in between


def game_key(key: Key) -> Key:
    """The part of a run's key that seeds the game; the other part seeds the estimator's draws."""
    return folded(key, 0)


def estimate(
    game: Game | HostGame,
    estimator: Estimator,
    options: Options = Options(),
    *,
    key: Seed = None,
    players: Sequence[int] | HostArray | None = None,
) -> Attribution:
    """Values the players of a game.

    Args:
        game: what a coalition is worth.
        estimator: which coalitions to value, and how to read values off them.
        options: the budget, where utilities are kept, how the work is cut, and when to stop.
        key: seeds the game (mini-batches) and the estimator's draws, apart from each other, so that
            every estimator meets the same utilities. `jax.random.key(0)` if None; a whole number
            stands for the key of that seed.
        players: value these only, in the game that the others sit out: their values are exactly 0.
            All if None.

    Returns:
        Values float64[P, ...] with standard errors, V(empty), V(N), and what it cost. Of a game
        with judges or by round, `values` float64[P] are those on all test rows or after the last
        round, and `slices` has those of each judge or round; a stopping rule looks at all of them.

    Raises:
        InvalidInputError: what the estimator cannot do with this many players or this budget, or a
            coalition whose utility is not finite.
    """
    return value_game(game, estimator, options, key=key, players=players)


def value_game(
    game: Game | HostGame,
    estimator: Estimator,
    options: Options,
    *,
    key: Seed,
    players: Sequence[int] | HostArray | None,
    part: str = WHOLE,
) -> Attribution:
    """Does what `estimate` says; the game's store is that of `part`, see `options.Stores`."""
    key = key_of(key)
    chosen = _chosen(players, checked_game(game).num_players)
    of_kind("estimator", estimator, Estimator, "exact()")
    of_kind("options", options, Options, "Options(budget=100)")
    seed = game_key(key)
    store = options.store(part, lambda: fingerprint(game, seed))
    source = UtilitySource(game, seed, store, options)
    found = value_players(source, estimator, folded(key, 1), chosen)
    if not isinstance(game, Game):
        return found
    if game.permanent:
        found = replace(found, permanent=game.permanent)
    if game.trailing is not None:
        return split(found, game.trailing)
    return found


def _chosen(players: Sequence[int] | HostArray | None, num_players: int) -> HostArray:
    """The ids of the players to value, int[C], each once."""
    if players is None:
        return np.arange(num_players)
    chosen = np.asarray(players)
    whole = np.issubdtype(chosen.dtype, np.integer) and chosen.ndim == 1
    distinct = whole and 0 < len(chosen) == len(np.unique(chosen))
    require(
        distinct and bool(np.isin(chosen, np.arange(num_players)).all()),
        f"Expected players={chosen.tolist()} to be some of 0..{num_players - 1}, each once.",
    )
    return chosen


def value_players(
    source: UtilitySource, estimator: Estimator, key: Key, chosen: HostArray
) -> Attribution:
    """Values some players of a game: asks and evaluates until the estimator is done or a rule
    stops it.

    Args:
        source: turns masks into utilities.
        estimator: which coalitions to value, and how to read values off them.
        key: seeds the estimator's draws.
        chosen: int[C], the players in the game; the others sit it out.
    """
    rule = source.options.rule
    num_players = source.game.num_players
    _require_stoppable(estimator, source.options)
    state = estimator.init(len(chosen), source.options.budget, _batch(source.options, len(chosen)))
    began = time.perf_counter()
    asked_before = source.store.asked
    expected = min(source.options.budget or 0, 2 ** len(chosen))
    history: list[Attribution] = []
    num_batches = 0
    num_stored = 0
    reason = None
    while reason is None:
        # ask for the next batch of coalitions
        masks, state = estimator.ask(folded(key, num_batches), state)
        if not len(masks):
            break
        # value them, with nobody else in the game
        lifted = np.zeros((len(masks), num_players), bool)
        lifted[:, chosen] = masks
        known_before = source.store.from_store
        before = source.store.asked - asked_before
        utilities = source(lifted, before=before, expected=expected)
        num_stored += source.store.from_store - known_before
        # hand the utilities over, and look at the stopping rule
        state = estimator.tell(state, masks, utilities)
        num_batches += 1
        if rule is not None:
            history += _news(estimator.read(state), history)
            if history:
                reason = rule(EstimateProgress(history, time.perf_counter() - began))
    read = estimator.read(state)
    stopped = reason or read.stopped
    if num_stored:
        stopped += f", {num_stored} of them known from the store"
    return replace(
        read,
        values=_among_zeros(read.values, chosen, num_players),
        std_errors=_among_zeros(read.std_errors, chosen, num_players),
        num_stored=num_stored,
        stopped=stopped,
    )


def _require_stoppable(estimator: Estimator, options: Options) -> None:
    """Refuses a stopping rule where there is nothing between which it could be looked at."""
    require(
        options.until is None or not estimator.guarantees.at_once,
        f"Expected until={options.until!r} to be left out with an estimator that asks for all its "
        "coalitions at once, which no rule can stop; use one that asks batch by batch, such as "
        "gaussian_process().",
    )


def _batch(options: Options, num_chosen: int) -> int | None:
    """About how many coalitions the estimator asks for at a time; None for all that it can."""
    if options.turn is not None:
        integer("turn", options.turn, least=1)
        return options.turn
    return None if options.until is None else max(2 * num_chosen, SMALLEST_BATCH)


def _news(read: Attribution, history: list[Attribution]) -> list[Attribution]:
    """What was read, unless errors are unknown yet or nothing changed: an order may take several
    batches.
    """
    if not np.isfinite(read.std_errors).all():
        return []
    if not history:
        return [read]
    last = history[-1]
    same = read.stopped == last.stopped and np.array_equal(read.values, last.values)
    return [] if same else [read]


def _among_zeros(values: HostArray, chosen: HostArray, num_players: int) -> HostArray:
    """The chosen players' numbers among zeros for the others."""
    spread = np.zeros((num_players, *values.shape[1:]))
    spread[chosen] = values
    return spread
