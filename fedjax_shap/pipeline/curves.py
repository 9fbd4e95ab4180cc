"""How models learn round by round: the federation's, beside one of pooled data and of each member
alone.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.folders import ALONE, CURVES, POOLED
from fedjax_shap.engine.store import fingerprint
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import curves
from fedjax_shap.learning.metric import Metric
from fedjax_shap.learning.training import Training
from fedjax_shap.pipeline.examples_seen import Examples
from fedjax_shap.pipeline.joint_model import JointModel
from fedjax_shap.pipeline.pooled import beside_pooled
from fedjax_shap.pipeline.surplus import Noise, Trained
from fedjax_shap.typing import HostArray, Key, Masks, Params, Utilities
from fedjax_shap.valuation.estimate import game_key
from fedjax_shap.valuation.options import Options

MOST_NUMBERS = 2_000_000  # float64 numbers that all curves and models are kept in
MOST_ALONE = 24  # members are trained alone for the curves where there are no more than this many


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """What models reach on the test set, by round, and the model that everyone's training gives.

    Attributes:
        label: what that is, the metric of the game as people read it, such as "accuracy" or "RMSE".
        federated: float[R], the whole federation.
        alone: float[P, R], each member on its own; None where there are too many members to train
            each.
        pooled: float[R], one model on all data.
        pooled_metric: that model's V on the validation set, by the same report as the
            federation's; NaN where its training diverged.
        num_rounds: how many rounds the federation's training took.
        joint: the model that the federation's training ended with; None where it is not kept.
        examples: training examples seen after each of those rounds.
        surplus: what the validation set leaves open of V(N) - V(empty); None where that is not
            known.
    """

    federated: HostArray
    alone: HostArray | None
    pooled: HostArray
    pooled_metric: float
    num_rounds: int
    label: str = "accuracy"
    joint: JointModel | None = None
    examples: Examples | None = None
    surplus: Noise | None = None

    def to_json(self) -> dict[str, Any]:
        """The curves as a dict that JSON can hold: None for what is not finite."""
        alone = None if self.alone is None else [finite_or_none(one) for one in self.alone]
        seen = self.examples
        return {
            "federated": finite_or_none(self.federated),
            "alone": alone,
            "pooled": finite_or_none(self.pooled),
            "label": self.label,
            "examples": seen and {name: rows.tolist() for name, rows in seen._asdict().items()},
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
    metric: str | Metric | None,
    part: str = CURVES,
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
    return np.moveaxis(evaluated(game, masks, options, key=key, part=part), 1, 0)


def evaluated(game: Game, masks: Masks, options: Options, *, key: Key, part: str) -> Utilities:
    """What the coalitions of a game are worth, kept in a store of its own.

    Args:
        game: such as `games.silo.curves`.
        masks: bool[M, C], the coalitions.
        options: the plan, the stores and the progress.
        key: as in `estimate`.
        part: the name of the store.

    Returns:
        float64[M, ...]; NaN where a training diverged.
    """
    seed = game_key(key)
    store = options.store(part, lambda: fingerprint(game, seed))
    return evaluate(game, seed, masks, options.plan, store, options.progress, on_nonfinite="keep")


class Followed(NamedTuple):
    """Trainings followed round by round.

    Attributes:
        rows: float64[4, M, R], a row for each coalition, see `games.silo.curves`; NaN where a
            training diverged.
        pooled: float64[R], the score of pooled data on the test set.
        pooled_metric: float64[R], its V on the validation set.
        pooled_going: float64[R], 1 in a round in which pooled data still trained.
        params: the parameters of everyone's model; None where it is not kept.
    """

    rows: HostArray
    pooled: HostArray
    pooled_metric: HostArray
    pooled_going: HostArray
    params: Params | None = None


def follow_all(
    data: FederatedData,
    training: Training,
    pooled: Training,
    options: Options,
    *,
    key: Key,
    metric: str | Metric | None,
) -> tuple[Followed, Trained]:
    """Follows the training of everyone, of each member alone where there are not too many, and of
    pooled data.

    Args:
        data: the federation.
        training: how a coalition trains.
        pooled: how one client with all data trains.
        options: the plan, the stores and the progress.
        key: as in `estimate`.
        metric: what is followed on the validation set.

    Returns:
        (the A members alone and then everyone; the model of everyone). The model is an output of
        the same training, so that a run that goes on from its stores has it without training.
    """
    alone = members_alone(data.num_clients)
    everyone = np.ones((1, data.num_clients), bool)
    rounds = training.algorithm.max_rounds
    game = curves(data, training, metric=metric, keeps_model=True)
    initial = jax.tree.map(np.asarray, game.world.initial)
    num_params = sum(leaf.size for leaf in jax.tree.leaves(initial))
    # every coalition's utility has room for a model, of which one is used
    together = num_params * (len(alone) + 1) <= MOST_NUMBERS
    masks = np.concatenate([alone, everyone]) if together else everyone
    game, of_pooled = beside_pooled(game, data, training, pooled, metric)
    settings: dict[str, Any] = {"key": key, "metric": metric}
    followed = evaluated(game, masks, options, key=key, part=CURVES)
    rows = followed[:, : 4 * rounds].reshape(-1, 4, rounds)
    if not together:
        others = follow(data, training, alone, options, **settings, part=ALONE)
        rows = np.concatenate([np.moveaxis(others, 1, 0), rows])
    _, going, tested, on_validation = follow_pooled(of_pooled, masks, rounds, options, key=key)
    params = unflattened(initial, followed[-1, 4 * rounds :])
    found = Followed(np.moveaxis(rows, 1, 0), tested, on_validation, going, params)
    return found, Trained(initial, params)


def follow_alone(
    data: FederatedData,
    training: Training,
    pooled: Training,
    options: Options,
    *,
    key: Key,
    metric: str | Metric | None,
) -> Followed:
    """Follows the training of each member alone, and of pooled data.

    Args:
        data: the federation.
        training: how a member trains.
        pooled: how one client with all data trains.
        options: the plan, the stores and the progress.
        key: as in `estimate`.
        metric: what is followed on the validation set.
    """
    masks = members_alone(data.num_clients)
    rounds = training.algorithm.max_rounds
    if not len(masks):
        of_pooled = curves(data.pooled(), pooled, metric=metric)
        rows = np.zeros((4, 0, rounds))
    else:
        game = curves(data, training, metric=metric)
        game, of_pooled = beside_pooled(game, data, training, pooled, metric)
        rows = np.moveaxis(evaluated(game, masks, options, key=key, part=CURVES), 1, 0)
    _, going, tested, on_validation = follow_pooled(of_pooled, masks, rounds, options, key=key)
    return Followed(rows, tested, on_validation, going)


def follow_pooled(
    game: Game, masks: Masks, rounds: int, options: Options, *, key: Key
) -> HostArray:
    """Follows one model on all data round by round: float64[4, R], see `games.silo.curves`.

    Args:
        game: the pooled client's, see `pooled.beside_pooled`.
        masks: bool[M, C], the coalitions that were followed beside it, the first with player 0. A
            game of the same shapes is asked for the same ones, so that no other program is needed;
            all that have player 0 are one training.
        rounds: R.
        options: the plan and the stores.
        key: as in `estimate`.
    """
    silent = replace(options, progress=None)
    if game.num_players == 1:
        masks = np.ones((1, 1), bool)
    followed = evaluated(game, masks, silent, key=key, part=POOLED)
    pooled: HostArray = followed[0].reshape(-1)[: 4 * rounds].reshape(4, rounds)
    return pooled


def unflattened(like: Params, numbers: HostArray) -> Params:
    """Parameters of the shapes and types of `like`, of which `numbers` float64[K] has one after
    another, as `ravel_pytree` puts them.
    """
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    pieces = np.split(numbers, ends)
    return jax.tree.unflatten(
        structure,
        [piece.reshape(leaf.shape).astype(leaf.dtype) for piece, leaf in zip(pieces, leaves)],
    )
