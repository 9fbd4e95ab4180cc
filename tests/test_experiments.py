"""The experiments run on a small set, and what they write is what the values say."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments import agreement, five_settings, removal
from experiments.methods import METHODS, overrides
from fedjax_shap._validate import InvalidInputError

SMALL = ("--set", "data=digits", "--set", "clients=5", "--set", "rounds=2", "--set", "trainings=2")


def record_of(experiment, folder, *arguments):
    out, drawn = folder / "out.json", folder / "figure.png"
    assert experiment.main([*arguments, "--json", str(out), "--figure", str(drawn)]) == 0
    assert drawn.stat().st_size > 10_000
    return json.loads(out.read_text())


@pytest.mark.slow
def test_five_settings_holds_every_method_against_exact_values(tmp_path):
    (row,) = record_of(five_settings, tmp_path, *SMALL, "--settings", "4")["rows"]
    assert list(row["methods"]) == list(METHODS)
    exact = np.array(row["methods"]["exact"]["values"])
    assert row["methods"]["exact"]["coalitions"] == 32
    for found in row["methods"].values():
        values = np.array(found["values"])
        gap = np.abs(values / values.sum() - exact / exact.sum())
        np.testing.assert_allclose(found["max_difference"], gap.max(), atol=1e-12)
        assert found["seconds"] > 0
    assert row["noise_floor"]["max_difference"] > 0


@pytest.mark.slow
def test_agreement_compares_both_kinds_of_values_and_says_what_it_means(tmp_path):
    rows = record_of(agreement, tmp_path, *SMALL, "--set", "alpha=1.0")["rows"]
    assert [row["federation"] for row in rows] == list(agreement.FEDERATIONS)
    for row in rows:
        retrain, in_run = (np.array(row["ways"][way]["values"]) for way in agreement.WAYS)
        np.testing.assert_allclose(row["spearman_per_training"][1], spearmanr(retrain[1], in_run[1]).statistic)
        assert row["said"].startswith(row["federation"])


def test_values_without_a_signal_are_called_so():
    ways = {way: {"p_value": p} for way, p in zip(agreement.WAYS, (0.5, 0.2), strict=True)}
    assert "neither kind of value carries a signal above the noise" in agreement.said("alike", 0.9, ways)
    ways["exact"]["p_value"] = 1e-6
    assert "in-run exact values carry no signal" in agreement.said("alike", 0.9, ways)
    ways["in-run exact"]["p_value"] = 1e-6
    assert "rank clients alike" in agreement.said("alike", 0.9, ways)
    assert "answer different questions" in agreement.said("alike", 0.1, ways)


@pytest.mark.slow
def test_removal_looks_accuracies_up_as_members_leave(tmp_path):
    runs = record_of(removal, tmp_path, *SMALL)["runs"]
    assert len(runs) == 2
    for found in runs[0].values():
        assert len(found["best_first"]) == len(found["worst_first"]) == 5
        assert found["best_first"][0] == found["worst_first"][0]
        np.testing.assert_allclose(found["area"], np.mean(found["worst_first"]) - np.mean(found["best_first"]))


def test_members_leave_one_by_one_in_order():
    masks = removal.removal([2, 0, 1, 3], 4)
    assert masks.tolist() == [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("text", "sentence"), [("rouns=2", "did you mean 'rounds'"), ("rounds=two", "'rounds=two' to give rounds as int")]
)
def test_a_setting_that_does_not_exist_or_fit_is_refused(text, sentence, capsys):
    with pytest.raises(InvalidInputError, match=sentence):
        overrides(five_settings.CONFIG, [text])
    assert five_settings.main(["--set", text]) == 2
    assert "Expected" in capsys.readouterr().err
