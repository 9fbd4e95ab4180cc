"""Aligned rows of vertical data: which rows the parties have in common, and their sets."""

from collections.abc import Sequence

import numpy as np

from fedjax_shap._validate import caution, integer, number, require
from fedjax_shap.data.pool import hold_out, standardise
from fedjax_shap.data.splits import strata_of
from fedjax_shap.data.vertical import OF_LABEL_HOLDER, Columns, VerticalData, checked
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
    kinds = {np.asarray(own).dtype.kind in "iu" for own in ids}
    require(
        len(kinds) == 1,
        "Expected the ids of all parties to be of one kind, got numbers at some and words at "
        "others.",
    )
    common = ids[0]
    for own in ids[1:]:
        common = np.intersect1d(common, own, assume_unique=True)
    common = np.sort(common)
    require(len(common) > 0, "Expected the parties to have an id in common, but they have none.")
    return tuple(_places(own, common) for own in ids)


def _places(ids: HostArray, wanted: HostArray) -> HostArray:
    """Where each wanted id stands among ids, int[N]."""
    order = np.argsort(ids, kind="stable")
    return np.asarray(order[np.searchsorted(ids[order], wanted)])


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
