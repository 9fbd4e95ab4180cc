"""The utility store: mask -> utility, in memory and on disk; it is the checkpoint of every run."""

import contextlib
import hashlib
import json
import os
import re
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.coalitions import gather, pack
from fedjax_shap.games.game import Game
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

SECONDS_BETWEEN_FLUSHES = 5.0


def fingerprint(game: Game, key: Key) -> str:
    """A name for all that decides a utility: the game's program, every array it reads, and the key.

    The program is the traced one, so every setting that changes the computation changes the name, and the plan,
    the estimator and the rule do not. What a Python callback does is beyond it.
    """
    coalition = jax.tree.map(lambda leaf: leaf[0], gather(np.zeros((1, game.num_players), bool), game.num_players))
    program = jax.make_jaxpr(game.value)(game.world, key, coalition)
    digest = hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", str(program.jaxpr)).encode())
    for leaf in jax.tree.leaves((game.world, list(_constants(program)), jax.random.key_data(key))):
        array = np.asarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def _constants(program: ClosedJaxpr | Jaxpr) -> Iterator[Any]:
    """The arrays that a traced program closes over, those of the programs that it calls included."""
    if isinstance(program, ClosedJaxpr):
        yield from program.consts
    inside = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    for equation in inside.eqns:
        yield from (atom.val for atom in equation.invars if isinstance(atom, Literal) and np.ndim(atom.val))
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(inner):
                yield from _constants(inner)
    yield from (atom.val for atom in inside.outvars if isinstance(atom, Literal) and np.ndim(atom.val))


def _is_program(value: Any) -> bool:
    return isinstance(value, ClosedJaxpr | Jaxpr)


class UtilityStore:
    """Utilities by coalition, each trained at most once.

    On disk it is a folder: `store.json` with the fingerprint, and parts `part-*.npz` that are written aside and then
    renamed, so that a part is whole or absent.

    Attributes:
        asked: coalitions looked up so far.
        from_store: how many of these were known.
        trained: how many were added.
    """

    def __init__(self, folder: str | Path | None = None, *, fingerprint: str = "") -> None:
        """Opens the store in `folder`, made where there is none; in memory if None.

        Args:
            folder: where to keep the utilities.
            fingerprint: the name of the game they belong to, see `fingerprint`; needed where there is a folder.

        Raises:
            InvalidInputError: a folder without a fingerprint, one that holds another game's utilities, or no folder.
        """
        require(folder is None or bool(fingerprint), "Expected a fingerprint for a store in a folder, got none.")
        self._owner: tuple[Game, Key] | None = None
        self.asked = self.from_store = self.trained = 0
        self._rows: dict[bytes, int] = {}
        self._utilities: HostArray = np.empty(0)
        self._pending: list[tuple[Masks, Utilities]] = []
        self._flushed = time.monotonic()
        self._folder = None if folder is None else Path(folder)
        self._fingerprint = fingerprint
        if self._folder is not None:
            _check(self._folder, fingerprint)
            for part in sorted(self._folder.glob("part-*.npz")):
                self._load(part)

    def __len__(self) -> int:
        """How many coalitions are known."""
        return len(self._rows)

    def bind(self, game: Game, key: Key) -> None:
        """Binds the store to the first game that uses it, and refuses another one."""
        if self._owner is None:
            self._owner = (game, key)
        first, first_key = self._owner
        if first is game and first_key is key:
            return
        require(
            fingerprint(first, first_key) == fingerprint(game, key),
            "Expected store to be used for one game and key, but it holds the utilities of another; make one for each.",
        )

    def known(self, masks: Masks) -> HostArray:
        """bool[M]: which of `masks` are in the store; counted as asked."""
        found = np.fromiter((name in self._rows for name in pack(masks)), bool, len(masks))
        self.asked += len(masks)
        self.from_store += int(found.sum())
        return found

    def read(self, masks: Masks) -> Utilities:
        """float64[M, ...]: the utilities of `masks`, all of which are known."""
        return self._utilities[[self._rows[name] for name in pack(masks)]]

    def add(self, masks: Masks, utilities: Utilities) -> None:
        """Keeps trained utilities; writes them to disk every few seconds."""
        self.trained += len(masks)
        self._remember(masks, utilities)
        if self._folder is not None and len(masks):
            self._pending.append((masks, utilities))
            if time.monotonic() - self._flushed > SECONDS_BETWEEN_FLUSHES:
                self.flush()

    def flush(self) -> None:
        """Writes what is not yet on disk as one part: aside first, then renamed."""
        self._flushed = time.monotonic()
        if self._folder is None or not self._pending:
            return
        _claim(self._folder, self._fingerprint)
        masks, utilities = (np.concatenate(parts) for parts in zip(*self._pending))
        name = f"part-{time.time_ns():020d}-{os.getpid()}.npz"
        aside = self._folder / f".{name}.tmp"
        with aside.open("wb") as file:
            np.savez(file, masks=masks, utilities=utilities)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._folder / name)
        self._pending.clear()

    def _remember(self, masks: Masks, utilities: Utilities) -> None:
        start = len(self._rows)
        if start + len(masks) > len(self._utilities):
            grown = np.empty((max(2 * (start + len(masks)), 64), *utilities.shape[1:]))
            if start:
                grown[:start] = self._utilities[:start]
            self._utilities = grown
        for name, utility in zip(pack(masks), utilities):
            self._utilities[self._rows.setdefault(name, len(self._rows))] = utility

    def _load(self, part: Path) -> None:
        """Reads one part; a broken one is named, set aside, and its coalitions are trained again."""
        try:
            with part.open("rb") as file, np.load(file, allow_pickle=False) as held:
                self._remember(held["masks"], held["utilities"])
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            part.rename(part.with_suffix(".broken"))
            warnings.warn(f"Part {part} of the store is broken ({error}); it is set aside.", stacklevel=2)


def _check(folder: Path, name: str) -> None:
    """Refuses a folder that holds another game's utilities; one that holds none is anybody's."""
    label = folder / "store.json"
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    require(there.is_dir(), f"Expected store={str(folder)!r} to be a folder, but {str(there)!r} is a file.")
    require(
        label.exists() or not any(folder.glob("part-*.npz")),
        f"Expected store={str(folder)!r} to say whose utilities it holds, but it has no "
        "store.json; choose another folder.",
    )
    try:
        owner = json.loads(label.read_text())["fingerprint"] if label.exists() else name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"Expected {str(label)!r} to be the readable label of a store: {error}.") from error
    require(
        owner == name,
        f"Expected store={str(folder)!r} to belong to this configuration, but it holds the utilities of another "
        f"(fingerprint {owner[:8]}, this run's is {name[:8]}); choose another folder (--out on the command line).",
    )


def _claim(folder: Path, name: str) -> None:
    """Makes a store's folder and labels it, before a part is written; refuses it if another game was faster."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "store.json").exists():
        aside = folder / f".store-{os.getpid()}.tmp"
        aside.write_text(json.dumps({"fingerprint": name}))
        with contextlib.suppress(FileExistsError):
            os.link(aside, folder / "store.json")
        aside.unlink()
    _check(folder, name)
