"""Convolutional networks for small images: LeNet5, and the one of the first FedAvg paper."""

from collections.abc import Callable
from typing import Literal, cast

import jax.numpy as jnp
from flax import linen as nn

from fedjax_shap._validate import one_of, require
from fedjax_shap.learning.architecture import Architecture, Model
from fedjax_shap.learning.architectures.build import Initializer, build_layered
from fedjax_shap.learning.architectures.squares import first_layer, other_layers
from fedjax_shap.learning.precision import Precision, computing
from fedjax_shap.typing import Array, Params

Convolution = Literal["patches", "grouped"]
PooledConvolution = Literal["squares", "patches", "grouped"]
SQUARES = "squares"
FEW_CHANNELS = 4


def cnn(
    *,
    initializer: Initializer = "lecun",
    convolution: PooledConvolution = "squares",
    precision: Precision = "float32",
) -> Architecture:
    """LeNet5 for images [H, W, channels] of at least 12 x 12 (LeCun et al. 1998; ReLU, max
    pooling).

    Args:
        initializer: as in `linear`.
        convolution: how convolutions are computed; the numbers are the same. "squares": one matrix
            product for the four outputs that are pooled together; "patches": shifted images and a
            matrix product; many models side by side turn either into a batched product; "grouped":
            XLA's own, which they turn into a grouped convolution. docs/performance.md has the
            measurements behind the default.
        precision: as in `linear`.
    """
    one_of("convolution", convolution, (SQUARES, *CONVOLUTIONS))

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        require_images("cnn", shape, 12)
        network = _Network(features=(6, 16), borders=(2, 0), units=(120, 84, num_outputs))
        return _built(network, convolution, shape, initializer, precision)

    return architecture


def cnn_mcmahan(
    *,
    initializer: Initializer = "lecun",
    convolution: PooledConvolution = "squares",
    precision: Precision = "float32",
) -> Architecture:
    """The MNIST CNN of McMahan et al. 2017: 5 x 5 convolutions of 32 and 64 channels, 512 units.

    Each convolution keeps the size of the image and is followed by ReLU and 2 x 2 max pooling; on
    28 x 28 x 1 and ten classes the model has the paper's 1,663,370 parameters.

    Args:
        initializer: as in `linear`.
        convolution: as in `cnn`.
        precision: as in `linear`.

    References:
        McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized
        data", section 3.
    """
    one_of("convolution", convolution, (SQUARES, *CONVOLUTIONS))

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        require_images("cnn_mcmahan", shape, 4)
        network = _Network(features=(32, 64), borders=(2, 2), units=(512, num_outputs))
        return _built(network, convolution, shape, initializer, precision)

    return architecture


class PatchConv(nn.Module):
    """A convolution as shifted images and matrix products, the parameters being those of `nn.Conv`.

    Mapped over models, a convolution becomes a grouped one, which CPUs compute slowly; a matrix
    product becomes a batched product, which they do not.

    Attributes:
        features: output channels.
        width: of the square kernel.
        stride: between the patches, in both directions.
        use_bias: whether a bias is added.
    """

    features: int
    width: int = 5
    stride: int = 1
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """float[B, H', W', features] of x[B, H, W, channels], without padding."""
        shape = (self.width, self.width, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        rows = self._rows(x)
        # multiply patches and kernel
        if x.shape[-1] < FEW_CHANNELS:  # their patches are short enough to be written out
            product = jnp.concatenate(rows, axis=-1) @ kernel.reshape(-1, self.features)
        else:
            product = sum(row @ part.reshape(-1, self.features) for row, part in zip(rows, kernel))
        if not self.use_bias:
            return cast(Array, product)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return cast(Array, product + bias.reshape((1,) * (x.ndim - 1) + (-1,)))

    def _rows(self, x: Array) -> list[Array]:
        """For each row of the kernel the image as it stands below it, its columns side by side."""
        height = x.shape[1] - self.width + 1
        width = x.shape[2] - self.width + 1
        step = self.stride
        # lay shifted images side by side
        along = jnp.concatenate([x[:, :, j : j + width : step] for j in range(self.width)], axis=-1)
        return [along[:, i : i + height : step] for i in range(self.width)]


def _library_conv(
    features: int,
    *,
    width: int = 5,
    stride: int = 1,
    use_bias: bool = True,
    name: str | None = None,
) -> nn.Module:
    """`PatchConv` as flax computes it."""
    return nn.Conv(
        features,
        (width, width),
        (stride, stride),
        padding="VALID",
        use_bias=use_bias,
        name=name,
    )


CONVOLUTIONS: dict[str, Callable[..., nn.Module]] = {
    "patches": PatchConv,
    "grouped": _library_conv,
}


class _Network(nn.Module):
    """Convolutions, each followed by ReLU and 2 x 2 max pooling, then dense layers.

    Attributes:
        features: output channels of each convolution.
        borders: zeros around the image before each convolution.
        units: of each dense layer, the outputs last.
        convolution: makes a convolution of so many output channels.
    """

    features: tuple[int, ...]
    borders: tuple[int, ...]
    units: tuple[int, ...]
    convolution: Callable[..., nn.Module] = PatchConv

    def setup(self) -> None:
        for index, features in enumerate(self.features):
            setattr(self, f"Conv_{index}", self.convolution(features))
        for index, units in enumerate(self.units):
            setattr(self, f"Dense_{index}", nn.Dense(units))

    def first(self, x: Array) -> Array:
        return self._convolved(0, x)

    def rest(self, x: Array) -> Array:
        x = _pooled(nn.relu(x))
        for index in range(1, len(self.features)):
            x = _pooled(nn.relu(self._convolved(index, x)))
        x = x.reshape((x.shape[0], -1))
        last = len(self.units) - 1
        for index in range(last):
            x = nn.relu(getattr(self, f"Dense_{index}")(x))
        return cast(Array, getattr(self, f"Dense_{last}")(x))

    def __call__(self, x: Array) -> Array:
        return self.rest(self.first(x))

    def _convolved(self, index: int, x: Array) -> Array:
        layer = getattr(self, f"Conv_{index}")
        return cast(Array, layer(bordered(x, self.borders[index])))


def _built(
    network: _Network,
    convolution: PooledConvolution,
    shape: tuple[int, ...],
    initializer: Initializer,
    precision: Precision,
) -> Model:
    """The model of a network, its convolutions computed as asked."""
    if convolution != SQUARES:
        module = network.clone(convolution=CONVOLUTIONS[convolution])
        return build_layered(module, shape, initializer, precision, shares_batch=True)
    plain = build_layered(network, shape, initializer, precision, shares_batch=True)

    def first(params: Params, x: Array) -> Array:
        return first_layer(params, x, network.borders[0])

    def rest(params: Params, outputs: Array) -> Array:
        return other_layers(params, outputs, network.borders[1:])

    below = computing(first, precision)
    above = computing(rest, precision)
    return plain._replace(
        apply=lambda params, x: above(params, below(params, x)),
        first=below,
        rest=above,
        counted=plain.apply,
    )


def require_images(model: str, shape: tuple[int, ...], least: int) -> None:
    """Refuses examples that are not images [H, W, channels] of at least `least` x `least`."""
    require(
        len(shape) == 3 and min(shape[:2]) >= least,
        f"Expected model={model!r} to get images [H, W, channels] of at least {least} x {least}, "
        f"got shape {shape}.",
    )


def bordered(x: Array, width: int) -> Array:
    """Images with a border of zeros."""
    return jnp.pad(x, ((0, 0), (width, width), (width, width), (0, 0)))


def _pooled(x: Array) -> Array:
    """The largest of each 2 x 2 square; an odd last row or column is left out as in flax."""
    batch, height, width, channels = x.shape
    squares = x[:, : height // 2 * 2, : width // 2 * 2].reshape(
        batch, height // 2, 2, width // 2, 2, channels
    )
    return squares.max(axis=(2, 4))
