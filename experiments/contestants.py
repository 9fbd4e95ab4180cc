"""The algorithms that `step_asynchronism` compares, and their runs on one federation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness import Settings
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.learner import Learner
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.steps import gaussian
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import World
from fedjax_shap.typing import Array, HostArray, Params

PATENT_RATE = 0.01  # the patented form's own default eta
PUBLISHED = (0.03, 0.1, 0.5, 1.0)  # lambdas
PATENTED = (0.0, 0.1, 0.5, 1.0)  # lambdas
SLOW = ("patent_lam0.1", "fedagrac_lam1.0", "fedavg")  # run at the patented form's rate too


class Contestant(NamedTuple):
    """An algorithm, and the learning rate of its local steps."""

    algorithm: Algorithm
    learning_rate: float


def contestants(settings: Settings) -> dict[str, Contestant]:
    """All that are compared, by name."""
    rounds = settings["rounds"]
    rate = settings["learning_rate"]
    algorithms = {}
    for name in ("fedavg", "fedprox", "fednova", "scaffold"):
        algorithms[name] = ALGORITHMS[name](max_rounds=rounds)
    for lam in PUBLISHED:
        algorithms[f"fedagrac_lam{lam}"] = ALGORITHMS["fedagrac"](lam=lam, max_rounds=rounds)
    for lam in PATENTED:
        algorithms[f"patent_lam{lam}"] = ALGORITHMS["calibrated"](lam=lam, max_rounds=rounds)
    for name in ("fedadam", "fedyogi", "fedadagrad"):
        algorithms[name] = ALGORITHMS[name](max_rounds=rounds)
    algorithms["fedsgd"] = ALGORITHMS["fedsgd"](learning_rate=rate, max_rounds=rounds)
    every = {name: Contestant(algorithm, rate) for name, algorithm in algorithms.items()}
    for name in SLOW:
        every[f"{name}_eta{PATENT_RATE}"] = every[name]._replace(learning_rate=PATENT_RATE)
    return every


def bound(settings: Settings, data: FederatedData, one: Contestant) -> Learner:
    """A contestant on the federation; the numbers of steps are the same for all but FedSGD."""
    steps = gaussian(
        mean=settings["mean_steps"],
        variance=settings["deviation"] ** 2,
        least=settings["fewest"],
        most=settings["most"],
    )
    client_training = local(
        learning_rate=one.learning_rate,
        batch_size=settings["batch_size"] or None,
        l2=2 * settings["l2"],
    )
    key = jax.random.key(settings["seed"])
    training = Training(linear(), client_training, one.algorithm, key=key, steps=steps)
    return learner(data, training)


def models_by_round(settings: Settings, learning: Learner) -> HostArray:
    """The parameters after each round, as `Objective` takes them: float64[R, (D + 1) L]."""

    def flat(world: World, params: Params) -> Array:
        (layer,) = params.values()
        return jnp.concatenate([layer["kernel"].ravel(), layer["bias"]])

    game = trained(learning, lambda world, params, trace, mask: trace.observed, flat)
    everyone = np.ones((1, game.num_players), bool)
    plan = Plan(chunk=1, layout="client", workers=1, devices=1)
    key = jax.random.key(settings["seed"])
    params = evaluate(game, key, everyone, plan, on_nonfinite="keep")
    return np.asarray(params[0], np.float64)
