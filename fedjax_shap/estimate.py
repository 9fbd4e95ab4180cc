"""The one loop: an estimator asks, the engine values, the estimator is told."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.engine.evaluate import OnNonfinite, evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.game import Game
from fedjax_shap.games.rounds import Rounds
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.typing import HostArray, Key, Progress


def game_key(key: Key) -> Key:
    """The part of a run's key that reaches the game; the estimator's draws come from the other part."""
    return jax.random.fold_in(key, 0)


def estimate(
    game: Game,
    estimator: Estimator,
    *,
    key: Key | None = None,
    budget: int | None = None,
    plan: Plan | None = None,
    store: UtilityStore | None = None,
    players: Sequence[int] | HostArray | None = None,
    progress: Progress | None = None,
    on_nonfinite: OnNonfinite = "error",
) -> Attribution:
    """Values the players of a game.

    Args:
        game: what a coalition is worth.
        estimator: which coalitions to value, and how to read values off them.
        key: seeds the game (mini-batches) and the estimator's draws, apart from each other, so that every
            estimator meets the same utilities; `jax.random.key(0)` if None.
        budget: the most distinct coalitions to ask for, for estimators that sample.
        plan: how the engine cuts the work.
        store: utilities known already, and where new ones are kept.
        players: value these only, in the game that the others sit out: their values are exactly 0. All if None.
        progress: called with (coalitions done, coalitions to do).
        on_nonfinite: what becomes of a utility that is not finite: "error", "floor" or "keep", see `evaluate`.

    Returns:
        Values float64[P, ...] with standard errors, V of nobody and of everybody asked for, and what it cost.

    Raises:
        InvalidInputError: what the estimator cannot do with this many players or this budget, or a coalition whose
            utility is not finite.
    """
    key = jax.random.key(0) if key is None else key
    chosen = np.arange(game.num_players) if players is None else np.asarray(players)
    distinct = chosen.dtype.kind in "iu" and chosen.ndim == 1 and 0 < len(chosen) == len(np.unique(chosen))
    require(
        distinct and bool(np.isin(chosen, np.arange(game.num_players)).all()),
        f"Expected players={chosen.tolist()} to be some of 0..{game.num_players - 1}, each once.",
    )
    turns = _Turns(game, game_key(key), plan, UtilityStore() if store is None else store, progress, on_nonfinite)
    return _value(turns, estimator, jax.random.fold_in(key, 1), budget, chosen)


def estimate_rounds(
    run: Rounds,
    estimator: Estimator,
    *,
    key: Key | None = None,
    budget: int | None = None,
    plan: Plan | None = None,
    store: Callable[[int], UtilityStore] | None = None,
    progress: Progress | None = None,
    on_nonfinite: OnNonfinite = "error",
) -> Attribution:
    """Values the players of a federated run round by round, and sums (Spec 2.4).

    Args:
        run: the run.
        estimator: used in each round among those who took part.
        key: as in `estimate`.
        budget: the most distinct coalitions to ask for in one round.
        plan: how the engine cuts the work.
        store: round -> the store of its utilities.
        progress: called with (coalitions done, coalitions to do) in the round at hand.
        on_nonfinite: as in `estimate`; in a round, nobody is worth what x_t is.

    Returns:
        The values float64[P] summed over rounds, their standard errors (rounds are drawn independently), V of the
        initial model as `empty` and of the last as `grand`. A player who was never there has exactly 0.

    Guarantees:
        Where the estimator is efficient, the values sum to V(x_T) - V(x_0), up to the float error of evaluating one
        model in two programs.
    """
    key = jax.random.key(0) if key is None else key
    per_round: list[Attribution] = []
    for game, participants, index in run.play(game_key(key)):
        kept = UtilityStore() if store is None else store(index)
        turns = _Turns(game, game_key(key), plan, kept, progress, on_nonfinite)
        per_round.append(_value(turns, estimator, jax.random.fold_in(key, 1 + index), budget, participants))
    require(bool(per_round), "Expected somebody to take part in some round, but nobody ever does.")
    return Attribution(
        values=np.sum([one.values for one in per_round], axis=0),
        std_errors=np.sqrt(np.sum([one.std_errors**2 for one in per_round], axis=0)),
        empty=per_round[0].empty,
        grand=per_round[-1].grand,
        num_coalitions=sum(one.num_coalitions for one in per_round),
        num_stored=sum(one.num_stored for one in per_round),
        stopped=f"{len(per_round)} rounds valued: {per_round[-1].stopped} in the last",
    )


class _Turns(NamedTuple):
    """How masks become utilities: everything that `evaluate` takes besides them."""

    game: Game
    key: Key
    plan: Plan | None
    store: UtilityStore
    progress: Progress | None
    on_nonfinite: OnNonfinite


def _value(turns: _Turns, estimator: Estimator, key: Key, budget: int | None, chosen: HostArray) -> Attribution:
    """Asks, values and tells until the estimator asks no more, in the game that only the chosen players play."""
    state, turn, stored = estimator.init(len(chosen), budget, None), 0, 0
    while True:
        masks, state = estimator.ask(jax.random.fold_in(key, turn), state)
        if not len(masks):
            break
        lifted = np.zeros((len(masks), turns.game.num_players), bool)
        lifted[:, chosen] = masks
        before = turns.store.from_store
        utilities = evaluate(
            turns.game, turns.key, lifted, turns.plan, turns.store, turns.progress, on_nonfinite=turns.on_nonfinite
        )
        state, turn = estimator.tell(state, masks, utilities), turn + 1
        stored += turns.store.from_store - before
    read = estimator.read(state)
    return read.replace(  # type: ignore[attr-defined, no-any-return]
        values=_among_zeros(read.values, chosen, turns.game.num_players),
        std_errors=_among_zeros(read.std_errors, chosen, turns.game.num_players),
        num_stored=stored,
    )


def _among_zeros(values: HostArray, chosen: HostArray, num_players: int) -> HostArray:
    """The chosen players' numbers among zeros for the others."""
    spread = np.zeros((num_players, *values.shape[1:]))
    spread[chosen] = values
    return spread
