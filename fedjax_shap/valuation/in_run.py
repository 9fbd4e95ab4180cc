"""Values inside one federated run: its rounds valued one by one, and summed (Song et al. 2019; Wang
et al. 2020).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from fedjax_shap._validate import fraction, number, require
from fedjax_shap.engine.evaluate import OnNonfinite, evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.rounds import RoundGame, Rounds
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.exact import exact
from fedjax_shap.shapley.stopping import StoppingRule
from fedjax_shap.typing import Key, Progress, Utilities
from fedjax_shap.valuation.estimate import Turns, game_key, value_players


class Means(NamedTuple):
    """By what means a run is valued: what `estimate_rounds` takes besides the run and the
    method.
    """

    key: Key
    budget: int | None
    plan: Plan | None
    store: Callable[[int], UtilityStore]
    progress: Progress | None
    on_nonfinite: OnNonfinite
    until: StoppingRule | None
    turn: int | None

    def turns(self, game: RoundGame) -> Turns:
        """How masks become utilities in a round."""
        kept = self.store(game.number)
        seed, how = game_key(self.key), (self.progress, self.on_nonfinite, self.until, self.turn)
        return Turns(game.game, seed, self.plan, kept, *how)


Method = Callable[[Rounds, Means], Attribution]  # values a whole run, not each round by itself


def estimate_rounds(
    run: Rounds,
    estimator: Estimator | Method,
    *,
    key: Key | None = None,
    budget: int | None = None,
    plan: Plan | None = None,
    store: Callable[[int], UtilityStore] | None = None,
    progress: Progress | None = None,
    on_nonfinite: OnNonfinite = "error",
    until: StoppingRule | None = None,
    turn: int | None = None,
    decay: float = 1.0,
    normalise: bool = False,
    truncation: float = 0.0,
) -> Attribution:
    """Values the players of a federated run: round by round and summed (Spec 2.4), or by a method
    for all.

    Args:
        run: the run.
        estimator: used in each round among those who took part; or a method for the whole run, such
            as `comfedsv()`.
        key: as in `estimate`.
        budget: the most distinct coalitions to ask for in one round.
        plan: how the engine cuts the work.
        store: round -> the store of its utilities.
        progress: called with (coalitions done, coalitions to do) in the round at hand.
        on_nonfinite: as in `estimate`; in a round, nobody is worth what x_t is.
        until: as in `estimate`, in each round.
        turn: as in `estimate`.
        decay: the values of round t, from 0, count decay^t, in [0, 1] (Song et al. 2019, lambda).
        normalise: whether a round's values are divided by their sum before (Song et al. 2019,
            algorithm 2); a round whose values do not sum to more than 0 has no shares to give and
            then counts nothing.
        truncation: rounds that count less than this are not valued, though the run goes on (Wei et
            al. 2020, TMR).

    Returns:
        The values float64[P] summed over rounds, their standard errors (rounds are drawn
        independently; where `normalise` divides by a sum that is itself an estimate, its error is
        not in them), V of the initial model as `empty` and of the last as `grand`. A player who was
        never there has exactly 0.

    Guarantees:
        Where the estimator is efficient, and decay is 1, nothing normalised and nothing truncated,
        the values sum to V(x_T) - V(x_0), up to the float error of evaluating one model in two
        programs.
    """
    key = jax.random.key(0) if key is None else key
    means = Means(
        key,
        budget,
        plan,
        store or (lambda index: UtilityStore()),
        progress,
        on_nonfinite,
        until,
        turn,
    )
    fraction("decay", decay)
    number("truncation", truncation, least=0)
    if isinstance(estimator, Estimator):
        return _summed(run, estimator, means, decay, normalise, truncation)
    given = {"decay": decay != 1, "normalise": normalise, "truncation": truncation != 0}
    given |= {"until": until is not None, "turn": turn is not None}
    which = ", ".join(name for name, there in given.items() if there)
    require(
        not which,
        f"Expected {which} to be left out with a method for the whole run, which has no use for "
        "it.",
    )
    return estimator(run, means)


def multi_round(*, decay: float = 1.0, normalise: bool = False, truncation: float = 0.0) -> Method:
    """MR and TMR: every round's game is valued exactly (Song et al. 2019, algorithm 2; Wei et al.
    2020).

    Args:
        decay: as in `estimate_rounds`.
        normalise: as in `estimate_rounds`.
        truncation: as in `estimate_rounds`.
    """
    fraction("decay", decay)
    number("truncation", truncation, least=0)
    return lambda run, means: _summed(run, exact(), means, decay, normalise, truncation)


def played(run: Rounds, means: Means) -> Iterator[RoundGame]:
    """The rounds in which somebody takes part."""
    require(
        bool(run.present.any()),
        "Expected somebody to take part in some round, but nobody ever does.",
    )
    yield from run.play(game_key(means.key))


def _summed(
    run: Rounds,
    estimator: Estimator,
    means: Means,
    decay: float,
    normalise: bool,
    truncation: float,
) -> Attribution:
    """The rounds valued one by one, and summed."""
    valued: list[tuple[float, Attribution]] = []
    for game in played(run, means):
        counts = decay**game.number
        if counts < truncation or counts == 0:
            continue
        seed = jax.random.fold_in(means.key, 1 + game.number)
        found = value_players(means.turns(game), estimator, seed, means.budget, game.participants)
        valued.append((counts * _per_unit(found) if normalise else counts, found))
    require(
        bool(valued),
        f"Expected truncation={truncation} to leave a round in which somebody takes part.",
    )
    each = [found for _, found in valued]
    whole = (
        valued[-1][1].grand
        if len(valued) == run.present.any(axis=1).sum()
        else worth_of_all(game, run, means)
    )
    return Attribution(
        values=np.sum([counts * found.values for counts, found in valued], axis=0),
        std_errors=np.sqrt(
            np.sum([(counts * found.std_errors) ** 2 for counts, found in valued], axis=0)
        ),
        empty=each[0].empty,
        grand=whole,
        num_coalitions=sum(found.num_coalitions for found in each),
        num_stored=sum(found.num_stored for found in each),
        stopped=f"{len(each)} rounds valued: {each[-1].stopped} in the last",
        notes={"rounds": [found.notes for found in each]}
        if any(found.notes for found in each)
        else {},
    )


def _per_unit(found: Attribution) -> float:
    """What makes the values sum to 1; 0 where they do not sum to more than 0."""
    total = float(found.values.sum())
    return 1 / total if total > 0 else 0.0


def worth_of_all(game: RoundGame, run: Rounds, means: Means) -> Utilities:
    """float64[]: V of the model that the participants of a round make."""
    turns = means.turns(game)
    mask = run.present[[game.number]]
    return evaluate(
        game.game, turns.key, mask, means.plan, turns.store, on_nonfinite=means.on_nonfinite
    )[0]
