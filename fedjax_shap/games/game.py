"""A game: players, and what one coalition of them is worth."""

from collections.abc import Callable
from typing import NamedTuple

from flax import struct

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.typing import Array, Key, PyTree


class Effort(NamedTuple):
    """What valuing a coalition takes, so that a plan can be made for it.

    Attributes:
        steps: world -> float[P], the mean local steps of each player in a round.
        brief: world -> a world in which the same program does little of the same work, for a trial.
        rounds: how many rounds a valuation takes.
        footprint: bytes that each coalition keeps in play, such as its model's parameters.
    """

    steps: Callable[[PyTree], Array]
    brief: Callable[[PyTree], PyTree]
    rounds: int
    footprint: int


@struct.dataclass
class Game:
    """A cooperative game, written for one coalition; the engine values many at once.

    Attributes:
        world: all arrays that `value` reads, as a pytree.
        value: (world, key, Coalition) -> float[...]. Trailing axes are allowed: values then have
            them too.
        num_players: P.
        values: the same numbers for a whole chunk, faster: (world, key, Chunk) -> float[M, ...].
            Left out, the engine maps `value` over the chunk.
        effort: what valuing a coalition takes, where it takes much.
        reseed: (world, key) -> the world with what a seed decides drawn anew, such as initial
            parameters.
        resamples: so many bootstrap resamples of the test set stand behind each utility, on its
            first trailing axis.
    """

    world: PyTree
    value: Callable[[PyTree, Key, Coalition], Array] = struct.field(pytree_node=False)
    num_players: int = struct.field(pytree_node=False)
    values: Callable[[PyTree, Key, Chunk], Array] | None = struct.field(
        pytree_node=False, default=None
    )
    effort: Effort | None = struct.field(pytree_node=False, default=None)
    reseed: Callable[[PyTree, Key], PyTree] | None = struct.field(pytree_node=False, default=None)
    resamples: int = struct.field(pytree_node=False, default=0)
