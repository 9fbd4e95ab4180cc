"""The ledger: what is appended stays, in order, and nothing follows on a broken end."""

import json
import sqlite3
import threading

import pytest
from recording import plain
from tampering import COUNT, dump, opened

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.ledger.database import BrokenLedgerError
from fedjax_shap.ledger.entry import NOTHING, checkpoint_message
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.verify import verify


def test_what_is_appended_is_there_in_order_and_verified(original, keys):
    found = verify(original, public_key=keys[1].public)
    entries = Ledger(original).entries()
    assert found.problems == () and found.count == COUNT and found.signed
    assert [entry.number for entry in entries] == list(range(COUNT + 1))
    assert found.head == entries[-1].hash and entries[0].previous == NOTHING
    assert [entry.content["payments"]["revenue"] for entry in entries[1:]] == [
        f"{100 + i}.00" for i in range(COUNT)
    ]


def test_the_chain_can_be_checked_without_this_package(original, keys):
    """SHA-256 and Ed25519 as others would compute them, from the columns of the file."""
    import hashlib

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    rows, [(last, head, signature)] = dump(original)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[1].public))
    previous = "0" * 64
    for number, body, name, signed in rows:
        held = json.loads(body)
        assert held["previous"] == previous and held["number"] == number
        previous = hashlib.sha256(body).hexdigest()
        assert previous == name.decode()
        key.verify(bytes.fromhex(signed.decode()), b"fedjax-shap ledger entry " + name)
    assert (last, head.decode()) == (COUNT, previous)
    key.verify(
        bytes.fromhex(signature.decode()), b"fedjax-shap ledger checkpoint %d %s" % (last, head)
    )


def test_no_old_checkpoint_is_left_in_the_file(original, keys):
    """With one of these the entries after it could be cut off. Ed25519 gives one message one
    signature."""
    old = [
        keys[1].sign(checkpoint_message(entry.number, entry.hash))
        for entry in Ledger(original).entries()
    ]
    content = original.read_bytes()
    assert [signature.encode() in content for signature in old] == [False] * COUNT + [True]


def test_a_slip_of_the_hand_in_the_database_is_stopped(path):
    connection = sqlite3.connect(path)
    for statement in ("UPDATE entries SET hash = ''", "DELETE FROM entries"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_threads_append_at_once_and_queue(tmp_path):
    ledger = plain(tmp_path / "ledger.db", 0)

    def work():
        for _ in range(5):
            ledger.append("note", {"thread": threading.get_ident()})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(ledger.path).problems == () and len(ledger.entries()) == 21


def test_a_writer_that_gets_no_turn_is_told_so(path, keys):
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        InvalidInputError,
        match=r"free to read and to write: other processes have kept it for 0.05 s",
    ):
        Ledger(path, signer=keys[1], patience=0.05).append("note", {})
    blocker.close()
    assert Ledger(path, signer=keys[1]).append("note", {}).number == COUNT + 1


def test_nothing_is_appended_to_an_end_that_was_cut(path, keys):
    """Or the next checkpoint would be a true one, and the cut be forgotten."""
    with opened(path) as db:
        db.execute(f"DELETE FROM entries WHERE number = {COUNT}")
        head = db.execute(f"SELECT hash FROM entries WHERE number = {COUNT - 1}").fetchone()
        db.execute("UPDATE checkpoint SET last = last - 1, head = ?", head)
    before = dump(path)
    with pytest.raises(BrokenLedgerError, match="its checkpoint is not signed by its key; run"):
        Ledger(path, signer=keys[1]).append("note", {})
    assert dump(path) == before


def test_a_ledger_is_never_made_over_a_file(tmp_path):
    (tmp_path / "ledger.db").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("ledger.db", "link"):
        with pytest.raises(InvalidInputError, match="never overwritten"):
            Ledger.create(tmp_path / name)
    assert (tmp_path / "ledger.db").read_text() == "mine" and not (tmp_path / "nowhere").exists()
    with pytest.raises(InvalidInputError, match="to be writable"):
        Ledger.create(tmp_path / "nowhere" / "ledger.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.db", "link"]
