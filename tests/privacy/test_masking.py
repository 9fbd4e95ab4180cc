"""Masks: agreed by two, expanded as AES says, cancelling in pairs."""

import sys

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from summed import entropy_of

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.masking import (
    add_mask,
    context_of,
    derive,
    expand,
    key_pair,
    pair_of,
    pair_sign,
)


def test_two_members_agree_and_a_third_does_not():
    one, other, third = (key_pair(entropy_of(seed)) for seed in range(3))
    seed = one.agree(other.public, b"context")
    assert other.agree(one.public, b"context") == seed
    assert one.agree(other.public, b"another context") != seed
    assert third.agree(other.public, b"context") != seed
    assert pair_of(one.private).public == one.public


def test_a_key_that_gives_everybody_the_same_secret_is_refused():
    with pytest.raises(InvalidInputError, match="full order"):
        key_pair(entropy_of(0)).agree(bytes(32), b"")


def test_a_secret_of_one_use_is_that_of_the_standard():
    """RFC 5869, test case 3 (no salt, no context), its first 32 bytes."""
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert derive(b"\x0b" * 22, b"").hex() == expected


def test_a_mask_is_the_key_stream_of_aes_block_by_block():
    seed = bytes(range(32))
    blocks = Cipher(algorithms.AES(seed), modes.ECB()).encryptor()
    stream = b"".join(blocks.update(i.to_bytes(16, "big")) for i in range(3))
    np.testing.assert_array_equal(expand(seed, 10), np.frombuffer(stream[:40], "<u4"))
    # a longer mask begins with the shorter
    np.testing.assert_array_equal(expand(seed, 1000)[:10], expand(seed, 10))


def test_masks_of_pairs_cancel_in_the_sum():
    words = np.random.default_rng(0).integers(0, 2**32, (4, 50), dtype=np.uint32)
    masked = words.copy()
    for one in range(4):
        for other in range(4):
            if one != other:
                seed = bytes([min(one, other), max(one, other)] * 16)
                add_mask(masked[one], expand(seed, 50), pair_sign(one, other))
    assert (masked != words).mean() > 0.99
    np.testing.assert_array_equal(masked.sum(0, dtype=np.uint32), words.sum(0, dtype=np.uint32))


def test_names_never_give_the_context_of_other_names():
    pairs = [("a", "b", "c"), ("ab", "c"), ("a", "bc"), ("abc",), ("a", "", "bc"), ("", "abc")]
    assert len({context_of(*names) for names in pairs}) == len(pairs)


def test_without_its_package_a_secure_sum_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InvalidInputError, match=r"install fedjax-shap\[privacy\]"):
        key_pair(entropy_of(0))
