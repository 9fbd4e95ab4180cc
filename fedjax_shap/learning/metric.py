"""What a model is worth on the server's held-out set: one number from outputs and targets."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.typing import Array, HostArray, Key, Params

EXAMPLES_AT_ONCE = 256  # the forward pass of a larger held-out set is cut into blocks of this many


@runtime_checkable
class Metric(Protocol):
    """What the answers of a model are worth; a function of one's own is one."""

    def __call__(self, outputs: Array, y: Array, /) -> Array:
        """Scores the outputs of one model, by functions of `jax.numpy`.

        Args:
            outputs: float[T, outputs], as the task has them: a logit a class, one logit or margin,
                predictions in the units of y, log rates.
            y: int[T], classes; float[T] or [T, D], quantities.

        Returns:
            float[], or float[...] where one metric gives several numbers.
        """


def bootstrapped(metric: Metric, resamples: int, users: Array | None = None) -> Metric:
    """The metric on the examples, and on so many resamples of them with replacement.

    Args:
        metric: of one number.
        resamples: how many, >= 0; the same resamples for every model.
        users: int[T], whose each example is, ascending from 0; None where examples are drawn one by
            one. Else users are drawn, each with all its examples, until there are T; of the last
            one drawn the first that still fit. So the spread is that over users.

    Returns:
        A metric that gives float[1 + resamples], or `metric` itself for 0.

    References:
        Efron 1979, "Bootstrap methods: another look at the jackknife"; Davison and Hinkley 1997,
        "Bootstrap methods and their application", section 3.8 (clusters).
    """
    if resamples == 0:
        return metric
    drawn = _drawn_rows
    if users is not None:
        drawn = _rows_of_drawn(np.bincount(np.asarray(users)))

    def several(outputs: Array, y: Array) -> Array:
        def resampled(index: Array) -> Array:
            rows = drawn(jax.random.fold_in(jax.random.key(0), index), len(y))
            return metric(outputs[rows], y[rows])

        others = jax.lax.map(resampled, jnp.arange(resamples))
        return jnp.concatenate([metric(outputs, y)[None], others])

    return several


class _Draw(Protocol):
    """Draws the rows of a resample."""

    def __call__(self, key: Key, count: int, /) -> Array:
        """int[count], rows of a set of so many."""


def _drawn_rows(key: Key, count: int, /) -> Array:
    """Rows drawn one by one."""
    return jax.random.randint(key, (count,), 0, count)


def _rows_of_drawn(sizes: HostArray) -> _Draw:
    """Rows of users drawn one by one; user u has sizes[u] rows, one user's after another's."""
    require(
        len(sizes) > 1 and bool((sizes > 0).all()),
        f"Expected resamples to be 0 where the rows of {len(sizes)} user are the validation set: "
        "their variance over users is unknown.",
    )
    first = np.cumsum(sizes) - sizes
    # so many users that all of them together have enough rows, even if each is the smallest
    most = -(-int(sizes.sum()) // int(sizes.min()))

    def draw(key: Key, count: int, /) -> Array:
        users = jax.random.randint(key, (most,), 0, len(sizes))
        ends = jnp.cumsum(jnp.asarray(sizes)[users])
        place = jnp.arange(count)
        # the draw that a place in the resample falls to, and where in it
        at = jnp.searchsorted(ends, place, side="right")
        own = users[at]
        within = place - (ends[at] - jnp.asarray(sizes)[own])
        return jnp.asarray(first)[own] + within

    return draw


def score(
    apply: Callable[[Params, Array], Array],
    metric: Metric,
    params: Params,
    held_out: tuple[Array, Array],
) -> Array:
    """The metric of one model on a held-out set, its outputs computed in blocks to save memory.

    Args:
        apply: (params, x[B, ...]) -> outputs[B, ...].
        metric: what is computed.
        params: the model's.
        held_out: (x[T, ...], y[T, ...]).

    Returns:
        float[]; NaN where an output is not finite.
    """
    x, y = held_out
    return judged(metric, in_blocks(lambda rows: apply(params, rows), x, EXAMPLES_AT_ONCE), y)


def judged(metric: Metric, outputs: Array, y: Array) -> Array:
    """The metric; NaN where an output is not finite.

    Hit rates alone would pass a diverged model for a poor one.
    """
    return jnp.where(jnp.isfinite(outputs).all(), metric(outputs, y), jnp.nan)


def in_blocks(
    function: Callable[[Array], Array], rows: Array, at_once: int, axis: int = 0
) -> Array:
    """`function(rows)`, computed for at most `at_once` rows at a time and compiled once.

    Args:
        function: maps rows [B, ...] to an array in which they lie along `axis`, each by itself.
        rows: [T, ...].
        at_once: the most rows in a block, >= 1. The blocks are of one size; the last begins early
            enough to be full.
        axis: where the rows are in the result.
    """
    count = -(-len(rows) // at_once)
    if count <= 1:
        return function(rows)
    size = -(-len(rows) // count)

    def step(index: Array, results: Array) -> Array:
        start = jnp.minimum(index * size, len(rows) - size)
        block = function(jax.lax.dynamic_slice_in_dim(rows, start, size))
        return jax.lax.dynamic_update_slice_in_dim(results, block, start, axis)

    one = jax.eval_shape(function, rows[:size])
    shape = (*one.shape[:axis], len(rows), *one.shape[axis + 1 :])
    results: Array = jax.lax.fori_loop(0, count, step, jnp.zeros(shape, one.dtype))
    return results
