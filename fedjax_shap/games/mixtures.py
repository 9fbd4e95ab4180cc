"""A round of one aggregation: the uploads are trained once, and coalitions are mixtures of them.

A first layer is linear in its parameters: that of a mean of models gives the mean of what theirs
give. So a chunk of coalitions applies it once to each upload, and mixes the results by one matrix
product.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.games.aggregates import Left, OpenRound, together
from fedjax_shap.games.game import Game, Value, Values
from fedjax_shap.learning.learner import Learner
from fedjax_shap.learning.metric import EXAMPLES_AT_ONCE, Metric, in_blocks, judged, score
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.world import World
from fedjax_shap.trees import divisor, placed, weighted_sum
from fedjax_shap.typing import Array, Key, Params

Absent = Literal["left_out", "unchanged"]  # how a participant outside a coalition counts in it
MIXED_AT_ONCE = {"cpu": 2**20}  # mixed pre-activations, float[G, B, ...], that a CPU's caches hold
MOST_MIXED_AT_ONCE = 2**26  # elsewhere: few large kernels


@struct.dataclass
class Uploads:
    """What participants sent to the server, and last the model of the empty coalition.

    Attributes:
        world: the federation before they trained.
        params: the models, leaves [S + 1, ...]; 0 where a number is not finite.
        finite: bool[S + 1], False for a model with such numbers: its training diverged.
        members: int32[S], the participants' ids, then padding.
        weights: float32[S], their weights in the mean, 0 for padding.
        group: int32[S], the group within which each is averaged; all 0 in a round.
    """

    world: World
    params: Params
    finite: Array
    members: Array
    weights: Array
    group: Array


class MixingShares(Protocol):
    """How a coalition mixes the models of a round."""

    def __call__(self, uploads: Uploads, mask: Array, /) -> Array:
        """The share of each model in the mixture of one coalition.

        Args:
            uploads: S models of participants, and one more.
            mask: bool[P], the coalition.

        Returns:
            float[S + 1].
        """
        ...


def mixtures(learning: Learner, metric: Metric, absent: Absent = "left_out") -> OpenRound:
    """Rounds of one aggregation: the uploads are trained once, and every coalition mixes its own.

    Args:
        learning: how clients train.
        metric: what a model is worth, on the server's validation set.
        absent: a participant who is not in a coalition is "left_out" of its mean, or counts in it
            with an "unchanged" model.

    Returns:
        A function that opens a round. All its games share their programs. A mixture that holds an
        upload that diverged is worth NaN.

    References:
        Wang, Rausch, Zhang, Jia, Song 2020, "A principled approach to data valuation for federated
        learning".
    """
    shares: MixingShares = shares_of_members
    if absent == "unchanged":
        shares = shares_of_participants
    value, values = mixed_worth(learning.model, metric, shares)

    @jax.jit
    def collect(
        world: World, key: Key, everyone: Coalition
    ) -> tuple[tuple[Params, Array, Array], Left]:
        # the participants train
        sent, left = together(learning, world, key, everyone)
        # the model of the round, which the empty coalition keeps, goes last
        models = jax.tree.map(
            lambda leaf, x_t: jnp.concatenate([leaf, x_t[None]]), sent.uploads, world.initial
        )
        params, finite = zero_nonfinite(models)
        return (params, finite, sent.weights), left

    def open_round(world: World, key: Key, everyone: Coalition) -> tuple[Game, World]:
        (params, finite, weights), left = collect(world, key, everyone)
        group = placed(np.zeros(everyone.members.shape, everyone.members.dtype))
        uploads = Uploads(world, params, finite, everyone.members, weights, group)
        return Game(uploads, value, world.data.num_clients, values), left.after(world)

    return open_round


def mixed_worth(model: Model, metric: Metric, shares: MixingShares) -> tuple[Value, Values]:
    """`Game.value` and `Game.values` of a game whose coalitions mix the models of its `Uploads`.

    Args:
        model: whose parameters are mixed.
        metric: what a mixture is worth, on the server's validation set.
        shares: how much of each model is in a coalition's mixture.
    """

    def worth(uploads: Uploads, mask: Array) -> Array:
        assert_shapes(uploads)
        chex.assert_shape(mask, (uploads.world.data.num_clients,))
        mixture = _mixture(uploads, shares(uploads, mask))
        return score(model.apply, metric, mixture, uploads.world.data.validation)

    def value(uploads: Uploads, key: Key, coalition: Coalition) -> Array:
        return worth(uploads, coalition.mask)

    mixed = _mixed(model, metric, shares)

    def values(uploads: Uploads, key: Key, chunk: Chunk) -> Array:
        # one first layer a mixture is less work where there are no more mixtures than uploads
        if mixed is None or len(chunk.mask) <= len(uploads.weights):
            return jax.vmap(worth, in_axes=(None, 0))(uploads, chunk.mask)
        return mixed(uploads, chunk.mask)

    return value, values


def assert_shapes(uploads: Uploads) -> None:
    """Asserts the shapes that `Uploads` promises; some others would broadcast."""
    chex.assert_rank(uploads.members, 1)
    slots = len(uploads.members)
    chex.assert_shape((uploads.weights, uploads.group), (slots,))
    chex.assert_shape(uploads.finite, (slots + 1,))
    chex.assert_tree_shape_prefix(uploads.params, (slots + 1,))


def shares_of_members(uploads: Uploads, mask: Array) -> Array:
    """`MixingShares` by weight among the members; all of x_t where no weight is > 0."""
    weights = jnp.where(mask[uploads.members], uploads.weights, 0.0)
    return jnp.append(weights, weights.sum() <= 0) / divisor(weights)


def shares_of_participants(uploads: Uploads, mask: Array) -> Array:
    """`MixingShares` by weight among all participants; those outside the coalition count as x_t."""
    inside = jnp.where(mask[uploads.members], uploads.weights, 0.0)
    own = inside / divisor(uploads.weights)
    return jnp.append(own, 1 - own.sum())


def zero_nonfinite(models: Params) -> tuple[Params, Array]:
    """Models, leaves [S + 1, ...], with 0 for each number that is not finite.

    Returns:
        The models, and bool[S + 1]: which of them were finite throughout.
    """
    each = [
        jnp.isfinite(leaf).reshape(leaf.shape[0], -1).all(axis=1)
        for leaf in jax.tree.leaves(models)
    ]
    # a share of 0 would not remove them, since 0 * nan is nan
    zeroed = jax.tree.map(lambda leaf: jnp.nan_to_num(leaf, posinf=0.0, neginf=0.0), models)
    return zeroed, jnp.stack(each).all(axis=0)


def _mixture(uploads: Uploads, share: Array) -> Params:
    """The mixture by `share` float[S + 1]; NaN where it holds a model that diverged."""
    chex.assert_equal_shape([share, uploads.finite])
    nan = _nan_if_diverged(share, uploads.finite)
    return jax.tree.map(lambda leaf: leaf + nan, weighted_sum(uploads.params, share))


def _nan_if_diverged(share: Array, finite: Array) -> Array:
    """float[...]: NaN where share[..., S + 1] holds a model that is not finite, else 0."""
    return jnp.where(share @ (~finite).astype(share.dtype) > 0, jnp.nan, 0.0)


def _mixed(
    model: Model, metric: Metric, shares: MixingShares
) -> Callable[[Uploads, Array], Array] | None:
    """Utilities float[M] of masks bool[M, P], or None for a model without a known first layer.

    The uploads' first layers are applied anew for each chunk. That takes S D H products an example,
    beside M (S + L) H above them: little unless M is below D, the length of an example. Kept, the
    results would fill S T H numbers.
    """
    if model.first is None or model.rest is None:
        return None
    first = model.first
    rest = model.rest

    def logits_of(uploads: Uploads, share: Array, x: Array) -> Array:
        """Logits float[M, B, L] of the mixtures by share[M, S + 1], on examples x[B, ...]."""
        # apply the first layer of every upload, once: [S + 1, B, H]
        hidden = jax.vmap(first, in_axes=(0, None))(uploads.params, x)
        # one that overflows counts as diverged; its numbers become 0, since 0 * inf is nan
        is_finite = jnp.isfinite(hidden)
        finite = uploads.finite & is_finite.reshape(len(hidden), -1).all(axis=1)
        hidden = jnp.where(is_finite, hidden, 0.0)

        def some(share: Array) -> Array:
            # mix the parameters, of which those above the first layer are used
            params = jax.tree.map(lambda leaf: jnp.tensordot(share, leaf, axes=1), uploads.params)
            # mix the first layers' results, and apply the rest of each mixture to them
            logits = jax.vmap(rest)(params, jnp.tensordot(share, hidden, axes=1))
            return logits + _nan_if_diverged(share, finite)[:, None, None]

        # a block of mixtures at a time, so that their hidden layers fit into the caches
        at_once = MIXED_AT_ONCE.get(jax.default_backend(), MOST_MIXED_AT_ONCE)
        return in_blocks(some, share, max(at_once // hidden[0].size, 1))

    def worth(uploads: Uploads, masks: Array) -> Array:
        assert_shapes(uploads)
        chex.assert_shape(masks, (None, uploads.world.data.num_clients))
        # what each coalition mixes: [M, S + 1]
        share = jax.vmap(shares, in_axes=(None, 0))(uploads, masks)
        # the logits of all mixtures, a block of examples at a time: [M, T, L]
        x, y = uploads.world.data.validation
        logits = in_blocks(
            lambda rows: logits_of(uploads, share, rows), x, EXAMPLES_AT_ONCE, axis=1
        )
        # the metric of each mixture on all examples
        return jax.vmap(lambda one: judged(metric, one, y))(logits)

    return worth
