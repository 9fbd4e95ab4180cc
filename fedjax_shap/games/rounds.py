"""The games inside one federated run: who made how much of each round (Spec 2; Wang, Rausch, Zhang,
Jia, Song 2020).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.coalitions import Coalition, gather
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.aggregates import Open, aggregates, together
from fedjax_shap.games.game import Game
from fedjax_shap.games.mixtures import Absent, mixtures
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.metric import metric_for, score
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.train import Learner, learner
from fedjax_shap.learning.training import Training, checked
from fedjax_shap.learning.world import World, seeds
from fedjax_shap.typing import Array, HostArray, Key, Params


class RoundGame(NamedTuple):
    """The game of one round: V_t(S) is the metric of the model that S alone makes out of x_t (Spec
    2.2).

    Attributes:
        game: over all P players; those who did not take part change nothing.
        participants: int[m], the ids of P_t, ascending.
        number: t.
    """

    game: Game
    participants: HostArray
    number: int


class Rounds(NamedTuple):
    """A federated run whose rounds are games.

    Attributes:
        num_players: P.
        present: bool[R, P], who takes part in which round.
        start: a game that holds all that decides the run; its fingerprint is the run's.
        play: key -> the games of the rounds in which somebody takes part, in order. The key seeds
            mini-batches.
        model: what is trained.
        metric: the name of what it is worth.
        uploads: whether the world of each game is `mixtures.Uploads`: so with one aggregation a
            round, by an algorithm whose next model is the mean of the uploads.
    """

    num_players: int
    present: HostArray
    start: Game
    play: Callable[[Key], Iterator[RoundGame]]
    model: Model
    metric: str
    uploads: bool


def rounds(
    data: FederatedData,
    training: Training,
    *,
    metric: str = "accuracy",
    inner_rounds: int = 1,
    absent: Absent = "left_out",
    everyone_first: bool = False,
) -> Rounds:
    """One federated run of `algorithm.max_rounds` rounds, each round a game among those who took
    part.

    With one aggregation a round (`inner_rounds=1`) a client's upload does not depend on who else is
    in a coalition: the uploads are trained once, and coalitions are mixtures of them. That is
    exact. With more, every coalition is trained.

    Args:
        data: the federation; its clients are the players.
        training: how clients train, who takes part when, and for how long; its algorithm's `tol`
            must be None, since the run has a fixed length. Its `steps` count inner rounds.
        metric: a name in `learning.metric.METRICS`, on the server's validation set.
        inner_rounds: aggregations within a round.
        absent: in a coalition's mean a participant who is not in it is "left_out" (Spec 1.1d), or
            "unchanged": there as if it had uploaded x_t, as where V_t(S) is that of x_t + sum_{i in
            S} w_i Delta_i with w_i its share in the mean of all (Wang et al. 2022); for one
            aggregation a round.
        everyone_first: whether everyone takes part in the first round, whatever
            `participation` says, as completion needs (Fan et al. 2022, assumption 1).
    """
    algorithm = checked(training).algorithm
    _check(algorithm, inner_rounds, absent)
    within = training._replace(
        algorithm=algorithm._replace(max_rounds=inner_rounds), participation=None
    )
    learning = learner(data, within, horizon=algorithm.max_rounds * inner_rounds)
    measure = metric_for(metric, data.validation[1], data.num_classes)
    who = (training.participation or always())(
        seeds(training.root_key).participation, algorithm.max_rounds, data.num_clients
    )
    present = np.asarray(who) >= 1
    present[:1] |= everyone_first

    def worth(params: Params, world: World) -> Array:
        return score(learning.model.apply, measure, params, world.data.validation)

    def whole(world: tuple[World, Array, Array], key: Key, coalition: Coalition) -> Array:
        return worth(learning.train(world[0], key, coalition)[0], world[0])

    mixed, others = (
        inner_rounds == 1 and algorithm.averages_uploads,
        _trainings if inner_rounds > 1 else aggregates,
    )
    open_round = mixtures(learning, measure, absent) if mixed else others(learning, worth)
    world = learning.world.replace(whole=learning.world.weights.sum())  # type: ignore[attr-defined]
    play = _played(world, open_round, present, inner_rounds)
    start = Game((world, present, np.asarray(absent == "unchanged")), whole, data.num_clients)
    return Rounds(data.num_clients, present, start, play, learning.model, metric, mixed)


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


def _played(
    world: World, open_round: Open, present: HostArray, inner_rounds: int
) -> Callable[[Key], Iterator[RoundGame]]:
    """`Rounds.play`: each round starts from the model that the one before left."""
    slots = max(int(present.sum(axis=1).max()), 1)

    def play(key: Key) -> Iterator[RoundGame]:
        state = world
        for index in np.flatnonzero(present.any(axis=1)):
            state = state.replace(first_round=jnp.int32(index * inner_rounds))  # type: ignore[attr-defined]
            everyone = jax.tree.map(
                lambda leaf: jnp.asarray(leaf[0]), gather(present[[index]], slots)
            )
            game, state = open_round(state, key, everyone)
            yield RoundGame(game, np.flatnonzero(present[index]), int(index))

    return play


def _trainings(learning: Learner, worth: Callable[[Params, World], Array]) -> Open:
    """Rounds of several aggregations: every coalition trains from x_t on its own."""
    game = trained(learning, lambda world, params, trace, mask: worth(params, world))

    @jax.jit
    def trained_by(world: World, key: Key, everyone: Coalition) -> World:
        return together(learning, world, key, everyone, learning.algorithm.max_rounds)[1]

    def open_round(world: World, key: Key, everyone: Coalition) -> tuple[Game, World]:
        return game.replace(world=world), trained_by(world, key, everyone)  # type: ignore[attr-defined]

    return open_round
