"""Rounds of one aggregation by any server: members train once, and what each coalition sent is
aggregated.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct

from fedjax_shap.coalitions import Coalition
from fedjax_shap.games.game import Game
from fedjax_shap.learning.train import Learner, begun
from fedjax_shap.learning.world import Run, Sent, World
from fedjax_shap.typing import Array, Key, Params

Open = Callable[
    [World, Key, Coalition], tuple[Game, World]
]  # a round's game, and the world that everyone leaves


@struct.dataclass
class Heard:
    """A round as the server heard it.

    Attributes:
        world: the federation as the round found it.
        sent: what the participants sent.
        members: int32[S], their ids, then padding.
    """

    world: World
    sent: Sent
    members: Array


def aggregates(learning: Learner, worth: Callable[[Params, World], Array]) -> Open:
    """Rounds of one aggregation: clients train once, and the server makes a model of what each
    coalition sent.

    It serves every algorithm, so also those whose next model is no mean of uploads, such as FedNova
    and FedAdam.

    Args:
        learning: how clients train and what the server does.
        worth: what a model is worth.

    Returns:
        A function (world, key, everyone) -> (the game of the round, the world after it).
    """

    def value(heard: Heard, key: Key, coalition: Coalition) -> Array:
        inside = jnp.where(coalition.mask[heard.members], heard.sent.weights, 0.0)
        told = heard.sent.replace(weights=inside)  # type: ignore[attr-defined]
        run = Run(heard.world.initial, heard.world.server, told.clients)
        return worth(
            learning.advance(run, told, heard.world.share(inside.sum(), inside.sum())).params,
            heard.world,
        )

    collect = jax.jit(lambda world, key, everyone: together(learning, world, key, everyone))

    def open_round(world: World, key: Key, everyone: Coalition) -> tuple[Game, World]:
        sent, after = collect(world, key, everyone)
        return Game(Heard(world, sent, everyone.members), value, world.data.num_clients), after

    return open_round


def together(
    learning: Learner, world: World, key: Key, everyone: Coalition, num_aggregations: int = 1
) -> tuple[Sent, World]:
    """What those who take part send for the last of so many aggregations, and the world after
    them.
    """
    run = begun(world, everyone)
    for number in range(num_aggregations):
        sent = learning.collect(world, key, jnp.int32(number), run, everyone)
        run = learning.advance(run, sent, world.share(sent.weights.sum(), sent.weights.sum()))
    return sent, _kept(world, everyone, run)


def _kept(world: World, everyone: Coalition, run: Run) -> World:
    """The world after a run of some clients: their model, the server's state, and their states by
    id.
    """
    place = jnp.where(
        everyone.present, everyone.members, world.data.num_clients
    )  # padding falls off the end
    clients = jax.tree.map(
        lambda all_, own: all_.at[place].set(own, mode="drop"), world.clients, run.clients
    )
    return world.replace(initial=run.params, server=run.server, clients=clients)  # type: ignore[attr-defined, no-any-return]
