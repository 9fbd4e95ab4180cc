"""In how many bits a model computes; its parameters, gradients and optimiser stay as they are."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from fedjax_shap.typing import Array, Params

Precision = Literal["float32", "tf32x3", "tf32", "bfloat16"]
_PRODUCTS = {
    "float32": "float32",
    "tf32x3": "float32",
    "tf32": "tensorfloat32",
    "bfloat16": "default",
}
_THREE_PRODUCTS = "TF32_TF32_F32_X3"
_WITH_TF32 = 8.0  # the compute capability of the first NVIDIA GPUs whose tensor cores have TF32


def computing(
    apply: Callable[[Params, Array], Array],
    precision: Precision,
    *,
    tensor_cores: bool | None = None,
) -> Callable[[Params, Array], Array]:
    """`apply(params, x)` in arithmetic of fewer bits, forwards and backwards.

    What it gives has the parameters' type.

    Args:
        apply: a model, or a part of one.
        precision: "float32": full products, also on GPUs that round them by default; "tf32x3":
            tensor cores sum three products of factors split into two parts of 10 bits, which comes
            to float32 but for the last bits, elsewhere it is float32, and so it is where `apply`
            has convolutions that are not written as products; "tf32": GPUs may round the factors of
            products to 10 bits and sum in float32, CPUs do not; "bfloat16": all is computed in 8
            bits.
        tensor_cores: whether there are some with TF32; those of the device at hand if None.
    """

    def computed(params: Params, x: Array) -> Array:
        kind = jax.tree.leaves(params)[0].dtype
        if precision == "bfloat16":
            params, x = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, x))
        products = _PRODUCTS[precision]
        if precision == "tf32x3" and _splits(apply, params, x, tensor_cores):
            products = _THREE_PRODUCTS
        with jax.default_matmul_precision(products):
            return apply(params, x).astype(kind)

    return computed


def _splits(
    apply: Callable[[Params, Array], Array], params: Params, x: Array, tensor_cores: bool | None
) -> bool:
    """Whether the factors of products are split.

    A convolution knows no split factors: it would be rounded to 10 bits.
    """
    if tensor_cores is None:
        tensor_cores = _has_tensor_cores()
    if not tensor_cores:
        return False
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (params, x))
    return "conv_general_dilated" not in str(jax.make_jaxpr(apply)(*shapes))


def _has_tensor_cores() -> bool:
    """Whether the device at hand is a GPU whose tensor cores have TF32."""
    capability = getattr(jax.local_devices()[0], "compute_capability", "")
    try:
        return float(capability) >= _WITH_TF32
    except (TypeError, ValueError):
        return False
