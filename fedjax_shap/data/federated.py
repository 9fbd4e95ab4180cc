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
        validation: (x[T, ...], y[T]), the server's set on which coalitions are valued.
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
        # as host arrays: to slice on the device would compile a program for each size
        x = np.asarray(self.x)[index, :size]
        y = np.asarray(self.y)[index, :size]
        return x, y

    def pooled(self) -> "FederatedData":
        """The federation of one client that holds the rows of all, as the clients hold them."""
        clients = [self.client(index) for index in range(self.num_clients)]
        everything = (
            np.concatenate([x for x, _ in clients]),
            np.concatenate([y for _, y in clients]),
        )
        return from_arrays(
            [everything],
            self.test,
            self.validation,
            names=["pooled"],
            num_classes=self.num_classes,
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
        InvalidInputError: no or empty clients, shapes that disagree, NaN, or a label out of range.
    """
    called = _names(names, len(clients))
    checked = [_examples(f"clients[{name}]", c) for name, c in zip(called, clients)]
    tested = _examples("test", test)
    validated = tested
    if validation is not None:
        validated = _examples("validation", validation)
    sets = {f"clients[{name}]": examples for name, examples in zip(called, checked)}
    count = _require_alike({**sets, "test": tested, "validation": validated}, num_classes)
    x, y, sizes = _padded(checked)
    return FederatedData(
        x=jnp.asarray(x),
        y=jnp.asarray(y),
        sizes=jnp.asarray(sizes),
        idle=jnp.asarray(_idle(idle, len(checked))),
        validation=(jnp.asarray(validated[0]), jnp.asarray(validated[1])),
        test=(jnp.asarray(tested[0]), jnp.asarray(tested[1])),
        names=called,
        num_classes=count,
    )


def _names(names: Sequence[str] | None, num_clients: int) -> tuple[str, ...]:
    """The clients' names, or a refusal: none, too many or too few, or the same name twice."""
    require(num_clients > 0, "Expected clients to hold at least one client, got none.")
    if names is None:
        return tuple(f"client {index}" for index in range(num_clients))
    called = [str(name) for name in names]
    require(
        len(called) == num_clients,
        f"Expected names to have {num_clients} entries, got {len(called)}.",
    )
    require(
        len(set(called)) == num_clients, f"Expected names to differ from each other, got {called}."
    )
    return tuple(called)


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
    # what float32 and int32 cannot hold is refused below
    with np.errstate(over="ignore", invalid="ignore"):
        features = x.astype(np.float32)
        labels = y.astype(np.int32)
    finite(f"{name}.x", features)
    finite(f"{name}.y", y)
    require(bool((y == labels).all()), f"Expected {name}.y to be integer labels, got {y.dtype}.")
    return features, labels


def _require_alike(sets: dict[str, tuple[HostArray, HostArray]], num_classes: int | None) -> int:
    """The number of classes L; refuses sets of another shape than the first's, or other labels."""
    first, _ = next(iter(sets.values()))
    shape = first.shape[1:]
    if num_classes is None:
        num_classes = max(int(y.max()) for _, y in sets.values()) + 1
    for name, (x, y) in sets.items():
        require(
            x.shape[1:] == shape,
            f"Expected {name}.x to have examples of shape {shape} as the first client's, got "
            f"{x.shape[1:]}.",
        )
        require(
            y.min() >= 0 and y.max() < num_classes,
            f"Expected labels of {name} in 0..{num_classes - 1} (num_classes={num_classes}), got "
            f"{y.min()}..{y.max()}.",
        )
    return num_classes


def _idle(idle: Sequence[bool] | None, num_clients: int) -> HostArray:
    """Who is idle, bool[C]; nobody if None."""
    if idle is None:
        return np.zeros(num_clients, bool)
    lazy = np.asarray(idle, bool)
    require(
        lazy.shape == (num_clients,),
        f"Expected idle to have {num_clients} entries, got shape {lazy.shape}.",
    )
    return lazy


def _padded(
    clients: Sequence[tuple[HostArray, HostArray]],
) -> tuple[HostArray, HostArray, HostArray]:
    """The clients' examples with zeros up to the largest: x[C, N, ...], y[C, N], sizes[C]."""
    sizes = np.array([len(y) for _, y in clients], np.int32)
    first, _ = clients[0]
    padded_x = np.zeros((len(clients), sizes.max(), *first.shape[1:]), np.float32)
    padded_y = np.zeros((len(clients), sizes.max()), np.int32)
    for index, (x, y) in enumerate(clients):
        padded_x[index, : len(y)] = x
        padded_y[index, : len(y)] = y
    return padded_x, padded_y, sizes
