"""Regression-adjusted sampling: the values of a fitted function, corrected by its residuals.

A function f is fitted to the utilities v of all coalitions drawn but those of one fold, and
corrected by the residuals of that fold, which it has not seen. So the mean over draws is the
Shapley value whatever the function and the game. The folds take turns in being left out, and their
estimates are averaged. Let w be the weight of a utility in a value, R the coalitions of a size that
are not in the other folds, and F those of them in the fold left out. Then a size adds

    sum over the other folds of w v  +  sum over R of w f  +  |R| / |F| sum over F of w (v - f).

A size that has no coalition in a fold is averaged over the folds in which it has one.

References:
    Witter, Liu, Musco 2025, "Regression-adjusted Monte Carlo estimators for Shapley values and
    probabilistic values" (arXiv 2506.11849), with k-fold fits; here coalitions of each size are
    drawn without replacement.
"""

from functools import partial
from math import comb
from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.covariance import weights_of
from fedjax_shap.shapley.design import MANY_PLAYERS, Design, Draws
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.estimators.polynomial import fit
from fedjax_shap.shapley.estimators.regressor import maker, orders_for, regressed
from fedjax_shap.shapley.quotas import SizeDistribution
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.strata import propose_by_size, size_counts
from fedjax_shap.typing import HostArray, Masks

LEAST = 2  # coalitions of each size, so that their spread is known


def regression_msr(
    *, surrogate: str | Any = "polynomial", degree: int = 2, ridge: float = 0.01, folds: int = 5
) -> Estimator:
    """Shapley values of a fitted function, corrected by residuals that the fit has not seen.

    Args:
        surrogate: the function: "polynomial", "gaussian_process" as in the estimator of that name,
            "random_forest" or "gradient_boosting"; or any regressor with `fit` and `predict`, as
            scikit-learn's, which is copied for each fold. The values of a regressor are those of
            all its 2^P predictions to P = 14. Beyond it they are means along joining orders, about
            80,000 predictions in each fold; the standard errors include what that adds.
        degree: of the polynomial: 1 for a sum over players, 2 for one over players and pairs.
        ridge: penalty on the polynomial's coefficients, relative to the mean square of a column of
            the regression.
        folds: how many parts of the coalitions take turns in being left out of the fit.

    Guarantees:
        Unbiased; exact where the budget covers every coalition; the budget is never exceeded.
        Standard errors come from the spread of the residuals within each size, corrected for what
        is drawn without replacement; beyond P = 14 with a regressor also from the spread of its
        values over joining orders.
    """
    integer("degree", degree, least=1, most=2)
    number("ridge", ridge, above=0)
    integer("folds", folds, least=2)
    learn: Learn = partial(_polynomial, degree, ridge)
    if not (isinstance(surrogate, str) and surrogate == "polynomial"):
        learn = partial(regressed, maker(surrogate, others=("polynomial",)))
    design = Design(
        name="regression_msr",
        propose=propose_by_size(SizeDistribution(_size_shares, LEAST)),
        reduce=partial(_reduce, learn, folds),
        unit_size=lambda num_players: 1,
        least_units=_least_units,
        most_players=MANY_PLAYERS,
    )
    return sampling_estimator(design, Guarantees(errors="analytic"))


class Surrogate(Protocol):
    """A function f on coalitions, for G utilities at once, whose Shapley values are known."""

    def at(self, masks: Masks) -> HostArray:
        """float64[M, G]: f of bool[M, P]."""

    def shapley_by_size(self) -> HostArray:
        """float64[K, P + 1, P, G]: what each size adds to the values of f; K > 1: independent
        estimates of it.
        """


class Learn(Protocol):
    """Fits a surrogate to utilities."""

    def __call__(self, masks: Masks, utilities: HostArray, orders: HostArray, /) -> Surrogate:
        """The surrogate of G utilities.

        Args:
            masks: bool[M, P], the coalitions to learn from.
            utilities: float64[M, G], theirs.
            orders: int[K, P], the joining orders along which the surrogate's values may be
                estimated.
        """


def _polynomial(
    degree: int, ridge: float, masks: Masks, utilities: HostArray, orders: HostArray
) -> Surrogate:
    return fit(masks, utilities, degree=degree, ridge=ridge)


def _size_shares(num_players: int) -> HostArray:
    """float64[P - 1]: the shares of the sizes 1..P - 1 in the draws, up to a factor."""
    size = np.arange(1, num_players)
    return np.asarray(np.sqrt(1 / size + 1 / (num_players - size)))


def _least_units(num_players: int) -> int:
    """The coalitions that an estimate needs: `LEAST` of each size, or all there are."""
    return sum(min(LEAST, comb(num_players, size)) for size in range(1, num_players))


class _Sample(NamedTuple):
    """The coalitions drawn, with what does not change from fold to fold.

    Attributes:
        masks: bool[M, P].
        sizes: int[M], their sizes.
        weights: float64[M, P, 1], how much each utility counts in each player's Shapley value.
        utilities: float64[M, G].
    """

    masks: Masks
    sizes: HostArray
    weights: HostArray
    utilities: HostArray


def _reduce(learn: Learn, folds: int, draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]."""
    masks = draws.evaluations.masks
    num_players = masks.shape[1]
    utilities = np.asarray(draws.evaluations.utilities)
    flat = utilities.reshape(len(utilities), -1)
    weights = weights_of(masks).T[:, :, None]
    sample = _Sample(masks, masks.sum(axis=1), weights, flat)
    by_size, residuals = _cross_fitted(learn, folds, sample)
    # [K, P, G]: one row for each joining order by which the surrogate's values were estimated
    values = by_size.sum(axis=1)
    mean = values.mean(axis=0) + (draws.grand - draws.empty).reshape(-1) / num_players
    # the variance of the corrections, and of the surrogate's values where they are estimates
    variance = _variance(masks, weights * residuals[:, None])
    if len(values) > 1:
        variance += values.var(axis=0, ddof=1) / len(values)
    shape = (num_players, *utilities.shape[1:])
    return mean.reshape(shape), np.sqrt(variance).reshape(shape)


def _cross_fitted(learn: Learn, folds: int, sample: _Sample) -> tuple[HostArray, HostArray]:
    """(float64[K, P + 1, P, G]: what each size adds, the mean over the folds; float64[M, G]: the
    residuals of each coalition, in the fold that leaves it out).
    """
    masks, sizes, _, utilities = sample
    num_players = masks.shape[1]
    fold = _folds(sizes, folds)
    orders = orders_for(masks)
    inner = (sizes > 0) & (sizes < num_players)
    total = np.zeros((1, num_players + 1, num_players, utilities.shape[1]))
    num_folds = np.zeros(num_players + 1)  # in which each size has a coalition
    residuals = np.zeros_like(utilities)
    for out in range(folds):
        own = inner & (fold == out)
        rest = inner & (fold != out)
        if not (own.any() and rest.any()):
            continue
        # fit the surrogate without the fold
        function = learn(masks[rest], utilities[rest], orders)
        left = utilities - function.at(masks)
        residuals[own] = left[own]
        # correct its values by the residuals, in the sizes of which the fold has a coalition
        present = np.bincount(sizes[own], minlength=num_players + 1) > 0
        added = function.shapley_by_size() + _corrections(sample, left, own, rest)
        total = total + added * present[:, None, None]
        num_folds = num_folds + present
    return total / np.maximum(num_folds, 1)[:, None, None], residuals


def _folds(sizes: HostArray, folds: int) -> HostArray:
    """int[M]: the fold of each coalition; those of a size go round the folds in the order drawn."""
    place = np.zeros(len(sizes), np.int64)
    for size in np.unique(sizes):
        place[sizes == size] = size + np.arange((sizes == size).sum())
    return place % folds


def _corrections(sample: _Sample, left: HostArray, own: HostArray, rest: HostArray) -> HostArray:
    """float64[P + 1, P, G]: what the residuals add to f's values by size.

    Args:
        sample: the coalitions drawn.
        left: float64[M, G], v - f.
        own: bool[M], the fold: each of its residuals stands for |R| / |F| coalitions.
        rest: bool[M], the other folds: each of their residuals counts once.
    """
    sizes = sample.sizes
    num_players = sample.masks.shape[1]
    _, existing = size_counts(sample.masks)
    own_count = np.bincount(sizes[own], minlength=num_players + 1)
    rest_count = np.bincount(sizes[rest], minlength=num_players + 1)
    factor = (existing - rest_count) / np.maximum(own_count, 1)
    scale = np.where(own, factor[sizes], np.where(rest, 1.0, 0.0))[:, None, None]
    added = np.zeros((num_players + 1, num_players, left.shape[1]))
    np.add.at(added, sizes, scale * sample.weights * left[:, None])
    return added


def _variance(masks: Masks, parts: HostArray) -> HostArray:
    """float64[P, G]: the variance of the sums over all sizes, each drawn without replacement.

    Args:
        masks: bool[M, P], the coalitions drawn.
        parts: float64[M, P, G], their weighted residuals.
    """
    sizes = masks.sum(axis=1)
    drawn, existing = size_counts(masks)
    variance = np.zeros(parts.shape[1:])
    for size in np.unique(sizes):
        if existing[size] > drawn[size] >= LEAST:
            spread = parts[sizes == size].var(axis=0, ddof=1)
            unseen = existing[size] - drawn[size]
            variance += existing[size] * unseen / drawn[size] * spread
    return variance
