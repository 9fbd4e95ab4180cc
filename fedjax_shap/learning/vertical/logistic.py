"""Logistic regression on the columns that a coalition sees, to the optimum."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import number
from fedjax_shap.data.vertical import Columns
from fedjax_shap.learning.class_scores import cross_entropy, two_columns
from fedjax_shap.learning.statistics.elimination import solve
from fedjax_shap.learning.statistics.model import of_classes
from fedjax_shap.learning.task import Task
from fedjax_shap.learning.vertical.model import (
    Fitting,
    Seen,
    VerticalModel,
    as_task_has,
    in_float64,
)
from fedjax_shap.typing import Array, HostArray, Key, PyTree

TOLERANCE = 1e-7  # the largest slope of the loss a row, before the last step
MOST_STEPS = 50
ROWS_AT_ONCE = 512  # whose products of columns are made at a time
SHORTEST = 2.0**-20  # to which a step may be halved
ENOUGH = 1e-4  # the part of the expected gain that a step must make (Armijo)


class _Iterate(NamedTuple):
    """A model on its way.

    Attributes:
        weights: float64[K, F + 1], the intercept last.
        scores: float64[N, K], what it gives for the training rows.
        steps: int[], how many it took.
        arrived: bool[], whether the slope before the last step was as good as 0.
    """

    weights: Array
    scores: Array
    steps: Array
    arrived: Array


def logistic(*, penalty: float = 1.0) -> VerticalModel:
    """Logistic regression by Newton's method, to the optimum; of more than two classes by softmax.

    It minimises the sum over rows of the cross-entropy plus `penalty` / 2 times the sum of squares
    of the slopes, as scikit-learn's `LogisticRegression` with C = 1 / penalty does. The intercept
    is the label holder's and not penalised. A coalition whose model has not arrived after 50 steps
    is worth NaN, which the engine reports.

    Args:
        penalty: on the slopes, > 0; without it the optimum of separable classes is at infinity.

    References:
        Nocedal, Wright 2006, "Numerical optimization", sections 3.1 and 3.3.
    """
    number("penalty", penalty, above=0)

    def bind(columns: Columns, task: Task) -> Fitting:
        x = in_float64(columns.x)
        y: Any = np.asarray(columns.y)
        num_logits = columns.num_classes or 0
        if num_logits == 2:
            num_logits = 1

        def fit(known: tuple[Array, Array], key: Key, seen: Seen) -> Array:
            return _optimum(known, seen, num_logits, penalty)

        def predict(known: PyTree, weights: Array, x: Array) -> Array:
            return as_task_has(task, _with_one(x) @ weights.T)

        size = num_logits * (1 + x.shape[1])
        bytes_each = 8 * (6 * len(y) * num_logits**2 + 4 * size**2)
        return Fitting((x, y), fit, predict, bytes_each)

    return VerticalModel("logistic", of_classes("logistic"), bind)


def _optimum(known: tuple[Array, Array], seen: Seen, num_logits: int, penalty: float) -> Array:
    """The weights of one coalition, float64[K, F + 1]; NaN where they did not arrive."""
    x, y = known
    x = _with_one(x)
    width = x.shape[1]
    # weights of columns that are not seen stay 0
    free = jnp.tile(jnp.append(seen.columns, True), num_logits).astype(x.dtype)
    # the intercept comes last and is not penalised
    penalties = jnp.tile(jnp.append(jnp.full(width - 1, penalty), 0.0), num_logits)
    fixed = jnp.diag(penalties) + _gauge(num_logits, width)
    happened = _happened(y, num_logits, x.dtype)

    def loss(weights: Array, scores: Array) -> Array:
        return _entropy(scores, y).sum() + penalties @ weights.ravel() ** 2 / 2

    def step(now: _Iterate) -> _Iterate:
        # Newton's direction
        chances = _chances(now.scores)
        slope = ((happened - chances).T @ x).ravel() - penalties * now.weights.ravel()
        downhill = slope * free
        curvature = _curvature(chances, x) * free[:, None] * free[None] + fixed
        along = solve(curvature, downhill[:, None]).reshape(now.weights.shape)
        changes = x @ along.T
        # half of it, until the loss falls enough
        before = loss(now.weights, now.scores)
        gain = ENOUGH * (downhill @ along.ravel())

        def too_far(length: Array) -> Array:
            after = loss(now.weights + length * along, now.scores + length * changes)
            falls = after <= before - length * gain
            return ~falls & (length > SHORTEST)

        arrived = jnp.abs(downhill).max() <= TOLERANCE * len(y)
        # as good as at the optimum, differences of losses are rounding
        length = jax.lax.while_loop(
            lambda length: too_far(length) & ~arrived, lambda length: length / 2, jnp.ones(())
        )
        return _Iterate(
            now.weights + length * along, now.scores + length * changes, now.steps + 1, arrived
        )

    start = jnp.zeros((num_logits, width), x.dtype)
    scores = jnp.zeros((len(y), num_logits), x.dtype)
    begun = _Iterate(start, scores, jnp.array(0), jnp.array(False))
    done = jax.lax.while_loop(lambda now: ~now.arrived & (now.steps < MOST_STEPS), step, begun)
    return jnp.where(done.arrived, done.weights, jnp.nan)


def _with_one(x: Array) -> Array:
    """Columns float64[N, F + 1], the last of them 1."""
    return jnp.concatenate([x, jnp.ones((len(x), 1), x.dtype)], axis=1)


def _happened(y: Array, num_logits: int, dtype: Any) -> Array:
    """float64[N, K], 1 for the class of a row; K is 1 for the second of two."""
    if num_logits == 1:
        return y[:, None].astype(dtype)
    return jax.nn.one_hot(y, num_logits, dtype=dtype)


def _chances(scores: Array) -> Array:
    """float64[N, K], the probabilities of the classes; of the second of two where K is 1."""
    if scores.shape[1] == 1:
        return jax.nn.sigmoid(scores)
    return jax.nn.softmax(scores, axis=1)


def _curvature(chances: Array, x: Array) -> Array:
    """The Hessian of the cross-entropy, float64[K W, K W], of all columns x[N, W].

    Products of columns are the same for all coalitions and made block by block of rows; they are
    weighted by one matrix product for all coalitions that are fitted side by side.
    """
    num_rows, num_logits = chances.shape
    width = x.shape[1]
    first, second = np.triu_indices(width)
    one, other = np.triu_indices(num_logits)
    # p_k (1 - p_k), or -p_k p_l
    weights = chances[:, one] * (jnp.asarray(one == other)[None] - chances[:, other])
    size = min(ROWS_AT_ONCE, num_rows)
    count = -(-num_rows // size)
    padding = ((0, count * size - num_rows), (0, 0))
    weights = jnp.pad(weights, padding).reshape(count, size, len(one))
    rows = jnp.pad(x, padding).reshape(count, size, width)

    def add(sums: Array, block: tuple[Array, Array]) -> tuple[Array, None]:
        weight, own = block
        return sums + weight.T @ (own[:, first] * own[:, second]), None

    start = jnp.zeros((len(one), len(first)), x.dtype)
    packed, _ = jax.lax.scan(add, start, (weights, rows))
    # from the upper triangles to whole matrices
    whole: Array = packed[_places(num_logits)][:, :, _places(width)]
    return jnp.moveaxis(whole, 2, 1).reshape(num_logits * width, num_logits * width)


def _places(size: int) -> HostArray:
    """int[size, size], where each pair stands in the upper triangle row by row."""
    places = np.zeros((size, size), int)
    upper = np.triu_indices(size)
    places[upper] = np.arange(len(upper[0]))
    return np.maximum(places, places.T)


def _entropy(scores: Array, y: Array) -> Array:
    """The cross-entropy of each row, float64[N]."""
    if scores.shape[1] == 1:
        scores = two_columns(scores)
    return cross_entropy(scores, y)


def _gauge(num_logits: int, width: int) -> Array:
    """What fixes the intercepts of a softmax, of which only differences count: [K W, K W].

    Steps from zero keep their sum at zero, with which this has no effect on the optimum.
    """
    intercepts = jnp.tile(jnp.arange(width) == width - 1, num_logits).astype(float)
    if num_logits == 1:
        return jnp.zeros((width, width))
    return jnp.outer(intercepts, intercepts)
