"""Federations for transfer: sources with labels, and a target that shares few users with them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import caution, finite, listed, require
from fedjax_shap.data.targets import Targets, class_targets
from fedjax_shap.typing import HostArray

UNKNOWN = -1  # the label of a row of the target that nobody knows


class TransferData(NamedTuple):
    """What P sources and the target hold; all arrays on the host.

    Attributes:
        names: the P sources, who are the players.
        target: the target's name.
        x: P + 1 of float32[N_p, ...], the training rows; the last are the target's. Features of
            different parties need not be the same.
        y: P + 1 of int32[N_p], labels in 0..L-1; of the target's only those of `labelled` are used,
            the others are -1 or serve as a bound (see `with_all_labels`).
        labelled: int[labels], the target's rows whose labels it has.
        pairs: P of int[pairs, 2], (row of the source, row of the target) of common users.
        validation: (x[T, ...], y[T]), rows of the target on which coalitions are valued.
        test: the same, on which a run is reported.
        num_classes: L.
        said: what a reader should know of how the rows came about, one sentence each.
    """

    names: tuple[str, ...]
    target: str
    x: tuple[HostArray, ...]
    y: tuple[HostArray, ...]
    labelled: HostArray
    pairs: tuple[HostArray, ...]
    validation: tuple[HostArray, HostArray]
    test: tuple[HostArray, HostArray]
    num_classes: int
    said: tuple[str, ...] = ()

    @property
    def num_sources(self) -> int:
        """P."""
        return len(self.names)

    @property
    def sizes(self) -> HostArray:
        """int[P]: the rows of each source."""
        return np.array([len(y) for y in self.y[:-1]])

    def with_all_labels(self) -> "TransferData":
        """The same where the target has the labels of all its training rows: a bound.

        Raises:
            InvalidInputError: rows whose labels nobody knows.
        """
        unknown = int((self.y[-1] == UNKNOWN).sum())
        require(
            unknown == 0,
            f"Expected the labels of all rows of {self.target!r} to be known, for a bound, but "
            f"those of {unknown} are not.",
        )
        return self._replace(labelled=np.arange(len(self.y[-1])))


def transfer_data(
    sources: Mapping[str, tuple[Any, Any, Any]],
    target: tuple[Any, Any],
    labels: tuple[Any, Any],
    test: tuple[Any, Any],
    validation: tuple[Any, Any] | None = None,
    *,
    name: str = "target",
) -> TransferData:
    """A federation for transfer of each party's own arrays.

    Args:
        sources: (x[N_p, ...], y[N_p], ids[N_p]) by the sources' names.
        target: (x[N, ...], ids[N]), the target's training rows. Users whose ids a source has as
            well are their common users; protocols find these without showing the others.
        labels: (ids[labels], y[labels]), the target's own labels; both empty if it has none.
        test: (x[T, ...], y[T]), rows of the target by which a run is reported.
        validation: rows by which coalitions are valued; the test rows if None.
        name: of the target.

    Returns:
        The federation, its features as they are given.

    Raises:
        InvalidInputError: no source, rows that do not go together, ids that occur twice, labels of
            rows that the target does not have, or no user and no class in common.
    """
    require(
        isinstance(sources, Mapping) and len(sources) > 0 and name not in sources,
        f"Expected sources to map names other than {name!r} to (x, y, ids), got none of these.",
    )
    x, ids = target
    own_ids, own = labels
    target_ids = _ids(name, ids)
    places = _places(name, _ids("labels", own_ids), target_ids)
    if len(places) == 0:
        own = None
    coded = _coded(sources, own, test, validation)
    of_sources = tuple(coded.sets[f"y of source {source!r}"] for source in sources)
    y_target = np.full(len(target_ids), UNKNOWN, np.int32)
    if len(places):
        y_target[places] = coded.sets["y of labels"]
    tested = _held_out("test", test[0], coded.sets["y of test"])
    judged = tested
    if validation is not None:
        judged = _held_out("validation", validation[0], coded.sets["y of validation"])
    rows = [_rows(source, one[0], y) for (source, one), y in zip(sources.items(), of_sources)]
    pairs = [_common(_ids(source, one[2]), target_ids) for source, one in sources.items()]
    made = TransferData(
        names=tuple(map(str, sources)),
        target=name,
        x=(*rows, _rows(name, x, target_ids)),
        y=(*of_sources, y_target),
        labelled=places,
        pairs=tuple(pairs),
        validation=judged,
        test=tested,
        num_classes=coded.num_classes or 0,
    )
    return checked(made)


def checked(data: TransferData) -> TransferData:
    """The federation, or a refusal of one from which nothing can be learned."""
    for name, y in zip(data.names, data.y):
        kinds = np.unique(y)
        require(len(kinds) > 0, f"Expected source {name!r} to hold a row.")
        if len(kinds) == 1:
            caution(
                f"Source {name!r} holds {len(y)} rows of one class: alone its anchor says where "
                "its rows are, and nothing of what sets classes apart."
            )
    alone = [name for name, pairs in zip(data.names, data.pairs) if len(pairs) == 0]
    require(
        not alone,
        f"Expected every source to share a user with {data.target!r}, but {listed(alone)} shares "
        "none, so that nothing binds its space to the target's.",
    )
    for held_out in (data.validation, data.test):
        require(
            held_out[0].shape[1:] == data.x[-1].shape[1:],
            f"Expected test rows of {data.target!r} to have features of shape "
            f"{list(data.x[-1].shape[1:])}, got {list(held_out[0].shape[1:])}.",
        )
    return data


# ------------------------------------------------------------------ parts


def _rows(name: str, x: Any, like: HostArray) -> HostArray:
    """float32[N, ...]: the features of a party, a row for each of `like`."""
    rows = np.asarray(x, np.float32)
    require(
        rows.ndim >= 2 and len(rows) == len(like),
        f"Expected x of {name!r} to have {len(like)} rows of features, got shape "
        f"{list(rows.shape)}.",
    )
    finite(f"x of {name!r}", rows)
    return rows


def _coded(
    sources: Mapping[str, tuple[Any, Any, Any]],
    own: Any,
    test: tuple[Any, Any],
    validation: tuple[Any, Any] | None,
) -> Targets:
    """All labels by one code; those of a source under its name."""
    given = {f"y of source {source!r}": one[1] for source, one in sources.items()}
    given |= {"y of test": test[1]}
    if validation is not None:
        given |= {"y of validation": validation[1]}
    if own is not None:
        given |= {"y of labels": own}
    return class_targets(given)


def _held_out(name: str, x: Any, y: HostArray) -> tuple[HostArray, HostArray]:
    """Rows by which models are scored."""
    return _rows(name, x, y), y


def _ids(name: str, ids: Any) -> HostArray:
    """The ids of a party, each once."""
    own = np.asarray(ids)
    require(own.ndim == 1, f"Expected ids of {name!r} to be a list, got shape {list(own.shape)}.")
    kinds, counts = np.unique(own, return_counts=True)
    twice = kinds[counts > 1].tolist()
    require(not twice, f"Expected ids of {name!r} to occur once, but {listed(twice)} do not.")
    return own


def _places(name: str, ids: HostArray, among: HostArray) -> HostArray:
    """int[labels]: where ids stand among the target's."""
    order = np.argsort(among, kind="stable")
    if len(ids) == 0:
        return np.zeros(0, int)
    unknown = ids[~np.isin(ids, among)].tolist()
    require(not unknown, f"Expected labels to be of users of {name!r}, not of {listed(unknown)}.")
    return order[np.searchsorted(among[order], ids)]


def _common(ids: HostArray, of_target: HostArray) -> HostArray:
    """int[pairs, 2]: the rows of the common users of a source and the target."""
    _, first, second = np.intersect1d(ids, of_target, return_indices=True)
    return np.stack([first, second], axis=1)
