"""`fedjax-shap ledger`: the permanent record from the command line, in words and in its exit
code."""

import csv
import hashlib
import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from console import called

from fedjax_shap.cli.main import main
from fedjax_shap.economics.settle import settle
from fedjax_shap.ledger.canonical import canonical

RUN = {
    "config": {"title": "four hospitals", "seed": 3, "partition": {"name": "iid"}},
    "setting": "cross-silo",
    "values": [0.3, 0.1],
    "std_errors": [0.01, 0.02],
    "sizes": [30, 20],
    "versions": {"jax": "0.10.2"},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a settlement, a run, and a ledger that is signed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    settlement = settle(
        [0.3, 0.1], [10, "2.5"], 100, players=["A", "B"], std_errors=[0.01, 0.02]
    ).to_json()
    Path("settled.json").write_text(json.dumps(settlement))
    Path("run").mkdir()
    Path("run/result.json").write_text(json.dumps(RUN | {"settlement": settlement}))
    assert main(["ledger", "init", "ledger.db", "--key", "key"]) == 0
    return tmp_path


@pytest.fixture
def filled(folder):
    """With two entries in the ledger."""
    for result in ("run", "settled.json"):
        assert main(["ledger", "append", "ledger.db", result, "--key", "key"]) == 0
    return folder


def ledger(capsys, *arguments):
    """(exit code, standard output, standard error) of `fedjax-shap ledger`."""
    return called(capsys, "ledger", *arguments)


def alter(statement):
    """Changes the file by its SQL, triggers out of the way and back again."""
    connection = sqlite3.connect("ledger.db")
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()


def test_init_makes_a_ledger_and_a_key_and_shows_neither_the_key(folder, capsys):
    assert stat.S_IMODE(Path("key").stat().st_mode) == 0o600
    code, said, wrong = ledger(capsys, "init", "second.db", "--key", "key")
    secret = "".join(Path("key").read_text().splitlines()[1:-1])
    assert code == 0 and not wrong and "signed by the key in key (public key " in said
    assert secret not in said and secret.encode() not in Path("second.db").read_bytes()
    assert ledger(capsys, "init", "third.db")[1].startswith("Made third.db, not signed")
    assert not list(folder.glob(".*")), "nothing is left half written"


def test_runs_and_settlements_are_appended_shown_and_verified(filled, capsys):
    code, said, wrong = ledger(capsys, "show", "ledger.db")
    header, first, second, last = said.splitlines()
    assert code == 0 and not wrong
    assert header.split() == [
        "entry",
        "time",
        "kind",
        "title",
        "players",
        "revenue",
        "rule",
        "hash",
    ]
    assert "run" in first and "four hospitals" in first and "100.00" in second
    head = last.split()[-1]
    assert last == f"Last: entry 2, hash {head}" and len(head) == 64
    code, said, wrong = ledger(
        capsys, "verify", "ledger.db", "--public-key", "key.pub", "--expect", head
    )
    assert code == 0 and not wrong
    assert said.splitlines()[0] == "ledger.db: 2 entries, all as written, signed by the given key."
    assert said.splitlines()[1].endswith(head)


def test_one_entry_is_shown_in_full(filled, capsys):
    shown = json.loads(ledger(capsys, "show", "ledger.db", "1")[1])
    content = shown["content"]
    assert content["payments"]["amounts"] == ["75.62", "24.38"] and content["costs"] == [
        "10.00",
        "2.50",
    ]
    assert content["contributions"] == {
        "values": [0.3, 0.1],
        "std_errors": [0.01, 0.02],
        "sizes": [30, 20],
    }
    assert (
        content["file_sha256"] == hashlib.sha256(Path("run/result.json").read_bytes()).hexdigest()
    )
    config = hashlib.sha256(canonical(RUN["config"]).encode()).hexdigest()
    assert content["run"]["config_sha256"] == config and content["run"]["seed"] == 3


def test_what_settle_writes_is_appended(filled, capsys):
    Path("input.json").write_text(
        json.dumps({"values": [2, 1], "costs": [0, 0], "revenue": "9.00"})
    )
    capsys.readouterr()
    assert main(["settle", "input.json"]) == 0
    Path("output.json").write_text(capsys.readouterr().out)
    code, said, _ = ledger(capsys, "append", "ledger.db", "output.json", "--key", "key")
    assert code == 0 and said.startswith("Appended entry 3 (settlement) to ledger.db: ")
    assert json.loads(ledger(capsys, "show", "ledger.db", 3)[1])["content"]["payments"][
        "amounts"
    ] == ["6.00", "3.00"]


def test_verify_names_what_was_altered_and_exits_with_1(filled, capsys):
    alter("UPDATE entries SET body = replace(body, '75.62', '95.62') WHERE number = 1")
    code, said, wrong = ledger(capsys, "verify", "ledger.db")
    assert code == 1 and not wrong
    assert said.splitlines() == [
        "ledger.db: Entry 1 was altered: its hash is not that of its body.",
        "The ledger is not as it was written.",
    ]


def test_a_damaged_file_is_said_in_one_sentence(filled, capsys):
    content = bytearray(Path("ledger.db").read_bytes())
    content[:100] = bytes(100)
    Path("ledger.db").write_bytes(content)
    code, said, _ = ledger(capsys, "verify", "ledger.db")
    assert (
        code == 1
        and "to be a readable SQLite file: file is not a database." in said.splitlines()[0]
    )
    code, said, wrong = ledger(capsys, "show", "ledger.db")
    assert code == 2 and not said and len(wrong.splitlines()) == 1


def test_another_key_and_a_missing_anchor_are_found(filled, capsys):
    ledger(capsys, "init", "other.db", "--key", "other")
    code, said, _ = ledger(capsys, "verify", "ledger.db", "--public-key", "other.pub")
    assert code == 1 and "The ledger is signed by another key" in said
    code, said, _ = ledger(capsys, "verify", "ledger.db", "--expect", "0" * 64)
    assert code == 1 and "No entry has the expected hash 000" in said


def test_show_and_export_warn_of_what_is_wrong(filled, capsys):
    alter("UPDATE checkpoint SET last = 1")
    for arguments in (["show", "ledger.db"], ["export", "ledger.db", "out.json"]):
        code, _, wrong = ledger(capsys, *arguments)
        assert code == 0 and wrong.startswith(
            "warning: ledger.db: Entry 2 was appended without a checkpoint"
        )


def test_export_as_json_can_be_checked_by_anybody(filled, capsys):
    code, said, wrong = ledger(capsys, "export", "ledger.db", "out.json")
    assert (code, said, wrong) == (0, "Wrote 2 entries to out.json\n", "")
    previous = "0" * 64
    for entry in json.loads(Path("out.json").read_text()):
        name, _ = entry.pop("hash"), entry.pop("signature")
        assert entry["previous"] == previous
        previous = hashlib.sha256(canonical(entry).encode()).hexdigest()
        assert previous == name


def test_export_as_csv_has_a_row_for_each_player(filled, capsys):
    assert ledger(capsys, "export", "ledger.db", "out.txt", "--format", "csv")[0] == 0
    with Path("out.txt").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["entry"], row["player"], row["payment"]) for row in rows] == [
        *(("1", "A", "75.62"), ("1", "B", "24.38"), ("2", "A", "75.62"), ("2", "B", "24.38")),
    ]
    assert [row["title"] for row in rows] == ["four hospitals"] * 2 + [""] * 2
    assert [row["value"] for row in rows] == ["0.3", "0.1"] * 2 and rows[0]["examples"] == "30"
    assert not list(filled.glob(".*")), "nothing is left half written"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["init", "ledger.db"], "to be a new file, but it exists and is never overwritten."),
        (["init", "new.db", "--key", "settled.json"], "its mode is 0644; chmod 600 it."),
        (
            ["init", "new.db", "--key", "new.db"],
            "Expected key='new.db' to be another file than the ledger.",
        ),
        (["init", "nowhere/new.db"], "Expected ledger='nowhere/new.db' to be writable"),
        (
            ["append", "ledger.db", "settled.json"],
            "Expected a key for ledger='ledger.db', which is signed, got none.",
        ),
        (
            ["append", "ledger.db", "nowhere.json", "--key", "key"],
            "Expected result='nowhere.json' to be a run's folder or its result.json, but",
        ),
        (
            ["append", "ledger.db", ".", "--key", "key"],
            "Expected result='.' to be a run's folder, but it holds no result.json",
        ),
        (
            ["append", "ledger.db", "broken.json", "--key", "key"],
            "Expected result to be a JSON file",
        ),
        (
            ["append", "ledger.db", "list.json", "--key", "key"],
            "Expected result to be the result.json of a run",
        ),
        (
            ["append", "ledger.db", "settled.json", "--key", "nowhere"],
            "Expected key='nowhere' to be a readable file",
        ),
        (
            ["append", "nowhere.db", "settled.json"],
            "Expected ledger='nowhere.db' to be a ledger, but there is no such",
        ),
        (["show", "ledger.db", "7"], "Expected N=7 to be the number of an entry, from 0 to 0."),
        (["show", "ledger.db", "x"], "invalid int value: 'x'"),
        (["verify", "."], "Expected ledger='.' to be a ledger, but there is no such file."),
        (
            ["verify", "ledger.db", "--expect", "abc"],
            "Expected expect='abc' to be 64 hexadecimal digits",
        ),
        (
            ["verify", "ledger.db", "--public-key", "key"],
            "Expected public_key='key' to hold a public key in PEM.",
        ),
        (["export", "ledger.db", "out.xlsx"], "Expected out='out.xlsx' to end in .json or .csv"),
        (
            ["export", "ledger.db", "nowhere/out.csv"],
            "Expected out='nowhere/out.csv' to be writable",
        ),
        (["verify", "ledger.db", "--fast"], "Expected no further arguments"),
        (["show"], "the following arguments are required: LEDGER"),
        (["burn", "ledger.db"], "invalid choice: 'burn'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_one_sentence(arguments, sentence, folder, capsys):
    Path("broken.json").write_text("{")
    Path("list.json").write_text("[]")
    Path("settled.json").chmod(0o644)
    before = Path("ledger.db").read_bytes()
    code, said, wrong = ledger(capsys, *arguments)
    assert code == 2 and not said and len(wrong.strip().splitlines()) == 1
    assert sentence in wrong
    assert Path("ledger.db").read_bytes() == before


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(filled):
    names = [f"member {index}" for index in range(5000)]  # more text than a pipe holds
    Path("large.json").write_text(
        json.dumps(settle([1] * 5000, [0] * 5000, 5000, players=names).to_json())
    )
    assert main(["ledger", "append", "ledger.db", "large.json", "--key", "key"]) == 0
    command = f"{sys.executable} -m fedjax_shap ledger show ledger.db 3 | head -c 1"
    run = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.returncode, run.stderr) == ("{", 0, "")
