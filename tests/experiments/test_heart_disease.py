"""FLamby's table: its settings are those of its files, its numbers are read, and ours are scored as
it scores."""

import csv
import json

import numpy as np
import pytest

from experiments import heart_disease
from fedjax_shap.data.published import HOSPITALS

METHODS = heart_disease.METHODS
TRAP = "Pooled Training"


def made_up(seeds=2, spread=0.01):
    """A record whose accuracies are drawn at random."""
    rng, width = np.random.default_rng(0), len(HOSPITALS) + 1
    drawn = {
        name: {
            kind: rng.uniform(0.5, 0.9, (heart_disease.ORDERS, seeds, width)).tolist()
            for kind in heart_disease.KINDS
        }
        for name in METHODS
    }
    told = {name: rng.uniform(0.5, 0.9, (seeds, width)).tolist() for name in METHODS}
    return {"seeds": list(range(seeds)), "published": told, "ours": drawn}


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
        told = {row["Method"].removesuffix("100"): row for row in csv.DictReader(lines)}
    for method, (_, rate, keywords) in heart_disease.FEDERATED.items():
        assert float(told[method]["learning_rate"]) == rate, method
        for ours, theirs in names.items():
            if ours in keywords:
                assert float(told[method][theirs]) == keywords[ours], (method, ours)
    for method in (TRAP, *heart_disease.LOCAL):
        assert (
            float(told[method]["learning_rate"]) == heart_disease.RATE
            and "adam" in told[method]["optimizer_class"]
        )


def test_published_accuracies_are_read_by_seed_and_hospital(data_folder):
    told = heart_disease.published(str(data_folder), [42, 43])
    assert set(told) == set(METHODS) and np.shape(told["FedAvg"]) == (2, 5)
    np.testing.assert_allclose(
        told["FedAvg"][0], [0.7596, 0.6966, 0.6875, 0.6222, 0.7520], atol=5e-5
    )


def test_a_model_is_scored_as_flamby_does_and_on_features_of_its_own_kind():
    record = made_up()
    for name in METHODS:
        found, ours = heart_disease.row(record, name), record["ours"][name]
        per_client, pooled = np.array(ours["per_client"]), np.array(ours["pooled"])
        np.testing.assert_array_equal(found["ours"][:, :4], per_client[0, :, :4])
        np.testing.assert_array_equal(found["ours"][:, 4], pooled[0, :, 4])
        np.testing.assert_allclose(found["ours"][:, 5], per_client[0, :, :4].mean(axis=1))
        np.testing.assert_allclose(
            found["published"][:, 6], np.mean(record["published"][name], axis=1)
        )
        own = pooled if name == TRAP else per_client
        np.testing.assert_array_equal(found["same"][:, :5], own[0])
        means = per_client[..., :4].mean(axis=-1)
        np.testing.assert_allclose(found["floor"], np.abs(means[1] - means[0]).mean())
        told = np.array(record["published"][name])[:, :4].mean(axis=1)
        np.testing.assert_allclose(found["off"], np.abs(means[0] - told).mean())


def test_accuracies_are_shares_of_each_hospitals_patients():
    hospital = np.repeat(HOSPITALS, [4, 2, 2, 2])
    truth, said = np.zeros(10, int), np.array([0, 0, 0, 1, 0, 0, 1, 0, 1, 1])
    assert heart_disease.accuracies(said, truth, hospital) == [0.75, 1.0, 0.5, 0.0, 0.6]


def test_the_figure_has_a_published_and_our_mean_of_every_method():
    (axes,) = heart_disease.figure(made_up()).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(METHODS)
    assert len(axes.containers) == 2 * len(METHODS) and len(axes.get_legend().get_texts()) == 3


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
        found = heart_disease.row(record, name)
        assert found["off"] < 0.03, name
    assert "Switzerland" in capsys.readouterr().out
