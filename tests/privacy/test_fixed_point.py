"""Fixed point: what is rounded, that sums are exact, and that nothing wraps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.fixed_point import (
    decode,
    encode,
    most_summands,
    outside,
    require_range,
    require_room,
)

RANGES = [(22, 8.0), (2, 1.0), (16, 0.3), (31, 1e-3), (24, 7.7)]


@pytest.mark.parametrize(("bits", "clip"), RANGES)
def test_a_number_comes_back_within_half_a_step(bits, clip):
    x = np.random.default_rng(0).uniform(-clip, clip, 1000)
    step = clip / 2 ** (bits - 1)
    words = encode(x, bits, clip)
    assert words.dtype == np.int32
    assert np.abs(decode(words, bits, clip) - x).max() <= step / 2 * (1 + 1e-12)
    assert (np.abs(words) <= 2 ** (bits - 1)).all()


def test_the_ends_and_zero_are_exact_and_beyond_them_is_the_end():
    x = np.array([-np.inf, -9.0, -8.0, 0.0, 8.0, 1e30, np.inf])
    assert decode(encode(x, 22, 8.0), 22, 8.0).tolist() == [-8, -8, -8, 0, 8, 8, 8]


@pytest.mark.parametrize(("bits", "clip"), RANGES)
def test_host_and_traced_programs_encode_alike(bits, clip):
    x = np.random.default_rng(1).normal(0, clip, 4096).astype(np.float32)
    traced = jax.jit(lambda x: encode(x, bits, clip, xp=jnp))(x)
    np.testing.assert_array_equal(np.asarray(traced), encode(x, bits, clip))
    back = jax.jit(lambda words: decode(words, bits, clip, xp=jnp))(traced)
    np.testing.assert_allclose(np.asarray(back), decode(encode(x, bits, clip), bits, clip), 1e-6)


@pytest.mark.parametrize("bits", [2, 16, 22, 25, 31])
def test_as_many_as_fit_add_up_exactly_and_one_more_is_refused(bits):
    count = most_summands(bits)
    require_room(bits, count)
    end = encode(np.array([1.0, -1.0]), bits, 1.0).view(np.uint32)
    # as many numbers at an end of the range, modulo 2^32
    total = (end.astype(np.uint64) * count % 2**32).astype(np.uint32)
    np.testing.assert_array_equal(decode(total, bits, 1.0), [count, -count])
    with pytest.raises(InvalidInputError, match=r"summands|may not fit"):
        require_room(bits, count + 1)


def test_a_refusal_says_how_many_bits_would_fit():
    with pytest.raises(InvalidInputError, match=r"privacy\.bits=30 to be <= 25: the sum of 100 "):
        require_room(30, 100, where="privacy.")
    require_room(25, 100)


def test_what_the_range_does_not_hold_is_found():
    x = np.array([0.0, 8.0, -8.1, np.nan, np.inf])
    assert outside(x, 8.0).tolist() == [False, False, True, True, True]
    assert outside(jnp.asarray(x), 8.0, xp=jnp).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("bits", "clip"),
    [
        (1, 8.0),
        (32, 8.0),
        (22, 0),
        (22, -1.0),
        (22, 1e-40),
        (22, float("nan")),
        (22.0, 8.0),
        (22, "8"),
        (22, True),
    ],
)
def test_what_is_no_range_is_refused_by_name(bits, clip):
    with pytest.raises(InvalidInputError, match=r"Expected secure_sum\.(bits|clip)="):
        require_range(bits, clip, where="secure_sum.")
