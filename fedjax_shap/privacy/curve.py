"""Points of Curve25519 from texts: a hash to the curve, never to its twist.

X25519 multiplies points by their u-coordinate alone and takes any number for one: half of all
numbers lie on the curve, half on its twist. Who sees a product can tell which, and from a plain
hash would learn one bit of the text. Elligator 2 maps every number to a point of the curve, and the
sum of the points of two numbers is as good as a uniform one (`curve25519_XMD:SHA-512_ELL2_RO_`).

The points lie in the whole group, whose order is 8 times a prime. Scalars of X25519 are multiples
of 8 and take the products into the part of prime order.

References:
    Bernstein, Hamburg, Krasnova and Lange, "Elligator: elliptic-curve points indistinguishable from
    uniform random strings", CCS 2013; Faz-Hernandez et al., "Hashing to Elliptic Curves", RFC 9380,
    2023, sections 5.3, 6.7 and appendix J.4.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fedjax_shap.typing import HostArray

FIELD = 2**255 - 19
POINT_BYTES = 32
SUITE = b"fedjax_shap-V01-CS01-with-curve25519_XMD:SHA-512_ELL2_RO_"
_A = 486662  # v^2 = u^3 + A u^2 + u
_ROOT_OF_MINUS_1 = pow(2, (FIELD - 1) // 4, FIELD)
_ROOT_OF_2 = pow(2, (FIELD + 3) // 8, FIELD)  # or that of -2
_FIELD_BYTES = 48  # of a hash that becomes a number modulo FIELD, almost uniform
_BLOCK_BYTES = 128  # of SHA-512
_LIMBS = 10
_LIMB_BITS = 26
_LIMB_MASK = (1 << _LIMB_BITS) - 1
_FOLD = 19 * 2 ** (_LIMBS * _LIMB_BITS - 255)  # 2^260 modulo FIELD
_AT_ONCE = 2048  # numbers whose limbs stay in a core's cache


class Affine(NamedTuple):
    """A point of the curve.

    Attributes:
        top: numerator of its u-coordinate.
        bottom: denominator of its u-coordinate.
        v: its v-coordinate.
    """

    top: int
    bottom: int
    v: int


def hash_to_curve(messages: Sequence[bytes], suite: bytes = SUITE) -> list[bytes]:
    """The points of messages, as u-coordinates of 32 bytes, little-endian.

    Args:
        messages: what to hash.
        suite: names the use, so that hashes of other uses say nothing of these.

    Returns:
        A point each, before its cofactor is cleared.
    """
    points: list[bytes] = []
    for start in range(0, len(messages), _AT_ONCE):
        numbers: list[int] = []
        for message in messages[start : start + _AT_ONCE]:
            numbers += _hash_to_field(message, suite)
        mapped = map_to_curve(numbers)
        points += _sums(mapped[::2], mapped[1::2])
    return points


def map_to_curve(numbers: Sequence[int]) -> list[Affine]:
    """Elligator 2 of numbers modulo FIELD."""
    bottoms = [(1 + 2 * number * number) % FIELD for number in numbers]
    # v^2 = over / under at u = -A / bottom
    overs = [-_A * (bottom * bottom - _A * _A * bottom + _A * _A) % FIELD for bottom in bottoms]
    unders = [bottom * bottom * bottom % FIELD for bottom in bottoms]
    cubes = [under * under * under % FIELD for under in unders]
    pairs = zip(overs, unders, cubes, strict=True)
    powers = _power_for_roots([over * under * cube * cube % FIELD for over, under, cube in pairs])
    points = []
    rows = zip(numbers, bottoms, overs, unders, cubes, powers, strict=True)
    for number, bottom, over, under, cube, power in rows:
        v = over * cube % FIELD * power % FIELD
        found = v * v % FIELD * under % FIELD
        if found in (over, FIELD - over):
            points.append(Affine(-_A, bottom, _signed(v, found == over, odd=True)))
        else:
            # over / under is no square, so the other u, -A - u, has a v
            v = v * number % FIELD * _ROOT_OF_2 % FIELD
            expected = 2 * number * number * over % FIELD
            is_root = v * v % FIELD * under % FIELD == expected
            points.append(Affine(_A - _A * bottom, bottom, _signed(v, is_root, odd=False)))
    return points


def _signed(v: int, is_root: bool, *, odd: bool) -> int:
    """The root of which `v` is one, up to that of -1 and its sign, with the wanted last bit."""
    if not is_root:
        v = v * _ROOT_OF_MINUS_1 % FIELD
    if v % 2 != odd:
        v = (FIELD - v) % FIELD
    return v


def _sums(ones: Sequence[Affine], others: Sequence[Affine]) -> list[bytes]:
    """The u-coordinates of sums of two points."""
    tops = []
    bottoms = []
    for one, other in zip(ones, others, strict=True):
        # u = (rise / run)^2 - A - u_1 - u_2, all over one denominator
        both = one.bottom * other.bottom % FIELD
        run = (other.top * one.bottom - one.top * other.bottom) % FIELD
        rise = (other.v - one.v) * both % FIELD
        square = run * run % FIELD
        inner = _A * both + one.top * other.bottom + other.top * one.bottom
        tops.append((rise * rise % FIELD * both - square * inner) % FIELD)
        bottoms.append(square * both % FIELD)
    inverses = _inverses(bottoms)
    return [
        (top * inverse % FIELD).to_bytes(POINT_BYTES, "little")
        for top, inverse in zip(tops, inverses, strict=True)
    ]


def _inverses(numbers: Sequence[int]) -> list[int]:
    """The inverses modulo FIELD, by one inversion of the product of all."""
    products = [1]
    for number in numbers:
        products.append(products[-1] * number % FIELD)
    # none is 0, but for two equal points, once in 2^254 texts: pow refuses it
    inverse = pow(products.pop(), -1, FIELD)
    inverses = []
    for number, product in zip(reversed(numbers), reversed(products), strict=True):
        inverses.append(inverse * product % FIELD)
        inverse = inverse * number % FIELD
    return inverses[::-1]


def _hash_to_field(message: bytes, suite: bytes) -> list[int]:
    """Two numbers modulo FIELD, by `expand_message_xmd` of RFC 9380, section 5.3.1."""
    length = 2 * _FIELD_BYTES
    named = suite + len(suite).to_bytes(1, "big")
    head = bytes(_BLOCK_BYTES) + message + length.to_bytes(2, "big") + b"\x00" + named
    zeroth = hashlib.sha512(head).digest()
    first = hashlib.sha512(zeroth + b"\x01" + named).digest()
    mixed = int.from_bytes(zeroth, "big") ^ int.from_bytes(first, "big")
    second = hashlib.sha512(mixed.to_bytes(len(zeroth), "big") + b"\x02" + named).digest()
    stream = first + second
    starts = (0, _FIELD_BYTES)
    return [int.from_bytes(stream[at : at + _FIELD_BYTES], "big") % FIELD for at in starts]


# ------------------------------------------------------------------ many numbers at once


def _power_for_roots(numbers: Sequence[int]) -> list[int]:
    """z^((FIELD - 5) / 8) of each, which is z^(2^252 - 3)."""
    limbs = _limbs(numbers)
    power = _ones(limbs, 250)
    power = _times(_square(_square(power)), limbs)
    return _numbers(power)


def _ones(limbs: HostArray, bits: int) -> HostArray:
    """z^(2^bits - 1)."""
    if bits == 1:
        return limbs
    half = _ones(limbs, bits // 2)
    power = half
    for _ in range(bits // 2):
        power = _square(power)
    power = _times(power, half)
    if bits % 2:
        power = _times(_square(power), limbs)
    return power


def _limbs(numbers: Sequence[int]) -> HostArray:
    """uint64[10, n], numbers of 26 bits each."""
    shifts = range(0, _LIMBS * _LIMB_BITS, _LIMB_BITS)
    rows = [[number >> shift & _LIMB_MASK for number in numbers] for shift in shifts]
    return np.array(rows, np.uint64)


def _numbers(limbs: HostArray) -> list[int]:
    """The numbers modulo FIELD."""
    columns = limbs.T.tolist()
    return [
        sum(limb << _LIMB_BITS * place for place, limb in enumerate(column)) % FIELD
        for column in columns
    ]


def _times(one: HostArray, other: HostArray) -> HostArray:
    """The products, uint64[10, n]."""
    product = np.zeros((2 * _LIMBS, one.shape[1]), np.uint64)
    for place in range(_LIMBS):
        product[place : place + _LIMBS] += one[place] * other
    return _reduced(product)


def _square(one: HostArray) -> HostArray:
    """The squares, uint64[10, n]: each product of two limbs once."""
    product = np.zeros((2 * _LIMBS, one.shape[1]), np.uint64)
    double = one + one
    for place in range(_LIMBS):
        product[2 * place] += one[place] * one[place]
        product[2 * place + 1 : place + _LIMBS] += one[place] * double[place + 1 :]
    return _reduced(product)


def _reduced(product: HostArray) -> HostArray:
    """Limbs of little more than 26 bits, from 20 limbs below 2^57."""
    product = _carried(product)
    low = product[:_LIMBS] + np.uint64(_FOLD) * product[_LIMBS:]
    carry = low[-1] >> np.uint64(_LIMB_BITS)
    low = _carried(low)
    low[0] += np.uint64(_FOLD) * carry
    return low


def _carried(limbs: HostArray) -> HostArray:
    """Each limb's upper bits moved to the next; those of the last are lost."""
    low = limbs & np.uint64(_LIMB_MASK)
    low[1:] += limbs[:-1] >> np.uint64(_LIMB_BITS)
    return low
