"""How many training examples models have seen after each round: what compares trainings whose
rounds differ in length.
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.devices.device import steps_done
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import seeds, steps_by_round
from fedjax_shap.typing import HostArray


class Examples(NamedTuple):
    """Training examples seen after each round, by all members that train together.

    Attributes:
        federated: float[R], by the whole federation.
        alone: float[P, R], by each member on its own; float[0, R] where none is trained.
        pooled: float[R], by the model on all data.
    """

    federated: HostArray
    alone: HostArray
    pooled: HostArray


def examples_by_round(data: FederatedData, training: Training, num_rounds: int) -> HostArray:
    """float[R, C]: the examples that each client trains on in each round, if it takes part alone.

    Args:
        data: the federation.
        training: how its clients train; participation and steps are drawn as they are there.
        num_rounds: R.
    """
    drawn = seeds(training.root_key)
    num_steps = steps_by_round(
        data, training.local, training.algorithm, training.steps, drawn.steps, num_rounds
    )
    present = (training.participation or always())(drawn.participation, *num_steps.shape)
    taking_part = np.asarray(present) >= 1
    return rows_of(steps_done(num_steps, taking_part), np.asarray(data.sizes), training.local)


def alone_and_pooled(
    data: FederatedData,
    trainings: tuple[Training, Training],
    going: HostArray,
    pooled_going: HostArray,
) -> tuple[HostArray, HostArray, HostArray]:
    """What each client trains on in a round, and what members alone and pooled data have seen.

    Args:
        data: the federation.
        trainings: of the clients, and of pooled data.
        going: float[P, R], 1 in a round in which a member alone still trained.
        pooled_going: float[R], likewise of pooled data.

    Returns:
        float[C, R] in each round, float[P, R] and float[R] until then.
    """
    of_clients, of_pooled = trainings
    num_rounds = len(pooled_going)
    each = examples_by_round(data, of_clients, num_rounds).T
    pooled = examples_by_round(data.pooled(), of_pooled, num_rounds)[:, 0]
    alone = np.cumsum(each[: len(going)] * going, axis=1)
    return each, alone, np.cumsum(pooled * pooled_going)


def rows_of(num_steps: HostArray, sizes: HostArray, local: Local) -> HostArray:
    """float[..., C]: the rows in the batches of so many steps from the beginning of a pass.

    Args:
        num_steps: int[..., C], local steps.
        sizes: int[C], rows of the clients.
        local: how they train; the last batch of a pass may have fewer rows than the others.
    """
    if local.batch_size is None:
        return np.asarray(num_steps * sizes, float)
    passes, rest = np.divmod(num_steps, np.maximum(local.steps_per_epoch(sizes), 1))
    rows: HostArray = passes * sizes + rest * local.batch_size
    return rows.astype(float)
