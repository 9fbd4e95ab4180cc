"""Games whose utilities come from any function of masks on the host."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, require
from fedjax_shap.typing import Masks, Utilities


@dataclass(frozen=True, kw_only=True)
class HostGame:
    """A cooperative game whose coalitions a function on the host values; see `from_callable`.

    Attributes:
        utilities: bool[M, P] -> float64[M, ...], checked.
        num_players: P.
        name: what decides the utilities, in words; "" for a game without an identity, whose
            utilities are not stored in a folder.
    """

    utilities: Callable[[Masks], Utilities]
    num_players: int
    name: str = ""

    @property
    def fingerprint(self) -> str:
        """The name under which a store keeps the utilities; it follows from the game's name and P.

        Raises:
            InvalidInputError: the game has no name.
        """
        require(
            bool(self.name),
            "Expected name to be given to from_callable for a game that is stored or compared with "
            "another, got ''.",
        )
        identity = f"host game of {self.num_players} players: {self.name}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


def from_callable(f: Callable[[Masks], Any], num_players: int, *, name: str = "") -> HostGame:
    """Any batched function of masks as a game for `estimate` and `evaluate`.

    A plan's chunk is the most coalitions that `f` is given at a time, 256 where it is left open.
    Nothing else in a plan has an effect: `f` is called from one thread. The utilities of a chunk
    are stored when all of them are known, so a slow function wants a small chunk. Where `f` has no
    memory for a chunk (MemoryError), the chunk is halved.

    Args:
        f: masks bool[M, P] -> float[M, ...], with the same trailing axes in each call. It must give
            a coalition the same utility in every call, whatever stands beside it. The key of a run
            does not reach it.
        num_players: P.
        name: what decides the utilities: the data, the model and the settings, with a version. A
            store in a folder goes by it, and two games of one name and P are taken for one. Without
            a name no folder is used.

    Returns:
        A game whose utilities stay float64.

    Raises:
        InvalidInputError: `f` is not a function, `num_players` not a number of players, or `name`
            not text; in a run, utilities of another shape, that are not numbers, or that are not
            finite (see `on_nonfinite` of `evaluate`).
    """
    require(callable(f), f"Expected f={f!r} to be a function of masks bool[M, P].")
    integer("num_players", num_players, least=1)
    require(isinstance(name, str), f"Expected name={name!r} to be text.")
    called = getattr(f, "__name__", type(f).__name__)

    def utilities(masks: Masks) -> Utilities:
        count = len(masks)
        shape = list(masks.shape)
        given = f(masks)
        try:
            answer = np.asarray(given)
        except ValueError as error:  # ragged lists
            raise InvalidInputError(
                f"Expected {called} to give one array of numbers: {error}."
            ) from error
        wanted = f"Expected {called} to give numbers of shape [{count}, ...] for masks {shape}"
        require(answer.dtype.kind in "biuf", f"{wanted}, got {answer.dtype}.")
        has_a_row_each = answer.ndim >= 1 and len(answer) == count
        require(has_a_row_each, f"{wanted}, got shape {list(answer.shape)}.")
        return answer.astype(np.float64)

    return HostGame(utilities=utilities, num_players=num_players, name=name)
