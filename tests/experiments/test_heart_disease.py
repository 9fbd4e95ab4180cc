"""FLamby's table: its settings are those of its files, and ours are scored as it scores."""

import csv
import json

import numpy as np
import pytest

from experiments import flamby, heart_disease
from fedjax_shap.data.published import HOSPITALS

METHODS = flamby.METHODS
TRAP = "Pooled Training"


def random_record(seeds=2):
    """A record whose accuracies are drawn at random."""
    rng = np.random.default_rng(0)
    width = len(HOSPITALS) + 1
    drawn = {
        name: {
            kind: rng.uniform(0.5, 0.9, (flamby.ORDERS, seeds, width)).tolist()
            for kind in heart_disease.KINDS
        }
        for name in METHODS
    }
    theirs = {name: rng.uniform(0.5, 0.9, (seeds, width)).tolist() for name in METHODS}
    return {"seeds": list(range(seeds)), "published": theirs, "ours": drawn}


def test_the_settings_are_those_of_flambys_files(data_folder):
    """Each row of the published files says with what it was made."""
    names = {
        "server_learning_rate": "server_learning_rate",
        "mu": "mu",
        "b1": "beta1",
        "b2": "beta2",
        "eps": "tau",
    }
    with (data_folder / "flamby_results" / "heart_seed42.csv").open(newline="") as lines:
        rows = {row["Method"].removesuffix("100"): row for row in csv.DictReader(lines)}
    for method, (_, rate, keywords) in flamby.FEDERATED.items():
        assert float(rows[method]["learning_rate"]) == rate, method
        for ours, theirs in names.items():
            if ours in keywords:
                assert float(rows[method][theirs]) == keywords[ours], (method, ours)
    for method in (TRAP, *flamby.LOCAL):
        assert float(rows[method]["learning_rate"]) == flamby.RATE
        assert "adam" in rows[method]["optimizer_class"]


def test_published_accuracies_are_read_by_seed_and_hospital(data_folder):
    theirs = flamby.published(str(data_folder), [42, 43])
    assert set(theirs) == set(METHODS) and np.shape(theirs["FedAvg"]) == (2, 5)
    np.testing.assert_allclose(
        theirs["FedAvg"][0], [0.7596, 0.6966, 0.6875, 0.6222, 0.7520], atol=5e-5
    )


def test_a_model_is_scored_as_flamby_does_and_on_features_of_its_own_kind():
    record = random_record()
    for name in METHODS:
        numbers = heart_disease.row(record, name)
        per_client, pooled = (np.array(record["ours"][name][kind]) for kind in heart_disease.KINDS)
        np.testing.assert_array_equal(numbers["ours"][:, :4], per_client[0, :, :4])
        np.testing.assert_array_equal(numbers["ours"][:, 4], pooled[0, :, 4])
        np.testing.assert_allclose(numbers["ours"][:, 5], per_client[0, :, :4].mean(axis=1))
        np.testing.assert_allclose(
            numbers["published"][:, 6], np.mean(record["published"][name], axis=1)
        )
        own = {True: pooled, False: per_client}[name == TRAP]
        np.testing.assert_array_equal(numbers["same"][:, :5], own[0])
        means = per_client[..., :4].mean(axis=-1)
        np.testing.assert_allclose(numbers["floor"], np.abs(means[1] - means[0]).mean())
        theirs = np.array(record["published"][name])[:, :4].mean(axis=1)
        np.testing.assert_allclose(numbers["off"], np.abs(means[0] - theirs).mean())


def test_accuracies_are_shares_of_each_hospitals_patients():
    hospital = np.repeat(HOSPITALS, [4, 2, 2, 2])
    truth = np.zeros(10, int)
    classes = np.array([0, 0, 0, 1, 0, 0, 1, 0, 1, 1])
    assert heart_disease.accuracies(classes, truth, hospital) == [0.75, 1.0, 0.5, 0.0, 0.6]


def test_the_figure_has_a_published_and_our_mean_of_every_method():
    (axes,) = heart_disease.figure(random_record()).axes
    named = [label.get_text() for label in axes.get_yticklabels()]
    assert named[: len(HOSPITALS)] == [f"{name} alone" for name in HOSPITALS]
    assert len(named) == len(METHODS) and "SCAFFOLD" in named
    assert len(axes.containers) == 2 * len(METHODS)
    assert len(axes.figure.legends[0].get_texts()) == 3


def test_results_that_are_missing_or_settings_that_do_not_exist_are_refused(tmp_path, capsys):
    assert heart_disease.main(["--data", str(tmp_path)]) == 2
    assert heart_disease.main(["--set", "seeds=0"]) == 2
    assert heart_disease.main(["--set", "round=3"]) == 2
    assert capsys.readouterr().err.count("Expected ") == 3


@pytest.mark.slow
def test_one_seed_comes_near_to_what_is_published(data_folder, tmp_path, capsys):
    """A patient of Switzerland is 0.016 of the mean of hospitals, one of VA 0.006."""
    out = tmp_path / "out.json"
    assert (
        heart_disease.main(["--data", str(data_folder), "--set", "seeds=1", "--json", str(out)])
        == 0
    )
    record = json.loads(out.read_text())
    assert record["seeds"] == [42] and str(data_folder) not in record["command"]
    for name in METHODS:
        numbers = heart_disease.row(record, name)
        assert numbers["off"] < 0.03, name
    assert "Switzerland" in capsys.readouterr().out
