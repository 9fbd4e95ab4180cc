"""`fedjax-shap compare`: members are matched by name, and what cannot be compared is said."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from console import called, refused, said
from matplotlib.image import imread

from fedjax_shap.pipeline.comparison import compare_files, ranks
from fedjax_shap.shapley.agreement import agreement

NAMES = ("Basel", "[red]Bern", "$10 Zurich", "a & b")


def finished(folder: str, names=NAMES, *, values, paid=None, metric="accuracy", **more) -> str:
    """The folder of a run, with what `Result.to_json` writes."""
    settlement = None
    if paid is not None:
        settlement = {"players": names, "payments": paid, "revenue": str(sum(map(Decimal, paid)))}
    record = {
        "players": list(names),
        "values": list(values),
        "std_errors": [0.01] * len(names),
        "config": {"game": {"metric": metric}},
        "settlement": settlement,
        **more,
    }
    Path(folder).mkdir(parents=True)
    Path(folder, "result.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(autouse=True)
def two(tmp_path, monkeypatch):
    """Two runs of the same members in another order; the second paid nobody."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    finished("runs/one", values=(0.4, 0.3, 0.2, 0.1), paid=("40.00", "30.00", "20.00", "10.00"))
    order = [2, 0, 3, 1]
    second = np.array([0.1, 0.35, 0.25, 0.05])
    finished("runs/two", [NAMES[place] for place in order], values=second[order])


def test_values_ranks_and_payments_stand_side_by_side(capsys):
    shown = said(capsys, "compare", "runs/one", "runs/two/result.json")
    (line,) = (line.split() for line in shown.splitlines() if "Basel" in line)
    assert line == ["Basel", "0.4000", "±", "0.0100", "1", "0.1000", "±", "0.0100", "3", "40.00"]
    assert all(name in shown for name in NAMES) and "payment, two" not in shown
    expected = agreement(np.array([0.1, 0.35, 0.25, 0.05]), np.array([0.4, 0.3, 0.2, 0.1]))
    assert f"{expected['spearman']:.4f}" in shown and f"{expected['relative_l2']:.4f}" in shown


def test_every_format_has_all_members_by_name(capsys):
    header, *rows = csv.reader(
        io.StringIO(said(capsys, "compare", "runs/one", "runs/two", "--format", "csv"))
    )
    assert header[:5] == ["member", "value one", "std_error one", "rank one", "payment one"]
    assert [row[0] for row in rows] == list(NAMES) and rows[0][4:6] == ["40.00", "0.1"]
    assert r"a \& b" in said(capsys, "compare", "runs/one", "runs/two", "--format", "latex")
    assert "a &amp; b" in said(capsys, "compare", "runs/one", "runs/two", "--format", "html")
    said(capsys, "compare", "runs/one", "runs/two", "--out", "table.txt", "--figure", "page.png")
    assert "[red]Bern" in Path("table.txt").read_text()
    assert imread("page.png").shape[0] > 600


def test_members_that_not_every_run_has_are_named(capsys):
    finished("runs/three", ("Basel", "Lugano", "a & b"), values=(3, 2, 1), metric="r2")
    _, shown, _ = called(capsys, "compare", "runs/one", "runs/three")
    assert "Left out, since not every run has them: [red]Bern, $10 Zurich of one." in shown
    assert "Left out, since not every run has them: Lugano of three." in shown
    assert "so that only ranks compare: accuracy in one, r2 in three." in shown
    compared = compare_files(["runs/one", "runs/three"])
    assert compared.members == ("Basel", "a & b")
    assert compared.runs[0].values.tolist() == [0.4, 0.1]
    assert compared.runs[0].payments == (Decimal("40.00"), Decimal("10.00"))


def test_runs_of_one_name_are_called_by_their_paths(capsys):
    finished("other/one", values=(1, 2, 3, 4), paid=("1", "2", "3", "4"))
    shown = said(capsys, "compare", "runs/one", "other/one")
    assert "runs/one" in shown and "other/one" in shown
    assert "different revenues: 100.00 in runs/one, 10 in other/one." in shown


def test_many_members_are_few_lines_and_all_rows_of_a_file(capsys):
    names = [f"member {number}" for number in range(300)]
    for folder in ("many/one", "many/two"):
        finished(folder, names, values=np.arange(300.0), paid=["1.00"] * 300)
    arguments = ("compare", "many/one", "many/two")
    shown = said(capsys, *arguments, "--figure", "many.png")
    assert len(shown.splitlines()) < 60 and "280 more" in shown and "member 299" in shown
    assert len(said(capsys, *arguments, "--format", "csv").splitlines()) == 301


def test_values_of_nothing_agree_with_nothing(capsys):
    finished("zero", values=(0, 0, 0, 0))
    assert "-" in said(capsys, "compare", "zero", "runs/one").split()


def test_values_in_different_units_are_compared_by_rank_alone(capsys):
    finished("runs/loss", values=(40.0, 30.0, 20.0, 10.0), metric="log_loss")
    shown = said(capsys, "compare", "runs/one", "runs/loss")
    (line,) = (line.split() for line in shown.splitlines() if line.split()[:1] == ["loss"])
    assert line == ["loss", "1.0000", "1.0000", "-", "-"]
    assert "only ranks compare" in shown and "No payments were made in loss." in shown


def test_equal_values_share_a_rank():
    assert ranks(np.array([0.1, 0.3, 0.3, 0.2])) == [4, 1, 1, 3]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["runs/one"], "at least two runs to compare, got 1"),
        (["runs/one", "./runs/one/"], "Expected different runs to compare"),
        (["runs/one", "nowhere"], "but there is no such run"),
        (["runs/one", "runs"], "but it holds no result.json"),
        (["runs/one", "elsewhere"], "Expected runs with members in common"),
        (["runs/one", "ragged"], "do not have one entry for each of its 4 members"),
        (["runs/one", "matrix"], "not one number for each member"),
        (["runs/one", "empty"], "it has no 'players' and 'values'"),
        (["runs/one", "runs/two", "--figure", "page.gif"], "to end in .png, .svg or .pdf"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(arguments, sentence, capsys):
    finished("elsewhere", ["x"], values=[1])
    finished("ragged", values=(1, 2, 3))
    finished("matrix", values=([1, 2], [3, 4], [5, 6], [7, 8]))
    Path("empty").mkdir()
    Path("empty/result.json").write_text("{}")
    assert sentence in refused(capsys, "compare", *arguments)
