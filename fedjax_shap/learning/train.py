"""The round loop: one coalition's federated training, from broadcast to convergence (Spec 1.1)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.coalitions import Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Algorithm, Draws, Round, has_converged
from fedjax_shap.learning.client_update import Examples, fetch_from
from fedjax_shap.learning.local import Local, shuffle
from fedjax_shap.learning.member import Contribution, Part, part_of
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.train_chunk import train_chunk
from fedjax_shap.learning.training import Training, model_of
from fedjax_shap.learning.world import Run, Sent, Trace, World, seeds, steps_by_round, world_of
from fedjax_shap.trees import divisor, where_rows, zeros
from fedjax_shap.typing import Array, Key, Params, PyTree

Observe = Callable[
    [World, Params], Array
]  # one number, or an array of them, to follow round by round


def unobserved(world: World, params: Params) -> Array:
    """Follows nothing: 0 for any model."""
    return jnp.zeros(())


class Learner(NamedTuple):
    """A learning procedure bound to a federation.

    Attributes:
        world: its arrays; pass them as arguments, never close over them.
        model: the model.
        algorithm: what members and server do.
        collect: (world, key, round, Run, coalition) -> Sent, what the members send in one round,
            counted from world.first_round.
        advance: (Run, Sent, share) -> Run after the round; share is the weight of those who took
            part, of that of all.
        train: (world, key, coalition, observe) -> (params, Trace), one coalition's training from
            world.initial.
        train_chunk: (world, key, chunk, observe, read) -> leaves [M, ...], the same for many
            coalitions side by side: what `read(world, params, trace, mask)` says of each.
    """

    world: World
    model: Model
    algorithm: Algorithm
    collect: Callable[..., Sent]
    advance: Callable[[Run, Sent, Array], Run]
    train: Callable[..., tuple[Params, Trace]]
    train_chunk: Callable[..., PyTree]


def learner(data: FederatedData, training: Training, *, horizon: int | None = None) -> Learner:
    """Binds a training to a federation.

    Args:
        data: the federation.
        training: how its coalitions train.
        horizon: R, of how many rounds steps and participation are drawn; `algorithm.max_rounds` if
            None.

    Raises:
        InvalidInputError: a part of the training of another kind, initial parameters of other
            shapes, or settings for another number of clients.

    Guarantees:
        Mini-batches are a function of (key, round, client id) alone: the same in every coalition.
        Padding rows are never read. A client's slot has no influence. An absent member keeps its
        state.
    """
    model = model_of(training, data)
    local, algorithm = training.local, training.algorithm
    drawn = seeds(training.root_key)
    num_steps = steps_by_round(
        data, local, algorithm, training.steps, drawn.steps, horizon or algorithm.max_rounds
    )
    who = (training.participation or always())(drawn.participation, *num_steps.shape)
    present = np.asarray(who) >= 1
    world = world_of(
        data, model, algorithm, num_steps, present, training.root_key, training.initial
    )
    orders, part = _orders(local), part_of(algorithm, local, model)
    collect, advance = _collect(part, algorithm), _advance(algorithm)
    draws = _draws(orders, local.num_orders(np.asarray(data.sizes), num_steps))

    def collect_alone(
        world: World, key: Key, round_: Array, run: Run, coalition: Coalition
    ) -> Sent:
        orders = draws(world, key, round_, coalition.members)
        return collect(world, key, round_, run, coalition, orders)

    def collect_one_of_many(
        world: World, key: Key, round_: Array, run: Run, coalition: Coalition
    ) -> Sent:
        # under vmap over coalitions the orders of all clients are drawn once for all
        everyone = jnp.arange(world.data.num_clients)
        orders = draws(world, key, round_, everyone)[coalition.members]
        return collect(world, key, round_, run, coalition, orders)

    train = _train(collect_one_of_many, advance, algorithm)
    many = train_chunk(orders, part, algorithm, shares_batch=model.shares_batch)
    return Learner(world, model, algorithm, collect_alone, advance, train, many)


def begun(world: World, coalition: Coalition) -> Run:
    """A coalition before its first round."""
    return Run(
        world.initial,
        world.server,
        jax.tree.map(lambda leaf: leaf[coalition.members], world.clients),
    )


def _orders(local: Local) -> Callable[[FederatedData, Key, Array, Array], Callable[[Array], Array]]:
    """(data, key, round, client) -> (epoch -> int32[N], the order in which the client's rows are
    drawn).
    """

    def of_client(
        data: FederatedData, key: Key, round_: Array, client: Array
    ) -> Callable[[Array], Array]:
        num_rows = data.y.shape[1]
        if not local.reshuffle:
            return lambda epoch: jnp.arange(num_rows, dtype=jnp.int32)
        seed = jax.random.fold_in(jax.random.fold_in(key, round_), client)
        return lambda epoch: shuffle(jax.random.fold_in(seed, epoch), num_rows, data.sizes[client])

    return of_client


def _draws(
    orders: Callable[..., Callable[[Array], Array]], num_orders: int
) -> Callable[..., Array]:
    """(world, key, round, clients int[S]) -> int32[S, E, N], the orders in which each draws its
    rows in a round.
    """
    epochs = jnp.arange(num_orders)

    def drawn(world: World, key: Key, round_: Array, clients: Array) -> Array:
        number = world.first_round + round_
        return jax.vmap(lambda client: jax.vmap(orders(world.data, key, number, client))(epochs))(
            clients
        )

    return drawn


def _collect(part: Part, algorithm: Algorithm) -> Callable[..., Sent]:
    """What members send: (world, key, round, Run, coalition, orders int32[S, E, N]) -> Sent."""

    def collect(
        world: World, key: Key, round_: Array, run: Run, coalition: Coalition, orders: Array
    ) -> Sent:
        here, steps, weights = (
            jnp.where(coalition.present, of_all[coalition.members], jnp.zeros((), of_all.dtype))
            for of_all in world.in_round(round_)
        )
        number = world.first_round + round_
        broadcast = algorithm.broadcast(run.server)
        mean_steps = (weights * steps).sum() / divisor(weights)

        def one(client: Array, state: PyTree, num_steps: Array, order: Array) -> Contribution:
            examples = Examples(
                fetch=fetch_from(world.data, client),
                num_rows=world.data.y.shape[1],
                size=world.data.sizes[client],
                num_steps=num_steps,
                order_of=lambda epoch: order[epoch],
            )
            draws = Draws(key, number, client)
            at = Round(run.params, broadcast, state, num_steps, mean_steps, draws)
            return part(at, examples)

        uploads, extra, clients, losses = jax.vmap(one)(
            coalition.members, run.clients, steps, orders
        )
        uploads, extra = where_rows(
            weights > 0, (uploads, extra), zeros((uploads, extra))
        )  # 0 * nan is nan
        heard = jnp.where(steps > 0, weights, 0.0)
        loss = jnp.where(heard > 0, heard * losses, 0.0).sum() / divisor(heard)
        return Sent(uploads, extra, where_rows(here, clients, run.clients), weights, loss)

    return collect


def _advance(algorithm: Algorithm) -> Callable[[Run, Sent, Array], Run]:
    """What the server does with what was sent; nothing where no weight is positive."""

    def advance(run: Run, sent: Sent, share: Array) -> Run:
        upload, extra = algorithm.aggregate.at_once((sent.uploads, sent.extra), sent.weights)
        moved = algorithm.server_update(run.params, upload, extra, run.server, share)
        heard = sent.weights.sum() > 0
        params, server = jax.tree.map(
            lambda new, old: jnp.where(heard, new, old), moved, (run.params, run.server)
        )
        return Run(params, server, sent.clients)

    return advance


def _train(
    collect: Callable[..., Sent], advance: Callable[[Run, Sent, Array], Run], algorithm: Algorithm
) -> Callable[..., tuple[Params, Trace]]:
    """Rounds until converged or out of rounds; under `vmap` each coalition stops on its own."""
    max_rounds, tol = algorithm.max_rounds, algorithm.tol

    def train(
        world: World, key: Key, coalition: Coalition, observe: Observe = unobserved
    ) -> tuple[Params, Trace]:
        own = jnp.where(coalition.present, world.weights[coalition.members], 0.0).sum()

        def unfinished(carry: tuple) -> Array:
            round_, _, calm, _, _ = carry
            return (round_ < world.num_rounds) & (
                calm < algorithm.patience if tol is not None else True
            )

        def step(carry: tuple) -> tuple:
            round_, run, calm, losses, observed = carry
            sent = collect(world, key, round_, run, coalition)
            run = advance(run, sent, world.share(sent.weights.sum(), own))
            if tol is not None:
                calm = jnp.where(
                    has_converged(round_, sent.loss, losses[jnp.maximum(round_ - 1, 0)], tol),
                    calm + 1,
                    0,
                )
            seen = observe(world, run.params)
            return (
                round_ + 1,
                run,
                calm,
                losses.at[round_].set(sent.loss),
                observed.at[round_].set(seen),
            )

        unseen = jnp.zeros((max_rounds, *jax.eval_shape(observe, world, world.initial).shape))
        start = (jnp.int32(0), begun(world, coalition), jnp.int32(0), jnp.zeros(max_rounds), unseen)
        rounds, run, _, losses, observed = jax.lax.while_loop(unfinished, step, start)
        last = jnp.minimum(jnp.arange(max_rounds), rounds - 1)
        return run.params, Trace(loss=losses[last], observed=observed[last], rounds=rounds)

    return train
