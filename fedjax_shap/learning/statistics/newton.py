"""Logistic regression by Newton's method: gradients and Hessians are summed, round by round."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import integer, number
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.class_scores import two_columns
from fedjax_shap.learning.statistics.elimination import solve
from fedjax_shap.learning.statistics.model import (
    Known,
    Rows,
    StatisticsModel,
    features,
    of_classes,
)
from fedjax_shap.typing import Array, PyTree


class Slopes(NamedTuple):
    """Sums over rows at one model.

    Attributes:
        gradient: float64[K], of the log-likelihood.
        hessian: float64[K, K], of its negative.
    """

    gradient: Array
    hessian: Array


def newton_logistic(*, rounds: int = 4, damping: float = 1.0) -> StatisticsModel:
    """Logistic regression with an intercept by Newton steps from zero.

    In a round members send the gradient and the Hessian of their rows at the common model, and the
    server adds `damping` times the identity to the sum of Hessians before it solves. Of two classes
    there is one logit, of more one a class.

    Args:
        rounds: how many steps, >= 1.
        damping: how much of the identity is added, > 0. It shortens steps and penalises nothing.

    References:
        Levenberg 1944, "A method for the solution of certain non-linear problems in least squares";
        Marquardt 1963.
    """
    integer("rounds", rounds, least=1)
    number("damping", damping, above=0)

    def fit(more: PyTree, state: Array, sums: Slopes) -> Array:
        damped = sums.hessian + damping * jnp.eye(len(sums.gradient))
        step: Array = solve(damped, sums.gradient[:, None])
        return state + step.reshape(state.shape)

    return StatisticsModel(
        name="newton_logistic",
        task=of_classes("newton_logistic"),
        begin=_known,
        sums=_slopes,
        fit=fit,
        predict=_predict,
        rounds=rounds,
    )


def _known(data: FederatedData, task: PyTree) -> Known:
    """Features as they are, and zero weights: float64[1, F + 1] of two classes, else [L, F + 1]."""
    num_features = features(data.x).shape[1]
    num_logits = data.classes
    if num_logits == 2:
        num_logits = 1
    return Known(np.zeros(num_features), np.zeros((num_logits, num_features + 1)))


def _with_one(x: Array) -> Array:
    """Features float64[N, F + 1], the last of them 1."""
    return jnp.concatenate([x, jnp.ones((len(x), 1))], axis=1)


def _slopes(more: PyTree, weights: Array, rows: Rows) -> Slopes:
    """Gradient and Hessian, by the probabilities that the model gives now."""
    x = _with_one(rows.x)
    if len(weights) == 1:
        probable = jax.nn.sigmoid(x @ weights.T)
        happened = rows.y[:, None] == 1
    else:
        probable = jax.nn.softmax(x @ weights.T, axis=-1)
        happened = rows.y[:, None] == jnp.arange(len(weights))[None]
    gradient = ((happened - probable) * rows.weight[:, None]).T @ x

    def of_logit(one: int) -> Array:
        # d p_k / d z_one, for all logits k at once
        own = jnp.arange(len(weights)) == one
        change = probable[:, one, None] * (own[None] - probable) * rows.weight[:, None]
        spread = change[:, :, None] * x[:, None, :]
        return x.T @ spread.reshape(len(x), -1)

    hessian = jnp.stack([of_logit(one) for one in range(len(weights))])
    size = gradient.size
    return Slopes(gradient.reshape(size), hessian.reshape(size, size))


def _predict(more: PyTree, weights: Array, x: Array) -> Array:
    """Logits of the classes."""
    logits = _with_one(x) @ weights.T
    if len(weights) == 1:
        return two_columns(logits)
    return logits
