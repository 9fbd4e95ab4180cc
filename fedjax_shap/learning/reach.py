"""Whether local steps carry a round further than an algorithm was shown to bear."""

import jax
import numpy as np

from fedjax_shap._validate import caution
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.training import Training, model_of
from fedjax_shap.learning.world import seeds, steps_by_round
from fedjax_shap.typing import HostArray

MOST_ROWS = 2_000  # of which the curvature is estimated


def warn_of_reach(data: FederatedData, training: Training, *, inner_rounds: int = 1) -> None:
    """Warns where the rounds of everyone carry a network further than was shown to work.

    FedaGrac, the patented calibration and FedNova follow gradients taken at x_t, or near it, for
    about eta K_i; where that is long for the curvature of the loss, rounds overshoot: float64 loops
    of the papers' algorithms do the same. The measure is `algorithm.reach` of the members who take
    part, the mean over rounds. Softmax regression recovered from any overshoot, so models of one
    layer are not warned of.

    Args:
        data: the federation.
        training: how it learns; where only its transformation knows the learning rate, or rows have
            quantities, nothing is known.
        inner_rounds: aggregations a round.
    """
    algorithm = training.algorithm
    rate = training.local.learning_rate
    if algorithm.reach is None or rate is None or data.num_classes is None:
        return
    if not _has_hidden_layers(data, training):
        return
    step = rate * curvature(data)
    drawn = seeds(training.root_key)
    num_rounds = algorithm.max_rounds
    num_steps = steps_by_round(
        data, training.local, algorithm, training.steps, drawn.steps, num_rounds * inner_rounds
    )
    participation = training.participation or always()
    who = participation(drawn.participation, num_rounds, data.num_clients)
    present = np.repeat(np.asarray(who) >= 1, inner_rounds, axis=0)
    weights = np.asarray(algorithm.weights(np.asarray(data.sizes)), np.float64) * present
    there = weights.sum(axis=1) > 0
    reached = [
        algorithm.reach(steps, row / row.sum(), step)
        for steps, row in zip(num_steps[there], weights[there])
    ]
    if reached and np.mean(reached) > 1:
        caution(
            f"The local steps are {np.mean(reached):.1f} times as long as this algorithm was shown "
            f"to bear on networks (learning_rate={rate:g}, up to {num_steps.max()} steps a round): "
            "rounds may overshoot and the model be worse than FedAvg's; take a smaller "
            "learning_rate, fewer steps, or scaffold."
        )


def curvature(data: FederatedData) -> float:
    """h, the curvature of softmax regression at the start along its steepest direction.

    That is the largest eigenvalue of the mean of (x, 1) (x, 1)^T over the members' examples,
    divided by the number of classes. It stands for that of any model of these examples; 0 where
    examples are not real numbers.
    """
    rows = _some_rows(data)
    if not np.issubdtype(rows.dtype, np.floating):
        return 0.0
    features = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    return float(np.linalg.norm(features, 2) ** 2 / len(features) / data.classes)


def _some_rows(data: FederatedData) -> HostArray:
    """float[T, D]: about `MOST_ROWS` of the members' examples, evenly from each."""
    stride = max(int(np.asarray(data.sizes).sum()) // MOST_ROWS, 1)
    taken = [data.client(index)[0][::stride] for index in range(data.num_clients)]
    rows = np.concatenate(taken)
    return rows.reshape(len(rows), -1)


def _has_hidden_layers(data: FederatedData, training: Training) -> bool:
    """Whether a model has more than one matrix of weights."""
    params = jax.eval_shape(model_of(training, data).init, jax.random.key(0))
    matrices = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim >= 2]
    return len(matrices) > 1
