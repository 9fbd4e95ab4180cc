"""The cross-silo game: every coalition is trained from one initialisation, alone (Spec 1)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import jax.numpy as jnp

from fedjax_shap._validate import integer, number, one_of
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.metric import accuracy, bootstrapped, metric_for, score
from fedjax_shap.learning.train import Learner, learner
from fedjax_shap.learning.training import Training, checked
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.typing import Array, Key, Params

Report = Literal["final", "best"]


def silo(
    data: FederatedData,
    training: Training,
    *,
    metric: str = "accuracy",
    report: Report = "final",
    skip_rounds: int = 0,
    empty: float | None = None,
    resamples: int = 0,
) -> Game:
    """The game in which V(S) is the metric, on the server's validation set, of the model that S
    trains alone.

    Args:
        data: the federation; its clients are the players.
        training: how a coalition trains.
        metric: a name in `learning.metric.METRICS`.
        report: "final" values the model of the last round; "best" takes the best metric over the
            rounds, which is optimistic, as some published benchmarks do.
        skip_rounds: with report="best", so many first rounds do not count.
        empty: V(empty set) where given; else the metric of the untrained initial model (Spec 1.2).
        resamples: if > 0, each utility is followed by the metric on so many bootstrap resamples of
            the validation set, float[1 + resamples]: what another test set would have said.

    Returns:
        A game of C players whose utilities are scalars, or float[1 + resamples].
    """
    one_of("report", report, ("final", "best"))
    most = checked(training).algorithm.max_rounds - 1
    integer("skip_rounds", skip_rounds, least=0, most=most)
    integer("resamples", resamples, least=0)
    if empty is not None:
        number("empty", empty)
    learning = learner(data, training)
    measure = bootstrapped(metric_for(metric, data.validation[1], data.num_classes), resamples)

    def worth(world: World, params: Params) -> Array:
        return score(learning.model.apply, measure, params, world.data.validation)

    def final(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        reached = worth(world, params)
        return reached if empty is None else jnp.where(mask.any(), reached, empty)

    def best(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        without = worth(world, world.initial) if empty is None else empty
        return jnp.where(mask.any(), trace.observed[skip_rounds:].max(axis=0), without)

    game = trained(learning, final) if report == "final" else trained(learning, best, worth)
    reseed = _redrawn(learning) if training.initial is None else None
    return replace(game, resamples=resamples, reseed=reseed)


def curves(data: FederatedData, training: Training, *, metric: str = "accuracy") -> Game:
    """The trainings of `silo`, followed round by round.

    Args:
        data: the federation.
        training: how a coalition trains.
        metric: what is followed on the validation set.

    Returns:
        A game whose utilities are float[4, R]: the training loss; 1 where the coalition still
        trained in that round, 0 where it had stopped; the accuracy on the test set; the metric on
        the validation set.
    """
    learning = learner(data, training)
    measure = metric_for(metric, data.validation[1], data.num_classes)

    def worth(world: World, params: Params) -> Array:
        apply = learning.model.apply
        sets = world.data
        return jnp.stack(
            [
                score(apply, accuracy, params, sets.test),
                score(apply, measure, params, sets.validation),
            ]
        )

    def followed(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        going = jnp.arange(training.algorithm.max_rounds) < trace.rounds
        return jnp.stack([trace.loss, going, *trace.observed.T])

    return trained(learning, followed, worth)


def _redrawn(learning: Learner) -> Callable[[World, Key], World]:
    """(world, key) -> the world with initial parameters drawn anew."""
    return lambda world, key: replace(world, initial=learning.model.init(key))
