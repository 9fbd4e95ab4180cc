"""Keys of random numbers, as people give them: a typed key, a seed, or a key of the older kind."""

from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import InvalidInputError, described, require
from fedjax_shap.typing import Key

Seed: TypeAlias = Key | int | None
WORD = 2**32
# of Threefry-2x32: the rotations of its rounds, four by four in turn, and the parity of its keys
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def key_of(seed: Any, name: str = "key") -> Key:
    """The typed key that was meant.

    Args:
        seed: a key, `jax.random.key(0)`; a whole number >= 0, which stands for the key of that
            seed; a key of the older kind, `jax.random.PRNGKey(0)`; or None for `jax.random.key(0)`.
        name: what a refusal calls it.

    Returns:
        One typed key.

    Raises:
        InvalidInputError: anything else, such as several keys.
    """
    if seed is None:
        seed = 0
    expected = f"Expected {name}={described(seed)} to be a key, such as jax.random.key(0)"
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        require(0 <= int(seed) < 2**32, f"{expected}, or a seed 0..{2**32 - 1}.")
        return seeded(int(seed))
    if not hasattr(seed, "dtype") or not hasattr(seed, "shape"):
        raise InvalidInputError(f"{expected}, or a whole number >= 0.")
    if jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
        require(seed.shape == (), f"{expected}; it holds keys of shape {seed.shape}, give one.")
        return cast(Key, seed)
    old = seed.dtype == np.uint32 and seed.shape == jax.random.PRNGKey(0).shape
    require(old, f"{expected}, or a whole number >= 0.")
    return cast(Key, jax.random.wrap_key_data(seed))


def seeded(seed: int) -> Key:
    """`jax.random.key(seed)`, bit for bit; no program is compiled for it."""
    config: Any = jax.config  # its options are attributes that only JAX's own code declares
    if not (0 <= seed < WORD and _is_threefry(config.jax_default_prng_impl)):
        return jax.random.key(seed)
    return _of_words((0, seed))


def folded(key: Key, number: int) -> Key:
    """`jax.random.fold_in(key, number)`, bit for bit; no program is compiled for it.

    Args:
        key: one key; one that a program holds, or of another generator than JAX's default, goes to
            JAX.
        number: 0..2^32 - 1.
    """
    traced = isinstance(key, jax.core.Tracer)
    if traced or key.shape != () or not _is_threefry(jax.random.key_impl(key)):
        return jax.random.fold_in(key, number)
    first, second = np.asarray(jax.random.key_data(key)).tolist()
    return _of_words(_threefry((first, second), (0, number)))


def _of_words(words: tuple[int, int]) -> Key:
    key: Key = jax.random.wrap_key_data(jax.device_put(np.array(words, np.uint32)))
    return key


def _is_threefry(generator: Any) -> bool:
    return str(generator) == "threefry2x32"


def _threefry(key: tuple[int, int], block: tuple[int, int]) -> tuple[int, int]:
    """The block cipher Threefry-2x32 with 20 rounds.

    References:
        Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    keys = (*key, key[0] ^ key[1] ^ PARITY)
    left = (block[0] + keys[0]) % WORD
    right = (block[1] + keys[1]) % WORD
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            # mix the words
            left = (left + right) % WORD
            right = (right << turn | right >> (32 - turn)) % WORD ^ left
        # add the next keys
        left = (left + keys[(group + 1) % 3]) % WORD
        right = (right + keys[(group + 2) % 3] + group + 1) % WORD
    return left, right
