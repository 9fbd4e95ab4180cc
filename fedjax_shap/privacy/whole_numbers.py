"""Real numbers as integers of any size, and back, exact but for one rounding.

A number x becomes round(x 2^bits), so that sums and products of numbers are those of integers.
"""

from collections.abc import Sequence

import numpy as np

from fedjax_shap._validate import finite, integer, require
from fedjax_shap.typing import HostArray

INTEGER_BITS = 24  # numbers lie between -2^24 and 2^24
MOST_BITS = 64  # after the point


def integers(values: HostArray, bits: int) -> HostArray:
    """Numbers as integers, round(x 2^bits), halves to the even one.

    Args:
        values: float[...], between -2^24 and 2^24.
        bits: after the point, at most 64.

    Returns:
        object[...] of Python's integers.

    Raises:
        InvalidInputError: a number is not finite or beyond the range.
    """
    integer("bits", bits, least=0, most=MOST_BITS)
    values = np.asarray(values, float)
    finite("values", values)
    largest = float(np.abs(values).max(initial=0.0))
    require(
        largest <= 2**INTEGER_BITS,
        f"Expected numbers between -2^{INTEGER_BITS} and 2^{INTEGER_BITS}, got one of size "
        f"{largest:g}.",
    )
    scaled = np.rint(np.ldexp(values, bits))
    whole = np.array([int(one) for one in scaled.ravel()], object)
    return whole.reshape(values.shape)


def reals(
    residues: Sequence[int], modulus: int, *, bits: int, size: int, masks: Sequence[int] = ()
) -> HostArray:
    """Numbers from integers modulo a number, of which the upper half is negative.

    Args:
        residues: integers modulo `modulus`.
        modulus: by which they were reduced.
        bits: after the point.
        size: the integers lie between -2^size and 2^size.
        masks: what was added to each; nothing by default.

    Returns:
        float64[N].

    Raises:
        InvalidInputError: there are more or fewer of them than masks, or one is beyond `size`.
    """
    masks = tuple(masks) or (0,) * len(residues)
    require(
        len(masks) == len(residues),
        f"Expected {len(masks)} numbers under masks, got {len(residues)}.",
    )
    numbers = []
    for one, mask in zip(residues, masks, strict=True):
        whole = (one - mask) % modulus
        if whole > modulus // 2:
            whole -= modulus
        require(
            abs(whole) <= 2**size,
            "Expected decrypted numbers as the protocol makes them, got one beyond their range: a "
            "message was damaged, or made under another key.",
        )
        numbers.append(whole / 2**bits)
    return np.array(numbers, float)
