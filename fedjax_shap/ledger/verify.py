"""Verification: whether a ledger is as it was written, and if not, which entries are not (Spec
9.2).

What is found depends on what is known beside the file:

* Nothing, and the ledger is not signed: every change by who did not compute the hashes anew, so
  mistakes, spoilt disks and careless hands. Who can write to the file can rewrite it from any entry
  on, or cut it, and is not found.
* Nothing, and it is signed: every entry altered, inserted, reordered or removed, the last ones too,
  by who has not got the key. The key is the one that entry 0 names: who makes the whole ledger anew
  under a key of their own, or under none, is not found.
* The public key: that too.
* The hash of entry n, noted elsewhere (an anchor): besides, any other history up to entry n, even
  by the owner of the key or in a ledger that is not signed, and an end that was cut before n.

An older copy of the whole file, put in its place, is found by an anchor and by nothing else: its
last entries are gone, and its checkpoint was truly signed once. So are the last entries cut off
together with such an older checkpoint. What the owner of the key rewrote or cut after the latest
anchor is not found at all.
"""

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedjax_shap._validate import require
from fedjax_shap.ledger.canonical import printable
from fedjax_shap.ledger.entry import FIRST, NOTHING, Entry, checkpoint_message, read_entry
from fedjax_shap.ledger.ledger import (
    APPLICATION,
    COLUMNS,
    FORMAT,
    SCHEMA,
    BrokenLedgerError,
    Checkpoint,
    Ledger,
    checkpoint,
)
from fedjax_shap.ledger.row_checks import Rows, complaints, judged, listed
from fedjax_shap.ledger.signing import is_signed


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found.

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
    """Checks a ledger from end to end; changes nothing, but that what a kill left half-written is
    rolled back.

    See the head of this file for what can be found.

    Args:
        path: the ledger's file.
        public_key: 64 hexadecimal digits, see `signing.read_public`; the one in entry 0 if None.
        expect: the hash of an entry, 64 hexadecimal digits, which must be in the chain.
        signatures: False leaves them unchecked, for which `cryptography` need not be installed.

    Returns:
        What was found.

    Raises:
        InvalidInputError: there is no such file, it cannot be opened now, `expect` is no hash, or
            signatures are to be checked and `cryptography` is not installed.
    """
    for name, digits in (("expect", expect), ("public_key", public_key)):
        fine = digits is None or re.fullmatch(r"[0-9a-f]{64}", digits) is not None
        require(fine, f"Expected {name}={digits!r} to be 64 hexadecimal digits, in lower case.")
    try:
        with Ledger(path).opened() as connection:
            connection.execute("BEGIN")  # one state of the file, whatever others append
            problems = _structure(connection)
            rows = connection.execute(f"SELECT {COLUMNS} FROM entries ORDER BY number").fetchall()
            point = checkpoint(connection)
    except BrokenLedgerError as error:
        return Verification(count=0, head="", public_key=None, signed=False, problems=(str(error),))
    first = _first(rows)
    named = first.content.get("public_key") if first else None
    key = (public_key or named) if signatures else None
    signed = first is None or named is not None or public_key is not None
    found = judged(rows, key, signed=signed)
    problems += _genesis(first, public_key) + complaints(found, point.last if point else None)
    problems += _checkpoint(found, point, key, signed=signed)
    chain = [entry.hash for entry in found.numbered.values()]
    if expect is not None and expect not in chain:
        problems.append(f"No entry has the expected hash {expect}: it was removed or rewritten.")
    return Verification(
        count=len(chain) - (first is not None),
        head=chain[-1] if chain else "",
        public_key=key,
        signed=named is not None,
        problems=tuple(problems),
    )


def _structure(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the file as a database."""
    problems = []
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    written = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master")}
    if kind != APPLICATION or written != set(SCHEMA):
        problems.append("The tables of the file are not those of a ledger.")
    found = [text for (text,) in connection.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        problems.append(f"The file is damaged: {printable(str(found[0]))}.")
    return problems


def _first(rows: list[Any]) -> Entry | None:
    """Entry 0, if it is whole."""
    for number, *held in rows[:1]:
        try:
            entry = read_entry(*held)
        except ValueError:
            return None
        true = (number, entry.number, entry.kind, entry.previous) == (0, 0, FIRST, NOTHING)
        return entry if true and isinstance(entry.content.get("public_key"), str | None) else None
    return None


def _genesis(first: Entry | None, public_key: str | None) -> list[str]:
    """What is wrong with entry 0."""
    if first is None:
        return ["Entry 0, which says whose ledger it is, is not as it was written."]
    if first.content.get("format") != FORMAT:
        return [
            f"The ledger is of format {printable(str(first.content.get('format')))}, which is not "
            "known here."
        ]
    named = first.content.get("public_key")
    if public_key is None or named == public_key:
        return []
    return [
        "The ledger is "
        f"{'not signed' if named is None else f'signed by another key, {printable(named)}'}."
    ]


def _checkpoint(
    found: Rows, point: Checkpoint | None, key: str | None, *, signed: bool
) -> list[str]:
    """What is wrong with the checkpoint, or with an end of the chain that is not as it says."""
    if point is None or (point.signature is not None and not signed):
        return ["The checkpoint, which says where the ledger ends, is not as it was written."]
    if key is not None and not is_signed(
        checkpoint_message(point.last, point.head), point.signature or "", key
    ):
        return [
            f"The checkpoint, by which the ledger ends with entry {point.last}, is not signed by "
            "the key."
        ]
    numbered = found.numbered
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
