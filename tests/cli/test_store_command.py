"""`fedjax-shap store`: it says what is on disk and what is wrong with it, in words and in its exit
code."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from console import called

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.store import UtilityStore

EVERY = all_subsets(3)
WORTH = np.arange(8) / 7


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """The folder of a run of two rounds, each a store of two parts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for index in range(2):
        store = UtilityStore(tmp_path / "run" / f"round-{index}", fingerprint=f"{index}23456789")
        for rows in (slice(0, 3), slice(3, 5 + index)):
            store.add(EVERY[rows], WORTH[rows])
            store.flush()
    return tmp_path / "run"


def spoil(folder):
    """Spoils the first part in a folder; its name."""
    part = min(folder.glob("part-*.npz"))
    part.write_bytes(part.read_bytes()[:-30])
    return part.name


def store(capsys, *arguments):
    """(exit code, standard output, standard error) of `fedjax-shap store`."""
    return called(capsys, "store", *arguments)


def test_ls_tells_what_each_store_holds(stores, capsys):
    code, said, wrong = store(capsys, "ls", "run")
    header, *lines = said.splitlines()
    assert code == 0 and not wrong
    assert header.split() == [
        "store",
        "fingerprint",
        "coalitions",
        "parts",
        "utility",
        "size",
        "last",
        "written",
    ]
    assert [line.split()[:5] for line in lines] == [
        ["run/round-0", "02345678", "5", "2", "scalar"],
        ["run/round-1", "12345678", "6", "2", "scalar"],
    ]


def test_verify_of_whole_stores_says_so(stores, capsys):
    assert store(capsys, "verify", stores) == (
        0,
        "2 stores: every part is whole, and no two disagree.\n",
        "",
    )


def test_verify_names_what_is_broken_and_exits_with_1(stores, capsys):
    name = spoil(stores / "round-1")
    code, said, _ = store(capsys, "verify", stores)
    assert code == 1
    assert said.startswith(f"{stores / 'round-1'}: {name}: it is not a readable part")
    assert said.splitlines()[-1].startswith("Of 2 stores, 1 failed")
    assert (stores / "round-1" / name).exists()


def test_merge_tells_what_became_of_each_store(stores, capsys):
    code, said, _ = store(capsys, "merge", stores)
    assert code == 0
    assert [line.split(": ")[1] for line in said.splitlines()] == [
        "5 coalitions from 2 parts, 2 files removed.",
        "6 coalitions from 2 parts, 2 files removed.",
    ]
    assert len(list(stores.rglob("part-*"))) == 2


def test_stores_of_different_games_are_refused_in_one_sentence(stores, capsys):
    code, said, wrong = store(
        capsys, "merge", stores / "round-0", stores / "round-1", "--into", stores.parent / "all"
    )
    assert code == 2 and not said and "to be of one game" in wrong and len(wrong.splitlines()) == 1
    assert not (stores.parent / "all").exists()


def test_merge_into_makes_one_store_of_several(stores, capsys):
    code, said, _ = store(capsys, "merge", stores / "round-0", stores / "round-0", "--into", "all")
    assert code == 0 and "5 coalitions from 2 parts, 0 files removed." in said
    assert len(UtilityStore("all", fingerprint="023456789")) == 5


def test_export_goes_to_standard_output_or_into_a_file(stores, capsys):
    code, said, _ = store(capsys, "export", "run/round-0")
    header, *rows = said.splitlines()
    assert code == 0 and header == "member_0,member_1,member_2,size,utility" and len(rows) == 5
    assert f"0,0,1,1,{float(WORTH[4])!r}" in rows
    for kind in ("csv", "json", "npz"):
        assert store(capsys, "export", "run/round-0", "--out", f"out.{kind}")[0] == 0
    assert (stores.parent / "out.csv").read_text() == said
    assert len(json.loads((stores.parent / "out.json").read_text())) == 5
    with np.load("out.npz") as held:
        assert held["masks"].shape == (5, 3)
    assert not list(stores.parent.glob(".*")), "nothing is left half written"


def test_a_run_is_exported_with_the_names_of_its_stores(stores, capsys):
    _, said, _ = store(capsys, "export", "run")
    assert [line.split(",")[0] for line in said.splitlines()] == [
        "store",
        *["round-0"] * 5,
        *["round-1"] * 6,
    ]


PLAYERS = ("Basel, north", 'say "aye"', "two\nlines")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's folder: result.json, its utilities, and those of its curves and of pooled data."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps({"players": ["a", "b", "c"]}))
    for part, masks, worth in (
        ("", EVERY, WORTH),
        ("curves", EVERY[[1, 2, 4, 7]], np.arange(8.0).reshape(4, 2)),
        ("pooled", np.ones((1, 1), bool), np.ones((1, 2))),
    ):
        store = UtilityStore(
            folder / "utilities" / part, fingerprint=f"game {part}", players=PLAYERS
        )
        store.add(masks, worth)
        store.flush()
    return folder


def table(text):
    """The lines of a CSV text."""
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_valuation_of_a_run_is_exported_under_its_members_names(run, capsys):
    for folder in (run, run / "utilities"):
        code, said, wrong = store(capsys, "export", folder)
        header, *rows = table(said)
        assert code == 0 and header == [*PLAYERS, "size", "utility"] and len(rows) == 8
        assert wrong == "Exporting the valuation; --part names another: curves; pooled.\n"
    code, said, _ = store(capsys, "export", run, "--part", "curves")
    header, *rows = table(said)
    assert code == 0 and header == [*PLAYERS, "size", "utility_0", "utility_1"] and len(rows) == 4
    code, _, wrong = store(capsys, "export", run, "--part", "curve")
    assert code == 2 and "did you mean 'curves'?" in wrong


def test_an_older_store_takes_the_names_of_the_result_beside_it(run, capsys):
    label = run / "utilities" / "store.json"
    label.write_text(json.dumps({"fingerprint": "game "}))
    assert store(capsys, "export", run)[1].startswith("a,b,c,size,utility\n")
    (run / "result.json").unlink()
    assert store(capsys, "export", run)[1].startswith("member_0,member_1,member_2,size")


def test_of_two_configurations_in_one_folder_the_one_of_the_result_is_exported(run, capsys):
    other = "b" * 32
    second = UtilityStore(run / "utilities" / other[:12], fingerprint=other, players=PLAYERS)
    second.add(EVERY, WORTH + 1)
    second.flush()
    code, said, wrong = store(capsys, "export", run)
    assert code == 2 and not said and "those of 2 configurations" in wrong
    (run / "result.json").write_text(json.dumps({"stores": {"": other}}))
    code, said, _ = store(capsys, "export", run)
    assert code == 0 and float(table(said)[1][-1]) == WORTH[0] + 1
    code, said, _ = store(capsys, "export", run / "utilities" / other[:12])
    assert code == 0 and float(table(said)[1][-1]) == WORTH[0] + 1


def test_runs_are_merged_part_by_part(run, capsys):
    code, said, wrong = store(capsys, "merge", run, run / "utilities", "--into", "all")
    assert code == 0 and not wrong
    assert [line.split(": ")[1].split(" from")[0] for line in said.splitlines()] == [
        "8 coalitions",
        "4 coalitions",
        "1 coalition",
    ]
    assert store(capsys, "export", "all")[1] == store(capsys, "export", run)[1]


@pytest.mark.parametrize("what", ["ls", "merge", "export"])
def test_what_is_broken_is_said_whatever_was_asked(what, stores, capsys):
    name = spoil(stores / "round-0")
    code, _, wrong = store(capsys, what, "run")
    assert (
        code == 0
        and wrong.startswith("warning: ")
        and name in wrong
        and len(wrong.splitlines()) == 1
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ls", "nowhere"], "Expected folder='nowhere' to be a folder."),
        (["verify", "."], "to hold a utility store"),
        (
            ["export", "run/round-0", "--out", "out.xlsx"],
            "Expected out='out.xlsx' to end in .csv, .json or .npz.",
        ),
        (
            ["export", "run/round-0", "--out", "nowhere/out.csv"],
            "Expected out='nowhere/out.csv' to be writable",
        ),
        (
            ["export", "run/round-0", "--out", "folder.csv"],
            "Expected out='folder.csv' to be writable",
        ),
        (["merge", "run/round-0", "--into", "file"], "to be a folder, but it is a file."),
        (["ls", "run", "--fast"], "Expected no further arguments"),
        (["ls"], "the following arguments are required: DIR"),
        (["polish", "run"], "invalid choice: 'polish'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments, sentence, stores, capsys):
    (stores.parent / "file").write_text("")
    (stores.parent / "folder.csv").mkdir()
    if arguments == ["verify", "."]:
        stores.rename(stores.parent.parent / "elsewhere")
    code, said, wrong = store(capsys, *arguments)
    assert code == 2 and not said and len(wrong.strip().splitlines()) == 1
    assert sentence in wrong


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    masks = all_subsets(14)
    store = UtilityStore(tmp_path, fingerprint="a")
    store.add(masks, np.arange(len(masks)) / 7)
    store.flush()
    command = f"{sys.executable} -m fedjax_shap store export {tmp_path} | head -n 2"
    run = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert len(run.stdout.splitlines()) == 2
    assert run.returncode == 0 and not run.stderr
