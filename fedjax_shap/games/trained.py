"""Games that train each coalition and read its utility off the training."""

from dataclasses import replace

import jax
import numpy as np

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.games.game import Effort, Game
from fedjax_shap.learning.learner import Learner
from fedjax_shap.learning.train import unobserved
from fedjax_shap.learning.world import Observe, Read, World
from fedjax_shap.trees import placed
from fedjax_shap.typing import Array, HostArray, Key

FEW_STEPS = 8  # of each client in a trial


def trained(learning: Learner, read: Read, observe: Observe = unobserved) -> Game:
    """The game in which each coalition trains alone from `world.initial`.

    Args:
        learning: how it trains.
        read: its utility, from its last model and the trace of its training.
        observe: what the trace follows round by round.

    Returns:
        A game of C players.
    """

    def value(world: World, key: Key, coalition: Coalition) -> Array:
        params, trace = learning.train(world, key, coalition, observe)
        utility: Array = read(world, params, trace, coalition.mask)
        return utility

    def values(world: World, key: Key, chunk: Chunk) -> Array:
        utilities: Array = learning.train_chunk(world, key, chunk, observe, read)
        return utilities

    return Game(
        world=learning.world,
        value=value,
        num_players=learning.world.data.num_clients,
        values=values,
        effort=_effort(learning.world),
    )


def _effort(world: World) -> Effort:
    """How much work one training is."""
    # on the host, where plans are made

    def steps(world: World) -> HostArray:
        present = np.asarray(world.present)
        return np.asarray(np.where(present, np.asarray(world.num_steps), 0).mean(axis=0))

    def brief(world: World) -> World:
        few = placed(np.minimum(np.asarray(world.num_steps), FEW_STEPS))
        return replace(world, num_rounds=placed(np.int32(1)), num_steps=few)

    # a coalition keeps one model, the server's state, and the state of the member that trains
    member = jax.tree.map(lambda leaf: leaf[0], world.clients)
    leaves = jax.tree.leaves((world.initial, world.server, member))
    footprint = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    return Effort(steps, brief, int(world.num_rounds), footprint)
