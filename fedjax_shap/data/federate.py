"""From a pool to a federation: its rows are split among clients, and a validation set held out."""

from dataclasses import replace

import numpy as np

from fedjax_shap._validate import caution, function_of, integer, listed, number, of_kind, require
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Partition, Shares
from fedjax_shap.data.splits import hold_out_within, strata_of, validation_rows
from fedjax_shap.data.streams import MEMBER_TESTS, PARTITION, VALIDATION, VALIDATION_USERS, stream
from fedjax_shap.trees import placed
from fedjax_shap.typing import HostArray


def federate(
    pool: Pool,
    partition: Partition,
    *,
    seed: int,
    validation: float = 0.0,
    member_test: float = 0.0,
    validation_users: float = 0.0,
) -> FederatedData:
    """Gives the rows of a pool to clients.

    Args:
        pool: what a source gave.
        partition: who gets which rows; made by a factory in `PARTITIONS`.
        seed: decides the partition and, apart from it, the validation set.
        validation: the fraction of the test set that becomes the validation set (nearly the same in
            each class, and in each member where the test rows' members are known), the rest being
            the test set; if 0, the test set serves as both.
        member_test: the fraction of its training rows that each member holds out as its own test
            rows (nearly the same in each class). Together these are the validation set, and the
            pool's test set is the test set. If 0, test rows belong to members where the pool says
            so, in the column by which the partition goes.
        validation_users: the fraction of the members of the partition, rounded and at least one,
            who never train: their rows are the validation set, and they are no clients. The pool's
            test set is the test set.

    Returns:
        The federation.

    Raises:
        InvalidInputError: a seed or a fraction out of range, nobody who would train, or what the
            partition refuses.
    """
    of_kind("pool", pool, Pool, "load('digits')")
    example = "partitions.iid(num_clients=5)"
    function_of("partition", partition, ("a generator", "a pool"), example)
    integer("seed", seed, least=0)
    _check_fractions(validation, member_test, validation_users)
    shares = partition(stream(seed, PARTITION), pool)
    if validation_users > 0:
        rng = stream(seed, VALIDATION_USERS)
        return _with_classes(_with_users_apart(pool, shares, rng, validation_users), pool)
    if member_test > 0:
        rng = stream(seed, MEMBER_TESTS)
        return _with_classes(_with_member_tests(pool, shares, rng, member_test), pool)
    rng = stream(seed, VALIDATION)
    return _with_classes(_with_servers_tests(pool, shares, rng, validation), pool)


def _check_fractions(validation: float, member_test: float, validation_users: float) -> None:
    """Refuses fractions outside [0, 1), and two at once."""
    given = {
        "validation": validation,
        "member_test": member_test,
        "validation_users": validation_users,
    }
    for name, fraction in given.items():
        number(name, fraction)
        require(0 <= fraction < 1, f"Expected {name}={fraction!r} to lie in [0, 1).")
    require(
        validation == 0 or member_test == 0,
        f"Expected validation={validation!r} to be left out with member_test={member_test!r}: the "
        "members' own test rows are the validation set.",
    )
    for name in ("validation", "member_test"):
        require(
            given[name] == 0 or validation_users == 0,
            f"Expected {name}={given[name]!r} to be left out with "
            f"validation_users={validation_users!r}: the rows of users who never train are the "
            "validation set.",
        )


def _with_servers_tests(
    pool: Pool, shares: Shares, rng: np.random.Generator, validation: float
) -> FederatedData:
    """The federation whose test rows are the server's, a fraction of them for validation."""
    x, y = pool.test
    test = (x, y)
    validated = None
    owners = _owners(pool, shares)
    if validation > 0:
        rest, rows = validation_rows(pool, rng, validation)
        test = (x[rest], y[rest])
        validated = (x[rows], y[rows])
        if owners is not None:
            owners = owners[rows]
    data = from_arrays(
        [(pool.x[rows], pool.y[rows]) for rows in shares.rows],
        test,
        validated,
        names=shares.names,
        num_classes=pool.num_classes,
        quantities=pool.num_classes is None,
    )
    if owners is None:
        return data
    return replace(data, owners=placed(owners))


def _with_users_apart(
    pool: Pool, shares: Shares, rng: np.random.Generator, fraction: float
) -> FederatedData:
    """The federation of those who train, valued on the rows of those who never do."""
    count = len(shares.rows)
    apart = max(1, round(fraction * count))
    require(
        apart < count,
        f"Expected validation_users={fraction!r} to leave a member who trains, but it takes "
        f"{apart} of {count}.",
    )
    users = np.sort(rng.permutation(count)[:apart])
    trains = [place for place in range(count) if place not in users]
    names = [shares.names[place] for place in users]
    rows = np.concatenate([shares.rows[place] for place in users])
    caution(
        f"Kept apart for validation: {apart} of {count} members, who never train and are neither "
        f"valued nor paid; coalitions are valued on their {len(rows):,} rows: {listed(names)}."
    )
    if apart == 1:
        caution(
            "With one user kept apart for validation, the variance of a utility over users is "
            "unknown; a larger validation_users gives it."
        )
    data = from_arrays(
        [(pool.x[shares.rows[place]], pool.y[shares.rows[place]]) for place in trains],
        pool.test,
        (pool.x[rows], pool.y[rows]),
        names=[shares.names[place] for place in trains],
        num_classes=pool.num_classes,
        quantities=pool.num_classes is None,
    )
    sizes = [len(shares.rows[place]) for place in users]
    return replace(data, users=placed(np.repeat(np.arange(apart), sizes).astype(np.int32)))


def _with_classes(data: FederatedData, pool: Pool) -> FederatedData:
    """The federation, with the names and the order of its classes where the source says them."""
    order: tuple[int, ...] = ()
    if pool.class_order is not None:
        order = tuple(pool.class_order.tolist())
    data = replace(data, class_order=order)
    labels = tuple(str(label) for label in pool.notes.get("labels", ()))
    if len(labels) != pool.num_classes:
        return data
    return replace(data, class_names=labels)


def _owners(pool: Pool, shares: Shares) -> HostArray | None:
    """int32[T], the client whose each test row is, -1 for nobody's; None where none is known."""
    cells = pool.test_columns.get(shares.column or "")
    if cells is None:
        return None
    place = {name: index for index, name in enumerate(shares.names)}
    return np.array([place.get(str(cell), -1) for cell in np.asarray(cells).tolist()], np.int32)


def _with_member_tests(
    pool: Pool, shares: Shares, rng: np.random.Generator, fraction: float
) -> FederatedData:
    """The federation whose members hold out test rows of their own."""
    sizes = [len(rows) for rows in shares.rows]
    members = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.concatenate(shares.rows)
    strata = strata_of(pool.y[rows], pool.num_classes)
    _, drawn = hold_out_within(rng, members, strata, fraction, "member_test")
    # each member keeps its rows in their order
    out = np.isin(np.arange(len(rows)), drawn)
    kept = [rows[(members == index) & ~out] for index in range(len(sizes))]
    held = [rows[(members == index) & out] for index in range(len(sizes))]
    return from_arrays(
        [(pool.x[own], pool.y[own]) for own in kept],
        pool.test,
        member_tests=[(pool.x[own], pool.y[own]) if len(own) else None for own in held],
        names=shares.names,
        num_classes=pool.num_classes,
        quantities=pool.num_classes is None,
    )
