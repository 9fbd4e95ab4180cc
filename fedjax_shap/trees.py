"""Pytree arithmetic, no more than the package uses."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.typing import Array, HostArray, PyTree


def placed(values: HostArray | np.generic) -> Array:
    """Numbers of the host on the device, of JAX's types; no program is compiled for their shape."""
    put: Array = jax.device_put(np.asarray(values))
    return put


def like(values: Array, other: Array) -> Array:
    """`values` with trailing axes of length 1, to go with `other`."""
    return values.reshape(values.shape + (1,) * (other.ndim - values.ndim))


def where_rows(condition: Array, yes: PyTree, no: PyTree) -> PyTree:
    """Each row of `yes` where `condition` bool[S] holds, else of `no`; leaves [S, ...]."""
    return jax.tree.map(lambda a, b: jnp.where(like(condition, a), a, b), yes, no)


def weighted_mean(trees: PyTree, weights: Array) -> PyTree:
    """The weighted mean over the leading axis; 0 where no weight is positive.

    Args:
        trees: leaves of shape [S, ...].
        weights: float[S], >= 0; only their ratios count.

    Returns:
        Leaves of shape [...]: sum_s weights[s] trees[s] / sum_s weights[s].
    """
    return weighted_sum(trees, shares_of(weights))


def weighted_sum(trees: PyTree, shares: Array) -> PyTree:
    """The sum over the leading axis, each entry by its share.

    Args:
        trees: leaves of shape [S, ...].
        shares: float[S].

    Returns:
        Leaves of shape [...]: sum_s shares[s] trees[s].
    """
    chex.assert_rank(shares, 1)
    # GPUs round products in a lower precision by default
    return jax.tree.map(
        lambda stacked: jnp.tensordot(shares, stacked, axes=1, precision="highest"), trees
    )


def shares_of(weights: Array) -> Array:
    """float[..., S]: weights over their sum along the last axis; 0 where no weight is positive."""
    return weights / divisor(weights)[..., None]


def divisor(weights: Array) -> Array:
    """float[...]: what to divide weights float[..., S] by: their sum, or 1 where none is > 0."""
    total = weights.sum(axis=-1)
    return jnp.where(total > 0, total, 1.0)


def zeros(tree: PyTree) -> PyTree:
    """Zeros of the shapes and types of the leaves."""
    return jax.tree.map(jnp.zeros_like, tree)
