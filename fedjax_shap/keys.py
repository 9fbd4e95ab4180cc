"""Keys of random numbers, as people give them: a typed key, a seed, or a key of the older kind."""

from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import InvalidInputError, described, require
from fedjax_shap.typing import Key

Seed: TypeAlias = Key | int | None


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
        return jax.random.key(int(seed))
    if not hasattr(seed, "dtype") or not hasattr(seed, "shape"):
        raise InvalidInputError(f"{expected}, or a whole number >= 0.")
    if jnp.issubdtype(seed.dtype, jax.dtypes.prng_key):
        require(seed.shape == (), f"{expected}; it holds keys of shape {seed.shape}, give one.")
        return cast(Key, seed)
    old = seed.dtype == np.uint32 and seed.shape == jax.random.PRNGKey(0).shape
    require(old, f"{expected}, or a whole number >= 0.")
    return cast(Key, jax.random.wrap_key_data(seed))
