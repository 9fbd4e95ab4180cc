"""`fedjax-shap store ls | verify | merge | export`: utility stores on disk, without training."""

import argparse
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from fedjax_shap._validate import require
from fedjax_shap.cli.output import counted, warn, write
from fedjax_shap.engine import archive
from fedjax_shap.engine.export import FORMATS, export
from fedjax_shap.report.render import to_terminal
from fedjax_shap.report.tables import Table, numbers, text, word


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `store` takes."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    folder: dict[str, Any] = {
        "metavar": "DIR",
        "help": "a store, or a folder of stores such as runs/NAME/utilities",
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
        "merge", help="make one part of each store's parts, or one store of several of one game"
    )
    one.add_argument("folders", nargs="+", **folder)
    one.add_argument(
        "--into",
        metavar="TARGET",
        help="the store that takes in all others, which stay as they are",
    )
    one.set_defaults(call=_merge)
    one = commands.add_parser("export", help="one row for each coalition: members, size, utility")
    one.add_argument("folder", **folder)
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
            f"Of {counted(len(checked), 'store')}, {len(damaged)} failed; a run sets broken parts "
            "aside by itself."
        )
        return 1
    print(f"{counted(len(checked), 'store')}: every part is whole, and no two disagree.")
    return 0


def _merge(known: argparse.Namespace, rest: list[str]) -> None:
    for merged in archive.merge(known.folders, into=known.into):
        _warn(merged.folder, merged.problems)
        print(
            f"{merged.folder}: {counted(merged.coalitions, 'coalition')} from "
            f"{counted(merged.parts, 'part')}, {counted(merged.removed, 'file')} removed."
        )


def _export(known: argparse.Namespace, rest: list[str]) -> None:
    kind = "csv"
    if known.out is not None:
        kind = Path(known.out).suffix.removeprefix(".")
    require(
        kind in FORMATS,
        f"Expected out={known.out!r} to end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}.",
    )
    stores = [archive.read(folder) for folder in archive.find(known.folder)]
    for store in stores:
        _warn(store.folder, store.problems)
    names = [store.folder.relative_to(known.folder).as_posix() for store in stores]
    write(export(stores, names, kind), known.out)
    if known.out is not None:
        coalitions = sum(len(store.masks) for store in stores)
        print(f"Wrote {counted(coalitions, 'coalition')} to {known.out}")


def _warn(folder: Path, problems: Iterable[str]) -> None:
    for problem in problems:
        warn(f"{folder}: {problem}")
