"""Complementary contributions: a coalition against the rest tells of every player at once (Zhang et
al. 2023).
"""

from functools import cache
from math import comb

import numpy as np

from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.allocation import (
    Allocation,
    Spreads,
    apportion,
    check,
    guarantees_of,
    rule,
    spreads_of,
    stages,
)
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.sampling import Design, Draws, SamplingState, sampling_estimator
from fedjax_shap.typing import HostArray, Masks, Utilities

MANY = 2**62  # pairs of a size, where there are more: they are never all drawn


def complementary(*, allocation: Allocation = "equal", pilot: float = 0.5) -> Estimator:
    """Pairs of a coalition and its complement, each of which tells of every player.

    With CC(S) = V(S) - V(N minus S), phi_i = 1/P sum_j E[CC(S) | i in S, |S| = j] (Zhang, Sun, Liu,
    Xiong, Pei, Ren: Efficient sampling approaches to Shapley value approximation, SIGMOD 2023). A
    pair of sizes k <= P - k gives k members a draw of size j = k, and the others one of size P - k
    with the opposite sign. Pairs of one k are a stratum, drawn without replacement. Both cells of a
    player in it come to the covariance of membership and CC,

        E[CC | i in S] - E[CC | i not in S] = Cov(a_i(S), CC(S)),   a_i = P/k for members, -P/(P - k) for others,

    which is estimated by the sample covariance: unbiased however few draws a player's cell has,
    none included. The paper's mean of each cell is undefined in an empty one.

    Args:
        allocation: "equal" draws in one turn, as if CC spread alike at all sizes: pairs in
            proportion to the standard deviation P / sqrt(k (P - k)) of a_i. (The paper draws sizes
            uniformly.) "neyman" measures the spread by size in a pilot first (the paper's CCN);
            "bernstein" goes in turns of max(32, P) coalitions by empirical Bernstein bounds.
        pilot: the share of the budget that "neyman" spends on its pilot.

    Guarantees:
        Efficient to rounding at any budget. Unbiased for "equal"; else slightly biased, since how
        many draws a size gets depends on its first ones. A size all of whose pairs were drawn has
        no error. Standard errors come from the spread of draws within a size, with the correction
        for drawing without replacement; a player who was in none of the few small coalitions drawn
        has too small a one, and who was has too large a one.
    """
    check(allocation, pilot)

    def propose(
        rng: np.random.Generator, state: SamplingState, count: int
    ) -> tuple[HostArray, Masks]:
        num_players = state.num_players
        sizes, pairs = strata(num_players)
        drawn = np.bincount(
            np.concatenate([[0], *state.units]).astype(int), minlength=len(sizes) + 1
        )[1:]
        errors = rule(allocation, pilot, state, _leverage(sizes, num_players), _measured)
        chosen = 1 + apportion(errors, drawn, count, least=np.minimum(2, pairs), most=pairs)
        masks = np.zeros((len(chosen), num_players), bool)
        for size in np.unique(chosen):
            wanted = chosen == size
            masks[wanted] = _fresh(rng, state, int(size), int(wanted.sum()))
        return chosen, np.stack([masks, ~masks], axis=1)

    design = Design(
        name="complementary",
        propose=propose,
        reduce=_reduce,
        unit_size=lambda num_players: 2,
        least_units=lambda num_players: int(np.minimum(2, strata(num_players)[1]).sum()),
        stage_size=stages(allocation, pilot),
        notes=lambda draws: (
            {} if draws.units is None else {"pairs_by_size": np.bincount(draws.units)[1:].tolist()}
        ),
    )
    return sampling_estimator(design, guarantees_of(allocation, efficient=True))


@cache
def strata(num_players: int) -> tuple[HostArray, HostArray]:
    """(int[K], float64[K]): the sizes 1..P/2 of the smaller side, and how many pairs there are of
    each.
    """
    sizes = range(1, num_players // 2 + 1)
    pairs = [comb(num_players, size) // (1 + (2 * size == num_players)) for size in sizes]
    return np.array(sizes, np.int64), np.array([float(min(number, MANY)) for number in pairs])


def _leverage(sizes: HostArray, num_players: int) -> HostArray:
    """float64[K]: the variance of a_i(S) by size; the sizes P/2 are one cell instead of two, with
    a_i = 1 or -1.
    """
    return np.where(2 * sizes == num_players, 1.0, num_players**2 / (sizes * (num_players - sizes)))


def _fresh(rng: np.random.Generator, state: SamplingState, size: int, count: int) -> Masks:
    """bool[count, P]: coalitions of `size`, uniform among those not asked for, no two of them alike
    or a pair.
    """
    num_players, found = state.num_players, dict[bytes, HostArray]()
    while len(found) < count:
        order = rng.random((2 * (count - len(found)) + 8, num_players)).argsort(axis=1)
        masks = order < size
        if 2 * size == num_players:
            masks ^= ~masks[:, :1]  # of two halves the one with player 0 stands for the pair
        for name, mask in zip(pack(masks), masks, strict=True):
            if name not in state.evaluations.row and len(found) < count:
                found.setdefault(name, mask)
    return np.array(list(found.values()))


def _terms(masks: Masks, contributions: Utilities) -> HostArray:
    """float64[D, P, T]: terms whose mean is an unbiased estimate of one stratum's part of P phi_i.

    Args:
        masks: bool[D, P], the smaller sides of pairs of one size, D >= 2 unless there is but one
            pair.
        contributions: float64[D, T], CC of each.
    """
    num_players, size = masks.shape[1], int(masks[0].sum())
    if (
        2 * size == num_players
    ):  # the mean of CC over both orders of all pairs is 0: nothing to centre by
        return np.where(masks, 1.0, -1.0)[:, :, None] * contributions[:, None]
    pairs, drawn = strata(num_players)[1][size - 1], len(masks)
    signed = np.where(masks, num_players / size, -num_players / (num_players - size))
    centred = (contributions - contributions.mean(axis=0)) * (
        drawn / (drawn - 1) * ((pairs - 1) / pairs)
    )
    return np.asarray(signed[:, :, None] * centred[:, None])


def _by_size(draws: Draws) -> list[tuple[int, HostArray]]:
    """(size, its terms) of each size drawn."""
    contributions = (draws.utilities[:, 0] - draws.utilities[:, 1]).reshape(len(draws.units), -1)
    sides, sizes = draws.masks[:, 0], np.asarray(draws.units)
    return [
        (int(k), _terms(sides[sizes == k], contributions[sizes == k])) for k in np.unique(sizes)
    ]


def _measured(draws: Draws) -> Spreads:
    num_strata = len(strata(draws.masks.shape[-1])[0])
    drawn, spreads = np.zeros(num_strata), np.zeros((3, num_strata))
    for size, terms in _by_size(draws):
        drawn[size - 1], spreads[:, size - 1] = len(terms), spreads_of(terms)
    return Spreads(drawn, *spreads)


def _reduce(draws: Draws) -> tuple[HostArray, HostArray]:
    num_players, trailing = draws.fixed.shape[1], draws.fixed_utilities.shape[1:]
    pairs = strata(num_players)[1]
    total = np.tile((draws.grand - draws.empty).reshape(-1), (num_players, 1))
    variance = np.zeros_like(total)
    for size, terms in _by_size(draws):
        total += terms.mean(axis=0)
        if len(terms) < pairs[size - 1]:
            variance += terms.var(axis=0, ddof=1) / len(terms) * (1 - len(terms) / pairs[size - 1])
    shape = (num_players, *trailing)
    return (total / num_players).reshape(shape), (np.sqrt(variance) / num_players).reshape(shape)
