"""Five members of unequal speed: their federations, their values round by round, their payments."""

from typing import Any

import jax
import numpy as np
from scipy.stats import pearsonr

from experiments.harness import Settings
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.label_skew import label_pairs
from fedjax_shap.data.partition import iid
from fedjax_shap.data.sources import digits
from fedjax_shap.economics.settle import settle
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.metric import score
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.task import measure_for
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training, task_of
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import Array, HostArray, Params

SPEEDS = (2, 4, 8, 16, 32)  # local steps a round, slowest member first
FEDERATIONS = ("alike", "pairs")
# Divided by value alone: costs are left at 0, so that payments show the values.
REVENUE = 10_000
# Early values are those after a tenth of the rounds, those of the end the mean over the last tenth.
TENTH = 10


def algorithms(rounds: int) -> dict[str, Algorithm]:
    """Those that are compared, by name."""
    plain = ("fedavg", "fednova", "scaffold")
    compared = {name: ALGORITHMS[name](max_rounds=rounds) for name in plain}
    compared["fedagrac_lam1.0"] = ALGORITHMS["fedagrac"](lam=1.0, max_rounds=rounds)
    compared["patent_lam0.1"] = ALGORITHMS["calibrated"](lam=0.1, max_rounds=rounds)
    return compared


def federation(settings: Settings, name: str, seed: int) -> FederatedData:
    """One of `FEDERATIONS`, its rows dealt out under a seed."""
    members = len(SPEEDS)
    partition = iid(num_clients=members)
    if name == "pairs":
        partition = label_pairs(num_clients=members, major=settings["major"])
    return federate(digits(), partition, seed=seed)


def speeds(seed: int) -> HostArray:
    """int[C], the place in `SPEEDS` of each member; over five seeds each has every speed once."""
    return (np.arange(len(SPEEDS)) + seed) % len(SPEEDS)


def steps_of(seed: int, *, unequal: bool) -> tuple[int, ...]:
    """The local steps of each member in a round; the mean of `SPEEDS` for all if not unequal."""
    if not unequal:
        return (round(np.mean(SPEEDS)),) * len(SPEEDS)
    return tuple(SPEEDS[place] for place in speeds(seed))


def values(
    settings: Settings, name: str, algorithm: Algorithm, seed: int, *, unequal: bool
) -> HostArray:
    """float64[C, R]: exact Shapley values after each round, slowest member first."""
    data = federation(settings, name, seed)
    key = jax.random.key(seed)
    client_training = local(
        steps=steps_of(seed, unequal=unequal),
        learning_rate=settings["learning_rate"],
        batch_size=settings["batch_size"],
        l2=settings["l2"],
    )
    training = Training(linear(), client_training, algorithm, key=key)
    learning = learner(data, training)
    metric = measure_for(task_of(training, data), data, settings["metric"])

    def worth(world: World, params: Params) -> Array:
        return score(learning.model.apply, metric, params, world.data.validation)

    def after_rounds(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        return trace.observed

    masks = all_subsets(len(SPEEDS))
    plan = Plan(chunk=len(masks), layout="client")
    utilities = evaluate(trained(learning, after_rounds, worth), key, masks, plan)
    return shapley_values(utilities)[np.argsort(speeds(seed))]


def summary(values: HostArray) -> dict[str, Any]:
    """What follows from values [seeds, C, R] early and in the end, and round by round."""
    tenth = max(values.shape[-1] // TENTH, 1)
    along = [[_correlation(each) for each in of_seed.T] for of_seed in values]
    return {
        "early": _stage(values[:, :, tenth - 1]),
        "end": _stage(values[:, :, -tenth:].mean(axis=-1)),
        "mean_values_by_round": values.mean(axis=0).T.tolist(),
        "correlation_by_round": np.mean(along, axis=0).tolist(),
    }


def _stage(values: HostArray) -> dict[str, Any]:
    """Values [seeds, C], slowest member first, and what follows from them, a number a seed.

    The premium is how much more the two fastest are paid than the two slowest, in equal shares.
    """
    settled = [settle(list(each), [0] * len(SPEEDS), REVENUE).payments for each in values]
    paid = np.array(settled, float)
    spread = (values.max(axis=1) - values.min(axis=1)) / values.mean(axis=1)
    more = paid[:, -2:].mean(axis=1) - paid[:, :2].mean(axis=1)
    return {
        "values": values.tolist(),
        "payments": paid.tolist(),
        "grand": values.sum(axis=1).tolist(),
        "correlation": [_correlation(each) for each in values],
        "spread": spread.tolist(),
        "premium": (more / (REVENUE / len(SPEEDS))).tolist(),
    }


def _correlation(values: HostArray) -> float:
    """Pearson's, of values and local steps."""
    return float(pearsonr(SPEEDS, values).statistic)
