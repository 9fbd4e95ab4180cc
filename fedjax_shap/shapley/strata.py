"""New coalitions: those of one size are a stratum, drawn without replacement."""

from collections.abc import Callable, Container
from math import comb
from typing import Any

import numpy as np

from fedjax_shap.coalitions import of_size, pack
from fedjax_shap.shapley.design import Propose, SamplingState
from fedjax_shap.shapley.quotas import SizeDistribution, next_quotas
from fedjax_shap.typing import HostArray, Masks

MOST_LISTED = 4096  # of more coalitions of a size some are drawn until they are new


def propose_by_size(distribution: SizeDistribution) -> Propose:
    """A `propose` whose units are single coalitions, their sizes following a distribution.

    Within a size they are a simple random sample without replacement, whatever the batches.
    """

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[Any, Masks]:
        num_players = state.num_players
        sizes = state.evaluations.masks.sum(axis=1)
        drawn = np.bincount(sizes, minlength=num_players + 1)[1:-1]
        known = state.evaluations.row
        new = [np.zeros((0, num_players), bool)]
        for size, quota in enumerate(next_quotas(distribution, num_players, drawn, count), 1):
            if quota and comb(num_players, size) <= MOST_LISTED:
                new.append(shuffle_of_size(rng, num_players, size, known=known)[:quota])
            else:
                new.append(draw_of_size(rng, num_players, size, int(quota), known=known))
        masks = rng.permutation(np.concatenate(new), axis=0)
        return np.zeros(len(masks)), masks[:, None]

    return propose


def size_counts(masks: Masks) -> tuple[HostArray, HostArray]:
    """(how many of bool[M, P] have each size, at least 1; how many coalitions have it).

    Returns:
        float64[P + 1] each.
    """
    num_players = masks.shape[1]
    drawn = np.bincount(masks.sum(axis=1), minlength=num_players + 1)
    available = np.array([float(comb(num_players, size)) for size in range(num_players + 1)])
    return np.maximum(drawn, 1).astype(np.float64), available


def random_of_sizes(rng: np.random.Generator, sizes: HostArray, num_players: int) -> Masks:
    """bool[M, P]: a random coalition of each of the sizes int[M], each as likely as any other."""
    order = np.argsort(rng.random((len(sizes), num_players)), axis=1)
    return np.asarray(order < sizes[:, None])


def draw_of_size(
    rng: np.random.Generator,
    num_players: int,
    size: int,
    count: int,
    *,
    known: Container[bytes],
    at_once: Callable[[int], int] = lambda missing: missing,
    halves: bool = False,
) -> Masks:
    """New coalitions of one size, drawn again until there are enough of them.

    It ends soon only where far more than `count` coalitions of the size are not known; where they
    are not, use `shuffle_of_size`.

    Args:
        rng: the generator of the draws.
        num_players: P.
        size: the number of members.
        count: M.
        known: the names (`coalitions.pack`) of those that are not new.
        at_once: how many to draw where so many are missing.
        halves: whether a coalition and its complement, of P / 2 players each, are one draw, for
            which the one with player 0 stands.

    Returns:
        bool[M, P], distinct, in the order drawn, each as likely as any other.
    """
    new: dict[bytes, HostArray] = {}
    while len(new) < count:
        sizes = np.full(at_once(count - len(new)), size)
        masks = random_of_sizes(rng, sizes, num_players)
        if halves:
            masks ^= ~masks[:, :1]
        for name, mask in zip(pack(masks), masks, strict=True):
            if name not in known and len(new) < count:
                new.setdefault(name, mask)
    return np.array(list(new.values()), bool).reshape(count, num_players)


def shuffle_of_size(
    rng: np.random.Generator,
    num_players: int,
    size: int,
    *,
    known: Container[bytes] = (),
    halves: bool = False,
) -> Masks:
    """bool[M, P]: all new coalitions of one size in random order; arguments as `draw_of_size`."""
    masks = of_size(num_players, size)
    if halves:
        masks = masks[masks[:, 0]]
    new = np.array([name not in known for name in pack(masks)])
    return np.asarray(rng.permutation(masks[new], axis=0))


def redraw_until_new(
    draw: Callable[[HostArray], Masks], count: int, known: set[bytes], *, distinct: bool = True
) -> Masks:
    """Random coalitions, each drawn again in its place until it is new.

    Args:
        draw: rows int[D] -> coalitions bool[D, P] for these of the M rows.
        count: M.
        known: the names (`coalitions.pack`) of those that are not new.
        distinct: whether a coalition that was drawn is not new either.

    Returns:
        bool[M, P].
    """
    known = set(known)
    rows = np.arange(count)
    masks = draw(rows)
    while True:
        rejected = []
        for row, name in zip(rows, pack(masks[rows]), strict=True):
            if name in known:
                rejected.append(row)
            elif distinct:
                known.add(name)
        if not rejected:
            return masks
        rows = np.array(rejected, np.int64)
        masks[rows] = draw(rows)


def draw_independent(
    rng: np.random.Generator,
    num_players: int,
    count: int,
    p: float,
    *,
    known: set[bytes],
    distinct: bool,
) -> Masks:
    """bool[M, P]: new coalitions that every player joins with probability p, independently.

    Args:
        rng: the generator of the draws.
        num_players: P.
        count: M.
        p: the probability to join.
        known: the names (`coalitions.pack`) of coalitions that are not drawn.
        distinct: whether none is drawn twice.
    """

    def draw(rows: HostArray) -> Masks:
        return np.asarray(rng.random((len(rows), num_players)) < p)

    return redraw_until_new(draw, count, known, distinct=distinct)
