"""One client's local steps: the gradients that it meets, and what an algorithm makes of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Done
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.metric import cross_entropy
from fedjax_shap.learning.model import Model
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, Params

Sums = tuple[Array, Params]  # loss and gradient, summed over examples
Direct = Callable[
    [Params, Params], Params
]  # (x, gradient) -> the gradient that the optimiser is given
# a larger full batch is summed over blocks of so many rows: a small client pays for no large one
ROWS_AT_ONCE = 256


class _Walk(NamedTuple):
    """Where a client is in its round; `first` and `total` are () where they are not recorded."""

    params: Params
    optimizer: Any
    loss: Array  # summed over steps
    order: Array  # int32[N], that of its rows in this pass
    first: Params
    total: Params


def client_update(
    settings: Local, model: Model, records: tuple[str, ...] = ()
) -> Callable[..., tuple[Done, Array]]:
    """The local training of one client.

    Args:
        settings: how it trains.
        model: what it trains.
        records: which of "first" and "mean" of its raw gradients are kept.

    Returns:
        A function (params, data, client int[], reader int[], num_steps int[], order_of, direct) ->
        (Done, loss): what came of num_steps steps, and the mean of the losses met on the way (0
        where there was no step). Padding rows are never read. `order_of(epoch)` is the order
        int32[N] of the client's rows in that pass; it is called once a pass. `direct(x, gradient)`
        is what the optimiser is given for the raw gradient at x. `reader` is the client
        again: where many models train under `vmap`, each with a reader of its own, every one holds
            its mini-batch, and
        its matrix products are batched ones, which need no transposed copy of weights.
    """
    met = _gradients(settings, model)

    def update(
        params: Params,
        data: FederatedData,
        client: Array,
        reader: Array,
        num_steps: Array,
        order_of: Callable[[Array], Array],
        direct: Direct = lambda params, gradient: gradient,
    ) -> tuple[Done, Array]:
        def step(k: Array, walk: _Walk) -> _Walk:
            value, gradient, order = met(walk.params, data, client, reader, k, order_of, walk.order)
            change, state = settings.optimizer.update(
                direct(walk.params, gradient), walk.optimizer, walk.params
            )
            moved = optax.apply_updates(walk.params, change)
            first, total = walk.first, walk.total
            if "first" in records:
                first = jax.tree.map(lambda old, new: jnp.where(k == 0, new, old), first, gradient)
            if "mean" in records:
                total = jax.tree.map(jnp.add, total, gradient)
            return _Walk(moved, state, walk.loss + value, order, first, total)

        first, total = (zeros(params) if name in records else () for name in ("first", "mean"))
        unordered = jnp.zeros(data.y.shape[1] if settings.batch_size else 0, jnp.int32)
        start = _Walk(
            params, settings.optimizer.init(params), jnp.zeros(()), unordered, first, total
        )
        end = jax.lax.fori_loop(0, num_steps, step, start)
        taken = jnp.maximum(num_steps, 1)
        mean = jax.tree.map(lambda total: total / taken, end.total)
        return Done(end.params, end.first, mean), end.loss / taken

    return update


def _gradients(settings: Local, model: Model) -> Callable[..., tuple[Array, Params, Array]]:
    """(params, data, client, reader, k, order_of, order) -> (loss, raw gradient, order) of a
    client's step k.
    """

    def loss(
        params: Params, data: FederatedData, reader: Array, rows: Array, valid: Array
    ) -> Array:
        each = cross_entropy(model.apply(params, data.x[reader, rows]), data.y[reader, rows])
        return jnp.where(valid, each, 0.0).sum()

    def of_batch(
        params: Params, data: FederatedData, reader: Array, place: Array, order: Array, size: Array
    ) -> Sums:
        rows, valid = order[jnp.minimum(place, size - 1)], place < size
        return jax.value_and_grad(loss)(params, data, reader, rows, valid)

    def of_all(params: Params, data: FederatedData, reader: Array, size: Array) -> Sums:
        width = min(ROWS_AT_ONCE, data.y.shape[1])

        def block(k: Array, sums: Sums) -> Sums:
            place = k * width + jnp.arange(width)
            part = of_batch(params, data, reader, place, jnp.arange(data.y.shape[1]), size)
            return jax.tree.map(jnp.add, sums, part)

        return jax.lax.fori_loop(0, -(-size // width), block, (jnp.zeros(()), zeros(params)))

    def met(
        params: Params,
        data: FederatedData,
        client: Array,
        reader: Array,
        k: Array,
        order_of: Callable[[Array], Array],
        order: Array,
    ) -> tuple[Array, Params, Array]:
        size, width = data.sizes[client], min(settings.batch_size or 0, data.y.shape[1])
        if settings.batch_size is None:
            sums, count = of_all(params, data, reader, size), size
        else:
            epoch, batch = jnp.divmod(k, -(-size // width))
            order = jax.lax.cond(batch == 0, order_of, lambda _: order, epoch)
            place = batch * width + jnp.arange(width)
            sums, count = of_batch(params, data, reader, place, order, size), (place < size).sum()
        value, gradient = jax.tree.map(lambda one: one / jnp.maximum(count, 1), sums)
        if settings.l2:
            gradient = jax.tree.map(lambda g, x: g + settings.l2 * x, gradient, params)
            value = value + settings.l2 / 2 * sum((x * x).sum() for x in jax.tree.leaves(params))
        return value, gradient, order

    return met
