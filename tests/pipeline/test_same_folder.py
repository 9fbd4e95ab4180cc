"""Several configurations run into one folder: their utilities stay apart, and none is lost."""

import json
from pathlib import Path

import pytest
from console import called, refused, said
from table_setting import TABLE

from fedjax_shap.pipeline.load import read_run
from fedjax_shap.pipeline.settings.registry import SETTINGS
from fedjax_shap.report import figure_files

WORTH = [0.0, 0.5, 0.25, 1.0]
TOML = f"""
title = "two in a table"
[game]
name = "table"
utilities = {WORTH}
players = ["north", "south"]
[economics]
revenue = 100
"""
OTHER = ("--game.utilities", str([0.0, 0.5, 0.25, 1.5]))


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setitem(SETTINGS, "table", TABLE)
    monkeypatch.setattr(
        figure_files, "save", lambda figure, path, **_: None
    )  # which takes its time
    monkeypatch.chdir(tmp_path)
    Path("table.toml").write_text(TOML)
    return tmp_path


def run(capsys, *options: str) -> dict:
    """The result of a run into the folder `out`."""
    said(capsys, "run", "table.toml", "--out", "out", *options)
    return json.loads(Path("out/result.json").read_text())


def test_each_configuration_finds_its_own_utilities_again(capsys):
    first = run(capsys)
    second = run(capsys, *OTHER)
    assert first["coalitions"]["trained"] == second["coalitions"]["trained"] == 4
    assert first["stores"] != second["stores"]
    for options, before in (((), first), (OTHER, second)):
        again = run(capsys, *options)
        assert again["coalitions"] == {"asked": 4, "trained": 0, "from_store": 4}
        assert again["values"] == before["values"] and again["stores"] == before["stores"]
        # audits and exports take the utilities of the result that is there
        assert read_run("out").case.table[-1] == before["grand"]
        exported = said(capsys, "store", "export", "out").splitlines()
        assert exported[0] == "north,south,size,utility"
        assert exported[-1] == f"1,1,2,{before['grand']}"


def test_a_result_that_will_be_replaced_is_named_with_what_differs(capsys):
    run(capsys)
    _, _, same = called(capsys, "run", "table.toml", "--out", "out", "--title", "another title")
    assert "another configuration" not in same
    _, _, warned = called(capsys, "run", "table.toml", "--out", "out", *OTHER, "--seed", "3")
    assert "out/result.json is of another configuration (other: seed; game.utilities)." in warned


def test_a_run_that_fails_leaves_the_result_as_it_was(capsys):
    run(capsys)
    before = Path("out/result.json").read_bytes()
    refused(capsys, "run", "table.toml", "--out", "out", "--game.utilities", "[0, 1, 2]")
    assert Path("out/result.json").read_bytes() == before


def test_other_mistakes_are_named_whatever_lies_in_the_folder(capsys):
    run(capsys)
    sentence = refused(capsys, "run", "table.toml", "--out", "out", *OTHER, "--plan.chunk", "0")
    assert "chunk=0" in sentence


def test_a_fresh_run_computes_its_own_utilities_anew_and_leaves_the_others(capsys):
    run(capsys)
    second = run(capsys, *OTHER)
    label = Path("out/utilities/store.json")
    fresh = run(capsys, "--fresh")
    assert fresh["coalitions"] == {"asked": 4, "trained": 4, "from_store": 0}
    assert json.loads(label.read_text())["fingerprint"] == fresh["stores"][""]
    assert run(capsys, *OTHER)["coalitions"]["from_store"] == 4
    assert run(capsys, *OTHER)["values"] == second["values"]
    assert "to be left out with --coordinator" in refused(
        capsys, "run", "table.toml", "--fresh", "--coordinator", "localhost:1"
    )
