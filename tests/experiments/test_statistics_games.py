"""Merged statistics: the published numbers, and a record of what a mean of models costs."""

import json

import pytest

from experiments import statistics_games as experiment


def test_two_phones_weigh_the_single_sample_by_its_count_or_like_three():
    found = experiment.two_phones()
    assert found["sums"] == pytest.approx({"mean": 3.0, "weight": 0.25})
    assert found["average"] == pytest.approx({"mean": 4.0, "weight": 0.5})


@pytest.mark.slow
def test_the_record_has_the_published_numbers_and_the_skew(data_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "ALPHAS", (10.0, 0.1))
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--data", str(data_folder), "--json", str(out), "--figure", str(drawn)]
    small = ("members=5", "seeds=1", "clients=3")
    assert experiment.main([*given, *(part for text in small for part in ("--set", text))]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    record = json.loads(out.read_text())
    assert record["newton_accuracies"] == pytest.approx([0.75, 67 / 89, 0.75, 0.6], abs=1e-12)
    assert round(record["svm_auc"], 4) == 0.8088
    assert record["naive_bayes_max_diff"] < 1e-6
    assert record["seconds_n20"] > 0
    exactly = record["exact"]
    assert sum(exactly["values"]) == pytest.approx(exactly["grand"] - exactly["empty"], abs=1e-9)
    assert len(record["skew"]) == 4
    mild, strong = (row for row in record["skew"] if row["model"] == "linear discriminant")
    assert mild["sums"] == strong["sums"]
    assert strong["average"] < mild["average"]
