"""FLamby's Fed-Heart-Disease: its settings, its published accuracies, and our models under them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from benchmarks.torch_draws import linear_layers
from fedjax_shap._validate import require
from fedjax_shap.data import files
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.published import HEART_FEATURES, HOSPITALS
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.model import Model, linear
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import HostArray, PyTree

SERVER = {"b1": 0.9, "eps": 1e-8, "initial_accumulator": 0.0}
ORIGIN = "FLamby's repository, its results for Fed-Heart-Disease by seed"
ORDERS = 2  # of batches, under each seed
RATE = 0.001  # of Adam, in pooled and local training


class Method(NamedTuple):
    """One of FLamby's federated methods.

    Attributes:
        algorithm: ours, by its name in the registry.
        rate: the learning rate of local SGD.
        keywords: of the algorithm.
    """

    algorithm: str
    rate: float
    keywords: Mapping[str, Any]


FEDERATED = {
    "FedAvg": Method("fedavg", 0.001, {}),
    "FedProx": Method("fedprox", 0.001, {"mu": 0.01}),
    "Scaffold": Method("scaffold", 0.001, {"server_learning_rate": 1.0}),
    "FedAdam": Method("fedadam", 0.01, {**SERVER, "server_learning_rate": 0.01, "b2": 0.999}),
    "FedYogi": Method("fedyogi", 0.003162, {**SERVER, "server_learning_rate": 0.01, "b2": 0.999}),
    "FedAdagrad": Method("fedadagrad", 0.003162, {**SERVER, "server_learning_rate": 0.316228}),
}
POOLED = "Pooled Training"
LOCAL = tuple(f"Local {i}" for i in range(len(HOSPITALS)))
METHODS = (*LOCAL, POOLED, *FEDERATED)
TESTS = (*(f"client_test_{i}" for i in range(len(HOSPITALS))), "Pooled Test")


def published(folder: str | None, seeds: Sequence[int]) -> dict[str, list[list[float]]]:
    """FLamby's accuracies: {method: [[in each hospital, on the pooled test] for each seed]}.

    Raises:
        InvalidInputError: no such file, or one without a method or a test set.
    """
    accuracies: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    for seed in seeds:
        path = files.locate(folder, "flamby_results", [f"heart_seed{seed}.csv"], origin=ORIGIN)
        recorded = {}
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                method = row["Method"].removesuffix("100")
                recorded[method, row["Test"]] = row["Metric"]
        for name in METHODS:
            cells = [(name, test) for test in TESTS]
            present = all(cell in recorded for cell in cells)
            require(present, f"Expected {path} to have the rows {cells}.")
            accuracies[name].append([float(recorded[cell]) for cell in cells])
    return accuracies


class Trained(NamedTuple):
    """The models with which coalitions end.

    Attributes:
        params: float[orders, seeds, M, D], each model's parameters in a row.
        like: parameters of one model in their own structure.
        model: applies them.
    """

    params: HostArray
    like: PyTree
    model: Model

    def classes(self, params: HostArray, x: HostArray) -> HostArray:
        """int[T], what the model of parameters float[D] says of x[T, 13]."""
        _, restore = ravel_pytree(self.like)
        outputs = self.model.apply(restore(jnp.asarray(params, jnp.float32)), jnp.asarray(x))
        return np.asarray(outputs.argmax(-1))


def train(
    data: FederatedData, local: Local, algorithm: Algorithm, masks: HostArray, seeds: Sequence[int]
) -> Trained:
    """Logistic regression from PyTorch's initial weights, under several orders of batches.

    Args:
        data: the federation.
        local: how a client trains.
        algorithm: what members and server do.
        masks: bool[M, P], who trains.
        seeds: of PyTorch's initial weights, and with the number of the order of the batches.
    """
    training = Training(linear(output="sigmoid"), local, algorithm, key=jax.random.key(0))
    learning = learner(data, training)
    game = trained(learning, lambda world, params, trace, mask: ravel_pytree(params)[0])
    starts = [jax.tree.map(jnp.asarray, linear_layers(seed, (HEART_FEATURES, 1))) for seed in seeds]
    games = [replace(game, world=replace(learning.world, initial=start)) for start in starts]
    orders = []
    for order in range(ORDERS):
        ends = []
        for of, seed in zip(games, seeds, strict=True):
            key = jax.random.fold_in(jax.random.key(seed), order)
            ends.append(evaluate(of, key, masks))
        orders.append(ends)
    return Trained(np.asarray(orders), learning.world.initial, learning.model)
