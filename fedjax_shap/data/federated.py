"""A horizontal federation's data: the clients' padded arrays and the server's held-out sets."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct

from fedjax_shap._validate import finite, require
from fedjax_shap.typing import Array, HostArray

Examples = tuple[Any, Any]  # (x[T, ...], y[T])


@struct.dataclass
class FederatedData:
    """Clients' training examples, padded to one length, and the server's sets.

    Attributes:
        x: float32[C, N, ...], features; row k of client c is padding for k >= sizes[c].
        y: int32[C, N], labels in 0..L-1.
        sizes: int32[C], examples per client.
        idle: bool[C], True for a client that uploads the model it received unchanged (a zero
            update).
        validation: (x[T, ...], y[T]), the server's set on which coalitions are valued (Spec 1.2).
        test: (x[T, ...], y[T]), the server's set on which a run is reported; the validation set is
            the test set where no other was given.
        names: the clients' names.
        num_classes: L.
    """

    x: Array
    y: Array
    sizes: Array
    idle: Array
    validation: tuple[Array, Array]
    test: tuple[Array, Array]
    names: tuple[str, ...] = struct.field(pytree_node=False)
    num_classes: int = struct.field(pytree_node=False)

    @property
    def num_clients(self) -> int:
        """C."""
        return len(self.names)

    def client(self, index: int) -> tuple[HostArray, HostArray]:
        """The examples of one client without padding, on the host."""
        size = int(self.sizes[index])
        return np.asarray(self.x)[index, :size], np.asarray(self.y)[
            index, :size
        ]  # sliced here: no compilation

    def pooled(self) -> "FederatedData":
        """The federation of one client that holds everybody's data (Spec 9.1), as the clients hold
        it.
        """
        x, y = (np.concatenate(parts) for parts in zip(*map(self.client, range(self.num_clients))))
        return from_arrays(
            [(x, y)], self.test, self.validation, names=["pooled"], num_classes=self.num_classes
        )


def from_arrays(
    clients: Sequence[Examples],
    test: Examples,
    validation: Examples | None = None,
    *,
    names: Sequence[str] | None = None,
    num_classes: int | None = None,
    idle: Sequence[bool] | None = None,
) -> FederatedData:
    """Builds a federation from each client's arrays.

    Args:
        clients: one (x[N_c, ...], y[N_c]) a client; y are integer labels 0..L-1.
        test: (x[T, ...], y[T]), held by the server.
        validation: likewise, the set on which coalitions are valued; the test set if None.
        names: the clients' names; "client 0", ... if None.
        num_classes: L; one more than the largest label if None.
        idle: which clients upload the model they received unchanged; none if None.

    Returns:
        The federation, padded to the largest client.

    Raises:
        InvalidInputError: no clients, an empty client, shapes that disagree, NaN, or a label out of
            range.
    """
    require(len(clients) > 0, "Expected clients to hold at least one client, got none.")
    names = (
        [f"client {i}" for i in range(len(clients))] if names is None else [str(n) for n in names]
    )
    require(
        len(names) == len(clients),
        f"Expected names to have {len(clients)} entries, got {len(names)}.",
    )
    require(
        len(set(names)) == len(names), f"Expected names to differ from each other, got {names}."
    )
    held = [_examples(f"clients[{name}]", c) for name, c in zip(names, clients)]
    served = _examples("test", test)
    valued = served if validation is None else _examples("validation", validation)
    shape = held[0][0].shape[1:]
    every = [*zip((f"clients[{n}]" for n in names), held), ("test", served), ("validation", valued)]
    labels = max(int(y.max()) for _, (_, y) in every) + 1 if num_classes is None else num_classes
    for name, (x, y) in every:
        require(
            x.shape[1:] == shape,
            f"Expected {name}.x to have examples of shape {shape} as the first client's, got "
            f"{x.shape[1:]}.",
        )
        require(
            y.min() >= 0 and y.max() < labels,
            f"Expected labels of {name} in 0..{labels - 1} (num_classes={labels}), got "
            f"{y.min()}..{y.max()}.",
        )
    padded_x, padded_y, sizes = _padded(held)
    lazy = np.zeros(len(held), bool) if idle is None else np.asarray(idle, bool)
    require(
        lazy.shape == (len(held),),
        f"Expected idle to have {len(held)} entries, got shape {lazy.shape}.",
    )
    return FederatedData(
        x=jnp.asarray(padded_x),
        y=jnp.asarray(padded_y),
        sizes=jnp.asarray(sizes),
        idle=jnp.asarray(lazy),
        validation=(jnp.asarray(valued[0]), jnp.asarray(valued[1])),
        test=(jnp.asarray(served[0]), jnp.asarray(served[1])),
        names=tuple(names),
        num_classes=labels,
    )


def _padded(held: Sequence[Examples]) -> tuple[HostArray, HostArray, HostArray]:
    """The clients' examples with zeros up to the largest: x[C, N, ...], y[C, N], sizes[C]."""
    sizes = np.array([len(y) for _, y in held], np.int32)
    padded_x = np.zeros((len(held), sizes.max(), *held[0][0].shape[1:]), np.float32)
    padded_y = np.zeros((len(held), sizes.max()), np.int32)
    for i, (x, y) in enumerate(held):
        padded_x[i, : len(y)], padded_y[i, : len(y)] = x, y
    return padded_x, padded_y, sizes


def _examples(name: str, examples: Examples) -> tuple[HostArray, HostArray]:
    """One set of examples as float32 and int32 host arrays, or a refusal that names it."""
    x, y = (np.asarray(part) for part in examples)
    require(
        y.ndim == 1 and len(x) == len(y),
        f"Expected {name} to be x[N, ...], y[N]; got {x.shape}, {y.shape}.",
    )
    require(len(y) > 0, f"Expected {name} to hold at least one example, got none.")
    require(
        np.issubdtype(x.dtype, np.number) or x.dtype == bool,
        f"Expected {name}.x to be numbers, got {x.dtype}.",
    )
    require(
        np.issubdtype(y.dtype, np.number), f"Expected {name}.y to be integer labels, got {y.dtype}."
    )
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # what float32 and int32 cannot hold is refused below
        held, labels = x.astype(np.float32), y.astype(np.int32)
    finite(f"{name}.x", held)
    finite(f"{name}.y", y)
    require(bool((y == labels).all()), f"Expected {name}.y to be integer labels, got {y.dtype}.")
    return held, labels
