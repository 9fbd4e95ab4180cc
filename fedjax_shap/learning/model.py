"""Models as pairs of pure functions, built through flax for the shape of the data at hand."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, cast, get_args, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.learning.precision import Precision, computing
from fedjax_shap.typing import Array, Key, Params, PyTree

__all__ = [
    "MODELS",
    "Architecture",
    "Model",
    "cnn",
    "linear",
    "mlp",
    "num_params",
]


class Model(NamedTuple):
    """A classifier for one shape of example.

    Attributes:
        init: key -> params.
        apply: (params, x[B, ...]) -> logits float[B, L].
        first: (params, x[B, ...]) -> pre-activations float[B, ...], linear in params: the first
            layer of a mean of models gives the mean of what their first layers give. None where a
            model has no such layer.
        rest: (params, pre-activations) -> logits, the layers above: apply(params, x) = rest(params,
            first(params, x)).
        shares_batch: whether models that train side by side are faster where they share one
            mini-batch (from which patches are then gathered once) than where each holds it (which
            makes first layers batched products).
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Array], Array]
    first: Callable[[Params, Array], Array] | None = None
    rest: Callable[[Params, Array], Array] | None = None
    shares_batch: bool = False


@runtime_checkable
class Architecture(Protocol):
    """A family of models, one for each kind of data."""

    def __call__(self, shape: tuple[int, ...], num_classes: int, /) -> Model:
        """The model for the data at hand.

        Args:
            shape: of one example.
            num_classes: L.
        """


Initializer = Literal["lecun", "torch", "zeros"]
Output = Literal["softmax", "sigmoid"]
Convolution = Literal["patches", "grouped"]
FEW_CHANNELS = 4


def linear(
    *,
    initializer: Initializer = "zeros",
    output: Output = "softmax",
    precision: Precision = "float32",
) -> Architecture:
    """Softmax regression (logistic regression where there are two classes).

    Args:
        initializer: "zeros", "lecun" (normal of variance 1/fan_in, zero biases) or "torch" (weights
            and biases uniform in +-1/sqrt(fan_in), PyTorch's default).
        output: "softmax", one logit a class, or "sigmoid" for two classes: one logit z, returned as
            (0, z), so that softmax cross-entropy is the binary cross-entropy of sigmoid(z).
        precision: "float32", or "tf32" or "bfloat16" for faster products on GPUs, see
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
    for width in hidden:
        integer("hidden", width, least=1)
    one_of("output", output, ("softmax", "sigmoid"))

    def architecture(shape: tuple[int, ...], num_classes: int) -> Model:
        return _build(_Mlp((*hidden, _outputs(output, num_classes))), shape, initializer, precision)

    return architecture


def cnn(
    *,
    initializer: Initializer = "lecun",
    convolution: Convolution = "patches",
    precision: Precision = "float32",
) -> Architecture:
    """LeNet5 for images [H, W, channels] of at least 12 x 12 (LeCun et al. 1998; ReLU, max
    pooling).

    Args:
        initializer: as in `linear`.
        convolution: how convolutions are computed; the numbers are the same. "patches": shifted
            images and a matrix product, which many models side by side turn into a batched product;
            "grouped": XLA's own, which they turn into a grouped convolution. docs/performance.md
            has the measurements behind the default.
        precision: as in `linear`.
    """
    one_of("convolution", convolution, _CONVOLUTIONS)

    def architecture(shape: tuple[int, ...], num_classes: int) -> Model:
        require(
            len(shape) == 3 and min(shape[:2]) >= 12,
            "Expected model='cnn' to get images [H, W, channels] of at least 12 x 12, got shape "
            f"{shape}.",
        )
        return _build(
            _LeNet5(num_classes, _CONVOLUTIONS[convolution]), shape, initializer, precision
        )

    return architecture


MODELS: dict[str, Callable[..., Architecture]] = {"linear": linear, "mlp": mlp, "cnn": cnn}


def num_params(params: Params) -> int:
    """How many numbers a parameter tree holds."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))


class _Mlp(nn.Module):
    widths: tuple[int, ...]

    def setup(self) -> None:
        for index, width in enumerate(self.widths):
            setattr(self, f"Dense_{index}", nn.Dense(width))

    def first(self, x: Array) -> Array:
        return cast(Array, self.Dense_0(x.reshape((x.shape[0], -1))))

    def rest(self, x: Array) -> Array:
        for index in range(1, len(self.widths)):
            x = getattr(self, f"Dense_{index}")(nn.relu(x))
        return x

    def __call__(self, x: Array) -> Array:
        return self.rest(self.first(x))


class _PatchConv(nn.Module):
    """A convolution as shifted images and matrix products, the parameters being those of `nn.Conv`.

    Mapped over models, a convolution becomes a grouped one, which CPUs compute slowly; a matrix
    product becomes a batched product, which they do not.
    """

    features: int
    width: int = 5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.width, self.width, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        height = x.shape[1] - self.width + 1
        width = x.shape[2] - self.width + 1
        # lay shifted images side by side
        along = jnp.concatenate([x[:, :, j : j + width] for j in range(self.width)], axis=-1)
        rows = [along[:, i : i + height] for i in range(self.width)]
        # multiply patches and kernel
        if x.shape[-1] < FEW_CHANNELS:  # their patches are short enough to be written out
            product = jnp.concatenate(rows, axis=-1) @ kernel.reshape(-1, self.features)
        else:
            product = sum(row @ part.reshape(-1, self.features) for row, part in zip(rows, kernel))
        return product + bias.reshape((1,) * (x.ndim - 1) + (-1,))


_CONVOLUTIONS: dict[str, Callable[[int], nn.Module]] = {
    "patches": _PatchConv,
    "grouped": lambda features: nn.Conv(features, (5, 5), padding="VALID"),
}


class _LeNet5(nn.Module):
    outputs: int
    convolution: Callable[[int], nn.Module]

    def setup(self) -> None:
        self.Conv_0 = self.convolution(6)
        self.Conv_1 = self.convolution(16)
        self.Dense_0 = nn.Dense(120)
        self.Dense_1 = nn.Dense(84)
        self.Dense_2 = nn.Dense(self.outputs)

    def first(self, x: Array) -> Array:
        return cast(Array, self.Conv_0(jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))))

    def rest(self, x: Array) -> Array:
        x = _pooled(nn.relu(self.Conv_1(_pooled(nn.relu(x)))))
        x = nn.relu(self.Dense_0(x.reshape((x.shape[0], -1))))
        return cast(Array, self.Dense_2(nn.relu(self.Dense_1(x))))

    def __call__(self, x: Array) -> Array:
        return self.rest(self.first(x))


def _pooled(x: Array) -> Array:
    """The largest of each 2 x 2 square; an odd last row or column is left out as in flax."""
    batch, height, width, channels = x.shape
    squares = x[:, : height // 2 * 2, : width // 2 * 2].reshape(
        batch, height // 2, 2, width // 2, 2, channels
    )
    return squares.max(axis=(2, 4))


def _outputs(output: Output, num_classes: int) -> int:
    require(
        output == "softmax" or num_classes == 2,
        f"Expected output='sigmoid' to be used with 2 classes, got {num_classes}; use "
        "output='softmax'.",
    )
    if output == "sigmoid":
        return 1
    return num_classes


def _build(
    module: _Mlp | _LeNet5, shape: tuple[int, ...], initializer: Initializer, precision: Precision
) -> Model:
    one_of("initializer", initializer, _INITIALIZERS)
    redraw = _INITIALIZERS[initializer]
    one_of("precision", precision, get_args(Precision))
    example = jnp.zeros((1, *shape))

    def init(key: Key) -> Params:
        return redraw(key, module.init(key, example)["params"])

    def first(params: Params, x: Array) -> Array:
        return cast(Array, module.apply({"params": params}, x, method="first"))

    def rest(params: Params, x: Array) -> Array:
        logits = cast(Array, module.apply({"params": params}, x, method="rest"))
        if logits.shape[-1] == 1:
            logits = jnp.concatenate([jnp.zeros_like(logits), logits], axis=-1)
        return logits

    below = computing(first, precision)
    above = computing(rest, precision)
    return Model(
        init,
        lambda params, x: above(params, below(params, x)),
        below,
        above,
        shares_batch=isinstance(module, _LeNet5),
    )


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
