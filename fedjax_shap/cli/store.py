"""`fedjax-shap store ls | verify | merge | export`: utility stores on disk, without training."""

import argparse
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from fedjax_shap._validate import require
from fedjax_shap.atomic import replacing, writable
from fedjax_shap.engine import archive
from fedjax_shap.engine.export import FORMATS, export

OUT = Console()


def add_to(commands: Any) -> None:
    """Adds the command `store` to the subparsers `commands`; `call` returns its exit code, None for
    success.
    """
    parser = commands.add_parser(
        "store", help="list, check, merge or export what runs keep in their utilities/ folder"
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    found = {"help": "a store, or a folder of stores such as runs/NAME/utilities"}
    one = what.add_parser("ls", help="what stores hold")
    one.add_argument("folder", metavar="DIR", **found)
    one.set_defaults(call=_ls)
    one = what.add_parser(
        "verify",
        help="check every part; exit code 1 if something is broken, contradictory or foreign",
    )
    one.add_argument("folder", metavar="DIR", **found)
    one.set_defaults(call=_verify)
    one = what.add_parser(
        "merge", help="make one part of each store's parts, or one store of several of one game"
    )
    one.add_argument("folders", metavar="DIR", nargs="+", **found)
    one.add_argument(
        "--into",
        metavar="TARGET",
        help="the store that takes in all others, which stay as they are",
    )
    one.set_defaults(call=_merge)
    one = what.add_parser("export", help="one row for each coalition: members, size, utility")
    one.add_argument("folder", metavar="DIR", **found)
    one.add_argument(
        "--out", metavar="FILE", help="a file .csv, .json or .npz (default: CSV to standard output)"
    )
    one.set_defaults(call=_export)


def _ls(known: argparse.Namespace, rest: list[str]) -> None:
    shown = Table(box=None, pad_edge=False)
    for column in (
        "store",
        "fingerprint",
        "coalitions",
        "parts",
        "utility",
        "size",
        "last written",
    ):
        left = column in ("store", "fingerprint", "last written")
        shown.add_column(
            column, justify="left" if left else "right", overflow="fold", no_wrap=column != "store"
        )
    for held in map(archive.read, archive.find(known.folder)):
        _warn(held.folder, held.problems)
        shown.add_row(
            escape(str(held.folder)),
            held.fingerprint[:8],
            f"{len(held.masks):,}",
            str(len(held.parts)),
            " x ".join(map(str, held.utilities.shape[1:])) or "scalar",
            decimal(held.size),
            datetime.fromtimestamp(held.written).strftime("%Y-%m-%d %H:%M")
            if held.parts
            else "never",
        )
    OUT.print(shown)


def _verify(known: argparse.Namespace, rest: list[str]) -> int:
    checked = {folder: archive.find_problems(folder) for folder in archive.find(known.folder)}
    spoilt = {folder: problems for folder, problems in checked.items() if problems}
    for folder, problems in spoilt.items():
        for problem in problems:
            print(f"{folder}: {problem}")
    if spoilt:
        print(
            f"Of {_counted(len(checked), 'store')}, {len(spoilt)} failed; a run sets broken parts "
            "aside by itself."
        )
        return 1
    print(f"{_counted(len(checked), 'store')}: every part is whole, and no two disagree.")
    return 0


def _merge(known: argparse.Namespace, rest: list[str]) -> None:
    for merged in archive.merge(known.folders, into=known.into):
        _warn(merged.folder, merged.problems)
        print(
            f"{merged.folder}: {_counted(merged.coalitions, 'coalition')} from "
            f"{_counted(merged.parts, 'part')}, "
            f"{_counted(merged.removed, 'file')} removed."
        )


def _export(known: argparse.Namespace, rest: list[str]) -> None:
    kind = "csv" if known.out is None else Path(known.out).suffix.removeprefix(".")
    require(
        kind in FORMATS,
        f"Expected out={known.out!r} to end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}.",
    )
    stores = [archive.read(folder) for folder in archive.find(known.folder)]
    for held in stores:
        _warn(held.folder, held.problems)
    content = export(
        stores, [held.folder.relative_to(known.folder).as_posix() for held in stores], kind
    )
    if known.out is None:
        to_standard_output(content.decode())
        return
    with writable("out", Path(known.out)), replacing(Path(known.out)) as file:
        file.write(content)
    print(f"Wrote {_counted(sum(len(held.masks) for held in stores), 'coalition')} to {known.out}")


def to_standard_output(text: str) -> None:
    """Prints; a reader such as `head` may stop early."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or the interpreter complains on its way out


def _warn(folder: Path, problems: Iterable[str]) -> None:
    for problem in problems:
        print(f"warning: {folder}: {problem}", file=sys.stderr)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
