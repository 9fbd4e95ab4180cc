"""A writer that is killed at any moment leaves the chain valid and loses nothing that it had
acknowledged.

The test starts this file as a script, which imports everything once and forks the writers. A kill
leaves what the process wrote to the system in place, so this shows that no moment between two
writes is a bad one; that a write is on disk before it is acknowledged is SQLite's business
(`synchronous = EXTRA`) and no test here.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.signing import new_key
from fedjax_shap.ledger.verify import verify

ROOT = Path(__file__).resolve().parents[2]
KILLS = 50
WRITERS = 4
EACH = 25
BEFORE = 10  # entries before the first kill, to see how long one takes


def fork(ledger, count):
    """A child that appends so many entries and acknowledges each on a pipe, once `append` has
    returned."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for index in range(count):
                entry = ledger.append(
                    "note", {"writer": os.getpid(), "index": index, "payments": ["12.34"] * 50}
                )
                os.write(writer, f"{entry.hash}\n".encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(writer)
    return child, reader


def acknowledged(reader):
    """All that a child acknowledged before its end."""
    with os.fdopen(reader) as pipe:
        return [line.strip() for line in pipe]


def state(ledger, public):
    """(problems, the hashes in order)"""
    return verify(ledger.path, public_key=public).problems, [
        entry.hash for entry in ledger.entries()
    ]


def killed(folder, signer):
    """Kills writers one after the other, each of which goes on where the last one was stopped; a
    record of each."""
    ledger = Ledger.create(folder / "killed.db", signer=signer)
    draw = random.Random(0)
    records = []
    began = time.perf_counter()
    for _ in range(BEFORE):
        ledger.append("note", {})
    pace = (time.perf_counter() - began) / BEFORE
    for _ in range(KILLS):
        child, reader = fork(ledger, 10**6)
        if draw.random() < 0.5:  # amid its entries, however late a busy machine lets it begin
            select.select([reader], [], [])
        time.sleep(draw.uniform(0, 0.05 + 5 * pace))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        journal = (folder / "killed.db-journal").exists()
        done = acknowledged(reader)
        problems, chain = state(ledger, signer.public)
        by_signal = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        records.append([by_signal, journal, done, problems, chain])
    return records


def together(folder, signer):
    """Writers at once, and one more that is killed amid them."""
    ledger = Ledger.create(folder / "together.db", signer=signer)
    stopped, reader = fork(ledger, 10**6)
    first = os.read(reader, 65).decode().strip()
    children = [fork(ledger, EACH) for _ in range(WRITERS)]
    time.sleep(0.3)
    os.kill(stopped, signal.SIGKILL)
    os.waitpid(stopped, 0)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _ in children]
    done = [acknowledged(pipe) for _, pipe in children]
    return [codes, done, [first, *acknowledged(reader)], *state(ledger, signer.public)]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """What the script printed: of the kills, and of the writers together."""
    folder = tmp_path_factory.mktemp("ledgers")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    run = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    return json.loads(run.stdout)


@pytest.mark.slow
def test_fifty_kills_leave_a_valid_chain_and_lose_nothing_acknowledged(records):
    kills = records["killed"]
    before = None
    assert len(kills) == KILLS and all(by_signal for by_signal, *_ in kills)
    assert sum(journal for _, journal, *_ in kills) >= 5, "some were killed amid a transaction"
    for _, _, done, problems, chain in kills:
        assert problems == []
        before = chain[: 1 + BEFORE] if before is None else before
        assert chain[: len(before)] == before, "what was there is there"
        new = chain[len(before) :]
        assert new[: len(done)] == done, "what was acknowledged is there"
        assert len(new) - len(done) in (0, 1), "besides, one that was killed before it could say so"
        before = chain
    assert len(before) > KILLS, "and the writers did write"


@pytest.mark.slow
def test_four_writers_at_once_lose_nothing(records):
    codes, done, by_the_killed, problems, chain = records["together"]
    assert codes == [0] * WRITERS and problems == []
    assert [len(each) for each in done] == [EACH] * WRITERS
    every = sorted(by_the_killed + [one for each in done for one in each])
    assert len(chain) - 1 - len(every) in (0, 1), "the killed one may have had no time to say so"
    assert set(every) <= set(chain[1:]) and len(set(every)) == len(every)
    places = [[chain.index(one) for one in each] for each in done]
    assert all(each == sorted(each) for each in places), "each one's entries are in its order"
    assert any(max(one) > min(two) for one in places for two in places if one is not two), (
        "they took turns"
    )


def drive(folder):
    """Does both and prints what came of it."""
    signer = new_key(folder / "key")
    print(json.dumps({"killed": killed(folder, signer), "together": together(folder, signer)}))


if __name__ == "__main__":
    drive(Path(sys.argv[1]))
