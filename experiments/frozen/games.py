"""Seven federations small enough that every coalition can be trained: 8 to 14 players.

All data come with scikit-learn, so that anybody can train them again. A seed decides the initial
weights and the batches; who holds which rows is the same for every seed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes

from fedjax_shap.data.aligned import columns
from fedjax_shap.data.corrupt import corrupt, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.label_skew import dirichlet, shards
from fedjax_shap.data.partition import quantity
from fedjax_shap.data.sources import breast_cancer, digits
from fedjax_shap.data.transfer_splits import by_columns
from fedjax_shap.data.vertical import from_blocks
from fedjax_shap.games.game import Game
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.games.statistics import merged, ridge
from fedjax_shap.games.transfer import transfer
from fedjax_shap.games.vertical import logistic, vertical
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.participation import dropping, independent
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import Key

DIGITS = "scikit-learn's digits (UCI optical recognition of handwritten digits), CC BY 4.0"
BREAST_CANCER = "scikit-learn's breast cancer (UCI breast cancer Wisconsin, diagnostic), CC BY 4.0"
DIABETES = "scikit-learn's diabetes (Efron, Hastie, Johnstone, Tibshirani 2004), with scikit-learn"
WRONG_LABELS = 0.05  # of client i of `silo`, times i
PRESENT = (0.9, 0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)  # of each device of `absence`, a round
LEAVES = 0.1  # before it has uploaded
HELD_OUT = 112  # of the 442 patients of diabetes
GROUPS = 12
BODY_MASS = 2  # its column
Made = Sequence[tuple[Game, Key]]


class Frozen(NamedTuple):
    """A federation whose coalitions are all trained.

    Attributes:
        make: seed -> games and the keys they are valued with; a coalition is worth the sum of what
            it is worth in each.
        about: what the players are, what is trained, and what a coalition is worth.
        unit: of the utilities.
        data: its name and its licence.
        noisy: whether another seed would give other utilities.
    """

    make: Callable[[int], Made]
    about: str
    unit: str
    data: str
    noisy: bool = True


def cross_silo(seed: int) -> Made:
    """Digits among 10 clients of unequal size, client i with 5 i percent wrong labels."""
    data = federate(digits(), quantity(num_clients=10, alpha=2.0, min_size=20), seed=1)
    wrong = [label_noise(client=client, rate=WRONG_LABELS * client) for client in range(10)]
    data = corrupt(data, wrong, seed=1)
    key = jax.random.key(seed)
    training = local(learning_rate=0.1, batch_size=32, epochs=1)
    how = Training(mlp(hidden=(32,)), training, fedavg(max_rounds=10), key=key)
    return [(silo(data, how, metric="negative_loss"), key)]


def label_skew(seed: int) -> Made:
    """Digits among 12 clients, each with two shards of the rows sorted by class."""
    data = federate(digits(), shards(num_clients=12, classes_per_client=2), seed=0)
    key = jax.random.key(seed)
    training = local(learning_rate=0.1, batch_size=32, steps=4)
    how = Training(linear(), training, fedavg(max_rounds=8), key=key)
    return [(silo(data, how, metric="accuracy"), key)]


def in_run(seed: int) -> Made:
    """Three rounds of one run on the digits with skewed labels, 14 clients."""
    data = federate(digits(), dirichlet(num_clients=14, alpha=0.5), seed=0)
    key = jax.random.key(seed)
    training = local(learning_rate=0.1, batch_size=32, epochs=1)
    how = Training(linear(), training, fedavg(max_rounds=3), key=key)
    return [(one.game, key) for one in rounds(data, how, metric="negative_loss").play(key)]


def of_columns(seed: int) -> Made:
    """Ten measurements of tumours at a party each, with labels at a registry."""
    x, y = load_breast_cancer(return_X_y=True)
    names = load_breast_cancer().feature_names
    # each measurement has a mean, a standard error and a worst value
    parties = {str(names[one]).removeprefix("mean "): x[:, one::10] for one in range(10)}
    held = columns(from_blocks(parties, y, label_holder="registry"), test_fraction=0.5, seed=0)
    return [(vertical(held, logistic(), metric="roc_auc"), jax.random.key(seed))]


def to_a_target(seed: int) -> Made:
    """Eight sources with a measurement of tumours each teach a target with two, and 20 labels."""
    pool = breast_cancer(test_fraction=0.5)
    # each measurement has a mean, a standard error and a worst value
    held = {f"source {one}": [one, one + 10, one + 20] for one in range(8)}
    held["target"] = [8, 18, 28, 9, 19, 29]
    data = by_columns(
        pool.x, pool.y, pool.test, held, target="target", overlap=150, labels=20, seed=0
    )
    game = transfer(
        data,
        linear(initializer="lecun"),
        dimension=8,
        steps=60,
        learning_rate=0.02,
        tell_labels=True,
        metric="negative_loss",
        key=jax.random.key(seed),
    )
    return [(game, jax.random.key(seed))]


def of_sums(seed: int) -> Made:
    """Diabetes among 12 groups of patients by body mass, who send sums for a ridge regression."""
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    train = train[np.argsort(x[train, BODY_MASS], kind="stable")]
    groups = [(x[own], y[own]) for own in np.array_split(train, GROUPS)]
    data = from_arrays(groups, (x[test], y[test]), quantities=True)
    return [(merged(data, ridge(penalty=0.01), metric="r2"), jax.random.key(seed))]


def with_absence(seed: int) -> Made:
    """Breast cancer on nine devices that are present in 90 to 30 percent of the rounds."""
    data = federate(breast_cancer(), quantity(num_clients=9, alpha=3.0, min_size=8), seed=0)
    key = jax.random.key(seed)
    training = local(learning_rate=0.05, batch_size=16, steps=3)
    how = Training(
        linear(),
        training,
        fedavg(max_rounds=8),
        key=key,
        participation=dropping(independent(probability=PRESENT), LEAVES),
    )
    return [(silo(data, how, metric="negative_loss"), key)]


FROZEN: Mapping[str, Frozen] = {
    "silo": Frozen(
        cross_silo,
        "10 clients share the digits in unequal parts and client i has 5 i percent wrong labels; "
        "an MLP of 32 hidden units, FedAvg, 10 rounds of an epoch; minus the log-loss",
        "nats",
        DIGITS,
    ),
    "label_skew": Frozen(
        label_skew,
        "12 clients have two shards each of the digits sorted by class; softmax regression, "
        "FedAvg, 8 rounds of 4 steps; accuracy",
        "fraction of test images",
        DIGITS,
    ),
    "rounds": Frozen(
        in_run,
        "14 clients of one run on the digits, labels skewed by Dirichlet 0.5; softmax regression, "
        "FedAvg; the sum over 3 rounds of minus the log-loss of the mixture of a coalition's "
        "uploads",
        "nats",
        DIGITS,
    ),
    "vertical": Frozen(
        of_columns,
        "10 parties hold a measurement of tumours each (mean, standard error, worst), and a "
        "registry, in every coalition, the labels; logistic regression; ROC-AUC",
        "area",
        BREAST_CANCER,
        noisy=False,
    ),
    "transfer": Frozen(
        to_a_target,
        "8 sources know a measurement of tumours each and teach a target, in every coalition, that "
        "knows two others and 20 labels; federated transfer learning of 60 steps; minus the "
        "log-loss",
        "nats",
        BREAST_CANCER,
    ),
    "statistics": Frozen(
        of_sums,
        "12 groups of patients, sorted by body mass, send Gram matrices for a ridge regression of "
        "the progression of diabetes; R squared",
        "fraction of variance",
        DIABETES,
        noisy=False,
    ),
    "absence": Frozen(
        with_absence,
        "9 devices share breast cancer in unequal parts, are present in 90 to 30 percent of the "
        "rounds, and leave 10 percent of these before they upload; logistic regression, FedAvg, "
        "8 rounds of 3 steps; minus the log-loss",
        "nats",
        BREAST_CANCER,
    ),
}
