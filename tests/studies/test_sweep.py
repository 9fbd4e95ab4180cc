"""A sweep has the results of single runs, and what was interrupted goes on from its store."""

import pytest

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


@pytest.mark.slow
def test_a_sweep_that_is_interrupted_is_resumed_and_changes_no_number(tmp_path):
    cells = cells_of(BASE, axes_of({"seed": "0..1"}))
    with pytest.raises(KilledError):
        sweep(cells, tmp_path, report=killed)
    (second,) = sweep(cells, tmp_path)
    assert second.name == "seed=1" and not second.failed
    alone = run(cells[1].config)
    assert (
        list(map(float, record(tmp_path, "seed=1")["values"])) == alone.attribution.values.tolist()
    )
    # a cell that was killed before its result was written trains nothing again
    (tmp_path / "seed=0" / "result.json").unlink()
    (again,) = sweep(cells, tmp_path)
    counted = record(tmp_path, "seed=0")["coalitions"]
    assert again.name == "seed=0" and counted["trained"] == 0 and counted["from_store"] > 0
    assert sweep(cells, tmp_path) == []


@pytest.mark.slow
def test_a_forecast_counts_coalitions_and_measures_where_nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(forecasts, "SAMPLE", 4)
    section = {"estimator": [{"name": "exact"}, {"name": "leave_one_out"}, {"budget": 6}]}
    cells = cells_of(BASE, axes_of(section))
    found = forecast(pending(cells, tmp_path), tmp_path)
    assert found.coalitions == 8 + 5 + 6 and not found.at_most
    assert found.rate.coalition > 0 and found.seconds > 3 * found.rate.overhead
    assert "of the first" in found.rate.source and not list(tmp_path.iterdir())


def record(folder, name):
    return read_json(folder / name / "result.json")
