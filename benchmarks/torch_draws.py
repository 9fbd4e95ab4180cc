"""The initial weights and the batch orders that PyTorch draws from a seed, without PyTorch.

PyTorch's CPU generator is a Mersenne twister whose words are used as they come, so that a published
run whose seed is known can be repeated draw by draw.

References:
    Matsumoto and Nishimura 1998, "Mersenne twister". He et al. 2015, "Delving deep into
    rectifiers", whose uniform bound with a = sqrt(5) is PyTorch's 1/sqrt(fan_in).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fedjax_shap._validate import integer
from fedjax_shap.typing import HostArray, Params


def linear_layers(seed: int, widths: Sequence[int]) -> Params:
    """The parameters of an MLP of `torch.nn.Linear` layers after `torch.manual_seed(seed)`.

    Args:
        seed: PyTorch's seed, >= 0.
        widths: input width, hidden widths, output width; at least two.

    Returns:
        {"Dense_0": {"kernel": float32[in, out], "bias": float32[out]}, ...}, the tree of
        `learning.model.mlp`.
    """
    generator = _generator(seed)
    layers = {}
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        bound = inputs**-0.5
        weight = uniform(generator, (outputs, inputs), -bound, bound)
        layers[f"Dense_{index}"] = {
            "kernel": weight.T.copy(),
            "bias": uniform(generator, (outputs,), -bound, bound),
        }
    return layers


def batch_order(seed: int, size: int) -> HostArray:
    """The order in which a shuffling `DataLoader` reads rows after `torch.manual_seed(seed)`.

    The loader first draws 64 bits for its workers, then 64 bits that seed the generator of the
    permutation, of which the twister takes the lower 32.

    Returns:
        int64[size].
    """
    integer("size", size, least=1)
    return permutation(int(_words(_generator(seed), 4)[3]), size)


def permutation(seed: int, size: int) -> HostArray:
    """`torch.randperm(size)` after `torch.manual_seed(seed)`: int64[size]."""
    order = np.arange(size)
    for place, word in enumerate(_words(_generator(seed), size - 1)):
        other = place + int(word) % (size - place)
        order[[place, other]] = order[[other, place]]
    return order


def uniform(
    generator: np.random.RandomState, shape: tuple[int, ...], low: float, high: float
) -> HostArray:
    """float32[shape] as `tensor.uniform_(low, high)` draws it: 24 bits of each word."""
    words = _words(generator, int(np.prod(shape)))
    mantissa = (words & np.uint32((1 << 24) - 1)).astype(np.float32)
    drawn = mantissa * np.float32(2.0**-24) * np.float32(high - low) + np.float32(low)
    return drawn.reshape(shape).astype(np.float32)


def _generator(seed: int) -> np.random.RandomState:
    integer("seed", seed, least=0, most=2**32 - 1)
    return np.random.RandomState(seed)


def _words(generator: np.random.RandomState, count: int) -> HostArray:
    """The twister's next words, uint32[count]."""
    return generator.randint(0, 2**32, size=count, dtype=np.uint32)
