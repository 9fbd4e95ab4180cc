"""A sweep has the results of single runs, and what was interrupted goes on from its store."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
from console import said

from fedjax_shap.pipeline.records import read_json
from fedjax_shap.pipeline.run import run
from fedjax_shap.studies import forecast as forecasts
from fedjax_shap.studies.axes import axes_of
from fedjax_shap.studies.cells import cells_of
from fedjax_shap.studies.forecast import forecast
from fedjax_shap.studies.sweep import pending, sweep

BASE = {
    "partition": {"name": "iid", "num_clients": 3},
    "local": {"batch_size": 512},
    "algorithm": {"max_rounds": 1},
}


class KilledError(Exception):
    """The end of a sweep that was not meant."""


def killed(outcome, done, total):
    raise KilledError


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(cells, folder, outcomes) of a sweep that was interrupted after its first cell."""
    folder = tmp_path_factory.mktemp("swept")
    cells = cells_of(BASE, axes_of({"seed": "0..1"}))
    with pytest.raises(KilledError):
        sweep(cells, folder, report=killed)
    return cells, folder, sweep(cells, folder)


@pytest.mark.slow
def test_a_sweep_that_is_interrupted_is_resumed_and_changes_no_number(swept):
    cells, folder, outcomes = swept
    assert [(one.name, one.failed) for one in outcomes] == [("seed=1", "")]
    alone = run(cells[1].config)
    values = [float(value) for value in record(folder, "seed=1")["values"]]
    assert values == alone.attribution.values.tolist()
    assert sweep(cells, folder) == []


@pytest.mark.slow
def test_the_table_of_a_sweep_has_what_its_results_have(swept, capsys, monkeypatch):
    _, folder, _ = swept
    monkeypatch.chdir(folder.parent)
    lines = ["[sweep]", 'seed = "0..1"']
    for section, fields in BASE.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(one)}" for key, one in fields.items())]
    Path("base.toml").write_text("\n".join(lines))
    assert "2 cells of 2 done" in said(capsys, "sweep", "base.toml", "--out", folder.name)
    rows = list(csv.DictReader((folder / "study.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == ["0"] * 3 + ["1"] * 3
    for cell in ("seed=0", "seed=1"):
        found = record(folder, cell)
        mine = [row for row in rows if row["cell"] == cell]
        assert [row["member"] for row in mine] == found["players"]
        settled = found["settlement"]
        for name, column in (
            ("examples", found["sizes"]),
            ("value", found["values"]),
            ("std_error", found["std_errors"]),
            ("cost", settled["costs"]),
            ("payment", settled["payments"]),
            ("profit", settled["profits"]),
        ):
            # every number in full, as it was read
            assert [Decimal(row[name]) for row in mine] == [Decimal(str(one)) for one in column]
        for name, one in (
            ("grand", found["grand"]),
            ("empty", found["empty"]),
            ("federated", found["metric"]["sign"] * float(found["grand"])),
            ("pooled", found["centralized"]["pooled"]),
            ("coalitions", found["num_coalitions"]),
            ("trained", found["coalitions"]["trained"]),
            ("seconds", found["timing"]["total_s"]),
        ):
            assert {float(row[name]) for row in mine} == {float(one)}, name
        assert {row["metric"] for row in mine} == {found["metric"]["name"]}


@pytest.mark.slow
def test_a_cell_that_was_killed_before_its_result_was_written_trains_nothing_again(swept):
    cells, folder, _ = swept
    (folder / "seed=0" / "result.json").unlink()
    (again,) = sweep(cells, folder)
    counted = record(folder, "seed=0")["coalitions"]
    assert again.name == "seed=0" and counted["trained"] == 0 and counted["from_store"] > 0


@pytest.mark.slow
def test_a_forecast_counts_coalitions_and_measures_where_nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(forecasts, "SAMPLE", 4)
    section = {"estimator": [{"name": "exact"}, {"name": "leave_one_out"}, {"budget": 6}]}
    cells = cells_of(BASE, axes_of(section))
    found = forecast(pending(cells, tmp_path), tmp_path)
    assert found.coalitions == 8 + 5 + 6 and not found.at_most
    rate = found.rate
    assert rate.coalition > 0 and rate.overhead > 0
    # three cells, and what they compile together
    expected = 19 * rate.coalition + 3 * rate.overhead + rate.once
    assert found.seconds == pytest.approx(expected)
    assert "of the first" in found.rate.source and not list(tmp_path.iterdir())


def record(folder, name):
    return read_json(folder / name / "result.json")
