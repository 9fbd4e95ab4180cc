"""Shapley values of the Gaussian process that best fits the utilities observed; the default where
not all coalitions are evaluated.

The process predicts the utilities of all coalitions from the utilities v observed. The values are
those of the predicted game. They are linear in v, values = B v with B = C K^-1, where K is the
covariance of the utilities observed and C that of the Shapley values with them; both have closed
forms (`shapley/covariance.py`). Coalitions of each size are drawn without replacement.

References:
    ShaplEIG 2026, ICML (arXiv 2606.02247) is the nearest relative: a Gaussian process with a
    Hamming product kernel, values in closed form, and the next coalition chosen by its expected
    information gain. Here the kernel also knows how utilities saturate with size, and the
    coalitions are drawn by size, whatever was observed.
    Royall and Cumberland 1978, "Variance estimation in finite population sampling": their variance
    of a predicted total, from residuals left out one at a time, is compared with what the process
    expects of it.
"""

from functools import partial

import numpy as np

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.covariance import inverse_root, weights_of
from fedjax_shap.shapley.covariance_fit import fitted
from fedjax_shap.shapley.design import MANY_PLAYERS, Design, Draws
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.quotas import SizeDistribution
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.strata import propose_by_size, size_counts
from fedjax_shap.typing import HostArray, Masks

FLAT = 1e-12  # utilities that vary by less than this part of the largest do not vary at all
LARGEST_CORRECTION = 4  # of the variance, for the settings fitted: at most twice the standard error


def gaussian_process(*, small_first: float = 1.0, steps: int = 20) -> Estimator:
    """The values of the game that a Gaussian process predicts from the utilities observed.

    Args:
        small_first: how strongly small coalitions are favoured. Size s gets a share of the draws in
            proportion to s^-small_first sqrt(1/s + 1/(P - s)), where the root is how much utilities
            of that size count in the values; 0 favours neither small nor large ones. Utilities of
            federations saturate, so that small coalitions are the most informative.
        steps: the most steps in which the kernel is fitted.

    Guarantees:
        Biased towards smooth games, with an error far below that of unbiased estimators where
        utilities are smooth in who takes part. Efficient to rounding; exact where the budget covers
        every coalition; the budget is never exceeded. Standard errors are those of the process,
        scaled by the ratio of its errors on utilities left out one at a time to the errors that it
        expects, and by M / (M - p), as p settings were fitted to the same M utilities. They measure
        the whole error, bias included, as far as the coalitions observed are like the others: on
        six games of federations, with 4 P coalitions or more, errors were 0.8 to 1.35 times what
        they say. With fewer than 2 P coalitions they are rough.
    """
    number("small_first", small_first, least=0)
    integer("steps", steps, least=0)
    design = Design(
        name="gaussian_process",
        propose=propose_by_size(SizeDistribution(partial(_size_shares, small_first))),
        reduce=partial(_reduce, steps),
        unit_size=lambda num_players: 1,
        most_players=MANY_PLAYERS,
    )
    bias = "the kernel assumes that utilities change smoothly with who takes part"
    return sampling_estimator(
        design, Guarantees(unbiased=False, bias=bias, efficient=True, errors="analytic")
    )


def _size_shares(small_first: float, num_players: int) -> HostArray:
    """float64[P - 1]: the shares of the sizes 1..P - 1 in the draws, up to a factor."""
    size = np.arange(1, num_players)
    return np.asarray(np.sqrt(1 / size + 1 / (num_players - size)) * size ** -float(small_first))


def _reduce(steps: int, draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...], each trailing entry by a process of its own."""
    masks = draws.evaluations.masks
    utilities = np.asarray(draws.evaluations.utilities)
    columns = utilities.reshape(len(utilities), -1).T
    results = [_values_and_errors(masks, column, steps) for column in columns]
    shape = (masks.shape[1], *utilities.shape[1:])
    values = np.stack([values for values, _ in results], axis=1)
    errors = np.stack([errors for _, errors in results], axis=1)
    return values.reshape(shape), errors.reshape(shape)


def _values_and_errors(
    masks: Masks, utilities: HostArray, steps: int
) -> tuple[HostArray, HostArray]:
    """Values and standard errors, float64[P] both, of one process.

    Args:
        masks: bool[M, P], the coalitions observed: the empty one, the grand one, then the others.
        utilities: float64[M], theirs.
        steps: as in `gaussian_process`.
    """
    num_players = masks.shape[1]
    scale = utilities.std()
    if scale <= FLAT * np.abs(utilities).max():
        return np.zeros(num_players), np.zeros(num_players)
    # fit the kernel to the centred and scaled utilities
    centred = (utilities - utilities.mean()) / scale
    kernel = fitted(masks, centred, steps=steps)
    # predict the values, B v
    root = inverse_root(kernel.covariance(masks))
    covariance = kernel.shapley(masks)
    weights = (covariance @ root.T) @ root
    values = scale * (weights @ centred)
    # share what is missing to V(N) - V(empty) equally
    values += (utilities[1] - utilities[0] - values.sum()) / num_players
    # leave out each utility: the variance that the process expects of it, and the actual residual
    expected = 1 / (root**2).sum(axis=0)
    residuals = root.T @ (root @ centred) * expected
    # scale the posterior variance of the values by actual over expected squared errors
    posterior = np.maximum(kernel.shapley_variance() - (weights * covariance).sum(axis=1), 0.0)
    squares = np.stack([residuals**2, expected], axis=1)
    spread, expected_spread = _spread(masks, weights, squares).T
    # correct for the settings fitted to the same utilities
    spread *= len(masks) / max(len(masks) - kernel.num_settings, len(masks) / LARGEST_CORRECTION)
    return values, scale * np.sqrt(posterior * spread / np.maximum(expected_spread, 1e-300))


def _spread(masks: Masks, weights: HostArray, squares: HostArray) -> HostArray:
    """float64[P, 2]: the variance of B v about the values, from independent squared residuals.

    A coalition observed counts with how far its weight in B is from that in the Shapley value. One
    that was not observed counts with its full weight, its residual taken to be like those of the
    coalitions of its size that were.

    Args:
        masks: bool[M, P], the coalitions observed.
        weights: float64[P, M], B.
        squares: float64[M, 2], two kinds of squared residuals.
    """
    shapley_weights = weights_of(masks)
    observed, existing = size_counts(masks)
    unobserved = (existing / observed - 1)[masks.sum(axis=1)]  # for each one observed of its size
    factors = (weights - shapley_weights) ** 2 + unobserved * shapley_weights**2
    return np.asarray(factors @ squares)
