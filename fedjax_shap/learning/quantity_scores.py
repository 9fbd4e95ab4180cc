"""Scores of predicted quantities, from predictions float[T, D] and targets float[T] or [T, D].

Of several columns a score is the mean over columns, as scikit-learn's are.
"""

import chex
import jax.numpy as jnp
from jax.scipy.special import xlogy

from fedjax_shap.typing import Array


def aligned(outputs: Array, y: Array) -> Array:
    """Predictions in the shape of the targets: [B, 1] becomes [B] where these are [B]."""
    chex.assert_rank(outputs, 2)
    if y.ndim == 1:
        chex.assert_shape(outputs, (len(y), 1))
        return outputs[:, 0]
    chex.assert_equal_shape([outputs, y])
    return outputs


def mse(outputs: Array, y: Array) -> Array:
    """Mean squared error."""
    return jnp.mean((aligned(outputs, y) - y) ** 2)


def rmse(outputs: Array, y: Array) -> Array:
    """Root of the mean squared error, of each column."""
    return jnp.mean(jnp.sqrt(jnp.mean((aligned(outputs, y) - y) ** 2, axis=0)))


def mae(outputs: Array, y: Array) -> Array:
    """Mean absolute error."""
    return jnp.mean(jnp.abs(aligned(outputs, y) - y))


def r2(outputs: Array, y: Array) -> Array:
    """The part of the targets' variance that is explained, 1 - SS_residual / SS_total."""
    residual = ((aligned(outputs, y) - y) ** 2).sum(0)
    total = ((y - y.mean(0, keepdims=True)) ** 2).sum(0)
    return jnp.mean(1 - residual / total)


def deviance(log_rates: Array, y: Array) -> Array:
    """Mean Poisson deviance, 2 (y log(y / mu) - y + mu)."""
    return 2 * jnp.mean(_half_deviances(log_rates, y))


def d2(log_rates: Array, y: Array) -> Array:
    """The part of the Poisson deviance that is explained, against one rate for all rows."""
    mean = y.mean(0, keepdims=True)
    null = 2 * (xlogy(y, y) - xlogy(y, mean) - y + mean).mean(0)
    own = 2 * _half_deviances(log_rates, y).mean(0)
    return jnp.mean(1 - own / null)


def _half_deviances(log_rates: Array, y: Array) -> Array:
    """Half of each target's deviance, of the shape of the targets."""
    eta = aligned(log_rates, y)
    return xlogy(y, y) - y * (eta + 1) + jnp.exp(eta)
