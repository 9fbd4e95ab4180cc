"""Federations for transfer: sources with labels, and a target that shares few users with them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import caution, described, how_many, listed, require
from fedjax_shap.data.row_ids import places_of, require_one_kind, row_ids
from fedjax_shap.data.targets import Targets
from fedjax_shap.data.transfer_parts import cells, coded, features, parts_of, party_names
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
            well are their common users; protocols find these without showing the others. Ids are
            whole numbers at all parties, or texts at all: 7 and "7" are two ids.
        labels: (ids[labels], y[labels]), the target's own labels; ([], []) if it has none. Labels
            of all parties are of one kind: class ids, texts, or truth values.
        test: (x[T, ...], y[T]), rows of the target by which a run is reported.
        validation: rows by which coalitions are valued; the test rows if None.
        name: of the target.

    Returns:
        The federation, its features as they are given.

    Raises:
        InvalidInputError: no source, names that are empty or the same, rows that do not go
            together, ids that occur twice or are of two kinds, labels of rows that the target does
            not have, fewer than two classes, or no user in common.
    """
    require(
        isinstance(sources, Mapping) and len(sources) > 0,
        f"Expected sources={described(sources)} to map names to (x, y, ids), at least one.",
    )
    names = party_names(sources, name)
    held = [_source(source, sources[source]) for source in names]
    x, ids = parts_of("target", target, ("x", "ids"))
    rows = features("target", x)
    target_ids = _ids(f"target {name!r}", ids, len(rows))
    require_one_kind({**{one.name: one.ids for one in held}, name: target_ids})
    own_ids, own = parts_of("labels", labels, ("ids", "y"))
    places = _places(name, own_ids, target_ids)
    scored = {"test": _held_out("test", test)}
    if validation is not None:
        scored["validation"] = _held_out("validation", validation)
    codes = _coded(held, scored, own, len(places))
    y_target = np.full(len(rows), UNKNOWN, np.int32)
    if len(places):
        y_target[places] = codes.sets["y of labels"]
    sets = {one: (x, codes.sets[f"y of {one}"]) for one, (x, _) in scored.items()}
    made = TransferData(
        names=names,
        target=name,
        x=(*(one.x for one in held), rows),
        y=(*(codes.sets[f"y of source {one.name!r}"] for one in held), y_target),
        labelled=places,
        pairs=tuple(_common(one.ids, target_ids) for one in held),
        validation=sets.get("validation", sets["test"]),
        test=sets["test"],
        num_classes=codes.num_classes or 0,
    )
    return checked(made)


def checked(data: TransferData) -> TransferData:
    """The federation, or a refusal of one from which nothing can be learned."""
    party_names(data.names, data.target)
    require(len(data.names) > 0, f"Expected {data.target!r} to have a source, but it has none.")
    require(
        data.num_classes >= 2,
        "Expected rows of at least two classes, but all labels are of the same one.",
    )
    for name, x, y in zip(data.names, data.x, data.y):
        _require_rows(f"source {name!r}", (x, y), data.num_classes)
    _require_rows(f"target {data.target!r}", (data.x[-1], data.y[-1]), data.num_classes, UNKNOWN)
    for name, held_out in (("validation", data.validation), ("test", data.test)):
        _require_rows(name, held_out, data.num_classes)
        require(
            held_out[0].shape[1:] == data.x[-1].shape[1:],
            f"Expected {name} rows of {data.target!r} to have features of shape "
            f"{list(data.x[-1].shape[1:])}, got {list(held_out[0].shape[1:])}.",
        )
    alone = [name for name, pairs in zip(data.names, data.pairs) if len(pairs) == 0]
    require(
        not alone,
        f"Expected every source to share a user with {data.target!r}, but {listed(alone)} shares "
        "none, so that nothing binds its space to the target's.",
    )
    for name, y in zip(data.names, data.y):
        if len(np.unique(y)) == 1:
            caution(
                f"Source {name!r} holds {how_many(len(y), 'row')} of one class: alone its anchor "
                "says where its rows are, and nothing of what sets classes apart."
            )
    return data


# ------------------------------------------------------------------ parts


class _Source(NamedTuple):
    """What a source brings: its rows, their labels as they were given, and their ids."""

    name: str
    x: HostArray
    y: Any
    ids: HostArray


def _source(name: str, given: Any) -> _Source:
    """What a source brings."""
    x, y, ids = parts_of(f"sources[{name!r}]", given, ("x", "y", "ids"))
    rows = features(f"sources[{name!r}]", x)
    return _Source(name, rows, y, _ids(f"source {name!r}", ids, len(rows)))


def _coded(
    held: Sequence[_Source], scored: Mapping[str, tuple[HostArray, Any]], own: Any, labels: int
) -> Targets:
    """One code for the labels of all; those of a source under its name."""
    given = {f"y of source {one.name!r}": (one.y, len(one.x)) for one in held}
    given |= {f"y of {one}": (y, len(x)) for one, (x, y) in scored.items()}
    if labels > 0:
        given["y of labels"] = (own, labels)
    else:
        count = len(cells("y of labels", own))
        require(
            count == 0,
            f"Expected labels to hold the id of each of {count} labelled users, got none.",
        )
    return coded(given)


def _held_out(name: str, given: Any) -> tuple[HostArray, Any]:
    """Rows by which models are scored, and their labels as they were given."""
    x, y = parts_of(name, given, ("x", "y"))
    return features(name, x), y


def _require_rows(
    name: str, rows: tuple[HostArray, HostArray], num_classes: int, least: int = 0
) -> None:
    """Refuses features that are no finite numbers, and labels that are not `least`..L-1."""
    x, y = rows
    count = len(features(name, x))
    require(
        y.shape == (count,) and y.dtype.kind in "iu",
        f"Expected {name} to have a class id for each of {count} rows, got {y.dtype} of shape "
        f"{list(y.shape)}.",
    )
    require(
        bool(least <= y.min() and y.max() < num_classes),
        f"Expected labels of {name} in 0..{num_classes - 1}, as there are {num_classes} classes, "
        f"got {y.min()}..{y.max()}.",
    )


def _ids(owner: str, given: Any, count: int | None = None) -> HostArray:
    """int64[N] or str[N]: the ids of a party, each once, one for each of its `count` rows."""
    own = row_ids(owner, given)
    require(
        count in (None, len(own)),
        f"Expected {owner} to have an id for each of {count} rows, got {len(own)}.",
    )
    kinds, counts = np.unique(own, return_counts=True)
    twice = kinds[counts > 1].tolist()
    require(not twice, f"Expected ids of {owner} to occur once, but {listed(twice)} do not.")
    return own


def _places(name: str, given: Any, among: HostArray) -> HostArray:
    """int[labels]: where the target's labelled users stand among its own."""
    ids = _ids("labels", given)
    if len(ids) == 0:
        return np.zeros(0, int)
    require_one_kind({name: among, "labels": ids})
    unknown = ids[~np.isin(ids, among)].tolist()
    require(not unknown, f"Expected labels to be of users of {name!r}, not of {listed(unknown)}.")
    return places_of(ids, among)


def _common(ids: HostArray, of_target: HostArray) -> HostArray:
    """int[pairs, 2]: the rows of the common users of a source and the target."""
    _, first, second = np.intersect1d(ids, of_target, return_indices=True)
    return np.stack([first, second], axis=1)
