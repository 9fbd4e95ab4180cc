"""Runs in which few clients take part: twins with the same data, and clients with noisy labels.

References:
    Fan, Fang, Zhou, Pei, Friedlander, Liu, Zhang 2022, "Improving fairness for data valuation in
    horizontal federated learning".
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.harness import Settings
from fedjax_shap.data.corrupt import corrupt, duplicate, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.partition import iid
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.sources import load
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.participation import uniform
from fedjax_shap.learning.training import Training
from fedjax_shap.report.style import BLUE, GREEN, ORANGE, RED
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.in_run import Method, estimate_rounds
from fedjax_shap.valuation.in_run_methods import comfedsv, taylor
from fedjax_shap.valuation.options import Options

LIGHT_BLUE = "#8fb3d9"
TWINS: dict[str, Any] = {
    "clients": 10,
    "participants": 3,
    "rounds": 10,
    "images": 6_000,
    "test_images": 1_000,
}
NOISE: dict[str, Any] = {
    "clients": 100,
    "noisy": 10,
    "rate": 0.3,
    "participants": 10,
    "images": 20_000,
    "test_images": 1_000,
}
TRAINING: dict[str, Any] = {"learning_rate": 0.1, "batch_size": 16, "epochs": 1}
# Coalitions a round of the noisy federation: all of 10 participants, and orders of 100.
BUDGET = 2_048
# With completion, nearly all for the first round: 464 orders, N log N of them.
COMPLETED_BUDGET = 46_000


class Way(NamedTuple):
    """A way of valuing the clients of a run.

    Attributes:
        name: in the record.
        method: for few clients.
        of_many: for a hundred: orders where there are too many coalitions.
        everyone_first: whether all take part in the first round.
        budget: coalitions a round of the noisy federation.
        color: in the figure.
    """

    name: str
    method: Callable[[], Estimator | Method]
    of_many: Callable[[], Estimator | Method]
    everyone_first: bool
    budget: int
    color: str


def _unweighted() -> Method:
    """The objective of completion as published."""
    return comfedsv(weighted=False)


WAYS = (
    Way("federated", exact, permutation, False, BUDGET, RED),
    Way("federated, everyone first", exact, permutation, True, BUDGET, ORANGE),
    Way("completed", comfedsv, comfedsv, True, COMPLETED_BUDGET, BLUE),
    Way("completed, unweighted", _unweighted, _unweighted, True, COMPLETED_BUDGET, LIGHT_BLUE),
    Way("first order", taylor, taylor, False, BUDGET, GREEN),
)


def pool_of(folder: str | None, images: int, test_images: int, seed: int) -> Pool:
    """So many images of MNIST from a folder, or all embedded digits where there is none."""
    if folder is None:
        return load("digits", seed=seed)
    return load(
        "mnist", folder=folder, flat=True, train_limit=images, test_limit=test_images, seed=seed
    )


def federation(folder: str | None, settings: Mapping[str, Any], seed: int) -> FederatedData:
    """The rows of a pool, dealt out at random to `settings["clients"]`."""
    pool = pool_of(folder, settings["images"], settings["test_images"], seed)
    return federate(pool, iid(num_clients=settings["clients"]), seed=seed)


def training_of(participants: int, length: int, seed: int) -> Training:
    """Softmax regression for `length` rounds, so many clients a round."""
    return Training(
        linear(),
        local(**TRAINING),
        fedavg(max_rounds=length, weights="uniform"),
        participation=uniform(participants=participants),
        key=jax.random.key(seed),
    )


def valued(
    data: FederatedData,
    training: Training,
    index: Callable[[Way, Rounds], float],
) -> dict[str, float]:
    """A number for each of `WAYS`; ways with the same first round share one run."""
    numbers = {}
    for first in (False, True):
        run = rounds(data, training, metric="negative_loss", everyone_first=first)
        for way in WAYS:
            if way.everyone_first == first:
                numbers[way.name] = index(way, run)
    return numbers


def gap(values: HostArray) -> float:
    """|phi_0 - phi_9| / max(phi_0, phi_9); infinite where neither is worth more than 0."""
    first = float(values[0])
    last = float(values[-1])
    largest = max(first, last)
    if largest <= 0:
        return np.inf
    return abs(first - last) / largest


def jaccard(values: HostArray, noisy: set[int]) -> float:
    """The Jaccard index of the noisy and of as many clients with the lowest values.

    It is the number of clients in both sets, over the number in either.
    """
    lowest = set(np.argsort(values, kind="stable")[: len(noisy)].tolist())
    return len(lowest & noisy) / len(lowest | noisy)


def twins(settings: Settings, folder: str | None) -> dict[str, list[float]]:
    """The gap of the twins in each way; data, start and who takes part differ by repeat."""
    last = TWINS["clients"] - 1
    each = []
    for seed in range(settings["repeats"]):
        data = federation(folder, TWINS, seed)
        data = corrupt(data, [duplicate(client=last, of=0)], seed=seed)
        training = training_of(TWINS["participants"], TWINS["rounds"], seed)
        each.append(valued(data, training, partial(_gap, seed)))
    return _by_way(each)


def _gap(seed: int, way: Way, run: Rounds) -> float:
    """How far the values of one way set the twins apart."""
    return gap(estimate_rounds(run, way.method(), key=jax.random.key(seed)).values)


def noise(settings: Settings, folder: str | None) -> dict[str, list[float]]:
    """The Jaccard index in each way, one for each seed."""
    each = []
    for seed in range(settings["seeds"]):
        data = federation(folder, NOISE, seed)
        order = np.random.default_rng([seed, 1]).permutation(NOISE["clients"]).tolist()
        noisy = order[: NOISE["noisy"]]
        flipped = [label_noise(client=client, rate=NOISE["rate"]) for client in noisy]
        training = training_of(NOISE["participants"], settings["rounds"], seed)
        each.append(
            valued(corrupt(data, flipped, seed=seed), training, partial(_index, seed, set(noisy)))
        )
    return _by_way(each)


def _index(seed: int, noisy: set[int], way: Way, run: Rounds) -> float:
    """How well the values of one way identify the noisy."""
    options = Options(budget=way.budget)
    values = estimate_rounds(run, way.of_many(), options, key=jax.random.key(seed)).values
    return jaccard(values, noisy)


def _by_way(each: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {way.name: [numbers[way.name] for numbers in each] for way in WAYS}
