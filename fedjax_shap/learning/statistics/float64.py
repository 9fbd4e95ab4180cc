"""Float64 inside programs whose other numbers are of 32 bits.

Sums of squares lose their variance in float32 wherever means are large. So these programs compute
in float64, whatever JAX is configured for: arrays enter as pairs of 32-bit words, which no
transfer rounds, and become float64 again under `jax.enable_x64`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.typing import PyTree


def packed(tree: PyTree) -> PyTree:
    """A tree whose floating-point arrays are uint32[..., 2], the words of their float64.

    Args:
        tree: of host arrays; integers and truth values stay as they are.
    """
    return jax.tree.map(_words, tree)


def unpacked(tree: PyTree) -> PyTree:
    """The tree that was packed, inside a program under `jax.enable_x64`; bit for bit."""
    return jax.tree.map(_number, tree)


def _words(leaf: Any) -> Any:
    array = np.asarray(leaf)
    if not np.issubdtype(array.dtype, np.floating):
        return array
    numbers = np.ascontiguousarray(array, np.float64)
    return numbers.reshape(*array.shape, 1).view(np.uint32)


def _number(leaf: Any) -> Any:
    if leaf.dtype == jnp.uint32:
        return jax.lax.bitcast_convert_type(leaf, jnp.float64)
    return leaf
