"""Vectors of real numbers under encryption: they can be added, and multiplied by plain numbers.

A number x becomes the integer round(x 2^bits). All numbers of a message have the same `bits`, which
follow from the protocol and not from the data, so they say nothing of it. How large integers may be
follows from the protocol too (`size`): what could wrap is refused before it is computed, and what
is larger once decrypted was not made by the protocol.

Sums and products of ciphertexts reveal how they were made to those who know the terms: what leaves
a party goes through `masked` or `refreshed`.

References:
    Hardy et al., "Private federated learning on vertically partitioned data via entity resolution
    and additively homomorphic encryption", arXiv 1711.10677, 2017, section 4.
"""

import math
import secrets
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.privacy.paillier import (
    FINGERPRINT,
    PrivateKey,
    PublicKey,
    ciphertext,
    decrypt_integer,
    encrypt_integer,
)
from fedjax_shap.privacy.powers import products_of_powers
from fedjax_shap.privacy.whole_numbers import INTEGER_BITS, integers, reals
from fedjax_shap.typing import HostArray

MOST_FACTOR_BITS = 38  # after the point, of a number that is multiplied by: 62 in all
HEADER = FINGERPRINT + 8  # the key's fingerprint, bits, size, and how many numbers


class Encrypted(NamedTuple):
    """Numbers under encryption.

    Attributes:
        numbers: a ciphertext each.
        bits: after the point: the integers are these numbers x 2^bits.
        size: the integers lie between -2^size and 2^size.
        fingerprint: of the key.
    """

    numbers: tuple[Any, ...]
    bits: int
    size: int
    fingerprint: bytes


# ------------------------------------------------------------------ numbers in and out


def encrypt(public: PublicKey, values: HostArray, *, bits: int = 40) -> Encrypted:
    """Numbers under a public key, each with randomness of its own.

    Args:
        public: the key.
        values: float[N], between -2^24 and 2^24.
        bits: after the point.

    Raises:
        InvalidInputError: a number is not finite or beyond the range.
    """
    size = _room(public, bits + INTEGER_BITS)
    numbers = [encrypt_integer(public, one) for one in integers(values, bits).tolist()]
    return Encrypted(tuple(numbers), bits, size, public.fingerprint)


def decrypt(private: PrivateKey, encrypted: Encrypted) -> HostArray:
    """The numbers, float64[N].

    Raises:
        InvalidInputError: they are encrypted for another key, or were damaged.
    """
    opened = decrypt_integers(private, encrypted)
    modulus = int(private.public.n)
    return reals(opened, modulus, bits=encrypted.bits, size=encrypted.size)


def decrypt_integers(private: PrivateKey, encrypted: Encrypted) -> tuple[int, ...]:
    """The integers modulo n, of numbers under masks too.

    Raises:
        InvalidInputError: they are encrypted for another key.
    """
    require_key(private.public, encrypted)
    return tuple(decrypt_integer(private, one) for one in encrypted.numbers)


# ------------------------------------------------------------------ arithmetic


def add(public: PublicKey, *terms: Encrypted) -> Encrypted:
    """Sums of numbers under encryption, place by place.

    Raises:
        InvalidInputError: the terms differ in length or in bits after the point, or are encrypted
            for another key.
    """
    first = terms[0]
    for term in terms:
        require_key(public, term)
        require(
            len(term.numbers) == len(first.numbers) and term.bits == first.bits,
            f"Expected {len(first.numbers)} numbers of {first.bits} bits after the point, got "
            f"{len(term.numbers)} of {term.bits}.",
        )
    sums = list(first.numbers)
    for term in terms[1:]:
        sums = [one * other % public.square for one, other in zip(sums, term.numbers, strict=True)]
    grown = max(term.size for term in terms) + (len(terms) - 1).bit_length()
    return first._replace(numbers=tuple(sums), size=_room(public, grown))


def multiply(
    public: PublicKey, encrypted: Encrypted, matrix: HostArray, *, bits: int = 24
) -> Encrypted:
    """Sums of numbers under encryption, each times a plain number: F sums of N products.

    Args:
        public: the key.
        encrypted: N numbers.
        matrix: float[N, F], between -2^24 and 2^24, what they are multiplied by.
        bits: of the matrix after the point, at most 38.

    Returns:
        F numbers whose bits are those of both together. They say how they were made to those who
        know the N numbers' ciphertexts: see `masked`.

    Raises:
        InvalidInputError: the matrix has other rows, or a number that is not finite or too large.
    """
    require_key(public, encrypted)
    matrix = np.asarray(matrix, float)
    count = len(encrypted.numbers)
    require(
        matrix.ndim == 2 and len(matrix) == count,
        f"Expected matrix[N, F] with {count} rows, got shape {matrix.shape}.",
    )
    integer("bits", bits, least=0, most=MOST_FACTOR_BITS)
    grown = encrypted.size + bits + INTEGER_BITS + count.bit_length()
    exponents = integers(matrix, bits).astype(np.int64)
    sums = products_of_powers(encrypted.numbers, exponents, public.square)
    return Encrypted(tuple(sums), encrypted.bits + bits, _room(public, grown), public.fingerprint)


def times(
    public: PublicKey, encrypted: Encrypted, factors: HostArray, *, bits: int = 24
) -> Encrypted:
    """Numbers under encryption, each times a plain number of its own.

    Args:
        public: the key.
        encrypted: N numbers.
        factors: float[N], between -2^24 and 2^24.
        bits: of the factors after the point.

    Raises:
        InvalidInputError: there are more or fewer factors, or one is not finite or too large.
    """
    require_key(public, encrypted)
    count = len(encrypted.numbers)
    require(
        np.shape(factors) == (count,),
        f"Expected factors[N] for {count} numbers, got shape {np.shape(factors)}.",
    )
    exponents = integers(factors, bits).tolist()
    products = [
        pow(one, exponent, public.square)
        for one, exponent in zip(encrypted.numbers, exponents, strict=True)
    ]
    size = _room(public, encrypted.size + bits + INTEGER_BITS)
    return Encrypted(tuple(products), encrypted.bits + bits, size, public.fingerprint)


def masked(public: PublicKey, encrypted: Encrypted) -> tuple[Encrypted, tuple[int, ...]]:
    """Numbers plus a uniform integer modulo n each, with fresh randomness, and these integers.

    Whoever decrypts them sees uniform integers; see `whole_numbers.reals` for how masks come off.
    """
    require_key(public, encrypted)
    masks = tuple(secrets.randbelow(int(public.n)) for _ in encrypted.numbers)
    numbers = [
        one * encrypt_integer(public, mask) % public.square
        for one, mask in zip(encrypted.numbers, masks, strict=True)
    ]
    return encrypted._replace(numbers=tuple(numbers), size=public.bits), masks


def refreshed(public: PublicKey, encrypted: Encrypted) -> Encrypted:
    """The same numbers with fresh randomness: nobody sees how they were made."""
    require_key(public, encrypted)
    numbers = [one * encrypt_integer(public, 0) % public.square for one in encrypted.numbers]
    return encrypted._replace(numbers=tuple(numbers))


def require_key(public: PublicKey, encrypted: Encrypted) -> None:
    """Refuses numbers that are encrypted for another key."""
    require(
        encrypted.fingerprint == public.fingerprint,
        f"Expected numbers under the key {public.fingerprint.hex()}, got some under "
        f"{encrypted.fingerprint.hex()}.",
    )


def _room(public: PublicKey, size: int) -> int:
    """`size`, where integers of so many bits fit under the key."""
    require(
        size < public.bits - 1,
        f"Expected numbers of less than {public.bits - 1} bits under a key of {public.bits}, got "
        f"{size}: fewer bits after the point, fewer products or a longer key are asked for.",
    )
    return size


# ------------------------------------------------------------------ bytes


def to_bytes(public: PublicKey, encrypted: Encrypted) -> bytes:
    """Numbers under encryption as bytes, as many whatever they are."""
    head = encrypted.bits.to_bytes(2, "big") + encrypted.size.to_bytes(2, "big")
    head += len(encrypted.numbers).to_bytes(4, "big")
    rows = [int(one).to_bytes(public.width, "big") for one in encrypted.numbers]
    return encrypted.fingerprint + head + b"".join(rows)


def from_bytes(public: PublicKey, content: bytes) -> Encrypted:
    """Numbers under encryption from the bytes of `to_bytes`.

    Raises:
        InvalidInputError: some bytes are missing, or there are too many; they are made under
            another key; or a number is no ciphertext.
    """
    count = int.from_bytes(content[HEADER - 4 : HEADER], "big")
    whole = HEADER + count * public.width
    found = Encrypted(
        numbers=(),
        bits=int.from_bytes(content[FINGERPRINT : FINGERPRINT + 2], "big"),
        size=int.from_bytes(content[FINGERPRINT + 2 : FINGERPRINT + 4], "big"),
        fingerprint=content[:FINGERPRINT],
    )
    require(len(content) >= HEADER, f"Expected numbers under encryption, got {len(content)} bytes.")
    require_key(public, found)
    require(
        len(content) == whole,
        f"Expected {count} numbers under encryption in {whole} bytes, got {len(content)} bytes.",
    )
    starts = range(HEADER, whole, public.width)
    numbers = [ciphertext(public, content[at : at + public.width]) for at in starts]
    product = public.n**0
    for one in numbers:
        product = product * one % public.n
    require(
        math.gcd(int(product), int(public.n)) == 1,
        "Expected ciphertexts without a divisor in common with n, got another number.",
    )
    return found._replace(numbers=tuple(numbers))
