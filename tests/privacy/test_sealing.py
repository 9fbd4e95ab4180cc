"""Sealed and signed messages: only as they were sent, only by who has the key."""

import sys

import pytest
from summed import entropy_of

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.sealing import TAG_BYTES, identity, is_signed, seal, unseal

KEY = bytes(range(32))


def test_what_is_sealed_comes_back_to_who_has_the_key():
    sealed = seal(KEY, b"two shares", b"from a to b")
    assert unseal(KEY, sealed, b"from a to b") == b"two shares"
    assert len(sealed) == len(b"two shares") + TAG_BYTES
    assert b"shares" not in sealed


def test_what_was_changed_or_is_of_others_is_not_read():
    sealed = seal(KEY, b"two shares", b"from a to b")
    changed = bytes([sealed[0] ^ 1]) + sealed[1:]
    assert unseal(KEY, changed, b"from a to b") is None
    assert unseal(KEY, sealed, b"from b to a") is None
    assert unseal(bytes(32), sealed, b"from a to b") is None
    assert unseal(KEY, sealed[:10], b"from a to b") is None


def test_a_signature_is_of_one_message_by_one_identity():
    one = identity(entropy_of(0))
    other = identity(entropy_of(1))
    signature = one.sign(b"message")
    assert is_signed(one.public, b"message", signature)
    assert not is_signed(one.public, b"another", signature)
    assert not is_signed(other.public, b"message", signature)
    assert not is_signed(one.public, b"message", b"short")


def test_without_its_package_a_seal_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InvalidInputError, match=r"install fedjax-shap\[privacy\]"):
        seal(KEY, b"", b"")
