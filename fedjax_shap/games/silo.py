"""The cross-silo game: every coalition trains alone, from one initial model."""

from dataclasses import replace
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from fedjax_shap._validate import integer, number, one_of, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.judges import Judging, judged_by, judges_of, one_axis, trailing_of
from fedjax_shap.learning.metric import Metric, bootstrapped, score
from fedjax_shap.learning.reach import warn_of_reach
from fedjax_shap.learning.task import measure_for
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training, checked, task_of
from fedjax_shap.learning.world import Observe, Read, Trace, World
from fedjax_shap.shapley.slices import Trailing, round_names
from fedjax_shap.typing import Array, Key, Params

Report = Literal["final", "best"]


def silo(
    data: FederatedData,
    training: Training,
    *,
    metric: str | Metric | None = None,
    report: Report = "final",
    skip_rounds: int = 0,
    empty: float | None = None,
    resamples: int = 0,
    judges: Judging = "server",
    by_round: bool = False,
) -> Game:
    """The game in which V(S) is the metric of the model that S trains alone.

    Args:
        data: the federation; its clients are the players. The metric is that on the server's
            validation set.
        training: how a coalition trains.
        metric: a name in the task's metrics; a function (outputs, y) -> float of which more is
            better, traceable by JAX; or the task's default if None. Errors count with a minus sign.
        report: "final" values the model of the last round; "best" takes the best metric over the
            rounds, which is optimistic, as some published benchmarks do.
        skip_rounds: with report="best", how many first rounds do not count. A coalition that stops
            within them is valued by its last model.
        empty: V(empty), the utility of the empty coalition, in all entries where there are
            resamples; the metric of the untrained initial model if None.
        resamples: if > 0, each utility is followed by the metric on this many bootstrap resamples
            of the validation set, float[1 + resamples]: what other test sets would have said.
            Where its rows are those of users who never train, users are drawn, not rows.
        judges: whose test rows say what a model is worth: "server", all rows of the validation set;
            "members" or "classes": each utility is followed by the metric on the rows of each
            member or class, float[1 + J].
        by_round: whether a utility is V after each round, float[R], the last one being the value
            proper.

    Returns:
        A game of C players whose utilities are scalars, or have a trailing axis as said above.

    Raises:
        InvalidInputError: a setting out of its range, or a metric that is undefined on these data.
    """
    one_of("report", report, ("final", "best"))
    most = checked(training).algorithm.max_rounds - 1
    integer("skip_rounds", skip_rounds, least=0, most=most)
    integer("resamples", resamples, least=0)
    if empty is not None:
        number("empty", empty)
    _check_trailing(report, resamples, judges, by_round)
    warn_of_reach(data, training)
    learning = learner(data, training)
    of_all = measure_for(task_of(training, data), data, metric)
    judging = judges_of(data, judges, of_all)
    measure = judged_by(bootstrapped(of_all, resamples, data.users), judging)

    def worth(world: World, params: Params) -> Array:
        return score(learning.model.apply, measure, params, world.data.validation)

    def redrawn(world: World, key: Key) -> World:
        return replace(world, initial=learning.model.init(key))

    trailing = trailing_of(judging)
    if by_round:
        trailing = Trailing("rounds", round_names(np.arange(most + 1)))
        game = trained(learning, _each_round(empty), worth)
    elif report == "best":
        game = trained(learning, _best(worth, skip_rounds, empty), worth)
    else:
        game = trained(learning, _final(worth, empty))
    if training.initial is None:  # the seed decides the initial model
        game = replace(game, reseed=redrawn)
    return replace(game, resamples=resamples, trailing=trailing)


def _final(worth: Observe, empty: float | None) -> Read:
    """The worth of the last model."""

    def final(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        reached = worth(world, params)
        if empty is None:  # the empty coalition ends with the initial model
            return reached
        return jnp.where(mask.any(), reached, empty)

    return final


def _best(worth: Observe, skip_rounds: int, empty: float | None) -> Read:
    """The best worth over the rounds."""

    def best(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        without: Array | float | None = empty
        if without is None:
            without = worth(world, world.initial)
        return jnp.where(mask.any(), trace.observed[skip_rounds:].max(axis=0), without)

    return best


def _each_round(empty: float | None) -> Read:
    """The worth after each round."""

    def each_round(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        if empty is None:  # the empty coalition keeps the initial model
            return trace.observed
        return jnp.where(mask.any(), trace.observed, empty)

    return each_round


def _check_trailing(report: Report, resamples: int, judges: Judging, by_round: bool) -> None:
    """Refuses two trailing axes, and values by slice that would not be those of one training."""
    one_axis(judges, by_round)
    if by_round or judges != "server":
        given = f"judges={judges!r}"
        if by_round:
            given = "by_round=True"
        require(resamples == 0, f"Expected resamples={resamples} to be 0 with {given}.")
        require(report == "final", f"Expected report={report!r} to be 'final' with {given}.")


def curves(
    data: FederatedData,
    training: Training,
    *,
    metric: str | Metric | None = None,
    keeps_model: bool = False,
) -> Game:
    """The trainings of `silo`, followed round by round.

    Args:
        data: the federation.
        training: how a coalition trains.
        metric: as in `silo`, followed on the validation set.
        keeps_model: whether the utilities end in the model of everyone.

    Returns:
        A game whose utilities are float[4, R]: the training loss; 1 in a round in which the
        coalition still trained, 0 after it had stopped; the metric on the test set as people
        read it; V on the validation set. With
        `keeps_model` they are float[4 R + K]: these numbers, row by row, and then the K parameters
        of the last model of everyone, or K zeros for another coalition.
    """
    learning = learner(data, training)
    task = task_of(checked(training), data)
    measure = measure_for(task, data, metric)
    shown = measure.score

    def worth(world: World, params: Params) -> Array:
        on_test = score(learning.model.apply, shown, params, world.data.test)
        on_validation = score(learning.model.apply, measure, params, world.data.validation)
        return jnp.stack([on_test, on_validation])

    def followed(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        going = jnp.arange(training.algorithm.max_rounds) < trace.rounds
        rows = jnp.stack([trace.loss, going, *trace.observed.T])
        if not keeps_model:
            return rows
        flat, _ = ravel_pytree(params)
        return jnp.concatenate([rows.ravel(), jnp.where(mask.all(), flat, 0.0)])

    return trained(learning, followed, worth)
