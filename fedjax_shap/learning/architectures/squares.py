"""A convolution and the 2 x 2 max pooling after it: one matrix product makes a square of outputs.

The windows of a square's four outputs overlap in all but their borders. One window that covers them
all, multiplied by a kernel that stands in it in four shifted places, gives the four outputs. Beside
one window an output this writes a third of the numbers to memory and makes products four times as
wide, for 1.44 times the arithmetic where kernels are 5 x 5.

Images stand as [C, H, W, B], the batch last: whatever is cut out, laid side by side, compared or
added is then a run of at least B numbers that follow one another in memory, and many models side by
side add an axis before all others, as batched products want them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp

from fedjax_shap.typing import Array, Params

SIDE = 2  # of the squares


def first_layer(params: Params, x: Array, border: int) -> Array:
    """The first convolution's outputs in squares, float[4, F, H', W', B], for images [B, H, W, C].

    Args:
        params: of a network whose layers are `Conv_0`, `Conv_1`, ..., `Dense_0`, `Dense_1`, ...,
            each with a kernel and a bias as flax has them.
        x: the images.
        border: zeros around them.
    """
    return square_outputs(_bordered(jnp.transpose(x, (3, 1, 2, 0)), border), _kernel(params, 0))


def other_layers(params: Params, outputs: Array, borders: Sequence[int]) -> Array:
    """What a network makes of its first convolution, float[B, outputs].

    Args:
        params: as for `first_layer`, whose bias is added here: after pooling there are fewer
            outputs to add it to.
        outputs: float[4, F, H', W', B], what `first_layer` gave.
        borders: zeros around the image before each of the other convolutions.
    """
    x = _activated(outputs, params["Conv_0"]["bias"])
    for index, border in enumerate(borders, start=1):
        outputs = square_outputs(_bordered(x, border), _kernel(params, index))
        x = _activated(outputs, params[f"Conv_{index}"]["bias"])
    # flax reads an image row by row, all channels of a pixel together
    x = jnp.transpose(x, (1, 2, 0, 3)).reshape(-1, x.shape[-1])
    last = sum(name.startswith("Dense_") for name in params) - 1
    for index in range(last):
        x = jax.nn.relu(_dense(params[f"Dense_{index}"], x))
    return _dense(params[f"Dense_{last}"], x).T


def square_outputs(x: Array, kernel: Array) -> Array:
    """A convolution without padding and bias, in the squares that are pooled.

    Args:
        x: float[C, H, W, B].
        kernel: float[width, width, C, F], the width odd.

    Returns:
        float[4, F, H', W', B]: the outputs by their place in a square (upper left, upper right,
        lower left, lower right) and by the square. An odd last row or column of outputs belongs to
        no square and is not computed.
    """
    width = kernel.shape[0]
    height, length = ((size - width + 1) // SIDE for size in x.shape[1:3])
    reach = (width + 1) // SIDE  # squares of pixels that a window covers, in either direction
    windows = _windows(_squares(x, height + reach - 1, length + reach - 1), reach)
    shifted = _shifted(kernel)
    outputs = shifted @ windows.reshape(shifted.shape[1], -1)
    return outputs.reshape(SIDE**2, -1, height, length, x.shape[-1])


@jax.custom_vjp
def largest(outputs: Array) -> Array:
    """The largest of each square, float[...] of float[4, ...].

    The gradient goes to the first of equal ones, as in flax and PyTorch.
    """
    return _largest(outputs)[0]


def _largest(outputs: Array) -> tuple[Array, Array]:
    """The largest of each square, and where it stands there, int8[...]."""
    one, two, three, four = outputs
    upper = jnp.maximum(one, two)
    lower = jnp.maximum(three, four)
    found = jnp.maximum(upper, lower)
    in_upper = jnp.where(one == found, 0, 1)
    in_lower = jnp.where(three == found, 2, 3)
    return found, jnp.where(upper == found, in_upper, in_lower).astype(jnp.int8)


def _to_largest(place: Array, slope: Array) -> tuple[Array]:
    """The slope of `largest`, float[4, ...]: that of the result where it came from, else 0."""
    places = jnp.arange(SIDE**2, dtype=place.dtype).reshape(-1, *[1] * place.ndim)
    return (jnp.where(place[None] == places, slope[None], jnp.zeros((), slope.dtype)),)


largest.defvjp(_largest, _to_largest)


def _squares(x: Array, height: int, width: int) -> Array:
    """Squares of pixels, float[2, 2, C, height, width, B], of the image x[C, H, W, B]."""
    channels, _, _, batch = x.shape
    pixels = x[:, : SIDE * height, : SIDE * width]
    parted = pixels.reshape(channels, height, SIDE, width, SIDE, batch)
    return jnp.transpose(parted, (2, 4, 0, 1, 3, 5))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _windows(squares: Array, reach: int) -> Array:
    """The windows of `reach` x `reach` squares, float[reach^2, 2, 2, C, H', W', B]."""
    height, width = (size - reach + 1 for size in squares.shape[3:5])
    return jnp.stack([squares[:, :, :, i : i + height, j : j + width] for i, j in _pairs(reach)])


def _to_windows(squares: Array, reach: int) -> tuple[Array, None]:
    return _windows(squares, reach), None


def _from_windows(reach: int, _: None, slopes: Array) -> tuple[Array]:
    """The slope of the squares: each adds up what the windows that cover it have there.

    It is added up in place. JAX's own slope pads each part with zeros to a whole image, which takes
    a quarter longer on a CPU.
    """
    _, *square, height, width, batch = slopes.shape
    total = jnp.zeros((*square, height + reach - 1, width + reach - 1, batch), slopes.dtype)
    for (i, j), slope in zip(_pairs(reach), slopes):
        total = total.at[:, :, :, i : i + height, j : j + width].add(slope)
    return (total,)


_windows.defvjp(_to_windows, _from_windows)


def _shifted(kernel: Array) -> Array:
    """The kernel in its four places in a window, float[4 F, inputs], inputs as `_windows` has."""
    width, _, channels, features = kernel.shape
    reach = (width + 1) // SIDE
    spare = SIDE - 1
    places = [
        jnp.pad(kernel, ((down, spare - down), (right, spare - right), (0, 0), (0, 0)))
        for down, right in _pairs(SIDE)
    ]
    parted = jnp.stack(places).reshape(SIDE**2, reach, SIDE, reach, SIDE, channels, features)
    return jnp.transpose(parted, (0, 6, 1, 3, 2, 4, 5)).reshape(SIDE**2 * features, -1)


def _activated(outputs: Array, bias: Array) -> Array:
    """The largest of each square, plus the bias, through ReLU: float[F, H', W', B]."""
    return jax.nn.relu(largest(outputs) + bias[:, None, None, None])


def _dense(layer: Any, x: Array) -> Array:
    """A dense layer on x[inputs, B]."""
    return cast(Array, layer["kernel"].T @ x + layer["bias"][:, None])


def _kernel(params: Params, index: int) -> Array:
    return cast(Array, params[f"Conv_{index}"]["kernel"])


def _bordered(x: Array, width: int) -> Array:
    """Images [C, H, W, B] with a border of zeros."""
    return jnp.pad(x, ((0, 0), (width, width), (width, width), (0, 0)))


def _pairs(size: int) -> list[tuple[int, int]]:
    """All places in a square of so many rows and columns, row by row."""
    return [(i, j) for i in range(size) for j in range(size)]
