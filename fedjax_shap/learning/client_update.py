"""One client's local steps: its gradients, and what an algorithm makes of them."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import chex
import jax
import jax.numpy as jnp
import optax

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Done
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.local import Local, place_of
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.pace import Pace, walk_on
from fedjax_shap.learning.task import Loss
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, Key, Params

Batch = tuple[Array, Array]  # (x[B, ...], y[B])
Sums = tuple[Array, Params]  # loss and gradient, summed over examples
# a larger full batch is summed over blocks of so many rows: a small client pays for no large one
ROWS_AT_ONCE = 256


class Direct(Protocol):
    """The direction of a local step."""

    def __call__(self, params: Params, gradient: Params, /) -> Params:
        """What the optimiser is given in place of the raw gradient.

        Args:
            params: x, where the client is.
            gradient: the raw gradient at x, of its shapes.

        Returns:
            A gradient of the model's shapes.
        """


class Batches(Protocol):
    """The mini-batches of a window of steps."""

    def __call__(self, first: Array, /) -> Callable[[Array], Array]:
        """Draws what the steps of a window need, before the first of them.

        Args:
            first: int[], the first step of the window.

        Returns:
            k int[] -> int[B], the rows of step k of this window. A row stands at every place, also
            beyond the end of a pass, where it does not count.
        """


class Examples(NamedTuple):
    """One client's examples, as its local steps read them.

    Attributes:
        fetch: rows int[B] -> (x[B, ...], y[B]). Where many models train under `vmap`, it decides
            whether they share one mini-batch or each has its own, see `fetch_from`.
        num_rows: N, the rows of the largest client.
        size: int[], how many rows this client has; no place beyond is ever read.
        num_steps: int[], K_i.
        batches: which rows each step reads; None where every step reads them all.
        key_of: step int[] -> the key by which a model draws numbers in that step (dropout); None
            where it draws none.
    """

    fetch: Callable[[Array], Batch]
    num_rows: int
    size: Array
    num_steps: Array
    batches: Batches | None = None
    key_of: Callable[[Array], Key] | None = None


class ClientUpdate(Protocol):
    """The local training of one client."""

    def __call__(
        self, params: Params, examples: Examples, direct: Direct = ...
    ) -> tuple[Done, Array]:
        """Trains for `examples.num_steps` steps.

        Args:
            params: x_t, the model that the client starts from.
            examples: what it trains on.
            direct: the gradient that the optimiser is given for the raw gradient at x.

        Returns:
            (what came of the steps, float[]: the mean of the steps' losses, penalty included, 0
            where there was no step).
        """


class _Walk(NamedTuple):
    """Where a client is in its round; `first` and `total` are () where they are not recorded."""

    params: Params
    optimizer: Any
    loss: Array  # summed over steps
    first: Params
    total: Params


# (params, examples, k, rows int[B] or None) -> (loss, raw gradient)
Gradient = Callable[[Params, Examples, Array, Array | None], tuple[Array, Params]]


def fetch_from(data: FederatedData, client: Array) -> Callable[[Array], Batch]:
    """How the rows of one client are read, `Examples.fetch`.

    Args:
        data: the federation.
        client: int[], its id. Models that train under a `vmap` in which the id is one for all share
            each mini-batch; where every model has an id of its own, though it is the same number,
            every one gets its own mini-batch, and its matrix products are batched ones, which need
            no transposed copy of weights.
    """
    first = data.offsets[client]
    return lambda rows: (data.x[first + rows], data.y[first + rows])


def client_update(
    settings: Local,
    model: Model,
    records: tuple[str, ...] = (),
    *,
    loss: Loss = cross_entropy,
    pace: Pace | None = None,
) -> ClientUpdate:
    """The local training of one client.

    Args:
        settings: how it trains.
        model: what it trains.
        records: which of "first" and "mean" of its raw gradients are kept.
        loss: what it minimises, of the model's outputs and the targets.
        pace: how its steps are looped over; step by step if None.

    Guarantees:
        No row but the client's own is ever read.
    """
    gradient_at = _gradients(settings, model, loss)
    cut = pace or Pace()

    def update(
        params: Params,
        examples: Examples,
        direct: Direct = lambda params, gradient: gradient,
    ) -> tuple[Done, Array]:
        chex.assert_rank([examples.size, examples.num_steps], 0)

        step = _step(settings, gradient_at, records, examples, direct)

        def window(index: Array, walk: _Walk) -> _Walk:
            # draw the mini-batches of its steps, then take them
            first = index * cut.window
            end = jnp.minimum(first + cut.window, examples.num_steps)
            if examples.batches is None:
                return walk_on(lambda k, at: step(k, at, None), first, end, cut, walk)
            rows_of = examples.batches(first)
            return walk_on(lambda k, at: step(k, at, rows_of(k)), first, end, cut, walk)

        start = _begin(settings, records, params)
        num_windows = -(-examples.num_steps // cut.window)
        end = jax.lax.fori_loop(0, num_windows, window, start)
        # make means of the sums over steps
        taken = jnp.maximum(examples.num_steps, 1)
        mean = jax.tree.map(lambda total: total / taken, end.total)
        return Done(end.params, end.first, mean), end.loss / taken

    return update


def _step(
    settings: Local,
    gradient_at: Gradient,
    records: tuple[str, ...],
    examples: Examples,
    direct: Direct,
) -> Callable[[Array, _Walk, Array | None], _Walk]:
    """(k, walk, rows int[B]) -> the walk after a client's step k; rows are None for all rows."""

    def step(k: Array, walk: _Walk, rows: Array | None) -> _Walk:
        # take the gradient of this step's batch, and move along what the algorithm makes of it
        value, gradient = gradient_at(walk.params, examples, k, rows)
        change, state = settings.optimizer.update(
            direct(walk.params, gradient), walk.optimizer, walk.params
        )
        moved = optax.apply_updates(walk.params, change)
        # record raw gradients where the algorithm wants them
        first = walk.first
        total = walk.total
        if "first" in records:
            first = jax.tree.map(lambda old, new: jnp.where(k == 0, new, old), first, gradient)
        if "mean" in records:
            total = jax.tree.map(jnp.add, total, gradient)
        return _Walk(moved, state, walk.loss + value, first, total)

    return step


def _begin(settings: Local, records: tuple[str, ...], params: Params) -> _Walk:
    """A client before its first step."""
    nothing = {name: zeros(params) for name in records}
    return _Walk(
        params=params,
        optimizer=settings.optimizer.init(params),
        loss=jnp.zeros(()),
        first=nothing.get("first", ()),
        total=nothing.get("mean", ()),
    )


def _gradients(settings: Local, model: Model, loss: Loss) -> Gradient:
    """(params, examples, k, rows int[B]) -> (loss, raw gradient) of a client's step k."""
    of_batch, of_all = _sums(model, loss)

    def gradient_at(
        params: Params, examples: Examples, k: Array, rows: Array | None
    ) -> tuple[Array, Params]:
        size = examples.size
        if rows is None:
            sums = of_all(params, examples, k)
            count = size
        else:
            place = place_of(k, size, len(rows))
            key = _key(model, examples, k, jnp.int32(0))
            sums = of_batch(params, examples, place, rows, key)
            count = (place < size).sum()
        # make means of sums, and add the penalty
        value, gradient = jax.tree.map(lambda one: one / jnp.maximum(count, 1), sums)
        if settings.l2:
            gradient = jax.tree.map(lambda g, x: g + settings.l2 * x, gradient, params)
            value = value + settings.l2 / 2 * sum((x * x).sum() for x in jax.tree.leaves(params))
        return value, gradient

    return gradient_at


def _key(model: Model, examples: Examples, k: Array, block: Array) -> Key | None:
    """The key by which a model draws numbers for a block of rows in step k; None if it does not."""
    if model.train is None or examples.key_of is None:
        return None
    return jax.random.fold_in(examples.key_of(k), block)


def _sums(
    model: Model, loss: Loss
) -> tuple[
    Callable[[Params, Examples, Array, Array, Key | None], Sums],
    Callable[[Params, Examples, Array], Sums],
]:
    """The loss and gradient summed over rows, as two functions.

    (params, examples, place int[B], rows int[B], key) -> over the rows that stand at `place` in a
    pass, and (params, examples, step k) -> over all rows. A place beyond the client's size counts
    as 0.
    """

    def summed(params: Params, batch: Batch, valid: Array, key: Key | None) -> Array:
        x, y = batch
        chex.assert_equal_shape_prefix([x, y, valid], 1)
        if model.train is None or key is None:
            outputs = model.apply(params, x)
        else:
            outputs = model.train(params, x, key)
        each = loss(outputs, y)
        chex.assert_equal_shape([each, valid])
        return jnp.where(valid, each, 0.0).sum()

    def of_batch(
        params: Params, examples: Examples, place: Array, rows: Array, key: Key | None
    ) -> Sums:
        batch = examples.fetch(rows)
        sums: Sums = jax.value_and_grad(summed)(params, batch, place < examples.size, key)
        return sums

    def of_all(params: Params, examples: Examples, step: Array) -> Sums:
        width = min(ROWS_AT_ONCE, examples.num_rows)

        def block(k: Array, sums: Sums) -> Sums:
            # add the rows of block k
            place = k * width + jnp.arange(width)
            key = _key(model, examples, step, k)
            part = of_batch(params, examples, place, jnp.minimum(place, examples.size - 1), key)
            total: Sums = jax.tree.map(jnp.add, sums, part)
            return total

        nothing: Sums = (jnp.zeros(()), zeros(params))
        if width == examples.num_rows:  # the largest client fits into one block
            return block(jnp.int32(0), nothing)
        sums: Sums = jax.lax.fori_loop(0, -(-examples.size // width), block, nothing)
        return sums

    return of_batch, of_all
