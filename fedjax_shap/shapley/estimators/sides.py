"""The mean of V over the coalitions drawn with each player, and over those without.

Every coalition is a draw on one side of each player: with the player, or without. The difference of
the two means is unbiased where both sides were drawn. A player for whom one was not counts as
average, and the difference of the others is divided by the chance that both were drawn.
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap.typing import HostArray


class Side(NamedTuple):
    """What was drawn on one side: the coalitions with each player, or those without.

    Attributes:
        seen: int[P], how many.
        mean: float64[P, T], of V.
        variance: float64[P, T], of that mean.
    """

    seen: HostArray
    mean: HostArray
    variance: HostArray


def side(inside: HostArray, values: HostArray, population: HostArray | float = np.inf) -> Side:
    """What was drawn on one side of each player.

    Args:
        inside: float64[M, P], 1 where a coalition is on the player's side.
        values: float64[M, T], their utilities.
        population: how many coalitions there are on that side, if they are drawn without
            replacement.
    """
    count = inside.sum(axis=0).astype(int)
    # sums about the common mean, so that no digits are lost
    middle = values.mean(axis=0)
    centred = values - middle
    some = np.maximum(count, 1)[:, None]
    mean = inside.T @ centred / some
    squares = np.maximum(inside.T @ centred**2 - some * mean**2, 0)
    # the variance of one draw; a single coalition has none of its own, and borrows that of all
    spread = np.where(
        count[:, None] > 1, squares / np.maximum(some - 1, 1), centred.var(axis=0, ddof=1)
    )
    unseen = np.maximum(1 - some / population, 0)
    return Side(count, mean + middle, spread / some * unseen)


def difference(
    plus: Side, minus: Side, chance: float, weights: tuple[float, float], centre: HostArray
) -> tuple[HostArray, HostArray]:
    """Unbiased a E+[V] - b E-[V], float64[P, T], and its variance.

    Args:
        plus: what was drawn with each player.
        minus: what was drawn without.
        chance: the probability that both sides of a player were drawn.
        weights: (a, b).
        centre: float64[T], a number near V that does not depend on the draws. It stands for V
            where one side of a player was not drawn.
    """
    a, b = weights
    # 1 / chance for those seen on both sides, 0 for others: its mean is 1
    seen = ((plus.seen > 0) & (minus.seen > 0))[:, None] / chance
    gap = a * (plus.mean - centre) - b * (minus.mean - centre)
    variance = a**2 * plus.variance + b**2 * minus.variance
    # that of the draws, and that of whether both sides were drawn
    variance = seen**2 * (chance * variance + (1 - chance) * gap**2)
    return (a - b) * centre + seen * gap, variance


def missed(others: float, own: float, drawn: int) -> float:
    """The chance that `drawn` of own + others coalitions, without replacement, are all of the
    others.
    """
    before = np.arange(drawn)
    return float(np.prod(np.maximum(others - before, 0) / np.maximum(others + own - before, 1)))
