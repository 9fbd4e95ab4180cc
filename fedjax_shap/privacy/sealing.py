"""Sealed and signed messages: read by one only, and known to come from one only.

Sealing is ChaCha20-Poly1305, signing Ed25519, from the package `cryptography`, an extra.

References:
    Nir and Langley, "ChaCha20 and Poly1305 for IETF Protocols", RFC 8439, 2018; Josefsson and
    Liusvaara, "Edwards-Curve Digital Signature Algorithm (EdDSA)", RFC 8032, 2017.
"""

from typing import Any, NamedTuple, Protocol

from fedjax_shap._validate import not_installed
from fedjax_shap.privacy.shamir import Entropy

SIGNATURE_BYTES = 64
TAG_BYTES = 16  # by which sealed content is longer
_NONCE = bytes(12)  # each key seals one message


class Sign(Protocol):
    """Signs messages by a private key."""

    def __call__(self, message: bytes, /) -> bytes:
        """The signature of a message, 64 bytes."""


class Identity(NamedTuple):
    """Who somebody is to all others: a key to sign by, whose public key the others know.

    Attributes:
        public: 32 bytes.
        sign: see `Sign`.
    """

    public: bytes
    sign: Sign


def seal(key: bytes, content: bytes, associated: bytes) -> bytes:
    """Content that only those who have `key` can read, 16 bytes longer.

    Args:
        key: 32 bytes, of this message only.
        content: what to seal.
        associated: what the reader must know of the message, such as who sent it to whom.
    """
    return bytes(_parts().aead.ChaCha20Poly1305(key).encrypt(_NONCE, content, associated))


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    """What `seal` sealed; None where the key, the message or what goes with it is another."""
    parts = _parts()
    try:
        return bytes(parts.aead.ChaCha20Poly1305(key).decrypt(_NONCE, sealed, associated))
    except parts.exceptions.InvalidTag:
        return None


def identity(entropy: Entropy) -> Identity:
    """A new identity.

    Raises:
        InvalidInputError: `cryptography` is missing.
    """
    key = _parts().ed25519.Ed25519PrivateKey.from_private_bytes(entropy(32))
    return Identity(key.public_key().public_bytes_raw(), lambda message: bytes(key.sign(message)))


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message` by the identity of this public key."""
    parts = _parts()
    try:
        parts.ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (parts.exceptions.InvalidSignature, ValueError):
        return False
    return True


class _Parts(NamedTuple):
    """What is used of `cryptography`."""

    aead: Any
    ed25519: Any
    exceptions: Any


def _parts() -> _Parts:
    """The parts of `cryptography`, imported when they are needed."""
    try:
        from cryptography import exceptions
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.ciphers import aead
    except ImportError as error:
        raise not_installed(
            "cryptography", "sealed messages", "install fedjax-shap[privacy]"
        ) from error
    return _Parts(aead, ed25519, exceptions)
