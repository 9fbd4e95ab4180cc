"""`fedjax-shap settle`: what it reads, what it writes, and what it refuses in one sentence."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from console import called, refused, said
from matplotlib.image import imread

from fedjax_shap.cli.main import main
from fedjax_shap.economics.intervals import payment_intervals
from fedjax_shap.economics.record import settle_record
from fedjax_shap.economics.rules import RULES

NAMES = ["north", "south", "[red]west"]  # the last would be a colour in rich markup
RECORD = {
    "players": NAMES,
    "values": [0.5, 0.3, -0.1],
    "costs": ["10.00", "20.50", "3.333"],
    "revenue": "100.00",
    "std_errors": [0.05, 0.04, 0.03],
    "sizes": [120, 80, 7],
}
EXACT = json.loads(json.dumps(RECORD), parse_float=Decimal)  # as a file has it: 0.1 is a tenth
CSV = (
    "player,value,cost,std_error,size\n"
    "north,0.5,10.00,0.05,120\n"
    "south,.3,20.50,0.04,80\n"
    "[red]west,-1e-1,3.333,0.03,7\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.json").write_text(json.dumps(RECORD))
    (tmp_path / "in.csv").write_text(CSV)
    return tmp_path


def test_json_on_the_terminal_is_the_default(folder, capsys):
    assert json.loads(said(capsys, "settle", "in.json")) == settle_record(EXACT).to_json()


def test_csv_says_what_json_says(folder, capsys):
    of_csv = json.loads(said(capsys, "settle", "in.csv", "--revenue", "100.00"))
    assert of_csv == json.loads(said(capsys, "settle", "in.json"))
    (folder / "in.csv").write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode() + b"\r\n")
    assert json.loads(said(capsys, "settle", "in.csv", "--revenue", "100.00")) == of_csv, (
        "as a spreadsheet writes it"
    )


def test_numbers_of_a_csv_file_are_read_exactly(folder, capsys):
    (folder / "in.csv").write_text(
        "value,cost\n0.1,0.1\n0.2,0.2\n0.0000000000000000000000000000001,0\n"
    )
    found = json.loads(said(capsys, "settle", "in.csv", "--revenue", "0.30"))
    assert found["players"] == ["player 0", "player 1", "player 2"]
    assert found["costs"] == ["0.10", "0.20", "0.00"]
    assert found["profits"] == ["0.00", "0.00", "0.00"], "binary floats would leave a loss of 5e-17"
    assert not any("loss" in note for note in found["notes"])


def test_options_stand_in_place_of_what_the_file_says(folder, capsys):
    found = json.loads(
        said(
            capsys,
            "settle",
            "in.json",
            "--revenue",
            "50",
            "--negative",
            "exclude",
            "--reimburse=false",
        )
    )
    expected = settle_record(EXACT | {"revenue": 50, "negative": "exclude", "reimburse": False})
    assert found == expected.to_json() and found["revenue"] == "50.00"
    by_size = json.loads(
        said(capsys, "settle", "in.csv", "--revenue=207", "--rule", "by_size", "--minor-unit", "1")
    )
    assert by_size["payments"] == ["120", "80", "7"]


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_can_be_named(rule, folder, capsys):
    found = json.loads(said(capsys, "settle", "in.json", "--rule", rule))
    assert found["rule"] == rule and sum(map(Decimal, found["payments"])) == 100


def test_csv_out_has_a_row_for_each_player_and_all_amounts_exact(folder, capsys):
    rows = list(csv.DictReader(io.StringIO(said(capsys, "settle", "in.json", "--format", "csv"))))
    expected = settle_record(EXACT)
    assert [row["player"] for row in rows] == NAMES
    for name, column in (
        ("cost", expected.costs),
        ("payment", expected.payments),
        ("profit", expected.profits),
    ):
        assert [Decimal(row[name]) for row in rows] == list(column)
    assert [float(row["value"]) for row in rows] == RECORD["values"]
    np.testing.assert_array_equal([float(row["std_error"]) for row in rows], expected.std_errors)
    assert main(["settle", "in.json", "--format", "csv"]) == 0
    assert "Policy 'clip'" in capsys.readouterr().err, "the notes have no place in the file"


def test_a_table_shows_names_and_amounts_whole_and_the_notes(folder, monkeypatch, capsys):
    shown = (
        said(capsys, "settle", "in.json", "--out", "out.txt") or (folder / "out.txt").read_text()
    )
    lines = shown.splitlines()
    west = next(line for line in lines if "[red]west" in line)
    assert "3.333" in west
    together = next(line for line in lines if line.strip().startswith("together")).split()
    assert together[-3:] == ["33.833", "100.00", "66.167"]
    assert any("Policy 'clip'" in line for line in lines)
    monkeypatch.setenv("COLUMNS", "30")
    narrow = said(capsys, "settle", "in.json", "--format", "table")
    assert "[red]west" in narrow and "66.167" in narrow and "…" not in narrow, (
        "half an amount is a wrong one"
    )


def test_the_format_follows_the_files_name_and_the_file_is_whole(folder, capsys):
    for name in ("out.json", "out.csv", "out.txt"):
        assert said(capsys, "settle", "in.json", "--out", name) == ""
    assert json.loads((folder / "out.json").read_text()) == settle_record(EXACT).to_json()
    assert (folder / "out.csv").read_text().startswith("player,value,share,cost,payment,profit")
    assert said(capsys, "settle", "in.json", "--out", "in.txt", "--format", "json") == ""
    assert json.loads((folder / "in.txt").read_text())["revenue"] == "100.00"
    assert not list(folder.glob(".*"))


def test_a_file_that_cannot_be_settled_leaves_what_was_there(folder, capsys):
    (folder / "out.json").write_text("before")
    (folder / "in.json").write_text(json.dumps(RECORD | {"values": [0, 0, -1]}))
    assert "Expected a sum of values > 0" in refused(
        capsys, "settle", "in.json", "--out", "out.json"
    )
    assert (folder / "out.json").read_text() == "before" and not list(folder.glob(".*"))


@pytest.mark.parametrize("form", ["list", "object"])
def test_intervals_are_those_of_the_package(form, folder, capsys):
    if form == "object":  # by name, and in another order than the values
        named = {key: dict(zip(NAMES, RECORD[key])) for key in ("values", "costs", "sizes")}
        errors = dict(reversed(list(zip(NAMES, RECORD["std_errors"]))))
        (folder / "in.json").write_text(json.dumps(named | {"std_errors": errors, "revenue": 100}))
    found = json.loads(said(capsys, "settle", "in.json", "--intervals", "0.9"))["intervals"]
    given = {name: RECORD[name] for name in ("players", "sizes", "std_errors")}
    expected = payment_intervals(RECORD["values"], RECORD["costs"], 100, level=0.9, **given)
    np.testing.assert_allclose(found["low"], np.asarray(expected.low, float), atol=1e-9)
    np.testing.assert_allclose(found["high"], np.asarray(expected.high, float), atol=1e-9)
    assert (found["level"], found["method"]) == (0.9, "delta")
    rows = list(
        csv.DictReader(
            io.StringIO(said(capsys, "settle", "in.json", "--intervals=0.9", "--format=csv"))
        )
    )
    assert [float(row["low"]) for row in rows] == found["low"]
    shown = said(capsys, "settle", "in.json", "--intervals", "0.9", "--format", "table")
    assert "90 % interval" in shown and all(note in shown for note in expected.notes)


def test_a_figure_is_drawn_beside_the_settlement(folder, capsys):
    said(capsys, "settle", "in.csv", "--revenue", "100", "--figure", "page.png")
    assert not list(folder.glob(".*"))
    height, width, _ = imread(folder / "page.png").shape
    assert width > height > 600, "two rows of two panels"
    said(capsys, "settle", "in.csv", "--revenue", "100", "--figure", "page.svg")
    assert "<svg" in (folder / "page.svg").read_text()


@pytest.mark.parametrize(("name", "form"), [("out.tex", "latex"), ("out.html", "html")])
def test_a_settlement_can_go_into_a_paper_or_a_page(name, form, folder, capsys):
    code, _, notes = called(capsys, "settle", "in.json", "--out", name)
    assert code == 0 and "Policy 'clip'" in notes, "the notes have no place in the file"
    written = (folder / name).read_text()
    assert said(capsys, "settle", "in.json", "--format", form) == written
    for amount in map("{:,f}".format, settle_record(EXACT).payments):
        assert amount in written
    assert "[red]west" in written.replace("{[}", "[")


def test_an_unknown_error_is_an_empty_cell(folder, capsys):
    (folder / "in.csv").write_text("player,value,cost,std_error\na,1,0,0.1\nb,2,0,\n")
    found = json.loads(said(capsys, "settle", "in.csv", "--revenue", "3"))
    assert found["std_errors"] is None and any("unknown: b" in note for note in found["notes"])
    sentence = refused(capsys, "settle", "in.csv", "--revenue", "3", "--intervals", "0.95")
    assert "Expected every std_error to be given and known for --intervals" in sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "to have a column value and one cost"),
        ("player,value\na,1\n", "to have a column cost"),
        ("member,player,value,cost\na,b,1,2\n", "got player more than once"),
        ("player,value,cost\n", "to have a row for each player, got none"),
        ("player;value;cost\na;1;2\n", "Expected column='player;value;cost'"),
        ("value,cost,valeu\n1,2,3\n", "did you mean 'value'?"),
        ("value,cost,value\n1,2,3\n", "to differ, got value more than once"),
        ("value,cost\n1\n", "Expected line 2 of 'in.csv' to have 2 cells, got 1."),
        ("value,cost\n1,2\nx,2\n", "Expected value='x' in line 3 of 'in.csv' to be a number."),
        ("value,cost\n1_000,2\n", "value='1_000'"),
        ("value,cost\nnan,2\n", "value='nan'"),
        ("value,cost\n1,-2\n", "costs['player 0']=-2"),
        (
            "value,cost,size\n1,2,3.5\n",
            "Expected size='3.5' in line 2 of 'in.csv' to be a whole number.",
        ),
        ("player,value,cost\na,1,2\na,1,2\n", "'a' more than once"),
        ('value,cost\n"1,2\n', "to be a readable CSV file"),
        (b"value,cost\n\xff,2\n", "to be a readable CSV file"),
    ],
    ids=lambda given: None if isinstance(given, bytes) else given[:24],
)
def test_a_bad_csv_file_is_refused_in_one_sentence(content, sentence, folder, capsys):
    (folder / "in.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert sentence in refused(capsys, "settle", "in.csv", "--revenue", "10")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[1]", "to hold a JSON object"),
        ('{"values": [1', "to be a readable JSON file"),
        ('{"values": [1], "costs": [0], "revenue": 1, "revenue": 2}', "'revenue' more than once"),
        ('{"values": {"a": 1, "a": 2}, "costs": {"a": 0}, "revenue": 1}', "'a' more than once"),
        ('{"values": [1], "costs": [0]}', "Expected a revenue: give --revenue"),
        ('{"values": [NaN], "costs": [0], "revenue": 1}', "to be a finite number"),
        ('{"values": [1], "costs": [0], "revenue": 1, "rul": "equal"}', "did you mean 'rule'?"),
    ],
    ids=lambda given: given[:24],
)
def test_a_bad_json_file_is_refused_in_one_sentence(content, sentence, folder, capsys):
    (folder / "in.json").write_text(content)
    assert sentence in refused(capsys, "settle", "in.json")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent.csv"], "to be a readable CSV file"),
        (["."], "but it holds no result.json"),
        (["in.json", "--rule", "equl"], "did you mean 'equal'?"),
        (["in.json", "--negative", "ignore"], "negative='ignore'"),
        (
            ["in.json", "--rule", "equal", "--negative", "clip"],
            "Expected no negative='clip' with rule 'equal'",
        ),
        (["in.json", "--revenue", "lots"], "revenue='lots'"),
        (["in.json", "--revenue", "NaN"], "revenue='NaN'"),
        (["in.json", "--revenue", "1.005"], "whole number of minor units"),
        (["in.json", "--intervals", "95"], "level=95"),
        (["in.json", "--intervals", "high"], "invalid float value"),
        (["in.json", "--format", "xml"], "invalid choice: 'xml'"),
        (
            ["in.json", "--out", "nowhere/out.json"],
            "Expected out='nowhere/out.json' to be writable",
        ),
        (
            ["in.json", "--figure", "page.txt"],
            "Expected figure='page.txt' to end in .png, .svg or .pdf.",
        ),
        (
            ["in.json", "--figure", "nowhere/page.png"],
            "Expected figure='nowhere/page.png' to be writable",
        ),
        (["in.json", "--fast"], "Expected no further arguments"),
        ([], "the following arguments are required: INPUT"),
    ],
    ids=lambda given: "-".join(given).replace("/", "_") if isinstance(given, list) else None,
)
def test_bad_arguments_of_settle_are_refused_in_one_sentence(arguments, sentence, folder, capsys):
    assert sentence in refused(capsys, "settle", *arguments)


def test_columns_may_have_the_names_of_a_runs_own_table(folder, capsys):
    (folder / "one.csv").write_text("member,examples,value,cost\na,3,1,0\nb,1,2,5\n")
    (folder / "other.csv").write_text("player,size,value,cost\na,3,1,0\nb,1,2,5\n")
    settings = ("--revenue", 100, "--rule", "by_size")
    one, other = (
        said(capsys, "settle", folder / name, *settings) for name in ("one.csv", "other.csv")
    )
    assert one == other and '"a"' in one
