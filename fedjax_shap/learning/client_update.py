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
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.task import Loss
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, Key, Params, PyTree

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


def _in_order(order: Array, place: Array) -> Array:
    """The rows int[B] at `place` int[B] of an order int32[N]."""
    return order[place]


class Examples(NamedTuple):
    """One client's examples, as its local steps read them.

    Attributes:
        fetch: rows int[B] -> (x[B, ...], y[B]). Where many models train under `vmap`, it decides
            whether they share one mini-batch or each has its own, see `fetch_from`.
        num_rows: N, the rows of the largest client.
        size: int[], how many rows this client has; no place beyond is ever read.
        num_steps: int[], K_i.
        order_of: epoch int[] -> the order of the rows in that pass over them, by default int32[N]
            with the `size` valid ones first; called once a pass.
        rows_at: (order, place int[B]) -> int[B], the rows that stand at these places of an order.
        key_of: step int[] -> the key by which a model draws numbers in that step (dropout); None
            where it draws none.
    """

    fetch: Callable[[Array], Batch]
    num_rows: int
    size: Array
    num_steps: Array
    order_of: Callable[[Array], PyTree]
    rows_at: Callable[[PyTree, Array], Array] = _in_order
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
    order: PyTree  # that of its rows in this pass, () for full batches
    first: Params
    total: Params


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
    settings: Local, model: Model, records: tuple[str, ...] = (), *, loss: Loss = cross_entropy
) -> ClientUpdate:
    """The local training of one client.

    Args:
        settings: how it trains.
        model: what it trains.
        records: which of "first" and "mean" of its raw gradients are kept.
        loss: what it minimises, of the model's outputs and the targets.

    Guarantees:
        No row but the client's own is ever read.
    """
    gradient_at = _gradients(settings, model, loss)

    def update(
        params: Params,
        examples: Examples,
        direct: Direct = lambda params, gradient: gradient,
    ) -> tuple[Done, Array]:
        chex.assert_rank([examples.size, examples.num_steps], 0)

        def step(k: Array, walk: _Walk) -> _Walk:
            # take the gradient of this step's batch, and move along what the algorithm makes of it
            value, gradient, order = gradient_at(walk.params, examples, k, walk.order)
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
            return _Walk(moved, state, walk.loss + value, order, first, total)

        start = _begin(settings, records, params, examples)
        end = jax.lax.fori_loop(0, examples.num_steps, step, start)
        # make means of the sums over steps
        taken = jnp.maximum(examples.num_steps, 1)
        mean = jax.tree.map(lambda total: total / taken, end.total)
        return Done(end.params, end.first, mean), end.loss / taken

    return update


def _begin(settings: Local, records: tuple[str, ...], params: Params, examples: Examples) -> _Walk:
    """A client before its first step."""
    nothing = {name: zeros(params) for name in records}
    order: PyTree = ()  # a full batch needs no order
    if settings.batch_size:
        order = zeros(jax.eval_shape(examples.order_of, jax.ShapeDtypeStruct((), jnp.int32)))
    return _Walk(
        params=params,
        optimizer=settings.optimizer.init(params),
        loss=jnp.zeros(()),
        order=order,
        first=nothing.get("first", ()),
        total=nothing.get("mean", ()),
    )


def _gradients(
    settings: Local, model: Model, loss: Loss
) -> Callable[[Params, Examples, Array, PyTree], tuple[Array, Params, PyTree]]:
    """(params, examples, k, order) -> (loss, raw gradient, order) of a client's step k."""
    of_batch, of_all = _sums(model, loss)

    def gradient_at(
        params: Params, examples: Examples, k: Array, order: PyTree
    ) -> tuple[Array, Params, PyTree]:
        size = examples.size
        if settings.batch_size is None:
            sums = of_all(params, examples, k)
            count = size
        else:
            # find this step's batch in its pass; a pass begins with a new order of the rows
            width = min(settings.batch_size, examples.num_rows)
            epoch, batch = jnp.divmod(k, -(-size // width))
            order = jax.lax.cond(batch == 0, examples.order_of, lambda _: order, epoch)
            place = batch * width + jnp.arange(width)
            rows = examples.rows_at(order, jnp.minimum(place, size - 1))
            key = _key(model, examples, k, jnp.int32(0))
            sums = of_batch(params, examples, place, rows, key)
            count = (place < size).sum()
        # make means of sums, and add the penalty
        value, gradient = jax.tree.map(lambda one: one / jnp.maximum(count, 1), sums)
        if settings.l2:
            gradient = jax.tree.map(lambda g, x: g + settings.l2 * x, gradient, params)
            value = value + settings.l2 / 2 * sum((x * x).sum() for x in jax.tree.leaves(params))
        return value, gradient, order

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

        num_blocks = -(-examples.size // width)
        nothing: Sums = (jnp.zeros(()), zeros(params))
        sums: Sums = jax.lax.fori_loop(0, num_blocks, block, nothing)
        return sums

    return of_batch, of_all
