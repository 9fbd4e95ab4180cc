"""The ledger: what is appended stays, and whatever is tampered with is found and named."""

import functools
import json
import os
import random
import shutil
import sqlite3
import stat
import sys
import threading
from pathlib import Path

import pytest
from tampering import COUNT, WAYS, draw, dump, numbers_in, opened, tamper

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.atomic import creating
from fedjax_shap.economics.settle import settle
from fedjax_shap.ledger import canonical, row_checks, signing
from fedjax_shap.ledger import verify as verification
from fedjax_shap.ledger.content import recorded
from fedjax_shap.ledger.entry import NOTHING, checkpoint_message, read_entry
from fedjax_shap.ledger.ledger import BrokenLedgerError, Ledger
from fedjax_shap.ledger.verify import verify


def settlement(revenue=100):
    """The bytes of a settlement."""
    return json.dumps(
        settle([0.3, 0.1], [10, "2.5"], revenue, players=["A", "B"]).to_json()
    ).encode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A folder with the ledger's key, and somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    return folder / "key", signing.new_key(folder / "key"), signing.new_key(folder / "forger")


@pytest.fixture(scope="module")
def original(tmp_path_factory, keys):
    """A signed ledger of 200 entries."""
    ledger = Ledger.create(tmp_path_factory.mktemp("ledger") / "ledger.db", signer=keys[1])
    for index in range(COUNT):
        ledger.append(*recorded(settlement(100 + index)))
    return ledger.path


@pytest.fixture
def path(tmp_path, original):
    """A copy to tamper with."""
    return Path(shutil.copy(original, tmp_path / "ledger.db"))


@pytest.fixture
def remembered(monkeypatch):
    """Both are pure functions: what was not altered need not be computed a thousand times."""
    for module in (row_checks, verification):
        monkeypatch.setattr(module, "is_signed", functools.cache(signing.is_signed))
        monkeypatch.setattr(module, "read_entry", functools.lru_cache(4 * COUNT)(read_entry))


def plain(path, count=3):
    """A ledger that is not signed."""
    ledger = Ledger.create(path)
    for index in range(count):
        ledger.append(*recorded(settlement(50 + index)))
    return ledger


# ------------------------------------------------------------------ the chain


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
    key, previous = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[1].public)), "0" * 64
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


# ------------------------------------------------------------------ tampering


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_tamper_is_found_and_named(way, path, keys):
    named = tamper(path, way, 0, keys[2])
    problems = verify(path, public_key=keys[1].public).problems
    assert problems
    assert named is None or named & numbers_in(problems), problems
    assert all(problem.endswith(".") and "\n" not in problem for problem in problems)


@pytest.mark.slow
def test_a_thousand_random_tamperings_are_all_found_and_named(original, tmp_path, keys, remembered):
    truth, path = dump(original), tmp_path / "ledger.db"
    for seed, way in enumerate(draw(1000)):
        shutil.copy(original, path)
        named = tamper(path, way, seed, keys[2])
        assert dump(path) != truth, f"{way}, seed {seed}, altered nothing"
        problems = verify(path, public_key=keys[1].public).problems
        assert problems, f"{way}, seed {seed}"
        assert named is None or named & numbers_in(problems), (way, seed, problems)
    shutil.copy(original, path)
    assert verify(path, public_key=keys[1].public).problems == ()


def test_a_flipped_byte_is_found_or_leaves_all_that_the_ledger_says(
    original, tmp_path, keys, remembered
):
    truth, content, path = dump(original), original.read_bytes(), tmp_path / "ledger.db"
    rng, found = random.Random(0), 0
    places = [
        *range(100),
        *(rng.randrange(len(content)) for _ in range(400)),
    ]  # the header whole, and at random
    for place in places:
        spoilt = bytearray(content)
        spoilt[place] ^= rng.randint(1, 255)
        path.write_bytes(spoilt)
        problems = verify(path, public_key=keys[1].public).problems
        found += bool(problems)
        assert all(problem.isprintable() for problem in problems)
        assert problems or dump(path) == truth, place
        for beside in tmp_path.glob("ledger.db-*"):
            beside.unlink()
    assert found > 300, "most of the file is entries"


@pytest.mark.parametrize("spoil", ["cut", "empty", "text", "zeros", "half"])
def test_a_file_that_is_no_ledger_is_said_in_one_sentence(spoil, path, original):
    content = original.read_bytes()
    kinds = {
        "cut": content[:5000],
        "empty": b"",
        "text": b"revenue,100\n" * 900,
        "zeros": bytes(len(content)),
    }
    kinds["half"] = content[: len(content) // 2] + bytes(len(content) // 2)
    path.write_bytes(kinds[spoil])
    problems = verify(path).problems
    assert problems and all("\n" not in problem for problem in problems)
    with pytest.raises(InvalidInputError):
        Ledger(path).entries()


@pytest.mark.parametrize("column", ["body", "hash", "signature", "head", "last"])
@pytest.mark.parametrize("value", [b"\xff", b"", 7, 0.5, "x'00'"], ids=repr)
def test_bytes_and_numbers_in_the_place_of_texts_are_found(column, value, path, keys, remembered):
    """SQLite keeps any type in any column, and any bytes as a text."""
    table = "checkpoint" if column in ("head", "last") else "entries WHERE number = 3"
    name, _, which = table.partition(" ")
    with opened(path) as db:
        db.execute(f"UPDATE {name} SET {column} = ? {which}", (value,))
    assert verify(path, public_key=keys[1].public).problems
    with opened(path) as db:
        db.execute(f"UPDATE {name} SET {column} = CAST(x'66ff0a' AS TEXT) {which}")
    problems = verify(path, public_key=keys[1].public).problems
    assert problems and all(problem.isprintable() for problem in problems)
    assert table == "checkpoint" or 3 in numbers_in(problems)


def test_damage_beside_the_entries_is_found(path, keys):
    """Byte 39 counts the unused pages; no entry depends on it, but the next append would."""
    content = bytearray(path.read_bytes())
    content[39] += 1
    path.write_bytes(content)
    (problem,) = verify(path, public_key=keys[1].public).problems
    assert problem.startswith("The file is damaged: ")


def test_other_tables_are_found(path, keys):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TRIGGER later AFTER INSERT ON entries BEGIN SELECT 1; END")
    connection.commit()
    connection.close()
    assert verify(path, public_key=keys[1].public).problems == (
        "The tables of the file are not those of a ledger.",
    )


def test_what_needs_an_anchor_is_found_by_one_and_only_by_one(path, original, keys, tmp_path):
    """An older copy of the file, and what the owner of the key rewrote."""
    old = shutil.copy(original, tmp_path / "old.db")
    anchor = Ledger(path, signer=keys[1]).append("note", {"said": "paid"}).hash
    assert verify(path, public_key=keys[1].public, expect=anchor).problems == ()
    assert verify(old, public_key=keys[1].public).problems == (), (
        "an older copy was truly signed once"
    )
    assert anchor in verify(old, public_key=keys[1].public, expect=anchor).problems[0]
    Ledger(old, signer=keys[1]).append("note", {"said": "not paid"})
    assert verify(old, public_key=keys[1].public).problems == (), (
        "the owner of the key can write another history"
    )
    (problem,) = verify(old, public_key=keys[1].public, expect=anchor).problems
    assert problem == f"No entry has the expected hash {anchor}: it was removed or rewritten."


def test_an_unsigned_ledger_finds_what_was_not_hashed_anew_and_an_anchor_the_rest(tmp_path):
    ledger = plain(tmp_path / "ledger.db", 5)
    anchor = ledger.entries()[-1].hash
    with opened(ledger.path) as db:
        db.execute("UPDATE entries SET body = replace(body, '51.00', '91.00') WHERE number = 2")
    (problem,) = verify(ledger.path).problems
    assert problem == "Entry 2 was altered: its hash is not that of its body."
    with opened(ledger.path) as db:
        (body,) = db.execute("SELECT body FROM entries WHERE number = 2").fetchone()
        db.execute("UPDATE entries SET hash = ? WHERE number = 2", (canonical.digest(body),))
    (problem,) = verify(ledger.path).problems
    assert problem == "Entry 3 does not follow on entry 2: one of the two was rewritten."
    with opened(ledger.path) as db:
        body, previous = db.execute("SELECT body, hash FROM entries WHERE number = 2").fetchone()
        for number in range(2, 6):
            (body,) = db.execute("SELECT body FROM entries WHERE number = ?", (number,)).fetchone()
            held = canonical.read(body) | ({"previous": previous} if number > 2 else {})
            previous = canonical.digest(canonical.canonical(held))
            row = (canonical.canonical(held), previous, number)
            db.execute("UPDATE entries SET body = ?, hash = ? WHERE number = ?", row)
        db.execute("UPDATE checkpoint SET head = ?", (previous,))
    assert verify(ledger.path).problems == (), "who can hash can rewrite it"
    assert "No entry has the expected hash" in verify(ledger.path, expect=anchor).problems[0]


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


# ------------------------------------------------------------------ what is recorded


def test_a_settlement_is_recorded_to_the_cent():
    kind, content = recorded(settlement(100))
    assert kind == "settlement" and canonical.read(canonical.canonical(content))["costs"] == [
        "10.00",
        "2.50",
    ]
    assert list(map(str, content["payments"]["amounts"])) == ["75.62", "24.38"]
    assert (
        content["contributions"]["values"] == [0.3, 0.1]
        and content["contributions"]["sizes"] is None
    )


def test_a_run_is_recorded_with_what_identifies_it():
    config = {"title": "small", "seed": 2**60, "data": {"name": "digits"}}
    run = {
        "config": config,
        "settlement": json.loads(settlement()),
        "values": [0.3, 0.1],
        "std_errors": [0.01, None],
    }
    content = (
        json.dumps(run | {"sizes": [5, 6], "versions": {"jax": "0"}})
        .replace("0.01, null", "0.01, NaN")
        .encode()
    )
    kind, entry = recorded(content)
    assert kind == "run" and entry["contributions"]["std_errors"] == [0.01, None]
    assert entry["run"]["versions"] == {"jax": "0"} and entry["contributions"]["sizes"] == [5, 6]
    other = recorded(content.replace(b"digits", b"mnist"))[1]["run"]["config_sha256"]
    assert len(other) == 64 and other != entry["run"]["config_sha256"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"payments": ["75.63", "24.38"]},
            "Expected profits['A']=65.62 to be its payment less its cost, 65.63.",
        ),
        (
            {"revenue": "101.00"},
            "Expected the payments to sum to revenue=101.00, but they sum to 100.00.",
        ),
        ({"costs": ["10.00"]}, "Expected costs to have 2 entries"),
        ({"players": ["A", "A"]}, "Expected players to differ"),
        ({"rule": None}, "Expected the settlement to have the key 'rule', but it has not."),
        ({"values": ["x", 1]}, "Expected values['A']='x' to be a number."),
        ({"notes": [3]}, "Expected notes=3 to be a text."),
        ({"policy": "\ud800"}, "to be Unicode text"),
    ],
    ids=["profit", "sum", "shape", "names", "missing", "value", "note", "surrogate"],
)
def test_a_result_that_does_not_balance_is_refused(change, sentence, tmp_path):
    ledger = plain(tmp_path / "ledger.db", 0)
    with pytest.raises(InvalidInputError) as caught:
        ledger.append(*recorded(json.dumps(json.loads(settlement()) | change).encode()))
    assert sentence in str(caught.value) and len(ledger.entries()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"settlement": {}}']
)
def test_what_is_no_result_is_refused(content):
    with pytest.raises(InvalidInputError):
        recorded(content)


# ------------------------------------------------------------------ keys


def test_keys_are_open_to_their_owner_only_and_never_overwritten(tmp_path):
    old = os.umask(0)
    try:
        signer = signing.new_key(tmp_path / "key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert (
        signing.read_key(tmp_path / "key").public
        == signer.public
        == signing.read_public(tmp_path / "key.pub")
    )
    content = (tmp_path / "key").read_bytes()
    for gone in ("key", "key.pub"):
        with pytest.raises(InvalidInputError, match=r"never overwritten"):
            signing.new_key(tmp_path / "key")
        (tmp_path / "key.pub").unlink(missing_ok=gone == "key.pub")
    assert (tmp_path / "key").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key"], (
        "and nothing half-written is left"
    )


def test_a_signer_does_not_show_its_key(keys):
    path, signer, _ = keys
    secret = b"".join(path.read_bytes().splitlines()[1:-1]).decode()
    assert secret not in repr(signer) and secret not in str(vars(Ledger("x", signer=signer)))


@pytest.mark.parametrize("kind", ["open", "text", "rsa", "password", "public", "missing", "folder"])
def test_a_key_that_will_not_do_is_refused(kind, tmp_path, keys):
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    path = tmp_path / "key"
    plain_text, locked = form.NoEncryption(), form.BestAvailableEncryption(b"x")
    pem, pkcs8 = form.Encoding.PEM, form.PrivateFormat.PKCS8
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {
            "open": keys[0].read_bytes(),
            "text": b"none",
            "rsa": ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, pkcs8, plain_text),
            "password": ed25519.Ed25519PrivateKey.generate().private_bytes(pem, pkcs8, locked),
            "public": signing.public_path(keys[0]).read_bytes(),
        }
        path.write_bytes(content[kind])
        path.chmod(0o640 if kind == "open" else 0o600)
    with pytest.raises(InvalidInputError, match=r"^Expected key=") as caught:
        signing.read_key(path)
    assert "\n" not in str(caught.value)


def test_the_key_of_a_ledger_must_be_the_one_that_appends(path, keys, tmp_path):
    before = dump(path)
    for signer, sentence in ((None, "which is signed, got none"), (keys[2], "got another one")):
        with pytest.raises(InvalidInputError, match=sentence):
            Ledger(path, signer=signer).append("note", {})
    assert dump(path) == before
    with pytest.raises(InvalidInputError, match="which is not signed"):
        Ledger(plain(tmp_path / "plain.db").path, signer=keys[1]).append("note", {})


def test_without_cryptography_unsigned_ledgers_work_and_signing_says_what_to_install(
    tmp_path, path, monkeypatch
):
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert verify(plain(tmp_path / "plain.db").path).problems == ()
    for call in (lambda: signing.new_key(tmp_path / "key"), lambda: verify(path)):
        with pytest.raises(
            InvalidInputError, match=r"cryptography to be installed .* fedjax-shap\[ledger\]\.$"
        ):
            call()
    assert not (tmp_path / "key").exists()
    assert (
        verify(path, signatures=False).problems == () and len(Ledger(path).entries()) == COUNT + 1
    )


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


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_new_file_that_is_overtaken_gives_way(links, tmp_path, monkeypatch):
    def without(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", without)
    with creating("out", tmp_path / "own") as temporary:
        temporary.write_text("mine")
    assert (tmp_path / "own").read_text() == "mine"
    with (
        pytest.raises(InvalidInputError, match="never overwritten"),
        creating("out", tmp_path / "other") as temporary,
    ):
        temporary.write_text("mine")
        (tmp_path / "other").write_text("theirs")
    with pytest.raises(KeyError), creating("out", tmp_path / "third"):
        raise KeyError
    assert (tmp_path / "other").read_text() == "theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "own"]
