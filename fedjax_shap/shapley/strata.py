"""Coalitions drawn size by size: each size gets a share of the draws, in which every coalition of
it is as likely.
"""

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import numpy as np

from fedjax_shap.coalitions import of_size, pack
from fedjax_shap.shapley.sampling import SamplingState
from fedjax_shap.typing import HostArray, Masks, PyTree

FEW = 4096  # sizes of no more coalitions than this are listed, others drawn until they are new


class SizeDistribution(NamedTuple):
    """How many coalitions of each size are drawn.

    Attributes:
        share: P -> float64[P - 1], the weights of the sizes 1 to P - 1.
        least: what each size gets before the shares count, where it has as many.
    """

    share: Callable[[int], HostArray]
    least: int = 0


def propose_by_size(
    law: SizeDistribution,
) -> Callable[[np.random.Generator, SamplingState, int], tuple[PyTree, Masks]]:
    """A `propose` whose units are single coalitions that were not drawn before.

    Within a size they are a simple random sample without replacement, whatever the turns.
    """

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[PyTree, Masks]:
        num_players, told = state.num_players, state.evaluations.masks
        drawn = np.bincount(told.sum(axis=1), minlength=num_players + 1)[1:-1]
        wanted = allocation(law, num_players, drawn, count)
        known = set(state.evaluations.row)
        new = [
            _fresh(rng, num_players, size + 1, int(want), known) for size, want in enumerate(wanted)
        ]
        masks = rng.permutation(np.concatenate([np.zeros((0, num_players), bool), *new]), axis=0)
        return np.zeros(len(masks)), masks[:, None]

    return propose


def size_counts(masks: Masks) -> tuple[HostArray, HostArray]:
    """(how many of `masks` have each size, at least 1; how many coalitions of it there are),
    float64[P + 1] both.
    """
    num_players = masks.shape[1]
    told = np.bincount(masks.sum(axis=1), minlength=num_players + 1)
    there = np.array([float(comb(num_players, size)) for size in range(num_players + 1)])
    return np.maximum(told, 1).astype(np.float64), there


def allocation(law: SizeDistribution, num_players: int, drawn: HostArray, count: int) -> HostArray:
    """int[P - 1]: how many more of each size 1..P-1 to draw, so that all drawn follow the law as
    nearly as they can.
    """
    if num_players < 2:
        return np.zeros(0, np.int64)
    # Of many players there are more coalitions than floats can hold: no size can get more than all
    # draws.
    most = (drawn + count).tolist()
    there = np.array(
        [min(comb(num_players, size), most[size - 1]) for size in range(1, num_players)], np.int64
    )
    least = np.minimum(np.maximum(drawn, law.least), there)
    share, total = law.share(num_players), min(drawn.sum() + count, there.sum())
    low, high = 0.0, float((there / share).max())
    for _ in range(100):
        middle = (low + high) / 2
        enough = np.clip(middle * share, least, there).sum() >= total
        low, high = (low, middle) if enough else (middle, high)
    ideal = np.clip(high * share, least, there)
    ends = np.floor(np.cumsum(ideal) + 1e-6)
    whole = np.clip(np.diff(np.concatenate([[0.0], ends])), drawn, there)
    return _exactly((whole - drawn).astype(np.int64), (there - whole).astype(np.int64), count)


def _exactly(wanted: HostArray, room: HostArray, count: int) -> HostArray:
    """`wanted`, corrected so that it sums to `count`, or to all there are.

    What is too much is taken off the largest, down to a level that is theirs alike; what lacks goes
    to the first sizes.
    """
    level, high = 0, int(wanted.max())  # the highest level at which not too much is left
    while level < high:
        middle = (level + high + 1) // 2
        level, high = (
            (middle, high) if np.minimum(wanted, middle).sum() <= count else (level, middle - 1)
        )
    kept = np.minimum(wanted, level)
    above = np.flatnonzero(wanted > level)[::-1]  # the later of equals keep one more
    kept[above[: count - kept.sum()]] += 1
    lacking = count - kept.sum()
    return np.asarray(kept + np.diff(np.minimum(np.cumsum(room), lacking), prepend=0))


def _fresh(
    rng: np.random.Generator, num_players: int, size: int, count: int, known: set[bytes]
) -> Masks:
    """bool[count, P]: distinct coalitions of `size` players that are not known, each as likely as
    any other.
    """
    if count == 0:
        return np.zeros((0, num_players), bool)
    if comb(num_players, size) <= FEW:
        every = of_size(num_players, size)
        new = np.array([name not in known for name in pack(every)])
        return np.asarray(rng.permutation(every[new], axis=0)[:count])
    found: dict[bytes, HostArray] = {}
    while len(found) < count:
        order = np.argsort(rng.random((count - len(found), num_players)), axis=1)
        masks = order < size
        found |= {
            n: m
            for n, m in zip(pack(masks), masks, strict=True)
            if n not in known and n not in found
        }
    return np.array(list(found.values()))
