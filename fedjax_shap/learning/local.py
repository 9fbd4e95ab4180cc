"""One client's local training: full batch or mini-batches without replacement, by any optax optimiser."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedjax_shap._validate import InvalidInputError, integer, number, one_of, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.metric import cross_entropy
from fedjax_shap.learning.model import Model
from fedjax_shap.typing import Array, HostArray, Key, Params

Sums = tuple[Array, Params]  # loss and gradient, summed over examples
ROWS_AT_ONCE = 256  # a larger full batch is summed over blocks of so many rows: a small client pays for no large one
OPTIMIZERS = ("adam", "adamw", "adagrad", "lion", "nadam", "rmsprop", "sgd", "yogi")


class Local(NamedTuple):
    """How every client trains between two aggregations; its optimiser's state is fresh each round.

    Attributes:
        optimizer: an optax gradient transformation.
        batch_size: B, or None for the full batch.
        epochs: E passes over the client's examples, or None where `steps` decides.
        steps: K_i, one number for all clients or one each, or None where `epochs` decides.
        reshuffle: whether rows are drawn in a new order each round and epoch, or taken as they stand.
    """

    optimizer: optax.GradientTransformation
    batch_size: int | None
    epochs: int | None
    steps: int | tuple[int, ...] | None
    reshuffle: bool = True

    def steps_per_epoch(self, sizes: HostArray) -> HostArray:
        """int[C]: batches in one pass over a client's examples, the last, partial one counted."""
        return np.ones_like(sizes) if self.batch_size is None else -(-sizes // self.batch_size)

    def num_steps(self, sizes: HostArray) -> HostArray:
        """int32[C]: K_i, the local steps of each client in a round, from their numbers of examples int[C]."""
        if self.steps is None:
            return (self.steps_per_epoch(sizes) * (self.epochs or 1)).astype(np.int32)
        if isinstance(self.steps, int):
            return np.full(sizes.shape, self.steps, np.int32)
        require(
            len(self.steps) == len(sizes),
            f"Expected steps={list(self.steps)} to have one entry for each of the {len(sizes)} clients.",
        )
        return np.asarray(self.steps, np.int32)

    def num_orders(self, sizes: HostArray) -> int:
        """How many orders of its examples the busiest client goes through in one round, >= 1; 0 for the full batch."""
        if self.batch_size is None:
            return 0
        return max(int((-(-self.num_steps(sizes) // np.maximum(self.steps_per_epoch(sizes), 1))).max()), 1)


def local(
    *,
    optimizer: str | optax.GradientTransformation = "sgd",
    learning_rate: float = 0.1,
    batch_size: int | None = None,
    epochs: int | None = None,
    steps: int | tuple[int, ...] | None = None,
    options: dict[str, Any] | None = None,
    reshuffle: bool = True,
) -> Local:
    """Local training of every client in a round.

    Args:
        optimizer: an optax transformation, or the name of one in optax.
        learning_rate: step size, > 0; unused where `optimizer` is a transformation.
        batch_size: B >= 1, drawn without replacement, the last partial batch of a pass kept; the full batch if None.
        epochs: passes over the client's examples in a round; 1 where neither this nor `steps` is given.
        steps: optimiser steps in a round instead, one number or one a client (Spec 1.1c, K_i).
        options: further keywords of the optax optimiser, such as {"momentum": 0.9}.
        reshuffle: whether mini-batches are drawn anew in each round and epoch, or are the same rows always, as they
            stand; some published code seeds its shuffle anew each round, to the same effect.

    Raises:
        InvalidInputError: an unknown optimiser, a bad number, or both `epochs` and `steps`.
    """
    require(epochs is None or steps is None, f"Expected one of epochs={epochs} and steps={steps}, got both.")
    if batch_size is not None:
        integer("batch_size", batch_size, least=1)
    if epochs is not None:
        integer("epochs", epochs, least=1)
    for count in steps if isinstance(steps, tuple) else () if steps is None else (steps,):
        integer("steps", count, least=0)
    if isinstance(optimizer, str):
        one_of("optimizer", optimizer, OPTIMIZERS)
        number("learning_rate", learning_rate, above=0)
        try:
            optimizer = getattr(optax, optimizer)(learning_rate, **(options or {}))
        except TypeError as error:
            raise InvalidInputError(
                f"Expected options={options} to be keywords of optax.{optimizer}: {error}."
            ) from error
    epochs = 1 if epochs is None and steps is None else epochs
    return Local(optimizer, batch_size, epochs, steps, reshuffle)  # type: ignore[arg-type]


def shuffle(key: Key, num_rows: int, size: Array) -> Array:
    """A random order of one client's rows: int32[N], the valid rows first.

    A prefix property keeps batches a function of key and size: padding to another N changes no valid entry.
    """
    draws = jax.random.uniform(key, (num_rows,))
    return jnp.argsort(jnp.where(jnp.arange(num_rows) < size, draws, jnp.inf)).astype(jnp.int32)


def client_update(settings: Local, model: Model) -> Callable[..., tuple[Params, Array]]:
    """The local training of one client.

    Returns:
        A function (params, data, client int[], reader int[], num_steps int[], order_of) -> (params, loss): the model
        after num_steps steps and the mean of the losses met on the way (0 where there was no step). Padding rows
        are never read. `order_of(epoch)` is the order int32[N] of the client's rows in that pass; it is called once a
        pass. `reader` is the client again: where many models train under `vmap`, each with a reader of its own, every
        one holds its mini-batch, and its matrix products are batched ones, which need no transposed copy of weights.
    """

    def loss(params: Params, data: FederatedData, reader: Array, rows: Array, valid: Array) -> Array:
        each = cross_entropy(model.apply(params, data.x[reader, rows]), data.y[reader, rows])
        return jnp.where(valid, each, 0.0).sum()

    def of_batch(params: Params, data: FederatedData, reader: Array, place: Array, order: Array, size: Array) -> Sums:
        rows, valid = order[jnp.minimum(place, size - 1)], place < size
        return jax.value_and_grad(loss)(params, data, reader, rows, valid)

    def of_all(params: Params, data: FederatedData, reader: Array, size: Array) -> Sums:
        width = min(ROWS_AT_ONCE, data.y.shape[1])

        def block(k: Array, sums: Sums) -> Sums:
            place = k * width + jnp.arange(width)
            part = of_batch(params, data, reader, place, jnp.arange(data.y.shape[1]), size)
            return jax.tree.map(jnp.add, sums, part)

        nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        return jax.lax.fori_loop(0, -(-size // width), block, nothing)

    def update(
        params: Params,
        data: FederatedData,
        client: Array,
        reader: Array,
        num_steps: Array,
        order_of: Callable[[Array], Array],
    ) -> tuple[Params, Array]:
        size, width = data.sizes[client], min(settings.batch_size or 0, data.y.shape[1])

        def step(k: Array, carry: tuple[Params, Any, Array, Array]) -> tuple[Params, Any, Array, Array]:
            params, state, total, order = carry
            if settings.batch_size is None:
                sums, count = of_all(params, data, reader, size), size
            else:
                epoch, batch = jnp.divmod(k, -(-size // width))
                order = jax.lax.cond(batch == 0, order_of, lambda _: order, epoch)
                place = batch * width + jnp.arange(width)
                sums, count = of_batch(params, data, reader, place, order, size), (place < size).sum()
            value, gradient = jax.tree.map(lambda one: one / jnp.maximum(count, 1), sums)
            change, state = settings.optimizer.update(gradient, state, params)
            return optax.apply_updates(params, change), state, total + value, order

        unordered = jnp.zeros(data.y.shape[1] if settings.batch_size else 0, jnp.int32)
        start = (params, settings.optimizer.init(params), jnp.zeros(()), unordered)
        params, _, total, _ = jax.lax.fori_loop(0, num_steps, step, start)
        return params, total / jnp.maximum(num_steps, 1)

    return update
