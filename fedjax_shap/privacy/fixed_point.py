"""Fixed-point numbers: reals as words of 32 bits, whose sums are exact and can be masked.

A number x in [-clip, clip] becomes the integer round(x / step) with step = clip / 2^(bits - 1), so
that -2^(bits - 1) <= integer <= 2^(bits - 1). Integers are words in two's complement; their sum
modulo 2^32 is the sum of integers as long as `require_room` holds.

One function serves NumPy on the host and traced programs (`xp`), so that a sum inside a compiled
training and one by masked messages are equal bit for bit.

References:
    Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
    2017, section 4; Bonawitz et al., "Federated Learning with Autotuned Communication-Efficient
    Secure Aggregation", Asilomar 2019 (integers of few bits under a modulus).
"""

from typing import Any

import numpy as np

from fedjax_shap._validate import integer, number, require

WORD = 32  # bits of a word
MOST_BITS = WORD - 1  # of one number: two of 31 bits no longer fit


def encode(x: Any, bits: int, clip: float, *, xp: Any = np) -> Any:
    """Numbers as words; those outside [-clip, clip] count as the nearer end of the range.

    A NaN has no word: whoever encodes looks for `outside` first.

    Args:
        x: float[...].
        bits: of one number, the sign included: 2^bits + 1 integers cover the range.
        clip: the range is [-clip, clip].
        xp: `numpy`, or `jax.numpy` for traced arrays.

    Returns:
        int32[...]: round(x / step), halves to the even integer.
    """
    half = 2 ** (bits - 1)
    scaled = xp.rint(x * (half / clip))
    return xp.clip(scaled, -half, half).astype(xp.int32)


def decode(total: Any, bits: int, clip: float, *, xp: Any = np) -> Any:
    """A word, or a sum of words, as numbers.

    Args:
        total: int32[...] or uint32[...]: sums of words modulo 2^32, for which `require_room` holds.
        bits: as in `encode`.
        clip: as in `encode`.
        xp: as in `encode`.

    Returns:
        float[...], total x step: float64 of NumPy's, the default float of JAX's.
    """
    return total.view(xp.int32).astype(float) * (clip / 2 ** (bits - 1))


def outside(x: Any, clip: float, *, xp: Any = np) -> Any:
    """bool[...]: which numbers `encode` would change by more than half a step, or are NaN."""
    return ~(xp.abs(x) <= clip)


def require_range(bits: int, clip: float, *, where: str = "") -> None:
    """Refuses what is no range of fixed-point numbers; `where` stands before the names."""
    integer(f"{where}bits", bits, least=2, most=MOST_BITS)
    number(f"{where}clip", clip, above=0)
    # beyond these a step is no number of single precision
    require(1e-20 <= clip <= 1e20, f"Expected {where}clip={clip!r} to lie between 1e-20 and 1e+20.")


def most_summands(bits: int) -> int:
    """How many numbers of so many bits can be added before the largest sum would wrap."""
    return int((2**MOST_BITS - 1) // 2 ** (bits - 1))


def require_room(bits: int, summands: int, *, where: str = "") -> None:
    """Refuses sums that may wrap: `summands` numbers at an end of the range must fit in a word.

    Args:
        bits: of one number.
        summands: how many are added; a number that is multiplied by an integer weight counts as
            often as its weight.
        where: stands before the name in the refusal.

    Raises:
        InvalidInputError: summands x 2^(bits - 1) >= 2^31.
    """
    fitting = [one for one in range(2, MOST_BITS + 1) if most_summands(one) >= summands]
    if not fitting:
        most = most_summands(2)
        require(False, f"Expected at most {most:,} summands in words of 32 bits, got {summands:,}.")
    require(
        bits in fitting,
        f"Expected {where}bits={bits} to be <= {fitting[-1]}: the sum of {summands:,} numbers of "
        f"{bits} bits may not fit in a word of {WORD} bits.",
    )
