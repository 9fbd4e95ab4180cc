"""The round loop: one coalition's federated training, from broadcast to convergence (Spec 1.1)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.coalitions import Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Algorithm, settled
from fedjax_shap.learning.local import Local, client_update, shuffle
from fedjax_shap.learning.model import Architecture, Model
from fedjax_shap.learning.side_by_side import train_chunk
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.trees import weighted_mean, where_rows
from fedjax_shap.typing import Array, Key, Params, PyTree

Observe = Callable[[World, Params], Array]  # one number, or an array of them, to follow round by round


def unobserved(world: World, params: Params) -> Array:
    """Follows nothing: 0 for any model."""
    return jnp.zeros(())


class Learner(NamedTuple):
    """A learning procedure bound to a federation.

    Attributes:
        world: its arrays; pass them as arguments, never close over them.
        model: the model.
        collect: (world, key, round, params, coalition) -> (uploads [S, ...], weights float[S], loss): what the
            members send in one round, their weights in the mean (0 in padded slots), and their training loss.
        train: (world, key, coalition, observe) -> (params, Trace), one coalition's training from world.initial.
        train_chunk: (world, key, chunk, observe, read) -> leaves [M, ...], the same for many coalitions side by side:
            what `read(world, params, trace, mask)` says of each.
    """

    world: World
    model: Model
    collect: Callable[..., tuple[Params, Array, Array]]
    train: Callable[..., tuple[Params, Trace]]
    train_chunk: Callable[..., PyTree]


def learner(
    data: FederatedData,
    architecture: Architecture,
    local: Local,
    algorithm: Algorithm,
    *,
    key: Key,
    initial: Params | None = None,
) -> Learner:
    """Binds a model, local training and an algorithm to a federation.

    Args:
        data: the federation.
        architecture: builds the model for the data's shape and classes.
        local: how each client trains.
        algorithm: how uploads are combined, and when to stop.
        key: seeds the initial parameters, unless these are given.
        initial: initial parameters of the model's structure.

    Raises:
        InvalidInputError: initial parameters of other shapes, or settings for another number of clients.

    Guarantees:
        Mini-batches are a function of (key, round, client id) alone: the same in every coalition.
        Padding rows are never read. A client's slot has no influence.
    """
    model = architecture(tuple(data.x.shape[2:]), data.num_classes)
    sizes = np.asarray(data.sizes)
    num_steps = np.where(np.asarray(data.idle), 0, local.num_steps(sizes))
    world = World(
        data=data,
        initial=model.init(key) if initial is None else _of_shape(initial, jax.eval_shape(model.init, key)),
        num_steps=jnp.asarray(num_steps),
        weights=jnp.asarray(algorithm.weights(sizes)),
        first_round=jnp.int32(0),
        num_rounds=jnp.int32(algorithm.max_rounds),
    )
    orders, update = _orders(local), client_update(local, model)
    upload, epochs = _upload(update), jnp.arange(local.num_orders(sizes))

    def drawn(world: World, key: Key, round_: Array, clients: Array) -> Array:
        """int32[S, E, N], the orders in which each of `clients` draws its rows in a round."""
        return jax.vmap(lambda client: jax.vmap(orders(world.data, key, round_, client))(epochs))(clients)

    def collect(world: World, key: Key, round_: Array, params: Params, coalition: Coalition) -> Any:
        return upload(world, params, coalition, drawn(world, key, round_, coalition.members))

    def collect_one_of_many(world: World, key: Key, round_: Array, params: Params, coalition: Coalition) -> Any:
        everyone = jnp.arange(world.data.num_clients)  # under vmap over coalitions these are drawn once for all
        return upload(world, params, coalition, drawn(world, key, round_, everyone)[coalition.members])

    train = _train(collect_one_of_many, algorithm)
    return Learner(
        world, model, collect, train, train_chunk(orders, update, algorithm, shares_batch=model.shares_batch)
    )


def _of_shape(initial: Params, model: Params) -> Params:
    """`initial`, or a refusal where its structure or its shapes are not those of the model's parameters."""
    given, expected = (jax.tree.map(np.shape, params) for params in (initial, model))
    require(
        given == expected, f"Expected initial to have the shapes of the model's parameters {expected}, got {given}."
    )
    return jax.tree.map(lambda given, wanted: jnp.asarray(given, wanted.dtype), initial, model)


def _orders(local: Local) -> Callable[[FederatedData, Key, Array, Array], Callable[[Array], Array]]:
    """(data, key, round, client) -> (epoch -> int32[N], the order in which the client's rows are drawn)."""

    def of_client(data: FederatedData, key: Key, round_: Array, client: Array) -> Callable[[Array], Array]:
        num_rows = data.y.shape[1]
        if not local.reshuffle:
            return lambda epoch: jnp.arange(num_rows, dtype=jnp.int32)
        seed = jax.random.fold_in(jax.random.fold_in(key, round_), client)
        return lambda epoch: shuffle(jax.random.fold_in(seed, epoch), num_rows, data.sizes[client])

    return of_client


def _upload(update: Callable[..., Any]) -> Callable[..., tuple[Params, Array, Array]]:
    """What a coalition's members send: (world, params, coalition, orders int32[S, E, N]) -> as `Learner.collect`."""

    def upload(world: World, params: Params, coalition: Coalition, orders: Array) -> tuple[Params, Array, Array]:
        def one(client: Array, num_steps: Array, order: Array) -> tuple[Params, Array]:
            return update(params, world.data, client, client, num_steps, lambda epoch: order[epoch])  # type: ignore[no-any-return]

        steps = jnp.where(coalition.present, world.num_steps[coalition.members], 0)
        uploads, losses = jax.vmap(one)(coalition.members, steps, orders)
        weights = jnp.where(coalition.present, world.weights[coalition.members], 0.0)
        uploads = where_rows(weights > 0, uploads, jax.tree.map(jnp.zeros_like, uploads))  # 0 * nan is nan
        heard = jnp.where(steps > 0, weights, 0.0)
        total = jnp.where(heard > 0, heard * losses, 0.0).sum()
        return uploads, weights, total / jnp.where(heard.sum() > 0, heard.sum(), 1.0)

    return upload


def _train(
    collect: Callable[..., tuple[Params, Array, Array]], algorithm: Algorithm
) -> Callable[..., tuple[Params, Trace]]:
    """Rounds until converged or out of rounds; under `vmap` each coalition stops on its own."""
    max_rounds, tol = algorithm.max_rounds, algorithm.tol

    def train(world: World, key: Key, coalition: Coalition, observe: Observe = unobserved) -> tuple[Params, Trace]:
        def unfinished(carry: tuple) -> Array:
            round_, _, calm, _, _ = carry
            return (round_ < world.num_rounds) & (calm < algorithm.patience if tol is not None else True)

        def step(carry: tuple) -> tuple:
            round_, params, calm, losses, observed = carry
            uploads, weights, loss = collect(world, key, world.first_round + round_, params, coalition)
            params = weighted_mean(uploads, weights, params)
            if tol is not None:
                calm = jnp.where(settled(round_, loss, losses[jnp.maximum(round_ - 1, 0)], tol), calm + 1, 0)
            return (
                round_ + 1,
                params,
                calm,
                losses.at[round_].set(loss),
                observed.at[round_].set(observe(world, params)),
            )

        unseen = jnp.zeros((max_rounds, *jax.eval_shape(observe, world, world.initial).shape))
        start = (jnp.int32(0), world.initial, jnp.int32(0), jnp.zeros(max_rounds), unseen)
        rounds, params, _, losses, observed = jax.lax.while_loop(unfinished, step, start)
        last = jnp.minimum(jnp.arange(max_rounds), rounds - 1)
        return params, Trace(loss=losses[last], observed=observed[last], rounds=rounds)

    return train
