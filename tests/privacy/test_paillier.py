"""Paillier's keys and ciphertexts: as `phe` has them, short keys refused, randomness fresh."""

import math
import sys

import phe
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.paillier import (
    ciphertext,
    decrypt_integer,
    encrypt_integer,
    generate,
    public_bytes,
    read_public,
)


@pytest.fixture(scope="module")
def keys():
    return generate(512, allow_short_keys=True)


def test_phe_decrypts_what_is_encrypted_here(keys):
    public, private = keys
    own = phe.PaillierPrivateKey(private.own.public_key, private.own.p, private.own.q)
    for whole in (0, 1, -1, 2**200, int(public.n) - 1, int(public.n) + 5):
        encrypted = encrypt_integer(public, whole)
        assert own.raw_decrypt(int(encrypted)) == whole % int(public.n)
        assert decrypt_integer(private, encrypted) == whole % int(public.n)


def test_what_phe_encrypts_is_decrypted_here(keys):
    _, private = keys
    encrypted = private.own.public_key.raw_encrypt(12345)
    assert decrypt_integer(private, encrypted) == 12345


def test_products_are_ciphertexts_of_sums(keys):
    public, private = keys
    product = encrypt_integer(public, 20) * encrypt_integer(public, -30) % public.square
    assert decrypt_integer(private, product) == int(public.n) - 10


def test_one_integer_has_many_ciphertexts(keys):
    public, _ = keys
    assert len({int(encrypt_integer(public, 7)) for _ in range(50)}) == 50


def test_the_randomness_of_ciphertexts_is_an_nth_power(keys):
    """Whatever is not (1 + n)^m times an n-th power is no ciphertext of m."""
    public, private = keys
    p, q = private.own.p, private.own.q
    assert p % 4 == q % 4 == 3
    assert math.gcd(p - 1, q - 1) == 2
    order = math.lcm(p - 1, q - 1)
    assert pow(int(public.power), order, int(public.square)) == 1


def test_a_public_key_survives_its_bytes(keys):
    public, _ = keys
    assert read_public(public_bytes(public), allow_short_keys=True) == public


def test_keys_of_two_runs_differ(keys):
    public, _ = keys
    other, _ = generate(512, allow_short_keys=True)
    assert other.n != public.n
    assert other.fingerprint != public.fingerprint


def test_short_keys_are_refused_unless_asked_for(keys):
    public, _ = keys
    with pytest.raises(InvalidInputError, match="key of at least 2,048 bits, got bits=1024"):
        generate(1024)
    with pytest.raises(InvalidInputError, match="key of at least 2,048 bits, got bits=512"):
        read_public(public_bytes(public))
    with pytest.raises(InvalidInputError, match="bits=128 to be an integer >= 256"):
        generate(128, allow_short_keys=True)
    with pytest.raises(InvalidInputError, match="bits=2049 to be even"):
        generate(2049)


def test_bytes_that_are_no_key_are_refused(keys):
    public, _ = keys
    content = public_bytes(public)
    for wrong in (
        b"",
        content[:-1],
        content[:-1] * 2,
        b"\0" * len(content),
        content[:64] + bytes(128),
    ):
        with pytest.raises(InvalidInputError, match="Expected the bytes of a public key, got"):
            read_public(wrong, allow_short_keys=True)


def test_numbers_beyond_the_square_are_no_ciphertexts(keys):
    public, _ = keys
    for whole in (0, int(public.square)):
        with pytest.raises(InvalidInputError, match="ciphertexts between 0 and n"):
            ciphertext(public, whole.to_bytes(public.width + 1, "big"))


@pytest.mark.slow
def test_keys_have_2048_bits_by_default():
    public, private = generate()
    assert public.bits == 2048
    assert read_public(public_bytes(public)) == public
    assert decrypt_integer(private, encrypt_integer(public, -3)) == int(public.n) - 3


@pytest.mark.parametrize("package", ["phe", "gmpy2"])
def test_a_missing_package_is_said_in_a_sentence(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidInputError, match=r"install fedjax-shap\[crypto\]"):
        generate()
