"""Federations of kernel machines: members send support vectors, on whose union one is fitted."""

from functools import cache
from typing import Any

import jax
import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.support_vectors import support_vectors
from fedjax_shap.learning.task import measure_for
from fedjax_shap.learning.tasks import classification, task_for
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.federation import game_keywords
from fedjax_shap.pipeline.loaded import loaded
from fedjax_shap.pipeline.settings.setting import Setting
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

SECTIONS_USED = (
    "data",
    "partition",
    "corrupt",
    "task",
    "game",
    "estimator",
    "costs",
    "economics",
    "plan",
)


def kernel_machines(config: Config) -> Setting:
    """The federation of a configuration whose game is `support_vectors`."""
    config, data, asked, notes = loaded(config)
    task = task_for(asked, data)
    metrics = classification()
    require(
        task.name == metrics.name,
        f"Expected task={task.name!r} to be {metrics.name!r} with a kernel machine, which tells "
        "classes apart.",
    )
    settings = game_keywords(config)
    measure = measure_for(task, data, settings.get("metric"))
    key = jax.random.fold_in(jax.random.key(config.seed), 1)

    @cache
    def game() -> HostGame:
        return support_vectors(data, **settings)

    def attribution(estimator: Any, options: Options, /) -> Attribution:
        return estimate(game(), estimator, options, key=key)

    return Setting(
        kind="support vectors",
        players=data.names,
        sizes=np.asarray(data.sizes),
        metric=measure.name,
        metric_label=measure.label,
        metric_sign=measure.sign,
        attribution=attribution,
        notes=notes,
    )
