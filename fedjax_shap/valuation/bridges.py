"""Bridges to other libraries: a game of ours as they take games. The way back is
`games.callable.from_callable`.
"""

from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.engine.evaluate import checked_game, evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game
from fedjax_shap.keys import Seed, key_of
from fedjax_shap.typing import HostArray, Masks
from fedjax_shap.valuation.estimate import game_key


def as_shapiq_game(
    game: Game | HostGame,
    *,
    key: Seed = None,
    plan: Plan | None = None,
    store: UtilityStore | None = None,
) -> Any:
    """A `shapiq.Game` whose coalitions our engine values, for shapiq's approximators, exact
    computer and plots.

    Like shapiq's own games it is centred: called, it gives V(S) - V(empty), and
    `normalization_value` is V(empty). `value_function` gives V(S). Shapiq counts every coalition
    that it asks for against its budget, repeats too; each distinct one is valued once.

    Args:
        game: what a coalition is worth, one number each.
        key: as in `estimate`: with the same key both meet the same utilities.
        plan: how the engine cuts the work.
        store: utilities known already, and where new ones are kept; `estimate` may use the same
            one.

    Raises:
        InvalidInputError: shapiq is not installed, or utilities have trailing axes.
    """
    try:
        from shapiq.game import Game as ShapiqGame
    except ImportError as error:
        raise InvalidInputError(
            "Expected shapiq to be installed for as_shapiq_game, but it is not; install "
            "fedjax-shap[shapiq]."
        ) from error
    checked_game(game)
    seed = game_key(key_of(key))
    kept = store
    if kept is None:
        kept = UtilityStore()

    def value(coalitions: Masks) -> HostArray:
        found = evaluate(game, seed, np.asarray(coalitions, bool), plan, kept)
        require(
            found.ndim == 1,
            f"Expected a game of one utility a coalition, got trailing axes {found.shape[1:]}.",
        )
        return found

    class EngineGame(ShapiqGame):
        """A game that is valued by the engine."""

        def __init__(self) -> None:
            nobody = value(np.zeros((1, game.num_players), bool))[0]
            super().__init__(game.num_players, normalize=True, normalization_value=float(nobody))

        def value_function(self, coalitions: Masks) -> HostArray:
            """V of each coalition: float64[M]."""
            return value(coalitions)

    return EngineGame()
