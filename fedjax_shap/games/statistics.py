"""The game of merged statistics: a coalition's model is fitted from the sum of what its members
send, without any training.

Models that must not be averaged are right in it. The mean of the members' own models can be played
beside, to see what that costs.
"""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp

from fedjax_shap._validate import integer, number, of_kind, require
from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.games.support_vectors import support_vectors
from fedjax_shap.learning.judges import Judging, judged_by, judges_of, trailing_of
from fedjax_shap.learning.metric import Metric, bootstrapped, in_blocks, judged
from fedjax_shap.learning.statistics.merging import Fitted, Statistics, at_round, fitting, last
from fedjax_shap.learning.statistics.model import Merge
from fedjax_shap.learning.statistics.registry import (
    STATISTICS,
    StatisticsModel,
    bernoulli_naive_bayes,
    discriminant,
    gaussian_bayes,
    gaussian_naive_bayes,
    kmeans,
    least_squares,
    multinomial_naive_bayes,
    newton_logistic,
    ridge,
)
from fedjax_shap.learning.task import Task, measure_for
from fedjax_shap.typing import Array, Key, PyTree

__all__ = [
    "STATISTICS",
    "StatisticsModel",
    "bernoulli_naive_bayes",
    "discriminant",
    "followed",
    "gaussian_bayes",
    "gaussian_naive_bayes",
    "kmeans",
    "least_squares",
    "merged",
    "multinomial_naive_bayes",
    "newton_logistic",
    "ridge",
    "support_vectors",
]

BLOCK_BYTES = 2**18  # that the coalitions of a block may take: less than a core's cache holds
VALIDATION = 0  # the places of held-out sets
TEST = 1
ONE_LOGIT = ("binary",)  # tasks whose metrics take the logit of the second class alone


def merged(
    data: FederatedData,
    model: StatisticsModel,
    *,
    metric: str | Metric | None = None,
    merge: Merge = "sums",
    empty: float | None = None,
    resamples: int = 0,
    judges: Judging = "server",
    task: Task | None = None,
) -> Game:
    """The game in which V(S) is the metric of the model that is fitted from the sums of S.

    It computes in float64, whatever JAX is configured for.

    Args:
        data: the federation; its clients are the players. The metric is that on the server's
            validation set.
        model: what members sum and what is fitted, such as `gaussian_naive_bayes()`.
        metric: a name in the task's metrics; a function (outputs, y) -> float of which more is
            better, traceable by JAX; or the task's default if None. Errors count with a minus sign.
        merge: "sums" fits the model from the sums of all members, as their rows together would;
            "average" takes the mean of the members' own models instead, each part of it over the
            members that have it. The latter is wrong for most of these models, and shows by how
            much.
        empty: V(empty); the metric of the model of nobody if None, for which all classes tie, or
            which predicts the mean of all targets.
        resamples: if > 0, each utility is followed by the metric on this many bootstrap resamples
            of the validation set, float[1 + resamples].
        judges: whose test rows say what a model is worth: "server", all rows of the validation set;
            "members" or "classes": each utility is followed by the metric on the rows of each
            member or class, float[1 + J].
        task: what is learned; what the data suggest if None.

    Returns:
        A game of C players whose utilities are scalars, or have a trailing axis as said above.

    Raises:
        InvalidInputError: a model that does not merge statistics, a task or data that do not fit
            it, a setting out of its range, or a metric that is undefined on these data.

    Guarantees:
        With "sums" the model of a coalition is the one that the rows of its members together give,
        up to float64 rounding. Clients that are idle send zeros.

    References:
        Chu et al. 2006, "Map-reduce for machine learning on multicore", section 3.
    """
    integer("resamples", resamples, least=0)
    require(
        resamples == 0 or judges == "server",
        f"Expected resamples={resamples} to be 0 with judges={judges!r}.",
    )
    if empty is not None:
        number("empty", empty)
    chosen = task_of(model, data, task)
    of_all = measure_for(chosen, data, metric)
    judging = judges_of(data, judges, of_all)
    measure = judged_by(bootstrapped(of_all, resamples, data.users), judging)
    fitted = fitting(data, model, chosen, merge, (data.validation,))

    def worth(world: Statistics, mask: Array) -> Array:
        state = last(fitted.models(world, mask))
        reached = _scored(model, chosen, measure, world, state, VALIDATION)
        if empty is None:
            return reached
        return jnp.where(mask.any(), reached, empty)

    game = _game(fitted, worth, data.num_clients)
    return replace(game, resamples=resamples, trailing=trailing_of(judging))


def followed(
    data: FederatedData,
    model: StatisticsModel,
    *,
    metric: str | Metric | None = None,
    merge: Merge = "sums",
    task: Task | None = None,
) -> Game:
    """The models of `merged`, followed round by round.

    Args:
        data: the federation.
        model: what members sum and what is fitted.
        metric: as in `merged`.
        merge: likewise.
        task: likewise.

    Returns:
        A game whose utilities are float[2, R]: the metric on the test set as people read it; V on
        the validation set.
    """
    chosen = task_of(model, data, task)
    measure = measure_for(chosen, data, metric)
    shown = measure.score
    fitted = fitting(data, model, chosen, merge, (data.validation, data.test))
    num_rounds = model.rounds
    if merge == "average":  # members fit theirs alone, and their mean is taken once
        num_rounds = 1

    def worth(world: Statistics, mask: Array) -> Array:
        models = fitted.models(world, mask)
        after = [at_round(models, index) for index in range(num_rounds)]
        on_test = [_scored(model, chosen, shown, world, one, TEST) for one in after]
        on_validation = [_scored(model, chosen, measure, world, one, VALIDATION) for one in after]
        return jnp.stack([jnp.stack(on_test), jnp.stack(on_validation)])

    return _game(fitted, worth, data.num_clients)


def task_of(model: StatisticsModel, data: FederatedData, task: Task | None) -> Task:
    """The task of a model on the data at hand.

    Raises:
        InvalidInputError: a model that does not merge statistics, or a task that does not fit it.
    """
    of_kind("model", model, StatisticsModel, "statistics.ridge()")
    of_kind("data", data, FederatedData, "from_arrays(clients, test) or federate(pool, partition)")
    return model.task(task, data)


# ------------------------------------------------------------------ as a game


def _scored(
    model: StatisticsModel,
    task: Task,
    measure: Metric,
    world: Statistics,
    state: PyTree,
    held_out: int,
) -> Array:
    """The metric of one model on one of the held-out sets."""
    x, y = world.held_out[held_out]
    outputs = model.predict(world.more, state, x)
    if task.name in ONE_LOGIT:
        outputs = outputs[:, 1:] - outputs[:, :1]
    return judged(measure, outputs, y)


def _game(fitted: Fitted, worth: Callable[[Statistics, Array], Array], num_players: int) -> Game:
    """A game whose chunks are valued block by block."""
    at_once = max(BLOCK_BYTES // fitted.bytes_each, 1)

    def valued(world: Statistics, masks: Array) -> Array:
        return in_blocks(lambda some: jax.vmap(worth, (None, 0))(world, some), masks, at_once)

    def value(world: Statistics, key: Key, coalition: Coalition) -> Array:
        return worth(world, coalition.mask)

    def values(world: Statistics, key: Key, chunk: Chunk) -> Array:
        return valued(world, chunk.mask)

    return Game(fitted.world, value, num_players, values, float64=True)
