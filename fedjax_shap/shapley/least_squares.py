"""Values as least squares: coalitions drawn by their sizes, regressed on who is in them.

Charnes et al. (1988): the Shapley values are the slopes of the weighted least squares fit of V(S) -
V(empty) on membership, their sum held to V(N) - V(empty), where a coalition of s members weighs (P
- 1) / (C(P, s) s (P - s)). Coalitions are drawn here; what is drawn of a *stratum*, the coalitions
of one size, weighs in sum what the stratum weighs (Cochran 1977, chapter 5).
"""

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer
from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.evaluations import Evaluations
from fedjax_shap.shapley.quotas import next_sizes
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.strata import draw_of_size, shuffle_of_size
from fedjax_shap.typing import HostArray, Masks

REGRESSION_BIAS = (
    "a regression divides by the moments of the coalitions drawn, which go with what is drawn"
)


class RegressionRows(NamedTuple):
    """The drawn coalitions as rows of a regression that goes through nobody and everybody.

    Attributes:
        masks: bool[U, P], the coalition of each row, the first of each pair.
        features: float64[U, P], membership less its mean s / P, so that slopes of any common part
            do not count.
        responses: float64[U, T], V(S) - V(empty) - (s / P) (V(N) - V(empty)); of a pair, half the
            difference of both.
        strata: int[U], the size of the coalition, of a pair that of the smaller one.
        weights: float64[U], the stratum's weight over how many were drawn of it.
        unseen: float64[U], the share of the stratum that was not drawn.
        paired: whether rows are pairs.
    """

    masks: Masks
    features: HostArray
    responses: HostArray
    strata: HostArray
    weights: HostArray
    unseen: HostArray
    paired: bool


Solve = Callable[[RegressionRows], tuple[HostArray, HostArray]]


def regression_estimator(
    name: str, solve: Solve, guarantees: Guarantees, *, paired: bool, power: float
) -> Estimator:
    """An estimator that regresses the coalitions drawn.

    Of every size two are drawn first. Then the size that is furthest behind its share comes next
    (Webster's method), and of that size a coalition not yet drawn, each as likely as any other.
    What is drawn first is drawn again until it spans the games that are additive.

    Args:
        name: what refusals call it.
        solve: rows -> (influence float64[P, U] of each response on each value; float64[U, T], how
            much each response may be off, from which standard errors are told).
        guarantees: what it promises.
        paired: draw each coalition with its complement.
        power: the share of size s is (1 / (s (P - s)))**power: 1 as coalitions weigh, 0 all sizes
            alike.
    """
    group = 2 if paired else 1

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[None, Masks]:
        masks = _spanning(rng, state.evaluations, count, power, paired)
        return None, np.stack([masks, ~masks][:group], axis=1)

    def reduce(draws: Draws) -> tuple[HostArray, HostArray]:
        rows = _rows(draws, paired)
        influence, left = solve(rows)
        level = (draws.grand - draws.empty) / draws.fixed.shape[1]
        values, shape = influence @ rows.responses, (draws.fixed.shape[1], *level.shape)
        return values.reshape(shape) + level, _standard_errors(rows, influence, left).reshape(shape)

    plain = sampling_estimator(
        Design(name=name, propose=propose, reduce=reduce, unit_size=lambda _: group), guarantees
    )

    def init(num_players: int, budget: int | None, turn: int | None = None) -> SamplingState:
        integer("num_players", num_players, least=1)
        if budget is not None:
            integer("budget", budget, least=min(2**num_players, 2 * num_players + 4))
        return plain.init(num_players, budget, turn)  # type: ignore[no-any-return]

    return plain._replace(init=init)


def least_squares(rows: RegressionRows) -> tuple[HostArray, HostArray]:
    """The weighted least squares slopes, the shortest ones where the rows do not span the players.

    Returns:
        influence float64[P, U], and left float64[U, T]: residuals over the root of what the row
        leaves undetermined, which has the variance that the response has (MacKinnon, White 1985,
        HC2).
    """
    weighted = rows.features * rows.weights[:, None]
    influence = slopes(rows.features.T @ weighted) @ weighted.T
    free = 1 - np.einsum("up,pu->u", rows.features, influence)
    left = rows.responses - rows.features @ (influence @ rows.responses)
    return influence, left / np.sqrt(np.maximum(free, 1e-9))[:, None]


def slopes(moments: HostArray) -> HostArray:
    """float64[P, P]: the pseudo-inverse of the normal equations' matrix, which is singular on
    slopes that are alike.
    """
    return np.linalg.pinv(moments, rcond=1e-11, hermitian=True)


def known_moments(rows: RegressionRows) -> tuple[HostArray, HostArray]:
    """The slopes with the matrix of the normal equations as it is in expectation (Covert, Lee
    2021).

    Over all coalitions of size s it is s (P - s) / (P (P - 1)) times the identity, on slopes that
    sum to 0.
    """
    num_players = rows.masks.shape[1]
    moment = (
        rows.weights
        @ (rows.strata * (num_players - rows.strata))
        / (num_players * (num_players - 1))
    )
    return rows.features.T * (rows.weights / moment), rows.responses


def _rows(draws: Draws, paired: bool) -> RegressionRows:
    masks, trailing = draws.masks[:, 0], (draws.grand - draws.empty).ravel()
    num_players, sizes = masks.shape[1], masks.sum(axis=1)
    share = sizes[:, None] / num_players
    own = draws.utilities.reshape(*draws.utilities.shape[:2], -1)
    if paired:
        responses = (own[:, 0] - own[:, 1] - (2 * share - 1) * trailing) / 2
    else:
        responses = own[:, 0] - draws.empty.ravel() - share * trailing
    strata = np.minimum(sizes, num_players - sizes) if paired else sizes
    drawn = np.bincount(strata, minlength=num_players)
    count = {size: _how_many(num_players, size, paired) for size in range(1, num_players)}
    unseen = np.array(
        [0.0] + [1 - int(drawn[size]) / count[size] for size in range(1, num_players)]
    )
    weights = _shares(num_players, 1.0, paired)[strata] / drawn[strata]
    return RegressionRows(masks, masks - share, responses, strata, weights, unseen[strata], paired)


def _standard_errors(rows: RegressionRows, influence: HostArray, left: HostArray) -> HostArray:
    """float64[P, T]: of stratified sampling without replacement (Cochran 1977, chapter 5),
    linearised.
    """
    variance = np.zeros((len(influence), left.shape[1]))
    for size in np.unique(rows.strata):
        mine = rows.strata == size
        count, unseen = mine.sum(), rows.unseen[mine][0]
        own, left_own = influence[:, mine], left[mine]
        squares, total = own**2 @ left_own**2, own @ left_own
        # A stratum of which one was drawn tells no spread: its mean is taken to be 0, as that over
        # all strata is.
        centred = count / (count - 1) * (squares - total**2 / count) if count > 1 else squares
        variance += unseen * np.maximum(centred, 0)
    return np.sqrt(variance)


def _how_many(num_players: int, size: int, paired: bool) -> int:
    """How many coalitions, or pairs, there are in the stratum of a size."""
    return comb(num_players, size) // (2 if paired and 2 * size == num_players else 1)


def _shares(num_players: int, power: float, paired: bool) -> HostArray:
    """float64[P]: the share of each stratum, by its size; paired, sizes over P / 2 have none."""
    size = np.arange(1, num_players)
    shares = np.concatenate([[0.0], (1 / (size * (num_players - size))) ** power])
    if paired:
        shares[1:] += shares[:0:-1]
        shares[num_players // 2 + 1 :] = 0
        if num_players % 2 == 0:
            shares[num_players // 2] /= 2
    return shares


def _spanning(
    rng: np.random.Generator, evaluations: Evaluations, count: int, power: float, paired: bool
) -> Masks:
    """`_next`, drawn again while it says less of games that are additive than that many rows
    can.
    """
    masks = _next(rng, evaluations, count, power, paired)
    before, most = evaluations.masks[2 :: 2 if paired else 1], evaluations.masks.shape[1] - 1
    while len(before) < most and _rank(np.concatenate([before, masks])) < min(
        len(before) + len(masks), most
    ):
        masks = _next(rng, evaluations, count, power, paired)
    return masks


def _rank(masks: Masks) -> int:
    """How many players' slopes, less one, the coalitions tell apart."""
    features = masks - masks.mean(axis=1, keepdims=True)
    return int(np.linalg.matrix_rank(features.T @ features, hermitian=True))


def _next(
    rng: np.random.Generator, evaluations: Evaluations, count: int, power: float, paired: bool
) -> Masks:
    """bool[count, P]: coalitions besides those told, their sizes dealt by shares; fewer if there
    are no more.
    """
    sizes = _next_sizes(evaluations, count, power, paired)
    masks = np.zeros((len(sizes), evaluations.masks.shape[1]), bool)
    for size in np.unique(sizes):
        mine = np.flatnonzero(sizes == size)
        masks[mine] = _new_of_size(rng, evaluations, int(size), len(mine), paired)
    return masks


def _next_sizes(evaluations: Evaluations, count: int, power: float, paired: bool) -> HostArray:
    """int[count]: the size of each next draw, two of each first; fewer if there are no more."""
    num_players = evaluations.masks.shape[1]
    drawn = np.bincount(evaluations.masks.sum(axis=1), minlength=num_players + 1).tolist()
    if paired and num_players % 2 == 0:
        drawn[num_players // 2] //= 2
    weights = _shares(num_players, power, paired)
    available = [_how_many(num_players, size, paired) for size in range(num_players)]
    return next_sizes(weights, drawn, available, count, least=2)


def _new_of_size(
    rng: np.random.Generator, evaluations: Evaluations, size: int, count: int, paired: bool
) -> Masks:
    """bool[count, P]: new coalitions of a size, drawn without replacement, each as likely as
    any.
    """
    num_players = evaluations.masks.shape[1]
    known = int((evaluations.masks.sum(axis=1) == size).sum())
    halves = paired and 2 * size == num_players
    # where most of them are known or wanted, drawing until they are new would take long
    if 2 * (known + count) > comb(num_players, size):
        masks = shuffle_of_size(rng, num_players, size, halves=halves)
        return masks[evaluations.rows(masks) < 0][:count]
    return draw_of_size(
        rng,
        num_players,
        size,
        count,
        known=evaluations.row,
        at_once=lambda missing: 2 * missing,
        halves=halves,
    )
