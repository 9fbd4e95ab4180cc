"""The utilities of all coalitions of each game of the benchmark of estimators.

They are trained, or read from the file beside this one, in which an earlier training of them is
kept, so that estimators can be compared within minutes and without data.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.estimator_games import adult_game, game_a, game_b, round_game, voting_game
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.game import Game
from fedjax_shap.games.repeated import repeated
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Key, Utilities
from fedjax_shap.valuation.repeats import noise_floor

KEPT = Path(__file__).with_name("estimator_games.npz")


class Made(NamedTuple):
    """A game of the benchmark.

    Attributes:
        make: the folder of data sets -> (the game, the key it is valued with).
        again: the game whose repeated trainings show the noise of training; `make` where None.
        noisy: whether another training of it would end elsewhere.
    """

    make: Callable[[str | None], tuple[Game, Key]]
    again: Callable[[str | None], tuple[Game, Key]] | None = None
    noisy: bool = True


MADE: Mapping[str, Made] = {
    "A": Made(game_a, again=lambda data: game_a(data, draws="own")),
    "B": Made(lambda data: game_b()),
    "accuracy": Made(lambda data: adult_game(data, metric="accuracy")),
    "roc_auc": Made(lambda data: adult_game(data, metric="roc_auc")),
    "round": Made(lambda data: round_game(), noisy=False),
    "voting": Made(lambda data: voting_game(), noisy=False),
}


class Table(NamedTuple):
    """A game in full.

    Attributes:
        utilities: float64[2^P].
        floor: how far the exact values of different trainings are apart, by `agreement`'s
            measures; None where it was not measured, or trainings do not differ.
        kept_gap: the largest difference from the utilities kept, None where those were read.
    """

    utilities: Utilities
    floor: dict[str, float] | None = None
    kept_gap: float | None = None


def kept(name: str) -> Utilities:
    """float64[2^P]: the utilities kept of a game."""
    with np.load(KEPT) as file:
        return np.asarray(file[name], np.float64)


def keep(tables: Mapping[str, Utilities]) -> None:
    """Keeps utilities, of all games at once."""
    np.savez_compressed(KEPT, **{name: table.astype(np.float32) for name, table in tables.items()})


def trained(name: str, data: str | None, store: str | None, trainings: int) -> Table:
    """A game trained in full, and `trainings` more times for the noise between them.

    Args:
        name: which.
        data: the folder of data sets.
        store: where utilities are kept; None to keep none.
        trainings: of the noise.
    """
    made = MADE[name]
    utilities = _all_of(*made.make(data), store, name)
    gap = float(np.abs(utilities - kept(name)).max())
    if not made.noisy:
        return Table(utilities, None, gap)
    game, key = (made.again or made.make)(data)
    several = _all_of(repeated(game, trainings), key, store, f"{name}-repeated")
    return Table(utilities, noise_floor(shapley_values(several)), gap)


def _all_of(game: Game, key: Key, folder: str | None, name: str) -> HostArray:
    """float64[2^P, ...]: all utilities of a game, from the store as far as they are there."""
    where = None
    if folder is not None:
        where = Path(folder) / name
    store = UtilityStore(where, fingerprint=fingerprint(game, key))
    return np.asarray(evaluate(game, key, all_subsets(game.num_players), store=store), np.float64)
