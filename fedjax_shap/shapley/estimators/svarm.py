"""SVARM: means of V with and without each player, instead of marginals.

With E+ the mean of V over coalitions with player i, and E- that over coalitions without,

    phi_i = 1/P sum over sizes k = 1..P of E+[V | |S| = k]
            - 1/P sum over sizes k = 0..P - 1 of E-[V | |S| = k],

and every coalition drawn updates all players: it is a draw of E+ for its members and one of E- for
the others. There is no warm-up, since it would take P^2 coalitions to give every player a draw of
each size and side. Instead, a player for whom one side of a size was not drawn counts as average
there, and the difference of the others is divided by the chance that both sides were drawn, which
is known. So the estimate is unbiased.

References:
    Kolpaczki, Bengs, Muschalik, Huellermeier 2024, "Approximating the Shapley value without
    marginal contributions", algorithms 1 (plain) and 2 (stratified).
    Li, Yu 2024, "One sample fits all: approximating all probabilistic values simultaneously and
    efficiently": any semivalue from one sample.
"""

from collections.abc import Iterator
from functools import partial
from math import comb

import numpy as np

from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.design import MANY_PLAYERS, Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.estimators.sides import difference, missed, side
from fedjax_shap.shapley.quotas import SizeWeights, largest_remainders
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.semivalue import Coefficients, semivalues, shapley
from fedjax_shap.shapley.strata import redraw_until_new, shuffle_of_size
from fedjax_shap.typing import HostArray, Masks, PyTree

LEAST = 2  # coalitions of each size, so that their spread is known
# the coalitions of a size are listed where there are at most this many times those to be drawn
LISTED = 4
MOST_PLANNED = 2**20  # coalitions whose sizes are planned, where the budget would allow more


def svarm(*, stratified: bool = True) -> Estimator:
    """Means of V with and without each player, by size where stratified.

    Stratified, all coalitions of sizes 0, 1, P - 1 and P are valued, and a quota of every other
    size is drawn without replacement, in proportion to 1 / min(size, P - size) as in the paper, but
    at least two of a size. Plain, pairs of coalitions are drawn with replacement, one for the means
    with and one for the means without, and only sizes 0 and P are exact; a budget of 6 is enough,
    where the stratified one needs 4 P - 4.

    Args:
        stratified: a stratum for each size, as in algorithm 2 of the paper, or none.

    Guarantees:
        Unbiased. Stratified, the standard errors are analytic and corrected for drawing without
        replacement; a size that was drawn completely has no error. The budget is never exceeded.
        Plain, it is not used up, since coalitions that are drawn twice are not replaced: to go on
        drawing would tie the number of draws to what was drawn.
    """
    if stratified:
        return by_size("svarm", _size_weights, shapley, "shapley")
    design = Design(
        name="svarm",
        propose=_propose_pairs,
        reduce=_reduce_pairs,
        unit_size=lambda num_players: 2,
    )
    return sampling_estimator(design, Guarantees(errors="analytic"))


def by_size(name: str, weights: SizeWeights, coefficients: Coefficients, target: str) -> Estimator:
    """An estimator of any semivalue from the means, by size, of V with and without each player.

    With a_k = c_{k-1} C(P-1, k-1) and b_k = c_k C(P-1, k), a semivalue is the sum over sizes k of
    a_k E+[V | |S| = k] - b_k E-[V | |S| = k] (Li and Yu 2024): one sample serves them all.

    Args:
        name: what it is called.
        weights: how often each size is drawn; at least two of each size are, and never more than
            there are.
        coefficients: the semivalue's, c.
        target: what `Guarantees.target` calls it.
    """
    design = Design(
        name=name,
        propose=partial(_propose, weights),
        reduce=partial(_reduce, coefficients),
        unit_size=lambda num_players: 1,
        fixed=_ends,
        least_units=lambda num_players: LEAST * max(num_players - 3, 0),
        from_table=partial(semivalues, coefficients=coefficients),
        most_players=MANY_PLAYERS,
    )
    return sampling_estimator(design, Guarantees(target=target, errors="analytic"))


def _size_weights(num_players: int) -> HostArray:
    """float64[P - 1]: 1 / min(size, P - size), with which all strata get about as many draws."""
    size = np.arange(1, num_players)
    return np.asarray(1 / np.minimum(size, num_players - size))


def _ends(num_players: int, budget: int) -> Masks:
    """bool[2 P, P]: all coalitions of sizes 1 and P - 1."""
    alone = np.eye(num_players, dtype=bool)
    return np.concatenate([alone, ~alone])


def _propose(
    weights: SizeWeights, rng: np.random.Generator, state: SamplingState, count: int
) -> tuple[PyTree, Masks]:
    """(int[U]: the planned sizes of the next coalitions; the coalitions)."""
    sizes = _plan(weights, state)[state.num_units :][:count]
    return sizes, _distinct(rng, sizes, state)[:, None]


def _plan(weights: SizeWeights, state: SamplingState) -> HostArray:
    """int[U]: the sizes of all coalitions to draw, in their order: two of each size, and then
    evenly mixed.
    """
    num_players = state.num_players
    sizes = np.arange(2, num_players - 1)
    if not len(sizes):
        return sizes
    # the quota of each size
    room = min(state.budget - len(set(pack(state.fixed))), MOST_PLANNED)
    available = np.array([min(comb(num_players, size), room) for size in sizes.tolist()])
    quotas = largest_remainders(weights(num_players)[1:-1], available, room, least=LEAST)
    # spread each quota evenly over the plan, after the first ones of every size
    places = []
    for quota in quotas:
        draw = np.arange(quota)
        places.append(np.where(draw < LEAST, -1, (draw + 0.5) / max(quota, 1)))
    return np.asarray(np.repeat(sizes, quotas)[np.argsort(np.concatenate(places), kind="stable")])


def _distinct(rng: np.random.Generator, sizes: HostArray, state: SamplingState) -> Masks:
    """bool[U, P]: new coalitions of these sizes, each drawn uniformly from those of its size not
    asked for before.
    """
    num_players = state.num_players
    known = state.evaluations.row
    asked = state.evaluations.masks.sum(axis=1)
    masks = np.zeros((len(sizes), num_players), bool)
    pending = list[int]()
    # list the coalitions of a size where a good part of them is wanted
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        if comb(num_players, size) > LISTED * (len(rows) + int((asked == size).sum())):
            pending.extend(rows.tolist())
        else:
            masks[rows] = shuffle_of_size(rng, num_players, size, known=known)[: len(rows)]
    # draw those of the other sizes until they are new
    wanted = sizes[np.array(pending, np.int64)]

    def draw(rows: HostArray) -> Masks:
        places = np.argsort(np.argsort(rng.random((len(rows), num_players)), axis=1), axis=1)
        return np.asarray(places < wanted[rows, None])

    masks[pending] = redraw_until_new(draw, len(pending), set(known))
    return masks


def _reduce(coefficients: Coefficients, draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: the sums of a_k E+ - b_k E- over all sizes k."""
    num_players = draws.fixed.shape[1]
    others = [float(comb(num_players - 1, size)) for size in range(num_players)]
    counts = coefficients(num_players) * others  # a_k = counts[k - 1], b_k = counts[k]
    # sizes 0 and P, and the line between them: what V is near to at each size
    empty = draws.empty.ravel()
    step = (draws.grand - draws.empty).ravel() / num_players
    values = np.tile(counts[-1] * draws.grand.ravel() - counts[0] * empty, (num_players, 1))
    variance = np.zeros_like(values)
    for size, inside, utilities in _by_size(draws):
        # the two sides, drawn without replacement from all coalitions of the size
        with_one = others[size - 1]
        without = others[size]
        plus = side(inside, utilities, with_one)
        minus = side(1 - inside, utilities, without)
        # the chance that both were drawn
        drawn = len(inside)
        chance = 1 - missed(without, with_one, drawn) - missed(with_one, without, drawn)
        weights = (counts[size - 1], counts[size])
        added, its_variance = difference(plus, minus, chance, weights, empty + size * step)
        values = values + added
        variance = variance + its_variance
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), np.sqrt(variance).reshape(shape)


def _by_size(draws: Draws) -> Iterator[tuple[int, HostArray, HostArray]]:
    """(size, float64[M, P] coalitions, float64[M, T] utilities) of each size 1..P - 1."""
    masks = draws.evaluations.masks
    utilities = np.asarray(draws.evaluations.utilities).reshape(len(draws.evaluations), -1)
    sizes = masks.sum(axis=1)
    order = np.argsort(sizes, kind="stable")
    ends = np.searchsorted(sizes[order], np.arange(1, masks.shape[1] + 1))
    for size, rows in enumerate(np.split(order, ends)[1:-1], 1):
        yield size, masks[rows].astype(float), utilities[rows]


def _propose_pairs(
    rng: np.random.Generator, state: SamplingState, count: int
) -> tuple[PyTree, Masks]:
    """(int[U, 2]: the sizes of pairs of coalitions; bool[U, 2, P]: the pairs).

    Given that a player is in the first of a pair, or not in the second, sizes 1..P - 1 are equally
    likely.
    """
    num_players = state.num_players
    count = min(count, (state.budget - 2) // 2 - state.num_units)
    size = np.arange(1, num_players)
    chance = (1 / size) / (1 / size).sum()
    if not count:
        return np.zeros((0, 2), np.int64), np.zeros((0, 2, num_players), bool)
    first = rng.choice(size, size=count, p=chance)
    second = num_players - rng.choice(size, size=count, p=chance)
    sizes = np.stack([first, second], axis=1)
    places = np.argsort(np.argsort(rng.random((count, 2, num_players)), axis=2), axis=2)
    return sizes, places < sizes[..., None]


def _reduce_pairs(draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...] of plain SVARM."""
    num_draws, _, num_players = draws.masks.shape
    utilities = draws.utilities.reshape(num_draws, 2, -1)
    inside = draws.masks.astype(float)
    plus = side(inside[:, 0], utilities[:, 0])
    minus = side(1 - inside[:, 1], utilities[:, 1])
    # the chance that a player is in one of the first, and out of one of the second
    rate = (1 - 1 / num_players) / (1 / np.arange(1, num_players)).sum()
    chance = (1 - (1 - rate) ** num_draws) ** 2
    # sizes 1..P - 1 have weight 1 - 1/P; V(N) and V(empty) are known
    weight = 1 - 1 / num_players
    values, variance = difference(plus, minus, chance, (weight, weight), draws.empty.ravel())
    values = values + (draws.grand - draws.empty).ravel() / num_players
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), np.sqrt(variance).reshape(shape)
