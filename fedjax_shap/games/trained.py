"""Games in which a coalition is worth what can be read off its training."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.games.game import Effort, Game
from fedjax_shap.learning.train import Learner, Observe, unobserved
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.typing import Array, Key, Params

Read = Callable[
    [World, Params, Trace, Array], Array
]  # (world, final params, trace, mask bool[P]) -> float[...]

FEW_STEPS = 8  # of each client in a trial


def trained(learning: Learner, read: Read, observe: Observe = unobserved) -> Game:
    """The game in which each coalition trains alone from `world.initial`.

    Args:
        learning: how it trains.
        read: its utility, from the model that it ends with and the trace of its training.
        observe: what the trace follows round by round.
    """

    def value(world: World, key: Key, coalition: Coalition) -> Array:
        return read(world, *learning.train(world, key, coalition, observe), coalition.mask)

    def values(world: World, key: Key, chunk: Chunk) -> Array:
        return learning.train_chunk(world, key, chunk, observe, read)  # type: ignore[no-any-return]

    world = learning.world
    own = jax.tree.map(
        lambda leaf: leaf[0], world.clients
    )  # a member's state is in play in its own turn
    effort = Effort(
        steps=lambda world: jnp.where(world.present, world.num_steps, 0).mean(axis=0),
        brief=lambda world: world.replace(
            num_rounds=jnp.int32(1), num_steps=jnp.minimum(world.num_steps, FEW_STEPS)
        ),
        rounds=int(world.num_rounds),
        footprint=sum(
            leaf.size * leaf.dtype.itemsize
            for leaf in jax.tree.leaves((world.initial, world.server, own))
        ),
    )
    return Game(
        world=world, value=value, num_players=world.data.num_clients, values=values, effort=effort
    )
