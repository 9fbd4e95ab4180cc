"""Federations for transfer from one table: parties that know its users by different columns, and a
member that learns from the other members.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial import cKDTree

from fedjax_shap._validate import integer, listed, one_of, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.pool import hold_out
from fedjax_shap.data.transfer import TransferData, checked
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
        y: int[T], their classes 0..L-1.
        test: (x, y) of further rows, of which the target sees its columns.
        columns: the columns of each party, by name.
        target: the party among them that has few labels.
        overlap: common users, >= 1.
        labels: the target's labelled users, >= 0.
        rows: how many users each source has, common ones included; all but the target's own if
            None.
        seed: decides who is who.

    Raises:
        InvalidInputError: fewer users than asked for, an unknown target or column, or rows from
            which nothing can be learned.
    """
    require(
        target in columns and len(columns) > 1,
        f"Expected columns to name the target {target!r} and a source, got "
        f"{listed(list(columns))}.",
    )
    held = _users_of_sources(len(y), overlap, labels, rows)
    order = np.random.default_rng([seed, len(y)]).permutation(len(y))
    own = order[:labels]
    of_sources = order[labels : labels + held]
    of_target = np.concatenate([own, of_sources[:overlap]])
    places = {party: np.asarray(own_columns, int) for party, own_columns in columns.items()}
    names = tuple(party for party in columns if party != target)
    common = np.stack([np.arange(overlap), labels + np.arange(overlap)], axis=1)
    seen = (np.asarray(test[0][:, places[target]], np.float32), np.asarray(test[1], np.int32))
    made = TransferData(
        names=names,
        target=target,
        x=(
            *(x[np.ix_(of_sources, places[name])].astype(np.float32) for name in names),
            x[np.ix_(of_target, places[target])].astype(np.float32),
        ),
        y=(*(y[of_sources].astype(np.int32) for _ in names), y[of_target].astype(np.int32)),
        labelled=np.arange(labels),
        pairs=(common,) * len(names),
        validation=seen,
        test=seen,
        num_classes=int(max(y.max(), test[1].max())) + 1,
    )
    return checked(made)


def between(
    data: FederatedData,
    target: str,
    *,
    labels: int,
    test: tuple[HostArray, HostArray] | None = None,
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
            the federation has these, else its rows without labels.
        seed: decides which rows have labels.

    Raises:
        InvalidInputError: no such member, as many labels as rows, or rows from which nothing can be
            learned.
    """
    one_of("target", target, data.names, "a member")
    place = data.names.index(target)
    x, y = data.client(place)
    integer("labels", labels, least=1, most=len(y) - 1)
    rng = np.random.default_rng([seed, len(y)])
    rest, labelled = hold_out(rng, y, labels / len(y), "labels")
    said = [
        "Members have no user in common: each training row of the target is paired with the most "
        "similar row of each source."
    ]
    if test is None and data.owners is not None:
        own = np.asarray(data.owners) == place
        test = tuple(np.asarray(part)[own] for part in data.validation)
    if test is None:
        test = (x[rest], y[rest])
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
        validation=test,
        test=test,
        num_classes=data.classes,
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
    tree = cKDTree(source.reshape(len(source), -1).astype(np.float64))
    _, nearest = tree.query(target.reshape(len(target), -1).astype(np.float64))
    return np.stack([nearest, np.arange(len(target))], axis=1)


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
