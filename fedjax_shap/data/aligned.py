"""Aligned rows of vertical data: which rows the parties have in common, and their sets."""

from collections.abc import Sequence

import numpy as np

from fedjax_shap._validate import caution, integer, listed, number, require
from fedjax_shap.data.pool import Pool, hold_out, standardise
from fedjax_shap.data.row_ids import places_of, require_one_kind
from fedjax_shap.data.splits import strata_of, validation_rows
from fedjax_shap.data.streams import VALIDATION, stream
from fedjax_shap.data.vertical import (
    LABEL_HOLDER,
    OF_LABEL_HOLDER,
    Columns,
    VerticalData,
    checked,
)
from fedjax_shap.typing import HostArray


def common_rows(ids: Sequence[HostArray]) -> tuple[HostArray, ...]:
    """Which rows of each party are of ids that all parties hold, in the order of the ids.

    This compares ids in the clear, as only one who may see them all can do; parties that may not
    find the same rows by private set intersection.

    Args:
        ids: of each party, str or int [N_p], each id once.

    Returns:
        int[N] a party: row k of every party is of one id.

    Raises:
        InvalidInputError: words at one party and numbers at another, or no id in common.
    """
    require_one_kind({f"party {place}": np.asarray(own) for place, own in enumerate(ids)})
    common = ids[0]
    for own in ids[1:]:
        common = np.intersect1d(common, own, assume_unique=True)
    common = np.sort(common)
    require(len(common) > 0, "Expected the parties to have an id in common, but they have none.")
    return tuple(places_of(common, own) for own in ids)


def aligned(data: VerticalData, rows: Sequence[HostArray] | None = None) -> VerticalData:
    """The federation of the rows that all parties hold, in one order.

    Args:
        data: what the parties hold.
        rows: int[N] a party, rows of common ids as an alignment found them; None to compare the
            ids in the clear.

    Returns:
        The data of N rows each, in the order of the ids whatever the order of `rows`: what is
        drawn later does not depend on how rows were aligned.

    Raises:
        InvalidInputError: no common id, or rows that are not of one id.
    """
    if rows is None:
        rows = common_rows(data.ids)
    require(
        len(rows) == len(data.ids) and len({len(own) for own in rows}) == 1 and len(rows[0]) > 0,
        f"Expected rows to be {len(data.ids)} lists of equally many row numbers, one a party.",
    )
    order = np.argsort(data.ids[-1][rows[-1]], kind="stable")
    rows = [np.asarray(own)[order] for own in rows]
    ids = [own[places] for own, places in zip(data.ids, rows)]
    for name, own in zip(data.names, ids):
        require(
            bool(np.array_equal(own, ids[-1])),
            f"Expected the aligned rows of {name!r} and {data.label_holder!r} to be of the same "
            "ids.",
        )
    return data._replace(
        blocks=tuple(block[own] for block, own in zip(data.blocks, rows)),
        ids=tuple(ids),
        y=data.y[rows[-1]],
    )


def columns(
    data: VerticalData,
    rows: Sequence[HostArray] | None = None,
    *,
    test_fraction: float = 0.25,
    validation: float = 0.0,
    seed: int = 0,
) -> Columns:
    """Aligned rows in sets, columns side by side and standardised by the training rows.

    Args:
        data: what the parties hold.
        rows: int[N] a party, the rows that an alignment found; None to compare the ids in the
            clear.
        test_fraction: the fraction of the aligned rows drawn for the test set, nearly the same in
            each class; with 0 the training rows serve as test set too, which is said.
        validation: the fraction of the test set on which coalitions are valued, the rest being the
            test set; if 0, the test set serves as both.
        seed: decides what is drawn.

    Raises:
        InvalidInputError: a setting out of range, nothing in common, or too few rows.
    """
    integer("seed", seed, least=0)
    for name, value in (("test_fraction", test_fraction), ("validation", validation)):
        number(name, value)
        require(0 <= value < 1, f"Expected {name}={value!r} to lie in [0, 1).")
    require(
        test_fraction > 0 or validation == 0,
        f"Expected validation={validation!r} to be left out with test_fraction=0: it is a part of "
        "the test set.",
    )
    whole = aligned(checked(data), rows)
    sets = _sets(whole, test_fraction, validation, seed)
    _say_lost(whole, sets[0])
    raw = np.concatenate(whole.blocks, axis=1)
    train, validated, test = standardise(*(raw[own] for own in sets))
    owners = [*range(len(data.names)), OF_LABEL_HOLDER]
    widths = [block.shape[1] for block in whole.blocks]
    return Columns(
        x=train,
        y=whole.y[sets[0]],
        owners=np.repeat(owners, widths),
        names=data.names,
        label_holder=data.label_holder,
        features=data.features,
        validation=(validated, whole.y[sets[1]]),
        test=(test, whole.y[sets[2]]),
        num_classes=data.num_classes,
    )


def _say_lost(data: VerticalData, train: HostArray) -> None:
    """Says which classes have no training row in common; refuses data where one class is left."""
    if data.num_classes is None:
        return
    left = np.unique(data.y[train])
    require(
        len(left) > 1,
        f"Expected the rows that all parties have in common to be of two classes or more, but the "
        f"{len(train)} training rows among them are all of class {left[0]} of {data.num_classes}.",
    )
    lost = sorted(set(range(data.num_classes)) - set(left.tolist()))
    if lost:
        caution(
            f"Of the classes 0 to {data.num_classes - 1}, no training row that all parties have in "
            f"common is of {listed(lost)}: no model learns them."
        )


def _sets(
    data: VerticalData, test_fraction: float, validation: float, seed: int
) -> tuple[HostArray, HostArray, HostArray]:
    """The training, validation and test rows."""
    everything = np.arange(len(data.y))
    if test_fraction == 0:
        caution(
            "test_fraction = 0: coalitions are valued on the rows that their models were trained "
            "on, which makes every column look better than it is."
        )
        return everything, everything, everything
    strata = strata_of(data.y, data.num_classes)
    rng = np.random.default_rng(seed)
    train, test = hold_out(rng, strata, test_fraction, "test_fraction")
    if validation == 0:
        return train, test, test
    rest, validated = hold_out(rng, strata[test], validation, "validation")
    return train, test[validated], test[rest]


def columns_of(pool: Pool, *, validation: float = 0.0, seed: int = 0) -> Columns:
    """The rows of a pool as columns that are all the label holder's, to be given to parties.

    Args:
        pool: what a source of whole rows gave.
        validation: the fraction of its test set on which coalitions are valued; if 0, the test set
            serves as both.
        seed: decides what is drawn.

    Raises:
        InvalidInputError: rows that have no columns, such as images, several targets a row, or a
            setting out of range.
    """
    require(
        pool.x.ndim == 2 and pool.y.ndim == 1,
        "Expected data whose rows are columns and one label, got features of shape "
        f"{pool.x.shape[1:]} and labels of shape {pool.y.shape[1:]} a row.",
    )
    number("validation", validation)
    require(0 <= validation < 1, f"Expected validation={validation!r} to lie in [0, 1).")
    x, y = pool.test
    train, held_out = standardise(pool.x, x)
    test = (held_out, y)
    validated = test
    if validation > 0:
        rest, rows = validation_rows(pool, stream(seed, VALIDATION), validation)
        test = (held_out[rest], y[rest])
        validated = (held_out[rows], y[rows])
    width = train.shape[1]
    features = pool.notes.get("features", [f"x{place}" for place in range(width)])
    return Columns(
        x=train,
        y=pool.y,
        owners=np.full(width, OF_LABEL_HOLDER),
        names=(),
        label_holder=LABEL_HOLDER,
        features=(tuple(features),),
        validation=validated,
        test=test,
        num_classes=pool.num_classes,
    )


def with_owners(
    columns: Columns,
    kept: Sequence[int],
    owners: Sequence[int],
    names: Sequence[str],
    label_holder: str,
) -> Columns:
    """The same rows with columns of other owners.

    Args:
        columns: the rows.
        kept: the columns to keep.
        owners: of each of them, 0..P-1, or -1 for the label holder.
        names: the P parties besides the label holder.
        label_holder: its name.

    Returns:
        Columns in the order of their owners, the label holder's last, each party's in their order.
    """
    called = column_names(columns)
    own = np.asarray(owners, int)
    last = np.where(own == OF_LABEL_HOLDER, len(names), own)
    order = np.argsort(last, kind="stable")
    places = np.asarray(kept, int)[order]
    features = [
        tuple(called[place] for place in places[last[order] == party])
        for party in range(len(names) + 1)
    ]
    (valid, valid_y), (test, test_y) = columns.validation, columns.test
    return columns._replace(
        x=columns.x[:, places],
        owners=own[order],
        names=tuple(names),
        label_holder=label_holder,
        features=tuple(features),
        validation=(valid[:, places], valid_y),
        test=(test[:, places], test_y),
    )


def column_names(columns: Columns) -> list[str]:
    """The columns' names; with their party's before them where two parties use the same name."""
    plain = [name for party in columns.features for name in party]
    if len(set(plain)) == len(plain):
        return plain
    parties = (*columns.names, columns.label_holder)
    return [f"{party}.{name}" for party, own in zip(parties, columns.features) for name in own]
