"""Regression-adjusted sampling: a fitted function's values, and sampled ones of what it leaves
(Witter et al. 2025).

The function f is fitted to all coalitions but those of one fold, and corrected by the residuals of
that fold, so that the mean over draws is the Shapley value whatever the game; the folds take turns
and their estimates are averaged. With w the weight of a utility in a value, R what is left of a
size once the other folds are told, and F the fold's part of it, a size adds

    sum_(other folds) w v + sum_R w f + |R| / |F| sum_F w (v - f).

References:
    Witter, Liu, Musco 2025, "Regression-adjusted Monte Carlo estimators for Shapley values and
    probabilistic values" (arXiv 2506.11849), with k-fold fits; here coalitions of each size are
    drawn without replacement.
"""

from collections.abc import Callable
from functools import partial
from math import comb
from typing import Any, Protocol

import numpy as np

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.covariance import weights_of
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.estimators.polynomial import fit
from fedjax_shap.shapley.estimators.regressor import maker, orders_for, regressed
from fedjax_shap.shapley.sampling import MANY_PLAYERS, Design, Draws, sampling_estimator
from fedjax_shap.shapley.strata import SizeDistribution, propose_by_size, size_counts
from fedjax_shap.typing import HostArray, Masks

LEAST = 2  # coalitions of each size, so that their spread can be told


def regression_msr(
    *, surrogate: str | Any = "polynomial", degree: int = 2, ridge: float = 0.01, folds: int = 5
) -> Estimator:
    """Shapley values of a fitted function, corrected by residuals of coalitions that it was not
    fitted to.

    Args:
        surrogate: the function: "polynomial", "gaussian_process" as in the estimator of that name,
            "random_forest" or "gradient_boosting"; or any regressor with `fit` and `predict`, as
            scikit-learn's, which is copied for each fold. The values of a regressor are those of
            all its 2^P predictions to P = 14. Beyond it they are means along joining orders, about
            80,000 predictions in each fold; what that adds to the errors is told.
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

    def law(num_players: int) -> HostArray:
        size = np.arange(1, num_players)
        return np.asarray(np.sqrt(1 / size + 1 / (num_players - size)))

    design = Design(
        name="regression_msr",
        propose=propose_by_size(SizeDistribution(law, LEAST)),
        reduce=lambda draws: _reduce(draws, learn, folds),
        unit_size=lambda num_players: 1,
        least_units=lambda num_players: sum(
            min(LEAST, comb(num_players, s)) for s in range(1, num_players)
        ),
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


Learn = Callable[
    [Masks, HostArray, HostArray], Surrogate
]  # masks, utilities float64[M, G], orders int[K, P]


def _reduce(draws: Draws, learn: Learn, folds: int) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]."""
    masks, told = draws.evaluations.masks, np.asarray(draws.evaluations.utilities)
    flat, sizes = told.reshape(len(told), -1), masks.sum(axis=1)
    weights = weights_of(masks).T[:, :, None]  # [M, P, 1]
    fold, orders = _folds(sizes, folds), orders_for(masks)
    inner = (sizes > 0) & (sizes < masks.shape[1])
    total = np.zeros((1, masks.shape[1] + 1, masks.shape[1], flat.shape[1]))
    used = np.zeros(masks.shape[1] + 1)
    residuals = np.zeros_like(flat)
    for out in range(folds):
        own, rest = inner & (fold == out), inner & (fold != out)
        if own.any() and rest.any():
            function = learn(masks[rest], flat[rest], orders)
            left = flat - function.at(masks)
            residuals[own] = left[own]
            there = np.bincount(sizes[own], minlength=len(used)) > 0
            added = function.shapley_by_size() + _corrections(masks, weights, left, own, rest)
            total, used = total + added * there[:, None, None], used + there
    values = (total / np.maximum(used, 1)[:, None, None]).sum(
        axis=1
    )  # [K, P, G], the surrogate's values by K orders
    found = values.mean(axis=0) + (draws.grand - draws.empty).reshape(-1) / masks.shape[1]
    variance = _variance(masks, weights * residuals[:, None])
    variance += values.var(axis=0, ddof=1) / len(values) if len(values) > 1 else 0.0
    return found.reshape(-1, *told.shape[1:]), np.sqrt(variance).reshape(-1, *told.shape[1:])


def _polynomial(
    degree: int, ridge: float, masks: Masks, utilities: HostArray, orders: HostArray
) -> Surrogate:
    return fit(masks, utilities, degree=degree, ridge=ridge)


def _folds(sizes: HostArray, folds: int) -> HostArray:
    """int[M]: the fold of each coalition: those of one size are dealt out in turn, in the order
    drawn.
    """
    place = np.zeros(len(sizes), np.int64)
    for size in np.unique(sizes):
        place[sizes == size] = size + np.arange((sizes == size).sum())
    return place % folds


def _corrections(
    masks: Masks, weights: HostArray, left: HostArray, own: HostArray, rest: HostArray
) -> HostArray:
    """float64[P + 1, P, G]: what v - f, float64[M, G], adds by size: in `own` for all that `rest`
    has not.
    """
    sizes, every = masks.sum(axis=1), masks.shape[1] + 1
    there = size_counts(masks)[1]
    own_count, rest_count = (np.bincount(sizes[part], minlength=every) for part in (own, rest))
    factor = (there - rest_count) / np.maximum(own_count, 1)
    scale = np.where(own, factor[sizes], np.where(rest, 1.0, 0.0))[:, None, None]
    added = np.zeros((every, *weights.shape[1:2], left.shape[1]))
    np.add.at(added, sizes, scale * weights * left[:, None])
    return added


def _variance(masks: Masks, parts: HostArray) -> HostArray:
    """float64[P, G]: of the sums over all sizes, from the weighted residuals float64[M, P, G] of
    those drawn.
    """
    sizes = masks.sum(axis=1)
    told, there = size_counts(masks)
    found = np.zeros(parts.shape[1:])
    for size in np.unique(sizes):
        if there[size] > told[size] >= LEAST:
            spread = parts[sizes == size].var(axis=0, ddof=1)
            found += there[size] * (there[size] - told[size]) / told[size] * spread
    return found
