"""The same game under several seeds: what training noise does to utilities."""

import jax
import jax.numpy as jnp

from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.games.game import Game
from fedjax_shap.typing import Array, Key, PyTree


def repeated(game: Game, repeats: int) -> Game:
    """Every coalition is valued under `repeats` seeds: utilities gain a last axis of that length.

    Seed r of every coalition is the same: it draws the mini-batches and, where the game drew them,
    the initial parameters.

    Args:
        game: what is repeated.
        repeats: k, how many seeds.

    Returns:
        A game of utilities float[..., k], of which none is that of `game` itself.
    """
    integer("repeats", repeats, least=1)
    require(
        isinstance(game, Game),
        "Expected game to be one that this package values by a program, not a callable.",
    )

    def seeded(world: PyTree, key: Key, index: Array) -> tuple[PyTree, Key]:
        own = jax.random.fold_in(key, index)
        return (
            world if game.reseed is None else game.reseed(world, jax.random.fold_in(own, 1))
        ), own

    def value(world: PyTree, key: Key, coalition: Coalition) -> Array:
        found = jax.lax.map(
            lambda r: game.value(*seeded(world, key, r), coalition), jnp.arange(repeats)
        )
        return jnp.moveaxis(found, 0, -1)

    def values(world: PyTree, key: Key, chunk: Chunk) -> Array:
        valued = game.values
        assert valued is not None
        found = jax.lax.map(lambda r: valued(*seeded(world, key, r), chunk), jnp.arange(repeats))
        return jnp.moveaxis(found, 0, -1)

    return game.replace(  # type: ignore[attr-defined, no-any-return]
        value=value,
        values=None if game.values is None else values,
        effort=None
        if game.effort is None
        else game.effort._replace(rounds=game.effort.rounds * repeats),
        reseed=None,
    )
