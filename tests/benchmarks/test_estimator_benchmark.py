"""The benchmark of estimators: rows are errors against exact values, and budgets are kept."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import estimator_contest, estimator_tables, estimators, rivals
from benchmarks.estimator_games import MAJORITY, VOTES
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.games.closed_form import table
from fedjax_shap.report.looks import look
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS
from fedjax_shap.shapley.exact import shapley_values

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "estimators_cpu.json"
TABLE = np.tanh(np.random.default_rng(0).uniform(0, 0.5, 64).cumsum() / 8)


def test_rivals_keep_to_the_budget_of_distinct_coalitions_and_are_exact_at_the_full_one(
    monkeypatch,
):
    pytest.importorskip("shapiq")
    known = rivals.rivals()
    plain = rivals.played
    assert {"kernelshap", "permutation", "stratified svarm"} <= known.keys()
    np.testing.assert_allclose(known["kernelshap"](TABLE, 64, 0), shapley_values(TABLE), atol=1e-5)
    runs = []

    def recorded(*arguments):
        runs.append(plain(*arguments))
        return runs[-1]

    monkeypatch.setattr(rivals, "played", recorded)
    for values in known.values():
        runs.clear()
        found = values(TABLE, 40, 0)
        allowed = [one for one, asked in runs if asked <= 40]
        if allowed:
            assert any(np.array_equal(found, one) for one in allowed)
        else:
            assert found is None


def test_rows_are_the_errors_of_each_estimator_and_what_it_refuses_is_left_out(
    tmp_path, monkeypatch
):
    game = table(TABLE).game
    monkeypatch.setattr(estimator_tables, "game_b", lambda: (game, jax.random.key(0)))
    monkeypatch.setattr(estimator_tables, "kept", lambda name: TABLE + 0.25)
    monkeypatch.setitem(estimators.BUDGETS, "B", (20, 40))
    monkeypatch.setitem(estimators.OTHERS, "B", {20: 1.0, 40: 1.0})
    monkeypatch.setattr(
        estimator_tables,
        "repeated",
        lambda game, k: table(np.stack([TABLE, TABLE * 1.1], axis=1)).game,
    )
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--games", "B", "--seeds", "3", "--store", str(tmp_path)]
    assert estimators.main([*given, "--json", str(out), "--figure", str(drawn)]) == 0
    record = json.loads(out.read_text())
    assert record["default"] == DEFAULT and drawn.exists()
    np.testing.assert_allclose(
        record["games"]["B"]["noise_floor"]["rel_l2"], (0.1 + 1 / 11) / 2, rtol=1e-3
    )
    np.testing.assert_allclose(record["games"]["B"]["kept_gap"], 0.25, rtol=1e-5)
    rows = {(row["package"], row["estimator"], row["budget"]): row for row in record["rows"]}
    assert {DEFAULT, "svarm", "kernelshap", "permutation"} <= {name for _, name, _ in rows}
    assert ("fedjax_shap", "permutation", 40) in rows and (
        "fedjax_shap",
        "permutation",
        20,
    ) not in rows
    exact = shapley_values(TABLE)
    found = [estimator_contest.read_off("svarm", {}, TABLE, 40, seed) for seed in range(3)]
    error = np.mean([np.linalg.norm(one - exact) / np.linalg.norm(exact) for one, _ in found])
    np.testing.assert_allclose(rows["fedjax_shap", "svarm", 40]["rel_l2"], error, rtol=1e-3)
    scores = [(one - exact) / errors for one, errors in found]
    z = np.sqrt(np.mean(np.square(scores)))
    np.testing.assert_allclose(rows["fedjax_shap", "svarm", 40]["z"], z, rtol=1e-3)
    assert all(
        row["rel_l2"] >= 0 and -1 <= row["spearman"] <= 1 and row["seeds"] == 3
        for row in record["rows"]
    )


@pytest.mark.slow
def test_the_default_estimator_beats_permutations_by_far_at_a_tenth_of_a_federations_coalitions():
    """The kept utilities of the digits federation of the benchmark; errors are of 10 seeds."""
    assert DEFAULT in ESTIMATORS
    utilities = estimator_tables.kept("B")
    exact = shapley_values(utilities)

    def error(name):
        runs = [estimator_contest.read_off(name, {}, utilities, 102, seed)[0] for seed in range(10)]
        return np.mean([np.linalg.norm(run - exact) for run in runs])

    assert error(DEFAULT) < 0.1 * error("permutation")


def test_the_utilities_kept_are_those_of_the_games():
    for name, made in estimator_tables.MADE.items():
        kept = estimator_tables.kept(name)
        budgets = estimators.BUDGETS[name]
        assert len(kept) in (256, 1024) and np.isfinite(kept).all() and max(budgets) < len(kept)
        assert len(np.unique(kept)) > 2 or not made.noisy
    won = all_subsets(10) @ np.array(VOTES) >= MAJORITY
    np.testing.assert_array_equal(estimator_tables.kept("voting"), won)


@pytest.mark.slow
def test_the_utilities_kept_of_a_round_are_those_of_its_training():
    made = estimator_tables.trained("round", None, None, 2)
    assert made.floor is None and made.kept_gap < 1e-4


def test_tables_are_kept_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(estimator_tables, "KEPT", tmp_path / "kept.npz")
    estimator_tables.keep({"A": TABLE, "B": TABLE * 2})
    np.testing.assert_allclose(estimator_tables.kept("B"), TABLE * 2, rtol=1e-6)


def test_a_quick_run_trains_nothing_and_draws_a_few_times(tmp_path, monkeypatch):
    few = {("fedjax_shap", "svarm"), ("fedjax_shap", "permutation")}
    every = estimator_contest.contestants()
    monkeypatch.setattr(
        estimator_contest, "contestants", lambda: {name: every[name] for name in few}
    )
    monkeypatch.setattr(estimators, "trained", None)
    monkeypatch.setattr(estimators, "DEFAULT", "svarm")
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--games", "A", "voting", "--quick", "--json", str(out), "--figure", str(drawn)]
    assert estimators.main(given) == 0
    record = json.loads(out.read_text())
    assert record["quick"] and {row["seeds"] for row in record["rows"]} == {estimators.QUICK}
    assert {game["noise_floor"] for game in record["games"].values()} == {None}
    assert record["ranking"] == ["svarm", "permutation"]


def test_z_scores_count_a_missing_error_as_far_off_and_an_exact_value_as_exact():
    exact = np.array([1.0, 2.0])
    score = estimator_contest.z_score
    assert score([(exact, np.zeros(2))], exact) == 0
    assert score([(exact + 0.1, np.zeros(2))], exact) == estimator_contest.LARGEST_Z
    off = np.array([0.1, -0.3])
    np.testing.assert_allclose(score([(exact + off, np.full(2, 0.1))], exact), np.sqrt(5))
    assert score([(exact, None)], exact) is None


def test_the_ranking_is_by_errors_over_all_games_and_those_that_refuse_come_last():
    rows = [
        {"package": "fedjax_shap", "estimator": name, "rel_l2": error}
        for name, errors in {"one": (0.1, 0.1), "two": (0.001, 0.9), "three": (0.001,)}.items()
        for error in errors
    ]
    rows.append({"package": "shapiq", "estimator": "one", "rel_l2": 0.5})
    assert estimators.ranking(rows) == ["two", "one", "three", "one, shapiq"]


def test_the_readme_says_what_the_record_says():
    record = json.loads(RESULTS.read_text())
    measured = {
        row["estimator"]: row["rel_l2"]
        for row in record["rows"]
        if (row["package"], row["game"], row["budget"]) == ("fedjax_shap", "B", 100)
    }
    told = dict(
        re.findall(r"^\| `(\w+)`.* \| ([\d.]+) \|$", (ROOT / "README.md").read_text(), re.M)
    )
    assert len(told) >= 17
    for name, error in told.items():
        assert float(error) == round(measured[name], 3)
    assert record["default"] == DEFAULT and min(measured, key=measured.get) == DEFAULT


def test_the_figure_has_a_line_for_each_estimator_and_names_the_default_and_the_floor():
    record = json.loads(RESULTS.read_text())
    for axes, game in zip(estimators.figure(record).axes, record["games"], strict=True):
        rows = [row for row in record["rows"] if row["game"] == game]
        names = {(row["package"], row["estimator"]) for row in rows}
        floor = record["games"][game]["noise_floor"]
        assert len(axes.lines) == len(names) + (floor is not None)
        lines = {line.get_label(): line for line in axes.lines}
        errors = [row["rel_l2"] for row in rows if row["estimator"] == DEFAULT]
        np.testing.assert_allclose(lines[look(DEFAULT).name].get_ydata(), errors)
        if floor is not None:
            assert set(lines["noise floor"].get_ydata()) == {floor["rel_l2"]}
    assert {record["games"][game]["noise_floor"] is None for game in ("A", "B")} == {False}


def test_the_figure_has_a_panel_for_each_game_and_no_floor_where_there_is_none():
    record = json.loads(RESULTS.read_text())
    record["games"]["B"]["noise_floor"] = None
    panels = dict(zip(record["games"], estimators.figure(record).axes, strict=True))
    panel = panels["B"]
    assert "noise floor" not in {line.get_label() for line in panel.lines}
