"""Shares: the rows of each client, the sizes they come to, and the refusal to leave a client with
too few.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.data.pool import Pool
from fedjax_shap.typing import HostArray

MOST_DRAWS = 1000  # how often a partition that leaves a client too little is drawn anew


class Shares(NamedTuple):
    """Who holds what: client c, called names[c], holds the rows rows[c] (int[N_c]) of the pool."""

    rows: list[HostArray]
    names: list[str]


Partition: TypeAlias = Callable[[np.random.Generator, Pool], Shares]


def as_shares(rows: Sequence[HostArray]) -> Shares:
    """Clients called "client 0", ... with these rows; a refusal if one of them has none."""
    for i, held in enumerate(rows):
        require(
            len(held) > 0,
            f"Expected num_clients={len(rows)} clients to hold a row each, but client {i} got "
            "none.",
        )
    return Shares(list(rows), [f"client {i}" for i in range(len(rows))])


def apportion(weights: HostArray, total: int) -> HostArray:
    """`total` rows divided in proportion to `weights` by largest remainder: int[C] that sums to
    `total`.
    """
    exact = np.asarray(weights, float) / np.sum(weights) * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def drawn(
    draw: Callable[[], HostArray],
    pool: Pool,
    num_clients: int,
    on_empty: str,
    min_size: int,
    what: str,
) -> HostArray:
    """Draws until each client has enough.

    Args:
        draw: gives counts, int[..., C], that sum to each client's rows over the leading axis.
        pool: whose rows are dealt.
        num_clients: C.
        on_empty: "redraw" to draw up to `MOST_DRAWS` times, "refuse" to draw once.
        min_size: the least number of rows a client must get.
        what: how the partition is called in a refusal.

    Returns:
        The first counts that give each client at least `min_size` rows.

    Raises:
        InvalidInputError: too few rows for it, or none such were drawn.
    """
    require(
        num_clients * min_size <= pool.num_rows,
        f"Expected num_clients={num_clients} times min_size={min_size} to be at most the pool's "
        f"{pool.num_rows} rows.",
    )
    draws = MOST_DRAWS if on_empty == "redraw" else 1
    for _ in range(draws):
        counts = draw()
        if counts.sum(axis=0).min() >= min_size:
            return counts
    sizes = counts.sum(axis=0)
    raise InvalidInputError(
        f"Expected {what} to give each of {num_clients} clients at least min_size={min_size} rows, "
        "but the last of "
        f"{draws} draws gives client {int(sizes.argmin())} only {int(sizes.min())}."
    )
