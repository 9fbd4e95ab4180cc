"""Key combinations: all small coalitions, a balanced sample of the next size, nothing of the rest
(Wei et al. 2025).
"""

from math import comb
from typing import Literal

import numpy as np

from fedjax_shap._validate import one_of
from fedjax_shap.coalitions import of_size, pack
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.evaluations import Evaluations
from fedjax_shap.shapley.sampling import Design, Draws, SamplingState, sampling_estimator
from fedjax_shap.typing import HostArray, Masks, PyTree

LEAST_EACH = (
    2  # coalitions of the sampled size with each player, without which there is no standard error
)
# tried for each coalition that is not new: they leave unchanged how often each player appears
EXCHANGES = 50
STARTS = 20  # made before balance is given up


def ipss(*, beyond: Literal["nothing", "last"] = "nothing") -> Estimator:
    """Importance-pruned stratified sampling: few members tell most (Wei, Tong, Zhou, He and Xu,
    arXiv 2504.16668).

    With k* the largest k such that all coalitions of at most k players fit into the budget, these
    are all valued, the rest of the budget goes to a balanced sample of size k* + 1, in which every
    player appears equally often, and larger coalitions are ignored, but everybody. phi_i = (1/P)
    sum over sizes s of the mean of V(S + i) - V(S), |S| = s: exact for s < k*; for s = k* the mean
    over the coalitions S + i sampled, S being known; unknown for larger s.

    Args:
        beyond: what the sizes ignored are taken to add: "nothing", as in the paper, as if utility
            were saturated, which suits federations; or as much as the "last" size known, as if it
            were additive from there on.

    Guarantees:
        Biased by what `beyond` gets wrong. With "last" it is exact on every game that is additive
        beyond size k*, and so on additive ones; with "nothing" where coalitions of more than k*
        players add nothing. Standard errors are analytic, corrected for drawing without
        replacement, and tell of the sample alone, not of the bias; they are 0 where the budget
        leaves less than two coalitions for each player, so that nothing is sampled. Exact once the
        budget covers all coalitions.
    """
    one_of("beyond", beyond, ("last", "nothing"))
    design = Design(
        name="ipss",
        propose=_propose,
        reduce=lambda draws: _reduce(draws, beyond),
        unit_size=lambda num_players: 1,
        fixed=lambda num_players, budget: small(num_players, key_size(num_players, budget)),
        least_units=0,
    )
    assumed = "as much as those of that size" if beyond == "last" else "nothing"
    bias = f"joining coalitions of more than k* players is taken to add {assumed}"
    return sampling_estimator(
        design, Guarantees(unbiased=False, bias=bias, additive=beyond == "last", errors="analytic")
    )


def key_size(num_players: int, budget: int) -> int:
    """k* >= 1: the largest k such that all coalitions of at most k players, and everybody, fit into
    the budget.

    Without a limit it is 1: what is valued in turns starts with the small, and may stop early.
    """
    size, room = 1, budget - 2 - num_players
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
    """Distinct coalitions bool[count, P] of `size` players, none of them taken, each player in as
    many as any other.

    Args:
        rng: draws.
        count: how many.
        size: the number of members.
        seen: int[P], how often each player has appeared already: those who have least are next, so
            that in the end all have appeared equally often, or once more; unless too few coalitions
            are left for that.
        taken: the names of coalitions not to draw.
    """
    for _ in range(STARTS):
        masks, wrong, names = _untangled(rng, _in_turn(rng, count, size, seen), taken)
        if not wrong:
            return masks
    for row in wrong:
        while (name := pack(masks[row : row + 1])[0]) in names:
            masks[row] = rng.permutation(masks[row])
        names.add(name)
    return masks


def _in_turn(rng: np.random.Generator, count: int, size: int, seen: HostArray) -> Masks:
    """bool[count, P]: coalitions, not always distinct, of those who appeared least, ties being
    broken at random.
    """
    seen, masks = seen.copy(), np.zeros((count, len(seen)), bool)
    for row in range(count):
        masks[row, np.lexsort((rng.random(len(seen)), seen))[:size]] = True
        seen += masks[row]
    return masks


def _untangled(
    rng: np.random.Generator, masks: Masks, taken: set[bytes]
) -> tuple[Masks, list[int], set[bytes]]:
    """(the masks after exchanges of members that make them new, the rows that are still not, names
    not to draw).
    """
    masks, names, taken, wrong = masks.copy(), pack(masks), set(taken), list[int]()
    for row, name in enumerate(names):
        if name in taken:
            wrong.append(row)
        taken.add(name)
    for _ in range(EXCHANGES * len(wrong)):
        row, other = wrong[-1], int(rng.integers(len(masks)))
        exchanged = _exchanged(rng, masks[[row, other]])
        first, second = pack(exchanged)
        if other not in wrong and first != second and not {first, second} & taken:
            taken.remove(names[other])
            taken |= {first, second}
            masks[[row, other]], names[row], names[other] = exchanged, first, second
            wrong.pop()
        if not wrong:
            break
    return masks, wrong, taken


def _exchanged(rng: np.random.Generator, pair: Masks) -> Masks:
    """The two coalitions bool[2, P] after one member of each, that the other lacks, has changed
    sides.
    """
    mine, theirs = np.flatnonzero(pair[0] & ~pair[1]), np.flatnonzero(pair[1] & ~pair[0])
    changed = pair.copy()
    if len(mine):
        swap = [rng.choice(mine), rng.choice(theirs)]
        changed[:, swap] = ~changed[:, swap]
    return changed


def _propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[PyTree, Masks]:
    num_players, size = state.num_players, _complete(state.evaluations) + 1
    seen = state.evaluations.masks[state.evaluations.masks.sum(axis=1) == size]
    left, room = comb(num_players, size) - len(seen), state.budget - len(state.evaluations)
    count = min(count, left, room)
    if (
        size >= num_players
        or count == 0
        or (len(seen) + min(left, room)) * size < LEAST_EACH * num_players
    ):
        return np.zeros((0, 0)), np.zeros((0, 1, num_players), bool)
    if count <= left - count:
        masks = balanced(rng, count, size, seen.sum(axis=0), set(pack(seen)))
    else:
        # What stays out is drawn where it is less: all of a size are balanced, and so is then the
        # rest.
        out = balanced(rng, left - count, size, np.zeros(num_players, np.int64), set(pack(seen)))
        gone, masks = {*pack(seen), *pack(out)}, of_size(num_players, size)
        masks = rng.permutation(masks[[name not in gone for name in pack(masks)]])
    return np.zeros((len(masks), 0)), masks[:, None]


def _complete(evaluations: Evaluations) -> int:
    """The largest size up to which all coalitions were asked for."""
    num_players, counts = (
        evaluations.masks.shape[1],
        np.bincount(evaluations.masks.sum(axis=1), minlength=evaluations.masks.shape[1] + 1),
    )
    lacking = [size for size in range(num_players) if counts[size] < comb(num_players, size)]
    return min(lacking, default=num_players) - 1


def _reduce(draws: Draws, beyond: str) -> tuple[HostArray, HostArray]:
    evaluations, num_players = draws.evaluations, draws.fixed.shape[1]
    utilities, largest = (
        np.asarray(evaluations.utilities).reshape(len(evaluations), -1),
        _complete(evaluations),
    )
    known = _strata(evaluations.masks, utilities, largest)
    last, errors = known[-1], np.zeros_like(known[-1])
    rows = np.flatnonzero(evaluations.masks.sum(axis=1) == largest + 1)
    if len(rows) and evaluations.masks[rows].sum(axis=0).min() >= LEAST_EACH:
        last, errors = _gains(evaluations, utilities, rows)
        known.append(last)
    weight = num_players - len(known) if beyond == "last" else 0
    values, errors = (
        (np.sum(known, axis=0) + weight * last) / num_players,
        (1 + weight) * errors / num_players,
    )
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), errors.reshape(shape)


def _strata(masks: Masks, utilities: HostArray, largest: int) -> list[HostArray]:
    """float64[P, T] for each s < largest: the mean of V(S + i) - V(S), |S| = s, all of which are
    known.
    """
    sizes, num_players, found = masks.sum(axis=1), masks.shape[1], list[HostArray]()
    without = np.asarray(utilities[sizes == 0])
    for size in range(1, largest + 1):
        inside, own = masks[sizes == size].astype(float), utilities[sizes == size]
        sums = inside.T @ own
        found.append(sums / comb(num_players - 1, size - 1) - without)
        without = (own.sum(axis=0) - sums) / max(comb(num_players - 1, size), 1)
    return found


def _gains(
    evaluations: Evaluations, utilities: HostArray, rows: HostArray
) -> tuple[HostArray, HostArray]:
    """The mean float64[P, T] of V(S + i) - V(S) over the sampled coalitions S + i, and its standard
    error.
    """
    masks = evaluations.masks[rows]
    num_players, size = masks.shape[1], int(masks[0].sum())
    members = np.nonzero(masks)[1].reshape(len(masks), size)
    before = np.repeat(masks[:, None], size, axis=1)
    np.put_along_axis(before, members[..., None], False, axis=2)
    gains = utilities[rows][:, None] - utilities[evaluations.rows(before)]
    count = masks.sum(axis=0)[:, None]
    mean, squares = np.zeros((2, num_players, utilities.shape[1]))
    np.add.at(mean, members, gains)
    mean /= count
    np.add.at(squares, members, (gains - mean[members]) ** 2)
    unseen = 1 - count / comb(num_players - 1, size - 1)
    return mean, np.sqrt(squares / (count - 1) / count * unseen)
