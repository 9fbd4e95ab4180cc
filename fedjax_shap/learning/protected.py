"""An algorithm whose members' updates are clipped, and whose sums are quantised and noisy.

The seam of `learning.aggregate`, filled: clip -> quantise -> sum -> noise.
"""

from math import sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.learning.aggregate import Aggregation, Finish, Summing, add_shares
from fedjax_shap.learning.algorithm import Algorithm, Done, Round, ServerUpdate, Upload
from fedjax_shap.learning.private import Privacy, SecureSum
from fedjax_shap.learning.protection import Protection
from fedjax_shap.privacy.clip import Clipped, clip_by_layer, clip_flat
from fedjax_shap.privacy.fixed_point import decode, encode, outside
from fedjax_shap.privacy.noise import gaussian, key_of_sum
from fedjax_shap.trees import like, weighted_sum
from fedjax_shap.typing import Array, HostArray, Params, PyTree

_RANGE_OF_FLAGS = 1.0  # a member says +1/2 or -1/2


class _Server(NamedTuple):
    """What the server of a clipping norm that follows a quantile keeps and broadcasts."""

    inner: PyTree  # of the algorithm
    clip: Array


def protected(algorithm: Algorithm, protection: Protection | None) -> Algorithm:
    """The algorithm with protected updates; as it is where nothing protects them.

    Args:
        algorithm: sends one update a round, see `private.check_algorithm`.
        protection: what is done to updates and to their sums.

    Returns:
        An algorithm whose members send updates x_i - x_t, clipped, and beside them +1/2 where that
        changed nothing and -1/2 where it did. Its aggregation divides the noisy sum of both by the
        denominator, and its server moves x_t by the result as the algorithm's own would.
    """
    if protection is None:
        return algorithm
    adaptive = protection.privacy.quantile is not None

    def correction(at: Round) -> PyTree:
        if adaptive:
            at = at._replace(broadcast=at.broadcast.inner)
        return algorithm.correction(at)

    whole = algorithm._replace(
        weights=lambda sizes: _relative(algorithm.weights(sizes)),
        correction=correction,
        upload=_upload(algorithm, protection.privacy),
        server_update=_server_update(algorithm, protection.privacy),
        averages_uploads=False,
        aggregate=aggregation(protection),
    )
    if not adaptive:
        return whole
    first = protection.privacy.clip
    return whole._replace(
        init_server=lambda params: _Server(
            algorithm.init_server(params), jnp.asarray(first, _dtype(params))
        ),
        broadcast=lambda server: _Server(algorithm.broadcast(server.inner), server.clip),
    )


def _upload(algorithm: Algorithm, privacy: Privacy) -> Upload:
    """What a member sends: its update, clipped, and whether that changed nothing."""

    def upload(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
        bound = privacy.clip
        if privacy.quantile is not None:
            bound = at.broadcast.clip
            at = at._replace(broadcast=at.broadcast.inner)
        update, extra, state = algorithm.upload(at, done)
        require(
            not jax.tree.leaves((extra, state)),
            "Expected an algorithm that sends nothing but one update with privacy.",
        )
        if algorithm.sends == "model":
            update = jax.tree.map(jnp.subtract, update, at.start)
        clipped = _bounded(privacy, update, bound)
        flag = jnp.where(clipped.within, 0.5, -0.5)
        return clipped.update, flag.astype(_dtype(at.start)), state

    return upload


def _server_update(algorithm: Algorithm, privacy: Privacy) -> ServerUpdate:
    """What the server does with the noisy mean of updates, and of what was said of the norm."""

    def server_update(
        params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
    ) -> tuple[Params, PyTree]:
        if algorithm.sends == "model":
            upload = jax.tree.map(jnp.add, params, upload)
        if privacy.quantile is None:
            return algorithm.server_update(params, upload, (), server, share)
        after, kept = algorithm.server_update(params, upload, (), server.inner, share)
        too_many = 0.5 + extra - privacy.quantile
        clip = server.clip * jnp.exp(-privacy.clip_learning_rate * too_many)
        return after, _Server(kept, clip)

    return server_update


def aggregation(protection: Protection) -> Aggregation:
    """Sums of (update, flag) by weight, in words where sums are secure, finished by `_finish`."""
    words = protection.privacy.secure_sum
    finish = _finish(protection)
    if words is None:
        return Aggregation(weighted_sum, add_shares, finish)

    def of_member(sent: PyTree, weights: Array) -> PyTree:
        # a member multiplies by its own weight before it encodes
        update, flags = jax.tree.map(
            lambda leaf: like(weights.astype(leaf.dtype), leaf) * leaf, sent
        )
        encoded = jax.tree.map(lambda leaf: encode(leaf, words.bits, words.clip, xp=jnp), update)
        return encoded, encode(flags, words.bits, _RANGE_OF_FLAGS, xp=jnp)

    def at_once(sent: PyTree, weights: Array) -> PyTree:
        encoded = of_member(sent, weights)
        return jax.tree.map(lambda leaf: leaf.sum(axis=0, dtype=jnp.int32), encoded)

    def one_more(sums: PyTree, sent: PyTree, rows: Array, weights: Array) -> PyTree:
        # who counts for nothing sends nothing, also where it is not finite
        encoded = of_member(sent, weights)

        def add(total: Array, own: Array) -> Array:
            return total.at[rows].add(jnp.where(like(weights > 0, own), own, 0))

        return jax.tree.map(add, sums, encoded)

    return Aggregation(at_once, one_more, finish, jnp.int32)


def _finish(protection: Protection) -> Finish:
    """Divides sums by the denominator, with noise."""
    privacy = protection.privacy
    words = privacy.secure_sum
    times = 1.0
    if privacy.denominator == "present" and protection.mechanism.sampling.how != "known":
        times = 2.0  # McMahan et al. 2018, lemma 2

    def finish(sums: PyTree, summing: Summing, weight: Array, server: PyTree) -> PyTree:
        update, flags = sums
        slack = 0.0
        if words is not None:
            update = jax.tree.map(lambda leaf: decode(leaf, *words, xp=jnp), update)
            flags = decode(flags, words.bits, _RANGE_OF_FLAGS, xp=jnp)
            slack = _slack(update, words)
        by = jnp.where(summing.expected > 0, summing.expected, 1.0)
        least = by
        if privacy.denominator == "present":
            by = _present(protection, by, weight)
        mean = jax.tree.map(lambda leaf: leaf / by.astype(leaf.dtype), (update, flags))
        if not privacy.noise or privacy.clip is None:
            return mean
        if times == 1.0:
            least = by
        bound = privacy.clip
        if privacy.quantile is not None:
            bound = server.clip
        of_updates, of_flags = jax.random.split(
            key_of_sum(summing.key, summing.number, summing.mask)
        )
        deviation = times * protection.update_noise * (bound + slack) / least
        noisy = gaussian(of_updates, mean[0], deviation)
        if privacy.clip_noise is None:
            return noisy, mean[1]
        return noisy, gaussian(of_flags, mean[1], times * privacy.clip_noise / least)

    return finish


def _present(protection: Protection, expected: Array, weight: Array) -> Array:
    """The denominator that follows who takes part."""
    if protection.mechanism.sampling.how == "known":
        return jnp.where(weight > 0, weight, expected)
    return jnp.maximum(expected, weight)


def _bounded(privacy: Privacy, update: Params, bound: Any) -> Clipped:
    """An update as it may be sent, and whether it is what it was."""
    words = privacy.secure_sum
    if bound is None:
        clipped = clip_flat(update, jnp.inf)
    elif privacy.by_layer:
        clipped = clip_by_layer(update, bound)
    else:
        clipped = clip_flat(update, bound)
    if words is None or bound is not None:
        return clipped
    beyond = [outside(leaf, words.clip, xp=jnp).any() for leaf in jax.tree.leaves(clipped.update)]
    return clipped._replace(within=clipped.within & ~jnp.stack(beyond).any())


def _slack(tree: PyTree, words: SecureSum) -> float:
    """By how much rounding may lengthen an update: half a step for each of its numbers."""
    numbers = sum(int(leaf.size) for leaf in jax.tree.leaves(tree))
    return sqrt(numbers) * float(words.clip) / 2.0**words.bits


def _relative(weights: HostArray) -> HostArray:
    """float32[C]: weights as parts of the largest, so that none counts for more than 1."""
    most = float(np.max(weights, initial=0.0))
    if not most:
        return weights
    return np.asarray(weights / most, np.float32)


def _dtype(params: Params) -> Any:
    """The floats that a model is made of."""
    return jax.tree.leaves(params)[0].dtype
