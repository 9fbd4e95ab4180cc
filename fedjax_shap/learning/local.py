"""How clients train locally: on full batches or mini-batches, by any optax optimiser."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedjax_shap._validate import InvalidInputError, integer, number, of_kind, one_of, require
from fedjax_shap.typing import Array, HostArray, Key

OPTIMIZERS = ("adam", "adamw", "adagrad", "lion", "nadam", "rmsprop", "sgd", "yogi")

MOST_STEPS = 2**31 - 1  # that an int32 holds


class Local(NamedTuple):
    """How every client trains between two aggregations; its optimiser's state is fresh each round.

    Attributes:
        optimizer: an optax gradient transformation.
        batch_size: B, or None for the full batch.
        epochs: E passes over the client's examples, or None where `steps` decides.
        steps: K_i, one number for all clients or one each, or None where `epochs` decides.
        reshuffle: whether rows are drawn in a new order each round and epoch, or taken as they
            stand.
        l2: weight of the penalty l2 / 2 |x|^2 that every client's loss has.
        learning_rate: eta, or None where only the transformation knows it.
    """

    optimizer: optax.GradientTransformation
    batch_size: int | None
    epochs: int | None
    steps: int | tuple[int, ...] | None
    reshuffle: bool = True
    l2: float = 0.0
    learning_rate: float | None = None

    def steps_per_epoch(self, sizes: HostArray) -> HostArray:
        """int[C]: batches in one pass over a client's examples, the last, partial one counted."""
        if self.batch_size is None:
            return np.ones_like(sizes)
        return -(-sizes // self.batch_size)

    def num_steps(self, sizes: HostArray) -> HostArray:
        """int32[C]: K_i, the local steps of each client in a round.

        Args:
            sizes: int[C], numbers of examples.

        Raises:
            InvalidInputError: another number of `steps` than of clients.
        """
        if self.steps is None:
            return (self.steps_per_epoch(sizes) * (self.epochs or 1)).astype(np.int32)
        if isinstance(self.steps, int):
            return np.full(sizes.shape, self.steps, np.int32)
        require(
            len(self.steps) == len(sizes),
            f"Expected steps={list(self.steps)} to have one entry for each of the {len(sizes)} "
            "clients.",
        )
        return np.asarray(self.steps, np.int32)

    def num_orders(self, sizes: HostArray, num_steps: HostArray) -> int:
        """How many epochs the busiest client begins in one round, >= 1; 0 for the full batch.

        Args:
            sizes: int[C], numbers of examples.
            num_steps: int[R, C], local steps of each round and client.
        """
        if self.batch_size is None:
            return 0
        return max(int((-(-num_steps // np.maximum(self.steps_per_epoch(sizes), 1))).max()), 1)


def local(
    *,
    optimizer: str | optax.GradientTransformation = "sgd",
    learning_rate: float = 0.1,
    batch_size: int | None = None,
    epochs: int | None = None,
    steps: int | tuple[int, ...] | None = None,
    options: dict[str, Any] | None = None,
    reshuffle: bool = True,
    l2: float = 0.0,
) -> Local:
    """Local training of every client in a round.

    Args:
        optimizer: an optax transformation, or the name of one in optax.
        learning_rate: step size, > 0; unused where `optimizer` is a transformation.
        batch_size: B >= 1, drawn without replacement, the last partial batch of a pass kept; the
            full batch if None.
        epochs: passes over the client's examples in a round; 1 where neither this nor `steps` is
            given.
        steps: optimiser steps in a round instead, one number or one a client (K_i).
        options: further keywords of the optax optimiser, such as {"momentum": 0.9}.
        reshuffle: whether mini-batches are drawn anew in each round and epoch, or are the same rows
            always, as they stand; some published code seeds its shuffle anew each round, to the
            same effect.
        l2: weight >= 0 of a penalty l2 / 2 |x|^2 on all parameters, biases too, in every client's
            loss.

    Raises:
        InvalidInputError: an unknown optimiser, a bad number, or both `epochs` and `steps`.
    """
    require(
        epochs is None or steps is None,
        f"Expected one of epochs={epochs} and steps={steps}, got both.",
    )
    if batch_size is not None:
        integer("batch_size", batch_size, least=1, most=MOST_STEPS)
    if epochs is not None:
        integer("epochs", epochs, least=1, most=MOST_STEPS)
    if isinstance(steps, list):
        steps = tuple(steps)
    for count in _several(steps):
        integer("steps", count, least=0, most=MOST_STEPS)
    number("l2", l2, least=0)
    rate = None
    if isinstance(optimizer, str):
        rate = learning_rate
    if epochs is None and steps is None:
        epochs = 1
    return Local(
        optimizer=optimizer_of(optimizer, learning_rate, options),
        batch_size=batch_size,
        epochs=epochs,
        steps=steps,
        reshuffle=reshuffle,
        l2=l2,
        learning_rate=rate,
    )


def _several(steps: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The given numbers of steps, one for all or one each, as a tuple."""
    if steps is None:
        return ()
    if isinstance(steps, tuple):
        return steps
    return (steps,)


def optimizer_of(
    optimizer: str | optax.GradientTransformation,
    learning_rate: float,
    options: dict[str, Any] | None,
    *,
    rate_name: str = "learning_rate",
) -> optax.GradientTransformation:
    """The optax optimiser of a name; a transformation stays as it is.

    Args:
        optimizer: a name in OPTIMIZERS, or a transformation.
        learning_rate: step size, > 0.
        options: further keywords.
        rate_name: how a refusal calls the step size.

    Raises:
        InvalidInputError: an unknown name, a bad step size, or keywords that the optimiser does not
            take.
    """
    if not isinstance(optimizer, str):
        kind = optax.GradientTransformation
        of_kind("optimizer", optimizer, kind, "optax.sgd(0.1)")
        return optimizer
    one_of("optimizer", optimizer, OPTIMIZERS)
    number(rate_name, learning_rate, above=0)
    try:
        rule: optax.GradientTransformation
        rule = getattr(optax, optimizer)(learning_rate, **(options or {}))
        return rule
    except TypeError as error:
        raise InvalidInputError(
            f"Expected options={options} to be keywords of optax.{optimizer}: {error}."
        ) from error


def shuffle(key: Key, num_rows: int, size: Array) -> Array:
    """A random order of one client's rows: int32[N], the valid rows first.

    A prefix property keeps batches a function of key and size: padding to another N changes no
    valid entry.
    """
    draws = jax.random.uniform(key, (num_rows,))
    return jnp.argsort(jnp.where(jnp.arange(num_rows) < size, draws, jnp.inf)).astype(jnp.int32)


def place_of(step: Array, size: Array, width: int) -> Array:
    """The places of a mini-batch in a pass over a client's rows: int[..., B].

    Args:
        step: int[...], local steps; each pass begins where the last one ended.
        size: int[], the client's rows; places beyond are empty.
        width: B.
    """
    begins = step % num_batches(size, width) * width
    return jnp.expand_dims(begins, -1) + jnp.arange(width).reshape(*[1] * step.ndim, width)


def num_batches(size: Array, width: int) -> Array:
    """int[], the mini-batches of B rows in a pass over a client's rows; 1 where there are none."""
    return jnp.maximum(-(-size // width), 1)
