"""Regression: the configurations are ones that run takes, and both metrics see the same models."""

import json

import numpy as np
import pytest
from rich.console import Console

from experiments import regression_federations as experiment
from fedjax_shap.pipeline.config import parse

SMALL = ["resamples=2", "rounds=2"]


@pytest.mark.parametrize("name", experiment.FEDERATIONS)
def test_each_configuration_is_one_that_run_takes(name):
    for metric in experiment.METRICS:
        config = parse(experiment.raw_config(experiment.CONFIG, "anywhere", name, metric))
        assert config.sections["data"].keywords["folder"] == "anywhere"
        assert config.sections["game"].keywords["metric"] == metric


def test_metrics_of_the_same_models_have_one_variance():
    rng = np.random.default_rng(0)
    mse = rng.uniform(1, 4, (8, 3, 2))
    r2 = 1 - mse / 5
    assert experiment.spread_of_variance(r2, -np.sqrt(mse)) < 1e-12
    assert experiment.spread_of_variance(r2, -np.sqrt(mse[::-1])) > 0.1


@pytest.mark.slow
def test_the_record_has_values_ranks_and_payments_under_both_metrics(
    data_folder, tmp_path, monkeypatch
):
    monkeypatch.delitem(experiment.FEDERATIONS, "beijing_air")
    monkeypatch.delitem(experiment.FEDERATIONS, "student")
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--data", str(data_folder), "--json", str(out), "--figure", str(drawn)]
    assert experiment.main([*given, *(part for text in SMALL for part in ("--set", text))]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    federations = json.loads(out.read_text())["federations"]
    one = federations["motor"]
    assert one["sizes"] == [29, 57, 86, 114, 143, 171]
    assert one["spread_of_variance"] < 1e-4
    for numbers in one["metrics"].values():
        gain = numbers["grand"] - numbers["empty"]
        assert sum(numbers["values"]) == pytest.approx(gain, abs=1e-6)
        assert sorted(numbers["ranks"]) == [1, 2, 3, 4, 5, 6]
        assert sum(numbers["payments"]) == pytest.approx(experiment.CONFIG["revenue"])
        assert (np.array(numbers["low"]) <= numbers["high"]).all()


def test_the_figure_orders_members_by_value_and_the_table_shows_both_ranks(capsys):
    players = [f"member {i}" for i in range(3)]
    metrics = {}
    for metric, values in (("r2", [0.1, 0.3, 0.2]), ("rmse", [1.0, 2.0, 3.0])):
        metrics[metric] = {
            "values": values,
            "std_errors": [0.01] * 3,
            "ranks": experiment.places(values),
            "empty": 0.0,
            "grand": sum(values),
            "payments": [100.0, 300.0, 200.0],
            "low": [90.0] * 3,
            "high": [310.0] * 3,
            "undefined": 0.0,
        }
    one = {"players": players, "sizes": [10, 20, 30], "costs": [50.0] * 3, "metrics": metrics}
    record = {"settings": experiment.CONFIG, "federations": {"motor": one}}
    parts, payments = experiment.figure(record).axes
    assert [text.get_text() for text in parts.get_xticklabels()] == [
        "member 1",
        "member 2",
        "member 0",
    ]
    heights = [patch.get_height() for patch in parts.patches]
    np.testing.assert_allclose(heights, [50, 100 / 3, 100 / 6, 100 / 3, 50, 100 / 6])
    assert [patch.get_height() for patch in payments.patches[:3]] == [300, 200, 100]
    experiment.show(record, Console(width=160))
    shown = capsys.readouterr().out
    assert "2.0000 ± 0.0100" in shown and "300 (90 to 310)" in shown
