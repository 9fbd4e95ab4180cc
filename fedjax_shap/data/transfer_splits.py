"""Federations for transfer from one table: parties that know its users by different columns, and a
member that learns from the other members.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from fedjax_shap._validate import a_text, integer, listed, of_kind, one_of, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.pool import hold_out
from fedjax_shap.data.transfer import TransferData, checked
from fedjax_shap.data.transfer_parts import (
    NUMBERS,
    cells,
    coded,
    column_places,
    features,
    kind_of,
    parts_of,
    party_names,
)
from fedjax_shap.typing import HostArray


def by_columns(
    x: HostArray,
    y: HostArray,
    test: tuple[HostArray, HostArray],
    columns: Mapping[str, Sequence[int]],
    *,
    target: str,
    overlap: int,
    labels: int,
    rows: int | None = None,
    seed: int = 0,
) -> TransferData:
    """A federation of parties that know the users of one table by different columns.

    Users are drawn in one order that depends on the seed alone: the first are the target's `labels`
    labelled ones, whom no source knows, the next are the common users of everyone, and the others
    are the sources' own. So with more overlap the target's labels stay the same.

    Args:
        x: float[T, F], training rows.
        y: [T], their classes: ids 0..L-1, texts, or truth values.
        test: (x, y) of further rows, of which the target sees its columns.
        columns: the columns 0..F-1 of each party, by name; each once, at least one.
        target: the party among them that has few labels.
        overlap: common users, >= 1.
        labels: the target's labelled users, >= 0.
        rows: how many users each source has, common ones included; all but the target's own if
            None.
        seed: decides who is who.

    Raises:
        InvalidInputError: fewer users than asked for, an unknown target or column, features that
            are not finite, labels that are no classes, or rows from which nothing can be learned.
    """
    x, test_x = _tables(x, test)
    names = _sources_of(columns, target)
    places = {
        party: column_places(f"columns[{party!r}]", own, x.shape[1])
        for party, own in columns.items()
    }
    codes = coded({"y": (y, len(x)), "y of test": (test[1], len(test_x))})
    y = codes.sets["y"]
    integer("seed", seed, least=0)
    held = _users_of_sources(len(y), overlap, labels, rows)
    order = np.random.default_rng([seed, len(y)]).permutation(len(y))
    own = order[:labels]
    of_sources = order[labels : labels + held]
    of_target = np.concatenate([own, of_sources[:overlap]])
    common = np.stack([np.arange(overlap), labels + np.arange(overlap)], axis=1)
    seen = (test_x[:, places[target]], codes.sets["y of test"])
    made = TransferData(
        names=names,
        target=target,
        x=(
            *(x[np.ix_(of_sources, places[name])] for name in names),
            x[np.ix_(of_target, places[target])],
        ),
        y=(*(y[of_sources] for _ in names), y[of_target]),
        labelled=np.arange(labels),
        pairs=(common,) * len(names),
        validation=seen,
        test=seen,
        num_classes=codes.num_classes or 0,
    )
    return checked(made)


def between(
    data: FederatedData,
    target: str,
    *,
    labels: int,
    test: tuple[Any, Any] | None = None,
    seed: int = 0,
) -> TransferData:
    """A federation in which one member of a horizontal one learns from the others.

    Members have no user in common. So each training row of the target is paired with the most
    similar row of each source, see `matched`: that assumption is what binds their spaces.

    Args:
        data: the members, who hold rows of classes.
        target: the name of the one that learns.
        labels: how many of its rows have labels, drawn by class, >= 1.
        test: (x, y) of the target's own rows by which models are scored; its own test rows where
            the federation has these, else its rows without labels. Its classes are the ids of the
            federation's, or their names.
        seed: decides which rows have labels.

    Raises:
        InvalidInputError: no such member, as many labels as rows, test rows that are not like the
            target's or of other classes, or rows from which nothing can be learned.
    """
    of_kind("data", data, FederatedData, "from_arrays(...)")
    num_classes = data.classes
    one_of("target", target, data.names, "a member")
    integer("seed", seed, least=0)
    place = data.names.index(target)
    x, y = data.client(place)
    integer("labels", labels, least=1, most=len(y) - 1)
    rng = np.random.default_rng([seed, len(y)])
    rest, labelled = hold_out(rng, y, labels / len(y), "labels")
    said = [
        "Members have no user in common: each training row of the target is paired with the most "
        "similar row of each source."
    ]
    scored = _own_test(data, place)
    if test is not None:
        scored = _test_rows(data, test)
    if scored is None:
        scored = (x[rest], y[rest])
        said.append(f"{target!r} has no test rows of its own: its rows without labels are these.")
    others = [index for index in range(data.num_clients) if index != place]
    held = [data.client(index) for index in others]
    made = TransferData(
        names=tuple(data.names[index] for index in others),
        target=target,
        x=(*(rows for rows, _ in held), x),
        y=(*(own_labels for _, own_labels in held), y),
        labelled=labelled,
        pairs=tuple(matched(rows, x) for rows, _ in held),
        validation=scored,
        test=scored,
        num_classes=num_classes,
        said=tuple(said),
    )
    return checked(made)


def matched(source: HostArray, target: HostArray) -> HostArray:
    """Pairs where no user is common: each row of a target with the most similar one of a source.

    Nobody is the same in them; they say which rows of two parties should mean the same. No label is
    looked at.

    Args:
        source: float[N, ...], the rows of the source, in features that both have.
        target: float[M, ...], those of the target.

    Returns:
        int[M, 2], (row of the source, row of the target).
    """
    rows, own = features("source", source), features("target", target)
    require(
        rows.shape[1:] == own.shape[1:],
        f"Expected source and target to have the same features, got shapes {list(rows.shape[1:])} "
        f"and {list(own.shape[1:])} a row.",
    )
    tree = scipy.spatial.cKDTree(np.asarray(source, np.float64).reshape(len(rows), -1))
    _, nearest = tree.query(np.asarray(target, np.float64).reshape(len(own), -1))
    return np.stack([nearest, np.arange(len(own))], axis=1)


# ------------------------------------------------------------------ parts


def _tables(x: Any, test: Any) -> tuple[HostArray, HostArray]:
    """float32[T, F] each: the training rows, and the features of the test rows."""
    train = features("train", x)
    test_x = features("test", parts_of("test", test, ("x", "y"))[0])
    require(
        train.ndim == 2 and test_x.shape[1:] == train.shape[1:],
        "Expected x and the x of test to be tables of the same columns, got shapes "
        f"{list(train.shape)} and {list(test_x.shape)}.",
    )
    return train, test_x


def _sources_of(columns: Any, target: str) -> tuple[str, ...]:
    """The parties besides the target."""
    require(
        isinstance(columns, Mapping),
        f"Expected columns={columns!r} to map names of parties to their columns.",
    )
    a_text("target", target)
    require(
        target in columns and len(columns) > 1,
        f"Expected columns to name the target {target!r} and a source, got "
        f"{listed(list(columns))}.",
    )
    return party_names([party for party in columns if party != target], target)


def _own_test(data: FederatedData, place: int) -> tuple[HostArray, HostArray] | None:
    """The test rows of one member, or None where it has none."""
    if data.owners is None:
        return None
    own = np.asarray(data.owners) == place
    if not own.any():
        return None
    x, y = (np.asarray(part)[own] for part in data.validation)
    return x, y


def _test_rows(data: FederatedData, test: Any) -> tuple[HostArray, HostArray]:
    """Given test rows, their classes by the federation's code."""
    x, y = parts_of("test", test, ("x", "y"))
    rows = features("test", x)
    given = {"y of test": (y, len(rows))}
    if kind_of("y of test", cells("y of test", y)) == NUMBERS:
        codes = coded(given, num_classes=data.classes)
    else:
        require(
            len(data.class_names) > 0,
            f"Expected y of test to hold class ids 0..{data.classes - 1}, as the federation does.",
        )
        codes = coded(given, classes=data.class_names)
    return rows, codes.sets["y of test"]


def _users_of_sources(count: int, overlap: int, labels: int, rows: int | None) -> int:
    """How many users each source has, or a refusal of more than there are."""
    integer("overlap", overlap, least=1)
    integer("labels", labels, least=0)
    require(
        labels + overlap <= count,
        f"Expected labels={labels} and overlap={overlap} to be at most {count} users together.",
    )
    most = count - labels
    if rows is None:
        rows = most
    integer("rows", rows, least=overlap)
    require(
        rows <= most,
        f"Expected labels={labels} and rows={rows} to be at most {count} users together, as the "
        "target's labelled users are no source's.",
    )
    return rows
