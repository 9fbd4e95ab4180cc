"""Ways to tamper with a ledger's file, each of a connection and a random generator.

A way returns the numbers of the entries of which at least one must be named, or None where no entry
can be. `forger` is a signer with another key than the ledger's. Triggers and tables are put back as
they were.
"""

import contextlib
import random
import re
import sqlite3

from fedjax_shap.ledger.canonical import canonical, digest, read
from fedjax_shap.ledger.database import SCHEMA
from fedjax_shap.ledger.entry import checkpoint_message, message

COUNT = 200  # entries, and entry 0


@contextlib.contextmanager
def opened(path):
    """The file, triggers out of the way."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("BEGIN")
        for name in ("entries_stay_as_they_are", "entries_stay"):
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for statement in SCHEMA[2:]:
            connection.execute(statement)
        connection.execute("COMMIT")


def dump(path):
    """All that a ledger says: its entries and its checkpoint, byte for byte."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        return [
            connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            for table, columns in (
                ("entries ORDER BY number", "number, body, hash, signature"),
                ("checkpoint", "last, head, signature"),
            )
        ]


def numbers_in(problems):
    """The numbers of the entries and rows that problems name."""
    found = set()
    for problem in problems:
        for low, high in re.findall(r"(?<![\w.])(\d+)(?: to (\d+))?(?![\w])", problem):
            found.update(range(int(low), int(high or low) + 1) if int(high or low) < 10**6 else ())
    return found


def _row(db, number):
    return db.execute(
        "SELECT body, hash, signature FROM entries WHERE number = ?", (number,)
    ).fetchone()


def _set(db, number, **columns):
    for column, value in columns.items():
        db.execute(f"UPDATE entries SET {column} = ? WHERE number = ?", (value, number))


def _other_digit(rng, text):
    """A text with one of its characters made another one."""
    place = rng.randrange(len(text))
    return (
        text[:place]
        + rng.choice([c for c in "0123456789abcdef" if c != text[place]])
        + text[place + 1 :]
    )


def _rehash(db, start, signer=None):
    """Writes the chain anew from an entry on; without a signer, signatures stay as they are."""
    _, previous, _ = _row(db, start - 1)
    for (number,) in db.execute(
        "SELECT number FROM entries WHERE number >= ? ORDER BY number", (start,)
    ).fetchall():
        fields = read(_row(db, number)[0]) | {"previous": previous, "number": number}
        body = canonical(fields)
        previous = digest(body)
        _set(
            db,
            number,
            body=body,
            hash=previous,
            **({"signature": signer.sign(message(previous))} if signer else {}),
        )
    _checkpoint(db, signer)


def _checkpoint(db, signer=None):
    """Makes the checkpoint that of the last entry."""
    last, head = db.execute(
        "SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1"
    ).fetchone()
    db.execute("UPDATE checkpoint SET last = ?, head = ?", (last, head))
    if signer:
        db.execute(
            "UPDATE checkpoint SET signature = ?", (signer.sign(checkpoint_message(last, head)),)
        )


def _richer(db, number):
    """Changes what an entry says that a member is paid."""
    fields = read(_row(db, number)[0])
    fields["content"]["payments"]["amounts"] = ["1.00", "99.00"]
    return canonical(fields)


def edit_a_field(db, rng, forger):
    number = rng.randint(0, COUNT)
    column = rng.choice(["body", "hash", "signature"])
    text = _row(db, number)[("body", "hash", "signature").index(column)]
    _set(db, number, **{column: _other_digit(rng, text)})
    return {number}


def edit_an_amount(db, rng, forger):
    number = rng.randint(1, COUNT)
    _set(db, number, body=_richer(db, number))
    return {number}


def edit_and_hash_one(db, rng, forger):
    number = rng.randint(1, COUNT)
    body = _richer(db, number)
    _set(db, number, body=body, hash=digest(body), signature=forger.sign(message(digest(body))))
    return {number}


def edit_and_hash_the_rest(db, rng, forger):
    number = rng.randint(1, COUNT)
    _set(db, number, body=_richer(db, number))
    _rehash(db, number, rng.choice([None, forger]))
    return {number}


def strip_a_signature(db, rng, forger):
    number = rng.randint(0, COUNT)
    _set(db, number, signature=rng.choice([None, "", _row(db, number)[2].upper()]))
    return {number}


def remove_one(db, rng, forger):
    number = rng.randint(0, COUNT)
    db.execute("DELETE FROM entries WHERE number = ?", (number,))
    return {number}


def remove_and_close_the_gap(db, rng, forger):
    number = rng.randint(1, COUNT - 1)
    db.execute("DELETE FROM entries WHERE number = ?", (number,))
    for later in range(number + 1, COUNT + 1):
        db.execute("UPDATE entries SET number = ? WHERE number = ?", (later - 1, later))
    if rng.random() < 0.5:
        _rehash(db, number, forger)
    return {number}


def cut_the_end(db, rng, forger):
    last = COUNT - rng.randint(1, 20)
    db.execute("DELETE FROM entries WHERE number > ?", (last,))
    if rng.random() < 0.8:
        _checkpoint(db, rng.choice([None, forger]))
    if (
        rng.random() < 0.3
    ):  # the signature of the entry, which is true, in place of that of a checkpoint
        db.execute("UPDATE checkpoint SET signature = ?", (_row(db, last)[2],))
    return {last, last + 1}


def swap_two(db, rng, forger):
    one, two = rng.sample(range(COUNT + 1), 2)
    db.execute("UPDATE entries SET number = -1 WHERE number = ?", (one,))
    db.execute("UPDATE entries SET number = ? WHERE number = ?", (one, two))
    db.execute("UPDATE entries SET number = ? WHERE number = -1", (two,))
    return {one, two}


def copy_one(db, rng, forger):
    source = rng.randint(0, COUNT)
    place = rng.choice([COUNT + 1, COUNT + 7, -3, 10**15])
    db.execute(
        "INSERT INTO entries SELECT ?, body, hash, signature FROM entries WHERE number = ?",
        (place, source),
    )
    if rng.random() < 0.3:
        _checkpoint(db)
        return {source, place, COUNT}
    return {source, place}


def _forged(db, number, forger):
    fields = read(_row(db, 1)[0]) | {"number": number, "previous": _row(db, number - 1)[1]}
    body = canonical(fields)
    return body, digest(body), forger.sign(message(digest(body)))


def insert_behind(db, rng, forger):
    db.execute(
        "INSERT INTO entries VALUES (?, ?, ?, ?)", (COUNT + 1, *_forged(db, COUNT + 1, forger))
    )
    if rng.random() < 0.5:
        _checkpoint(db, forger)
    return {COUNT + 1}


def insert_between(db, rng, forger):
    number = rng.randint(1, COUNT)
    forged = _forged(db, number, forger)
    for later in range(COUNT, number - 1, -1):
        db.execute("UPDATE entries SET number = ? WHERE number = ?", (later + 1, later))
    db.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (number, *forged))
    if rng.random() < 0.5:
        _rehash(db, number + 1, forger)
    return {number}


def corrupt_the_checkpoint(db, rng, forger):
    what = rng.choice(["last", "head", "signature", "none", "gone"])
    _, head, signature = db.execute("SELECT last, head, signature FROM checkpoint").fetchone()
    if what == "gone":
        db.execute("DELETE FROM checkpoint")
    else:
        column = "signature" if what == "none" else what
        values = {"last": rng.choice([0, COUNT - 1, COUNT + 1, -1, 10**15]), "none": None}
        values |= {"head": _other_digit(rng, head), "signature": _other_digit(rng, signature)}
        db.execute(f"UPDATE checkpoint SET {column} = ?", (values[what],))


def make_it_anew(db, rng, forger):
    """The whole ledger again, by the key of somebody else or by none."""
    fields = read(_row(db, 0)[0])
    fields["content"]["public_key"] = rng.choice([None, forger.public])
    signer = forger if fields["content"]["public_key"] else None
    body = canonical(fields)
    if signer is None:
        db.execute("UPDATE entries SET signature = NULL")
        db.execute("UPDATE checkpoint SET signature = NULL")
    _set(
        db,
        0,
        body=body,
        hash=digest(body),
        **({"signature": signer.sign(message(digest(body)))} if signer else {}),
    )
    _rehash(db, 1, signer)


WAYS = {
    way.__name__: way
    for way in (
        *(
            edit_a_field,
            edit_an_amount,
            edit_and_hash_one,
            edit_and_hash_the_rest,
            strip_a_signature,
            remove_one,
        ),
        *(remove_and_close_the_gap, cut_the_end, swap_two, copy_one, insert_behind, insert_between),
        *(corrupt_the_checkpoint, make_it_anew),
    )
}

REWRITING = {
    "edit_and_hash_the_rest",
    "remove_and_close_the_gap",
    "insert_between",
    "make_it_anew",
}  # take longest


def draw(count):
    """So many ways, those that rewrite the ledger nine times as rarely as the others."""
    weights = [1 if name in REWRITING else 9 for name in WAYS]
    return random.Random(0).choices(list(WAYS), weights, k=count)


def tamper(path, way, seed, forger):
    """Tampers with a ledger's file; see above for what comes back."""
    rng = random.Random(seed)
    with opened(path) as db:
        return WAYS[way](db, rng, forger)
