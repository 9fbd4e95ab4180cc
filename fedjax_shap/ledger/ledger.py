"""Ledger: the permanent record of runs, contributions, costs and payments, in one SQLite file (Spec
9.2).

The file holds a chain: each entry names the SHA-256 of the one before, and entry 0 names the public
key, if any, by which all of them are signed. A checkpoint, one row that each append writes anew and
signs, says how many there are and which is the last. Any program can read it: SHA-256 of the column
`body` is the column `hash`, and `body` is JSON.
"""

import contextlib
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, number, require
from fedjax_shap.atomic import creating
from fedjax_shap.ledger.canonical import printable
from fedjax_shap.ledger.entry import (
    FIRST,
    NOTHING,
    Entry,
    checkpoint_message,
    make_entry,
    read_entry,
)
from fedjax_shap.ledger.signing import Signer, is_signed

FORMAT = 1  # raised when an older program would misread a ledger
APPLICATION = 0x464A5348  # "FJSH": where SQLite keeps whose file a database is

# The triggers are no defence against who can write to the file; they stop a slip of the hand in a
# database browser.
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
_NOT_NOW = {
    *(
        "SQLITE_BUSY",
        "SQLITE_LOCKED",
        "SQLITE_CANTOPEN",
        "SQLITE_PERM",
        "SQLITE_READONLY",
        "SQLITE_FULL",
    ),
    *("SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_AUTH", "SQLITE_INTERRUPT"),
}


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


class Ledger:
    """Appends to a ledger, and reads it.

    Guarantees:
        An append is one transaction: what `append` has returned is on disk, as far as the disk
        keeps its word, and a process that is killed at any moment leaves the chain as it was before
        its last append or after it. Several processes and threads may append at once; they queue.
        No append follows on an end that is not as it was signed. What was written can be altered by
        who can write to the file, and `verification.verify` says what that leaves to be found.
    """

    def __init__(
        self, path: str | Path, *, signer: Signer | None = None, patience: float = 60.0
    ) -> None:
        """Names a ledger; nothing is opened yet.

        Args:
            path: its file; see `create`.
            signer: who signs what is appended; see `signing.read_key`. Reading needs none.
            patience: seconds to wait for other writers.

        Raises:
            InvalidInputError: a patience that is not a number >= 0.
        """
        number("patience", patience, least=0.0)
        self.path, self._signer, self._patience = Path(path), signer, float(patience)

    @classmethod
    def create(cls, path: str | Path, *, signer: Signer | None = None) -> "Ledger":
        """Makes a ledger in a new file, signed if there is a signer; a later append then needs the
        same one.

        Raises:
            InvalidInputError: there is a file already, or it cannot be written.
        """
        content = {
            "format": FORMAT,
            "identity": secrets.token_hex(16),
            "public_key": signer and signer.public,
        }
        first = make_entry(0, NOTHING, FIRST, content, signer)
        with (
            creating("ledger", Path(path)) as temporary,
            cls(temporary, signer=signer).opened() as connection,
        ):
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA:
                connection.execute(statement)
            _write(connection, first, signer)
            connection.execute("COMMIT")
        return cls(path, signer=signer)

    def append(self, kind: str, content: dict[str, Any]) -> Entry:
        """Appends one entry.

        Args:
            kind: what it records, such as "settlement".
            content: the record, of what `canonical.canonical` takes.

        Returns:
            The entry. It is on disk.

        Raises:
            InvalidInputError: a content that JSON cannot hold, a signer that is not this ledger's
                or none where it is signed, a file that cannot be written to, or other writers that
                leave no turn.
            BrokenLedgerError: the end of the ledger is not as it was written, so that nothing may
                follow on it.
        """
        require(
            kind != FIRST,
            f"Expected kind={kind!r} to be another word; {FIRST!r} is that of entry 0.",
        )
        with self.opened() as connection:
            connection.execute(
                "BEGIN IMMEDIATE"
            )  # takes the turn before it reads, so that no two follow on one entry
            last = self._end(connection)
            entry = make_entry(last.number + 1, last.hash, kind, content, self._signer)
            _write(connection, entry, self._signer)
            connection.execute("COMMIT")
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """All entries in order, entry 0 first, each checked by itself only; see
        `verification.verify`.

        Raises:
            InvalidInputError: there is no such file, or it cannot be read.
            BrokenLedgerError: an entry, or the file, is not as it was written.
        """
        with self.opened() as connection:
            return tuple(
                _entry(row)
                for row in connection.execute(f"SELECT {COLUMNS} FROM entries ORDER BY number")
            )

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection to the file; errors of SQLite become refusals.

        Raises:
            InvalidInputError: there is no such file, or it cannot be opened, read or written now.
            BrokenLedgerError: it is not a readable SQLite file.
        """
        named = f"ledger={str(self.path)!r}"
        require(self.path.is_file(), f"Expected {named} to be a ledger, but there is no such file.")
        # not "ro": what a kill left half-written is rolled back
        uri = f"{self.path.resolve().as_uri()}?mode=rw"
        try:
            with contextlib.closing(
                sqlite3.connect(uri, uri=True, timeout=self._patience, isolation_level=None)
            ) as connection:
                connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
                # EXTRA: a power cut after COMMIT does not bring the old state back. What is deleted
                # is overwritten, so that no old checkpoint can be dug out of the file and used
                # again.
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("PRAGMA secure_delete = ON")
                yield connection
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", None) or "SQLITE_CORRUPT"
            if any(code.startswith(known) for known in _NOT_NOW):
                busy = (
                    f": other processes have kept it for {self._patience:g} s"
                    if "BUSY" in code
                    else f": {error}"
                )
                raise InvalidInputError(
                    f"Expected {named} to be free to read and to write{busy}."
                ) from error
            raise BrokenLedgerError(
                f"Expected {named} to be a readable SQLite file: {printable(str(error))}."
            ) from error
        except (
            UnicodeDecodeError
        ) as error:  # an error of SQLite that quotes spoilt bytes, which Python cannot read
            raise BrokenLedgerError(
                f"Expected {named} to be a readable SQLite file: its tables are spoilt."
            ) from error

    def _end(self, connection: sqlite3.Connection) -> Entry:
        """The last entry, refused where the end of the chain is not as it was written, or the
        signer not the ledger's.

        What comes before is not read: a ledger of any length is appended to in the same time.
        """
        first = _entry(
            connection.execute(f"SELECT {COLUMNS} FROM entries WHERE number = 0").fetchone()
        )
        known = first.content.get("format")
        require(
            known == FORMAT,
            f"Expected ledger={str(self.path)!r} to be of format {FORMAT}, got {known}.",
        )
        key = first.content.get("public_key")
        self._refuse_stranger(key)
        last = _entry(
            connection.execute(
                f"SELECT {COLUMNS} FROM entries ORDER BY number DESC LIMIT 1"
            ).fetchone()
        )
        point = checkpoint(connection)
        broken = "Expected the end of the ledger to be as it was written, but {}; run `fedjax-shap ledger verify`."
        if point is None or (point.last, point.head) != (last.number, last.hash):
            raise BrokenLedgerError(broken.format("its checkpoint is not that of its last entry"))
        if key is not None and not (
            is_signed(checkpoint_message(point.last, point.head), point.signature or "", key)
        ):
            raise BrokenLedgerError(broken.format("its checkpoint is not signed by its key"))
        return last

    def _refuse_stranger(self, key: str | None) -> None:
        """Refuses to write where the signer is not the one that entry 0 names."""
        named, signer = f"ledger={str(self.path)!r}", self._signer
        if signer is None:
            require(key is None, f"Expected a key for {named}, which is signed, got none.")
        else:
            require(key is not None, f"Expected no key for {named}, which is not signed.")
            require(
                signer.public == key,
                f"Expected the key that signs {named} (public key {key}), got another one.",
            )


def checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    """The checkpoint as it stands, whether true or not; None if there is not exactly one, or it
    cannot be one.
    """
    rows = connection.execute("SELECT last, head, signature FROM checkpoint").fetchall()
    if len(rows) != 1:
        return None
    last, head, signature = rows[0]
    named = isinstance(head, str) and re.fullmatch(r"[0-9a-f]{64}", head)
    return (
        Checkpoint(*rows[0])
        if named and isinstance(last, int) and isinstance(signature, str | None)
        else None
    )


def _entry(row: Any) -> Entry:
    """The entry of a row, refused where it is not whole."""
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


def _write(connection: sqlite3.Connection, entry: Entry, signer: Signer | None) -> None:
    """Writes an entry and the checkpoint behind it."""
    sign: Callable[[bytes], str | None] = signer.sign if signer else lambda message: None
    signature = sign(checkpoint_message(entry.number, entry.hash))
    row = (entry.number, entry.body, entry.hash, entry.signature)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", row)
    connection.execute(
        "INSERT INTO checkpoint VALUES (1, ?, ?, ?) ON CONFLICT (only_row) DO UPDATE "
        "SET last = excluded.last, head = excluded.head, signature = excluded.signature",
        (entry.number, entry.hash, signature),
    )
