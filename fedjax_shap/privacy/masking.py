"""Masks over words of 32 bits: two members agree on a seed, and a seed becomes a mask.

Member u adds to its words the mask of each pair (u, v), with the sign of `pair_sign`, and v
subtracts the same mask: in a sum over both they cancel, modulo 2^32.

Keys are X25519's, seeds their HKDF-SHA256 with a context that names the use, and masks the
key stream of AES-256 in counter mode, from the package `cryptography`, an extra. A seed is used
once, so the counter begins at 0.

References:
    Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
    2017, sections 3 and 4; Langley, Hamburg and Turner, "Elliptic Curves for Security", RFC 7748,
    2016; Krawczyk and Eronen, "HMAC-based Extract-and-Expand Key Derivation Function (HKDF)", RFC
    5869, 2010.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import InvalidInputError, not_installed
from fedjax_shap.privacy.shamir import Entropy
from fedjax_shap.typing import HostArray

SEED_BYTES = 32
KEY_BYTES = 32
_WORD_BYTES = 4


class Agree(Protocol):
    """Agrees with others on secrets, by a private key."""

    def __call__(self, public: bytes, context: bytes, /) -> bytes:
        """The secret of two: each computes it of its own private and the other's public key.

        Args:
            public: the other's key, 32 bytes.
            context: what the secret is for, see `context_of`; both must say the same.

        Returns:
            32 bytes.

        Raises:
            InvalidInputError: the public key is none that two can agree by.
        """


class KeyPair(NamedTuple):
    """A pair of X25519 keys.

    Attributes:
        private: 32 bytes.
        public: 32 bytes.
        agree: see `Agree`.
    """

    private: bytes
    public: bytes
    agree: Agree


def key_pair(entropy: Entropy) -> KeyPair:
    """A new pair of keys.

    Raises:
        InvalidInputError: `cryptography` is missing.
    """
    return pair_of(entropy(KEY_BYTES))


def pair_of(private: bytes) -> KeyPair:
    """The pair of a private key, 32 bytes."""
    x25519 = _parts().x25519
    key = x25519.X25519PrivateKey.from_private_bytes(private)

    def agree(public: bytes, context: bytes, /) -> bytes:
        try:
            shared = key.exchange(x25519.X25519PublicKey.from_public_bytes(public))
        except ValueError as error:
            raise InvalidInputError(
                "Expected a public key to be a point of X25519 of full order."
            ) from error
        return derive(shared, context)

    return KeyPair(private, key.public_key().public_bytes_raw(), agree)


def derive(secret: bytes, context: bytes) -> bytes:
    """A secret of 32 bytes for one use, from one for several, by HKDF."""
    parts = _parts()
    hkdf = parts.hkdf.HKDF(
        algorithm=parts.hashes.SHA256(), length=SEED_BYTES, salt=None, info=context
    )
    return bytes(hkdf.derive(secret))


def context_of(*names: str) -> bytes:
    """Names as one text of bytes, such that different names never give the same."""
    encoded = [name.encode() for name in names]
    return b"".join(len(one).to_bytes(4, "big") + one for one in encoded)


def expand(seed: bytes, length: int) -> HostArray:
    """The mask of a seed, uint32[length].

    Args:
        seed: 32 bytes.
        length: how many words.
    """
    ciphers = _parts().ciphers
    cipher = ciphers.Cipher(ciphers.algorithms.AES(seed), ciphers.modes.CTR(bytes(16)))
    stream = cipher.encryptor().update(bytes(_WORD_BYTES * length))
    return np.frombuffer(stream, dtype="<u4").astype(np.uint32, copy=False)


def add_mask(words: HostArray, mask: HostArray, sign: int) -> None:
    """Adds a mask to words in place, or subtracts it, modulo 2^32; both uint32[length]."""
    if sign > 0:
        np.add(words, mask, out=words)
    else:
        np.subtract(words, mask, out=words)


def pair_sign(one: int, other: int) -> int:
    """Whether member `one` adds the mask that it shares with `other`, or subtracts it."""
    if one < other:
        return 1
    return -1


class _Parts(NamedTuple):
    """What is used of `cryptography`."""

    x25519: Any
    hashes: Any
    hkdf: Any
    ciphers: Any


def _parts() -> _Parts:
    """The parts of `cryptography`, imported when they are needed."""
    try:
        from cryptography.hazmat.primitives import ciphers, hashes
        from cryptography.hazmat.primitives.asymmetric import x25519
        from cryptography.hazmat.primitives.kdf import hkdf
    except ImportError as error:
        raise not_installed(
            "cryptography", "secure sums", "install fedjax-shap[privacy]"
        ) from error
    return _Parts(x25519, hashes, hkdf, ciphers)
