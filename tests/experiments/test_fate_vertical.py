"""FATE's vertical sets: the published numbers, no loss under encryption, and values."""

import json

import numpy as np
import pytest

from experiments import fate_vertical as experiment
from fedjax_shap.data.aligned import common_rows


class InTheClear:
    """Rows as an alignment would find them, without its messages."""

    def __init__(self, ids, names):
        self.rows = common_rows(ids)
        self.num_common = len(self.rows[0])


def test_one_place_has_the_closed_forms_first_step():
    x = np.array([[1.0, 1.0], [-2.0, 1.0], [0.5, 1.0]])
    y = np.array([1, 0, 1])
    gradient = -x.T @ (2.0 * y - 1) / 6
    expected = -0.15 * gradient / np.sqrt(0.01 * gradient**2 + 1e-6)
    np.testing.assert_allclose(experiment.centralised(x, y, 1), expected)


@pytest.mark.slow
def test_the_record_has_the_published_numbers(data_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiment, "align", InTheClear)
    out = tmp_path / "out.json"
    small = ("rows=40", "motor_rows=6", "key_bits=512")
    given = ["--data", str(data_folder), "--json", str(out)]
    assert experiment.main([*given, *(part for text in small for part in ("--set", text))]) == 0
    record = json.loads(out.read_text())
    assert round(record["breast_auc"], 6) == 0.975186
    assert round(record["breast"]["centralised_auc"], 6) == 0.975186
    assert record["breast"]["centralised_gap"] < 1e-12
    assert record["breast_encrypted_gap"] < 1e-6
    assert record["breast"]["encrypted_rows"] == 40
    rounded = {name: round(auc, 3) for name, auc in record["default_credit"].items()}
    assert rounded == {"guest": 0.659, "host": 0.717, "joint": 0.724}
    engine = record["motor"]
    assert round(engine["rmse"], 4) == 0.2793
    gained = engine["guest_rmse"] - engine["rmse"]
    assert sum(engine["values"].values()) == pytest.approx(gained, abs=1e-12)
    assert engine["encrypted_gap"] < 1e-6
    assert record["alignment"]["default_credit"]["common"] == 30_000
    assert "published 0.975186" in capsys.readouterr().out


def test_settings_that_are_none_are_refused(capsys):
    assert experiment.main(["--set", "row=5"]) == 2
    assert "--set='row' to be a known name; did you mean 'rows'" in capsys.readouterr().err
    assert experiment.main(["--set", "rows=1"]) == 2
    assert "rows=1 to be an integer >= 2" in capsys.readouterr().err
