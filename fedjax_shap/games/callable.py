"""Games that are not ours: what a coalition is worth, as any function of masks on the host says."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, require
from fedjax_shap.typing import Masks, Utilities


@dataclass(frozen=True, kw_only=True)
class HostGame:
    """A cooperative game whose coalitions the host values, without a program; see `from_callable`.

    Attributes:
        utilities: bool[M, P] -> float64[M, ...], checked.
        num_players: P.
        name: what decides the utilities, in words; "" for a game that cannot be told from others.
    """

    utilities: Callable[[Masks], Utilities]
    num_players: int
    name: str = ""

    @property
    def fingerprint(self) -> str:
        """Under which name a store keeps the utilities: it follows from the game's name and P.

        Raises:
            InvalidInputError: the game has no name.
        """
        require(
            bool(self.name),
            "Expected name to be given to from_callable for a game that is stored, or told from "
            "another, got ''.",
        )
        return hashlib.sha256(
            f"host game of {self.num_players} players: {self.name}".encode()
        ).hexdigest()[:32]


def from_callable(f: Callable[[Masks], Any], num_players: int, *, name: str = "") -> HostGame:
    """Any batched function of masks as a game for `estimate` and `evaluate`.

    A plan's chunk is the most coalitions that `f` is given at a time, 256 where it is left open;
    whatever else a plan says is of no effect: `f` is called from one thread. What a chunk is worth
    is stored once all of it is known, so a slow function wants a small one. Where `f` has no memory
    for a chunk (MemoryError), the chunk is halved.

    Args:
        f: masks bool[M, P] -> float[M, ...], with the same trailing axes in each call; it must give
            a coalition the same utility whenever it is asked and whatever stands beside it. The key
            of a run does not reach it.
        num_players: P.
        name: what decides the utilities: the data, the model and the settings, with a version. A
            store in a folder is known by it, and two games of one name and P are taken for one.
            Without a name no folder is used.

    Returns:
        A game whose utilities stay float64.

    Raises:
        InvalidInputError: `f` is no function, `num_players` no number of players, or `name` no
            text; in a run, utilities of another shape or that are no numbers, or that are not
            finite (see `on_nonfinite` of `evaluate`).
    """
    require(callable(f), f"Expected f={f!r} to be a function of masks bool[M, P].")
    integer("num_players", num_players, least=1)
    require(isinstance(name, str), f"Expected name={name!r} to be text.")
    called = getattr(f, "__name__", type(f).__name__)

    def utilities(masks: Masks) -> Utilities:
        found = f(masks)
        try:
            held = np.asarray(found)
        except ValueError as error:  # ragged lists
            raise InvalidInputError(
                f"Expected {called} to give one array of numbers: {error}."
            ) from error
        wanted = f"Expected {called} to give numbers of shape [{len(masks)}, ...] for masks {list(masks.shape)}"
        require(held.dtype.kind in "biuf", f"{wanted}, got {held.dtype}.")
        require(
            held.ndim >= 1 and len(held) == len(masks), f"{wanted}, got shape {list(held.shape)}."
        )
        return held.astype(np.float64)

    return HostGame(utilities=utilities, num_players=num_players, name=name)
