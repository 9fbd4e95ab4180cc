"""A round of one aggregation: the uploads are trained once, and coalitions are mixtures of them.

A first layer is linear in its parameters, so that of a mean of models gives the mean of what theirs
give: for a chunk of coalitions it is applied once to each upload, and what it gives is mixed by one
matrix product.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.games.aggregates import Open, together
from fedjax_shap.games.game import Game
from fedjax_shap.learning.metric import EXAMPLES_AT_ONCE, Metric, in_blocks, judged, score
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.train import Learner
from fedjax_shap.learning.world import World
from fedjax_shap.trees import divisor, weighted_sum
from fedjax_shap.typing import Array, Key, Params

Absent = Literal["left_out", "unchanged"]  # what becomes of a participant who is not in a coalition
MIXED_AT_ONCE = {"cpu": 2**20}  # mixed pre-activations, float[G, B, ...], that a CPU's caches hold
MOST_MIXED_AT_ONCE = 2**26  # elsewhere: few large kernels


@struct.dataclass
class Uploads:
    """What participants sent to the server, and last the model that a coalition of nobody keeps.

    Attributes:
        world: the federation as they found it.
        params: the models, leaves [S + 1, ...]; 0 where a number is not finite.
        finite: bool[S + 1], False for a model with such numbers: its training diverged.
        members: int32[S], the participants' ids, then padding.
        weights: float32[S], their weights in the mean, 0 for padding.
        group: int32[S], with whom each is averaged; all 0 in a round.
    """

    world: World
    params: Params
    finite: Array
    members: Array
    weights: Array
    group: Array


Shares = Callable[
    [Uploads, Array], Array
]  # (uploads, mask bool[P]) -> float[S + 1], how much of each model is mixed


def mixtures(learning: Learner, metric: Metric, absent: Absent = "left_out") -> Open:
    """Rounds of one aggregation: the uploads are trained once and every coalition mixes its own
    (Spec 2.6).

    Args:
        learning: how clients train.
        metric: what a model is worth, on the server's validation set.
        absent: a participant who is not in a coalition is "left_out" of its mean, or counts in it
            as one whose model is "unchanged".

    Returns:
        A function (world, key, everyone) -> (the game of the round, the world after it). All its
        games share their programs. A mixture that holds an upload that diverged is worth NaN.
    """
    value, values = mixed_worth(
        learning.model, metric, shares if absent == "left_out" else shares_among_all
    )

    @jax.jit
    def collect(world: World, key: Key, everyone: Coalition) -> tuple[Uploads, World]:
        sent, after = together(learning, world, key, everyone)
        models = jax.tree.map(
            lambda leaf, x_t: jnp.concatenate([leaf, x_t[None]]), sent.uploads, world.initial
        )
        params, finite = sound(models)
        group = jnp.zeros_like(everyone.members)
        return Uploads(world, params, finite, everyone.members, sent.weights, group), after

    def open_round(world: World, key: Key, everyone: Coalition) -> tuple[Game, World]:
        uploads, after = collect(world, key, everyone)
        return Game(
            world=uploads, value=value, num_players=world.data.num_clients, values=values
        ), after

    return open_round


def mixed_worth(
    model: Model, metric: Metric, shares: Shares
) -> tuple[Callable[[Uploads, Key, Coalition], Array], Callable[[Uploads, Key, Chunk], Array]]:
    """`Game.value` and `Game.values` of a game whose world is `Uploads`, of which a coalition mixes
    its `shares`.
    """

    def worth(uploads: Uploads, mask: Array) -> Array:
        mixture = _mean(uploads, shares(uploads, mask))
        return score(model.apply, metric, mixture, uploads.world.data.validation)

    def value(uploads: Uploads, key: Key, coalition: Coalition) -> Array:
        return worth(uploads, coalition.mask)

    mixed = _mixed(model, metric, shares)

    def values(uploads: Uploads, key: Key, chunk: Chunk) -> Array:
        if mixed is None or len(chunk.mask) <= len(
            uploads.weights
        ):  # so few have fewer first layers than the uploads
            return jax.vmap(worth, in_axes=(None, 0))(uploads, chunk.mask)
        return mixed(uploads, chunk.mask)

    return value, values


def shares(uploads: Uploads, mask: Array) -> Array:
    """float[S + 1], the share of each model in the mixture of mask bool[P]; x_t is all of it where
    no weight is > 0.
    """
    weights = jnp.where(mask[uploads.members], uploads.weights, 0.0)
    return jnp.append(weights, weights.sum() <= 0) / divisor(weights)


def shares_among_all(uploads: Uploads, mask: Array) -> Array:
    """float[S + 1], where x_t has the share of all participants who are not in mask bool[P]."""
    inside = jnp.where(mask[uploads.members], uploads.weights, 0.0)
    own = inside / divisor(uploads.weights)
    return jnp.append(own, 1 - own.sum())


def sound(models: Params) -> tuple[Params, Array]:
    """The models, leaves [S + 1, ...], with 0 for each number that is not finite; bool[S + 1],
    which had none such.
    """
    each = [
        jnp.isfinite(leaf).reshape(leaf.shape[0], -1).all(axis=1)
        for leaf in jax.tree.leaves(models)
    ]
    sound = jax.tree.map(
        lambda leaf: jnp.nan_to_num(leaf, posinf=0.0, neginf=0.0), models
    )  # 0 * nan is nan
    return sound, jnp.stack(each).all(axis=0)


def _mean(uploads: Uploads, share: Array) -> Params:
    """The mixture of `share` float[S + 1]; NaN where it holds a model that diverged."""
    poison = _poison(share, uploads.finite)
    return jax.tree.map(lambda leaf: leaf + poison, weighted_sum(uploads.params, share))


def _poison(share: Array, finite: Array) -> Array:
    """float[...], NaN where a mixture, share[..., S + 1], holds a model that is not finite[S + 1];
    else 0.
    """
    return jnp.where(share @ (~finite).astype(share.dtype) > 0, jnp.nan, 0.0)


def _mixed(
    model: Model, metric: Metric, shares: Shares
) -> Callable[[Uploads, Array], Array] | None:
    """What the mixtures of masks bool[M, P] are worth, float[M]; None for a model that does not
    tell its first layer.

    The uploads' first layers are applied anew for each chunk: m D H products an example, beside M
    (m + L) H above them, so little where M is not below D, the length of an example. Kept, they
    would fill m T H numbers.
    """
    if model.first is None or model.rest is None:
        return None
    first, rest = model.first, model.rest

    def logits_of(uploads: Uploads, share: Array, x: Array) -> Array:
        """float[M, B, L], those of the mixtures of share[M, S + 1], on examples x[B, ...]."""
        given = jax.vmap(first, in_axes=(0, None))(uploads.params, x)
        sound = jnp.isfinite(given)
        finite = uploads.finite & sound.reshape(len(given), -1).all(axis=1)
        given = jnp.where(sound, given, 0.0)  # 0 * inf is nan

        def some(share: Array) -> Array:
            params = jax.tree.map(lambda leaf: jnp.tensordot(share, leaf, axes=1), uploads.params)
            logits = jax.vmap(rest)(params, jnp.tensordot(share, given, axes=1))
            return logits + _poison(share, finite)[:, None, None]

        at_once = MIXED_AT_ONCE.get(jax.default_backend(), MOST_MIXED_AT_ONCE)
        return in_blocks(some, share, max(at_once // given[0].size, 1))

    def worth(uploads: Uploads, masks: Array) -> Array:
        share = jax.vmap(shares, in_axes=(None, 0))(uploads, masks)
        x, y = uploads.world.data.validation
        logits = in_blocks(
            lambda rows: logits_of(uploads, share, rows), x, EXAMPLES_AT_ONCE, axis=1
        )
        return jax.vmap(lambda one: judged(metric, one, y))(logits)

    return worth
