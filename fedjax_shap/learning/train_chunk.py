"""Many coalitions trained side by side, client by client: what every coalition's members would do,
done once a client.

The clients take turns. Within a turn the coalitions that hold the client train its share together
on one shared mini-batch, so the number of local steps is a run-time number: nobody trains longer
because another client is larger or slower, or for a client that is not a member. (Only a shuffle is
as long as the largest client, once a pass.)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct

from fedjax_shap.coalitions import Chunk
from fedjax_shap.learning.aggregate import add_shares
from fedjax_shap.learning.algorithm import Algorithm, Draws, Round, has_converged
from fedjax_shap.learning.client_update import Examples, fetch_from
from fedjax_shap.learning.member import Contribution, Part
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.trees import like, shares_of, where_rows
from fedjax_shap.typing import Array, Key, Params, PyTree

Orders = Callable[
    ..., Callable[[Array], Array]
]  # (data, key, round, client) -> epoch -> the order of its rows
Sums = tuple[
    PyTree, PyTree, Array
]  # means so far [M, ...], members' states [T, G, ...], losses float[M]


@struct.dataclass
class _State:
    """Where the coalitions of a chunk are: leaves of `params` and `server` are [M, ...], `calm` and
    `rounds` int32[M].

    Members' states lie by turn and by place in it, leaves of `clients` [T, G, ...]: none is kept
    for who is no member.
    """

    round: Array
    params: Params
    server: PyTree
    clients: PyTree
    calm: Array  # rounds one after another in which the loss hardly changed
    rounds: Array  # rounds trained
    losses: Array  # float[M, R]
    observed: Array  # float[M, R, ...]


def train_chunk(
    orders: Orders, part: Part, algorithm: Algorithm, *, shares_batch: bool = False
) -> Callable[..., PyTree]:
    """The round loop for a chunk of coalitions.

    Args:
        orders: how a client's rows are drawn.
        part: a member's part of a round.
        algorithm: what the server does, and when to stop.
        shares_batch: see `learning.model.Model`.

    Returns:
        A function (world, key, chunk, observe, read) -> what `read(world, params, trace, mask[P])`
        says of each coalition, stacked on a leading axis M. `observe(world, params)` is followed
        round by round.

    Guarantees:
        For each coalition the same numbers as `Learner.train`, up to float reassociation.
    """
    one_round = _one_round(_work(orders, part, algorithm, shares_batch), algorithm)

    def train(
        world: World,
        key: Key,
        chunk: Chunk,
        observe: Callable[..., Array],
        read: Callable[..., PyTree],
    ) -> PyTree:
        def going(state: _State) -> Array:
            return state.calm < algorithm.patience  # never calm where tol is None

        def unfinished(state: _State) -> Array:
            return (state.round < world.num_rounds) & going(state).any()

        def step(state: _State) -> _State:
            after, loss = one_round(world, key, state, chunk, going(state))
            seen = jax.vmap(observe, in_axes=(None, 0))(world, after.params)
            return _after_round(after, loss, seen, going(state), algorithm.tol)

        start = _start(
            world, chunk, algorithm.max_rounds, jax.eval_shape(observe, world, world.initial)
        )
        end = jax.lax.while_loop(unfinished, step, start)
        trace = Trace(loss=end.losses, observed=end.observed, rounds=end.rounds)
        return jax.vmap(read, in_axes=(None, 0, 0, 0))(world, end.params, trace, chunk.mask)

    return train


def _work(
    orders: Orders, part: Part, algorithm: Algorithm, shares_batch: bool
) -> Callable[..., Contribution]:
    """What one client does for G coalitions in a turn.

    A function (world, key, round, (params, server's state, mean_steps) [M, ...], client, num_steps,
    rows int[G], own [G, ...]) -> its contributions, with a leading axis G.
    """

    def work(
        world: World,
        key: Key,
        round_: Array,
        server: PyTree,
        client: Array,
        num_steps: Array,
        rows: Array,
        own: PyTree,
    ) -> Contribution:
        number = world.first_round + round_
        order_of = orders(world.data, key, number, client)

        def one(row: Array, source: Array, state: PyTree) -> Contribution:
            params, state_of_server, mean_steps = jax.tree.map(lambda leaf: leaf[row], server)
            examples = Examples(
                fetch=fetch_from(world.data, source),
                num_rows=world.data.y.shape[1],
                size=world.data.sizes[client],
                num_steps=num_steps,
                order_of=order_of,
            )
            broadcast = algorithm.broadcast(state_of_server)
            draws = Draws(key, number, client)
            at = Round(params, broadcast, state, num_steps, mean_steps, draws)
            return part(at, examples)

        if shares_batch:
            return jax.vmap(one, in_axes=(0, None, 0))(rows, client, own)
        return jax.vmap(one)(rows, jnp.full_like(rows, client), own)

    return work


def _one_round(
    work: Callable[..., Contribution], algorithm: Algorithm
) -> Callable[..., tuple[_State, Array]]:
    """One round of a chunk: (world, key, state, chunk, active bool[M]) -> (state, training loss
    float[M]).
    """

    def one_round(
        world: World, key: Key, state: _State, chunk: Chunk, active: Array
    ) -> tuple[_State, Array]:
        present, num_steps, of_all = world.in_round(state.round)
        weights = jnp.where(chunk.mask, of_all, 0.0)
        shares = shares_of(weights)
        loudness = shares_of(jnp.where(num_steps > 0, weights, 0.0))
        server = (state.params, state.server, (shares * num_steps[None]).sum(axis=1))

        def turn(index: Array, sums: Sums) -> Sums:
            means, clients, losses = sums
            client, rows = chunk.player[index], chunk.rows[index]
            here = chunk.present[index] & active[rows] & present[client]
            steps = jnp.where(here.any(), num_steps[client], 0)
            own = jax.tree.map(lambda leaf: leaf[index], clients)
            done = work(world, key, state.round, server, client, steps, rows, own)
            clients = jax.tree.map(
                lambda all_, new: all_.at[index].set(new),
                clients,
                where_rows(here, done.state, own),
            )
            # add what the client sent to the aggregates of the coalitions that it takes part in
            weight = jnp.where(here, shares[rows, client], 0.0)
            sent = (done.upload, done.extra)
            means = algorithm.aggregate.one_more(means, sent, rows, weight)
            heard = jnp.where(here, loudness[rows, client], 0.0)
            return means, clients, add_shares(losses, done.loss, rows, heard)

        first = jax.tree.map(lambda leaf: leaf[0], state.clients)
        shape = jax.eval_shape(
            work,
            world,
            key,
            state.round,
            server,
            chunk.player[0],
            jnp.int32(0),
            chunk.rows[0],
            first,
        )
        nothing = jax.tree.map(
            lambda leaf: jnp.zeros((len(chunk.mask), *leaf.shape[1:]), leaf.dtype),
            (shape.upload, shape.extra),
        )
        start = (nothing, state.clients, jnp.zeros(len(chunk.mask)))
        (upload, extra), clients, loss = jax.lax.fori_loop(0, chunk.num_turns, turn, start)
        share = world.share(
            weights.sum(axis=1), jnp.where(chunk.mask, world.weights, 0.0).sum(axis=1)
        )
        moved = jax.vmap(algorithm.server_update)(state.params, upload, extra, state.server, share)
        heard = active & (weights.sum(axis=1) > 0)
        params, after = where_rows(heard, moved, (state.params, state.server))
        return state.replace(params=params, server=after, clients=clients), loss  # type: ignore[attr-defined]

    return one_round


def _start(world: World, chunk: Chunk, max_rounds: int, seen: jax.ShapeDtypeStruct) -> _State:
    """Every coalition at the initial model, nothing heard or seen."""
    num_coalitions = len(chunk.mask)
    count = jnp.zeros(num_coalitions, jnp.int32)

    def of_each(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf, (num_coalitions, *leaf.shape))

    def of_members(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf[chunk.player][:, None], (*chunk.rows.shape, *leaf.shape[1:]))

    return _State(
        round=jnp.int32(0),
        params=jax.tree.map(of_each, world.initial),
        server=jax.tree.map(of_each, world.server),
        clients=jax.tree.map(of_members, world.clients),
        calm=count,
        rounds=count,
        losses=jnp.zeros((num_coalitions, max_rounds)),
        observed=jnp.zeros((num_coalitions, max_rounds, *seen.shape)),
    )


def _after_round(
    state: _State, loss: Array, seen: Array, going: Array, tol: float | None
) -> _State:
    """What is known of a round in which the coalitions `going` bool[M] trained; the others stay as
    they were.
    """
    calm = state.calm
    if tol is not None:
        before = state.losses[:, jnp.maximum(state.round - 1, 0)]
        calm = jnp.where(
            going, jnp.where(has_converged(state.round, loss, before, tol), calm + 1, 0), calm
        )
    later = (
        jnp.arange(state.losses.shape[1])[None] >= state.round
    )  # the last entry stands for all after a stop
    fresh = later & going[:, None]
    return state.replace(  # type: ignore[attr-defined, no-any-return]
        round=state.round + 1,
        calm=calm,
        rounds=state.rounds + going,
        losses=jnp.where(fresh, loss[:, None], state.losses),
        observed=jnp.where(like(fresh, state.observed), seen[:, None], state.observed),
    )
