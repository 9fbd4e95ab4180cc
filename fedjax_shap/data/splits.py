"""Splits of rows in two, each member's rows by themselves: training and test, or test and
validation.
"""

from collections.abc import Sequence

import numpy as np

from fedjax_shap._validate import caution, listed, require
from fedjax_shap.data.pool import Pool, evenly_spaced, hold_out, num_held_out
from fedjax_shap.data.targets import bins
from fedjax_shap.typing import HostArray

TARGET_BINS = 10  # of equally many rows each, where rows have quantities instead of classes


def appearance(values: HostArray) -> HostArray:
    """Numbers 0, 1, ... for values in the order in which they first appear, int[T].

    What is drawn by these numbers does not depend on how the values are called.
    """
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[codes.reshape(-1)])


def strata_of(y: HostArray, num_classes: int | None) -> HostArray:
    """Which rows are alike in what is to be learnt, int[T].

    Args:
        y: [T] classes, or [T] or [T, D] quantities.
        num_classes: None where y are quantities, which then go into bins of equally many rows by
            their first column.

    Returns:
        The classes in the order in which they first appear, or the bins in their order.
    """
    if num_classes is not None:
        return appearance(y)
    return bins(y, TARGET_BINS)


def hold_out_within(
    rng: np.random.Generator,
    members: HostArray,
    strata: HostArray,
    fraction: float,
    name: str,
) -> tuple[HostArray, HostArray]:
    """Splits rows in two at random, so that each member gives nearly its own proportion.

    Args:
        rng: the generator that decides.
        members: int[T], whose row it is, 0, 1, ...
        strata: int[T], the row's class or bin, see `strata_of`.
        fraction: the fraction of the rows to hold out, in (0, 1).
        name: how the fraction is called in a refusal.

    Returns:
        (kept, held out), row indices in random order.

    Raises:
        InvalidInputError: a fraction outside (0, 1), or one that leaves either side without a row.

    Guarantees:
        Of the n rows of a member, or of a class of a member, floor(fraction * n) or
        ceil(fraction * n) are held out (the fraction being that of round(fraction * T) rows), but
        never all rows of a member.
    """
    count = num_held_out(len(members), fraction, name)
    # sort by member, in it by class in an order of its own, in random order within a class
    _, cells = np.unique(members * (strata.max() + 1) + strata, return_inverse=True)
    order = rng.permutation(cells.max() + 1)
    rows = rng.permutation(len(members))
    rows = rows[np.lexsort((order[cells[rows]], members[rows]))]
    chosen = evenly_spaced(rng, len(rows), count)
    # a member all of whose rows were drawn gets one back
    kept = np.bincount(members[rows[~chosen]], minlength=members.max() + 1)
    _, first = np.unique(members[rows], return_index=True)
    chosen[first[kept == 0]] = False
    require(
        bool(chosen.any()),
        f"Expected {name}={fraction!r} of {len(rows)} rows to hold out a row, but every member has "
        "one row only, which it keeps.",
    )
    return rng.permutation(rows[~chosen]), rng.permutation(rows[chosen])


def draw_test(
    seed: int, members: HostArray | None, strata: HostArray, fraction: float
) -> tuple[HostArray, HostArray]:
    """(training, test) rows of a file that does not state them, within members where there are any.

    Args:
        seed: decides.
        members: str[T], whose row it is; None where nobody's.
        strata: int[T], see `strata_of`.
        fraction: of the rows, for the test set.
    """
    rng = np.random.default_rng(seed)
    if members is None:
        return hold_out(rng, strata, fraction, "test_fraction")
    return hold_out_within(rng, appearance(members), strata, fraction, "test_fraction")


def validation_rows(
    pool: Pool, rng: np.random.Generator, fraction: float
) -> tuple[HostArray, HostArray]:
    """(test, validation) rows among a pool's test rows, within members where these are known."""
    _, y = pool.test
    if pool.num_classes is None:
        strata = strata_of(y, None)
    elif pool.class_order is None:
        strata = y
    else:
        strata = pool.class_order[y]
    members = pool.test_columns.get(pool.natural or "")
    if members is None:
        return hold_out(rng, strata, fraction, "validation")
    return hold_out_within(rng, appearance(members), strata, fraction, "validation")


def say_single(name: str, kind: str, called: HostArray) -> None:
    """A caution that names members or classes of one row: a line of totals, a slip of the pen.

    Args:
        name: the file.
        kind: "member" or "class".
        called: str[T], whose or of which class each row is; "" for nobody's.
    """
    names, counts = np.unique(np.asarray(called), return_counts=True)
    single = [one for one in names[counts == 1].tolist() if one]
    if single and len(single) < len(names):
        caution(
            f"{name}: one row alone is of {kind} {listed(single)}; leave it out, if that is no "
            f"{kind}."
        )


def say_untrained(name: str, members: HostArray, train: HostArray) -> None:
    """A caution that names the members all of whose rows are test rows.

    Args:
        name: the file.
        members: str[T], whose row it is; "" for nobody's.
        train: bool[T], the training rows.
    """
    untrained = sorted(set(members.tolist()) - set(members[train].tolist()) - {""})
    if untrained:
        caution(
            f"{name}: members with test rows only train nothing, so they are left out and get no "
            f"value: {listed(untrained)}; state a training row for them, or leave their rows out."
        )


def say_untaught(name: str, labels: Sequence[str], y: HostArray) -> None:
    """A caution that names the classes that no training row has.

    Args:
        name: where the rows are from.
        labels: the classes' names; none where rows have quantities.
        y: int[T], the training rows' classes.
    """
    seen = np.unique(y)
    untaught = [label for place, label in enumerate(labels) if place not in seen]
    if untaught:
        caution(
            f"{name}: no training row is of class {listed(untaught)}, so no model learns it, but "
            "it counts as a possible answer; leave its test rows out, if that is not meant."
        )


def say_shared(name: str, train: HostArray, test: HostArray) -> None:
    """A caution where most rows of a stated test set are training rows as well.

    Args:
        name: the file.
        train: float32[T, ...], the training rows' features.
        test: float32[T, ...], those of the test rows.
    """
    known = {row.tobytes() for row in train}
    shared = sum(row.tobytes() in known for row in test)
    if 2 * shared > len(test):
        caution(
            f"{name}: {shared} of {len(test)} test rows are training rows as well, which makes "
            "those who hold them look better than they are; leave them out of one of the two."
        )
