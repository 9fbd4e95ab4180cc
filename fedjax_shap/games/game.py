"""A game: players, and what one coalition of them is worth."""

from collections.abc import Callable

from flax import struct

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.typing import Array, Key, PyTree


@struct.dataclass
class Game:
    """A cooperative game, written for one coalition; the engine values many at once.

    Attributes:
        world: all arrays that `value` reads, as a pytree.
        value: (world, key, Coalition) -> float[...]. Trailing axes are allowed: values then have them too.
        num_players: P.
        values: the same numbers for a whole chunk, faster: (world, key, Chunk) -> float[M, ...]. Left out, the engine
            maps `value` over the chunk.
    """

    world: PyTree
    value: Callable[[PyTree, Key, Coalition], Array] = struct.field(pytree_node=False)
    num_players: int = struct.field(pytree_node=False)
    values: Callable[[PyTree, Key, Chunk], Array] | None = struct.field(pytree_node=False, default=None)
