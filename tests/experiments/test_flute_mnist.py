"""A run of many clients: the split is as described, and the record says what was trained."""

import json

import numpy as np
import pytest

from experiments import flute_mnist
from fedjax_shap.data.sources import digits

SMALL = ("clients=20", "participants=12", "rounds=2", "coalitions=60")


def test_clients_hold_two_digits_each_and_few_hold_most_images():
    pool = digits()
    shares = flute_mnist.power_law_digits(20)(np.random.default_rng(0), pool)
    rows = np.concatenate(shares.rows)
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(pool.y)))
    for client, own in enumerate(shares.rows):
        labels = np.asarray(pool.y)[own]
        assert set(labels) == {client % 10, (client + 1) % 10}
        assert np.bincount(labels)[[client % 10, (client + 1) % 10]].min() >= flute_mnist.OF_EACH
    sizes = np.sort([len(own) for own in shares.rows])
    assert sizes[-1] > 2 * np.median(sizes) and sizes[-1] > 10 * sizes[0]


@pytest.mark.slow
def test_both_runs_are_trained_alone_and_valued(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(flute_mnist, "mnist", lambda **settings: digits())
    monkeypatch.setattr(flute_mnist, "FLUTE", {"participants": 3, "rounds": 2})
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = [word for text in SMALL for word in ("--set", text)]
    assert flute_mnist.main([*given, "--json", str(out), "--figure", str(drawn)]) == 0
    record = json.loads(out.read_text())
    assert drawn.exists() and sum(record["sizes"]) == len(digits().y)
    few, many = record["runs"]["flute"], record["runs"]["large"]
    assert list(few["ways"]) == ["first order", "exact"]
    assert list(many["ways"]) == ["first order", "joining orders"]
    for run in (few, many):
        assert len(run["accuracy"]) == run["rounds"] == 2
        for way in run["ways"].values():
            assert len(way["values"]) == 20 and way["seconds"]["first"] > 0
    # exact values sum to what the run gained, and so do those of joining orders
    for way in (few["ways"]["exact"], many["ways"]["joining orders"]):
        np.testing.assert_allclose(sum(way["values"]), way["gain"], atol=1e-5)
    assert few["ways"]["exact"]["coalitions"] == 2 * 2**3
    assert "training alone" in capsys.readouterr().out


def test_settings_that_cannot_be_are_refused(capsys):
    assert flute_mnist.main(["--set", "clients=9"]) == 2
    assert "clients=9" in capsys.readouterr().err
