"""Vectors under encryption: exact up to their rounding, fresh where they leave, refused if odd."""

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy import encrypted
from fedjax_shap.privacy.paillier import generate
from fedjax_shap.privacy.whole_numbers import integers, reals


@pytest.fixture(scope="module")
def keys():
    return generate(512, allow_short_keys=True)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(0, 10, 8)


def test_numbers_come_back_rounded_to_their_step(keys, x):
    public, private = keys
    for bits in (0, 10, 40, 64):
        out = encrypted.decrypt(private, encrypted.encrypt(public, x, bits=bits))
        np.testing.assert_array_equal(out, np.rint(x * 2.0**bits) / 2.0**bits)


def test_sums_are_exact(keys, x):
    public, private = keys
    terms = [encrypted.encrypt(public, k * x, bits=40) for k in (1, -2, 5)]
    whole = integers(x, 40) + integers(-2 * x, 40) + integers(5 * x, 40)
    expected = [int(one) / 2**40 for one in whole]
    np.testing.assert_array_equal(
        encrypted.decrypt(private, encrypted.add(public, *terms)), expected
    )


def test_products_with_a_matrix_are_those_of_integers(keys, x):
    public, private = keys
    matrix = np.random.default_rng(1).normal(0, 3, (8, 5))
    matrix[:, 4] = 0
    out = encrypted.multiply(public, encrypted.encrypt(public, x), matrix, bits=24)
    assert out.bits == 64
    whole = integers(matrix, 24).T @ integers(x, 40)
    np.testing.assert_array_equal(encrypted.decrypt(private, out), [int(w) / 2**64 for w in whole])
    np.testing.assert_allclose(encrypted.decrypt(private, out), matrix.T @ x, atol=1e-5)


def test_products_place_by_place_are_those_of_integers(keys, x):
    public, private = keys
    out = encrypted.times(public, encrypted.encrypt(public, x, bits=30), x[::-1], bits=20)
    whole = integers(x, 30) * integers(x[::-1], 20)
    np.testing.assert_array_equal(encrypted.decrypt(private, out), [int(w) / 2**50 for w in whole])


def test_masks_hide_all_and_come_off(keys, x):
    public, private = keys
    numbers = encrypted.encrypt(public, x)
    hidden, masks = encrypted.masked(public, numbers)
    opened = encrypted.decrypt_integers(private, hidden)
    modulus = int(public.n)
    out = reals(opened, modulus, bits=numbers.bits, size=numbers.size, masks=masks)
    np.testing.assert_array_equal(out, encrypted.decrypt(private, numbers))
    again = encrypted.decrypt_integers(private, encrypted.masked(public, numbers)[0])
    assert not set(again) & set(opened)
    # over the whole range of the key, whatever the numbers are
    many = encrypted.masked(public, encrypted.encrypt(public, np.zeros(200)))[0]
    places = np.array([one / modulus for one in encrypted.decrypt_integers(private, many)])
    assert abs(places.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 200)
    assert places.min() < 0.1
    assert places.max() > 0.9


def test_refreshed_numbers_are_the_same_and_look_otherwise(keys, x):
    public, private = keys
    numbers = encrypted.encrypt(public, x)
    other = encrypted.refreshed(public, numbers)
    assert not set(other.numbers) & set(numbers.numbers)
    np.testing.assert_array_equal(
        encrypted.decrypt(private, other), encrypted.decrypt(private, numbers)
    )


def test_what_is_said_beside_ciphertexts_does_not_depend_on_the_numbers(keys):
    public, _ = keys
    heads = set()
    for values in (np.zeros(4), np.full(4, 2.0**24), np.array([1e-9, -3.0, 0.0, 7e6])):
        product = encrypted.multiply(public, encrypted.encrypt(public, values), values[:, None])
        content = encrypted.to_bytes(public, product)
        heads.add((content[:16], len(content)))
    assert len(heads) == 1


def test_numbers_survive_their_bytes(keys, x):
    public, _ = keys
    numbers = encrypted.encrypt(public, x)
    content = encrypted.to_bytes(public, numbers)
    assert len(content) == 16 + 8 * public.width
    assert encrypted.from_bytes(public, content) == numbers


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content[:-1], "8 numbers under encryption in 1040 bytes, got 1039"),
        (lambda content: content + b"0", "8 numbers under encryption in 1040 bytes, got 1041"),
        (lambda content: content[:9], "numbers under encryption, got 9 bytes"),
        (lambda content: b"", "numbers under encryption, got 0 bytes"),
        (lambda content: b"x" + content[1:], "Expected numbers under the key"),
        (lambda content: content[:16] + bytes(128) + content[144:], "ciphertexts between 0 and"),
        (lambda content: content[:16] + b"\xff" * 128 + content[144:], "ciphertexts between 0 and"),
    ],
)
def test_bytes_that_are_not_as_sent_are_refused(keys, x, change, sentence):
    public, _ = keys
    content = encrypted.to_bytes(public, encrypted.encrypt(public, x))
    with pytest.raises(InvalidInputError, match=sentence):
        encrypted.from_bytes(public, change(content))


def test_a_multiple_of_n_is_no_ciphertext(keys, x):
    public, _ = keys
    numbers = encrypted.encrypt(public, x)
    content = encrypted.to_bytes(public, numbers._replace(numbers=(public.n,)))
    with pytest.raises(InvalidInputError, match="without a divisor in common with n"):
        encrypted.from_bytes(public, content)


def test_a_damaged_number_is_refused_when_it_is_decrypted(keys, x):
    public, private = keys
    numbers = encrypted.encrypt(public, x)
    content = bytearray(encrypted.to_bytes(public, numbers))
    content[60] ^= 1
    damaged = encrypted.from_bytes(public, bytes(content))
    with pytest.raises(InvalidInputError, match="a message was damaged"):
        encrypted.decrypt(private, damaged)


def test_numbers_under_another_key_are_refused_everywhere(keys, x):
    public, private = keys
    other, _ = generate(512, allow_short_keys=True)
    foreign = encrypted.encrypt(other, x)
    for use in (
        lambda: encrypted.decrypt(private, foreign),
        lambda: encrypted.add(public, encrypted.encrypt(public, x), foreign),
        lambda: encrypted.multiply(public, foreign, x[:, None]),
        lambda: encrypted.times(public, foreign, x),
        lambda: encrypted.masked(public, foreign),
        lambda: encrypted.refreshed(public, foreign),
    ):
        with pytest.raises(InvalidInputError, match="Expected numbers under the key"):
            use()


def test_odd_numbers_are_refused_before_they_are_encrypted(keys, x):
    public, _ = keys
    numbers = encrypted.encrypt(public, x)
    cases = (
        (lambda: encrypted.encrypt(public, np.array([1.0, np.nan])), r"values\[\(1,\)\]=nan"),
        (lambda: encrypted.encrypt(public, np.array([1e8])), "between -2\\^24 and 2\\^24, got one"),
        (lambda: encrypted.encrypt(public, x, bits=65), "bits=65 to be an integer >= 0 and <= 64"),
        (
            lambda: encrypted.multiply(public, numbers, x[:3, None]),
            r"with 8 rows, got shape \(3, 1",
        ),
        (lambda: encrypted.multiply(public, numbers, x), r"with 8 rows, got shape \(8,\)"),
        (lambda: encrypted.multiply(public, numbers, x[:, None], bits=39), "bits=39 to be an"),
        (lambda: encrypted.times(public, numbers, x[:3]), r"for 8 numbers, got shape \(3,\)"),
        (
            lambda: encrypted.add(public, numbers, encrypted.encrypt(public, x, bits=8)),
            "8 numbers of 40 bits after the point, got 8 of 8",
        ),
        (
            lambda: encrypted.add(public, numbers, encrypted.encrypt(public, x[:2])),
            "8 numbers of 40 bits after the point, got 2 of 40",
        ),
    )
    for use, sentence in cases:
        with pytest.raises(InvalidInputError, match=sentence):
            use()


def test_products_that_could_wrap_are_refused(keys, x):
    public, _ = keys
    numbers = encrypted.encrypt(public, x, bits=64)
    with pytest.raises(InvalidInputError, match="less than 511 bits under a key of 512, got"):
        for _ in range(10):
            numbers = encrypted.times(public, numbers, np.ones(8), bits=64)
