"""`fedjax-shap ledger init | append | show | verify | export`: the permanent record of runs and
payments.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.atomic import replacing, require_absent, writable
from fedjax_shap.cli.store import to_standard_output
from fedjax_shap.ledger import signing
from fedjax_shap.ledger.canonical import printable
from fedjax_shap.ledger.content import recorded
from fedjax_shap.ledger.entry import Entry
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.verify import verify

WIDE = 160  # columns of a table that goes into a file or a pipe
FORMATS = ("json", "csv")
_COLUMNS = (
    *(
        "entry",
        "time",
        "kind",
        "title",
        "player",
        "examples",
        "value",
        "std_error",
        "cost",
        "payment",
        "profit",
    ),
    *("payment_std_error", "rule", "policy", "revenue", "hash"),
)


def add_to(commands: Any) -> None:
    """Adds the command `ledger` to the subparsers `commands`; `call` returns its exit code, None
    for success.
    """
    parser = commands.add_parser(
        "ledger", help="the permanent record of runs, contributions, costs and payments"
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    ledger, key = {"metavar": "LEDGER", "help": "the ledger's file"}, {"metavar": "KEYFILE"}
    one = what.add_parser("init", help="make a ledger in a new file")
    one.add_argument("ledger", **ledger)
    one.add_argument(
        "--key",
        **key,
        help="sign entries by this key, which is made, with KEYFILE.pub, if it is new",
    )
    one.set_defaults(call=_init)
    one = what.add_parser(
        "append", help="append what a run or a settlement found: values, costs, payments"
    )
    one.add_argument("ledger", **ledger)
    one.add_argument(
        "result",
        metavar="RESULT",
        help="a run's folder or result.json, or what `settle` wrote as JSON",
    )
    one.add_argument("--key", **key, help="the key of a ledger that is signed")
    one.set_defaults(call=_append)
    one = what.add_parser("show", help="the entries, one a line, or one of them in full")
    one.add_argument("ledger", **ledger)
    one.add_argument("entry", metavar="N", nargs="?", type=int, help="the number of an entry")
    one.set_defaults(call=_show)
    one = what.add_parser(
        "verify",
        help="find what was altered, removed, reordered or inserted; exit code 1 if anything was",
        description="What the owner of the key rewrote or cut, and an older copy of the file put "
        "in its place, is found by --expect only.",
    )
    one.add_argument("ledger", **ledger)
    one.add_argument(
        "--public-key",
        metavar="FILE",
        help="the public key, kept elsewhere (default: the ledger's own)",
    )
    one.add_argument(
        "--expect",
        metavar="HASH",
        help="the hash of the last entry, or of an earlier one, that was noted elsewhere",
    )
    one.set_defaults(call=_verify)
    one = what.add_parser(
        "export", help="all entries as JSON, or as a table with a row for each player of an entry"
    )
    one.add_argument("ledger", **ledger)
    one.add_argument("out", metavar="OUT", help="the file to write")
    one.add_argument("--format", choices=FORMATS, help="default: by the ending of OUT")
    one.set_defaults(call=_export)


def _init(known: argparse.Namespace, rest: list[str]) -> None:
    path, made, signer = Path(known.ledger), False, None
    require_absent("ledger", path)  # before a key is made for nothing
    if known.key is not None:
        same = path.absolute() in (
            Path(known.key).absolute(),
            signing.public_path(known.key).absolute(),
        )
        require(not same, f"Expected key={known.key!r} to be another file than the ledger.")
        made = not Path(known.key).exists()
        signer = signing.new_key(known.key) if made else signing.read_key(known.key)
    Ledger.create(path, signer=signer)
    if signer is None:
        print(
            f"Made {path}, not signed: who can write to it can rewrite it, unless hashes of "
            "entries are kept elsewhere."
        )
    else:
        print(f"Made {path}, signed by the key in {known.key} (public key {signer.public}).")
    if made:
        public = signing.public_path(known.key)
        print(
            f"Made that key, open to its owner only, and {public}, which `verify` takes; keep both "
            f"away from {path}."
        )


def _append(known: argparse.Namespace, rest: list[str]) -> None:
    given = Path(known.result)
    path = given / "result.json" if given.is_dir() else given
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"Expected result={str(path)!r} to be a readable file: {error}."
        ) from error
    signer = None if known.key is None else signing.read_key(known.key)
    entry = Ledger(known.ledger, signer=signer).append(*recorded(content))
    print(f"Appended entry {entry.number} ({entry.kind}) to {known.ledger}: {entry.hash}")


def _show(known: argparse.Namespace, rest: list[str]) -> None:
    entries = _read(known.ledger)
    if known.entry is not None:
        require(
            0 <= known.entry < len(entries),
            f"Expected N={known.entry} to be the number of an entry, from 0 to {len(entries) - 1}.",
        )
        to_standard_output(json.dumps(entries[known.entry].to_json(), indent=1) + "\n")
        return
    shown = Table(box=None, pad_edge=False)
    for column in ("entry", "time", "kind", "title", "players", "revenue", "rule", "hash"):
        right, folds = column in ("entry", "players", "revenue"), column == "title"
        shown.add_column(
            column,
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=not folds,
            min_width=8 if folds else None,
        )
    for entry in entries[1:]:
        payments = _part(entry, "payments")
        cells = (
            entry.time[:16].replace("T", " "),
            entry.kind,
            _part(entry, "run").get("title"),
            len(entry.content.get("players") or ()),
        )
        told = (payments.get("revenue"), payments.get("rule"), entry.hash[:8])
        shown.add_row(
            str(entry.number), *(escape(printable(_told(cell))) for cell in (*cells, *told))
        )
    out = Console(width=None if sys.stdout.isatty() else WIDE)
    with out.capture() as captured:
        out.print(shown)
    to_standard_output(
        f"{captured.get()}Last: entry {entries[-1].number}, hash {entries[-1].hash}\n"
    )


def _verify(known: argparse.Namespace, rest: list[str]) -> int:
    public = None if known.public_key is None else signing.read_public(known.public_key)
    found = verify(known.ledger, public_key=public, expect=known.expect)
    for problem in found.problems:
        print(f"{known.ledger}: {problem}")
    if found.problems:
        print("The ledger is not as it was written.")
        return 1
    whose = "by the key in its entry 0; --public-key would say whether that is the true one"
    signed = f"signed {'by the given key' if public else whose}" if found.signed else "not signed"
    print(
        f"{known.ledger}: {found.count:,} {'entry' if found.count == 1 else 'entries'}, all as "
        f"written, {signed}."
    )
    print(f"Last hash, to be noted elsewhere and given with --expect: {found.head}")
    return 0


def _export(known: argparse.Namespace, rest: list[str]) -> None:
    out = Path(known.out)
    kind = known.format or out.suffix.removeprefix(".").lower()
    require(
        kind in FORMATS,
        f"Expected out={known.out!r} to end in .json or .csv, or --format to say which.",
    )
    entries = _read(known.ledger)
    text = io.StringIO(newline="")
    if kind == "json":
        json.dump([entry.to_json() for entry in entries], text, indent=1)
        text.write("\n")
    else:
        csv.writer(text, lineterminator="\n").writerows(
            [_COLUMNS, *(row for one in entries[1:] for row in _rows(one))]
        )
    with writable("out", out), replacing(out) as file:
        file.write(text.getvalue().encode())
    print(f"Wrote {len(entries) - 1:,} {'entry' if len(entries) == 2 else 'entries'} to {out}")


def _read(path: str) -> Sequence[Entry]:
    """The entries; a warning for each thing that is wrong with them, signatures left aside."""
    entries = Ledger(path).entries()
    for problem in verify(path, signatures=False).problems:
        print(f"warning: {path}: {problem}", file=sys.stderr)
    return entries


def _rows(entry: Entry) -> Iterator[list[str]]:
    """The rows of an entry in a CSV file, one a player."""
    payments, contributions = _part(entry, "payments"), _part(entry, "contributions")
    lists = (
        *(contributions.get(name) for name in ("sizes", "values", "std_errors")),
        *(
            entry.content.get("costs"),
            payments.get("amounts"),
            payments.get("profits"),
            payments.get("std_errors"),
        ),
    )
    begin = [str(entry.number), entry.time, entry.kind, _told(_part(entry, "run").get("title"))]
    end = [*(_told(payments.get(name)) for name in ("rule", "policy", "revenue")), entry.hash]
    for index, player in enumerate(entry.content.get("players") or ()):
        yield [*begin, player, *(_told(one[index] if one else None) for one in lists), *end]


def _part(entry: Entry, name: str) -> dict[str, Any]:
    """A part of what an entry records; empty where it has none."""
    part = entry.content.get(name)
    return part if isinstance(part, dict) else {}


def _told(value: Any) -> str:
    return "" if value is None else str(value)
