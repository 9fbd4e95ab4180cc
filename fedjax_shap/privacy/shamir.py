"""Shamir's shares: any `threshold` of them give back a secret, fewer say nothing of it.

A secret s of 32 bytes is the constant of a polynomial of degree threshold - 1 over the integers
modulo the smallest prime above 2^256, whose other coefficients are uniform. A share is the
polynomial's value at a point > 0. Through threshold - 1 values and any s passes exactly one such
polynomial, so so many shares are as likely under every secret.

References:
    Shamir, "How to share a secret", Communications of the ACM 22(11), 1979.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fedjax_shap._validate import integer, require

PRIME = 2**256 + 297
SECRET_BYTES = 32
SHARE_BYTES = 33  # of a number below the prime


class Entropy(Protocol):
    """A source of random bytes, such as `os.urandom`."""

    def __call__(self, count: int, /) -> bytes:
        """So many bytes that nobody can predict."""


def split(
    secret: bytes, points: Sequence[int], *, threshold: int, entropy: Entropy
) -> dict[int, bytes]:
    """Shares of a secret, one a point.

    Args:
        secret: 32 bytes.
        points: where the polynomial is evaluated: distinct integers > 0.
        threshold: how many shares give back the secret.
        entropy: the coefficients' random bytes.

    Returns:
        {point: share of 33 bytes}.

    Raises:
        InvalidInputError: the secret is of another length, points are not distinct integers > 0, or
            fewer than the threshold.
    """
    require(
        len(secret) == SECRET_BYTES,
        f"Expected a secret of {SECRET_BYTES} bytes, got {len(secret)}.",
    )
    _require_points(points)
    integer("threshold", threshold, least=1, most=len(points))
    # 384 random bits modulo a prime of 257 are uniform up to 2^-127
    drawn = [int.from_bytes(entropy(48), "big") % PRIME for _ in range(threshold - 1)]
    coefficients = [int.from_bytes(secret, "big"), *drawn]
    return {point: _value(coefficients, point).to_bytes(SHARE_BYTES, "big") for point in points}


def weights_at_zero(points: Sequence[int]) -> dict[int, int]:
    """{point: w}: a polynomial of degree < len(points) is sum_point w x value(point) at 0.

    By Lagrange: w_j = prod_{k != j} k / (k - j), modulo the prime.
    """
    _require_points(points)
    weights = {}
    for one in points:
        above = 1
        below = 1
        for other in points:
            if other != one:
                above = above * other % PRIME
                below = below * (other - one) % PRIME
        weights[one] = above * pow(below, -1, PRIME) % PRIME
    return weights


def recover(shares: Mapping[int, bytes], weights: Mapping[int, int]) -> bytes | None:
    """The secret of as many shares as the threshold, or of more.

    Args:
        shares: {point: share}, at all points of `weights` at least.
        weights: `weights_at_zero` of these points; the same serve all secrets.

    Returns:
        32 bytes; None where the shares are no shares of one secret of 32 bytes.
    """
    total = 0
    for point, weight in weights.items():
        total += weight * int.from_bytes(shares[point], "big")
    secret = total % PRIME
    if secret >= 2 ** (8 * SECRET_BYTES):
        return None
    return secret.to_bytes(SECRET_BYTES, "big")


def _value(coefficients: Sequence[int], point: int) -> int:
    """A polynomial at a point, by Horner's rule."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % PRIME
    return value


def _require_points(points: Sequence[int]) -> None:
    """Refuses points at which shares would be the secret itself, or one another."""
    distinct = len(set(points)) == len(points)
    require(
        distinct and all(0 < point < PRIME for point in points),
        "Expected the points of shares to be distinct integers > 0.",
    )
