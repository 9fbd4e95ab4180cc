"""The game inside one vertical run: what the steps of a coalition's parties were worth, round by
round (Fan et al. 2022, VerFedSV).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from fedjax_shap._validate import integer, number
from fedjax_shap.coalitions import Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.vertical import Columns
from fedjax_shap.games.game import Game, Value
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.metric import Metric, judged
from fedjax_shap.learning.task import Task, bound_to, measure_for
from fedjax_shap.learning.tasks import task_for
from fedjax_shap.learning.vertical.model import as_federation, as_task_has
from fedjax_shap.shapley.slices import Trailing, round_names
from fedjax_shap.typing import Array, HostArray, Key

SOFTMAX = "classification"  # the task that has a logit a class


@struct.dataclass
class VerticalRun:
    """One run of gradient descent on the columns of all parties.

    Attributes:
        weights: float64[R + 1, F + 1, O], the linear model before the first round and after each;
            the intercept is last.
        owners: int[F + 1], whose each weight is; P for the label holder's, and for the intercept.
        held_out: (x float64[T, F], y[T]), the rows on which models are scored.
    """

    weights: Array
    owners: Array
    held_out: tuple[Array, Array]


def followed(
    columns: Columns,
    *,
    rounds: int = 50,
    learning_rate: float = 0.5,
    l2: float = 0.0,
    metric: str | Metric | None = None,
    task: Task | None = None,
    by_round: bool = False,
) -> Game:
    """The game inside one run: in every round the steps of S count, and others' do not.

    A linear model of all columns descends along the gradient of the task's mean loss on all
    training rows, from 0; each party moves the weights of its own columns, and the label holder its
    own and the intercept. With x_t the model after round t and x_t^S that in which the parties of S
    and the label holder took the step of round t and the others did not,
    V(S) = V(x_0) + sum over t of V(x_t^S) - V(x_{t-1}). Its Shapley values are the sums over rounds
    of those of the rounds' games. All rows are used in every round, so that each round's game is
    known of every coalition and nothing has to be completed. Two classes have one logit, that of
    the second, as in `logistic`.

    Args:
        columns: the aligned rows of all parties; the metric is that on `columns.validation`. The
            paper values on the training rows: give these as `columns.validation` for that.
        rounds: R.
        learning_rate: step size, > 0.
        l2: weight >= 0 of a penalty l2 / 2 |w|^2 on all slopes.
        metric: as in `vertical`; minus the loss, "log_loss" of classes and "mse" of quantities, if
            None.
        task: as in `vertical`.
        by_round: whether each utility is that after every round, float[R].

    Returns:
        A game of P players. It computes in float64, and trains once, here.

    Raises:
        InvalidInputError: a setting out of its range, a task or a metric that do not fit the data.

    Guarantees:
        V(N) is the metric of the model after the last round. A party without columns is worth 0.

    References:
        Fan, Fang, Zhou, Pei, Friedlander, Liu, Zhang 2022, "Fair and efficient contribution
        valuation for vertical federated learning", definition 2 (there the label holder is a
        player, and values are means over rounds).
    """
    integer("rounds", rounds, least=1)
    number("learning_rate", learning_rate, above=0)
    number("l2", l2, least=0)
    data = as_federation(columns)
    learned = task_for(task, data)
    measure = measure_of(learned, data, metric)
    score = _score_of(learned, columns, measure)
    trailing = None
    if by_round:
        trailing = Trailing("rounds", round_names(np.arange(rounds)))
    return Game(
        _world(columns, _run(columns, learned, rounds, learning_rate, l2)),
        _worth(score, by_round),
        len(columns.names),
        trailing=trailing,
        float64=True,
        permanent=columns.label_holder,
    )


def measure_of(task: Task, data: FederatedData, metric: str | Metric | None) -> Measure:
    """The metric by which the steps of a run are valued: minus the loss where none is asked for."""
    if metric is None:
        metric = "mse"
        if task.targets == "classes":
            metric = "log_loss"
    return measure_for(task, data, metric)


def _worth(score: Callable[[VerticalRun, Array], Array], by_round: bool) -> Value:
    """What the steps of a coalition's parties and the label holder were worth."""

    def value(world: VerticalRun, key: Key, coalition: Coalition) -> Array:
        steps = jnp.append(coalition.mask, True)[world.owners].astype(world.weights.dtype)

        def one_round(worth: Array, both: tuple[Array, Array]) -> tuple[Array, Array]:
            before, after = both
            # the coalition's parties and the label holder take the step, the others do not
            mixed = before + steps[:, None] * (after - before)
            worth = worth + score(world, mixed) - score(world, before)
            return worth, worth

        begun = score(world, world.weights[0])
        last, each = jax.lax.scan(one_round, begun, (world.weights[:-1], world.weights[1:]))
        if by_round:
            return each
        return last

    return value


def _score_of(
    task: Task, columns: Columns, metric: Metric
) -> Callable[[VerticalRun, Array], Array]:
    """The metric of a linear model float64[F + 1, O] on the rows of a run that are held out."""
    change = bound_to(task, as_federation(columns)).outputs

    def score(world: VerticalRun, weights: Array) -> Array:
        x, y = world.held_out
        outputs = _as_task_has(task, _linear(weights, x))
        if change is not None:
            outputs = change(outputs)
        return judged(metric, outputs, y)

    return score


def _linear(weights: Array, x: Array) -> Array:
    """float64[N, O] of weights[F + 1, O]."""
    return x @ weights[:-1] + weights[-1:]


def _num_outputs(task: Task, data: FederatedData) -> int:
    """How many numbers the linear model gives for a row: of two classes one logit."""
    if task.name == SOFTMAX and data.num_classes == 2:
        return 1
    return task.outputs(data)


def _as_task_has(task: Task, outputs: Array) -> Array:
    """What the linear model gives, as the task's loss and metrics take it."""
    if task.name == SOFTMAX:
        return as_task_has(task, outputs)
    return outputs


def _run(columns: Columns, task: Task, rounds: int, learning_rate: float, l2: float) -> HostArray:
    """The models of a run, float64[R + 1, F + 1, O]."""
    data = as_federation(columns)
    loss = bound_to(task, data).loss
    shape = (columns.x.shape[1] + 1, _num_outputs(task, data))

    def of_rows(weights: Array, x: Array, y: Array) -> Array:
        outputs = _as_task_has(task, _linear(weights, x))
        return loss(outputs, y).mean() + l2 / 2 * jnp.sum(weights[:-1] ** 2)

    @jax.jit
    def descend(x: Array, y: Array) -> Array:
        def one_round(weights: Array, _: None) -> tuple[Array, Array]:
            after = weights - learning_rate * jax.grad(of_rows)(weights, x, y)
            return after, after

        start = jnp.zeros(shape, x.dtype)
        _, each = jax.lax.scan(one_round, start, None, length=rounds)
        return jnp.concatenate([start[None], each])

    with jax.enable_x64(True):
        return np.asarray(descend(np.asarray(columns.x, np.float64), np.asarray(columns.y)))


def _world(columns: Columns, weights: HostArray) -> VerticalRun:
    """All arrays of the game."""
    owners: Any = np.append(columns.holders, len(columns.names))
    x, y = columns.validation
    held_out: Any = (np.asarray(x, np.float64), np.asarray(y))
    given: Any = weights
    return VerticalRun(given, owners, held_out)
