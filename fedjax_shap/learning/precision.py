"""In how many bits a model computes; its parameters, gradients and optimiser stay as they are."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from fedjax_shap.typing import Array, Params

Precision = Literal["float32", "tf32", "bfloat16"]
_PRODUCTS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "default"}


def computing(
    apply: Callable[[Params, Array], Array], precision: Precision
) -> Callable[[Params, Array], Array]:
    """`apply(params, x)` in arithmetic of fewer bits, forwards and backwards.

    What it gives has the parameters' type.

    Args:
        apply: a model, or a part of one.
        precision: "float32": full products, also on GPUs that round them by default; "tf32": GPUs
            may round the factors of products to 10 bits and sum in float32, CPUs do not;
            "bfloat16": all is computed in 8 bits.
    """

    def computed(params: Params, x: Array) -> Array:
        kind = jax.tree.leaves(params)[0].dtype
        if precision == "bfloat16":
            params, x = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, x))
        with jax.default_matmul_precision(_PRODUCTS[precision]):
            return apply(params, x).astype(kind)

    return computed
