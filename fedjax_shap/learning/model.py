"""Models as pairs of pure functions, built through flax for the shape of the data at hand."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.typing import Array, Key, Params, PyTree


class Model(NamedTuple):
    """A classifier for one shape of example.

    Attributes:
        init: key -> params.
        apply: (params, x[B, ...]) -> logits float[B, L].
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Array], Array]


Architecture = Callable[[tuple[int, ...], int], Model]  # (shape of one example, num_classes) -> Model
Initializer = Literal["lecun", "torch", "zeros"]
Output = Literal["softmax", "sigmoid"]


def linear(*, initializer: Initializer = "zeros", output: Output = "softmax") -> Architecture:
    """Softmax regression (logistic regression where there are two classes).

    Args:
        initializer: "zeros", "lecun" (normal of variance 1/fan_in, zero biases) or "torch" (weights and biases
            uniform in +-1/sqrt(fan_in), PyTorch's default).
        output: "softmax", one logit a class, or "sigmoid" for two classes: one logit z, returned as (0, z), so
            that softmax cross-entropy is the binary cross-entropy of sigmoid(z).
    """
    return mlp(hidden=(), initializer=initializer, output=output)


def mlp(
    *, hidden: tuple[int, ...] = (64,), initializer: Initializer = "lecun", output: Output = "softmax"
) -> Architecture:
    """Multi-layer perceptron with ReLU between its layers; `hidden` are the widths.

    Args:
        hidden: widths of the hidden layers, each >= 1.
        initializer: as in `linear`.
        output: as in `linear`.
    """
    for width in hidden:
        integer("hidden", width, least=1)
    one_of("output", output, ("softmax", "sigmoid"))

    def architecture(shape: tuple[int, ...], num_classes: int) -> Model:
        logits = _outputs(output, num_classes)
        return _build(_Mlp(tuple(hidden), logits), shape, initializer)

    return architecture


def cnn(*, initializer: Initializer = "lecun") -> Architecture:
    """LeNet5 for images [H, W, channels] of at least 12 x 12 (LeCun et al. 1998; ReLU, max pooling)."""

    def architecture(shape: tuple[int, ...], num_classes: int) -> Model:
        require(
            len(shape) == 3 and min(shape[:2]) >= 12,
            f"Expected model='cnn' to get images [H, W, channels] of at least 12 x 12, got shape {shape}.",
        )
        return _build(_LeNet5(num_classes), shape, initializer)

    return architecture


MODELS: dict[str, Callable[..., Architecture]] = {"linear": linear, "mlp": mlp, "cnn": cnn}


def num_params(params: Params) -> int:
    """How many numbers a parameter tree holds."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))


class _Mlp(nn.Module):
    hidden: tuple[int, ...]
    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = x.reshape((x.shape[0], -1))
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.outputs)(x)


class _PatchConv(nn.Module):
    """A convolution as shifted images and one matrix product, the parameters being those of `nn.Conv`.

    Mapped over models, a convolution becomes a grouped one, which CPUs compute slowly; a matrix product becomes a
    batched product, which they do not.
    """

    features: int
    width: int = 5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.width, self.width, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        height, width = x.shape[1] - self.width + 1, x.shape[2] - self.width + 1
        shifts = [(i, j) for i in range(self.width) for j in range(self.width)]
        patches = jnp.concatenate([x[:, i : i + height, j : j + width] for i, j in shifts], axis=-1)
        return patches @ kernel.reshape(-1, self.features) + bias.reshape((1,) * (x.ndim - 1) + (-1,))


class _LeNet5(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
        for index, features in enumerate((6, 16)):
            x = _pooled(nn.relu(_PatchConv(features, name=f"Conv_{index}")(x)))
        x = x.reshape((x.shape[0], -1))
        for width in (120, 84):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.outputs)(x)


def _pooled(x: Array) -> Array:
    """The largest of each 2 x 2 square; an odd last row or column is left out, as in `nn.max_pool`."""
    batch, height, width, channels = x.shape
    squares = x[:, : height // 2 * 2, : width // 2 * 2].reshape(batch, height // 2, 2, width // 2, 2, channels)
    return squares.max(axis=(2, 4))


def _outputs(output: Output, num_classes: int) -> int:
    require(
        output == "softmax" or num_classes == 2,
        f"Expected output='sigmoid' to be used with 2 classes, got {num_classes}; use output='softmax'.",
    )
    return 1 if output == "sigmoid" else num_classes


def _build(module: nn.Module, shape: tuple[int, ...], initializer: Initializer) -> Model:
    redraw = _INITIALIZERS.get(initializer)
    if redraw is None:
        one_of("initializer", initializer, _INITIALIZERS)
    example = jnp.zeros((1, *shape))

    def init(key: Key) -> Params:
        return redraw(key, module.init(key, example)["params"])  # type: ignore[misc]

    def apply(params: Params, x: Array) -> Array:
        logits: Any = module.apply({"params": params}, x)
        if logits.shape[-1] == 1:
            logits = jnp.concatenate([jnp.zeros_like(logits), logits], axis=-1)
        return logits  # type: ignore[no-any-return]

    return Model(init, apply)


def _torch_uniform(key: Key, params: PyTree) -> PyTree:
    """Weights and biases of every layer uniform in +-1/sqrt(fan_in)."""
    drawn = {}
    for index, (name, layer) in enumerate(sorted(params.items())):
        bound = float(np.prod(layer["kernel"].shape[:-1])) ** -0.5
        keys = jax.random.split(jax.random.fold_in(key, index), len(layer))
        drawn[name] = {
            part: jax.random.uniform(k, leaf.shape, leaf.dtype, -bound, bound)
            for k, (part, leaf) in zip(keys, sorted(layer.items()))
        }
    return drawn


_INITIALIZERS: dict[str, Callable[[Key, PyTree], PyTree]] = {
    "lecun": lambda key, params: params,
    "torch": _torch_uniform,
    "zeros": lambda key, params: jax.tree.map(jnp.zeros_like, params),
}
