"""A kind of federation in one file: a game whose utilities stand in the configuration."""

import numpy as np

from fedjax_shap.games.closed_form import table
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.settings.setting import Setting, SettingKind
from fedjax_shap.valuation.estimate import estimate


def table_game(*, utilities: tuple[float, ...], players: tuple[str, ...]) -> None:
    """A game given as a table.

    Args:
        utilities: 2^P numbers; row r holds player i where bit i of r is set.
        players: the P names.
    """


def table_setting(config: Config) -> Setting:
    """The game of a configuration whose game is `table`."""
    game = table(np.array(config.value("game", "utilities"))).game
    players = config.value("game", "players")
    return Setting(
        kind="closed form",
        players=players,
        sizes=np.zeros(len(players), int),
        metric="utility",
        attribution=lambda estimator, options: estimate(game, estimator, options),
        notes=("Utilities were read from the configuration.",),
    )


USED = ("game", "estimator", "costs", "economics", "plan")
TABLE = SettingKind(build=table_setting, game=table_game, sections=USED)
