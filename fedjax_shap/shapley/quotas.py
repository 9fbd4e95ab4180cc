"""How many coalitions of each size are drawn: weights of sizes made into whole numbers.

References:
    Cochran 1977, "Sampling techniques", chapter 5; Balinski and Young 1982, "Fair representation",
    for the methods of Webster and of largest remainders.
"""

import heapq
from collections.abc import Callable, Sequence
from math import comb
from typing import NamedTuple, Protocol

import numpy as np

from fedjax_shap.typing import HostArray

HALVINGS = 100  # of an interval of factors: the two ends are then neighbours in float64


class SizeWeights(Protocol):
    """How often coalitions of each size are drawn, up to a common factor."""

    def __call__(self, num_players: int) -> HostArray:
        """float64[P - 1], above 0: the weights of the sizes 1 to P - 1."""


class SizeDistribution(NamedTuple):
    """How many coalitions of each size are drawn.

    Attributes:
        weights: how often each size is drawn.
        least: what each size gets before the weights count, where it has as many coalitions.
    """

    weights: SizeWeights
    least: int = 0


def next_quotas(
    distribution: SizeDistribution, num_players: int, drawn: HostArray, count: int
) -> HostArray:
    """How many more of each size to draw, so that all drawn follow a distribution most nearly.

    Args:
        distribution: what they are to follow.
        num_players: P.
        drawn: int[P - 1], how many of the sizes 1 to P - 1 were drawn before.
        count: how many more to draw.

    Returns:
        int[P - 1], with the sum `count`, or all that are left where these are fewer.
    """
    if num_players < 2:
        return np.zeros(0, np.int64)
    # Of many players there are more coalitions than int64 can count: no size can get more than
    # all draws.
    most = (drawn + count).tolist()
    available = [min(comb(num_players, size), most[size - 1]) for size in range(1, num_players)]
    available = np.array(available, np.int64)
    least = np.minimum(np.maximum(drawn, distribution.least), available)
    weights = distribution.weights(num_players)
    total = min(drawn.sum() + count, available.sum())

    def enough(factor: float) -> bool:
        return bool(np.clip(factor * weights, least, available).sum() >= total)

    # the ideal quotas, not whole: weights times the factor at which they sum to the total
    _, factor = _bisect(enough, float((available / weights).max()))
    ideal = np.clip(factor * weights, least, available)
    # round their running sums, so that no error adds up
    ends = np.floor(np.cumsum(ideal) + 1e-6)
    whole = np.clip(np.diff(np.concatenate([[0.0], ends])), drawn, available)
    return _exactly((whole - drawn).astype(np.int64), (available - whole).astype(np.int64), count)


def largest_remainders(
    weights: HostArray, available: HostArray, total: int, *, least: int
) -> HostArray:
    """Quotas of a fixed total in proportion to weights, rounded by the largest remainders.

    Args:
        weights: float64[K].
        available: int[K], how many coalitions each size has.
        total: the sum of the quotas, or less where not so many are available.
        least: what each size gets in any case, where it has as many.

    Returns:
        int[K].
    """
    smallest = np.minimum(available, least)

    def too_many(factor: float) -> bool:
        return bool(np.clip(factor * weights, smallest, available).sum() > total)

    factor, _ = _bisect(too_many, float(max(total, 1) / weights.min()))
    ideal = np.clip(factor * weights, smallest, available)
    quotas = np.floor(ideal + 1e-9).astype(np.int64)
    # one more to those that were rounded down most
    left_over = max(total - int(quotas.sum()), 0)
    for size in np.argsort(quotas - ideal, kind="stable")[:left_over]:
        quotas[size] += quotas[size] < available[size]
    return quotas


def next_sizes(
    weights: HostArray, drawn: Sequence[int], available: Sequence[int], count: int, *, least: int
) -> HostArray:
    """The size of each next draw: that which is furthest behind its weight (Webster's method).

    Args:
        weights: float64[K]; a size of weight 0 is never drawn.
        drawn: int[K], how many were drawn of each size before.
        available: int[K], how many coalitions each size has, of any magnitude.
        count: how many to draw.
        least: how many of each size are drawn before the weights count.

    Returns:
        int[D], sizes in 0..K-1; D < `count` only where no coalition is left.
    """
    numbers = list(drawn)

    def priority(size: int) -> tuple[int, float, int]:
        return min(numbers[size], least), (numbers[size] + 0.5) / weights[size], size

    sizes = range(len(weights))
    queue = [priority(size) for size in sizes if weights[size] and numbers[size] < available[size]]
    heapq.heapify(queue)
    chosen: list[int] = []
    while queue and len(chosen) < count:
        size = heapq.heappop(queue)[-1]
        chosen.append(size)
        numbers[size] += 1
        if numbers[size] < available[size]:
            heapq.heappush(queue, priority(size))
    return np.array(chosen, np.int64)


def _bisect(too_large: Callable[[float], bool], high: float) -> tuple[float, float]:
    """(low, high): the factor below `high` at which `too_large` becomes true, from both sides."""
    low = 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if too_large(middle):
            high = middle
        else:
            low = middle
    return low, high


def _exactly(wanted: HostArray, room: HostArray, count: int) -> HostArray:
    """`wanted` int[K], corrected so that it sums to `count`, or to all there are.

    What is too much is taken off the largest, down to a common level; what is missing is added to
    the first sizes that have `room` int[K].
    """
    level = 0  # the highest level at which not too much is left
    high = int(wanted.max())
    while level < high:
        middle = (level + high + 1) // 2
        if np.minimum(wanted, middle).sum() <= count:
            level = middle
        else:
            high = middle - 1
    kept = np.minimum(wanted, level)
    # Some of those cut off keep one more: the later ones.
    above = np.flatnonzero(wanted > level)[::-1]
    kept[above[: count - kept.sum()]] += 1
    missing = count - kept.sum()
    return np.asarray(kept + np.diff(np.minimum(np.cumsum(room), missing), prepend=0))
