"""Linear discriminant analysis: normal classes of one covariance."""

from typing import Any, NamedTuple

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
from fedjax_shap.learning.statistics.elimination import pseudo_inverse
from fedjax_shap.learning.statistics.gaussian import ROUNDING
from fedjax_shap.learning.statistics.model import (
    Known,
    Rows,
    StatisticsModel,
    class_means,
    of_classes,
)
from fedjax_shap.typing import Array, PyTree


class Discriminant(NamedTuple):
    """Linear functions, one a class.

    Attributes:
        classes: which there are.
        slope: float64[L, F].
        intercept: float64[L], without the priors.
    """

    classes: Seen
    slope: Array
    intercept: Array


class Scatter(NamedTuple):
    """Sums over rows, about the mean of their class over all members.

    Attributes:
        counts: float64[L].
        first: float64[L, F], sums.
        second: float64[F, F], sums of products, of all classes.
    """

    counts: Array
    first: Array
    second: Array


def discriminant(*, tolerance: float = 1e-4) -> StatisticsModel:
    """Linear discriminant analysis: classes are normal and have one covariance.

    Members send counts and sums by class, and one matrix of products. The model is scikit-learn's
    `LinearDiscriminantAnalysis` on the rows of the coalition, with the classes that occur there.
    The covariance is the one of most likelihood, which divides by the number of rows. A coalition
    of one row a class has no covariance and goes by its priors.

    Args:
        tolerance: a standardised feature of whose deviation within classes the others leave no more
            than this does not count.

    References:
        Fisher 1936, "The use of multiple measurements in taxonomic problems".
    """
    number("tolerance", tolerance, above=0)

    def fit(shift: Array, state: Discriminant, sums: Scatter) -> Discriminant:
        return _fitted(shift, sums, tolerance)

    return StatisticsModel(
        name="discriminant",
        task=of_classes("discriminant"),
        begin=_known,
        sums=_scatter,
        fit=fit,
        predict=_predict,
        parts=_parts,
    )


def _known(data: FederatedData, task: PyTree) -> Known:
    """Sums are about the classes' means over all members; these change rounding alone."""
    origin, shift = class_means(data)
    slope: Any = np.zeros_like(shift)
    intercept: Any = np.zeros(data.classes)
    start = Discriminant(none_seen(data.classes), slope, intercept)
    return Known(origin, start, shift)


def _scatter(shift: Array, state: PyTree, rows: Rows) -> Scatter:
    """Counts and sums by class, and products."""
    weights = by_class(rows, len(shift)).T
    own = rows.x - shift[rows.y]
    second = (own * rows.weight[:, None]).T @ own
    return Scatter(weights.sum(axis=1), weights @ own, second)


def _fitted(shift: Array, sums: Scatter, tolerance: float) -> Discriminant:
    """The discriminant of a coalition's sums."""
    total = sums.counts.sum()
    rows = jnp.where(total > 0, total, 1.0)
    own = sums.first / jnp.maximum(sums.counts, 1.0)[:, None]
    mean = shift + own
    middle = (sums.counts @ mean) / rows
    # scatter within classes, of standardised features
    within = sums.second - (own * sums.counts[:, None]).T @ own
    square = jnp.diagonal(sums.second)
    variance = jnp.diagonal(within)
    varies = variance > ROUNDING * square
    deviation = jnp.sqrt(jnp.where(varies, variance / rows, 1.0))
    both = varies[:, None] & varies[None, :]
    scaled = jnp.where(both, within / (deviation[:, None] * deviation[None, :]), 0.0)
    # invert it in the directions that vary
    scale = deviation[:, None] * deviation[None, :]
    precision = pseudo_inverse(scaled / rows, tolerance**2) / scale
    places = mean - middle[None]
    slope = places @ precision
    intercept = -0.5 * (places * slope).sum(axis=1) - slope @ middle
    return Discriminant(seen(sums.counts), slope, intercept)


def _predict(shift: Array, state: Discriminant, x: Array) -> Array:
    """Log-probabilities."""
    constant = state.intercept + log_prior(state.classes)
    logits = x @ state.slope.T + constant[None]
    return known_only(logits, state.classes)


def _parts(state: Discriminant) -> Discriminant:
    """A member has linear functions of the classes that it has seen."""
    there = state.classes.there
    return Discriminant(parts_of(state.classes), there[:, None], there)
