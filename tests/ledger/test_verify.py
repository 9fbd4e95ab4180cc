"""Verification: whatever is tampered with is found and named, by itself or by an anchor."""

import random
import shutil
import sqlite3

import pytest
from recording import plain, settlement
from tampering import COUNT, WAYS, draw, dump, numbers_in, opened, tamper

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.ledger import canonical
from fedjax_shap.ledger.content import recorded
from fedjax_shap.ledger.entry import checkpoint_message
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.verify import verify


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_tamper_is_found_and_named(way, path, keys):
    named = tamper(path, way, 0, keys[2])
    problems = verify(path, public_key=keys[1].public).problems
    assert problems
    assert named is None or named & numbers_in(problems), problems
    assert all(problem.endswith(".") and "\n" not in problem for problem in problems)


@pytest.mark.slow
def test_a_thousand_random_tamperings_are_all_found_and_named(original, tmp_path, keys, remembered):
    truth = dump(original)
    path = tmp_path / "ledger.db"
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
    truth = dump(original)
    content = original.read_bytes()
    path = tmp_path / "ledger.db"
    rng = random.Random(0)
    found = 0
    places = [
        *range(100),
        *(rng.randrange(len(content)) for _ in range(400)),
    ]  # the header whole, and at random
    for place in places:
        corrupt = bytearray(content)
        corrupt[place] ^= rng.randint(1, 255)
        path.write_bytes(corrupt)
        problems = verify(path, public_key=keys[1].public).problems
        found += bool(problems)
        assert all(problem.isprintable() for problem in problems)
        assert problems or dump(path) == truth, place
        for beside in tmp_path.glob("ledger.db-*"):
            beside.unlink()
    assert found > 300, "most of the file is entries"


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "zeros", "half"])
def test_a_file_that_is_no_ledger_is_said_in_one_sentence(damage, path, original):
    content = original.read_bytes()
    kinds = {
        "cut": content[:5000],
        "empty": b"",
        "text": b"revenue,100\n" * 900,
        "zeros": bytes(len(content)),
    }
    kinds["half"] = content[: len(content) // 2] + bytes(len(content) // 2)
    path.write_bytes(kinds[damage])
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


def test_the_hash_of_any_entry_is_an_anchor(original, keys):
    for entry in Ledger(original).entries():
        if entry.number in (0, 1, COUNT // 2, COUNT):
            assert verify(original, public_key=keys[1].public, expect=entry.hash).problems == ()


def cut_and_rebuilt(path, number, signer):
    """Cuts a ledger before an entry and appends others in the place of those cut, truly signed."""
    with opened(path) as db:
        db.execute("DELETE FROM entries WHERE number >= ?", (number,))
        (head,) = db.execute("SELECT hash FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        signature = signer.sign(checkpoint_message(number - 1, head))
        db.execute(
            "UPDATE checkpoint SET last = ?, head = ?, signature = ?", (number - 1, head, signature)
        )
    for index in range(number, COUNT + 1):
        Ledger(path, signer=signer).append(*recorded(settlement(1000 + index)))


def test_a_ledger_cut_and_rebuilt_by_its_owner_is_found_by_each_anchor_behind_the_cut(path, keys):
    known = [entry.hash for entry in Ledger(path).entries()]
    cut = COUNT - 9
    cut_and_rebuilt(path, cut, keys[1])
    rebuilt = verify(path, public_key=keys[1].public)
    assert rebuilt.problems == () and rebuilt.count == COUNT  # as long, and truly signed
    for number in (cut, cut + 4, COUNT):
        (problem,) = verify(path, public_key=keys[1].public, expect=known[number]).problems
        assert problem.startswith(f"No entry has the expected hash {known[number]}")
    assert verify(path, public_key=keys[1].public, expect=known[cut - 1]).problems == ()


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
