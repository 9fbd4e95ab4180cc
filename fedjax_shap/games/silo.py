"""The cross-silo game: every coalition is trained from one initialisation, alone (Spec 1)."""

from typing import Literal

import jax
import jax.numpy as jnp

from fedjax_shap._validate import integer, number, one_of
from fedjax_shap.coalitions import Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.learning.algorithm import Algorithm, fedavg
from fedjax_shap.learning.federate import World, learner
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.local import local as local_training
from fedjax_shap.learning.metric import metric_for, score
from fedjax_shap.learning.model import Architecture
from fedjax_shap.typing import Array, Key, Params


def silo(
    data: FederatedData,
    model: Architecture,
    local: Local | None = None,
    algorithm: Algorithm | None = None,
    *,
    metric: str = "accuracy",
    report: Literal["final", "best"] = "final",
    skip_rounds: int = 0,
    empty: float | None = None,
    key: Key | None = None,
    initial: Params | None = None,
) -> Game:
    """The game in which V(S) is the metric, on the server's validation set, of the model that S trains alone.

    Args:
        data: the federation; its clients are the players.
        model: the architecture.
        local: local training; one epoch of full-batch SGD if None.
        algorithm: FedAvg with its defaults if None.
        metric: a name in `learning.metric.METRICS`.
        report: "final" values the model of the last round; "best" takes the best metric over the rounds, which is
            optimistic, as some published benchmarks do.
        skip_rounds: with report="best", so many first rounds do not count.
        empty: V(empty set) where given; else the metric of the untrained initial model (Spec 1.2).
        key: seeds the initial parameters; `jax.random.key(0)` if None.
        initial: initial parameters, instead of drawn ones.

    Returns:
        A game of C players whose utilities are scalars.
    """
    one_of("report", report, ("final", "best"))
    algorithm = fedavg() if algorithm is None else algorithm
    integer("skip_rounds", skip_rounds, least=0, most=algorithm.max_rounds - 1)
    if empty is not None:
        number("empty", empty)
    learning = learner(
        data,
        model,
        local_training() if local is None else local,
        algorithm,
        key=jax.random.key(0) if key is None else key,
        initial=initial,
    )
    measure = metric_for(metric, data.validation[1], data.num_classes)

    def value(world: World, key: Key, coalition: Coalition) -> Array:
        def worth(params: Params) -> Array:
            return score(learning.model.apply, measure, params, world.data.validation)

        if report == "final":
            reached = worth(learning.train(world, key, coalition)[0])
        else:
            reached = learning.train(world, key, coalition, worth)[1].observed[skip_rounds:].max()
        without = worth(world.initial) if empty is None and report == "best" else empty
        return reached if without is None else jnp.where(coalition.mask.any(), reached, without)

    return Game(world=learning.world, value=value, num_players=data.num_clients)
