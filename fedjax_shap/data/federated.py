"""A horizontal federation's data: the clients' rows in one array, and the server's sets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from flax import struct

from fedjax_shap._validate import InvalidInputError, finite, require
from fedjax_shap.data.examples import members_of, pair_of
from fedjax_shap.data.member_tests import own_tests, owned, require_shared_classes, test_of
from fedjax_shap.data.targets import Targets, class_order, class_targets, quantity_targets
from fedjax_shap.trees import placed
from fedjax_shap.typing import Array, HostArray

Examples = tuple[HostArray, HostArray]  # (x[T, ...], y[T])


@struct.dataclass
class FederatedData:
    """Clients' training examples, one client's after another's, and the server's sets.

    Nothing is padded, so memory goes by the examples there are.

    Attributes:
        x: float32[T, ...], features of all clients' rows; row k of client c is row offsets[c] + k.
        y: int32[T], labels in 0..L-1; float32[T] or [T, D] where rows have quantities.
        offsets: int32[C], where each client's rows begin.
        sizes: int32[C], examples per client.
        idle: bool[C], True for a client that uploads the model it received unchanged (a zero
            update).
        validation: (x[T, ...], y[T]), the server's set on which coalitions are valued.
        test: (x[T, ...], y[T]), the server's set on which a run is reported; the validation set is
            the test set where no other was given.
        owners: int32[T], whose own row each of the validation set is, -1 for the server's; None
            where all are the server's.
        names: the clients' names.
        num_classes: L; None where rows have quantities.
        largest: N, the rows of the largest client.
        class_names: the L classes' names; () where rows were given class ids, or quantities.
        class_order: the place of each of the L classes among all where labels are drawn; () for
            that of their ids, or for quantities.
        users: int32[T], which of the users who never train each row of the validation set belongs
            to, 0, 1, ...; None where the set is not theirs.
    """

    x: Array
    y: Array
    offsets: Array
    sizes: Array
    idle: Array
    validation: tuple[Array, Array]
    test: tuple[Array, Array]
    names: tuple[str, ...] = struct.field(pytree_node=False)
    num_classes: int | None = struct.field(pytree_node=False)
    largest: int = struct.field(pytree_node=False)
    class_names: tuple[str, ...] = struct.field(pytree_node=False, default=())
    class_order: tuple[int, ...] = struct.field(pytree_node=False, default=())
    owners: Array | None = None
    users: Array | None = None

    @property
    def num_clients(self) -> int:
        """C."""
        return len(self.names)

    @property
    def classes(self) -> int:
        """L, or a refusal where rows have quantities."""
        if self.num_classes is None:
            raise InvalidInputError("Expected data whose rows have classes, got quantities.")
        return self.num_classes

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of one example's features."""
        return tuple(self.x.shape[1:])

    def client(self, index: int) -> tuple[HostArray, HostArray]:
        """The examples of one client, on the host."""
        rows = self._rows(index)
        return np.asarray(self.x)[rows], np.asarray(self.y)[rows]

    def _rows(self, index: int) -> slice:
        # on the host: to index or slice on the device would compile a program for each shape
        start = int(np.asarray(self.offsets)[index])
        return slice(start, start + int(np.asarray(self.sizes)[index]))

    def pooled(self) -> "FederatedData":
        """The federation of one client that holds the rows of all, as the clients hold them."""
        return replace(
            self,
            offsets=placed(np.zeros(1, np.int32)),
            sizes=placed(np.array([len(self.y)], np.int32)),
            idle=placed(np.zeros(1, bool)),
            names=("pooled",),
            largest=len(self.y),
            owners=None,
        )

    def with_client(
        self, index: int, examples: Examples, *, idle: bool | None = None
    ) -> "FederatedData":
        """The federation in which one client holds other examples.

        Args:
            index: the client.
            examples: (x[N, ...], y[N]), of the shapes and types of this federation.
            idle: whether it is idle; as before if None.
        """
        rows = self._rows(index)

        def put(of_all: Array, own: HostArray) -> Array:
            every = np.asarray(of_all)
            return placed(np.concatenate([every[: rows.start], own, every[rows.stop :]]))

        x, y = examples
        sizes = np.array(self.sizes)
        sizes[index] = len(y)
        lazy = np.array(self.idle)
        if idle is not None:
            lazy[index] = idle
        return replace(
            self,
            x=put(self.x, x),
            y=put(self.y, y),
            offsets=placed(_offsets(sizes)),
            sizes=placed(sizes),
            idle=placed(lazy),
            largest=int(sizes.max()),
        )


def from_arrays(
    clients: Iterable[Any] | Mapping[str, Any],
    test: Any = None,
    validation: Any = None,
    *,
    member_tests: Iterable[Any] | Mapping[str, Any] | None = None,
    names: Sequence[str] | None = None,
    num_classes: int | None = None,
    classes: Sequence[Any] = (),
    quantities: bool = False,
    idle: Sequence[bool] | None = None,
) -> FederatedData:
    """Builds a federation from each client's arrays.

    Args:
        clients: one (x[N_c, ...], y[N_c]) a client, in a list or a mapping from the clients' names.
            Instead of a pair of arrays it may be a list of examples (x, y), a map-style data set of
            these, or a mapping such as {"x": x, "y": y}. y are classes: integer labels 0..L-1,
            names, truth values, or one-hot rows y[N_c, L]; or quantities, y[N_c] or y[N_c, D].
        test: (x[T, ...], y[T]), held by the server; all members' own test sets together if None.
        validation: likewise, the set on which coalitions are valued; the test set if None.
        member_tests: a test set of each client's own, in the clients' order or by name, None for no
            such set. Together they are the validation set, of which judges see each its own.
        names: the clients' names; "client 0", ... if None.
        num_classes: L; if None the classes that occur, whose ids must then be 0..L-1 without gaps.
        classes: the classes' ids or names in the order of the labels 0..L-1, for ids that are not
            0..L-1 or a set order of names; names are sorted if ().
        quantities: whether y are quantities (a regression) and not classes.
        idle: which clients upload the model they received unchanged; none if None.

    Returns:
        The federation.

    Raises:
        InvalidInputError: no or empty clients, shapes that disagree, NaN, a label out of range,
            class ids with gaps, or numbers that look like quantities where classes are meant.
    """
    members = members_of(clients, names)
    called = _names(members.names, len(members.examples))
    own = own_tests(member_tests, called, test, validation)
    given = {f"clients[{name}]": one for name, one in zip(called, members.examples)} | own
    stated = {"test": test, "validation": validation}
    given |= {name: one for name, one in stated.items() if one is not None}
    sets = {name: pair_of(name, examples) for name, examples in given.items()}
    features = {name: _features(name, examples) for name, examples in sets.items()}
    targets = _targets(sets, num_classes, classes, quantities)
    _require_alike(features, targets)
    held = {name: (features[name], y) for name, y in targets.sets.items()}
    owners = None
    if own:
        owners, held["validation"] = owned([held.get(test_of(name)) for name in called])
    tested = held.get("test") or held["validation"]
    validated = held.get("validation", tested)
    checked = [held[f"clients[{name}]"] for name in called]
    sizes = np.array([len(y) for _, y in checked], np.int32)
    return FederatedData(
        x=placed(np.concatenate([x for x, _ in checked])),
        y=placed(np.concatenate([y for _, y in checked])),
        offsets=placed(_offsets(sizes)),
        sizes=placed(sizes),
        idle=placed(_idle(idle, len(called))),
        validation=(placed(np.array(validated[0])), placed(np.array(validated[1]))),
        test=(placed(np.array(tested[0])), placed(np.array(tested[1]))),
        names=called,
        num_classes=targets.num_classes,
        class_names=targets.class_names,
        class_order=_class_order([y for _, y in checked], targets.num_classes),
        largest=int(sizes.max()),
        owners=owners,
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


def _features(name: str, examples: Examples) -> HostArray:
    """The features of one set as a float32 host array, or a refusal that names the set."""
    x, y = examples
    require(
        x.ndim > 0 and y.ndim > 0 and len(x) == len(y),
        f"Expected {name} to be x[N, ...], y[N]; got {x.shape}, {y.shape}.",
    )
    require(len(y) > 0, f"Expected {name} to hold at least one example, got none.")
    require(
        np.issubdtype(x.dtype, np.number) or x.dtype == bool,
        f"Expected {name}.x to be numbers, got {x.dtype}.",
    )
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is refused
        features: HostArray = x.astype(np.float32, copy=False)
    finite(f"{name}.x", features)
    return features


def _targets(
    sets: Mapping[str, Examples], num_classes: int | None, classes: Sequence[Any], quantities: bool
) -> Targets:
    """The targets of all sets, as classes of one code or as quantities."""
    given = {f"{name}.y": examples[1] for name, examples in sets.items()}
    if quantities:
        require(
            num_classes is None and not len(classes),
            "Expected num_classes and classes to be left out with quantities=True.",
        )
        found = quantity_targets(given)
    else:
        found = class_targets(given, num_classes=num_classes, classes=classes)
    return found._replace(sets=dict(zip(sets, found.sets.values())))


def _require_alike(features: Mapping[str, HostArray], targets: Targets) -> None:
    """Refuses sets of another shape than the first's, and test rows of other classes alone."""
    first = next(iter(features))
    shape = features[first].shape[1:]
    columns = targets.sets[first].shape[1:]
    for name, x in features.items():
        require(
            x.shape[1:] == shape,
            f"Expected {name}.x to have examples of shape {shape} as the first client's, got "
            f"{x.shape[1:]}.",
        )
        own = targets.sets[name].shape[1:]
        require(
            own == columns,
            f"Expected {name}.y to have targets of shape {columns} as the first client's, got "
            f"{own}.",
        )
    require_shared_classes(targets)


def _class_order(clients: Sequence[HostArray], num_classes: int | None) -> tuple[int, ...]:
    """The place of each class among all by the clients' rows; () for quantities."""
    if num_classes is None:
        return ()
    return tuple(class_order(np.concatenate(clients), num_classes).tolist())


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


def _offsets(sizes: HostArray) -> HostArray:
    """Where each client's rows begin, int32[C], when one client's follow another's."""
    return np.asarray(np.cumsum(sizes) - sizes, np.int32)
