"""Complementary contributions: a coalition and its complement inform about every player at once.

With CC(S) = V(S) - V(N minus S), the Shapley value is

    phi_i = 1/P sum over j = 1..P of E[CC(S) | i in S, |S| = j].

A pair of a coalition of size k <= P - k and its complement gives each of the k members a draw of
size j = k, and each other player a draw of size j = P - k with the opposite sign. The pairs of one
k are a stratum. What a stratum adds to P phi_i is a covariance of membership and CC,

    E[CC | i in S] - E[CC | i not in S] = Cov(a_i(S), CC(S)),

where a_i(S) = P / k for members and -P / (P - k) for others. The sample covariance estimates it
without bias however few draws hold a player, even none. The paper's mean over the draws of each
player and size is undefined where there are no such draws.

References:
    Zhang, Sun, Liu, Xiong, Pei, Ren 2023, "Efficient sampling approaches to Shapley value
    approximation", SIGMOD.
"""

from functools import cache, partial
from math import comb
from typing import Any

import numpy as np

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
from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.strata import draw_of_size
from fedjax_shap.typing import HostArray, Masks, Utilities

MANY = 2**62  # stands for the number of pairs of a size where there are more: never all are drawn


def complementary(*, allocation: Allocation = "equal", pilot: float = 0.5) -> Estimator:
    """Pairs of a coalition and its complement, drawn without replacement, size by size.

    Args:
        allocation: how many pairs of each size are drawn. "equal" draws them all at once, as if CC
            varied equally at all sizes: in proportion to the standard deviation P / sqrt(k (P - k))
            of a_i. (The paper draws sizes uniformly.) "neyman" first measures in a pilot how CC
            varies by size (the paper's CCN); "bernstein" uses empirical Bernstein bounds, updated
            after every max(32, P) coalitions.
        pilot: the fraction of the budget that "neyman" spends on its pilot.

    Guarantees:
        Efficient to rounding at any budget. Unbiased for "equal"; slightly biased for the others,
        since how many draws a size gets depends on its first ones. A size all of whose pairs were
        drawn has no error. Standard errors come from the spread of the draws within a size,
        corrected for drawing without replacement. Where few small coalitions were drawn, the
        standard error is too small for players who were in none of them and too large for those
        who were.
    """
    check(allocation, pilot)
    design = Design(
        name="complementary",
        propose=partial(_propose, allocation, pilot),
        reduce=_reduce,
        unit_size=lambda num_players: 2,
        least_units=lambda num_players: int(np.minimum(2, strata(num_players)[1]).sum()),
        stage_size=stages(allocation, pilot),
        notes=_notes,
    )
    return sampling_estimator(design, guarantees_of(allocation, efficient=True))


@cache
def strata(num_players: int) -> tuple[HostArray, HostArray]:
    """(int[K]: the sizes 1..P/2 of the smaller side; float64[K]: how many pairs each size has)."""
    sizes = range(1, num_players // 2 + 1)
    # two halves make one pair, whichever comes first
    pairs = [comb(num_players, size) // (1 + (2 * size == num_players)) for size in sizes]
    return np.array(sizes, np.int64), np.array([float(min(number, MANY)) for number in pairs])


def _propose(
    allocation: Allocation,
    pilot: float,
    rng: np.random.Generator,
    state: SamplingState,
    count: int,
) -> tuple[HostArray, Masks]:
    """(int[U]: the size of each pair's smaller side; bool[U, 2, P]: the pairs)."""
    num_players = state.num_players
    sizes, pairs = strata(num_players)
    # count the pairs of each size drawn so far
    before = np.concatenate([[0], *state.units]).astype(int)
    drawn = np.bincount(before, minlength=len(sizes) + 1)[1:]
    # give each size two pairs, then place each next pair where it lowers the error most
    errors = rule(allocation, pilot, state, _membership_variance(sizes, num_players), _measured)
    chosen = 1 + apportion(errors, drawn, count, least=np.minimum(2, pairs), most=pairs)
    # draw the smaller side of each pair
    masks = np.zeros((len(chosen), num_players), bool)
    for size in np.unique(chosen):
        wanted = chosen == size
        masks[wanted] = draw_of_size(
            rng,
            num_players,
            int(size),
            int(wanted.sum()),
            known=state.evaluations.row,
            at_once=lambda missing: 2 * missing + 8,
            halves=2 * size == num_players,
        )
    return chosen, np.stack([masks, ~masks], axis=1)


def _membership_variance(sizes: HostArray, num_players: int) -> HostArray:
    """float64[K]: the variance of a_i(S) by size; a pair of halves is one draw, a_i being +-1."""
    return np.where(2 * sizes == num_players, 1.0, num_players**2 / (sizes * (num_players - sizes)))


def _terms(masks: Masks, contributions: Utilities) -> HostArray:
    """float64[D, P, T]: terms whose mean estimates what one stratum adds to P phi_i, unbiased.

    Args:
        masks: bool[D, P], the smaller sides of pairs of one size; D >= 2 unless there is only one
            pair of that size.
        contributions: float64[D, T], CC of each.
    """
    drawn, num_players = masks.shape
    size = int(masks[0].sum())
    # Halves: CC averages to 0 over both orders of all pairs, so there is nothing to centre by.
    if 2 * size == num_players:
        return np.where(masks, 1.0, -1.0)[:, :, None] * contributions[:, None]
    # Others: the sample covariance, scaled to that over all pairs of the size.
    pairs = strata(num_players)[1][size - 1]
    weights = np.where(masks, num_players / size, -num_players / (num_players - size))
    unbiased = drawn / (drawn - 1) * ((pairs - 1) / pairs)
    centred = (contributions - contributions.mean(axis=0)) * unbiased
    return np.asarray(weights[:, :, None] * centred[:, None])


def _terms_by_size(draws: Draws) -> list[tuple[int, HostArray]]:
    """(size, float64[D, P, T] its terms) of each size drawn."""
    contributions = (draws.utilities[:, 0] - draws.utilities[:, 1]).reshape(len(draws.units), -1)
    sides = draws.masks[:, 0]
    sizes = np.asarray(draws.units)
    return [
        (int(size), _terms(sides[sizes == size], contributions[sizes == size]))
        for size in np.unique(sizes)
    ]


def _measured(draws: Draws) -> Spreads:
    """How widely the terms of each size spread, for the adaptive allocations."""
    num_strata = len(strata(draws.masks.shape[-1])[0])
    drawn = np.zeros(num_strata)
    spreads = np.zeros((3, num_strata))
    for size, terms in _terms_by_size(draws):
        drawn[size - 1] = len(terms)
        spreads[:, size - 1] = spreads_of(terms)
    return Spreads(drawn, *spreads)


def _reduce(draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: the sums of all strata over P."""
    num_players = draws.fixed.shape[1]
    pairs = strata(num_players)[1]
    # size P: its only pair is the grand coalition and the empty one
    total = np.tile((draws.grand - draws.empty).reshape(-1), (num_players, 1))
    variance = np.zeros_like(total)
    for size, terms in _terms_by_size(draws):
        total += terms.mean(axis=0)
        # a size drawn completely has no error; others have that of a draw without replacement
        if len(terms) < pairs[size - 1]:
            variance += terms.var(axis=0, ddof=1) / len(terms) * (1 - len(terms) / pairs[size - 1])
    shape = (num_players, *draws.empty.shape)
    return (total / num_players).reshape(shape), (np.sqrt(variance) / num_players).reshape(shape)


def _notes(draws: Draws) -> dict[str, Any]:
    """How many pairs of each size were drawn."""
    if draws.units is None:
        return {}
    return {"pairs_by_size": np.bincount(draws.units)[1:].tolist()}
