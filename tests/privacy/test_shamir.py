"""Shamir's shares: the threshold gives back the secret, less gives nothing."""

from itertools import combinations

import numpy as np
import pytest
from summed import entropy_of

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.shamir import PRIME, recover, split, weights_at_zero

SECRET = bytes(range(32))


def test_any_shares_of_the_threshold_give_back_the_secret():
    shares = split(SECRET, [1, 2, 5, 9, 40], threshold=3, entropy=entropy_of(0))
    for count in (3, 4, 5):
        for points in combinations(shares, count):
            assert recover(shares, weights_at_zero(points)) == SECRET


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32])
def test_extreme_secrets_come_back(secret):
    shares = split(secret, range(1, 8), threshold=7, entropy=entropy_of(1))
    assert recover(shares, weights_at_zero(range(1, 8))) == secret


def test_shares_below_the_threshold_fit_every_secret():
    """Two shares of three, and any secret, lie on one polynomial: the third share decides."""
    shares = split(SECRET, [1, 2, 3], threshold=3, entropy=entropy_of(2))
    weights = weights_at_zero([1, 2, 3])
    known = sum(weights[point] * int.from_bytes(shares[point], "big") for point in (1, 2))
    for other in (bytes(32), b"\x01" * 32, SECRET, b"\xff" * 32):
        third = (int.from_bytes(other, "big") - known) * pow(weights[3], -1, PRIME) % PRIME
        assert recover({**shares, 3: third.to_bytes(33, "big")}, weights) == other
    # fewer shares, read as if they were enough, give something else
    assert recover(shares, weights_at_zero([1, 2])) != SECRET


def test_a_single_share_looks_the_same_whatever_the_secret():
    """The leading byte below the prime's top bit is uniform under two opposite secrets."""
    entropy = entropy_of(3)
    for secret in (bytes(32), b"\xff" * 32):
        first = [split(secret, [7, 8], threshold=2, entropy=entropy)[7][1] for _ in range(4000)]
        counts = np.bincount(np.array(first) // 16, minlength=16)
        assert ((counts - 250) ** 2 / 250).sum() < 45  # chi-square, 15 degrees: p = 8e-5


def test_shares_of_no_secret_are_noticed():
    top = (PRIME - 1).to_bytes(33, "big")
    assert recover({1: top}, weights_at_zero([1])) is None


@pytest.mark.parametrize(
    ("secret", "points", "threshold"),
    [
        (SECRET, [0, 1], 2),
        (SECRET, [1, 1], 2),
        (SECRET, [-1, 1], 2),
        (SECRET, [1, 2], 3),
        (SECRET, [1, 2], 0),
        (SECRET[:-1], [1, 2], 2),
    ],
)
def test_what_cannot_be_shared_is_refused(secret, points, threshold):
    with pytest.raises(InvalidInputError, match=r"^Expected "):
        split(secret, points, threshold=threshold, entropy=entropy_of(0))


def test_the_prime_is_prime_and_above_every_secret():
    assert PRIME > 2**256
    # Fermat, to several bases
    assert all(pow(base, PRIME - 1, PRIME) == 1 for base in (2, 3, 5, 7, 11, 13))
