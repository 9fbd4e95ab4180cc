"""Partitions by size or by column, and the registry of all: who gets which rows of a pool."""

import re
from collections.abc import Callable

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, integer, number, one_of, require
from fedjax_shap.data.label_skew import dirichlet, label_pairs, shards
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Partition, Shares, apportion, as_shares, draw_counts
from fedjax_shap.data.targets import bins as ranges
from fedjax_shap.typing import HostArray

__all__ = [
    "PARTITIONS",
    "Partition",
    "by_column",
    "dirichlet",
    "iid",
    "label_pairs",
    "natural",
    "quantity",
    "shards",
]


def iid(*, num_clients: int) -> Partition:
    """Rows given out at random, to sizes that differ by one at most.

    Args:
        num_clients: C.

    Raises:
        InvalidInputError: num_clients < 1; later, fewer rows than clients.
    """
    integer("num_clients", num_clients, least=1)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        return as_shares(np.array_split(rng.permutation(pool.num_rows), num_clients))

    return split


def quantity(
    *,
    num_clients: int | None = None,
    alpha: float | None = None,
    ratios: tuple[float, ...] | None = None,
    on_empty: str = "redraw",
    min_size: int = 1,
) -> Partition:
    """Size skew: rows given out at random, to sizes in ratios or drawn from Dirichlet(alpha).

    Args:
        num_clients: C; as many as there are ratios if None.
        alpha: the concentration of the sizes: small for a few large clients, large for equal ones.
        ratios: the clients' sizes up to a factor, such as (2, 3, 4, 5, 6). Exactly one of alpha and
            ratios is given.
        on_empty: where drawn sizes leave a client fewer than `min_size` rows, "redraw" (at most
            1,000 times) or "refuse"; stated ratios that do are refused.
        min_size: the least number of rows a client must get.

    Raises:
        InvalidInputError: a setting out of range; later, too few rows, or a client left with fewer
            than `min_size`.

    References:
        Song, Tong, Wei 2019, "Profit allocation for federated learning", setting 3, for the ratios.
    """
    require(
        (alpha is None) != (ratios is None),
        f"Expected exactly one of alpha={alpha!r} and ratios={ratios!r} to be given, such as "
        "alpha = 1.0 or ratios = [1, 2, 3].",
    )
    one_of("on_empty", on_empty, ("redraw", "refuse"))
    integer("min_size", min_size, least=1)
    if ratios is None:
        number("alpha", alpha, above=0)
        integer("num_clients", num_clients, least=1)
        assert num_clients is not None and alpha is not None  # checked above
        return _by_concentration(num_clients, alpha, on_empty, min_size)
    for i, ratio in enumerate(ratios):
        number(f"ratios[{i}]", ratio, above=0)
    clients = len(ratios) if num_clients is None else num_clients
    integer("num_clients", clients, least=1)
    require(
        len(ratios) == clients, f"Expected ratios={ratios} to be num_clients={clients} numbers."
    )
    return _by_ratios(ratios, min_size)


def _by_ratios(ratios: tuple[float, ...], min_size: int) -> Partition:
    """Clients of sizes in stated ratios."""

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        def draw() -> HostArray:
            return apportion(np.asarray(ratios, float), pool.num_rows)[None]

        what = f"quantity with ratios={ratios}"
        counts = draw_counts(draw, pool, len(ratios), "refuse", min_size, what)
        return _of_sizes(rng, pool, counts[0])

    return split


def _by_concentration(num_clients: int, alpha: float, on_empty: str, min_size: int) -> Partition:
    """Clients of sizes drawn from Dirichlet(alpha)."""

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        def draw() -> HostArray:
            return apportion(rng.dirichlet(np.full(num_clients, alpha)), pool.num_rows)[None]

        what = f"quantity with alpha={alpha:g}"
        counts = draw_counts(draw, pool, num_clients, on_empty, min_size, what)
        return _of_sizes(rng, pool, counts[0])

    return split


def _of_sizes(rng: np.random.Generator, pool: Pool, sizes: HostArray) -> Shares:
    """Clients of these sizes, int[C], whose rows are drawn at random."""
    return as_shares(np.split(rng.permutation(pool.num_rows), np.cumsum(sizes)[:-1]))


def by_column(*, column: str | None = None, bins: int | None = None) -> Partition:
    """The federation that the data come in: each value of a column is a client of that name.

    Clients stand in sorted order, in which numbers inside names count as numbers: "client 2" stands
    before "client 10".

    Args:
        column: the column; None for the pool's natural one.
        bins: into how many ranges of nearly equally many rows a column of numbers is cut, each of
            them a client; None for a client a value.

    Raises:
        InvalidInputError: later, a column that the pool does not have, or None where it has no
            natural one; a column of many numbers without bins, or bins of words.
    """
    if bins is not None:
        integer("bins", bins, least=2)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        require(
            column is not None or pool.natural is not None,
            "Expected column=None to be a name, as the pool has no natural federation; known: "
            f"{sorted(pool.columns)}.",
        )
        name = str(column or pool.natural)
        one_of("column", name, pool.columns)
        cells = np.asarray(pool.columns[name])
        _say_feature(name, pool)
        if bins is not None:
            return _by_range(name, cells, bins)
        require(
            cells.dtype.kind != "f",
            f"Expected column={name!r} to hold one value a client, but it holds many numbers; "
            "write bins = 4, say, for ranges of equally many rows.",
        )
        _say_unseen(name, cells, pool)
        values = sorted(np.unique(cells).tolist(), key=_natural_order)
        return Shares(
            rows=[np.flatnonzero(cells == value) for value in values],
            names=[str(value) for value in values],
            column=name,
        )

    return split


def _by_range(name: str, cells: HostArray, bins: int) -> Shares:
    """Clients that are ranges of a column of numbers."""
    try:
        values = cells.astype(np.float64)
    except ValueError:
        raise InvalidInputError(
            f"Expected column={name!r} to hold numbers where bins={bins}, but it holds "
            f"{str(cells[0])!r}; leave bins out for a client a value."
        ) from None
    codes = ranges(values, bins)
    rows = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    require(
        len(rows) > 1,
        f"Expected column={name!r} to be cut into bins={bins} ranges, but nearly all of its rows "
        "hold one number.",
    )
    if len(rows) < bins:
        caution(
            f"Column {name!r} is cut into {len(rows)} ranges instead of {bins}, as many of its "
            "rows hold the same number."
        )
    limits = [(values[own].min(), values[own].max()) for own in rows]
    names = [f"{name} {low:.6g} to {high:.6g}" for low, high in limits]
    if len(set(names)) < len(names):
        names = [f"{name} {low} to {high}" for low, high in limits]
    return Shares(rows, names)


def _say_feature(name: str, pool: Pool) -> None:
    """A caution where the column by which rows are given to clients is a feature as well."""
    features = pool.notes.get("features", ())
    if any(one == name or str(one).startswith(f"{name}=") for one in features):
        caution(
            f"Column {name!r} says whose a row is and is a feature as well; if the model is not to "
            "see it, name it as client or in groups where the source takes these."
        )


def _say_unseen(name: str, cells: HostArray, pool: Pool) -> None:
    """A caution where values of a column have test rows only; the natural ones are said before."""
    if name == pool.natural or name not in pool.test_columns:
        return
    unseen = sorted(set(pool.test_columns[name].tolist()) - set(cells.tolist()))
    if unseen:
        caution(
            f"Column {name!r}: values with test rows only are not members and get no value: "
            f"{', '.join(map(repr, unseen[:10]))}."
        )


def natural(*, num_clients: int = 10) -> Partition:
    """The federation that the data come in, or else rows given out at random.

    Args:
        num_clients: C, for a pool without a natural column.
    """
    at_random = iid(num_clients=num_clients)
    as_they_come = by_column()

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        if pool.natural is None:
            return at_random(rng, pool)
        return as_they_come(rng, pool)

    return split


PARTITIONS: dict[str, Callable[..., Partition]] = {
    "natural": natural,
    "iid": iid,
    "dirichlet": dirichlet,
    "quantity": quantity,
    "shards": shards,
    "label_pairs": label_pairs,
    "by_column": by_column,
}


def _natural_order(value: object) -> list[tuple[int, int, str]]:
    """A key that sorts digits in names as numbers, before words."""
    key = []
    for part in re.findall(r"\d+|\D+", str(value)):
        if part.isdecimal():
            key.append((0, int(part), ""))
        else:
            key.append((1, 0, part))
    return key
