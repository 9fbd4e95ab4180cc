"""Values as least squares: coalitions drawn by their sizes, regressed on membership.

The Shapley values are the slopes of the weighted least squares fit of V(S) - V(empty) on
membership, with their sum fixed at V(N) - V(empty), where a coalition of s members has the weight
(P - 1) / (C(P, s) s (P - s)). Here coalitions are sampled. Those of one size are a *stratum*; those
drawn of a stratum have together the weight of the whole stratum.

References:
    Charnes, Golany, Keane, Rousseau 1988, "Extremal principle solutions of games in characteristic
    function form". Cochran 1977, "Sampling techniques", chapter 5.
"""

from math import comb
from typing import NamedTuple, Protocol

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
    "a regression divides by the moments of the coalitions drawn, which vary with the draws"
)


class RegressionRows(NamedTuple):
    """The drawn coalitions as rows of a regression through the empty and the grand coalition.

    Attributes:
        masks: bool[U, P], the coalition of each row, the first of each pair.
        features: float64[U, P], membership minus its mean s / P, so that a part common to all
            slopes does not count.
        responses: float64[U, T], V(S) - V(empty) - (s / P) (V(N) - V(empty)); for a pair, half the
            difference of both.
        strata: int[U], the size of the coalition, for a pair that of the smaller one.
        weights: float64[U], the stratum's weight over how many were drawn of it.
        unseen: float64[U], the fraction of the stratum that was not drawn.
        paired: whether rows are pairs.
    """

    masks: Masks
    features: HostArray
    responses: HostArray
    strata: HostArray
    weights: HostArray
    unseen: HostArray
    paired: bool


class Solve(Protocol):
    """Fits slopes to the rows of a regression."""

    def __call__(self, rows: RegressionRows, /) -> tuple[HostArray, HostArray]:
        """(influence float64[P, U], residuals float64[U, T]).

        The influence is how much each response counts in each slope. The residuals say by how much
        each response may be off; standard errors are computed from them.
        """


def regression_estimator(
    name: str, solve: Solve, guarantees: Guarantees, *, paired: bool, power: float
) -> Estimator:
    """An estimator that regresses the coalitions drawn.

    Of every size two are drawn first. Then the size that is furthest behind its weight comes next
    (Webster's method), and of that size a coalition not yet drawn, each as likely as any other. The
    first batch is drawn again until an additive game can be read off it.

    Args:
        name: what refusals call it.
        solve: fits the slopes.
        guarantees: what it promises.
        paired: draw each coalition with its complement.
        power: size s is drawn in proportion to (1 / (s (P - s)))**power: 1 as coalitions are
            weighted, 0 all sizes equally often.
    """
    group = 2 if paired else 1

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[None, Masks]:
        masks = _spanning(rng, state.evaluations, count, power, paired)
        return None, np.stack([masks, ~masks][:group], axis=1)

    def reduce(draws: Draws) -> tuple[HostArray, HostArray]:
        rows = _rows(draws, paired)
        influence, residuals = solve(rows)
        num_players = draws.fixed.shape[1]
        mean = (draws.grand - draws.empty) / num_players
        shape = (num_players, *mean.shape)
        values = (influence @ rows.responses).reshape(shape) + mean
        return values, _standard_errors(rows, influence, residuals).reshape(shape)

    design = Design(name=name, propose=propose, reduce=reduce, unit_size=lambda _: group)
    estimator = sampling_estimator(design, guarantees)

    def init(num_players: int, budget: int | None, turn: int | None = None) -> SamplingState:
        integer("num_players", num_players, least=1)
        if budget is not None:
            integer("budget", budget, least=min(2**num_players, 2 * num_players + 4))
        state: SamplingState = estimator.init(num_players, budget, turn)
        return state

    return estimator._replace(init=init)


def least_squares(rows: RegressionRows) -> tuple[HostArray, HostArray]:
    """The weighted least squares slopes, the shortest ones if the rows do not span the players.

    Returns:
        influence float64[P, U], and residuals float64[U, T], each divided by the root of the
        fraction of its variance that the fit leaves (MacKinnon and White 1985, HC2).
    """
    weighted = rows.features * rows.weights[:, None]
    influence = slopes(rows.features.T @ weighted) @ weighted.T
    free = 1 - np.einsum("up,pu->u", rows.features, influence)
    residuals = rows.responses - rows.features @ (influence @ rows.responses)
    return influence, residuals / np.sqrt(np.maximum(free, 1e-9))[:, None]


def slopes(moments: HostArray) -> HostArray:
    """float64[P, P]: the pseudo-inverse of the normal equations' matrix.

    The matrix is singular, since a part common to all slopes does not count.
    """
    return np.linalg.pinv(moments, rcond=1e-11, hermitian=True)


def known_moments(rows: RegressionRows) -> tuple[HostArray, HostArray]:
    """The slopes with the expected matrix of the normal equations (Covert and Lee 2021, section 3).

    Over all coalitions of size s it is s (P - s) / (P (P - 1)) times the identity, on slopes that
    sum to 0.
    """
    num_players = rows.masks.shape[1]
    variances = rows.strata * (num_players - rows.strata)
    moment = rows.weights @ variances / (num_players * (num_players - 1))
    return rows.features.T * (rows.weights / moment), rows.responses


def _rows(draws: Draws, paired: bool) -> RegressionRows:
    """The draws as rows of a regression."""
    masks = draws.masks[:, 0]
    num_players = masks.shape[1]
    sizes = masks.sum(axis=1)
    # subtract from membership and utilities what an equal division gives
    fraction = sizes[:, None] / num_players
    total = (draws.grand - draws.empty).ravel()
    own = draws.utilities.reshape(*draws.utilities.shape[:2], -1)
    if paired:
        strata = np.minimum(sizes, num_players - sizes)
        responses = (own[:, 0] - own[:, 1] - (2 * fraction - 1) * total) / 2
    else:
        strata = sizes
        responses = own[:, 0] - draws.empty.ravel() - fraction * total
    # weight each row so that those drawn of a stratum have the weight of the stratum
    drawn = np.bincount(strata, minlength=num_players)
    available = [_how_many(num_players, size, paired) for size in range(1, num_players)]
    unseen = [1 - int(drawn[size]) / many for size, many in enumerate(available, 1)]
    return RegressionRows(
        masks=masks,
        features=masks - fraction,
        responses=responses,
        strata=strata,
        weights=_size_weights(num_players, 1.0, paired)[strata] / drawn[strata],
        unseen=np.array([0.0, *unseen])[strata],
        paired=paired,
    )


def _standard_errors(rows: RegressionRows, influence: HostArray, residuals: HostArray) -> HostArray:
    """float64[P, T]: those of stratified sampling without replacement, linearised.

    References:
        Cochran 1977, "Sampling techniques", chapter 5.
    """
    variance = np.zeros((len(influence), residuals.shape[1]))
    for size in np.unique(rows.strata):
        mine = rows.strata == size
        count = mine.sum()
        unseen = rows.unseen[mine][0]
        own = influence[:, mine]
        own_residuals = residuals[mine]
        # A single draw of a stratum shows no spread: its mean is taken to be 0, as that over all
        # strata is.
        spread = own**2 @ own_residuals**2
        if count > 1:
            total = own @ own_residuals
            spread = count / (count - 1) * (spread - total**2 / count)
        variance += unseen * np.maximum(spread, 0)
    return np.sqrt(variance)


def _how_many(num_players: int, size: int, paired: bool) -> int:
    """How many coalitions, or pairs, the stratum of a size has."""
    if paired and 2 * size == num_players:
        return comb(num_players, size) // 2
    return comb(num_players, size)


def _size_weights(num_players: int, power: float, paired: bool) -> HostArray:
    """float64[P]: the weight of each stratum, by its size; if paired, 0 above P / 2."""
    size = np.arange(1, num_players)
    weights = np.concatenate([[0.0], (1 / (size * (num_players - size))) ** power])
    if paired:
        weights[1:] += weights[:0:-1]
        weights[num_players // 2 + 1 :] = 0
        if num_players % 2 == 0:
            weights[num_players // 2] /= 2
    return weights


def _spanning(
    rng: np.random.Generator, evaluations: Evaluations, count: int, power: float, paired: bool
) -> Masks:
    """The next draws, drawn again while their rows have a lower rank than so many rows can have."""
    masks = _next(rng, evaluations, count, power, paired)
    before = evaluations.masks[2 :: 2 if paired else 1]
    most = evaluations.masks.shape[1] - 1
    while len(before) < most and _rank(np.concatenate([before, masks])) < min(
        len(before) + len(masks), most
    ):
        masks = _next(rng, evaluations, count, power, paired)
    return masks


def _rank(masks: Masks) -> int:
    """The rank of a regression on coalitions bool[U, P], P - 1 at most."""
    features = masks - masks.mean(axis=1, keepdims=True)
    return int(np.linalg.matrix_rank(features.T @ features, hermitian=True))


def _next(
    rng: np.random.Generator, evaluations: Evaluations, count: int, power: float, paired: bool
) -> Masks:
    """bool[count, P]: new coalitions, in the order of their sizes; fewer if there are no more."""
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
    weights = _size_weights(num_players, power, paired)
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
