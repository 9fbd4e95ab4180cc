"""Games whose utilities come from any function of masks on the host."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

from fedjax_shap._validate import InvalidInputError, described, integer, require
from fedjax_shap.typing import HostArray, Masks, Utilities

Player: TypeAlias = int | str


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


class Utility(Protocol):
    """What coalitions are worth, by a function on the host."""

    def __call__(self, coalitions: Any, /) -> Any:
        """Values masks bool[M, P]: float[M, ...]; or one coalition, a frozenset: float[...]."""


def from_callable(
    f: Utility | Mapping[Collection[Player], Any],
    num_players: int | Sequence[str],
    *,
    name: str = "",
    batched: bool = True,
) -> HostGame:
    """Any function of coalitions as a game for `estimate` and `evaluate`.

    A plan's chunk is the most coalitions that `f` is given at a time, 256 where it is left open.
    Nothing else in a plan has an effect: `f` is called from one thread. The utilities of a chunk
    are stored when all of them are known, so a slow function wants a small chunk. Where `f` has no
    memory for a chunk (MemoryError), the chunk is halved.

    Args:
        f: masks bool[M, P] -> float[M, ...], with the same trailing axes in each call. It must give
            a coalition the same utility in every call, whatever stands beside it. The key of a run
            does not reach it. With `batched=False` it is given one coalition at a time, as the
            frozenset of its members, and gives float[...]; `lambda masks: [g(mask) for mask in
            masks]` makes it of a function g of one mask. A mapping from coalitions (frozensets,
            tuples) to utilities is taken as well.
        num_players: P, or the players' names; then a coalition is a frozenset of names instead of
            ids 0..P-1.
        name: what decides the utilities: the data, the model and the settings, with a version. A
            store in a folder goes by it, and two games of one name and P are taken for one. Without
            a name no folder is used.
        batched: whether `f` takes many masks at a time, or one coalition.

    Returns:
        A game whose utilities stay float64.

    Raises:
        InvalidInputError: `f` is not a function, `num_players` not a number of players, or `name`
            not text; in a run, utilities of another shape, that are not numbers, or that are not
            finite (see `on_nonfinite` of `evaluate`), a coalition that a mapping does not hold, or
            a function that fails on masks where it may have been written for one coalition.
    """
    players = _players(num_players)
    require(isinstance(name, str), f"Expected name={name!r} to be text.")
    require(isinstance(batched, bool), f"Expected batched={batched!r} to be True or False.")
    if isinstance(f, Mapping):
        given = _looked_up(f, players)
    elif batched:
        require(callable(f), f"Expected f={described(f)} to be a function of masks bool[M, P].")
        given = _of_masks(f, len(players))
    else:
        require(callable(f), f"Expected f={described(f)} to be a function of one coalition.")
        given = _one_by_one(f, players)
    called = getattr(f, "__name__", type(f).__name__)
    return HostGame(
        utilities=lambda masks: _numbers(called, given(masks), masks),
        num_players=len(players),
        name=name,
    )


def _players(num_players: int | Sequence[str]) -> Sequence[Player]:
    """The players as `f` knows them: their ids, or their names."""
    if isinstance(num_players, Sequence) and not isinstance(num_players, str):
        names = list(num_players)
        differ = len(names) > 0 and len(set(names)) == len(names)
        require(differ, f"Expected num_players={names} to be names that differ from each other.")
        return names
    integer("num_players", num_players, least=1)
    return range(cast(int, num_players))


def _of_masks(f: Utility, num_players: int) -> Utility:
    """The function itself; where it fails at once, the refusal says how it is called."""
    return _explained(
        f,
        f"Expected f to take masks bool[M, {num_players}], many coalitions at a time, but it gave ",
        f"write from_callable(f, {num_players}, batched=False) for a function of one coalition, "
        "given as the frozenset of its members",
    )


def _one_by_one(f: Utility, players: Sequence[Player]) -> Utility:
    """A function of one coalition, as one of masks."""
    asked = _explained(
        f,
        "Expected f to take one coalition, the frozenset of its members, but it gave ",
        "write weights[list(members)] to read an array, and lambda masks: [f(mask) for mask in "
        "masks] without batched=False for a function of one mask",
    )

    def valued(masks: Masks) -> list[Any]:
        return [asked(_members(mask, players)) for mask in masks]

    return valued


def _explained(f: Utility, expected: str, hint: str) -> Utility:
    """The function itself; an error of its first call that may come of how it was called is said
    in a sentence.
    """
    worked = False

    def called(coalitions: Any) -> Any:
        nonlocal worked
        try:
            answer = f(coalitions)
        except InvalidInputError:
            raise
        except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            if worked:
                raise
            sentence = f"{expected}{type(error).__name__}: {error}; {hint}."
            raise InvalidInputError(sentence) from error
        worked = True
        return answer

    return called


def _looked_up(table: Mapping[Collection[Player], Any], players: Sequence[Player]) -> Utility:
    """A table of coalitions, as a function of masks."""
    known = {frozenset(coalition): worth for coalition, worth in table.items()}

    def valued(masks: Masks) -> list[Any]:
        coalitions = [_members(mask, players) for mask in masks]
        missing = [sorted(one, key=str) for one in coalitions if one not in known]
        require(
            not missing,
            f"Expected f to hold a utility for each coalition that is asked for, but none for "
            f"{missing[:3]}.",
        )
        return [known[coalition] for coalition in coalitions]

    return valued


def _members(mask: HostArray, players: Sequence[Player]) -> frozenset[Player]:
    """Who is in a coalition, bool[P]."""
    return frozenset(players[index] for index in np.flatnonzero(mask).tolist())


def _numbers(called: str, given: Any, masks: Masks) -> Utilities:
    """What a function gave for masks bool[M, P], as float64[M, ...], or a refusal."""
    count = len(masks)
    try:
        answer = np.asarray(given)
    except ValueError as error:  # ragged lists
        raise InvalidInputError(
            f"Expected {called} to give one array of numbers: {error}."
        ) from error
    wanted = (
        f"Expected {called} to give numbers of shape [{count}, ...] for masks {list(masks.shape)}"
    )
    require(answer.dtype.kind in "biuf", f"{wanted}, got {answer.dtype}.")
    one = "; a function of one coalition goes with batched=False" * (answer.ndim == 0)
    has_a_row_each = answer.ndim >= 1 and len(answer) == count
    require(has_a_row_each, f"{wanted}, got shape {list(answer.shape)}{one}.")
    return answer.astype(np.float64)
