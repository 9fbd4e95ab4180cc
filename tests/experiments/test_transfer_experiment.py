"""The experiment on transfer: its record, and a sign that sources help."""

import json
from functools import partial

import numpy as np
import pytest

from experiments import transfer as experiment


@pytest.mark.slow
def test_the_record_has_curves_values_and_spread(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "OVERLAPS", (100, 600))
    monkeypatch.setattr(experiment, "HOSPITALS", ("VA",))
    monkeypatch.setattr(experiment, "FEW_SEEDS", 1)
    monkeypatch.setattr(
        experiment, "mnist_to_digits", partial(experiment.mnist_to_digits, sources=1, rows=50)
    )
    monkeypatch.setattr(experiment, "wisdm_transfer", partial(experiment.wisdm_transfer, sources=1))
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--data", str(data_folder), "--json", str(out), "--figure", str(drawn)]
    small = ("seeds=2", "rows=600", "steps=40")
    assert experiment.main([*given, *(part for text in small for part in ("--set", text))]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    record = json.loads(out.read_text())
    few, many = record["credit"]
    assert (few["overlap"], many["overlap"]) == (100, 600)
    # more common users leave the shop alone as it is
    assert few["alone"] == many["alone"]
    assert few["bound"] == many["bound"]
    assert np.mean(many["logistic"]) > np.mean(many["alone"])
    va = record["hospitals"]["VA"]
    assert va["sources"] == ["Cleveland", "Hungary", "Switzerland"]
    for values, alone, together in zip(va["values"], va["alone"], va["together"]):
        assert sum(values) == pytest.approx(together[0] - alone[0], abs=1e-9)
    assert set(record["others"]) == {"MNIST to digits", "WISDM, five people to one"}
