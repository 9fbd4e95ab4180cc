"""Powers modulo a number: of one base that is known beforehand, and products of many powers.

Both cut exponents into digits, so that a power of b bits costs about b / w products and no square:
one base keeps its powers at each digit's place (Brickell et al.), and many bases whose powers are
multiplied are sorted by their digits, the bases of one digit multiplied first (Pippenger). Digits
of the latter have signs; inverses of all bases come from one inverse.

Numbers are integers of any kind that can be multiplied and divided, such as those of `gmpy2`.

References:
    Brickell, Gordon, McCurley, Wilson, "Fast exponentiation with precomputation", EUROCRYPT 1992;
    Pippenger, "On the evaluation of powers and related problems", FOCS 1976; Montgomery, "Speeding
    the Pollard and elliptic curve methods of factorization", Mathematics of Computation 48, 1987
    (inverses of many numbers from one).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap.typing import HostArray

WINDOW = 6  # bits of a digit of exponents of the base that is known beforehand
MOST_WINDOW = 12  # bits of a digit of many bases' exponents


class FixedBase(NamedTuple):
    """A base with its powers at each place of an exponent; `fixed_base` makes one.

    Attributes:
        powers: powers[place][digit] = base^(digit x 2^(WINDOW x place)).
        modulus: by which powers are reduced.
    """

    powers: tuple[tuple[Any, ...], ...]
    modulus: Any

    def power(self, exponent: int) -> Any:
        """base^exponent, 0 <= exponent < 2^bits."""
        product = self.powers[0][exponent & (2**WINDOW - 1)]
        for row in self.powers[1:]:
            exponent >>= WINDOW
            digit = exponent & (2**WINDOW - 1)
            if digit:
                product = product * row[digit] % self.modulus
        return product


def fixed_base(base: Any, modulus: Any, bits: int) -> FixedBase:
    """A base's powers for exponents of so many bits."""
    rows = []
    for _ in range(0, bits, WINDOW):
        row = [base**0]
        for _ in range(2**WINDOW - 1):
            row.append(row[-1] * base % modulus)
        rows.append(tuple(row))
        base = row[-1] * base % modulus
    return FixedBase(tuple(rows), modulus)


def products_of_powers(bases: Sequence[Any], exponents: HostArray, modulus: Any) -> list[Any]:
    """The product over i of bases[i]^exponents[i, j], for each j.

    Args:
        bases: N numbers, invertible modulo `modulus`.
        exponents: int64[N, F] of any sign, between -2^62 and 2^62.
        modulus: by which products are reduced.
    """
    bits = int(np.abs(exponents).max(initial=0)).bit_length()
    window = _best_window(len(bases), bits)
    places = bits // window + 1  # the carry of the last digit included
    both = (list(bases), inverses(bases, modulus))
    one = modulus**0
    products = []
    for column in exponents.T:
        digits = signed_digits(column, window, places)
        product = one
        # from the highest place: what is there counts 2^window as much as at the next one
        for place in reversed(digits):
            for _ in range(window):
                product = product * product % modulus
            product = product * _at_one_place(place, both, window, modulus) % modulus
        products.append(product)
    return products


def signed_digits(numbers: HostArray, window: int, places: int) -> HostArray:
    """Digits from -2^(window - 1) to 2^(window - 1), the lowest place first.

    Args:
        numbers: int64[N].
        window: bits of a digit.
        places: how many digits, so that places x window bits are more than the largest number's.

    Returns:
        int64[places, N] with sum over k of digits[k] x 2^(window x k) = numbers.
    """
    base = 2**window
    rest = np.abs(numbers)
    digits = np.empty((places, len(rest)), np.int64)
    for place in range(places):
        digit = rest & (base - 1)
        digit -= base * (digit > base // 2)
        digits[place] = digit
        rest = (rest - digit) >> window
    return digits * np.sign(numbers)


def inverses(numbers: Sequence[Any], modulus: Any) -> list[Any]:
    """The inverses of numbers, from that of their product."""
    before = [modulus**0]
    for number in numbers:
        before.append(before[-1] * number % modulus)
    rest = pow(before[-1], -1, modulus)
    found = []
    for number, product in zip(reversed(numbers), reversed(before[:-1]), strict=True):
        found.append(rest * product % modulus)
        rest = rest * number % modulus
    found.reverse()
    return found


def _at_one_place(
    digits: HostArray, both: tuple[list[Any], list[Any]], window: int, modulus: Any
) -> Any:
    """The product of bases^digits; `both` has the bases and their inverses."""
    buckets: list[Any] = [None] * (2 ** (window - 1) + 1)
    bases, inverted = both
    for i, digit in enumerate(digits.tolist()):
        if not digit:
            continue
        base = bases[i]
        if digit < 0:
            base = inverted[i]
            digit = -digit
        if buckets[digit] is None:
            buckets[digit] = base
        else:
            buckets[digit] = buckets[digit] * base % modulus
    # a bucket counts as often as its digit: the sum of the sums from the highest digit down
    product = modulus**0
    above = modulus**0
    for bucket in buckets[:0:-1]:
        if bucket is not None:
            above = above * bucket % modulus
        product = product * above % modulus
    return product


def _best_window(count: int, bits: int) -> int:
    """The bits of a digit with which `count` powers of `bits` bits take the fewest products."""
    return min(range(2, MOST_WINDOW + 1), key=lambda window: _num_products(count, bits, window))


def num_products(count: int, bits: int) -> int:
    """How many products modulo n that of `count` powers of `bits` bits takes, about."""
    return _num_products(count, bits, _best_window(count, bits))


def _num_products(count: int, bits: int, window: int) -> int:
    """That for digits of so many bits."""
    return (bits // window + 1) * (count + (1 << window) + window)
