"""Hidden tables: values by keys, such that a table says nothing of which keys it has.

Who looks up a key of the table gets its value, and of any other key a number that looks random.
Keys are secrets: a value stands in the table under a mask that only its key gives, so that of the
keys that a reader lacks the table says nothing, however the values of several tables are related.

Keys fall into bins; a bin is a polynomial modulo a prime through its keys and masked values, and
through nothing else: the rest of its coefficients' freedom is random. All bins have as many
coefficients, more than any bin has keys but for a chance of 2^-40. So the coefficients are uniform,
whatever the keys.

References:
    Kolesnikov, Matania, Pinkas, Rosulek and Trieu, "Practical multi-party private set intersection
    from symmetric-key techniques", CCS 2017, section 5 (programmable pseudorandom functions, by
    polynomials and by hashing into bins).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import scipy

from fedjax_shap._validate import require
from fedjax_shap.privacy.shamir import Entropy

PRIME = 2**127 - 1
_NUMBER_BYTES = 16
_KEYS_A_BIN = 12  # on average
_OVERFULL = 2.0**-40  # chance that some bin has more keys than coefficients


class Shape(NamedTuple):
    """The shape of a table of so many keys; all who know the number know it.

    Attributes:
        bins: how many polynomials there are.
        width: coefficients of each.
    """

    bins: int
    width: int

    @property
    def num_bytes(self) -> int:
        """Of a table."""
        return self.bins * self.width * _NUMBER_BYTES


class _Entry(NamedTuple):
    """Where a key's value stands, and under which mask.

    Attributes:
        place: the bin.
        at: where its polynomial is evaluated.
        mask: what is added to the value, modulo PRIME.
    """

    place: int
    at: int
    mask: int


def shape_of(count: int) -> Shape:
    """The shape of a table of `count` keys."""
    bins = -(-count // _KEYS_A_BIN)
    width = min(_KEYS_A_BIN, count)
    # the chance that more than `width` keys fall into one of the bins
    while width < count and bins * scipy.special.bdtrc(width, count, 1 / bins) > _OVERFULL:
        width += 1
    return Shape(bins, width)


def hide(values: Mapping[bytes, int], entropy: Entropy) -> bytes:
    """A hidden table.

    Args:
        values: {key of 32 pseudorandom bytes: value modulo PRIME}.
        entropy: random bytes for what is left open.

    Raises:
        InvalidInputError: a bin has more keys than coefficients.
    """
    shape = shape_of(len(values))
    filled: list[list[tuple[int, int]]] = [[] for _ in range(shape.bins)]
    for key, value in values.items():
        entry = _entry(key, shape)
        filled[entry.place].append((entry.at, value + entry.mask))
    fullest = max(map(len, filled))
    require(
        fullest <= shape.width,
        f"Expected at most {shape.width} keys in a bin, got {fullest}, which happens once in 2^40 "
        "runs: run it again.",
    )
    numbers: list[int] = []
    for points in filled:
        numbers += _polynomial(points, shape.width, entropy)
    return b"".join(number.to_bytes(_NUMBER_BYTES, "little") for number in numbers)


def look_up(table: bytes, count: int, keys: Sequence[bytes]) -> Iterator[int]:
    """The value of each key; of keys that the table does not have, what looks random.

    Args:
        table: what `hide` gives.
        count: how many keys the table has.
        keys: 32 pseudorandom bytes each.
    """
    shape = shape_of(count)
    numbers = [
        int.from_bytes(table[start : start + _NUMBER_BYTES], "little")
        for start in range(0, shape.num_bytes, _NUMBER_BYTES)
    ]
    for key in keys:
        entry = _entry(key, shape)
        start = entry.place * shape.width
        masked = _value(numbers[start : start + shape.width], entry.at)
        yield (masked - entry.mask) % PRIME


def _entry(key: bytes, shape: Shape) -> _Entry:
    """Where a key's value stands, and under which mask."""
    digest = hashlib.blake2b(key, digest_size=4 * _NUMBER_BYTES).digest()
    place = int.from_bytes(digest[:_NUMBER_BYTES], "little") % shape.bins
    at = int.from_bytes(digest[_NUMBER_BYTES : 2 * _NUMBER_BYTES], "little") % PRIME
    mask = int.from_bytes(digest[2 * _NUMBER_BYTES :], "little") % PRIME
    return _Entry(place, at, mask)


def _polynomial(points: Sequence[tuple[int, int]], width: int, entropy: Entropy) -> list[int]:
    """Coefficients, the constant first, of a random polynomial through points."""
    through: list[int] = [0] * len(points)
    vanishing = [1]  # 0 at all points so far
    for at, value in points:
        # a multiple of what vanishes at the points before corrects the value at this one
        missing = value - _value(through, at)
        factor = missing * pow(_value(vanishing, at), -1, PRIME) % PRIME
        for place, coefficient in enumerate(vanishing):
            through[place] = (through[place] + factor * coefficient) % PRIME
        vanishing.append(0)
        for place in range(len(vanishing) - 1, 0, -1):
            vanishing[place] = (vanishing[place - 1] - at * vanishing[place]) % PRIME
        vanishing[0] = -at * vanishing[0] % PRIME
    # a random multiple of what vanishes at all points changes no value at them
    free = width - len(points)
    content = entropy(2 * _NUMBER_BYTES * free)
    randoms = [
        int.from_bytes(content[start : start + 2 * _NUMBER_BYTES], "little") % PRIME
        for start in range(0, len(content), 2 * _NUMBER_BYTES)
    ]
    coefficients = through + [0] * free
    for shift, random in enumerate(randoms):
        for place, coefficient in enumerate(vanishing):
            coefficients[shift + place] += random * coefficient
    return [coefficient % PRIME for coefficient in coefficients]


def _value(coefficients: Sequence[int], at: int) -> int:
    """The value of a polynomial, by Horner's rule."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * at + coefficient) % PRIME
    return value
