"""Where the coalitions of a chunk are: before their first round, and after each."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
from flax import struct

from fedjax_shap.coalitions import Chunk
from fedjax_shap.learning.algorithm import has_converged
from fedjax_shap.learning.world import World
from fedjax_shap.trees import like
from fedjax_shap.typing import Array, Params, PyTree


@struct.dataclass
class ChunkState:
    """Where the coalitions of a chunk are.

    Members' states lie by turn and by place in it: none is kept for who is not a member.
    """

    round: Array
    params: Params  # leaves [M, ...]
    server: PyTree  # leaves [M, ...]
    clients: PyTree  # leaves [T, G, ...]
    unchanged: Array  # int32[M], successive rounds in which the loss hardly changed
    rounds: Array  # int32[M], rounds trained
    losses: Array  # float[M, R]
    observed: Array  # float[M, R, ...]


def started(world: World, chunk: Chunk, max_rounds: int, seen: jax.ShapeDtypeStruct) -> ChunkState:
    """Every coalition at the initial model, before its first round."""
    num_coalitions = len(chunk.mask)
    count = jnp.zeros(num_coalitions, jnp.int32)

    def of_each(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf, (num_coalitions, *leaf.shape))

    def of_members(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf[chunk.player][:, None], (*chunk.rows.shape, *leaf.shape[1:]))

    return ChunkState(
        round=jnp.int32(0),
        params=jax.tree.map(of_each, world.initial),
        server=jax.tree.map(of_each, world.server),
        clients=jax.tree.map(of_members, world.clients),
        unchanged=count,
        rounds=count,
        losses=jnp.zeros((num_coalitions, max_rounds)),
        observed=jnp.zeros((num_coalitions, max_rounds, *seen.shape)),
    )


def after_round(
    state: ChunkState, loss: Array, seen: Array, going: Array, tol: float | None
) -> ChunkState:
    """Notes a round in which the coalitions `going` bool[M] trained; the others stay as they were.

    Args:
        state: after the round, but for what is noted here.
        loss: float[M], the training loss of the round.
        seen: float[M, ...], what was observed of the models.
        going: bool[M], who trained.
        tol: see `Algorithm`.
    """
    chex.assert_equal_shape([loss, going])
    chex.assert_equal_shape_prefix([loss, seen], 1)
    # count successive rounds in which the loss hardly changed
    unchanged = state.unchanged
    if tol is not None:
        before = state.losses[:, jnp.maximum(state.round - 1, 0)]
        converged = has_converged(state.round, loss, before, tol)
        unchanged = jnp.where(going, jnp.where(converged, unchanged + 1, 0), unchanged)
    # the last entry stands for all rounds after a stop
    later = jnp.arange(state.losses.shape[1])[None] >= state.round
    fresh = later & going[:, None]
    return replace(
        state,
        round=state.round + 1,
        unchanged=unchanged,
        rounds=state.rounds + going,
        losses=jnp.where(fresh, loss[:, None], state.losses),
        observed=jnp.where(like(fresh, state.observed), seen[:, None], state.observed),
    )
