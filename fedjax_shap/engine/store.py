"""The utility store: mask -> utility, in memory and on disk; it is the checkpoint of every run."""

import contextlib
import hashlib
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from fedjax_shap._validate import a_path, finite, require
from fedjax_shap.atomic import writable
from fedjax_shap.coalitions import gather, pack
from fedjax_shap.engine.parts import (
    BrokenPartError,
    claim,
    read_part,
    require_owner,
    unread,
    write_part,
)
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game, precision_of
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

SECONDS_BETWEEN_FLUSHES = 5.0
LEAST_ROWS = 64  # of the table in memory, which doubles when it is full


def fingerprint(game: Game | HostGame, key: Key) -> str:
    """A name for all that decides a utility: the game's program, every array it reads, and the key.

    The program is the traced one: every setting that changes the computation changes the name, and
    the plan, the estimator and the rule do not. What a Python callback does is not seen. A game on
    the host, which no key reaches, goes by the name that it was given, and is refused without one.
    """
    if isinstance(game, HostGame):
        return game.fingerprint
    # the program: as traced, without the addresses of objects
    nobody = gather(np.zeros((1, game.num_players), bool), game.num_players)
    coalition = jax.tree.map(lambda leaf: leaf[0], nobody)
    with precision_of(game):
        program = jax.make_jaxpr(game.value)(game.world, key, coalition)
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(program.jaxpr)).encode())
    # every array: the world's, those closed over, the key's
    for leaf in jax.tree.leaves((game.world, list(_constants(program)), jax.random.key_data(key))):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.asarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def _constants(program: ClosedJaxpr | Jaxpr) -> Iterator[Any]:
    """The arrays that a traced program, or a program that it calls, closes over."""
    inside = program
    if isinstance(program, ClosedJaxpr):
        yield from program.consts
        inside = program.jaxpr
    for equation in inside.eqns:
        yield from _array_literals(equation.invars)
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(inner):
                yield from _constants(inner)
    yield from _array_literals(inside.outvars)


def _array_literals(atoms: list[Any]) -> Iterator[Any]:
    """The arrays among a program's inputs or outputs."""
    yield from (atom.val for atom in atoms if isinstance(atom, Literal) and np.ndim(atom.val))


def _is_program(value: Any) -> bool:
    return isinstance(value, ClosedJaxpr | Jaxpr)


class UtilityStore:
    """Utilities by coalition, each trained at most once.

    On disk it is a folder: `store.json` with the fingerprint, and parts `part-*.npz` that are
    written under a temporary name and then renamed, so that a part is whole or absent. Any number
    of processes may write to one folder.

    Attributes:
        asked: coalitions looked up so far.
        from_store: how many of these were known.
        trained: how many were added.

    Guarantees:
        The utility of a coalition never changes while the store is open: the first that was added
        or read stays. A part that is not as it was written is never used: a warning names it, and
        it is set aside as `*.broken`.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        fingerprint: str = "",
        players: Sequence[str] = (),
    ) -> None:
        """Opens the store in `folder`, made where there is none; in memory if None.

        Args:
            folder: where to keep the utilities.
            fingerprint: the name of the game they belong to, see `fingerprint`; needed where there
                is a folder.
            players: the names of the players, which a new folder remembers; a game of another
                number of players goes without.

        Raises:
            InvalidInputError: a folder without a fingerprint, a file in its place, or a folder
                that holds another game's utilities.
        """
        require(
            folder is None or bool(fingerprint),
            "Expected a fingerprint for a store in a folder, got none.",
        )
        self._owner: tuple[Game | HostGame, Key] | None = None
        self.asked = 0
        self.from_store = 0
        self.trained = 0
        self._rows: dict[bytes, int] = {}
        self._utilities: HostArray = np.empty(0)
        self._shape: tuple[int, ...] | None = None  # (P, ...): players, and the axes of a utility
        self._pending: list[tuple[Masks, Utilities]] = []
        self._flushed = time.monotonic()
        self._folder: Path | None = None
        self._fingerprint = fingerprint
        self._players = tuple(players)
        self._seen: set[str] = set()
        if folder is not None:
            self._folder = a_path("folder", folder)
            require_owner(self._folder, fingerprint)
            self.refresh()

    def __len__(self) -> int:
        """How many coalitions are known."""
        return len(self._rows)

    def bind(self, game: Game | HostGame, key: Key) -> None:
        """Binds the store to the first game that uses it, and refuses another one."""
        on_host = isinstance(game, HostGame)
        if self._owner is None:
            if on_host and self._folder is not None:
                fingerprint(game, key)  # for its refusal of a game without a name
            self._owner = (game, key)
        first, first_key = self._owner
        if first is game and (first_key is key or on_host):
            return
        require(
            fingerprint(first, first_key) == fingerprint(game, key),
            "Expected store to be used for one game and key, but it holds the utilities of "
            "another; make one for each.",
        )

    def refresh(self) -> None:
        """Reads the parts that others wrote since the store was opened; does nothing in memory."""
        if self._folder is not None:
            for part in unread(self._folder, self._seen):
                self._load(part)

    def known(self, masks: Masks) -> HostArray:
        """bool[M]: which of `masks` are in the store; counted as asked."""
        known = self.holds(masks)
        self.asked += len(masks)
        self.from_store += int(known.sum())
        return known

    def holds(self, masks: Masks) -> HostArray:
        """bool[M]: which of `masks` are in the store; not counted."""
        return np.fromiter((name in self._rows for name in pack(masks)), bool, len(masks))

    def read(self, masks: Masks) -> Utilities:
        """float64[M, ...]: the utilities of `masks`, all of which are known."""
        return self._utilities[[self._rows[name] for name in pack(masks)]]

    def add(self, masks: Masks, utilities: Utilities) -> None:
        """Keeps trained utilities; writes them to disk every few seconds.

        Args:
            masks: bool[M, P].
            utilities: float[M, ...], finite where the store is in a folder.

        Raises:
            InvalidInputError: other players or axes than the store has, a utility that is not
                finite, or a folder that cannot be written.
        """
        self.trained += len(masks)
        if not len(masks):
            return
        if self._folder is not None:
            finite("utilities", utilities)
        self.remember(masks, utilities)
        if self._folder is not None:
            self._pending.append((masks, utilities))
            if time.monotonic() - self._flushed > SECONDS_BETWEEN_FLUSHES:
                self.flush()

    def flush(self) -> None:
        """Writes what is not yet on disk as one part."""
        self._flushed = time.monotonic()
        if self._folder is None or not self._pending:
            return
        masks, utilities = (np.concatenate(arrays) for arrays in zip(*self._pending))
        players = self._players
        if len(players) != masks.shape[1]:
            players = ()
        with writable("store", self._folder):
            claim(self._folder, self._fingerprint, players)
            self._seen.add(write_part(self._folder, self._fingerprint, masks, utilities))
        self._pending.clear()

    def remember(self, masks: Masks, utilities: Utilities) -> None:
        """Takes in utilities that are stored already, here or by another process.

        A coalition that is known keeps its utility.
        """
        shape = (masks.shape[1], *utilities.shape[1:])
        self._shape = self._shape or shape
        require(
            shape == self._shape and len(masks) == len(utilities),
            f"Expected masks and utilities of shapes [M, {self._shape[0]}] and "
            f"{['M', *self._shape[1:]]}, as in the store, got {list(masks.shape)} and "
            f"{list(utilities.shape)}.",
        )
        # make room: the table at least doubles
        start = len(self._rows)
        if start + len(masks) > len(self._utilities):
            grown = np.empty((max(2 * (start + len(masks)), LEAST_ROWS), *utilities.shape[1:]))
            if start:
                grown[:start] = self._utilities[:start]
            self._utilities = grown
        # a new coalition takes the next row
        for name, utility in zip(pack(masks), utilities):
            row = len(self._rows)
            if self._rows.setdefault(name, row) == row:
                self._utilities[row] = utility

    def _load(self, part: Path) -> None:
        """Reads one part; a broken one is named and set aside, and its coalitions count as new."""
        try:
            content = read_part(part, self._fingerprint, self._shape)
        except BrokenPartError as error:
            with contextlib.suppress(OSError):  # another process may have set it aside
                part.rename(part.with_suffix(".broken"))
            warnings.warn(
                f"Part {part} of the store is broken ({error}); it is set aside.", stacklevel=2
            )
        else:
            if content is not None:
                self.remember(*content)
