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
        """How many shuffles of its examples the busiest client needs in one round, >= 1; 0 for the full batch."""
        if self.batch_size is None:
            return 0
        return max(int((-(-self.num_steps(sizes) // self.steps_per_epoch(sizes))).max()), 1)


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


def shuffle(key: Key, num_rows: int, size: Array, num_orders: int) -> Array:
    """Random orders of one client's rows: int32[num_orders, N], the valid rows first.

    A prefix property keeps batches a function of key and size: padding to another N changes no valid entry.
    """
    draws = jax.vmap(lambda e: jax.random.uniform(jax.random.fold_in(key, e), (num_rows,)))(jnp.arange(num_orders))
    return jnp.argsort(jnp.where(jnp.arange(num_rows) < size, draws, jnp.inf), axis=-1).astype(jnp.int32)


def client_update(settings: Local, model: Model) -> Callable[..., tuple[Params, Array]]:
    """The local training of one client.

    Returns:
        A function (params, data, client int[], num_steps int[], orders int32[E, N]) -> (params, loss): the model
        after num_steps steps and the mean of the losses met on the way (0 where there was no step). Padding rows
        are never read.
    """

    def loss(params: Params, data: FederatedData, client: Array, rows: Array, valid: Array) -> Array:
        each = cross_entropy(model.apply(params, data.x[client, rows]), data.y[client, rows])
        return jnp.where(valid, each, 0.0).sum()

    def of_batch(params: Params, data: FederatedData, client: Array, orders: Array, k: Array) -> tuple[Sums, Array]:
        size, width = data.sizes[client], min(settings.batch_size or 0, data.y.shape[1])
        per_epoch = -(-size // width)
        place = (k % per_epoch) * width + jnp.arange(width)
        rows, valid = orders[k // per_epoch, jnp.minimum(place, size - 1)], place < size
        return jax.value_and_grad(loss)(params, data, client, rows, valid), valid.sum()

    def of_all(params: Params, data: FederatedData, client: Array) -> tuple[Sums, Array]:
        size, width = data.sizes[client], min(ROWS_AT_ONCE, data.y.shape[1])

        def block(k: Array, sums: tuple[Array, Params]) -> tuple[Array, Params]:
            place = k * width + jnp.arange(width)
            valid = place < size
            part = jax.value_and_grad(loss)(params, data, client, jnp.where(valid, place, 0), valid)
            return jax.tree.map(jnp.add, sums, part)

        nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        return jax.lax.fori_loop(0, -(-size // width), block, nothing), size

    def update(
        params: Params, data: FederatedData, client: Array, num_steps: Array, orders: Array
    ) -> tuple[Params, Array]:
        def step(k: Array, carry: tuple[Params, Any, Array]) -> tuple[Params, Any, Array]:
            params, state, total = carry
            full = settings.batch_size is None
            sums, count = of_all(params, data, client) if full else of_batch(params, data, client, orders, k)
            value, gradient = jax.tree.map(lambda one: one / jnp.maximum(count, 1), sums)
            change, state = settings.optimizer.update(gradient, state, params)
            return optax.apply_updates(params, change), state, total + value

        start = (params, settings.optimizer.init(params), jnp.zeros(()))
        params, _, total = jax.lax.fori_loop(0, num_steps, step, start)
        return params, total / jnp.maximum(num_steps, 1)

    return update
