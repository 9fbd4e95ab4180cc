"""Keys of Paillier's encryption: integers become ciphertexts, whose product is that of the sum.

Integers are taken modulo n, ciphertexts modulo n^2. Ciphertexts are made from random powers of one
public n-th power modulo n^2, with exponents half as long as the key (Damgard, Jurik, Nielsen):
secure under the assumption of that paper, and some twenty times as fast as Paillier's own.
`privacy.encrypted` has vectors of real numbers.

Keys are made and ciphertexts decrypted by `phe`; both it and `gmpy2` are the extra `crypto`.

References:
    Paillier, "Public-key cryptosystems based on composite degree residuosity classes", EUROCRYPT
    1999; Damgard, Jurik, Nielsen, "A generalization of Paillier's public-key system with
    applications to electronic voting", International Journal of Information Security 9, 2010.
"""

import hashlib
import math
import secrets
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, integer, require
from fedjax_shap.privacy.powers import FixedBase, fixed_base

LEAST_KEY = 2048  # bits of keys that are in use today
SHORTEST_KEY = 256  # of those that tests may use
FINGERPRINT = 8  # bytes that name a key


class PublicKey(NamedTuple):
    """What encrypts; `generate` and `read_public` make one.

    Attributes:
        n: the modulus, a product of two primes.
        square: n^2, by which ciphertexts are reduced.
        power: a public n-th power modulo n^2, of whose powers ciphertexts are made.
        powers: its powers at each place of an exponent.
        fingerprint: 8 bytes that name the key.
    """

    n: Any
    square: Any
    power: Any
    powers: FixedBase
    fingerprint: bytes

    @property
    def bits(self) -> int:
        """Of the modulus."""
        return int(self.n.bit_length())

    @property
    def width(self) -> int:
        """Bytes of a ciphertext."""
        return 2 * ((self.bits + 7) // 8)


class PrivateKey(NamedTuple):
    """What decrypts.

    Attributes:
        public: the key that encrypts.
        own: the private key as `phe` has it.
    """

    public: PublicKey
    own: Any


# ------------------------------------------------------------------ keys


def generate(
    bits: int = LEAST_KEY, *, allow_short_keys: bool = False
) -> tuple[PublicKey, PrivateKey]:
    """A new pair of keys.

    Args:
        bits: of the modulus, at least 2,048.
        allow_short_keys: whether it may have fewer: for tests, it protects nothing then.

    Raises:
        InvalidInputError: fewer bits, or `phe` or `gmpy2` is missing.
    """
    parts = _parts()
    _require_length(bits, allow_short_keys)
    require(bits % 2 == 0, f"Expected bits={bits} to be even: half of them is a prime.")
    while True:
        _, own = parts.phe.generate_paillier_keypair(n_length=bits)
        # the primes of Damgard, Jurik and Nielsen
        if own.p % 4 == own.q % 4 == 3 and math.gcd(own.p - 1, own.q - 1) == 2:
            break
    n = parts.gmpy2.mpz(own.public_key.n)
    root = secrets.randbelow(int(n) - 2) + 2
    power = parts.gmpy2.powmod(-root * root, n, n * n)
    public = _public(n, power)
    return public, PrivateKey(public, own)


def public_bytes(public: PublicKey) -> bytes:
    """A public key as bytes."""
    return _written(public.n, public.power)


def read_public(content: bytes, *, allow_short_keys: bool = False) -> PublicKey:
    """A public key from the bytes of `public_bytes`.

    Args:
        content: the bytes.
        allow_short_keys: see `generate`.

    Raises:
        InvalidInputError: they are no key, one of fewer than 2,048 bits, or `gmpy2` is missing.
    """
    mpz = _parts().gmpy2.mpz
    half, rest = divmod(len(content), 3)
    n = int.from_bytes(content[:half], "big")
    power = int.from_bytes(content[half:], "big")
    sound = rest == 0 and n % 2 == 1 and 1 < power < n * n and math.gcd(power, n) == 1
    require(sound, f"Expected the bytes of a public key, got {len(content)} that are none.")
    _require_length(n.bit_length(), allow_short_keys)
    return _public(mpz(n), mpz(power))


def _public(n: Any, power: Any) -> PublicKey:
    """A public key with the powers of its n-th power."""
    square = n * n
    powers = fixed_base(power, square, int(n.bit_length()) // 2)
    fingerprint = hashlib.sha256(_written(n, power)).digest()[:FINGERPRINT]
    return PublicKey(n, square, power, powers, fingerprint)


def _written(n: Any, power: Any) -> bytes:
    """The modulus, and after it the public power in twice as many bytes."""
    half = (int(n).bit_length() + 7) // 8
    return int(n).to_bytes(half, "big") + int(power).to_bytes(2 * half, "big")


def _require_length(bits: int, allow_short_keys: bool) -> None:
    """Refuses keys that protect nothing."""
    integer("bits", bits, least=SHORTEST_KEY)
    require(
        bits >= LEAST_KEY or allow_short_keys,
        f"Expected a key of at least {LEAST_KEY:,} bits, got bits={bits}; "
        "allow_short_keys=True is for tests.",
    )


# ------------------------------------------------------------------ single integers


def encrypt_integer(public: PublicKey, whole: int) -> Any:
    """A ciphertext of an integer modulo n, with randomness of its own.

    (1 + n whole) times a random power of the public n-th power, modulo n^2.
    """
    exponent = secrets.randbits(public.bits // 2)
    return (1 + public.n * (whole % public.n)) * public.powers.power(exponent) % public.square


def decrypt_integer(private: PrivateKey, ciphertext: Any) -> int:
    """The integer modulo n of a ciphertext."""
    return int(private.own.raw_decrypt(int(ciphertext)))


def ciphertext(public: PublicKey, content: bytes) -> Any:
    """A ciphertext from its bytes.

    Raises:
        InvalidInputError: the number is not between 0 and n^2, or `gmpy2` is missing.
    """
    number = _parts().gmpy2.mpz(int.from_bytes(content, "big"))
    require(
        0 < number < public.square, "Expected ciphertexts between 0 and n^2, got another number."
    )
    return number


class _Parts(NamedTuple):
    """What is used of `phe` and `gmpy2`."""

    phe: Any
    gmpy2: Any


def _parts() -> _Parts:
    """`phe` and `gmpy2`, imported when they are needed."""
    try:
        import gmpy2
        import phe
    except ImportError as error:
        raise InvalidInputError(
            "Expected the packages phe and gmpy2 to be installed for encrypted numbers, but they "
            "are not; install fedjax-shap[crypto]."
        ) from error
    return _Parts(phe, gmpy2)
