"""Naive Bayes of counts and of truth values: multinomial and Bernoulli."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import number, require
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
from fedjax_shap.learning.statistics.model import (
    Known,
    Rows,
    StatisticsModel,
    features,
    of_classes,
)
from fedjax_shap.typing import Array, PyTree


class Rates(NamedTuple):
    """Classes by their rates.

    Attributes:
        classes: which there are.
        rate: float64[L, F], the probability of a feature within a class.
    """

    classes: Seen
    rate: Array


class Counts(NamedTuple):
    """Sums over rows.

    Attributes:
        rows: float64[L], rows of each class.
        features: float64[L, F], sums of their features.
    """

    rows: Array
    features: Array


def multinomial_naive_bayes(*, smoothing: float = 1.0) -> StatisticsModel:
    """Multinomial naive Bayes: features are counts, such as those of words.

    Members send counts of rows and of features by class. The model is scikit-learn's
    `MultinomialNB` on the rows of the coalition, with the classes that occur there.

    Args:
        smoothing: added to the count of each feature in each class.

    References:
        McCallum, Nigam 1998, "A comparison of event models for naive Bayes text classification".
    """
    number("smoothing", smoothing, above=0)

    def begin(data: FederatedData, task: PyTree) -> Known:
        for given in (data.x, data.validation[0], data.test[0]):
            least = float(np.asarray(given).min())
            require(
                least >= 0,
                f"Expected features to be counts >= 0 with model='multinomial_naive_bayes', got "
                f"{least:g}.",
            )
        return _known(data, 1.0 / features(data.x).shape[1])

    def fit(more: PyTree, state: Rates, sums: Counts) -> Rates:
        smoothed = sums.features + smoothing
        return Rates(seen(sums.rows), smoothed / smoothed.sum(axis=1, keepdims=True))

    def predict(more: PyTree, state: Rates, x: Array) -> Array:
        logits = log_prior(state.classes)[None] + x @ jnp.log(state.rate).T
        return known_only(logits, state.classes)

    return StatisticsModel(
        name="multinomial_naive_bayes",
        task=of_classes("multinomial_naive_bayes"),
        begin=begin,
        sums=_counted,
        fit=fit,
        predict=predict,
        parts=_parts,
    )


def bernoulli_naive_bayes(*, smoothing: float = 1.0, threshold: float = 0.0) -> StatisticsModel:
    """Bernoulli naive Bayes: a feature is true or false.

    Members send counts of rows and of true features by class. The model is scikit-learn's
    `BernoulliNB` on the rows of the coalition, with the classes that occur there.

    Args:
        smoothing: added to the counts of true and of false for each feature in each class.
        threshold: features above it are true.

    References:
        McCallum, Nigam 1998, "A comparison of event models for naive Bayes text classification".
    """
    number("smoothing", smoothing, above=0)
    number("threshold", threshold)

    def sums(more: PyTree, state: Rates, rows: Rows) -> Counts:
        true = (rows.x > threshold).astype(rows.x.dtype)
        return _counted(more, state, rows._replace(x=true))

    def fit(more: PyTree, state: Rates, sums: Counts) -> Rates:
        rate = (sums.features + smoothing) / (sums.rows[:, None] + 2 * smoothing)
        return Rates(seen(sums.rows), rate)

    def predict(more: PyTree, state: Rates, x: Array) -> Array:
        true = (x > threshold).astype(x.dtype)
        given = true @ jnp.log(state.rate).T + (1 - true) @ jnp.log1p(-state.rate).T
        return known_only(log_prior(state.classes)[None] + given, state.classes)

    return StatisticsModel(
        name="bernoulli_naive_bayes",
        task=of_classes("bernoulli_naive_bayes"),
        begin=lambda data, task: _known(data, 0.5),
        sums=sums,
        fit=fit,
        predict=predict,
        parts=_parts,
    )


def _known(data: FederatedData, rate: float) -> Known:
    """Features as they are, and a model of nobody in which all features have one rate."""
    num_features = features(data.x).shape[1]
    rates: Any = np.full((data.classes, num_features), rate)
    return Known(np.zeros(num_features), Rates(none_seen(data.classes), rates))


def _counted(more: PyTree, state: Rates, rows: Rows) -> Counts:
    """Rows and features by class."""
    weights = by_class(rows, len(state.rate)).T
    return Counts(weights.sum(axis=1), weights @ rows.x)


def _parts(state: Rates) -> Rates:
    """A member has rates of the classes that it has seen."""
    there = state.classes.there
    return Rates(parts_of(state.classes), there[:, None])
