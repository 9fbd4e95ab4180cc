"""Normal classes: each class's rows are normal, with a variance a feature or a full covariance."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import number
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.statistics.classes import (
    Seen,
    by_class,
    known_only,
    log_prior,
    none_seen,
    parts_of,
    seen,
)
from fedjax_shap.learning.statistics.elimination import roots_of
from fedjax_shap.learning.statistics.model import (
    Known,
    Rows,
    StatisticsModel,
    class_means,
    of_classes,
)
from fedjax_shap.typing import Array, PyTree

# A variance below this part of the mean square is rounding.
ROUNDING = 1e-13


class Normal(NamedTuple):
    """Normal classes.

    Attributes:
        classes: which there are.
        mean: float64[L, F].
        spread: float64[L, F], variances; or float64[L, F, F], covariances.
    """

    classes: Seen
    mean: Array
    spread: Array


class Moments(NamedTuple):
    """Sums over rows, about the mean of their class over all members.

    Attributes:
        counts: float64[L].
        first: float64[L, F], sums.
        second: float64[L, F], sums of squares; or float64[L, F, F], of products.
    """

    counts: Array
    first: Array
    second: Array


def gaussian_naive_bayes(*, smoothing: float = 1e-9) -> StatisticsModel:
    """Gaussian naive Bayes: normal features that are independent within a class.

    Members send counts, sums and sums of squares by class. The model is scikit-learn's `GaussianNB`
    on the rows of the coalition, with the classes that occur there.

    Args:
        smoothing: this part of the largest variance of a feature, over all rows of the coalition,
            is added to all variances.

    References:
        Chan, Golub, LeVeque 1982, "Updating formulae and a pairwise algorithm for computing sample
        variances".
    """
    number("smoothing", smoothing, above=0)

    def fit(shift: Array, state: Normal, sums: Moments) -> Normal:
        return _diagonal(shift, sums, smoothing)

    return StatisticsModel(
        name="gaussian_naive_bayes",
        task=of_classes("gaussian_naive_bayes"),
        begin=lambda data, task: _known(data, full=False),
        sums=_squares,
        fit=fit,
        predict=_independent,
        parts=_parts,
    )


def gaussian_bayes(*, smoothing: float = 1e-9) -> StatisticsModel:
    """Normal Bayes: normal classes with full covariances, those of the most likelihood.

    Members send counts, sums and sums of products by class.

    Args:
        smoothing: this part of the largest variance of a feature, over all rows of the coalition,
            is added to all variances. A class of no more rows than features needs it; 0.01 or so
            makes much of few rows.

    References:
        Friedman 1989, "Regularized discriminant analysis".
    """
    number("smoothing", smoothing, above=0)

    def fit(shift: Array, state: Normal, sums: Moments) -> Normal:
        diagonal = sums._replace(second=jnp.diagonal(sums.second, axis1=1, axis2=2))
        independent = _diagonal(shift, diagonal, smoothing)
        # covariances; the variances on the diagonal are those of naive Bayes
        counts = jnp.maximum(sums.counts, 1.0)[:, None, None]
        own = independent.mean - shift
        covariance = sums.second / counts - own[:, :, None] * own[:, None, :]
        on_diagonal = jnp.eye(own.shape[-1], dtype=bool)
        spread = jnp.where(on_diagonal[None], independent.spread[:, :, None], covariance)
        return independent._replace(spread=spread)

    return StatisticsModel(
        name="gaussian_bayes",
        task=of_classes("gaussian_bayes"),
        begin=lambda data, task: _known(data, full=True),
        sums=_products,
        fit=fit,
        predict=_correlated,
        parts=_parts,
    )


def _known(data: FederatedData, *, full: bool) -> Known:
    """Sums are about the classes' means over all members; these change rounding alone."""
    origin, shift = class_means(data)
    mean: Any = np.zeros_like(shift)
    spread: Any = np.ones_like(shift)
    if full:
        spread = np.broadcast_to(np.eye(shift.shape[1]), (*shift.shape, shift.shape[1])).copy()
    start = Normal(none_seen(data.classes), mean, spread)
    return Known(origin, start, shift)


def _squares(shift: Array, state: PyTree, rows: Rows) -> Moments:
    """Counts, sums and sums of squares by class."""
    weights = by_class(rows, len(shift)).T
    own = rows.x - shift[rows.y]
    return Moments(weights.sum(axis=1), weights @ own, weights @ own**2)


def _products(shift: Array, state: PyTree, rows: Rows) -> Moments:
    """Counts, sums and sums of products by class."""
    weights = by_class(rows, len(shift)).T
    own = rows.x - shift[rows.y]
    second = jnp.stack([(own * weight[:, None]).T @ own for weight in weights])
    return Moments(weights.sum(axis=1), weights @ own, second)


def _diagonal(shift: Array, sums: Moments, smoothing: float) -> Normal:
    """Means and smoothed variances by class."""
    counts = sums.counts[:, None]
    safe = jnp.maximum(counts, 1.0)
    own = sums.first / safe
    square = sums.second / safe
    variance = square - own**2
    variance = jnp.where(variance > ROUNDING * square, variance, 0.0)
    mean = shift + own
    # the variance of all rows: within classes, and of their means
    total = jnp.maximum(counts.sum(), 1.0)
    middle = (counts * mean).sum(axis=0) / total
    of_all = (counts * (variance + (mean - middle[None]) ** 2)).sum(axis=0) / total
    spread = variance + smoothing * of_all.max()
    # of rows that are all alike no feature says anything
    spread = jnp.where(spread > 0, spread, 1.0)
    return Normal(seen(sums.counts), mean, spread)


def _independent(shift: Array, state: Normal, x: Array) -> Array:
    """Log-probabilities by naive Bayes."""
    precision = 1.0 / state.spread
    constant = jnp.log(2 * jnp.pi * state.spread) + state.mean**2 * precision
    # (x - mean)^2 / variance, multiplied out
    squares = (x**2) @ precision.T - 2.0 * (x @ (state.mean * precision).T)
    logits = log_prior(state.classes)[None] - 0.5 * (squares + constant.sum(axis=1)[None])
    return known_only(logits, state.classes)


def _correlated(shift: Array, state: Normal, x: Array) -> Array:
    """Log-probabilities by full covariances."""

    def of_class(one: tuple[Array, Array]) -> Array:
        mean, covariance = one
        inverse = roots_of(covariance).inverse
        white = (x - mean[None]) @ inverse.T
        determinant = -2.0 * jnp.log(jnp.diagonal(inverse)).sum()
        return (white**2).sum(axis=1) + determinant + len(mean) * jnp.log(2 * jnp.pi)

    squares = jax.lax.map(of_class, (state.mean, state.spread)).T
    return known_only(log_prior(state.classes)[None] - 0.5 * squares, state.classes)


def _parts(state: Normal) -> Normal:
    """A member has a mean and a variance of the classes that it has seen."""
    there = state.classes.there
    column = there[:, None]
    spread = column.reshape(len(there), *(1,) * (state.spread.ndim - 1))
    return Normal(parts_of(state.classes), column, spread)
