"""Pytree arithmetic, no more than the package uses."""

import jax
import jax.numpy as jnp

from fedjax_shap.typing import Array, PyTree


def like(values: Array, other: Array) -> Array:
    """`values` with trailing axes of length 1, to go with `other`."""
    return values.reshape(values.shape + (1,) * (other.ndim - values.ndim))


def where_rows(condition: Array, yes: PyTree, no: PyTree) -> PyTree:
    """`yes` in the rows of the leading axis where `condition` bool[S] holds, else `no`, leaf by
    leaf.
    """
    return jax.tree.map(lambda a, b: jnp.where(like(condition, a), a, b), yes, no)


def weighted_mean(trees: PyTree, weights: Array) -> PyTree:
    """The weighted mean over the leading axis; 0 where no weight is positive.

    Args:
        trees: leaves of shape [S, ...].
        weights: float[S], >= 0; only their ratios count.

    Returns:
        Leaves of shape [...]: sum_s weights[s] trees[s] / sum_s weights[s].
    """
    total = weights.sum()
    shares = weights / jnp.where(total > 0, total, 1.0)
    # GPUs round products unless told
    return jax.tree.map(
        lambda stacked: jnp.tensordot(shares, stacked, axes=1, precision="highest"), trees
    )


def zeros(tree: PyTree) -> PyTree:
    """Zeros of the shapes and types of the leaves."""
    return jax.tree.map(jnp.zeros_like, tree)
