"""Signatures: Ed25519 keys in files that only their owner can read.

They come from the package `cryptography`, an extra.

Keys are PEM files, the private one as PKCS #8 and the public one, beside it with the ending .pub,
as SubjectPublicKeyInfo, so that other programs such as openssl can read them.

References:
    Josefsson and Liusvaara, "Edwards-Curve Digital Signature Algorithm (EdDSA)", RFC 8032, 2017.
"""

import os
import stat
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fedjax_shap._validate import InvalidInputError, a_path, not_installed, require
from fedjax_shap.atomic import creating, require_absent

_MOST_BYTES = 100_000  # of a key file; a longer file is not one


class Sign(Protocol):
    """Signs messages by a private key."""

    def __call__(self, message: bytes) -> str:
        """The signature of a message, 64 bytes as 128 hexadecimal digits."""


class Signer(NamedTuple):
    """A key pair; the private key is nowhere but in `sign`.

    Attributes:
        public: the public key, 32 bytes as 64 hexadecimal digits.
        sign: see `Sign`.
    """

    public: str
    sign: Sign


def new_key(path: str | Path) -> Signer:
    """Makes a private key in a file of its own, mode 0600, and its public key at `public_path`.

    Raises:
        InvalidInputError: one of the files exists, the folder cannot be written to, or
            `cryptography` is missing.
    """
    path = a_path("key", path)
    ed25519, serialization = _cryptography()
    require_absent("key", public_path(path))
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write_new(path, private, 0o600)
    _write_new(public_path(path), public, 0o644)
    return _signer(key)


def read_key(path: str | Path) -> Signer:
    """Reads a private key.

    Raises:
        InvalidInputError: it is not a readable Ed25519 key in PEM without a password, others than
            its owner may read it, or `cryptography` is missing.
    """
    path = a_path("key", path)
    ed25519, serialization = _cryptography()
    content = _content("key", path)
    if os.name == "posix":
        mode = stat.S_IMODE(path.stat().st_mode)
        require(
            mode & 0o077 == 0,
            f"Expected key={str(path)!r} to be open to its owner only, but its mode is {mode:04o}; "
            "chmod 600 it.",
        )
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except Exception:
        # Corrupt bytes can raise anything in a reader of keys; from None, lest it quotes the key.
        raise InvalidInputError(
            f"Expected key={str(path)!r} to hold a private key in PEM, without a password."
        ) from None
    require(
        isinstance(key, ed25519.Ed25519PrivateKey),
        f"Expected key={str(path)!r} to be an Ed25519 key.",
    )
    return _signer(key)


def read_public(path: str | Path) -> str:
    """Reads a public key from a PEM file; 64 hexadecimal digits.

    Raises:
        InvalidInputError: it is not a readable Ed25519 public key, or `cryptography` is missing.
    """
    path = a_path("key", path)
    ed25519, serialization = _cryptography()
    try:
        key = serialization.load_pem_public_key(_content("public_key", path))
    except InvalidInputError:
        raise
    except Exception as error:  # corrupt bytes can raise anything in a reader of keys
        raise InvalidInputError(
            f"Expected public_key={str(path)!r} to hold a public key in PEM."
        ) from error
    require(
        isinstance(key, ed25519.Ed25519PublicKey),
        f"Expected public_key={str(path)!r} to be an Ed25519 key.",
    )
    return str(key.public_bytes_raw().hex())


def public_path(path: str | Path) -> Path:
    """Where the public key of a private key's file is: beside it, with .pub at the end."""
    return Path(path).with_name(f"{Path(path).name}.pub")


def is_signed(message: bytes, signature: str, public: str) -> bool:
    """Whether `signature` is that of `message` by the private key that belongs to `public`.

    Digits that are not in lower case are not a signature.

    Raises:
        InvalidInputError: `cryptography` is missing.
    """
    ed25519, _ = _cryptography()
    from cryptography.exceptions import InvalidSignature

    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        raw = bytes.fromhex(signature)
    except ValueError:
        return False
    # upper-case digits or spaces: the same bytes, but not what was written
    if raw.hex() != signature:
        return False
    try:
        key.verify(raw, message)
    except InvalidSignature:
        return False
    return True


def _signer(key: Any) -> Signer:
    """The signer of a private key."""
    public = key.public_key().public_bytes_raw().hex()
    return Signer(public=public, sign=lambda message: str(key.sign(message).hex()))


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Writes a new file of a key; one that exists is refused."""
    with creating("key", path, mode=mode) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _content(argument: str, path: Path) -> bytes:
    """The bytes of a key file."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
    except OSError as error:
        raise InvalidInputError(
            f"Expected {argument}={str(path)!r} to be a readable file: {error}."
        ) from error
    return content


def _cryptography() -> tuple[Any, Any]:
    """What is used of `cryptography`, imported when it is needed."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise not_installed("cryptography", "signatures", "install fedjax-shap[ledger]") from error
    return ed25519, serialization
