"""`fedjax-shap store ls | verify | merge | export`: utility stores on disk, without training."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from fedjax_shap._validate import how_many, one_of, require
from fedjax_shap.cli.output import say, warn, write
from fedjax_shap.engine import archive
from fedjax_shap.engine.export import FORMATS, export
from fedjax_shap.engine.folders import (
    ALONE,
    CURVES,
    POOLED,
    REPEATS,
    WHOLE,
    part_of,
    stores_folder,
)
from fedjax_shap.engine.merging import merge
from fedjax_shap.pipeline.records import RunStores, run_stores
from fedjax_shap.report.render import to_terminal
from fedjax_shap.report.tables import Table, listed, numbers, text, word

TABLES = (WHOLE, REPEATS)  # parts of a run: what coalitions are worth, in one store
NO_VALUES = (CURVES, ALONE, POOLED)  # parts of a run that no value is read off


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `store` takes."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    folder: dict[str, Any] = {
        "metavar": "DIR",
        "help": "a run's folder, or a store, or any folder of stores",
    }
    one = commands.add_parser("ls", help="what stores contain")
    one.add_argument("folder", **folder)
    one.set_defaults(call=_ls)
    one = commands.add_parser(
        "verify",
        help="check every part; exit code 1 if one is broken, contradicts another, or belongs to "
        "another game",
    )
    one.add_argument("folder", **folder)
    one.set_defaults(call=_verify)
    one = commands.add_parser(
        "merge", help="make one part of each store's parts, or one run's stores of several runs'"
    )
    one.add_argument("folders", nargs="+", **folder)
    one.add_argument(
        "--into",
        metavar="TARGET",
        help="the folder that takes in all others, which stay as they are: game by game",
    )
    one.set_defaults(call=_merge)
    one = commands.add_parser("export", help="one row for each coalition: members, size, utility")
    one.add_argument("folder", **folder)
    one.add_argument(
        "--part",
        metavar="PART",
        help="another part of a run than its valuation, such as curves or round-0003",
    )
    one.add_argument(
        "--out", metavar="FILE", help="a file .csv, .json or .npz (default: CSV to standard output)"
    )
    one.set_defaults(call=_export)


def _ls(known: argparse.Namespace, rest: list[str]) -> None:
    rows = []
    for store in map(archive.read, archive.find(known.folder)):
        _warn(store.folder, store.problems)
        rows.append(_row(store))
    columns = (
        text("store"),
        word("fingerprint"),
        *numbers("coalitions", "parts", "utility", "size"),
        word("last written"),
    )
    to_terminal(Table("", columns, tuple(rows)), ruled=False)


def _row(store: archive.Archive) -> tuple[str, ...]:
    """What `ls` shows of a store."""
    shape = " x ".join(map(str, store.utilities.shape[1:]))
    written = "never"
    if store.parts:
        written = datetime.fromtimestamp(store.written).strftime("%Y-%m-%d %H:%M")
    return (
        str(store.folder),
        store.fingerprint[:8],
        f"{len(store.masks):,}",
        str(len(store.parts)),
        shape or "scalar",
        decimal(store.size),
        written,
    )


def _verify(known: argparse.Namespace, rest: list[str]) -> int:
    checked = {folder: archive.find_problems(folder) for folder in archive.find(known.folder)}
    damaged = {folder: problems for folder, problems in checked.items() if problems}
    for folder, problems in damaged.items():
        for problem in problems:
            print(f"{folder}: {problem}")
    if damaged:
        print(
            f"Of {how_many(len(checked), 'store')}, {len(damaged)} failed; a run sets broken parts "
            "aside by itself."
        )
        return 1
    print(f"{how_many(len(checked), 'store')}: every part is whole, and no two disagree.")
    return 0


def _merge(known: argparse.Namespace, rest: list[str]) -> None:
    for merged in merge(known.folders, into=known.into):
        _warn(merged.folder, merged.problems)
        print(
            f"{merged.folder}: {how_many(merged.coalitions, 'coalition')} from "
            f"{how_many(merged.parts, 'part')}, {how_many(merged.removed, 'file')} removed."
        )


def _export(known: argparse.Namespace, rest: list[str]) -> None:
    kind = "csv"
    if known.out is not None:
        kind = Path(known.out).suffix.removeprefix(".")
    require(
        kind in FORMATS,
        f"Expected out={known.out!r} to end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}.",
    )
    root = stores_folder(known.folder)
    run = run_stores(root)
    stores = _chosen(root, run, known.part)
    for store in stores:
        _warn(store.folder, store.problems)
    names = [store.folder.relative_to(root).as_posix() for store in stores]
    write(export(stores, names, kind, players=run.players), known.out)
    if known.out is not None:
        coalitions = sum(len(store.masks) for store in stores)
        print(f"Wrote {how_many(coalitions, 'coalition')} to {known.out}")


def _chosen(root: Path, run: RunStores, part: str | None) -> list[archive.Archive]:
    """The stores to export: of the valuation or of another part; of the games that the result
    beside them is of, where it says so.

    Raises:
        InvalidInputError: no such part, or a part of several games.
    """
    parts: dict[str, list[archive.Archive]] = {}
    for folder in archive.find(root):
        store = archive.read(folder)
        parts.setdefault(part_of(folder, root, store.fingerprint), []).append(store)
    meant = _meant(list(parts), part)
    left = [name or "the valuation" for name in parts if name not in meant]
    if left:
        shown = ", ".join(meant) or "the valuation"
        say(f"Exporting {shown}; --part names another: {listed(left, 6)}.", sys.stderr)
    return [store for name in meant for store in _of_the_run(name, parts[name], run)]


def _meant(parts: Sequence[str], part: str | None) -> list[str]:
    """The parts that are exported: the one asked for, or the valuation's."""
    if part is not None:
        one_of("part", part, parts)
        return [part]
    for name in TABLES:
        if name in parts:
            return [name]
    return [name for name in parts if name.split("/")[0] not in NO_VALUES] or list(parts)


def _of_the_run(part: str, stores: list[archive.Archive], run: RunStores) -> list[archive.Archive]:
    """Of the stores of one part, the one that the result beside them is of."""
    meant = [store for store in stores if store.fingerprint == run.games.get(part)] or stores
    require(
        len(meant) == 1,
        f"Expected one store of {part or 'the valuation'}, got those of {len(meant)} "
        f"configurations: {', '.join(str(store.folder) for store in meant)}; export one of these.",
    )
    return meant


def _warn(folder: Path, problems: Iterable[str]) -> None:
    for problem in problems:
        warn(f"{folder}: {problem}")
