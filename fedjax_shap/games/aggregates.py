"""Rounds of one aggregation by any server: members train once, coalitions aggregate their part."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

import chex
import jax
import jax.numpy as jnp
from flax import struct

from fedjax_shap.coalitions import Coalition
from fedjax_shap.games.game import Game
from fedjax_shap.learning.aggregate import Summing
from fedjax_shap.learning.learner import Learner
from fedjax_shap.learning.train import begun
from fedjax_shap.learning.world import Run, Sent, World
from fedjax_shap.typing import Array, Key, Params, PyTree


class OpenRound(Protocol):
    """What a round of a run is as a game, and where it leaves the run."""

    def __call__(self, world: World, key: Key, everyone: Coalition, /) -> tuple[Game, World]:
        """Opens one round.

        Args:
            world: the federation before the round.
            key: seeds mini-batches.
            everyone: all who take part in the round.

        Returns:
            The game of the round, of P players, and the world after everyone took part.
        """
        ...


@struct.dataclass
class Received:
    """What the server received in a round.

    Attributes:
        world: the federation before the round.
        sent: what the participants sent, by slot.
        members: int32[S], their ids, then padding.
    """

    world: World
    sent: Sent
    members: Array


def aggregates(learning: Learner, worth: Callable[[World, Params], Array]) -> OpenRound:
    """Rounds of one aggregation, in which the server makes a model of what each coalition sent.

    It serves every algorithm, also those whose next model is not the mean of the uploads, such as
    FedNova and FedAdam.

    Args:
        learning: how clients train and what the server does.
        worth: what a model is worth, float[].

    Returns:
        A function that opens a round. All its games share their program.
    """

    def value(received: Received, key: Key, coalition: Coalition) -> Array:
        world = received.world
        chex.assert_shape(coalition.mask, (world.data.num_clients,))
        chex.assert_equal_shape([received.members, received.sent.weights])
        # only the coalition's members weigh in the aggregates
        weights = jnp.where(coalition.mask[received.members], received.sent.weights, 0.0)
        sent = replace(received.sent, weights=weights)
        if isinstance(sent.summing, Summing):
            mask = sent.summing.mask & coalition.mask
            # of nobody nothing is expected: the server does not move, and no noise is added
            expected = jnp.where(mask.any(), sent.summing.expected, 0.0)
            sent = replace(sent, summing=sent.summing._replace(mask=mask, expected=expected))
        # the server moves on with them, from where the round began
        run = Run(world.initial, world.server, sent.clients)
        after = learning.advance(run, sent, world.share(weights.sum(), weights.sum()))
        return worth(world, after.params)

    collect = jax.jit(lambda world, key, everyone: together(learning, world, key, everyone))

    def open_round(world: World, key: Key, everyone: Coalition) -> tuple[Game, World]:
        sent, left = collect(world, key, everyone)
        received = Received(world, sent, everyone.members)
        return Game(received, value, world.data.num_clients), left.after(world)

    return open_round


class Left(NamedTuple):
    """What a run of some clients leaves.

    A program gives this and no world, whose examples it would copy.

    Attributes:
        params: the model.
        server: the server's state.
        clients: the clients' states, leaves [C, ...].
    """

    params: Params
    server: PyTree
    clients: PyTree

    def after(self, world: World) -> World:
        """The world after the run, from that before it."""
        return replace(world, initial=self.params, server=self.server, clients=self.clients)


def together(
    learning: Learner, world: World, key: Key, everyone: Coalition, num_aggregations: int = 1
) -> tuple[Sent, Left]:
    """A number of aggregations by one set of clients.

    Returns:
        What the clients send for the last aggregation, and what all of them leave.
    """
    chex.assert_shape(everyone.mask, (world.data.num_clients,))
    chex.assert_rank(everyone.members, 1)
    chex.assert_equal_shape([everyone.members, everyone.present])
    run = begun(world, everyone)
    # as in the engine: without this, GPUs round the factors of products of one's own models
    with jax.default_matmul_precision("float32"):
        for number in range(num_aggregations):
            sent = learning.collect(world, key, jnp.int32(number), run, everyone)
            run = learning.advance(run, sent, world.share(sent.weights.sum(), sent.weights.sum()))
    return sent, _left(world, everyone, run)


def _left(world: World, everyone: Coalition, run: Run) -> Left:
    """The model, the server's state, and the clients' own states, back in the order of ids."""
    chex.assert_tree_shape_prefix(run.clients, everyone.members.shape)
    # states go from slots back to ids; that of a padding slot falls off the end
    place = jnp.where(everyone.present, everyone.members, world.data.num_clients)
    clients = jax.tree.map(
        lambda of_all, own: of_all.at[place].set(own, mode="drop"), world.clients, run.clients
    )
    return Left(run.params, run.server, clients)
