"""Ledger: the permanent record of runs, contributions, costs and payments, in one SQLite file.

The file holds a chain: each entry names the SHA-256 of the one before, and entry 0 names the public
key, if any, by which all of them are signed (Haber and Stornetta 1991, "How to time-stamp a digital
document").
"""

import secrets
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from fedjax_shap._validate import a_path, number, require
from fedjax_shap.atomic import creating
from fedjax_shap.ledger.database import (
    COLUMNS,
    FORMAT,
    BrokenLedgerError,
    connected,
    create_tables,
    entry_of_row,
    read_checkpoint,
    write_entry,
)
from fedjax_shap.ledger.entry import FIRST, NOTHING, Entry, checkpoint_message, make_entry
from fedjax_shap.ledger.signing import Signer, is_signed


class Ledger:
    """Appends to a ledger, and reads it.

    Guarantees:
        An append is one transaction: what `append` has returned is on disk, as far as the disk
        keeps its word, and a process that is killed at any moment leaves the chain as it was before
        its last append or after it. Several processes and threads may append at once; they queue.
        No append follows on an end that is not as it was signed. Whoever can write to the file can
        alter what was written, and `verify.verify` says what of that can be found.
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
        self.path = a_path("ledger", path)
        self._signer = signer
        self._patience = float(patience)

    @classmethod
    def create(cls, path: str | Path, *, signer: Signer | None = None) -> "Ledger":
        """Makes a ledger in a new file, signed if there is a signer.

        A later append needs the same signer.

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
            creating("ledger", a_path("ledger", path)) as temporary,
            cls(temporary, signer=signer).opened() as connection,
        ):
            connection.execute("BEGIN IMMEDIATE")
            create_tables(connection)
            write_entry(connection, first, signer)
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
                or none where it is signed, a file that cannot be written to, or that other writers
                keep for longer than `patience`.
            BrokenLedgerError: the end of the ledger is not as it was written, so that nothing may
                follow on it.
        """
        require(
            kind != FIRST,
            f"Expected kind={kind!r} to be another word; {FIRST!r} is that of entry 0.",
        )
        with self.opened() as connection:
            # The lock is taken before the end is read, so that no two follow on one entry.
            connection.execute("BEGIN IMMEDIATE")
            last = self._end(connection)
            entry = make_entry(last.number + 1, last.hash, kind, content, self._signer)
            write_entry(connection, entry, self._signer)
            connection.execute("COMMIT")
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """All entries in order, entry 0 first, each checked by itself only; see `verify.verify`.

        Raises:
            InvalidInputError: there is no such file, or it cannot be read.
            BrokenLedgerError: an entry, or the file, is not as it was written.
        """
        with self.opened() as connection:
            rows = connection.execute(f"SELECT {COLUMNS} FROM entries ORDER BY number")
            return tuple(map(entry_of_row, rows))

    def opened(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection to the file; see `database.connected`."""
        return connected(self.path, self._patience)

    def _end(self, connection: sqlite3.Connection) -> Entry:
        """The last entry, refused where the end is not as written, or the signer not the ledger's.

        What comes before is not read: a ledger of any length is appended to in the same time.
        """
        chosen = f"SELECT {COLUMNS} FROM entries"
        first = entry_of_row(connection.execute(f"{chosen} WHERE number = 0").fetchone())
        known = first.content.get("format")
        require(
            known == FORMAT,
            f"Expected ledger={str(self.path)!r} to be of format {FORMAT}, got {known}.",
        )
        key = first.content.get("public_key")
        self._refuse_other_signers(key)
        last = entry_of_row(connection.execute(f"{chosen} ORDER BY number DESC LIMIT 1").fetchone())
        point = read_checkpoint(connection)
        if point is None or (point.last, point.head) != (last.number, last.hash):
            raise _broken_end("its checkpoint is not that of its last entry")
        message = checkpoint_message(point.last, point.head)
        if key is not None and not is_signed(message, point.signature or "", key):
            raise _broken_end("its checkpoint is not signed by its key")
        return last

    def _refuse_other_signers(self, key: str | None) -> None:
        """Refuses to write where the signer is not the one that entry 0 names."""
        named = f"ledger={str(self.path)!r}"
        signer = self._signer
        if signer is None:
            require(key is None, f"Expected a key for {named}, which is signed, got none.")
        else:
            require(key is not None, f"Expected no key for {named}, which is not signed.")
            require(
                signer.public == key,
                f"Expected the key that signs {named} (public key {key}), got another one.",
            )


def _broken_end(reason: str) -> BrokenLedgerError:
    """The refusal to append to an end that is not as it was written."""
    return BrokenLedgerError(
        f"Expected the end of the ledger to be as it was written, but {reason}; run `fedjax-shap "
        "ledger verify`."
    )
