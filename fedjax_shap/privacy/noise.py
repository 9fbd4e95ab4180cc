"""Noise: Gaussian noise on a sum of updates, and noise on the features of single records.

Noise on a sum is a function of (key, round, coalition), whatever else is computed beside it. It is
drawn by JAX's generator in the floats of the model: good for measuring what privacy costs, not for
a release to an attacker who knows how such floats are spaced (Mironov 2012).
"""

from collections.abc import Callable
from math import exp, log
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import InvalidInputError, number, one_of, require
from fedjax_shap.typing import Array, HostArray, Key, PyTree

# folded into a run's key for the noise of sums; the clients' numbers and rounds are others
_OF_SUMS = 2**32 - 3
_WORD = 32  # bits folded into a key at once

Law = Literal["gaussian", "laplace"]


def key_of_sum(key: Key, round_: Array, mask: Array) -> Key:
    """The key of the noise on one coalition's sum in one round.

    Args:
        key: of the run.
        round_: int[], its number.
        mask: bool[P], the coalition. Its bits decide, so every coalition has a key of its own.
    """
    key = jax.random.fold_in(jax.random.fold_in(key, _OF_SUMS), round_)
    words = -(-mask.shape[0] // _WORD)
    bits = jnp.pad(mask, (0, words * _WORD - mask.shape[0])).reshape(words, _WORD)
    shifts = jnp.arange(_WORD, dtype=jnp.uint32)
    numbers = (bits.astype(jnp.uint32) << shifts[None]).sum(axis=1, dtype=jnp.uint32)
    folded: Key = jax.lax.fori_loop(
        0, words, lambda word, so_far: jax.random.fold_in(so_far, numbers[word]), key
    )
    return folded


def gaussian(key: Key, tree: PyTree, deviation: Array | float) -> PyTree:
    """A tree with independent Gaussian noise on every number.

    Args:
        key: decides the noise; each leaf has a stream of its own.
        tree: leaves float[...].
        deviation: the standard deviation.
    """
    leaves, structure = jax.tree.flatten(tree)
    noisy = [
        leaf
        + jnp.asarray(deviation, leaf.dtype)
        * jax.random.normal(jax.random.fold_in(key, place), leaf.shape, leaf.dtype)
        for place, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, noisy)


def record_scale(law: Law, clip: float, epsilon: float, delta: float = 0.0) -> float:
    """How much noise makes one record's features (epsilon, delta) locally private.

    Any two records within the bound differ by at most 2 clip, in L1 norm for Laplace noise and in
    L2 norm for Gaussian noise.

    Args:
        law: "laplace", which is private with delta = 0, or "gaussian".
        clip: the bound of a record's norm.
        epsilon: > 0.
        delta: in (0, 1) for Gaussian noise; 0 for Laplace noise.

    Returns:
        The scale b of Laplace noise, or the standard deviation of Gaussian noise: the smallest that
        will do.

    References:
        Dwork, McSherry, Nissim, Smith 2006, "Calibrating noise to sensitivity in private data
        analysis"; Balle, Wang 2018, "Improving the Gaussian mechanism for differential privacy",
        theorem 8.
    """
    one_of("law", law, ("gaussian", "laplace"))
    number("clip", clip, above=0)
    number("epsilon", epsilon, above=0)
    if law == "laplace":
        require(delta == 0, f"Expected delta={delta!r} to be 0 with law='laplace'.")
        return 2 * clip / epsilon
    number("delta", delta, above=0)
    require(delta < 1, f"Expected delta={delta!r} to be < 1.")
    return 2 * clip * _gaussian_ratio(epsilon, delta)


def _gaussian_ratio(epsilon: float, delta: float) -> float:
    """The smallest standard deviation for a sensitivity of 1."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    def excess(of_log: float) -> float:
        sigma = exp(of_log)
        above = norm.cdf(0.5 / sigma - epsilon * sigma)
        # the second term in logarithms: exp(epsilon) may overflow
        below = exp(epsilon + norm.logcdf(-0.5 / sigma - epsilon * sigma))
        return float(above - below - delta)

    least = log(1e-8)
    most = log(1e12)
    if excess(most) > 0:
        raise InvalidInputError(
            f"Expected epsilon={epsilon!r} and delta={delta!r} to be larger: no noise up to 1e12 "
            "times the bound meets them."
        )
    return exp(float(brentq(excess, least, most, xtol=1e-12)))


def noisy_records(
    rng: np.random.Generator, x: HostArray, *, law: Law, clip: float, scale: float
) -> HostArray:
    """Records as a member hands them out: clipped to a norm, with noise on every feature.

    Args:
        rng: draws the noise.
        x: float[N, ...], one record a row.
        law: of the noise.
        clip: bounds each record's norm: L1 for "laplace", L2 for "gaussian".
        scale: as `record_scale` gives.
    """
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    order = {"laplace": 1, "gaussian": 2}[law]
    length = np.linalg.norm(flat, ord=order, axis=1, keepdims=True)
    bounded = flat * np.minimum(1.0, clip / np.maximum(length, 1e-300))
    draws: dict[str, Callable[..., HostArray]] = {"laplace": rng.laplace, "gaussian": rng.normal}
    noise = draws[law](0.0, scale, flat.shape)
    return np.asarray((bounded + noise).reshape(np.shape(x)), np.float32)
