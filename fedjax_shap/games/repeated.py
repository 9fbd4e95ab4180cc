"""The same game under several seeds: how much the noise of training changes utilities."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from fedjax_shap._validate import integer, require
from fedjax_shap.games.game import Game, Values
from fedjax_shap.typing import Array, Key, PyTree


def repeated(game: Game, repeats: int) -> Game:
    """The game that values every coalition under `repeats` seeds, on a last axis of that length.

    Seed r is the same for all coalitions: it draws the mini-batches and, where the game drew them,
    the initial parameters.

    Args:
        game: the game to repeat.
        repeats: k, how many seeds.

    Returns:
        A game of utilities float[..., k]. None of the k is the utility of `game` itself.
    """
    integer("repeats", repeats, least=1)
    require(
        isinstance(game, Game),
        "Expected game to be one that this package values by a program, not a callable.",
    )

    def seeded(world: PyTree, key: Key, index: Array) -> tuple[PyTree, Key]:
        """The world and the key of one seed."""
        own = jax.random.fold_in(key, index)
        if game.reseed is None:
            return world, own
        return game.reseed(world, jax.random.fold_in(own, 1)), own

    def under_all_seeds(
        valued: Callable[[PyTree, Key, Any], Array],
    ) -> Callable[[PyTree, Key, Any], Array]:
        """`valued` of a coalition or of a chunk, under one seed after another."""

        def utilities(world: PyTree, key: Key, coalitions: Any) -> Array:
            by_seed = jax.lax.map(
                lambda index: valued(*seeded(world, key, index), coalitions), jnp.arange(repeats)
            )
            return jnp.moveaxis(by_seed, 0, -1)

        return utilities

    values: Values | None = None
    if game.values is not None:
        values = under_all_seeds(game.values)
    effort = game.effort
    if effort is not None:
        effort = effort._replace(rounds=effort.rounds * repeats)
    return replace(
        game,
        value=under_all_seeds(game.value),
        values=values,
        effort=effort,
        reseed=None,
        trailing=None,
    )
