"""Ids under secret scalars: what two can compare that neither can read.

An id's point H on Curve25519 (`privacy.curve`) times a secret scalar k is a pseudorandom function
of the id that only the owner of k can compute. Others get it of their own ids without showing them:
they send H times a scalar a of their own, the owner multiplies by k, and they divide by a. Products
look uniform to everybody who lacks the scalars, by the decisional Diffie-Hellman assumption.

Multiplication is X25519 of the package `cryptography`, an extra, on u-coordinates alone, so points
are known up to their sign. X25519 sets bits of its scalars: they are 2^254 + 8 k. A multiple of 8
takes every point into the subgroup of prime order l, and points of low order to 0, which is
refused. Dividing by a is multiplying by a scalar of the same form that is 1 / a or -1 / a modulo l:
of the two, one always has that form. Scalars have 251 random bits. A number on the curve's twist,
which only who departs from the protocol sends, is not told from a point: the twist is as secure,
and products on it equal those of no id.

References:
    Meadows, "A more efficient cryptographic matchmaking protocol for use in the absence of a
    continuously available third party", IEEE S&P 1986; Jarecki and Liu, "Fast secure computation of
    set intersection", SCN 2010; Langley, Hamburg and Turner, "Elliptic Curves for Security", RFC
    7748, 2016.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from fedjax_shap._validate import InvalidInputError, not_installed, require
from fedjax_shap.privacy.curve import FIELD, POINT_BYTES
from fedjax_shap.privacy.shamir import Entropy

ORDER = 2**252 + 27742317777372353535851937790883648493  # of the subgroup
# The u-coordinates of the points, of the curve and of its twist, that 8 takes to 0.
LOW_ORDER = (
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    FIELD - 1,
)
_LOW_BITS = 8
_HIGH_BIT = 2**254


class Multiply(Protocol):
    """Multiplies points by a scalar."""

    def __call__(self, points: Sequence[bytes], /) -> list[bytes]:
        """The products, in the order of the points, each 32 bytes.

        Raises:
            InvalidInputError: a point has a low order, so that its product is 0.
        """


class Scalar(NamedTuple):
    """A secret scalar.

    Attributes:
        multiply: points by it.
        divide: points by it; points that are outside the prime subgroup lose what is.
    """

    multiply: Multiply
    divide: Multiply


def secret_scalar(entropy: Entropy) -> Scalar:
    """A new scalar by which one can divide.

    Args:
        entropy: its random bytes.

    Raises:
        InvalidInputError: `cryptography` is missing.
    """
    scalar = _clamped(entropy(POINT_BYTES))
    return Scalar(_multiplier(scalar), _multiplier(_inverse(scalar)))


def require_points(owner: str, content: bytes, count: int) -> list[bytes]:
    """Points from the bytes of a message, or a refusal of what cannot be such.

    Args:
        owner: who sent them.
        content: their bytes, one after another.
        count: how many are expected.

    Raises:
        InvalidInputError: the bytes are too many or too few, a number is none modulo 2^255 - 19, a
            point has a low order, or two are equal.
    """
    require(
        len(content) == count * POINT_BYTES,
        f"Expected {count:,} points of {POINT_BYTES} bytes of {owner}, got {len(content):,} bytes.",
    )
    starts = range(0, len(content), POINT_BYTES)
    points = [content[start : start + POINT_BYTES] for start in starts]
    numbers = {int.from_bytes(point, "little") for point in points}
    require(max(numbers) < FIELD, f"Expected the points of {owner} to be numbers below 2^255 - 19.")
    require(
        numbers.isdisjoint(LOW_ORDER),
        f"Expected the points of {owner} to be of full order, but one has a low order: times any "
        "scalar it is 0.",
    )
    require(len(numbers) == count, f"Expected the points of {owner} to differ, but some are equal.")
    return points


def _clamped(content: bytes) -> int:
    """The scalar that X25519 makes of 32 bytes (RFC 7748, section 5)."""
    number = int.from_bytes(content, "little") % _HIGH_BIT
    return number - number % _LOW_BITS + _HIGH_BIT


def _inverse(scalar: int) -> int:
    """1 / scalar or -1 / scalar modulo ORDER, whichever X25519 leaves as it is."""
    multiple = _LOW_BITS * pow(_LOW_BITS * scalar, -1, ORDER)
    if multiple < _HIGH_BIT:
        multiple = _LOW_BITS * ORDER - multiple
    return multiple


def _multiplier(scalar: int) -> Multiply:
    """Multiplies by a scalar that X25519 leaves as it is."""
    x25519 = _x25519()
    key = x25519.X25519PrivateKey.from_private_bytes(scalar.to_bytes(POINT_BYTES, "little"))
    exchange = key.exchange
    point_of = x25519.X25519PublicKey.from_public_bytes

    def multiply(points: Sequence[bytes], /) -> list[bytes]:
        try:
            return [exchange(point_of(point)) for point in points]
        except ValueError as error:
            raise InvalidInputError(
                "Expected points of Curve25519, but one has a low order: times any scalar it is 0."
            ) from error

    return multiply


def _x25519() -> Any:
    """X25519 of `cryptography`, imported when it is needed."""
    try:
        from cryptography.hazmat.primitives.asymmetric import x25519
    except ImportError as error:
        raise not_installed(
            "cryptography", "private set intersections", "install fedjax-shap[privacy]"
        ) from error
    return x25519
