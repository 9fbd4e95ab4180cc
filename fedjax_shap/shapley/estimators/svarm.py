"""SVARM: means of V with and without a player instead of marginals (Kolpaczki et al. 2024; Li and
Yu 2024).
"""

from collections.abc import Iterator
from math import comb
from typing import NamedTuple

import numpy as np

from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.quotas import SizeWeights, largest_remainders
from fedjax_shap.shapley.sampling import (
    MANY_PLAYERS,
    Design,
    Draws,
    SamplingState,
    sampling_estimator,
)
from fedjax_shap.shapley.semivalue import Coefficients, semivalues, shapley
from fedjax_shap.shapley.strata import redraw_until_new, shuffle_of_size
from fedjax_shap.typing import HostArray, Masks, PyTree

# the coalitions of a size are listed, not guessed, where this many times those to be drawn are all
# there are
LISTED = 4
MOST_PLANNED = 2**20  # coalitions whose sizes are laid out, where the budget would allow more


def svarm(*, stratified: bool = True) -> Estimator:
    """Every coalition drawn updates all players: phi = E[V | with i] - E[V | without i], by size
    where stratified.

    Stratified, all coalitions of sizes 0, 1, P - 1 and P are valued, and a quota of every other
    size is drawn without replacement, in proportion to the law of the paper, 1 / min(size, P -
    size), but at least two of a size. Plain, pairs of coalitions are drawn with replacement, one
    for the means with and one for the means without (algorithm 1), and only sizes 0 and P are
    exact; it makes do with a budget of 6 where the stratified one needs 4 P - 4.

    Args:
        stratified: a stratum for each size, as in algorithm 2 of the paper, or none.

    Guarantees:
        Unbiased. There is no warm-up: it takes P^2 coalitions to give every player a sample in each
        stratum. Instead, a player who is in none or in all of the coalitions drawn of a size counts
        as average there, and the others' difference is divided by the chance that it exists, which
        is known. Stratified, the standard errors are analytic and corrected for drawing without
        replacement; where a size has been exhausted its error is 0. The budget is never exceeded;
        plain, it is not used up, since coalitions that are drawn twice are not replaced: to go on
        drawing would tie the number of draws to what was drawn.
    """
    if stratified:
        return by_size("svarm", _law, shapley, "shapley")
    return sampling_estimator(
        Design(name="svarm", propose=_pairs, reduce=_plain, unit_size=lambda num_players: 2), _PLAIN
    )


def by_size(name: str, law: SizeWeights, coefficients: Coefficients, target: str) -> Estimator:
    """An estimator of any semivalue from the means, by size, of V with and without each player.

    With a_k = c_{k-1} C(P-1, k-1) and b_k = c_k C(P-1, k), a semivalue is the sum over sizes k of
    a_k E[V | with i] - b_k E[V | without i] (Li and Yu 2024): one sample serves them all.

    Args:
        name: what it is called.
        law: how often each size is drawn; at least two of each size are, and never more than there
            are.
        coefficients: the semivalue's.
        target: what `Guarantees.target` calls it.
    """

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[PyTree, Masks]:
        sizes = _plan(law, state)[state.num_units :][:count]
        return sizes, _distinct(rng, sizes, state)[:, None]

    design = Design(
        name=name,
        propose=propose,
        reduce=lambda draws: _stratified(draws, coefficients),
        unit_size=lambda num_players: 1,
        fixed=lambda num_players, budget: np.concatenate(
            [m := np.eye(num_players, dtype=bool), ~m]
        ),
        least_units=lambda num_players: 2 * max(num_players - 3, 0),
        from_table=lambda table: semivalues(table, coefficients),
        most_players=MANY_PLAYERS,
    )
    return sampling_estimator(design, Guarantees(target=target, errors="analytic"))


class Side(NamedTuple):
    """The coalitions with each player, or without: how many int[P], the mean of V float64[P, T],
    and its variance.
    """

    seen: HostArray
    mean: HostArray
    variance: HostArray


def side(inside: HostArray, values: HostArray, population: HostArray | float = np.inf) -> Side:
    """What each player has seen on one side.

    Args:
        inside: float64[M, P], 1 where a coalition is on the player's side.
        values: float64[M, T], their utilities.
        population: how many coalitions there are on that side, if they are drawn without
            replacement.
    """
    count, middle = inside.sum(axis=0).astype(int), values.mean(axis=0)
    some, centred = np.maximum(count, 1)[:, None], values - middle
    mean = inside.T @ centred / some
    squares = np.maximum(inside.T @ centred**2 - some * mean**2, 0)
    # One coalition has no spread of its own: it is lent that of all.
    spread = np.where(
        count[:, None] > 1, squares / np.maximum(some - 1, 1), centred.var(axis=0, ddof=1)
    )
    unseen = np.maximum(1 - some / population, 0)
    return Side(count, mean + middle, spread / some * unseen)


def difference(
    plus: Side, minus: Side, chance: float, weights: tuple[float, float], centre: HostArray
) -> tuple[HostArray, HostArray]:
    """Unbiased a E[V | with i] - b E[V | without i], float64[P, T], and its variance.

    Args:
        plus: what was seen with each player.
        minus: what was seen without.
        chance: the probability that a player has been seen on both sides.
        weights: (a, b).
        centre: float64[T], a number near V that does not depend on the draws; it matters to who was
            not seen.
    """
    a, b = weights
    seen = ((plus.seen > 0) & (minus.seen > 0))[:, None] / chance
    found = a * (plus.mean - centre) - b * (minus.mean - centre)
    variance = a**2 * plus.variance + b**2 * minus.variance
    return (a - b) * centre + seen * found, seen**2 * (chance * variance + (1 - chance) * found**2)


def _law(num_players: int) -> HostArray:
    """float64[P - 1]: 1 / min(size, P - size), by which all strata expect about as many
    coalitions.
    """
    size = np.arange(1, num_players)
    return np.asarray(1 / np.minimum(size, num_players - size))


def _plan(law: SizeWeights, state: SamplingState) -> HostArray:
    """int[U]: the sizes of all coalitions to draw, in their order: two of each size, and then
    evenly mixed.
    """
    sizes, room = (
        np.arange(2, state.num_players - 1),
        min(state.budget - len(set(pack(state.fixed))), MOST_PLANNED),
    )
    if not len(sizes):
        return sizes
    there = np.array([min(comb(state.num_players, size), room) for size in sizes.tolist()])
    quota = largest_remainders(law(state.num_players)[1:-1], there, room, least=2)
    place = np.concatenate(
        [np.where(np.arange(m) < 2, -1, (np.arange(m) + 0.5) / max(m, 1)) for m in quota]
    )
    return np.asarray(np.repeat(sizes, quota)[np.argsort(place, kind="stable")])


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


def _stratified(draws: Draws, coefficients: Coefficients) -> tuple[HostArray, HostArray]:
    num_players = draws.fixed.shape[1]
    counts = coefficients(num_players) * [
        float(comb(num_players - 1, size)) for size in range(num_players)
    ]
    empty, step = draws.empty.ravel(), (draws.grand - draws.empty).ravel() / num_players
    values = np.tile(counts[-1] * draws.grand.ravel() - counts[0] * empty, (num_players, 1))
    variance = np.zeros_like(values)
    for size, inside, utilities in _strata(draws):
        with_one, without = (
            float(comb(num_players - 1, size - 1)),
            float(comb(num_players - 1, size)),
        )
        plus, minus = side(inside, utilities, with_one), side(1 - inside, utilities, without)
        chance = 1 - missed(without, with_one, len(inside)) - missed(with_one, without, len(inside))
        found = difference(
            plus, minus, chance, (counts[size - 1], counts[size]), empty + size * step
        )
        values, variance = values + found[0], variance + found[1]
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), np.sqrt(variance).reshape(shape)


def _strata(draws: Draws) -> Iterator[tuple[int, HostArray, HostArray]]:
    """(size, float64[M, P] coalitions, float64[M, T] utilities) of each size 1..P - 1."""
    masks, utilities = (
        draws.evaluations.masks,
        np.asarray(draws.evaluations.utilities).reshape(len(draws.evaluations), -1),
    )
    sizes = masks.sum(axis=1)
    order = np.argsort(sizes, kind="stable")
    ends = np.searchsorted(sizes[order], np.arange(1, masks.shape[1] + 1))
    for size, rows in enumerate(np.split(order, ends)[1:-1], 1):
        yield size, masks[rows].astype(float), utilities[rows]


def missed(others: float, own: float, drawn: int) -> float:
    """The chance that `drawn` of own + others coalitions, without replacement, are all of the
    others.
    """
    before = np.arange(drawn)
    return float(np.prod(np.maximum(others - before, 0) / np.maximum(others + own - before, 1)))


_PLAIN = Guarantees(errors="analytic")


def _pairs(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[PyTree, Masks]:
    """Pairs of coalitions: given that i is in the first, or not in the second, sizes 1..P - 1 are
    equally likely.
    """
    count, size = (
        min(count, (state.budget - 2) // 2 - state.num_units),
        np.arange(1, state.num_players),
    )
    first = (
        rng.choice(size, size=count, p=(1 / size) / (1 / size).sum())
        if count
        else np.zeros(0, np.int64)
    )
    second = state.num_players - rng.choice(size, size=count, p=(1 / size) / (1 / size).sum())
    sizes = np.stack([first, second], axis=1)
    places = np.argsort(np.argsort(rng.random((count, 2, state.num_players)), axis=2), axis=2)
    return sizes, places < sizes[..., None]


def _plain(draws: Draws) -> tuple[HostArray, HostArray]:
    num_draws, _, num_players = draws.masks.shape
    utilities = draws.utilities.reshape(num_draws, 2, -1)
    inside = draws.masks.astype(float)
    plus, minus = side(inside[:, 0], utilities[:, 0]), side(1 - inside[:, 1], utilities[:, 1])
    rate = (1 - 1 / num_players) / (1 / np.arange(1, num_players)).sum()
    chance, share = (1 - (1 - rate) ** num_draws) ** 2, 1 - 1 / num_players
    values, variance = difference(plus, minus, chance, (share, share), draws.empty.ravel())
    values = values + (draws.grand - draws.empty).ravel() / num_players
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), np.sqrt(variance).reshape(shape)
