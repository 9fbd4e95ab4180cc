"""The games inside one federated run: who contributed how much to each round (Wang, Rausch, Zhang,
Jia, Song 2020).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol

import jax
import numpy as np

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.coalitions import Coalition, gather
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.aggregates import Left, OpenRound, aggregates, together
from fedjax_shap.games.game import Game
from fedjax_shap.games.mixtures import Absent, mixtures
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.judges import Judging, judged_by, judges_of, one_axis, trailing_of
from fedjax_shap.learning.learner import Learner
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.metric import Metric, score
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.protection import check_one_run, protection_of
from fedjax_shap.learning.reach import warn_of_reach
from fedjax_shap.learning.task import measure_for
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training, checked, task_of
from fedjax_shap.learning.world import Observe, Trace, World, seeds
from fedjax_shap.shapley.slices import Trailing
from fedjax_shap.trees import placed
from fedjax_shap.typing import Array, HostArray, Key, Params


class RoundGame(NamedTuple):
    """The game of one round: V_t(S) is the metric of the model that S alone makes of x_t.

    Attributes:
        game: over all P players; those who did not take part change nothing.
        participants: int[m], the ids of P_t, ascending.
        number: t.
    """

    game: Game
    participants: HostArray
    number: int


class SeeModel(Protocol):
    """Sees a model."""

    def __call__(self, params: Params, /) -> None:
        """Does what it does with a model.

        Args:
            params: of the model.
        """
        ...


class Play(Protocol):
    """A federated run, played round by round."""

    def __call__(self, key: Key, /, after: SeeModel | None = None) -> Iterator[RoundGame]:
        """Plays the run from its first round.

        Args:
            key: seeds mini-batches.
            after: what is called with the model that each round ends with, before its game is
                given.

        Returns:
            The games of the rounds in which somebody takes part, in order. A round is trained when
            its game is asked for.
        """
        ...


class Rounds(NamedTuple):
    """A federated run whose rounds are games.

    Attributes:
        num_players: P.
        present: bool[R, P], who takes part in which round.
        start: a game that holds all that decides the run; its fingerprint is the run's.
        play: gives the games, round by round.
        model: what is trained.
        measure: the metric by which models are valued.
        trailing: what the trailing axis of the games' utilities holds; None where they have none.
        by_round: whether the values after each round are wanted beside those after the last.
        uploads: whether the world of each game is `mixtures.Uploads`. It is with one aggregation a
            round, by an algorithm whose next model is the mean of the uploads.
    """

    num_players: int
    present: HostArray
    start: Game
    play: Play
    model: Model
    measure: Measure
    uploads: bool
    trailing: Trailing | None = None
    by_round: bool = False


def rounds(
    data: FederatedData,
    training: Training,
    *,
    metric: str | Metric | None = None,
    inner_rounds: int = 1,
    absent: Absent = "left_out",
    everyone_first: bool = False,
    judges: Judging = "server",
    by_round: bool = False,
) -> Rounds:
    """One federated run of `algorithm.max_rounds` rounds, each a game among its participants.

    With one aggregation a round (`inner_rounds=1`) a client's upload does not depend on who else is
    in a coalition: the uploads are trained once, and coalitions are mixtures of them. That is
    exact. With more, every coalition is trained.

    Args:
        data: the federation; its clients are the players.
        training: how clients train, who takes part when, and for how long; its algorithm's `tol`
            must be None, since the run has a fixed length. Its `steps` count inner rounds. With
            `privacy` each coalition's sum of a round has noise of its own, and is divided by what
            is expected of all members.
        metric: as in `games.silo.silo`, on the server's validation set.
        inner_rounds: aggregations within a round.
        absent: how a participant outside a coalition counts in the coalition's mean. "left_out":
            not at all. "unchanged", for one aggregation a round: as if it had uploaded x_t, so that
            V_t(S) is that of x_t + sum_{i in S} w_i Delta_i with w_i its share in the mean of all
            participants (Wang et al. 2022).
        everyone_first: whether everyone takes part in the first round, whatever
            `participation` says, as completion needs (Fan et al. 2022, assumption 1).
        judges: as in `games.silo.silo`: with "members" or "classes" the utilities of each round are
            float[1 + J].
        by_round: whether values after each round, summed so far, are wanted beside those after the
            last.

    Returns:
        The run. Nothing is trained before it is played.

    Raises:
        InvalidInputError: a `tol`, or an `absent` that the rounds cannot have.

    References:
        Wang, Rausch, Zhang, Jia, Song 2020, "A principled approach to data valuation for federated
        learning".
    """
    algorithm = checked(training).algorithm
    _check(algorithm, inner_rounds, absent)
    one_axis(judges, by_round)
    warn_of_reach(data, training, inner_rounds=inner_rounds)
    within = training._replace(
        algorithm=algorithm._replace(max_rounds=inner_rounds), participation=None
    )
    horizon = algorithm.max_rounds * inner_rounds
    protection = protection_of(data, training)
    learning = learner(data, within, horizon=horizon, protection=protection)
    present = _present(training, algorithm.max_rounds, data.num_clients)
    present[:1] |= everyone_first
    check_one_run(protection, present, inner_rounds, absent, everyone_first)
    measure = measure_for(task_of(training, data), data, metric)
    judging = judges_of(data, judges, measure)
    judged = judged_by(measure, judging)

    def worth(world: World, params: Params) -> Array:
        return score(learning.model.apply, judged, params, world.data.validation)

    def value(world: tuple[World, Array, Array], key: Key, coalition: Coalition) -> Array:
        params, _ = learning.train(world[0], key, coalition)
        return worth(world[0], params)

    open_round = _opening(learning, judged, worth, inner_rounds, absent)
    # the server's state is about all clients, also where it meets only some of them
    whole = np.asarray(learning.world.weights, np.float64).sum()
    world = replace(learning.world, whole=placed(whole.astype(np.float32)))
    play = _played(world, open_round, present, inner_rounds)
    start = Game((world, present, np.asarray(absent == "unchanged")), value, data.num_clients)
    mixed = inner_rounds == 1 and learning.algorithm.averages_uploads
    run = Rounds(data.num_clients, present, start, play, learning.model, measure, mixed)
    return run._replace(trailing=trailing_of(judging), by_round=by_round)


def _opening(
    learning: Learner, metric: Metric, worth: Observe, inner_rounds: int, absent: Absent
) -> OpenRound:
    """How a round is made a game: coalitions mix uploads, aggregate them, or train."""
    if inner_rounds > 1:
        return _trainings(learning, worth)
    if learning.algorithm.averages_uploads:
        return mixtures(learning, metric, absent)
    return aggregates(learning, worth)


def _present(training: Training, num_rounds: int, num_clients: int) -> HostArray:
    """bool[R, C], who takes part in which round."""
    participation = training.participation or always()
    drawn = participation(seeds(training.root_key).participation, num_rounds, num_clients)
    return np.asarray(drawn) >= 1


def _check(algorithm: Algorithm, inner_rounds: int, absent: Absent) -> None:
    """Refuses settings that a run cannot have."""
    integer("inner_rounds", inner_rounds, least=1)
    require(
        algorithm.tol is None,
        f"Expected tol={algorithm.tol} to be None for game='rounds', of fixed length.",
    )
    one_of("absent", absent, ("left_out", "unchanged"))
    require(
        inner_rounds == 1 or absent == "left_out",
        f"Expected absent={absent!r} to be 'left_out' with inner_rounds={inner_rounds}, where "
        "coalitions train alone.",
    )
    require(
        algorithm.averages_uploads or absent == "left_out",
        f"Expected absent={absent!r} to be 'left_out' with an algorithm whose model is not the "
        "mean of the uploads.",
    )


def _played(world: World, open_round: OpenRound, present: HostArray, inner_rounds: int) -> Play:
    """`Rounds.play`: each round starts from the model that the one before left."""
    slots = max(int(present.sum(axis=1).max()), 1)

    def play(key: Key, /, after: SeeModel | None = None) -> Iterator[RoundGame]:
        state = world
        for index in np.flatnonzero(present.any(axis=1)):
            state = replace(state, first_round=placed(np.int32(index * inner_rounds)))
            everyone = jax.tree.map(lambda leaf: placed(leaf[0]), gather(present[[index]], slots))
            game, state = open_round(state, key, everyone)
            if after is not None:
                after(state.initial)
            yield RoundGame(game, np.flatnonzero(present[index]), int(index))

    return play


def _trainings(learning: Learner, worth: Callable[[World, Params], Array]) -> OpenRound:
    """Rounds of several aggregations: every coalition trains from x_t on its own."""

    def read(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        return worth(world, params)

    game = trained(learning, read)

    @jax.jit
    def left(world: World, key: Key, everyone: Coalition) -> Left:
        return together(learning, world, key, everyone, learning.algorithm.max_rounds)[1]

    def open_round(world: World, key: Key, everyone: Coalition) -> tuple[Game, World]:
        return replace(game, world=world), left(world, key, everyone).after(world)

    return open_round
