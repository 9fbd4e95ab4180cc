"""Federations of kernel machines: members send support vectors, on whose union one is fitted."""

from functools import cache
from typing import Any

from fedjax_shap._validate import require
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.support_vectors import support_vectors
from fedjax_shap.learning.task import measure_for
from fedjax_shap.learning.tasks import classification, task_for
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.federation import game_keywords
from fedjax_shap.pipeline.loaded import game_seed, loaded
from fedjax_shap.pipeline.settings.setting import Setting, of_clients
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
    key = game_seed(config)

    @cache
    def game() -> HostGame:
        return support_vectors(data, **settings)

    def attribution(estimator: Any, options: Options, /) -> Attribution:
        return estimate(game(), estimator, options, key=key)

    setting = of_clients(data, measure, kind="support vectors", attribution=attribution)
    return setting._replace(notes=notes)
