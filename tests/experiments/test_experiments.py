"""The experiments run on a small set, and what they write is what the values say."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from experiments import agreement, five_settings, removal
from experiments.harness import overridden, parser, run
from experiments.methods import METHODS
from fedjax_shap._validate import InvalidInputError

SMALL = ("--set", "data=digits", "--set", "clients=5", "--set", "rounds=2", "--set", "trainings=2")


def record_of(experiment, folder, *arguments):
    out = folder / "out.json"
    drawn = folder / "figure.png"
    assert experiment.main([*arguments, "--json", str(out), "--figure", str(drawn)]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    return json.loads(out.read_text())


@pytest.mark.slow
def test_five_settings_holds_every_method_against_exact_values(tmp_path):
    given = (*SMALL, "--settings", "4", "--store", str(tmp_path / "store"))
    (row,) = record_of(five_settings, tmp_path, *given)["rows"]
    assert list(row["methods"]) == list(METHODS)
    exact = np.array(row["methods"]["exact"]["values"])
    assert row["methods"]["exact"]["coalitions"] == 32
    for found in row["methods"].values():
        values = np.array(found["values"])
        gap = np.abs(values / values.sum() - exact / exact.sum())
        np.testing.assert_allclose(found["max_difference"], gap.max(), atol=1e-12)
        assert found["seconds"] > 0
    assert row["noise_floor"]["max_difference"] > 0
    # a second run reads all of it
    assert len(list((tmp_path / "store").glob("*.json"))) == len(METHODS) + 1
    assert record_of(five_settings, tmp_path, *given)["rows"] == [row]


@pytest.mark.slow
def test_agreement_compares_both_kinds_of_values_and_says_what_it_means(tmp_path):
    rows = record_of(agreement, tmp_path, *SMALL, "--set", "alpha=1.0")["rows"]
    assert [row["federation"] for row in rows] == list(agreement.FEDERATIONS)
    for row in rows:
        retrain, in_run = (np.array(row["ways"][way]["values"]) for way in agreement.WAYS)
        np.testing.assert_allclose(
            row["spearman_per_training"][1], spearmanr(retrain[1], in_run[1]).statistic
        )
        assert row["said"].startswith(row["federation"])
        assert row["noisy"] == [0, 1] * ("noisy" in row["federation"])  # two fifths of five


def test_rates_of_wrong_labels_are_read_and_refused():
    rates = {**agreement.CONFIG, "wrong": "0.7,0.7,0.7,0.7"}
    assert agreement.rates_of(rates) == [0.7] * 4
    assert agreement.noisy(rates, "alike, noisy") == range(4)
    assert agreement.noisy(rates, "alike") == range(0)
    with pytest.raises(InvalidInputError, match=r"wrong='0\.7 0\.7' to be rates"):
        agreement.rates_of({"wrong": "0.7 0.7"})


def test_values_without_a_signal_are_called_so():
    ways = {way: {"p_value": p} for way, p in zip(agreement.WAYS, (0.5, 0.2), strict=True)}
    silent = "neither kind of value carries a signal above the noise"
    assert silent in agreement.verdict("alike", 0.9, ways)
    ways["exact"]["p_value"] = 1e-6
    assert "in-run exact values carry no signal" in agreement.verdict("alike", 0.9, ways)
    ways["in-run exact"]["p_value"] = 1e-6
    assert "rank clients alike" in agreement.verdict("alike", 0.9, ways)
    assert "answer different questions" in agreement.verdict("alike", 0.1, ways)


def test_a_panel_without_a_signal_says_so_in_its_title():
    ways = {way: {"p_value": p} for way, p in zip(agreement.WAYS, (0.5, 0.2), strict=True)}
    row = {"federation": "alike", "spearman_per_training": [0.5, 0.7], "ways": ways}
    assert agreement.panel_title(row) == "alike\nSpearman +0.60, no signal"
    ways["exact"]["p_value"] = 1e-6
    assert agreement.panel_title(row) == "alike\nSpearman +0.60\nno signal in in-run exact values"
    ways["in-run exact"]["p_value"] = 1e-6
    assert agreement.panel_title(row) == "alike\nSpearman +0.60"


@pytest.mark.parametrize(("clients", "wrong"), [(3, 1), (5, 2), (6, 2), (10, 3), (100, 3)])
def test_never_more_than_two_fifths_of_the_clients_have_wrong_labels(clients, wrong):
    settings = agreement.CONFIG | {"clients": clients}
    assert list(agreement.noisy(settings, "unequal, noisy")) == list(range(wrong))
    assert not agreement.noisy(settings, "unequal")
    one, other = (
        agreement.federated(settings, five_settings.pool_of(settings, None), name, 0).data
        for name in ("alike", "alike, noisy")
    )
    changed = [
        not np.array_equal(one.client(each)[1], other.client(each)[1]) for each in range(clients)
    ]
    assert np.flatnonzero(changed).tolist() == list(range(wrong))


def test_an_agreement_of_too_few_clients_is_refused(capsys):
    assert agreement.main(["--set", "clients=2"]) == 2
    assert "clients" in capsys.readouterr().err


def test_dots_of_wrong_labels_are_drawn_only_where_there_are_any(tmp_path):
    draws = np.random.default_rng(0).normal(size=(2, 4, 6))
    ways = {
        way: {"values": draws[at].tolist(), "p_value": 0.0} for at, way in enumerate(agreement.WAYS)
    }
    rows = [
        {"federation": name, "noisy": noisy, "spearman_per_training": [0.0], "ways": ways}
        for name, noisy in (("alike", []), ("alike, noisy", [0, 1]))
    ]
    clean, wrong = agreement.figure({"rows": rows, "config": {"metric": "accuracy"}}).axes
    assert [len(dots.lines[0].get_xdata()) for dots in clean.containers] == [6]
    assert [len(dots.lines[0].get_xdata()) for dots in wrong.containers] == [4, 2]
    for axis in (clean.xaxis, clean.yaxis, wrong.xaxis, wrong.yaxis):
        low, high = axis.get_view_interval()
        assert 2 <= sum(low <= tick <= high for tick in axis.get_majorticklocs()) <= 4


@pytest.mark.slow
def test_removal_looks_accuracies_up_as_members_leave(tmp_path, capsys):
    runs = record_of(removal, tmp_path, *SMALL)["runs"]
    assert len(runs) == 2
    assert [line.split("s  ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "training 0",
        "training 1",
    ]
    for one, other in (runs, runs[::-1]):
        assert one[removal.FLOOR]["values"] == other["exact"]["values"]
    for found in runs[0].values():
        assert len(found["best_first"]) == len(found["worst_first"]) == 5
        assert found["best_first"][0] == found["worst_first"][0]
        np.testing.assert_allclose(
            found["area"], np.mean(found["worst_first"]) - np.mean(found["best_first"])
        )


def test_members_leave_one_by_one_in_order():
    masks = removal.removal([2, 0, 1, 3], 4)
    assert masks.tolist() == [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("rouns=2", "did you mean 'rounds'"), ("rounds=two", "'rounds=two' to give rounds as int")],
)
def test_a_setting_that_does_not_exist_or_fit_is_refused(text, sentence, capsys):
    with pytest.raises(InvalidInputError, match=sentence):
        overridden(five_settings.CONFIG, [text])
    assert five_settings.main(["--set", text]) == 2
    assert "Expected" in capsys.readouterr().err


def ran(arguments, show=lambda record, console: None):
    return run(
        parser("trial", "A trial.", {}),
        arguments,
        lambda options: {},
        show,
        lambda record: Figure(),
    )


def test_a_run_that_keeps_nothing_says_so_and_only_then(tmp_path, capsys):
    assert ran([]) == 0
    assert "Nothing was kept" in capsys.readouterr().out
    for kept in ("json", "figure"):
        assert ran([f"--{kept}", str(tmp_path / f"out.{kept.replace('figure', 'png')}")]) == 0
        assert "Nothing was kept" not in capsys.readouterr().out


def test_a_line_of_a_hundred_columns_is_not_cut_where_nobody_watches(capsys):
    wide = "x" * 100
    ran([], lambda record, console: console.print(wide))
    assert wide in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("experiment", [five_settings, agreement])
def test_progress_is_written_to_the_error_stream(experiment, monkeypatch, capsys):
    measured = []

    def measure(settings, pool, which, done, store):
        assert store is None
        measured.append(which)
        done(f"{which}!")

    monkeypatch.setattr(experiment, "measure", measure)
    monkeypatch.setattr(experiment, "show", lambda record, console: None)
    assert experiment.main(["--set", "data=digits"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(measured) >= 2
    assert [line.split("s  ", 1)[1] for line in lines] == [f"{which}!" for which in measured]
