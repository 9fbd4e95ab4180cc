"""Vertical federations: parties hold different columns of the same rows, and who has the labels is
in every coalition and no player.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import cautions
from fedjax_shap.data.vertical import Columns
from fedjax_shap.games.game import Game
from fedjax_shap.games.vertical import VerticalJudging, followed, vertical
from fedjax_shap.games.vertical_run import measure_of
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.metric import Metric
from fedjax_shap.learning.task import Task, measure_for
from fedjax_shap.learning.tasks import task_for
from fedjax_shap.learning.vertical.model import as_federation
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.federation import game_keywords
from fedjax_shap.pipeline.loaded import game_seed
from fedjax_shap.pipeline.settings.setting import PermanentMember, Setting, valued_by
from fedjax_shap.pipeline.settings.vertical_work import vertical_work
from fedjax_shap.pipeline.vertical_data import Alignment, loaded_columns
from fedjax_shap.protocols.coordinated_session import Encryption
from fedjax_shap.typing import HostArray

OF_RUN = (
    "data",
    "partition",
    "task",
    "game",
    "estimator",
    "costs",
    "economics",
    "plan",
)
OF_VERTICAL = (*OF_RUN, "model", "devices")
OF_PROTOCOLS = ("alignment", "encryption", "epochs", "batch_size")  # and of no game


def vertical_game(
    *,
    metric: str | Metric | None = None,
    empty: float | None = None,
    resamples: int = 0,
    judges: VerticalJudging = "server",
    alignment: Alignment = "clear",
    encryption: Encryption = "none",
    epochs: int = 20,
    batch_size: int | None = None,
) -> None:
    """V(S) is the metric of the model on the columns of S and the label holder's.

    Args:
        metric: as in `games.vertical.vertical`, with `empty`, `resamples` and `judges`.
        empty: V(empty); that of the label holder's model alone if None.
        resamples: bootstrap resamples of the validation rows.
        judges: "server", or "classes".
        alignment: how rows of one id are found where parties hold rows of their own: "clear", or
            "private" by private set intersection, which finds the same.
        encryption: "none", or "paillier": how the parties' joint training is counted, whose work
            and bytes [devices] prices. Values do not depend on it.
        epochs: passes over the rows of the training that is counted.
        batch_size: rows of a step of it; all if None.
    """


def vertical_run_game(
    *,
    rounds: int = 50,
    learning_rate: float = 0.5,
    l2: float = 0.0,
    metric: str | Metric | None = None,
    alignment: Alignment = "clear",
) -> None:
    """V(S) is what the steps of S add inside one run of a linear model of all columns.

    Args:
        rounds: as in `games.vertical.followed`, with `learning_rate`, `l2` and `metric`.
        learning_rate: step size.
        l2: weight of the penalty on slopes.
        metric: minus the loss if None.
        alignment: as in `vertical_game`.
    """


class _Parts(NamedTuple):
    """What a vertical setting is made of.

    Attributes:
        config: the configuration.
        columns: the aligned rows.
        task: what is learned.
        measure: by what coalitions are valued.
        notes: what was done with the data.
    """

    config: Config
    columns: Columns
    task: Task
    measure: Measure
    notes: tuple[str, ...]


def vertical_federation(config: Config) -> Setting:
    """The federation of a configuration whose game is `vertical`."""
    columns, asked, notes, moved = loaded_columns(config)
    model = config.build("model")
    settings = _settings(config)
    with cautions() as on_game:
        game = vertical(columns, model, task=asked, **settings)
    data = as_federation(columns)
    task = model.task(asked, data)
    measure = measure_for(task, data, settings.get("metric"))
    counted = vertical_work(config, columns, moved)
    said = (*notes, *on_game, *counted.notes)
    parts = _Parts(config, columns, task, measure, said)
    noisy = config.value("game", "resamples") > 0
    return _setting(parts, game, "vertical", noisy=noisy)._replace(work=counted.work)


def vertical_run(config: Config) -> Setting:
    """The federation of a configuration whose game is `vertical_run`."""
    columns, asked, notes, _ = loaded_columns(config)
    settings = _settings(config)
    with cautions() as on_game:
        game = followed(columns, task=asked, **settings)
    data = as_federation(columns)
    task = task_for(asked, data)
    measure = measure_of(task, data, settings.get("metric"))
    parts = _Parts(config, columns, task, measure, (*notes, *on_game))
    return _setting(parts, game, "vertical, in one run", noisy=False)


def _settings(config: Config) -> dict[str, Any]:
    """The keywords of the game, without those of the data."""
    return {key: value for key, value in game_keywords(config).items() if key not in OF_PROTOCOLS}


def _setting(parts: _Parts, game: Game, kind: str, *, noisy: bool) -> Setting:
    """The setting whose players are the parties besides the label holder."""
    columns = parts.columns
    return Setting(
        kind=kind,
        players=columns.names,
        sizes=np.full(len(columns.names), len(columns.y)),
        same_rows=True,
        metric=parts.measure.name,
        metric_label=parts.measure.label,
        metric_sign=parts.measure.sign,
        attribution=valued_by(lambda: game, game_seed(parts.config), noisy=noisy),
        grand_is_exact=not noisy,
        notes=(*parts.notes, _on_columns(columns)),
        permanent=PermanentMember(columns.label_holder, _chance(parts)),
    )


def _on_columns(columns: Columns) -> str:
    """Who holds how many columns."""
    held = [len(features) for features in columns.features]
    players = ", ".join(f"{name} {count}" for name, count in zip(columns.names, held))
    return (
        f"Columns: {players}; {columns.label_holder}, which has the labels and is in every "
        f"coalition, {held[-1]}. Models were trained on {len(columns.y):,} rows and valued on "
        f"{len(columns.validation[1]):,}."
    )


def _most_frequent(y: HostArray) -> float:
    """The share of rows of the class that most rows have."""
    _, counts = np.unique(y, return_counts=True)
    return float(counts.max() / len(y))


# metric -> what a model of chance reaches on labels y[T]
CHANCES: dict[str, Callable[[HostArray], float]] = {
    "roc_auc": lambda y: 0.5,
    "r2": lambda y: 0.0,
    "d2": lambda y: 0.0,
    "accuracy": _most_frequent,
    "balanced_accuracy": lambda y: 1.0 / len(np.unique(y)),
}


def _chance(parts: _Parts) -> float | None:
    """What a model of chance is worth; None where the metric does not say."""
    _, y = parts.columns.validation
    chance = CHANCES.get(parts.measure.name)
    if chance is None:
        return None
    return chance(y)
