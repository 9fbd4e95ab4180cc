"""`fedjax-shap ledger init | append | show | verify | export`: the record of runs and payments."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fedjax_shap._validate import InvalidInputError, how_many, require
from fedjax_shap.atomic import require_absent
from fedjax_shap.cli.output import to_standard_output, warn, write
from fedjax_shap.ledger import signing
from fedjax_shap.ledger.canonical import printable
from fedjax_shap.ledger.content import recorded
from fedjax_shap.ledger.entry import Entry
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.verify import verify
from fedjax_shap.pipeline.records import result_file
from fedjax_shap.report.render import to_csv, to_text
from fedjax_shap.report.tables import Table, numbers, text, word

WIDE = 160  # columns of a table that goes into a file or a pipe
FORMATS = ("json", "csv")
_HASH = 8  # characters of a hash that a table shows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `ledger` takes."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    _add_writing(commands)
    _add_reading(commands)


def _add_writing(commands: Any) -> None:
    """Adds the commands that make a ledger and append to it."""
    one = _add(commands, "init", _init, help="make a ledger in a new file")
    one.add_argument(
        "--key",
        metavar="KEYFILE",
        help="sign entries by this key; if there is no such file, the key is made, with its public "
        "half in KEYFILE.pub",
    )
    one = _add(
        commands,
        "append",
        _append,
        help="append the values, costs and payments of a run or a settlement",
    )
    one.add_argument(
        "result",
        metavar="RESULT",
        help="a run's folder or result.json, or what `settle` wrote as JSON",
    )
    one.add_argument("--key", metavar="KEYFILE", help="the key of a ledger that is signed")


def _add_reading(commands: Any) -> None:
    """Adds the commands that show, check and export a ledger."""
    one = _add(commands, "show", _show, help="the entries, one a line, or one of them in full")
    one.add_argument("entry", metavar="N", nargs="?", type=int, help="the number of an entry")
    one = _add(
        commands,
        "verify",
        _verify,
        help="find what was altered, removed, reordered or inserted; exit code 1 if anything was",
        description="Two changes are found by --expect only: what the owner of the key rewrote or "
        "cut, and an older copy of the file in its place.",
    )
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
    one = _add(
        commands,
        "export",
        _export,
        help="all entries as JSON, or as a table with a row for each player of an entry",
    )
    one.add_argument("out", metavar="OUT", help="the file to write")
    one.add_argument("--format", choices=FORMATS, help="default: by the ending of OUT")


def _add(
    commands: Any, name: str, call: Callable[..., Any], **texts: str
) -> argparse.ArgumentParser:
    """Adds a command that works on a ledger."""
    one: argparse.ArgumentParser = commands.add_parser(name, **texts)
    one.add_argument("ledger", metavar="LEDGER", help="the ledger's file")
    one.set_defaults(call=call)
    return one


def _init(known: argparse.Namespace, rest: list[str]) -> None:
    path = Path(known.ledger)
    require_absent("ledger", path)  # before a key is made for nothing
    if known.key is None:
        Ledger.create(path, signer=None)
        print(
            f"Made {path}, not signed: whoever can write to it can rewrite it, unless hashes of "
            "entries are kept elsewhere."
        )
        return
    public = signing.public_path(known.key)
    same = path.absolute() in (Path(known.key).absolute(), public.absolute())
    require(not same, f"Expected key={known.key!r} to be another file than the ledger.")
    is_new = not Path(known.key).exists()
    signer = _signer(known.key)
    Ledger.create(path, signer=signer)
    print(f"Made {path}, signed by the key in {known.key} (public key {signer.public}).")
    if is_new:
        print(
            f"Made that key, readable by its owner only, and {public}, which `verify` takes; keep "
            f"both away from {path}."
        )


def _signer(key: str) -> signing.Signer:
    """The key in a file, which is made if there is none."""
    if Path(key).exists():
        return signing.read_key(key)
    return signing.new_key(key)


def _append(known: argparse.Namespace, rest: list[str]) -> None:
    path = result_file(known.result)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"Expected result={str(path)!r} to be a readable file: {error}."
        ) from error
    signer = None
    if known.key is not None:
        signer = signing.read_key(known.key)
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
    columns = (
        *numbers("entry"),
        word("time"),
        word("kind"),
        text("title"),
        *numbers("players", "revenue"),
        word("rule"),
        word("hash"),
    )
    least = WIDE * (not sys.stdout.isatty())
    shown = to_text(Table("", columns, tuple(map(_summary, entries[1:]))), ruled=False, least=least)
    last = entries[-1]
    to_standard_output(f"{shown}Last: entry {last.number}, hash {last.hash}\n")


def _summary(entry: Entry) -> tuple[str, ...]:
    """What `show` says of an entry on its line."""
    payments = _part(entry, "payments")
    cells = (
        entry.number,
        entry.time[:16].replace("T", " "),
        entry.kind,
        _part(entry, "run").get("title"),
        len(entry.content.get("players") or ()),
        _revenue(payments),
        payments.get("rule"),
        entry.hash[:_HASH],
    )
    return tuple(printable(_cell(cell)) for cell in cells)


def _verify(known: argparse.Namespace, rest: list[str]) -> int:
    public = None
    if known.public_key is not None:
        public = signing.read_public(known.public_key)
    checked = verify(known.ledger, public_key=public, expect=known.expect)
    for problem in checked.problems:
        print(f"{known.ledger}: {problem}")
    if checked.problems:
        print("The ledger is not as it was written.")
        return 1
    signed = "not signed"
    if checked.signed:
        signed = (
            "signed by the key in its entry 0; --public-key would say whether that is the true one"
        )
    if checked.signed and public is not None:
        signed = "signed by the given key"
    entries = how_many(checked.count, "entry", "entries")
    print(f"{known.ledger}: {entries}, all as written, {signed}.")
    print(f"Last hash, to be noted elsewhere and given with --expect: {checked.head}")
    return 0


def _export(known: argparse.Namespace, rest: list[str]) -> None:
    kind = known.format or Path(known.out).suffix.removeprefix(".").lower()
    require(
        kind in FORMATS,
        f"Expected out={known.out!r} to end in .json or .csv, or --format to say which.",
    )
    entries = _read(known.ledger)
    if kind == "json":
        content = json.dumps([entry.to_json() for entry in entries], indent=1) + "\n"
    else:
        content = to_csv(_table(entries[1:]))
    write(content.encode(), known.out)
    print(f"Wrote {how_many(len(entries) - 1, 'entry', 'entries')} to {known.out}")


def _read(path: str) -> Sequence[Entry]:
    """The entries; a warning for each thing that is wrong with them, signatures left aside."""
    entries = Ledger(path).entries()
    for problem in verify(path, signatures=False).problems:
        warn(f"{path}: {problem}")
    return entries


def _table(entries: Sequence[Entry]) -> Table:
    """A row for each player of each entry, with everything that was recorded of it."""
    columns = (
        *numbers("entry"),
        *(text(name) for name in ("time", "kind", "title", "player")),
        *numbers("examples", "value", "std_error", "cost", "payment", "profit"),
        *numbers("payment_std_error"),
        *(text(name) for name in ("rule", "policy")),
        *numbers("revenue"),
        text("hash"),
    )
    return Table("", columns, tuple(row for entry in entries for row in _rows(entry)))


def _rows(entry: Entry) -> Iterator[tuple[str, ...]]:
    """The rows of an entry, one a player; a permanent member's last."""
    contributions = _part(entry, "contributions")
    payments = _part(entry, "payments")
    by_player = (
        *(contributions.get(name) for name in ("sizes", "values", "std_errors")),
        entry.content.get("costs"),
        *(payments.get(name) for name in ("amounts", "profits", "std_errors")),
    )
    begin = (str(entry.number), entry.time, entry.kind, _cell(_part(entry, "run").get("title")))
    end = (*(_cell(payments.get(name)) for name in ("rule", "policy")), _revenue(payments))
    end += (entry.hash,)
    players = entry.content.get("players") or ()
    unknown = [None] * len(players)
    for player, name in enumerate(players):
        cells = (_cell((column or unknown)[player]) for column in by_player)
        yield (*begin, name, *cells, *end)
    paid = payments.get("permanent")
    if isinstance(paid, dict):
        cells = (_cell(paid.get(key)) for key in ("cost", "payment", "profit"))
        yield (*begin, str(paid.get("name")), "", "", "", *cells, "", *end)


def _revenue(payments: dict[str, Any]) -> str:
    """All that was paid out, a permanent member's part included."""
    paid = payments.get("permanent")
    if isinstance(paid, dict):
        return _cell(paid.get("revenue"))
    return _cell(payments.get("revenue"))


def _part(entry: Entry, name: str) -> dict[str, Any]:
    """A part of what an entry records; empty where it has none."""
    part = entry.content.get(name)
    if not isinstance(part, dict):
        return {}
    return part


def _cell(value: Any) -> str:
    """A recorded value as text; "" where nothing was recorded."""
    if value is None:
        return ""
    return str(value)
