"""Shares: the rows of each client, their sizes, and the refusal of a client with too few rows."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.data.pool import Pool
from fedjax_shap.typing import HostArray

MOST_DRAWS = 1000  # of a partition that leaves a client too little


class Shares(NamedTuple):
    """Who holds what.

    Attributes:
        rows: int[N_c] a client, the rows of the pool that it holds.
        names: the clients' names.
        column: the pool's column whose values are the clients; None where another rule gave them
            their rows. Test rows of which the column is known belong to clients, too.
    """

    rows: list[HostArray]
    names: list[str]
    column: str | None = None


class Partition(Protocol):
    """Who gets which rows of a pool; made by the factories in `PARTITIONS`, or your own."""

    def __call__(self, rng: np.random.Generator, pool: Pool, /) -> Shares:
        """Splits a pool.

        Args:
            rng: decides everything that is drawn.
            pool: whose rows are split.

        Returns:
            The rows of each client, and the clients' names.

        Raises:
            InvalidInputError: a pool that cannot be split in this way.

        Guarantees:
            Every row goes to exactly one client, every client gets a row, and the same generator
            gives the same split.
        """


def as_shares(rows: Sequence[HostArray]) -> Shares:
    """Clients called "client 0", ... with these rows; a refusal if one of them has none."""
    for client, own in enumerate(rows):
        require(
            len(own) > 0,
            f"Expected num_clients={len(rows)} clients to hold a row each, but client {client} got "
            "none.",
        )
    return Shares(list(rows), [f"client {client}" for client in range(len(rows))])


def apportion(weights: HostArray, total: int) -> HostArray:
    """`total` rows in proportion to `weights`, by largest remainder: int[C] that sums to `total`.

    Of equal remainders, the first clients' are rounded up.
    """
    exact = np.asarray(weights, float) / np.sum(weights) * total
    # round down, and give the rows that are left to the largest remainders
    counts: HostArray = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def draw_counts(
    draw: Callable[[], HostArray],
    pool: Pool,
    num_clients: int,
    on_empty: str,
    min_size: int,
    what: str,
) -> HostArray:
    """Draws until each client has enough rows.

    Args:
        draw: gives counts, int[..., C], whose sums over the leading axis are the clients' sizes.
        pool: whose rows are split.
        num_clients: C.
        on_empty: "redraw" to draw up to `MOST_DRAWS` times, "refuse" to draw once.
        min_size: the least number of rows a client must get.
        what: how the partition is called in a refusal.

    Returns:
        The first counts that give each client at least `min_size` rows.

    Raises:
        InvalidInputError: fewer rows than that takes, or too few for a client in every draw.
    """
    require(
        num_clients * min_size <= pool.num_rows,
        f"Expected num_clients={num_clients} times min_size={min_size} to be at most the pool's "
        f"{pool.num_rows} rows.",
    )
    draws = MOST_DRAWS
    if on_empty == "refuse":
        draws = 1
    for _ in range(draws):
        counts = draw()
        if counts.sum(axis=0).min() >= min_size:
            return counts
    sizes = counts.sum(axis=0)
    raise InvalidInputError(
        f"Expected {what} to give each of {num_clients} clients at least min_size={min_size} rows, "
        f"but the last of {draws} draws gives client {int(sizes.argmin())} only {int(sizes.min())}."
    )
