"""Partitions that give clients different classes: Dirichlet proportions, shards, and pairs of
classes.
"""

import numpy as np

from fedjax_shap._validate import fraction, integer, number, one_of, require
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Partition, Shares, apportion, as_shares, drawn
from fedjax_shap.typing import HostArray


def dirichlet(
    *, num_clients: int, alpha: float, on_empty: str = "redraw", min_size: int = 1
) -> Partition:
    """Label skew: the rows of each class are divided among the clients in proportions drawn from
    Dirichlet(alpha).

    Args:
        num_clients: C.
        alpha: the concentration: small for clients of few classes, large for equal clients.
        on_empty: where a client gets fewer than `min_size` rows, "redraw" (at most 1,000 times) or
            "refuse".
        min_size: the least number of rows a client must get.

    Raises:
        InvalidInputError: a setting out of range; later, too few rows, or a client left with fewer
            than `min_size`.

    References:
        Yurochkin et al. 2019, "Bayesian nonparametric federated learning", for proportions drawn
        per class; Hsu, Qi, Brown 2019, arXiv 1909.06335, draw them per client.
    """
    integer("num_clients", num_clients, least=1)
    number("alpha", alpha, above=0)
    one_of("on_empty", on_empty, ("redraw", "refuse"))
    integer("min_size", min_size, least=1)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        of_class = np.bincount(pool.y, minlength=pool.num_classes)

        def draw() -> HostArray:
            parts = rng.dirichlet(np.full(num_clients, alpha), size=pool.num_classes)
            return np.stack([apportion(part, count) for part, count in zip(parts, of_class)])

        counts = drawn(
            draw, pool, num_clients, on_empty, min_size, f"dirichlet with alpha={alpha:g}"
        )
        return _dealt_by_class(rng, pool, counts)

    return split


def shards(*, num_clients: int, classes_per_client: int = 2) -> Partition:
    """Pathological label skew: rows sorted by class are cut into equal shards, and each client gets
    a few at random.

    All rows are used: shards differ by one row at most. A shard that spans the border of two
    classes holds both.

    Args:
        num_clients: C.
        classes_per_client: shards a client, and so about how many classes it holds.

    Raises:
        InvalidInputError: a number < 1; later, more shards than rows.

    References:
        McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized
        data", section 3.
    """
    integer("num_clients", num_clients, least=1)
    integer("classes_per_client", classes_per_client, least=1)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        count = num_clients * classes_per_client
        require(
            count <= pool.num_rows,
            f"Expected num_clients={num_clients} times classes_per_client={classes_per_client} "
            "shards to be at most "
            f"the pool's {pool.num_rows} rows.",
        )
        rows = rng.permutation(pool.num_rows)
        cut = np.array_split(rows[np.argsort(pool.y[rows], kind="stable")], count)
        dealt = rng.permutation(count).reshape(num_clients, classes_per_client)
        return as_shares([np.concatenate([cut[shard] for shard in own]) for own in dealt])

    return split


def label_pairs(*, num_clients: int = 10, major: float = 0.8) -> Partition:
    """Same size, different classes: each pair of classes belongs for the most part to its own
    clients.

    Classes 2g and 2g + 1 are pair g (an odd last class is a pair alone). The clients are divided in
    order among the pairs as evenly as can be: of 10 clients and 10 classes, clients 2g and 2g + 1
    own pair g, of 5 clients, client g does; where there are fewer clients than pairs, the pairs are
    divided among the clients. The owners of a pair share the fraction `major` of its rows equally,
    and all other clients share the rest. With classes of one size, and owners in equal numbers,
    clients are of equal size (to the row, where that is possible).

    Args:
        num_clients: C, at least 2.
        major: the fraction of a pair's rows that its owners hold.

    Raises:
        InvalidInputError: a setting out of range; later, a pool of two classes (one pair would be
            everything), or a client left without a row.

    References:
        Song, Tong, Wei 2019, "Profit allocation for federated learning", setting 2 (5 clients); Liu
        et al. 2022, "GTG-Shapley", setting 2 (10 clients).
    """
    integer("num_clients", num_clients, least=2)
    fraction("major", major)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        pairs = -(-pool.num_classes // 2)
        require(
            pairs > 1, f"Expected a pool of at least 3 classes, got num_classes={pool.num_classes}."
        )
        of_class = np.bincount(pool.y, minlength=pool.num_classes)
        clients, owed, counts = np.arange(num_clients), np.zeros(num_clients), []
        for label, count in enumerate(of_class):
            pair = label // 2
            owns = clients * pairs // num_clients == pair
            if num_clients < pairs:
                owns = clients == pair * num_clients // pairs
            part = np.where(owns, major / owns.sum(), (1 - major) / (~owns).sum())
            wanted = np.maximum(
                part * count + owed, 0
            )  # what rounding kept from a client, it gets of the next class
            counts.append(apportion(wanted, count) if wanted.any() else np.zeros(num_clients, int))
            owed += part * count - counts[-1]
        return _dealt_by_class(rng, pool, np.stack(counts))

    return split


def _dealt_by_class(rng: np.random.Generator, pool: Pool, counts: HostArray) -> Shares:
    """Rows dealt at random, counts[label, client] of each class; each client's rows in random
    order.
    """
    held: list[list[HostArray]] = [[] for _ in range(counts.shape[1])]
    for label, of_clients in enumerate(counts):
        rows = rng.permutation(np.flatnonzero(pool.y == label))
        for own, part in zip(held, np.split(rows, np.cumsum(of_clients)[:-1])):
            own.append(part)
    return as_shares([rng.permutation(np.concatenate(own)) for own in held])
