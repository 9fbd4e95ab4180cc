"""The SQLite file of a ledger: its tables, its rows as entries, and its one checkpoint.

The table `entries` holds the chain. The table `checkpoint` holds one row, which each append writes
anew and signs: how many entries there are and which is the last. Any program can read the file:
SHA-256 of the column `body` is the column `hash`, and `body` is JSON.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.ledger.canonical import printable
from fedjax_shap.ledger.entry import Entry, checkpoint_message, read_entry
from fedjax_shap.ledger.signing import Signer

FORMAT = 1  # raised when an older program would misread a ledger
APPLICATION = 0x464A5348  # "FJSH": where SQLite keeps whose file a database is

# The triggers are no defence against those who can write to the file; they stop a slip of the hand
# in a database browser.
SCHEMA = (
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL, "
    "signature TEXT)",
    "CREATE TABLE checkpoint (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last INTEGER NOT "
    "NULL, "
    "head TEXT NOT NULL, signature TEXT)",
    "CREATE TRIGGER entries_stay_as_they_are BEFORE UPDATE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'a ledger is append-only'); END",
    "CREATE TRIGGER entries_stay BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'a ledger is "
    "append-only'); END",
)

COLUMNS = "number, body, hash, signature"

# What the system or another process has against using the file now, whatever is in it.
_NOT_NOW = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_CANTOPEN",
    "SQLITE_PERM",
    "SQLITE_READONLY",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_NOMEM",
    "SQLITE_AUTH",
    "SQLITE_INTERRUPT",
)


class BrokenLedgerError(InvalidInputError):
    """A ledger that is not as it was written; the message says in one sentence what is wrong."""


class Checkpoint(NamedTuple):
    """The one row of the table `checkpoint`.

    Attributes:
        last: the number of the last entry.
        head: its hash.
        signature: Ed25519 of `entry.checkpoint_message(last, head)`; None in a ledger that is not
            signed.
    """

    last: int
    head: str
    signature: str | None


@contextlib.contextmanager
def connected(path: Path, patience: float) -> Iterator[sqlite3.Connection]:
    """A connection to the file of a ledger; errors of SQLite become refusals.

    Args:
        path: the file.
        patience: seconds to wait for other writers.

    Raises:
        InvalidInputError: there is no such file, or it cannot be opened, read or written now.
        BrokenLedgerError: it is not a readable SQLite file.
    """
    named = f"ledger={str(path)!r}"
    require(path.is_file(), f"Expected {named} to be a ledger, but there is no such file.")
    # not "ro": what a kill left half-written is rolled back
    uri = f"{path.resolve().as_uri()}?mode=rw"
    try:
        with contextlib.closing(
            sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None)
        ) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            # EXTRA: a power cut after COMMIT does not bring the old state back. What is deleted is
            # overwritten, so that no old checkpoint can be dug out of the file and used again.
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA secure_delete = ON")
            yield connection
    except sqlite3.Error as error:
        raise _refusal(error, named, patience) from error
    except UnicodeDecodeError as error:
        # an error of SQLite that quotes corrupt bytes, which Python cannot read
        raise BrokenLedgerError(
            f"Expected {named} to be a readable SQLite file: its tables are corrupt."
        ) from error


def _refusal(error: sqlite3.Error, named: str, patience: float) -> InvalidInputError:
    """The refusal that an error of SQLite becomes."""
    code = getattr(error, "sqlite_errorname", None) or "SQLITE_CORRUPT"
    if not code.startswith(_NOT_NOW):
        return BrokenLedgerError(
            f"Expected {named} to be a readable SQLite file: {printable(str(error))}."
        )
    reason = str(error)
    if "BUSY" in code:
        reason = f"other processes have kept it for {patience:g} s"
    return InvalidInputError(f"Expected {named} to be free to read and to write: {reason}.")


def create_tables(connection: sqlite3.Connection) -> None:
    """Makes a new file the database of a ledger, in the transaction that is open."""
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    for statement in SCHEMA:
        connection.execute(statement)


def read_checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    """The checkpoint as it stands, true or not; None if there is not exactly one, or it is none."""
    rows = connection.execute("SELECT last, head, signature FROM checkpoint").fetchall()
    if len(rows) != 1:
        return None
    last, head, signature = rows[0]
    hashed = isinstance(head, str) and re.fullmatch(r"[0-9a-f]{64}", head)
    if not hashed or not isinstance(last, int) or not isinstance(signature, str | None):
        return None
    return Checkpoint(last, head, signature)


def entry_of_row(row: Any) -> Entry:
    """The entry of a row of the table `entries`, refused where it is not whole.

    Args:
        row: the values of COLUMNS; None for a row that is not there.

    Raises:
        BrokenLedgerError: it is not the entry that was written there.
    """
    if row is None:
        raise BrokenLedgerError("Expected the ledger to have an entry 0, but it has none.")
    try:
        entry = read_entry(*row[1:])
        if entry.number != row[0]:
            raise ValueError(f"it is entry {entry.number}")
    except ValueError as error:
        raise BrokenLedgerError(
            f"Expected entry {row[0]} to be as it was written, but {error}."
        ) from error
    return entry


def write_entry(connection: sqlite3.Connection, entry: Entry, signer: Signer | None) -> None:
    """Writes an entry, and the checkpoint that names it as the last."""
    signature = None
    if signer is not None:
        signature = signer.sign(checkpoint_message(entry.number, entry.hash))
    row = (entry.number, entry.body, entry.hash, entry.signature)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", row)
    connection.execute(
        "INSERT INTO checkpoint VALUES (1, ?, ?, ?) ON CONFLICT (only_row) DO UPDATE "
        "SET last = excluded.last, head = excluded.head, signature = excluded.signature",
        (entry.number, entry.hash, signature),
    )
