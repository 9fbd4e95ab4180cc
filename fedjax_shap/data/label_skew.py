"""Partitions by class: Dirichlet proportions, shards, and pairs of classes.

Where rows have quantities, bins of them take the place of classes.
"""

import numpy as np

from fedjax_shap._validate import fraction, integer, number, one_of, require
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Partition, Shares, apportion, as_shares, draw_counts
from fedjax_shap.data.targets import bins as binned
from fedjax_shap.typing import HostArray

NUM_BINS = 10  # of quantities, unless another number is given


def dirichlet(
    *,
    num_clients: int,
    alpha: float,
    on_empty: str = "redraw",
    min_size: int = 1,
    bins: int | None = None,
) -> Partition:
    """Label skew: each class is divided in proportions drawn from Dirichlet(alpha).

    Args:
        num_clients: C.
        alpha: the concentration: small for clients of few classes, large for equal clients.
        on_empty: where a client gets fewer than `min_size` rows, "redraw" (at most 1,000 times) or
            "refuse".
        min_size: the least number of rows a client must get.
        bins: where rows have quantities, how many quantile bins of them are the classes; 10 if
            None. To be left out where rows have classes.

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
    _check_bins(bins)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        labels, num_classes = _classes(pool, bins)
        of_class = np.bincount(labels, minlength=num_classes)

        # counts[label, client]: each class in proportions of its own
        def draw() -> HostArray:
            parts = rng.dirichlet(np.full(num_clients, alpha), size=num_classes)
            return np.stack([apportion(part, count) for part, count in zip(parts, of_class)])

        what = f"dirichlet with alpha={alpha:g}"
        counts = draw_counts(draw, pool, num_clients, on_empty, min_size, what)
        return _split_by_class(rng, labels, counts)

    return split


def shards(*, num_clients: int, classes_per_client: int = 2, bins: int | None = None) -> Partition:
    """Pathological label skew: each client gets a few shards of the rows sorted by class.

    The shards are of equal size, to the row, and use all rows; a shard that spans the border of two
    classes holds both. Clients get theirs at random.

    Args:
        num_clients: C.
        classes_per_client: shards a client, and so about how many classes it holds.
        bins: as in `dirichlet`.

    Raises:
        InvalidInputError: a number < 1; later, more shards than rows.

    References:
        McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized
        data", section 3.
    """
    integer("num_clients", num_clients, least=1)
    integer("classes_per_client", classes_per_client, least=1)
    _check_bins(bins)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        labels, _ = _classes(pool, bins)
        count = num_clients * classes_per_client
        require(
            count <= pool.num_rows,
            f"Expected num_clients={num_clients} times classes_per_client={classes_per_client} "
            f"shards to be at most the pool's {pool.num_rows} rows.",
        )
        rows = rng.permutation(pool.num_rows)
        # sort by class, in random order within a class, and cut
        cut = np.array_split(rows[np.argsort(labels[rows], kind="stable")], count)
        # hand the shards out at random
        shards_of = rng.permutation(count).reshape(num_clients, classes_per_client)
        return as_shares([np.concatenate([cut[shard] for shard in own]) for own in shards_of])

    return split


def label_pairs(*, num_clients: int = 10, major: float = 0.8, bins: int | None = None) -> Partition:
    """Same size, different classes: each pair of classes belongs mostly to its own clients.

    Classes 2g and 2g + 1 are pair g (an odd last class is a pair alone); the classes of a user's
    own files stand in the order of their first rows. The clients are divided in
    order among the pairs as evenly as can be: of 10 clients and 10 classes, clients 2g and 2g + 1
    own pair g, of 5 clients, client g does; where there are fewer clients than pairs, the pairs are
    divided among the clients. The owners of a pair get equal parts of the fraction `major` of its
    rows, all other clients equal parts of the rest. With classes of one size, and owners in equal
    numbers, clients are of equal size (to the row, where that is possible).

    Args:
        num_clients: C, at least 2.
        major: the fraction of a pair's rows that its owners hold.
        bins: as in `dirichlet`.

    Raises:
        InvalidInputError: a setting out of range; later, a pool of two classes (one pair would be
            everything), or a client left without a row.

    References:
        Song, Tong, Wei 2019, "Profit allocation for federated learning", setting 2 (5 clients); Liu
        et al. 2022, "GTG-Shapley", setting 2 (10 clients).
    """
    integer("num_clients", num_clients, least=2)
    fraction("major", major)
    _check_bins(bins)

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        labels, num_classes = _classes(pool, bins)
        pairs = -(-num_classes // 2)
        require(pairs > 1, f"Expected a pool of at least 3 classes, got num_classes={num_classes}.")
        owners = np.stack([_owners(pair, pairs, num_clients) for pair in range(pairs)])
        of_class = np.bincount(labels, minlength=num_classes)
        return _split_by_class(rng, labels, _pair_counts(of_class, owners, major))

    return split


def _check_bins(bins: int | None) -> None:
    """Refuses a number of bins that is none."""
    if bins is not None:
        integer("bins", bins, least=2)


def _classes(pool: Pool, bins: int | None) -> tuple[HostArray, int]:
    """The classes int[T] of a pool's rows, or the bins of their quantities, and their number."""
    if pool.num_classes is None:
        labels = binned(pool.y, bins or NUM_BINS)
        return labels, int(labels.max()) + 1
    require(
        bins is None,
        f"Expected bins={bins} to be left out where rows have classes; it cuts quantities.",
    )
    if pool.class_order is None:
        return pool.y, pool.num_classes
    return pool.class_order[pool.y], pool.num_classes


def _pair_counts(of_class: HostArray, owners: HostArray, major: float) -> HostArray:
    """int[L, C]: the rows of each class for each client, where owners[pair, client] is True."""
    counts = []
    owed = np.zeros(owners.shape[1])  # what rounding kept from a client, it gets of the next class
    for label, count in enumerate(of_class):
        # owners divide `major` of the class equally, the others the rest
        owns = owners[label // 2]
        part = np.where(owns, major / owns.sum(), (1 - major) / (~owns).sum())
        # whole rows, in proportion to what each is to get by now
        wanted = np.maximum(part * count + owed, 0)
        given = np.zeros(len(owed), int)
        if wanted.any():
            given = apportion(wanted, count)
        counts.append(given)
        owed += part * count - given
    return np.stack(counts)


def _owners(pair: int, pairs: int, num_clients: int) -> HostArray:
    """bool[C]: the clients that own a pair of classes."""
    clients = np.arange(num_clients)
    if num_clients < pairs:
        return np.asarray(clients == pair * num_clients // pairs)
    return np.asarray(clients * pairs // num_clients == pair)


def _split_by_class(rng: np.random.Generator, labels: HostArray, counts: HostArray) -> Shares:
    """Rows of classes labels[T] given out at random: of each class counts[label, client], in random
    order.
    """
    pieces: list[list[HostArray]] = [[] for _ in range(counts.shape[1])]
    for label, of_clients in enumerate(counts):
        # shuffle the class, and cut it at the clients' counts
        rows = rng.permutation(np.flatnonzero(labels == label))
        for own, piece in zip(pieces, np.split(rows, np.cumsum(of_clients)[:-1])):
            own.append(piece)
    return as_shares([rng.permutation(np.concatenate(own)) for own in pieces])
