"""Pooled data in the shapes of a federation, so that one program follows the training of both."""

from dataclasses import replace

import numpy as np

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import curves
from fedjax_shap.learning.client_update import ROWS_AT_ONCE
from fedjax_shap.learning.metric import Metric
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import World
from fedjax_shap.trees import placed
from fedjax_shap.typing import Array, HostArray

# one program draws an order as long as the pooled data for each client: so many numbers at most
ORDERED_AT_MOST = 2**18


def beside_pooled(
    game: Game,
    data: FederatedData,
    training: Training,
    pooled: Training,
    metric: str | Metric | None,
) -> tuple[Game, Game]:
    """The games of a federation and of its pooled data, followed by one program where they can.

    Args:
        game: `games.silo.curves` of the federation.
        data: the federation.
        training: how its coalitions train.
        pooled: how one client with all data trains: as the members do, but for its steps, weights,
            and privacy.
        metric: what is followed on the validation set.

    Returns:
        (the federation's game; a game of as many players, in which every coalition of player 0 is
        the pooled client). Where they cannot share a program, the second has that player alone.
    """
    alone = curves(data.pooled(), pooled, metric=metric)
    if not share_a_program(data, training):
        return game, alone
    world = replace(game.world, data=replace(data, largest=len(data.y)))
    of_pooled = replace(game, world=_of_first(world, alone.world))
    if game.effort is not None:
        # the plan of both, by which they have chunks of one shape, goes by the members' steps
        steps = game.effort.steps(world)
        of_pooled = replace(of_pooled, effort=game.effort._replace(steps=lambda _: steps))
    return replace(game, world=world), of_pooled


def share_a_program(data: FederatedData, training: Training) -> bool:
    """Whether a program with room for all rows takes no more steps, and no larger ones.

    Args:
        data: the federation.
        training: how its coalitions train.
    """
    rows_at_once = training.local.batch_size or ROWS_AT_ONCE
    return (
        training.privacy is None
        and rows_at_once <= data.largest
        and data.num_clients * len(data.y) <= ORDERED_AT_MOST
    )


def _of_first(world: World, alone: World) -> World:
    """A federation in which the first client holds all rows and trains, and no other takes part.

    Args:
        world: whose shapes it has.
        alone: the pooled client by itself, whose numbers the first client has.
    """
    data = world.data
    num_clients = data.num_clients
    rows = np.full(num_clients, len(data.y), np.int32)
    return replace(
        world,
        data=replace(
            data,
            offsets=placed(np.zeros(num_clients, np.int32)),
            sizes=placed(rows),
            idle=placed(np.zeros(num_clients, bool)),
        ),
        num_steps=placed(_first_alone(alone.num_steps, num_clients)),
        present=placed(_first_alone(alone.present, num_clients)),
        weights=placed(_first_alone(alone.weights, num_clients)),
    )


def _first_alone(own: Array, num_clients: int) -> HostArray:
    """Numbers [..., 1] of one client as those of the first of several, and 0 for the others."""
    given = np.asarray(own)
    spread = np.zeros((*given.shape[:-1], num_clients), given.dtype)
    spread[..., :1] = given
    return spread
