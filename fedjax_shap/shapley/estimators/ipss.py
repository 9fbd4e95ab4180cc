"""Importance-pruned stratified sampling: all small coalitions and a sample of the next size.

The Shapley value is a mean over sizes, phi_i = 1/P sum over s of the mean of V(S + i) - V(S) over
the coalitions S of s others. Utilities of federations saturate, so the small sizes matter most. Let
k* be the largest k such that all coalitions of at most k players fit into the budget. The term of a
size s < k* is exact. That of s = k* is the mean over a sample of coalitions S + i, of k* + 1
players, in which every player appears equally often. The terms of larger sizes are assumed.

References:
    Wei, Tong, Zhou, He, Xu 2025 (arXiv 2504.16668).
"""

from functools import partial
from math import comb
from typing import Literal

import numpy as np

from fedjax_shap._validate import one_of
from fedjax_shap.coalitions import of_size, pack
from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.evaluations import Evaluations
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.strata import shuffle_of_size
from fedjax_shap.typing import HostArray, Masks, PyTree

# coalitions of the sampled size with each player, without which there is no standard error
LEAST_EACH = 2
# tried for each coalition that is not new; they leave unchanged how often each player appears
EXCHANGES = 50
STARTS = 20  # made before balance is given up


def ipss(*, beyond: Literal["nothing", "last"] = "nothing") -> Estimator:
    """All coalitions of at most k* players, a balanced sample of k* + 1, and the grand coalition.

    Args:
        beyond: what players are assumed to add to coalitions of the sizes that are not valued.
            "nothing", as in the paper, as if utility were saturated, which suits federations; or
            what they add to coalitions of the "last" size known, as if it were additive from there.

    Guarantees:
        Biased by what `beyond` gets wrong. With "last" it is exact on every game that is additive
        beyond size k*, and so on additive ones; with "nothing" where coalitions of more than k*
        players add nothing. Exact once the budget covers all coalitions. Standard errors are
        analytic, corrected for drawing without replacement, and measure the error of the sample
        alone, not the bias. They are 0 where the rest of the budget is less than two coalitions for
        each player, so that nothing is sampled.
    """
    one_of("beyond", beyond, ("last", "nothing"))
    extrapolates = beyond == "last"
    design = Design(
        name="ipss",
        propose=_propose,
        reduce=partial(_reduce, extrapolates),
        unit_size=lambda num_players: 1,
        fixed=lambda num_players, budget: small(num_players, key_size(num_players, budget)),
        least_units=0,
    )
    assumed = "nothing"
    if extrapolates:
        assumed = "as much as those of that size"
    bias = f"joining coalitions of more than k* players is taken to add {assumed}"
    guarantees = Guarantees(unbiased=False, bias=bias, additive=extrapolates, errors="analytic")
    return sampling_estimator(design, guarantees)


def key_size(num_players: int, budget: int) -> int:
    """k* >= 1: the largest k such that all coalitions of at most k players and the grand one fit.

    Without a limit it is 1: batches of requests start with small coalitions, and may stop early.
    """
    size = 1
    room = budget - 2 - num_players
    while budget < 2**num_players and room >= comb(num_players, size + 1):
        size += 1
        room -= comb(num_players, size)
    return size


def small(num_players: int, largest: int) -> Masks:
    """bool[M, P]: all coalitions of 1..largest players, by size."""
    return np.concatenate([of_size(num_players, size) for size in range(1, largest + 1)])


def balanced(
    rng: np.random.Generator, count: int, size: int, seen: HostArray, taken: set[bytes]
) -> Masks:
    """bool[count, P]: distinct new coalitions, each player in as many as any other.

    Args:
        rng: the generator of the draws.
        count: how many coalitions.
        size: the number of their members.
        seen: int[P], how often each player has appeared already. Those who appeared least come
            first, so that in the end all have appeared equally often, or once more, unless too few
            coalitions are left for that.
        taken: the names of coalitions not to draw.
    """
    # a balanced sample may repeat coalitions, and not every start can be repaired
    for _ in range(STARTS):
        masks, repeated, names = _repaired(rng, _in_turn(rng, count, size, seen), taken)
        if not repeated:
            return masks
    # give up balance: redraw what is still repeated
    for row in repeated:
        while (name := pack(masks[row : row + 1])[0]) in names:
            masks[row] = rng.permutation(masks[row])
        names.add(name)
    return masks


def _in_turn(rng: np.random.Generator, count: int, size: int, seen: HostArray) -> Masks:
    """bool[count, P]: coalitions, perhaps repeated, of those who appeared least; ties at random."""
    seen = seen.copy()
    masks = np.zeros((count, len(seen)), bool)
    for row in range(count):
        masks[row, np.lexsort((rng.random(len(seen)), seen))[:size]] = True
        seen += masks[row]
    return masks


def _repaired(
    rng: np.random.Generator, masks: Masks, taken: set[bytes]
) -> tuple[Masks, list[int], set[bytes]]:
    """(the masks after exchanges of members that make them new; the rows still repeated; the names
    not to draw).
    """
    masks = masks.copy()
    names = pack(masks)
    taken = set(taken)
    # find the rows that repeat another, or one taken before
    repeated = list[int]()
    for row, name in enumerate(names):
        if name in taken:
            repeated.append(row)
        taken.add(name)
    # let each exchange a member with a random other row, where that makes both new
    for _ in range(EXCHANGES * len(repeated)):
        row = repeated[-1]
        other = int(rng.integers(len(masks)))
        exchanged = _exchanged(rng, masks[[row, other]])
        first, second = pack(exchanged)
        if other not in repeated and first != second and not {first, second} & taken:
            taken.remove(names[other])
            taken |= {first, second}
            masks[[row, other]] = exchanged
            names[row] = first
            names[other] = second
            repeated.pop()
        if not repeated:
            break
    return masks, repeated, taken


def _exchanged(rng: np.random.Generator, pair: Masks) -> Masks:
    """bool[2, P]: the two coalitions after each gave the other a member that it had not."""
    mine = np.flatnonzero(pair[0] & ~pair[1])
    theirs = np.flatnonzero(pair[1] & ~pair[0])
    changed = pair.copy()
    if len(mine):
        swap = [rng.choice(mine), rng.choice(theirs)]
        changed[:, swap] = ~changed[:, swap]
    return changed


def _propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[PyTree, Masks]:
    """Up to `count` new coalitions of the first size that is not complete."""
    num_players = state.num_players
    size = _complete(state.evaluations) + 1
    seen = state.evaluations.masks[state.evaluations.masks.sum(axis=1) == size]
    left = comb(num_players, size) - len(seen)
    room = state.budget - len(state.evaluations)
    count = min(count, left, room)
    # sample nothing where the budget could not give every player the coalitions of an error
    too_few = (len(seen) + min(left, room)) * size < LEAST_EACH * num_players
    if size >= num_players or count == 0 or too_few:
        return np.zeros((0, 0)), np.zeros((0, 1, num_players), bool)
    if count <= left - count:
        masks = balanced(rng, count, size, seen.sum(axis=0), set(pack(seen)))
    else:
        # draw those that stay out, which are fewer: all of a size are balanced, and so is the rest
        out = balanced(rng, left - count, size, np.zeros(num_players, np.int64), set(pack(seen)))
        excluded = {*pack(seen), *pack(out)}
        masks = shuffle_of_size(rng, num_players, size, known=excluded)
    return np.zeros((len(masks), 0)), masks[:, None]


def _complete(evaluations: Evaluations) -> int:
    """The largest size up to which all coalitions were asked for."""
    num_players = evaluations.masks.shape[1]
    counts = np.bincount(evaluations.masks.sum(axis=1), minlength=num_players + 1)
    incomplete = [size for size in range(num_players) if counts[size] < comb(num_players, size)]
    return min(incomplete, default=num_players) - 1


def _reduce(extrapolates: bool, draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: the mean over sizes of the mean marginals."""
    evaluations = draws.evaluations
    num_players = draws.fixed.shape[1]
    utilities = np.asarray(evaluations.utilities).reshape(len(evaluations), -1)
    largest = _complete(evaluations)
    # the mean marginals of the sizes that are complete
    known = _mean_marginals(evaluations.masks, utilities, largest)
    last = known[-1]
    errors = np.zeros_like(last)
    # those of the size that was sampled, if every player appears in the sample often enough
    rows = np.flatnonzero(evaluations.masks.sum(axis=1) == largest + 1)
    if len(rows) and evaluations.masks[rows].sum(axis=0).min() >= LEAST_EACH:
        last, errors = _sampled_marginals(evaluations, utilities, rows)
        known.append(last)
    # those of all larger sizes are assumed to be nothing, or that of the last size
    assumed = 0
    if extrapolates:
        assumed = num_players - len(known)
    values = (np.sum(known, axis=0) + assumed * last) / num_players
    errors = (1 + assumed) * errors / num_players
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), errors.reshape(shape)


def _mean_marginals(masks: Masks, utilities: HostArray, largest: int) -> list[HostArray]:
    """float64[P, T] for each s < largest: the mean of V(S + i) - V(S) over all S of s others."""
    sizes = masks.sum(axis=1)
    num_players = masks.shape[1]
    means = list[HostArray]()
    without = np.asarray(utilities[sizes == 0])  # the mean of V(S) over the S of s others
    for size in range(1, largest + 1):
        inside = masks[sizes == size].astype(float)
        own = utilities[sizes == size]
        sums = inside.T @ own
        means.append(sums / comb(num_players - 1, size - 1) - without)
        without = (own.sum(axis=0) - sums) / max(comb(num_players - 1, size), 1)
    return means


def _sampled_marginals(
    evaluations: Evaluations, utilities: HostArray, rows: HostArray
) -> tuple[HostArray, HostArray]:
    """The mean float64[P, T] of V(S + i) - V(S) over the sampled coalitions S + i, and its standard
    error.
    """
    masks = evaluations.masks[rows]
    num_players = masks.shape[1]
    size = int(masks[0].sum())
    # the coalitions without each of their members, all of which are known
    members = np.nonzero(masks)[1].reshape(len(masks), size)
    before = np.repeat(masks[:, None], size, axis=1)
    np.put_along_axis(before, members[..., None], False, axis=2)
    gains = utilities[rows][:, None] - utilities[evaluations.rows(before)]
    # each player's mean gain
    count = masks.sum(axis=0)[:, None]
    mean, squares = np.zeros((2, num_players, utilities.shape[1]))
    np.add.at(mean, members, gains)
    mean /= count
    # its variance, as of a sample without replacement
    np.add.at(squares, members, (gains - mean[members]) ** 2)
    unseen = 1 - count / comb(num_players - 1, size - 1)
    return mean, np.sqrt(squares / (count - 1) / count * unseen)
