"""Many coalitions trained side by side, client by client: what every coalition's members would do, done once a client.

The clients take turns. Within a turn the coalitions that hold the client train its share together on one shared
mini-batch, so the number of local steps is a run-time number: nobody pays for a client that is larger or slower, or
for one that is not a member.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from fedjax_shap.coalitions import Chunk
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.typing import Array, Key, Params, PyTree


def train_chunk(
    orders: Callable[..., Array], update: Callable[..., Any], algorithm: Algorithm
) -> Callable[..., PyTree]:
    """The round loop for a chunk of coalitions.

    Args:
        orders: (data, key, round, client) -> the orders in which the client's rows are drawn.
        update: one client's local training, `learning.local.client_update`.
        algorithm: when to stop.

    Returns:
        A function (world, key, chunk, observe, read) -> what `read(world, params, trace, mask[P])` says of each
        coalition, stacked on a leading axis M. `observe(world, params)` is followed round by round.

    Guarantees:
        For each coalition the same numbers as `Learner.train`, up to float reassociation.
    """
    max_rounds, tol = algorithm.max_rounds, algorithm.tol

    def one_round(
        world: World, key: Key, round_: Array, params: Params, chunk: Chunk, active: Array
    ) -> tuple[Params, Array]:
        weights = jnp.where(chunk.mask, world.weights, 0.0)
        total = weights.sum(axis=1)
        heard = jnp.where(world.num_steps > 0, weights, 0.0)
        shares = weights / jnp.where(total > 0, total, 1.0)[:, None]
        loudness = heard / jnp.where(heard.sum(axis=1) > 0, heard.sum(axis=1), 1.0)[:, None]

        def client(index: Array, carry: tuple[Params, Array]) -> tuple[Params, Array]:
            mean, loss = carry
            rows = chunk.rows[index]
            here = chunk.present[index] & active[rows]
            steps = jnp.where(here.any(), world.num_steps[index], 0)
            own = jax.tree.map(lambda leaf: leaf[rows], params)
            drawn = orders(world.data, key, round_, index)
            uploads, met = jax.vmap(update, in_axes=(0, None, None, None, None))(own, world.data, index, steps, drawn)
            share = shares[rows, index]

            def add(mean: Array, upload: Array) -> Array:
                wide = (-1,) + (1,) * (upload.ndim - 1)
                return mean.at[rows].add(jnp.where(here.reshape(wide), share.reshape(wide) * upload, 0.0))

            return jax.tree.map(add, mean, uploads), loss.at[rows].add(
                jnp.where(here, loudness[rows, index] * met, 0.0)
            )

        nothing = jax.tree.map(jnp.zeros_like, params)
        mean, loss = jax.lax.fori_loop(0, chunk.rows.shape[0], client, (nothing, jnp.zeros(len(total))))
        moved = active & (total > 0)
        return _where(moved, mean, params), loss

    def train(
        world: World, key: Key, chunk: Chunk, observe: Callable[..., Array], read: Callable[..., PyTree]
    ) -> PyTree:
        num_coalitions = chunk.mask.shape[0]

        def active(calm: Array) -> Array:
            return calm < algorithm.patience if tol is not None else jnp.ones(num_coalitions, bool)

        def unfinished(carry: tuple) -> Array:
            return (carry[0] < max_rounds) & active(carry[2]).any()

        def step(carry: tuple) -> tuple:
            round_, params, calm, losses, observed, rounds = carry
            going = active(calm)
            params, loss = one_round(world, key, world.first_round + round_, params, chunk, going)
            before = losses[:, jnp.maximum(round_ - 1, 0)]
            loss = jnp.where(going, loss, before)
            if tol is not None:
                settled = (round_ > 0) & (jnp.abs(loss - before) <= tol * jnp.abs(before))
                calm = jnp.where(going, jnp.where(settled, calm + 1, 0), calm)
            seen = jax.vmap(observe, in_axes=(None, 0))(world, params)
            later = (jnp.arange(max_rounds) >= round_)[None]  # the last entry stands for all rounds after a stop
            losses = jnp.where(later & going[:, None], loss[:, None], losses)
            fresh = (later & going[:, None]).reshape(num_coalitions, max_rounds, *(1,) * (seen.ndim - 1))
            observed = jnp.where(fresh, seen[:, None], observed)
            return round_ + 1, params, calm, losses, observed, rounds + going

        unheard = jnp.zeros((num_coalitions, max_rounds))
        unseen = jnp.zeros((*unheard.shape, *jax.eval_shape(observe, world, world.initial).shape))
        start = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_coalitions, *leaf.shape)), world.initial)
        count = jnp.zeros(num_coalitions, jnp.int32)
        _, params, _, losses, observed, rounds = jax.lax.while_loop(
            unfinished, step, (jnp.int32(0), start, count, unheard, unseen, count)
        )
        trace = Trace(loss=losses, observed=observed, rounds=rounds)
        return jax.vmap(read, in_axes=(None, 0, 0, 0))(world, params, trace, chunk.mask)

    return train


def _where(condition: Array, yes: PyTree, no: PyTree) -> PyTree:
    """`yes` in the rows where `condition` bool[M] holds, else `no`."""
    return jax.tree.map(lambda a, b: jnp.where(condition.reshape((-1,) + (1,) * (a.ndim - 1)), a, b), yes, no)
