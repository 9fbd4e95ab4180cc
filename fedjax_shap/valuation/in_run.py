"""Values inside one federated run: its rounds valued one by one, and summed (Song et al. 2019; Wang
et al. 2020).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import fraction, function_of, how_many, number, of_kind, require
from fedjax_shap.engine.folders import ROUND
from fedjax_shap.engine.progress import of_rounds
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.rounds import Rounds
from fedjax_shap.keys import Seed, folded, key_of
from fedjax_shap.shapley.estimator import Attribution, Estimator, Slices
from fedjax_shap.shapley.exact import exact
from fedjax_shap.shapley.slices import round_names, split
from fedjax_shap.typing import HostArray, Key, PyTree, Utilities
from fedjax_shap.valuation.estimate import game_key, value_players
from fedjax_shap.valuation.options import Options, UtilitySource


class Method(Protocol):
    """Values a whole run at once, instead of each round by itself."""

    def __call__(self, run: Rounds, options: Options, key: Key, /) -> Attribution:
        """Values the players of a run.

        Args:
            run: the run.
            options: as `estimate_rounds` takes them; `until` and `turn` are None.
            key: as in `estimate`.

        Returns:
            Values float64[P] with standard errors; V of the initial model as `empty` and of the
            last as `grand`.
        """


class Weighting(NamedTuple):
    """How much a round's values count in the sum over rounds.

    Attributes:
        decay: the values of round t, from 0, count decay^t, in [0, 1].
        normalise: whether a round's values are divided by their sum before.
        truncation: rounds that count less than this are not valued.
    """

    decay: float = 1.0
    normalise: bool = False
    truncation: float = 0.0


class PlayedRound(NamedTuple):
    """One round of a run, ready to be valued.

    Attributes:
        source: turns masks bool[M, P] into utilities of the round's game.
        participants: int[m], the ids of who took part, ascending.
        number: t, from 0.
        world: what the round's game reads, as a pytree of arrays.
    """

    source: UtilitySource
    participants: HostArray
    number: int
    world: PyTree


def estimate_rounds(
    run: Rounds,
    estimator: Estimator | Method,
    options: Options = Options(),
    *,
    key: Seed = None,
    decay: float = 1.0,
    normalise: bool = False,
    truncation: float = 0.0,
) -> Attribution:
    """Values the players of a federated run: round by round and summed, or by a method for all.

    Args:
        run: the run.
        estimator: used in each round among those who took part; or a method for the whole run, such
            as `comfedsv()`.
        options: as in `estimate`, in each round; `stores` must be a function, which is called with
            "round-0003" for the fourth round. Under "floor" a utility that is not finite counts as
            that of x_t, the model before the round.
        key: as in `estimate`.
        decay: the values of round t, from 0, count decay^t, in [0, 1] (Song et al. 2019, lambda).
        normalise: whether a round's values are divided by their sum before (Song et al. 2019,
            algorithm 2); a round whose values do not sum to more than 0 then counts nothing.
        truncation: rounds that count less than this are not valued, though the run goes on (Wei et
            al. 2020, TMR).

    Returns:
        The values float64[P] summed over rounds, with those of each judge, or after each round, in
        `slices` where the run has them; their standard errors (rounds are drawn
        independently; where `normalise` divides by a sum that is itself an estimate, its error is
        not in them), V of the initial model as `empty` and of the last as `grand`. A player who
        never took part has exactly 0.

    Guarantees:
        Where the estimator is efficient, and decay is 1, nothing normalised and nothing truncated,
        the values sum to V(x_T) - V(x_0), up to the float error of evaluating one model in two
        programs.
    """
    key = key_of(key)
    of_kind("run", run, Rounds, "rounds(data, training)")
    of_kind("options", options, Options, "Options(budget=100)")
    if not isinstance(estimator, Estimator):
        function_of("estimator", estimator, ("run", "options", "key"), "in_run.comfedsv()")
    weighting = _weighting(decay, normalise, truncation)
    require(
        not isinstance(options.stores, UtilityStore),
        "Expected stores to be a function that opens a store for each round, got one store; each "
        "round is a game of its own.",
    )
    if isinstance(estimator, Estimator):
        return _summed(run, estimator, options, key, weighting)
    refused = {
        "decay": decay != 1,
        "normalise": normalise,
        "truncation": truncation != 0,
        "until": options.until is not None,
        "turn": options.turn is not None,
    }
    names = ", ".join(name for name, given in refused.items() if given)
    require(
        not names,
        f"Expected {names} to be left out with a method for the whole run, which does not use it.",
    )
    return estimator(run, options, key)


def multi_round(*, decay: float = 1.0, normalise: bool = False, truncation: float = 0.0) -> Method:
    """MR and TMR: every round's game is valued exactly (Song et al. 2019, algorithm 2; Wei et al.
    2020).

    Args:
        decay: as in `estimate_rounds`.
        normalise: as in `estimate_rounds`.
        truncation: as in `estimate_rounds`.
    """
    weighting = _weighting(decay, normalise, truncation)
    return lambda run, options, key: _summed(run, exact(), options, key, weighting)


def played(run: Rounds, options: Options, key: Key) -> Iterator[PlayedRound]:
    """The rounds in which somebody takes part, in order.

    Args:
        run: the run.
        options: how coalitions are valued.
        key: as in `estimate`.
    """
    require(
        bool(run.present.any()),
        "Expected somebody to take part in some round, but nobody ever does.",
    )
    seed = game_key(key)
    name = ""
    if callable(options.stores):
        name = fingerprint(run.start, seed)
    num_rounds = int(run.present.any(axis=1).sum())
    for place, (game, participants, index) in enumerate(run.play(seed)):
        store = options.store(f"{ROUND}{index:04d}", partial("{}-{}".format, name, index))
        progress = of_rounds(options.progress, place, num_rounds)
        source = UtilitySource(game, seed, store, replace(options, progress=progress))
        yield PlayedRound(source, participants, index, game.world)


def worth_of_all(played_round: PlayedRound, run: Rounds) -> Utilities:
    """float64[]: V of the model that the participants of a round make."""
    return np.asarray(played_round.source(run.present[[played_round.number]])[0])


def _weighting(decay: float, normalise: bool, truncation: float) -> Weighting:
    fraction("decay", decay)
    number("truncation", truncation, least=0)
    return Weighting(decay, normalise, truncation)


def _summed(
    run: Rounds, estimator: Estimator, options: Options, key: Key, weighting: Weighting
) -> Attribution:
    """The rounds valued one by one, and summed."""
    require(
        run.trailing is None or not weighting.normalise,
        "Expected normalise to be left out with judges: the values of each judge would be divided "
        "by a sum of its own.",
    )
    counts: list[float] = []
    each: list[Attribution] = []
    valued: list[int] = []  # numbers of rounds
    for one in played(run, options, key):
        weight = weighting.decay**one.number
        if weight < weighting.truncation or weight == 0:
            continue
        seed = folded(key, 1 + one.number)
        found = value_players(one.source, estimator, seed, one.participants)
        if weighting.normalise:
            weight *= _per_unit(found)
        counts.append(weight)
        each.append(found)
        valued.append(one.number)
    require(
        bool(each),
        f"Expected truncation={weighting.truncation} to leave a round in which somebody takes "
        "part.",
    )
    grand = each[-1].grand
    if len(each) < run.present.any(axis=1).sum():
        # the last round may not have been valued: then nothing says yet what its model is worth
        grand = worth_of_all(one, run)
    summed = _sum_of(each, counts, grand)
    if run.trailing is not None:
        return split(summed, run.trailing)
    if run.by_round:
        return replace(summed, slices=_so_far(each, counts, valued))
    return summed


def _sum_of(each: list[Attribution], counts: list[float], grand: HostArray) -> Attribution:
    """The sum of the values of rounds, each times what it counts; `grand` is V of the last
    model.
    """
    notes: dict[str, Any] = {}
    if any(found.notes for found in each):
        notes["rounds"] = [found.notes for found in each]
    return Attribution(
        values=np.sum([c * found.values for c, found in zip(counts, each)], axis=0),
        std_errors=np.sqrt(
            np.sum([(c * found.std_errors) ** 2 for c, found in zip(counts, each)], axis=0)
        ),
        empty=each[0].empty,
        grand=grand,
        num_coalitions=sum(found.num_coalitions for found in each),
        num_stored=sum(found.num_stored for found in each),
        stopped=f"{how_many(len(each), 'round')} valued: {each[-1].stopped} in the last",
        notes=notes,
    )


def _so_far(each: list[Attribution], counts: list[float], numbers: list[int]) -> Slices:
    """The values after each round that was valued: those of the rounds up to it, summed.

    Args:
        each: the values of each round.
        counts: what each counts in the sum.
        numbers: of the rounds, from 0.
    """
    values = np.cumsum([c * found.values for c, found in zip(counts, each)], axis=0)
    variances = np.cumsum([(c * found.std_errors) ** 2 for c, found in zip(counts, each)], axis=0)
    return Slices(
        kind="rounds",
        names=round_names(np.array(numbers)),
        weights=np.zeros(0),
        values=values.T,
        std_errors=np.sqrt(variances).T,
        empty=np.full(len(each), float(each[0].empty)),
        grand=np.array([float(found.grand) for found in each]),
    )


def without_slices(run: Rounds, name: str) -> None:
    """Refuses judges and values by round for a method for the whole run.

    Args:
        run: the run.
        name: the method's.
    """
    require(
        run.trailing is None and not run.by_round,
        f"Expected judges and by_round to be left out with estimator={name!r}, which values the "
        "whole run at once.",
    )


def _per_unit(found: Attribution) -> float:
    """What makes the values sum to 1; 0 where they do not sum to more than 0."""
    total = float(found.values.sum())
    return 1 / total if total > 0 else 0.0
