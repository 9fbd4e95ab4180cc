"""Linear models and multi-layer perceptrons."""

from typing import Literal, cast

import jax.numpy as jnp
from flax import linen as nn

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.learning.architecture import Architecture, Model
from fedjax_shap.learning.architectures.build import Initializer, build_layered
from fedjax_shap.learning.precision import Precision
from fedjax_shap.typing import Array

Output = Literal["softmax", "sigmoid"]


def linear(
    *,
    initializer: Initializer = "zeros",
    output: Output = "softmax",
    precision: Precision = "float32",
) -> Architecture:
    """A linear model: softmax, logistic or linear regression, as the task has it.

    Args:
        initializer: "zeros", "lecun" (normal of variance 1/fan_in, zero biases) or "torch" (weights
            and biases uniform in +-1/sqrt(fan_in), PyTorch's default).
        output: "softmax", an output for each that the task asks for (a logit a class), or "sigmoid"
            for two classes: one logit z, returned as (0, z), so that softmax cross-entropy is the
            binary cross-entropy of sigmoid(z).
        precision: "float32", or "tf32x3", "tf32" or "bfloat16" for faster products on GPUs, see
            `learning.precision`.
    """
    return mlp(hidden=(), initializer=initializer, output=output, precision=precision)


def mlp(
    *,
    hidden: tuple[int, ...] = (64,),
    initializer: Initializer = "lecun",
    output: Output = "softmax",
    precision: Precision = "float32",
) -> Architecture:
    """Multi-layer perceptron with ReLU between its layers; `hidden` are the widths.

    Args:
        hidden: widths of the hidden layers, each >= 1.
        initializer: as in `linear`.
        output: as in `linear`.
        precision: as in `linear`.
    """
    require(
        isinstance(hidden, tuple | list),
        f"Expected hidden={hidden!r} to be the widths of the hidden layers, such as (64,) or ().",
    )
    for width in hidden:
        integer("hidden", width, least=1)
    one_of("output", output, ("softmax", "sigmoid"))

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        module = _Mlp((*hidden, _outputs(output, num_outputs)), sigmoid=output == "sigmoid")
        return build_layered(module, shape, initializer, precision)

    return architecture


class _Mlp(nn.Module):
    widths: tuple[int, ...]
    sigmoid: bool = False

    def setup(self) -> None:
        for index, width in enumerate(self.widths):
            setattr(self, f"Dense_{index}", nn.Dense(width))

    def first(self, x: Array) -> Array:
        return cast(Array, self.Dense_0(x.reshape((x.shape[0], -1))))

    def rest(self, x: Array) -> Array:
        for index in range(1, len(self.widths)):
            x = getattr(self, f"Dense_{index}")(nn.relu(x))
        if self.sigmoid:  # the logit of the second class, beside 0 for the first
            x = jnp.concatenate([jnp.zeros_like(x), x], axis=-1)
        return x

    def __call__(self, x: Array) -> Array:
        return self.rest(self.first(x))


def _outputs(output: Output, num_outputs: int) -> int:
    require(
        output == "softmax" or num_outputs == 2,
        f"Expected output='sigmoid' to be used with 2 classes, got {num_outputs} outputs; use "
        "output='softmax'.",
    )
    if output == "sigmoid":
        return 1
    return num_outputs
