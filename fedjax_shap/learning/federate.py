"""The round loop: one coalition's federated training, from broadcast to convergence (Spec 1.1)."""

from collections.abc import Callable
from typing import NamedTuple

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
    )
    orders = _orders(local.num_orders(sizes), local.reshuffle)
    update = client_update(local, model)

    def collect(
        world: World, key: Key, round_: Array, params: Params, coalition: Coalition
    ) -> tuple[Params, Array, Array]:
        clients = jnp.arange(world.data.num_clients)
        drawn = jax.vmap(lambda client: orders(world.data, key, round_, client))(clients)
        steps = jnp.where(coalition.present, world.num_steps[coalition.members], 0)
        uploads, losses = jax.vmap(update, in_axes=(None, None, 0, 0, 0))(
            params, world.data, coalition.members, steps, drawn[coalition.members]
        )
        weights = jnp.where(coalition.present, world.weights[coalition.members], 0.0)
        uploads = where_rows(weights > 0, uploads, jax.tree.map(jnp.zeros_like, uploads))  # 0 * nan is nan
        heard = jnp.where(steps > 0, weights, 0.0)
        return uploads, weights, (heard * losses).sum() / jnp.where(heard.sum() > 0, heard.sum(), 1.0)

    return Learner(world, model, collect, _train(collect, algorithm), train_chunk(orders, update, algorithm))


def _of_shape(initial: Params, model: Params) -> Params:
    """`initial`, or a refusal where its structure or its shapes are not those of the model's parameters."""
    given, expected = (jax.tree.map(np.shape, params) for params in (initial, model))
    require(
        given == expected, f"Expected initial to have the shapes of the model's parameters {expected}, got {given}."
    )
    return jax.tree.map(lambda given, wanted: jnp.asarray(given, wanted.dtype), initial, model)


def _orders(num_orders: int, reshuffle: bool) -> Callable[[FederatedData, Key, Array, Array], Array]:
    """The row orders int32[E, N] of one client in one round; E = 0 for the full batch."""

    def draw(data: FederatedData, key: Key, round_: Array, client: Array) -> Array:
        if not reshuffle:
            return jnp.broadcast_to(jnp.arange(data.y.shape[1], dtype=jnp.int32), (num_orders, data.y.shape[1]))
        seed = jax.random.fold_in(jax.random.fold_in(key, round_), client)
        return shuffle(seed, data.y.shape[1] if num_orders else 0, data.sizes[client], num_orders)

    return draw


def _train(
    collect: Callable[..., tuple[Params, Array, Array]], algorithm: Algorithm
) -> Callable[..., tuple[Params, Trace]]:
    """Rounds until converged or out of rounds; under `vmap` each coalition stops on its own."""
    max_rounds, tol = algorithm.max_rounds, algorithm.tol

    def train(world: World, key: Key, coalition: Coalition, observe: Observe = unobserved) -> tuple[Params, Trace]:
        def unfinished(carry: tuple) -> Array:
            round_, _, calm, _, _ = carry
            return (round_ < max_rounds) & (calm < algorithm.patience if tol is not None else True)

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
