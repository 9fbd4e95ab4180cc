"""Residual networks with group normalisation, for small colour images."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import cast

import jax.numpy as jnp
from flax import linen as nn

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.learning.architecture import Architecture, Model
from fedjax_shap.learning.architectures.build import build
from fedjax_shap.learning.architectures.convolutional import (
    CONVOLUTIONS,
    Convolution,
    bordered,
    require_images,
)
from fedjax_shap.learning.precision import Precision
from fedjax_shap.typing import Array

STAGES = 3  # each but the first halves the image and doubles the channels


def resnet(
    *,
    depth: int = 8,
    width: int = 16,
    groups: int = 2,
    convolution: Convolution = "patches",
    precision: Precision = "float32",
) -> Architecture:
    """The CIFAR ResNet of He et al. 2016 with group instead of batch normalisation.

    Normalisation by the statistics of batches goes wrong where the clients' data differ (Hsieh et
    al. 2020), and averaging these statistics is not FedAvg.

    Args:
        depth: layers with parameters, 6n + 2: 8, 14, 20 (that of the paper), ...
        width: channels of the first stage, a multiple of `groups`; the later ones have 2 and 4
            times as many.
        groups: of channels that are normalised together.
        convolution: as in `cnn`.
        precision: as in `linear`.

    References:
        He et al. 2016, "Deep residual learning for image recognition", section 4.2; Wu and He 2018,
        "Group normalization"; Hsieh et al. 2020, "The non-IID data quagmire of decentralized
        machine learning".
    """
    integer("depth", depth, least=8)
    require(depth % 6 == 2, f"Expected depth={depth} to be 6n + 2, such as 8, 14 or 20.")
    integer("width", width, least=1)
    integer("groups", groups, least=1)
    require(
        width % groups == 0,
        f"Expected width={width} to be a multiple of groups={groups}, so that groups are alike.",
    )
    one_of("convolution", convolution, CONVOLUTIONS)

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        require_images("resnet", shape, 4)
        module = _ResNet(
            outputs=num_outputs,
            blocks=(depth - 2) // 6,
            width=width,
            groups=groups,
            convolution=CONVOLUTIONS[convolution],
        )
        return build(module, shape, precision, shares_batch=True)

    return architecture


class _ResNet(nn.Module):
    outputs: int
    blocks: int
    width: int
    groups: int
    convolution: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        norm = partial(nn.GroupNorm, num_groups=self.groups)
        numbers = count()

        def conv(x: Array, channels: int, stride: int = 1) -> Array:
            # named alike in both computations, so that the same seed draws the same kernels
            settings = {"width": 3, "stride": stride, "use_bias": False}
            layer = self.convolution(channels, **settings, name=f"Conv_{next(numbers)}")
            return cast(Array, layer(bordered(x, 1)))

        x = nn.relu(norm()(conv(x, self.width)))
        for stage in range(STAGES):
            for block in range(self.blocks):
                channels = self.width * 2**stage
                # the first block of a later stage halves the image
                step = 1 + (stage > 0 and block == 0)
                inner = nn.relu(norm()(conv(x, channels, step)))
                inner = norm()(conv(inner, channels))
                x = nn.relu(inner + _shortcut(x, channels, step))
        return cast(Array, nn.Dense(self.outputs)(x.mean(axis=(1, 2))))


def _shortcut(x: Array, channels: int, step: int) -> Array:
    """Every `step`-th pixel, with channels of zeros: the shortcut without parameters."""
    return jnp.pad(x[:, ::step, ::step], ((0, 0), (0, 0), (0, 0), (0, channels - x.shape[-1])))
