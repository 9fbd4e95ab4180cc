"""Verification: whether a ledger is as it was written, and if not, which entries are not.

What can be found depends on what is known beside the file:

* Nothing, and the ledger is not signed: every change after which the hashes were not computed anew,
  so mistakes, corrupt disks and careless hands. Whoever can write to the file can rewrite it from
  any entry on, or cut it, without being found.
* Nothing, and it is signed: every entry altered, inserted, reordered or removed, the last ones too,
  by anyone without the key. The key is the one that entry 0 names: a whole ledger made anew under
  another key, or under none, is not found.
* The public key: that too.
* An anchor, the hash of any entry n that was noted elsewhere: besides, any other history up to
  entry n, even by the owner of the key or in a ledger that is not signed, and an end that was cut
  before n, also if other entries were appended since.

An older copy of the whole file, put in its place, is found by an anchor and by nothing else: its
last entries are gone, and its checkpoint was truly signed once. So are the last entries cut off
together with such an older checkpoint. What the owner of the key rewrote or cut after the latest
anchor is not found at all.

To verify changes nothing, except that what a kill left half-written is rolled back.
"""

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedjax_shap._validate import require
from fedjax_shap.ledger.canonical import printable
from fedjax_shap.ledger.database import (
    APPLICATION,
    COLUMNS,
    FORMAT,
    SCHEMA,
    BrokenLedgerError,
    Checkpoint,
    read_checkpoint,
)
from fedjax_shap.ledger.entry import FIRST, NOTHING, Entry, checkpoint_message, read_entry
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.row_checks import Rows, judged, listed, problems_with
from fedjax_shap.ledger.signing import is_signed


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The result of `verify`.

    Attributes:
        count: how many whole entries there are, entry 0 left out.
        head: the hash of the last of them, to be kept elsewhere as an anchor; "" if there is none.
        public_key: by which signatures were checked, 64 hexadecimal digits; None if they were not.
        signed: whether entry 0 says that the ledger is signed.
        problems: a sentence for each thing that is not as it was written, which names the entries;
            none if all is well.
    """

    count: int
    head: str
    public_key: str | None
    signed: bool
    problems: tuple[str, ...]


def verify(
    path: str | Path,
    *,
    public_key: str | None = None,
    expect: str | None = None,
    signatures: bool = True,
) -> Verification:
    """Verifies all entries of a ledger, their order and their end; the module says what is found.

    Args:
        path: the ledger's file.
        public_key: 64 hexadecimal digits, see `signing.read_public`; the one in entry 0 if None.
        expect: an anchor, the hash of any entry, which must be in the chain.
        signatures: False leaves them unchecked, for which `cryptography` need not be installed.

    Raises:
        InvalidInputError: there is no such file, it cannot be opened now, `expect` is not a hash,
            or `cryptography` is needed and not installed.
    """
    _require_digits("expect", expect)
    _require_digits("public_key", public_key)
    try:
        problems, rows, point = _read(path)
    except BrokenLedgerError as error:
        return Verification(count=0, head="", public_key=None, signed=False, problems=(str(error),))
    first = _first(rows)
    named = _named_key(first)
    key = None
    if signatures:
        key = public_key or named
    signed = first is None or named is not None or public_key is not None
    # Each row by itself, rows against each other, the end, and the anchor.
    entries = judged(rows, key, signed=signed)
    problems += [*_genesis(first, public_key), *problems_with(entries, point and point.last)]
    problems += _checkpoint(entries, point, key, signed=signed)
    chain = [entry.hash for entry in entries.numbered.values()]
    if expect is not None and expect not in chain:
        problems.append(f"No entry has the expected hash {expect}: it was removed or rewritten.")
    return Verification(
        count=len(chain) - (first is not None),
        head="".join(chain[-1:]),
        public_key=key,
        signed=named is not None,
        problems=tuple(problems),
    )


def _read(path: str | Path) -> tuple[list[str], list[Any], Checkpoint | None]:
    """What is wrong with the file as a database, the rows of its entries, and its checkpoint."""
    with Ledger(path).opened() as connection:
        connection.execute("BEGIN")  # one state of the file, whatever others append
        problems = _structure(connection)
        rows = connection.execute(f"SELECT {COLUMNS} FROM entries ORDER BY number").fetchall()
        return problems, rows, read_checkpoint(connection)


def _require_digits(name: str, digits: str | None) -> None:
    """Refuses what is not the text of a hash or a key."""
    fits = digits is None or re.fullmatch(r"[0-9a-f]{64}", digits) is not None
    require(fits, f"Expected {name}={digits!r} to be 64 hexadecimal digits, in lower case.")


def _structure(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the file as a database."""
    problems = []
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    statements = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master")}
    if kind != APPLICATION or statements != set(SCHEMA):
        problems.append("The tables of the file are not those of a ledger.")
    damage = [text for (text,) in connection.execute("PRAGMA integrity_check(1)")]
    if damage != ["ok"]:
        problems.append(f"The file is damaged: {printable(str(damage[0]))}.")
    return problems


def _first(rows: list[Any]) -> Entry | None:
    """Entry 0, if it is whole."""
    for number, *columns in rows[:1]:
        try:
            entry = read_entry(*columns)
        except ValueError:
            return None
        true = (number, entry.number, entry.kind, entry.previous) == (0, 0, FIRST, NOTHING)
        if true and isinstance(entry.content.get("public_key"), str | None):
            return entry
    return None


def _named_key(first: Entry | None) -> str | None:
    """The public key that entry 0 names, if it is whole and names one."""
    if first is None:
        return None
    key: str | None = first.content.get("public_key")
    return key


def _genesis(first: Entry | None, public_key: str | None) -> list[str]:
    """What is wrong with entry 0."""
    if first is None:
        return ["Entry 0, which says whose ledger it is, is not as it was written."]
    known = first.content.get("format")
    if known != FORMAT:
        return [f"The ledger is of format {printable(str(known))}, which is not known here."]
    named = _named_key(first)
    if public_key is None or named == public_key:
        return []
    if named is None:
        return ["The ledger is not signed."]
    return [f"The ledger is signed by another key, {printable(named)}."]


def _checkpoint(
    rows: Rows, point: Checkpoint | None, key: str | None, *, signed: bool
) -> list[str]:
    """What is wrong with the checkpoint, or with an end of the chain that is not as it says."""
    if point is None or (point.signature is not None and not signed):
        return ["The checkpoint, which says where the ledger ends, is not as it was written."]
    message = checkpoint_message(point.last, point.head)
    if key is not None and not is_signed(message, point.signature or "", key):
        return [
            f"The checkpoint, by which the ledger ends with entry {point.last}, is not signed by "
            "the key."
        ]
    numbered = rows.numbered
    late = [number for number in numbered if number > point.last]
    if late:
        return [
            f"{listed(late)} was appended without a checkpoint, which says that entry {point.last} "
            "is the last."
        ]
    if point.last in numbered and numbered[point.last].hash != point.head:
        return [
            f"Entry {point.last} is not the one that the checkpoint names as the last: it was "
            "rewritten."
        ]
    return []
