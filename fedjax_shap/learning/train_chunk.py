"""Many coalitions trained side by side, client by client.

A round goes in turns. In a turn one client trains for at most G of the coalitions that contain it,
together on one shared mini-batch. So the number of local steps is a run-time number: nobody trains
longer because another client is larger or slower, or for a client that is not a member. (Only a
shuffle is as long as the largest client, once a pass.)
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from fedjax_shap.coalitions import Chunk
from fedjax_shap.learning.aggregate import Summing, add_shares
from fedjax_shap.learning.algorithm import Algorithm, Draws, Round
from fedjax_shap.learning.chunk_state import ChunkState, after_round, started
from fedjax_shap.learning.client_update import Examples, fetch_from
from fedjax_shap.learning.learner import TrainChunk
from fedjax_shap.learning.member import Contribution, MemberUpdate
from fedjax_shap.learning.row_orders import ClientBatches
from fedjax_shap.learning.world import Observe, Read, Trace, World
from fedjax_shap.trees import shares_of, where_rows
from fedjax_shap.typing import Array, Key, Params, PyTree


class _Sums(NamedTuple):
    """What the turns of a round add up, for M coalitions."""

    means: PyTree  # (upload, extra), leaves [M, ...]: aggregates so far
    clients: PyTree  # leaves [T, G, ...]: members' states
    losses: Array  # float[M]


class _Broadcast(NamedTuple):
    """What the server of each of M coalitions sends its members at the start of a round."""

    params: Params  # leaves [M, ...]
    server: PyTree  # leaves [M, ...], of which the algorithm broadcasts a part
    mean_steps: Array  # float[M]


def train_chunk(
    batches: ClientBatches,
    update: MemberUpdate,
    algorithm: Algorithm,
    *,
    shares_batch: bool = False,
) -> TrainChunk:
    """The round loop for a chunk of coalitions.

    Args:
        batches: the mini-batches of a client.
        update: what a member does in a round.
        algorithm: what the server does, and when to stop.
        shares_batch: see `learning.model.Model`.

    Guarantees:
        For each coalition the same numbers as `Learner.train`, up to float reassociation.
    """
    # traced once, for the shapes of what it sends and for the turns
    work = jax.jit(_work(batches, update, algorithm, shares_batch), inline=True)
    one_round = _one_round(work, algorithm)

    def train(world: World, key: Key, chunk: Chunk, observe: Observe, read: Read) -> PyTree:
        chex.assert_rank([chunk.mask, chunk.rows], 2)
        chex.assert_equal_shape([chunk.rows, chunk.present])
        chex.assert_equal_shape_prefix([chunk.player, chunk.rows], 1)
        chex.assert_shape(world.weights, chunk.mask.shape[1:])

        def going(state: ChunkState) -> Array:
            return state.unchanged < algorithm.patience  # always where tol is None

        def unfinished(state: ChunkState) -> Array:
            return (state.round < world.num_rounds) & going(state).any()

        def step(state: ChunkState) -> ChunkState:
            active = going(state)
            after, loss = one_round(world, key, state, chunk, active)
            seen = jax.vmap(observe, in_axes=(None, 0))(world, after.params)
            return after_round(after, loss, seen, active, algorithm.tol)

        seen = jax.eval_shape(observe, world, world.initial)
        start = started(world, chunk, algorithm.max_rounds, seen)
        end = jax.lax.while_loop(unfinished, step, start)
        trace = Trace(loss=end.losses, observed=end.observed, rounds=end.rounds)
        return jax.vmap(read, in_axes=(None, 0, 0, 0))(world, end.params, trace, chunk.mask)

    return train


def _work(
    batches: ClientBatches, update: MemberUpdate, algorithm: Algorithm, shares_batch: bool
) -> Callable[..., Contribution]:
    """What one client does for G coalitions in a turn.

    A function (world, key, round, _Broadcast, client, num_steps, rows int[G], own [G, ...]) -> its
    contributions, with a leading axis G.
    """

    def work(
        world: World,
        key: Key,
        round_: Array,
        sent: _Broadcast,
        client: Array,
        num_steps: Array,
        rows: Array,
        own: PyTree,
    ) -> Contribution:
        number = world.first_round + round_
        drawn = batches(world.data, key, number, client, num_steps)

        def one(row: Array, source: Array, state: PyTree) -> Contribution:
            params, server, mean_steps = jax.tree.map(lambda leaf: leaf[row], sent)
            examples = Examples(
                fetch=fetch_from(world.data, source),
                num_rows=world.data.largest,
                size=world.data.sizes[client],
                num_steps=num_steps,
                batches=drawn,
            )
            broadcast = algorithm.broadcast(server)
            draws = Draws(key, number, client)
            at = Round(params, broadcast, state, num_steps, mean_steps, draws)
            return update(at, examples)

        # an id that is not mapped over makes the models share each mini-batch, see `fetch_from`
        if shares_batch:
            return jax.vmap(one, in_axes=(0, None, 0))(rows, client, own)
        return jax.vmap(one)(rows, jnp.full_like(rows, client), own)

    return work


def _one_round(
    work: Callable[..., Contribution], algorithm: Algorithm
) -> Callable[..., tuple[ChunkState, Array]]:
    """One round of a chunk.

    A function (world, key, state, chunk, active bool[M]) -> (state, training loss float[M]).
    """
    one_more = algorithm.aggregate.one_more

    def one_round(
        world: World, key: Key, state: ChunkState, chunk: Chunk, active: Array
    ) -> tuple[ChunkState, Array]:
        # weigh who takes part: in the mean of uploads all, in the loss those who train
        present, num_steps, of_all = world.in_round(state.round)
        weights = jnp.where(chunk.mask, of_all, 0.0)
        shares = shares_of(weights)
        counted = _counted(algorithm, weights, shares)
        loss_shares = shares_of(jnp.where(num_steps > 0, weights, 0.0))
        mean_steps = (shares * num_steps[None]).sum(axis=1)
        sent = _Broadcast(state.params, state.server, mean_steps)

        def turn(index: Array, sums: _Sums) -> _Sums:
            # train the client of this turn for its coalitions that go on
            client = chunk.player[index]
            rows = chunk.rows[index]
            here = chunk.present[index] & active[rows] & present[client]
            steps = jnp.where(here.any(), num_steps[client], 0)
            own = jax.tree.map(lambda leaf: leaf[index], sums.clients)
            done = work(world, key, state.round, sent, client, steps, rows, own)
            kept = where_rows(here, done.state, own)
            clients = jax.tree.map(lambda all_, new: all_.at[index].set(new), sums.clients, kept)
            # add its uploads and losses to those of its coalitions
            weight = jnp.where(here, counted[rows, client], 0.0)
            means = one_more(sums.means, (done.upload, done.extra), rows, weight)
            loss_weight = jnp.where(here, loss_shares[rows, client], 0.0)
            return _Sums(means, clients, add_shares(sums.losses, done.loss, rows, loss_weight))

        # let every client take its turns
        nothing = _no_uploads(work, algorithm, world, key, state, chunk, sent)
        start = _Sums(nothing, state.clients, jnp.zeros(len(chunk.mask)))
        sums = jax.lax.fori_loop(0, chunk.num_turns, turn, start)
        # move the models of the coalitions that go on and whose members have any weight
        total = weights.sum(axis=1)
        share = world.share(total, jnp.where(chunk.mask, world.weights, 0.0).sum(axis=1))
        means, moves = _finished(algorithm, world, key, state, chunk, sums.means, total)
        params, server = _moved(algorithm, state, means, share, active & moves)
        return replace(state, params=params, server=server, clients=sums.clients), sums.losses

    return one_round


def _counted(algorithm: Algorithm, weights: Array, shares: Array) -> Array:
    """float[M, C], by what uploads are added up: their shares, or the weights where sums are
    finished.
    """
    if algorithm.aggregate.finish is None:
        return shares
    return weights


def _finished(
    algorithm: Algorithm,
    world: World,
    key: Key,
    state: ChunkState,
    chunk: Chunk,
    means: PyTree,
    total: Array,
) -> tuple[PyTree, Array]:
    """What reaches the servers, leaves [M, ...], and whose model moves, bool[M].

    Args:
        algorithm: how aggregates are finished.
        world: the federation.
        key: of the run.
        state: where the coalitions are.
        chunk: whose aggregates they are.
        means: leaves [M, ...], what the turns of a round added up.
        total: float[M], the weights of those who took part.
    """
    finish = algorithm.aggregate.finish
    if finish is None:
        return means, total > 0
    expected = world.expected(state.round, chunk.mask)
    number = world.first_round + state.round

    def one(sums: PyTree, mask: Array, expected: Array, weight: Array, server: PyTree) -> PyTree:
        return finish(sums, Summing(key, number, mask, expected), weight, server)

    finished = jax.vmap(one)(means, chunk.mask, expected, total, state.server)
    return finished, expected > 0


def _moved(
    algorithm: Algorithm, state: ChunkState, means: PyTree, share: Array, moves: Array
) -> tuple[Params, PyTree]:
    """The servers' next models and states, leaves [M, ...].

    Args:
        algorithm: what the server does.
        state: where the coalitions are.
        means: (upload, extra), leaves [M, ...], as the server receives them.
        share: float[M], the weight of those who took part, of that of all members.
        moves: bool[M], whose model moves; the others stay as they are.
    """
    upload, extra = means
    update = jax.vmap(algorithm.server_update)
    after = update(state.params, upload, extra, state.server, share)
    params, server = where_rows(moves, after, (state.params, state.server))
    return params, server


def _no_uploads(
    work: Callable[..., Contribution],
    algorithm: Algorithm,
    world: World,
    key: Key,
    state: ChunkState,
    chunk: Chunk,
    sent: _Broadcast,
) -> PyTree:
    """Aggregates (upload, extra) of M coalitions before any client uploaded: 0, leaves [M, ...]."""
    first = jax.tree.map(lambda leaf: leaf[0], state.clients)
    turn = (chunk.player[0], jnp.int32(0), chunk.rows[0], first)
    shape = jax.eval_shape(work, world, key, state.round, sent, *turn)
    dtype = algorithm.aggregate.dtype
    return jax.tree.map(
        lambda leaf: jnp.zeros((len(chunk.mask), *leaf.shape[1:]), dtype or leaf.dtype),
        (shape.upload, shape.extra),
    )
