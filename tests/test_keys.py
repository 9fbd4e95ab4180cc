"""Keys that are made on the host are JAX's own, bit for bit, and cost no program."""

import jax
import numpy as np
import pytest

from fedjax_shap.keys import folded, seeded

RNG = np.random.default_rng(0)
WORDS = [0, 1, 7, 2**31 - 1, 2**31, 2**32 - 1, *RNG.integers(0, 2**32, 10).tolist()]


def same(one, other):
    assert one.dtype == other.dtype and one.shape == other.shape
    return np.array_equal(jax.random.key_data(one), jax.random.key_data(other))


@pytest.mark.parametrize("seed", WORDS)
def test_a_key_of_a_seed_and_what_is_folded_in_are_those_of_jax(seed):
    assert same(seeded(seed), jax.random.key(seed))
    for number in WORDS[:8]:
        ours = folded(folded(seeded(seed), number), 3)
        assert same(ours, jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), number), 3))


def test_keys_of_another_generator_and_keys_in_a_program_go_to_jax():
    other = jax.random.key(5, impl="rbg")
    assert same(folded(other, 2), jax.random.fold_in(other, 2))
    traced = jax.jit(lambda key: folded(key, 2))(jax.random.key(5))
    assert same(traced, jax.random.fold_in(jax.random.key(5), 2))
    with jax.default_prng_impl("rbg"):
        assert same(seeded(5), jax.random.key(5))


def test_no_program_is_compiled_for_a_key():
    compiled = []

    def listen(event, duration, **named):
        if event.endswith("backend_compile_duration"):
            compiled.append(named)

    jax.clear_caches()
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        folded(seeded(11), 4)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled
