"""A game: players, and what one coalition of them is worth."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

import jax
from flax import struct

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.shapley.slices import Trailing
from fedjax_shap.typing import Array, HostArray, Key, PyTree


class Value(Protocol):
    """The utility of one coalition, as a function that JAX can trace."""

    def __call__(self, world: PyTree, key: Key, coalition: Coalition, /) -> Array:
        """Values one coalition.

        Args:
            world: all arrays of the game.
            key: seeds what the valuation draws, such as mini-batches.
            coalition: mask bool[P]; members int32[S] and present bool[S] by slot.

        Returns:
            float[...], the same shape for every coalition.
        """
        ...


class Values(Protocol):
    """The utilities of a chunk of coalitions, as a function that JAX can trace."""

    def __call__(self, world: PyTree, key: Key, chunk: Chunk, /) -> Array:
        """Values all coalitions of a chunk.

        Args:
            world: all arrays of the game.
            key: seeds what the valuation draws, such as mini-batches.
            chunk: the coalitions, mask bool[M, P], and the order in which their members train.

        Returns:
            float[M, ...], what the game's `Value` gives for each, up to float rounding.
        """
        ...


class Effort(NamedTuple):
    """How much work the valuation of a coalition is, so that a plan can be made for it.

    Attributes:
        steps: world -> float[P], the mean local steps of each player in a round.
        brief: world -> a world in which the same program does a little of the same work, for a
            trial.
        rounds: how many rounds a valuation takes.
        footprint: bytes that each coalition keeps while it trains, such as its model's parameters.
    """

    steps: Callable[[PyTree], HostArray]
    brief: Callable[[PyTree], PyTree]
    rounds: int
    footprint: int


@struct.dataclass
class Game:
    """A cooperative game, written for one coalition; the engine values many at once.

    Attributes:
        world: all arrays that `value` reads, as a pytree.
        value: what one coalition is worth. Trailing axes are allowed: Shapley values then have them
            too.
        num_players: P.
        values: the same numbers for a whole chunk, faster. Left out, the engine maps `value` over
            the chunk.
        effort: how much work a coalition is, where it is much.
        reseed: (world, key) -> the world with all that a seed decides drawn anew, such as initial
            parameters.
        resamples: how many bootstrap resamples of the test set follow each utility on its first
            trailing axis.
        trailing: what the trailing axis of the utilities holds, where each player has several
            values.
        float64: whether the program computes in float64, whatever JAX is configured for. What the
            engine compiles and puts on devices for such a game it does under `precision_of`.
        permanent: the name of a member that is in every coalition and no player; "" for none.
    """

    world: PyTree
    value: Value = struct.field(pytree_node=False)
    num_players: int = struct.field(pytree_node=False)
    values: Values | None = struct.field(pytree_node=False, default=None)
    effort: Effort | None = struct.field(pytree_node=False, default=None)
    reseed: Callable[[PyTree, Key], PyTree] | None = struct.field(pytree_node=False, default=None)
    resamples: int = struct.field(pytree_node=False, default=0)
    trailing: Trailing | None = struct.field(pytree_node=False, default=None)
    float64: bool = struct.field(pytree_node=False, default=False)
    permanent: str = struct.field(pytree_node=False, default="")


def precision_of(game: Game) -> AbstractContextManager[object]:
    """The context in which a game's program is traced and compiled, and its arrays are placed."""
    if game.float64:
        enabled: AbstractContextManager[object] = jax.enable_x64(True)
        return enabled
    return nullcontext()
