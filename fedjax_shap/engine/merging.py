"""Stores merged: several parts into one, and the stores of several runs, game by game, into one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedjax_shap._validate import require
from fedjax_shap.atomic import writable
from fedjax_shap.engine.archive import Archive, distinct_of, files_in, find, read
from fedjax_shap.engine.folders import further, part_of, place, stores_folder
from fedjax_shap.engine.parts import LABEL, claim, write_part

SECONDS_UNTIL_ABANDONED = 24 * 3600.0  # no writer takes so long for one file, whatever its clock


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What became of one store.

    Attributes:
        folder: where it is.
        coalitions: how many it holds now.
        parts: how many parts were read, of its own and of the stores that it took in.
        removed: how many files were removed: parts that are in the new one, and what dead writers
            left.
        problems: what was wrong before, see `Archive.problems`; broken parts and foreign files stay
            where they are.
    """

    folder: Path
    coalitions: int
    parts: int
    removed: int
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A store, and which part of a run's valuation it holds, see `folders`."""

    part: str
    root: Path
    archive: Archive


def merge(folders: Sequence[str | Path], *, into: str | Path | None = None) -> list[Merged]:
    """Makes one part of a store's parts; the new part is on disk before an old one is removed.

    Args:
        folders: where the stores are: folders of runs, or folders with stores in them or below.
        into: a folder, made where there is none, that takes in all of them, which stay as they are:
            a store for each game, under the name of the part of the run that it holds. Where
            utilities disagree, those of `into` stay, then those of earlier folders. If None, the
            parts of each store are merged within the store.

    Returns:
        A record for each store that was written to.

    Raises:
        InvalidInputError: no store, or folders that have no game in common where they hold the same
            part of a run.
    """
    roots = list(dict.fromkeys(stores_folder(folder).resolve() for folder in folders))
    if into is None:
        stores = dict.fromkeys(path for root in roots for path in find(root))
        return [_merge(one.folder, [one]) for one in map(read, stores)]
    require(
        Path(into).is_dir() or not Path(into).exists(),
        f"Expected into={str(into)!r} to be a folder, but it is a file.",
    )
    target = stores_folder(into).resolve()
    here = [path for path in (target,) if _has_stores(path)]
    # a store that is in two of the folders counts in the first
    placed: dict[Path, _Placed] = {}
    for root in (*here, *roots):
        for one in _placed(root):
            placed.setdefault(one.archive.folder, one)
    _require_common_games(list(placed.values()))
    return [
        _merge(folder, archives)
        for folder, archives in _by_game(target, list(placed.values())).items()
    ]


def require_same_shape(archives: Sequence[Archive]) -> None:
    """Refuses stores that differ in their players or in the axes of a utility.

    An empty store fits all others.
    """
    shapes = {
        (a.masks.shape[1], *a.utilities.shape[1:]): str(a.folder) for a in archives if len(a.masks)
    }
    require(
        len(shapes) < 2,
        "Expected stores of the same players and shape of a utility, got "
        + " and ".join(f"{shape} in {folder!r}" for shape, folder in shapes.items())
        + ".",
    )


def _has_stores(folder: Path) -> bool:
    """Whether a store lies in a folder or below."""
    return folder.is_dir() and any(folder.rglob(LABEL))


def _placed(root: Path) -> list[_Placed]:
    """The stores of a folder, each read."""
    archives = [read(path) for path in find(root)]
    return [
        _Placed(part=part_of(one.folder, root, one.fingerprint), root=root, archive=one)
        for one in archives
    ]


def _require_common_games(placed: Sequence[_Placed]) -> None:
    """Refuses folders that hold the same part of a run, but of no game in common."""
    for part in dict.fromkeys(one.part for one in placed):
        by_root: dict[Path, list[Archive]] = {}
        for one in placed:
            if one.part == part:
                by_root.setdefault(one.root, []).append(one.archive)
        first, *others = by_root.values()
        games = {archive.fingerprint for archive in first}
        for other in others:
            require(
                any(archive.fingerprint in games for archive in other),
                "Expected the stores to be merged to be of one game, but "
                f"{str(first[0].folder)!r} has fingerprint {first[0].fingerprint[:8]} and "
                f"{str(other[0].folder)!r} has {other[0].fingerprint[:8]}.",
            )


def _by_game(target: Path, placed: Sequence[_Placed]) -> dict[Path, list[Archive]]:
    """Where in `target` the stores of each game go, refused where their shapes differ."""
    games: dict[str, list[_Placed]] = {}
    for one in placed:
        games.setdefault(one.archive.fingerprint, []).append(one)
    going: dict[Path, list[Archive]] = {}
    for fingerprint, stores in games.items():
        archives = [one.archive for one in stores]
        require_same_shape(archives)
        parts = {one.part for one in stores}
        part = ""
        if len(parts) == 1:
            part = parts.pop()
        folder = place(target, part, fingerprint)
        # no two games share a folder: the first to come has the part's own
        if folder in going:
            folder = further(folder, fingerprint)
        going[folder] = archives
    return going


def _merge(target: Path, archives: list[Archive]) -> Merged:
    """Writes what `archives` hold into `target` as one part, then removes its older parts."""
    own = [part for archive in archives if archive.folder == target for part in archive.parts]
    here = sum(len(archive.masks) for archive in archives if archive.folder == target)
    distinct = distinct_of([(a.masks, a.utilities) for a in archives if len(a.masks)])
    with writable("store", target):
        removed = _abandoned(target)
        # a part that is alone and holds everything stays
        if len(own) > 1 or len(distinct.masks) > here:
            oldest = next((part.name for part in own), "")
            fingerprint = archives[0].fingerprint
            players = next((archive.players for archive in archives if archive.players), ())
            claim(target, fingerprint, players)
            write_part(target, fingerprint, distinct.masks, distinct.utilities, as_old_as=oldest)
            removed = [*own, *removed]
        for path in removed:
            path.unlink(missing_ok=True)
    problems = [problem for archive in archives for problem in archive.problems]
    return Merged(
        folder=target,
        coalitions=len(distinct.masks),
        parts=sum(len(archive.parts) for archive in archives),
        removed=len(removed),
        problems=(*problems, *distinct.problems),
    )


def _abandoned(folder: Path) -> list[Path]:
    """Temporary files whose writers are surely dead."""
    past = time.time() - SECONDS_UNTIL_ABANDONED
    return [
        folder / file
        for file, status in files_in(folder).items()
        if file.startswith(".") and file.endswith(".tmp") and status.st_mtime < past
    ]
