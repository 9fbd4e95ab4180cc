"""Luck alone is counted exactly, and runs in which no twin is worth anything as is said."""

import json

import numpy as np
import pytest

from experiments import twins


def test_luck_alone_is_what_drawing_gives():
    assert twins.chance_by_luck([1.0]) == pytest.approx(14 / 30)  # exactly one of both is there
    rng = np.random.default_rng(0)
    gains = 0.6 ** np.arange(10)
    there = rng.random((40_000, 10, 10)).argsort(axis=-1).argsort(axis=-1)[..., :2] < 3
    values = (there * gains[None, :, None]).sum(axis=1)
    wide = np.abs(values[:, 0] - values[:, 1]) > 0.5 * values.max(axis=1)
    assert twins.chance_by_luck(gains) == pytest.approx(wide.mean(), abs=0.01)


def test_a_gap_over_a_negative_largest_value_counts_in_one_way_only():
    counted = twins.shares_of([[1.0, 0.9], [1.0, 0.4], [-1.0, -2.0], [2.0, -1.0]])
    assert counted == {"wide": 0.75, "as_written": 0.5, "neither_above_0": 0.25}


@pytest.mark.slow
def test_every_variant_is_trained_and_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(twins, "RATES", (0.1,))
    monkeypatch.setattr(twins, "MODELS", {"linear": twins.MODELS["linear"]})
    monkeypatch.setattr(twins, "figure", lambda record: pytest.fail("not asked for"))
    out = tmp_path / "out.json"
    given = ["--set", "repeats=2", "--json", str(out), "--store", str(tmp_path / "store")]
    assert twins.main(given) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [row["split"] for row in rows] == ["two classes", "alike"]
    for row in rows:
        assert np.shape(row["twins"]) == (2, 2) and len(row["gains"]) == twins.ROUNDS
        assert 0 <= row["by_luck"] <= 1
    assert rows[1]["gains"][0] == max(rows[1]["gains"]) > 0
    monkeypatch.setattr(twins, "variant", lambda *given: pytest.fail("the store has it"))
    assert twins.main(given) == 0 and json.loads(out.read_text())["rows"] == rows
    assert "By luck alone" in capsys.readouterr().out
