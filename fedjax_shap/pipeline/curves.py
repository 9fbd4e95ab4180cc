"""How models learn round by round: the federation's, beside one of pooled data and of each member
alone.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.store import fingerprint
from fedjax_shap.games.silo import curves
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import HostArray, Key, Masks
from fedjax_shap.valuation.estimate import game_key
from fedjax_shap.valuation.options import Options

MOST_ALONE = 24  # members are trained alone for the curves where there are no more than this many


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """What models reach on the test set, by round.

    Attributes:
        label: what that is, such as "accuracy" or "R^2".
        federated: float[R], the whole federation.
        alone: float[P, R], each member on its own; None where there are too many members to train
            each.
        pooled: float[R], one model on all data.
        pooled_metric: that model's V on the validation set, by the same report as the
            federation's; NaN where its training diverged.
        num_rounds: how many rounds the federation's training took.
    """

    federated: HostArray
    alone: HostArray | None
    pooled: HostArray
    pooled_metric: float
    num_rounds: int
    label: str = "accuracy"

    def to_json(self) -> dict[str, Any]:
        """The curves as a dict that JSON can hold: None for what is not finite."""
        alone = None if self.alone is None else [finite_or_none(one) for one in self.alone]
        return {
            "federated": finite_or_none(self.federated),
            "alone": alone,
            "pooled": finite_or_none(self.pooled),
            "label": self.label,
        }


def finite_or_none(numbers: HostArray) -> list[float | None]:
    """Numbers as JSON has them: None where one is not finite."""
    return [float(number) if np.isfinite(number) else None for number in numbers]


def members_alone(num_clients: int) -> Masks:
    """bool[M, C]: the coalitions of one member, or none where there are too many members."""
    members = np.eye(num_clients, dtype=bool)
    return members if num_clients <= MOST_ALONE else members[:0]


def follow(
    data: FederatedData,
    training: Training,
    masks: Masks,
    options: Options,
    *,
    key: Key,
    metric: str | None,
    part: str = "curves",
) -> HostArray:
    """Follows the trainings of coalitions round by round.

    Args:
        data: the federation.
        training: how a coalition trains.
        masks: bool[M, C], the coalitions.
        options: the plan, the stores and the progress.
        key: as in `estimate`.
        metric: what is followed on the validation set; the task's default if None.
        part: the name of the store.

    Returns:
        float64[4, M, R], see `games.silo.curves`; NaN where a training diverged.
    """
    if not len(masks):
        return np.zeros((4, 0, training.algorithm.max_rounds))
    game = curves(data, training, metric=metric)
    seed = game_key(key)
    store = options.store(part, lambda: fingerprint(game, seed))
    followed = evaluate(
        game, seed, masks, options.plan, store, options.progress, on_nonfinite="keep"
    )
    return np.moveaxis(followed, 1, 0)


def follow_pooled(
    data: FederatedData, training: Training, options: Options, *, key: Key, metric: str | None
) -> tuple[HostArray, HostArray]:
    """Follows one model on all data round by round.

    Args:
        data: the federation.
        training: how one client with all data trains.
        options: the plan and the stores.
        key: as in `estimate`.
        metric: what is followed on the validation set; the task's default if None.

    Returns:
        (float64[R], the score on the test set; float64[R], V on the validation set).
    """
    silent = replace(options, progress=None)
    one = np.ones((1, 1), bool)
    _, _, tested, on_validation = follow(
        data.pooled(), training, one, silent, key=key, metric=metric, part="pooled"
    )
    return tested[0], on_validation[0]
