"""A folder of runs is one tidy table, whatever became of its cells."""

import csv
import io
import json
import sys
from decimal import Decimal

import pytest
import written

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.report.render import to_csv
from fedjax_shap.report.study_tables import study_table
from fedjax_shap.studies.frames import read_study, require_pyarrow, write_parquet
from fedjax_shap.studies.study import PER_CELL, PER_MEMBER, load_study


def test_the_fields_are_those_in_which_the_cells_differ(tmp_path):
    study = load_study(written.study(tmp_path))
    assert study.fields == ("seed", "partition.alpha", "algorithm.name", "algorithm.mu")
    assert len(study.cells) == 12 and study.notes == ()
    first = study.cells[0]
    assert first.name == "fedavg,0.1,0"
    assert first.settings["algorithm.mu"] is None and first.per_cell["seconds"] == 4.0


def test_a_base_that_was_changed_in_between_is_a_field_and_no_silent_mean(tmp_path):
    written.study(tmp_path, ("fedavg",))
    config = {"seed": 9, "local": {"learning_rate": 0.5}}
    written.cell(tmp_path, "other", config, (0.1, 0.2))
    assert "local.learning_rate" in load_study(tmp_path).fields


def test_the_csv_has_a_cell_and_member_a_row_in_full_precision(tmp_path):
    study = load_study(written.study(tmp_path))
    rows = list(csv.DictReader(io.StringIO(to_csv(study_table(study)))))
    assert len(rows) == 36
    assert rows[1]["member"] == "south" and rows[1]["value"] == "0.2"
    assert rows[2]["member"] == "'=east" and rows[2]["payment"] == "3"
    assert rows[0]["std_error"] == "" and rows[0]["partition.alpha"] == "0.1"


def test_every_column_is_what_a_result_says_of_it(tmp_path):
    settled = {"payments": ["7", "8"], "costs": ["1", "2"], "profits": ["6", "5.5"]}
    said = {"settlement": settled, "sizes": [30, 40], "std_errors": [0.01, None]}
    said |= {"metric": {"name": "rmse", "label": "RMSE", "sign": -1}, "empty": -3.0}
    said |= {"coalitions": {"asked": 4, "trained": 3, "from_store": 1}, "grand": -2.0}
    place = written.cell(tmp_path, "a", {}, (0.5, 0.25))
    (place / "result.json").write_text(json.dumps(written.record({}, (0.5, 0.25)) | said))
    columns = load_study(tmp_path).columns()
    of_members = {
        "examples": [30, 40],
        "value": [0.5, 0.25],
        "std_error": [0.01, None],
        "cost": [1, 2],
        "payment": [7, 8],
        "profit": [6, Decimal("5.5")],
    }
    assert {name: columns[name] for name in PER_MEMBER} == of_members
    of_cell = {"metric": "rmse", "grand": -2.0, "empty": -3.0, "federated": 2.0, "pooled": 0.9}
    of_cell |= {"coalitions": 4, "trained": 3, "seconds": 4.0}
    assert {name: columns[name][0] for name in PER_CELL} == of_cell


def test_cells_without_results_are_named_and_units_that_differ_are_said(tmp_path):
    written.cell(tmp_path, "a", {"seed": 0}, (1, 2))
    written.cell(tmp_path, "b", {"seed": 1}, (1, 2), metric="r2", paid=False)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "error.txt").write_text("Expected ...")
    study = load_study(tmp_path)
    assert study.cells[1].per_member["payment"] == (None, None)
    failed, units = study.notes
    assert "1 cell that failed" in failed and "'c'" in failed and "'accuracy', 'r2'" in units


def test_pandas_reads_the_study(tmp_path):
    pytest.importorskip("pandas")
    frame = read_study(written.study(tmp_path))
    means = frame[frame.member == "north"].groupby("algorithm.name").value.mean()
    assert means["fedavg"] == pytest.approx(0.3) and means["fedprox"] == pytest.approx(0.1)
    assert frame.payment.dtype == float


def test_parquet_holds_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    written.study(tmp_path)
    written.cell(tmp_path, "other", {"seed": 0, "algorithm": {"name": "x", "mu": "auto"}}, (1, 2))
    study = load_study(tmp_path)
    write_parquet(study, tmp_path / "study.parquet")
    table = parquet.read_table(tmp_path / "study.parquet").to_pydict()
    assert list(table) == list(study.columns()) and table["member"] == study.columns()["member"]


@pytest.mark.parametrize(("call", "package"), [(read_study, "pandas"), (None, "pyarrow")])
def test_what_is_not_installed_is_named(call, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidInputError, match=rf"package {package} .*fedjax-shap\[studies\]"):
        if call is None:
            require_pyarrow()
        else:
            call(tmp_path)


def test_what_is_no_study_is_refused(tmp_path):
    for folder in (tmp_path / "absent", tmp_path):
        with pytest.raises(InvalidInputError, match="the folders of several runs"):
            load_study(folder)
    place = written.cell(tmp_path, "a", {}, (1, 2))
    with pytest.raises(InvalidInputError, match="the folders of several runs"):
        load_study(place)
    for broken in ({"values": [1]}, {"players": ["a"], "values": [1, 2], "settlement": None}):
        (place / "result.json").write_text(json.dumps(broken))
        with pytest.raises(InvalidInputError, match="to be the result of a run, but"):
            load_study(tmp_path)
    whole = written.record({}, (1, 2)) | {"sizes": [1]}
    (place / "result.json").write_text(json.dumps(whole))
    with pytest.raises(InvalidInputError, match="1 entries of 'examples' for 2 members"):
        load_study(tmp_path)
