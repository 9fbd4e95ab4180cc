"""The four hospitals: the configuration is FLamby's, and the record has every seed's numbers."""

import json

import numpy as np
import pytest
from rich.console import Console

from experiments import hospitals
from fedjax_shap.data.published import HOSPITALS
from fedjax_shap.pipeline.config import parse


def test_the_hospitals_configuration_is_one_that_run_takes_and_is_flamby_s_fedavg_row():
    config = parse(hospitals.raw_config("anywhere", 3, 0.01))
    assert config.seed == 3 and config.sections["local"].keywords["learning_rate"] == 0.01
    assert config.sections["data"].keywords == {"normalise": "per_client", "folder": "anywhere"}
    asked = parse(hospitals.CONFIG).sections["local"].keywords
    assert asked == {"learning_rate": 0.001, "batch_size": 4, "steps": 100}


@pytest.mark.slow
def test_the_hospitals_record_has_every_seed_and_one_report(data_folder, tmp_path, capsys):
    out = tmp_path / "out.json"
    given = ["--data", str(data_folder), "--set", "seeds=2", "--out", str(tmp_path / "run")]
    assert hospitals.main([*given, "--json", str(out)]) == 0
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"result.json", "values.png", "payments.png", "curve.png", "utilities"} <= written
    record = json.loads(out.read_text())
    assert record["players"] == list(HOSPITALS) and list(record["rates"]) == ["0.001", "0.01"]
    for seeds in record["rates"].values():
        assert np.shape(seeds["values"]) == (2, 4)
        paid = np.sum(seeds["payments"], axis=1)
        np.testing.assert_allclose(paid, hospitals.CONFIG["economics"]["revenue"], atol=0.005)
    switzerland = np.array(record["rates"]["0.01"]["values"])[:, 2]
    assert (switzerland < 0).all()
    assert "Switzerland" in capsys.readouterr().out


def test_the_hospitals_figure_and_table_have_means_and_deviations_over_seeds(capsys):
    values = np.random.default_rng(0).normal(size=(2, 3, 4))  # by rate, seed and hospital
    paid = np.array([[14_900.0] * 4, [15_000.0] * 4, [15_100.0] * 4])
    record = {
        "settings": {"seeds": 3},
        "players": list(HOSPITALS),
        "patients": [10, 20, 30, 40],
        "ill": [0.5, 0.25, 1.0, 0.75],
        "costs": [1000.0] * 4,
        "rates": {},
    }
    for rate, each in zip(("0.001", "0.01"), values, strict=True):
        numbers = {"values": each.tolist(), "payments": paid.tolist()}
        record["rates"][rate] = numbers | {"accuracy": [0.7, 0.7, 0.7], "utility": [-0.5] * 3}
    bars, money = hospitals.figure(record).axes
    heights = [patch.get_height() for patch in bars.patches]
    np.testing.assert_allclose(heights, values.mean(axis=1).ravel())
    tops = [patch.get_y() + patch.get_height() for patch in money.patches[4:]]
    np.testing.assert_allclose(tops, 15_000)
    hospitals.show(record, Console(width=160))
    shown = capsys.readouterr().out
    assert shown.count("15,000 ± 100") == 4
    mean = values[1, :, 2].mean()
    assert f"{mean:.3f} ± {values[1, :, 2].std(ddof=1):.3f}" in shown
