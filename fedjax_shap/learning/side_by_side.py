"""Many coalitions trained side by side, client by client: what every coalition's members would do, done once a client.

The clients take turns. Within a turn the coalitions that hold the client train its share together on one shared
mini-batch, so the number of local steps is a run-time number: nobody trains longer because another client is larger or
slower, or for a client that is not a member. (Only a shuffle is as long as the largest client, once a pass.)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from fedjax_shap.coalitions import Chunk
from fedjax_shap.learning.algorithm import Algorithm, settled
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.trees import like, where_rows
from fedjax_shap.typing import Array, Key, Params, PyTree

Orders = Callable[..., Callable[[Array], Array]]  # (data, key, round, client) -> epoch -> the order of its rows
Update = Callable[..., Any]  # one client's local training, see `learning.local.client_update`


@struct.dataclass
class _State:
    """Where the coalitions of a chunk are: leaves of `params` are [M, ...], `calm` and `rounds` int32[M]."""

    round: Array
    params: Params
    calm: Array  # rounds one after another in which the loss hardly changed
    rounds: Array  # rounds trained
    losses: Array  # float[M, R]
    observed: Array  # float[M, R, ...]


def train_chunk(
    orders: Orders, update: Update, algorithm: Algorithm, *, shares_batch: bool = False
) -> Callable[..., PyTree]:
    """The round loop for a chunk of coalitions.

    Args:
        orders: how a client's rows are drawn.
        update: one client's local training.
        algorithm: when to stop.
        shares_batch: see `learning.model.Model`.

    Returns:
        A function (world, key, chunk, observe, read) -> what `read(world, params, trace, mask[P])` says of each
        coalition, stacked on a leading axis M. `observe(world, params)` is followed round by round.

    Guarantees:
        For each coalition the same numbers as `Learner.train`, up to float reassociation.
    """
    one_round = _one_round(orders, update, shares_batch)

    def train(
        world: World, key: Key, chunk: Chunk, observe: Callable[..., Array], read: Callable[..., PyTree]
    ) -> PyTree:
        def going(state: _State) -> Array:
            return state.calm < algorithm.patience  # never calm where tol is None

        def unfinished(state: _State) -> Array:
            return (state.round < world.num_rounds) & going(state).any()

        def step(state: _State) -> _State:
            params, loss = one_round(world, key, world.first_round + state.round, state.params, chunk, going(state))
            seen = jax.vmap(observe, in_axes=(None, 0))(world, params)
            return _after_round(state, params, loss, seen, going(state), algorithm.tol)

        start = _start(world, chunk.mask.shape[0], algorithm.max_rounds, jax.eval_shape(observe, world, world.initial))
        end = jax.lax.while_loop(unfinished, step, start)
        trace = Trace(loss=end.losses, observed=end.observed, rounds=end.rounds)
        return jax.vmap(read, in_axes=(None, 0, 0, 0))(world, end.params, trace, chunk.mask)

    return train


def _one_round(orders: Orders, update: Update, shares_batch: bool) -> Callable[..., tuple[Params, Array]]:
    """One round of a chunk: (world, key, round, params, chunk, active bool[M]) -> (params, training loss float[M])."""

    def one_round(
        world: World, key: Key, round_: Array, params: Params, chunk: Chunk, active: Array
    ) -> tuple[Params, Array]:
        weights = jnp.where(chunk.mask, world.weights, 0.0)
        shares = _shares(weights)
        loudness = _shares(jnp.where(world.num_steps > 0, weights, 0.0))

        def turn(index: Array, carry: tuple[Params, Array]) -> tuple[Params, Array]:
            mean, loss = carry
            client, rows = chunk.player[index], chunk.rows[index]
            here = chunk.present[index] & active[rows]
            steps = jnp.where(here.any(), world.num_steps[client], 0)
            order_of = orders(world.data, key, round_, client)

            def one(row: Array, reader: Array) -> tuple[Params, Array]:
                own = jax.tree.map(lambda leaf: leaf[row], params)
                return update(own, world.data, client, reader, steps, order_of)  # type: ignore[no-any-return]

            uploads, met = jax.vmap(one, in_axes=(0, None if shares_batch else 0))(
                rows, client if shares_batch else jnp.full_like(rows, client)
            )

            def add(total: Array, part: Array, share: Array) -> Array:
                weight = share[rows, client]
                counted = like(here & (weight > 0), part)  # 0 * nan is nan
                return total.at[rows].add(jnp.where(counted, like(weight, part) * part, 0.0))

            return jax.tree.map(lambda m, u: add(m, u, shares), mean, uploads), add(loss, met, loudness)

        nothing = (jax.tree.map(jnp.zeros_like, params), jnp.zeros(weights.shape[0]))
        mean, loss = jax.lax.fori_loop(0, chunk.num_turns, turn, nothing)
        moved = active & (weights.sum(axis=1) > 0)
        return where_rows(moved, mean, params), loss

    return one_round


def _start(world: World, num_coalitions: int, max_rounds: int, seen: jax.ShapeDtypeStruct) -> _State:
    """Every coalition at the initial model, nothing heard or seen."""
    count = jnp.zeros(num_coalitions, jnp.int32)
    return _State(
        round=jnp.int32(0),
        params=jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_coalitions, *leaf.shape)), world.initial),
        calm=count,
        rounds=count,
        losses=jnp.zeros((num_coalitions, max_rounds)),
        observed=jnp.zeros((num_coalitions, max_rounds, *seen.shape)),
    )


def _after_round(state: _State, params: Params, loss: Array, seen: Array, going: Array, tol: float | None) -> _State:
    """The state after a round in which the coalitions `going` bool[M] trained; the others stay as they were."""
    calm = state.calm
    if tol is not None:
        before = state.losses[:, jnp.maximum(state.round - 1, 0)]
        calm = jnp.where(going, jnp.where(settled(state.round, loss, before, tol), calm + 1, 0), calm)
    later = jnp.arange(state.losses.shape[1])[None] >= state.round  # the last entry stands for all after a stop
    fresh = later & going[:, None]
    return _State(
        round=state.round + 1,
        params=params,
        calm=calm,
        rounds=state.rounds + going,
        losses=jnp.where(fresh, loss[:, None], state.losses),
        observed=jnp.where(like(fresh, state.observed), seen[:, None], state.observed),
    )


def _shares(weights: Array) -> Array:
    """Weights float[M, P] over their sum in each row; 0 where there is none."""
    total = weights.sum(axis=1, keepdims=True)
    return weights / jnp.where(total > 0, total, 1.0)
