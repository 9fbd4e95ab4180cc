"""The benchmark of estimators: its rows are errors against exact values, its budgets are kept, its
rivals agree."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import estimators, rivals
from benchmarks.estimator_games import game_b
from fedjax_shap.coalitions import ranks
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.closed_form import table
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS
from fedjax_shap.shapley.exact import shapley_values

TABLE = np.tanh(np.random.default_rng(0).uniform(0, 0.5, 64).cumsum() / 8)


def test_rivals_keep_to_the_budget_of_distinct_coalitions_and_are_exact_at_the_full_one(
    monkeypatch,
):
    pytest.importorskip("shapiq")
    known, plain = rivals.rivals(), rivals.played
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
        assert any(np.array_equal(found, one) for one in allowed) if allowed else found is None


def test_rows_are_the_errors_of_each_estimator_and_what_it_refuses_is_left_out(
    tmp_path, monkeypatch
):
    game = table(TABLE).game
    monkeypatch.setattr(estimators, "game_b", lambda: (game, estimators.jax.random.key(0)))
    monkeypatch.setitem(estimators.BUDGETS, "B", (20, 40))
    monkeypatch.setitem(estimators.OTHERS, "B", {20: 1.0, 40: 1.0})
    monkeypatch.setattr(
        estimators, "repeated", lambda game, k: table(np.stack([TABLE, TABLE * 1.1], axis=1)).game
    )
    out, drawn = tmp_path / "out.json", tmp_path / "out.png"
    arguments = [
        "--games",
        "B",
        "--seeds",
        "3",
        "--store",
        str(tmp_path),
        "--json",
        str(out),
        "--figure",
        str(drawn),
    ]
    assert estimators.main(arguments) == 0
    record = json.loads(out.read_text())
    assert record["default"] == DEFAULT and drawn.stat().st_size > 10_000
    np.testing.assert_allclose(
        record["games"]["B"]["noise_floor"]["rel_l2"], (0.1 + 1 / 11) / 2, rtol=1e-3
    )
    rows = {(row["package"], row["estimator"], row["budget"]): row for row in record["rows"]}
    assert {DEFAULT, "svarm", "kernelshap", "permutation"} <= {name for _, name, _ in rows}
    assert ("fedjax_shap", "permutation", 40) in rows and (
        "fedjax_shap",
        "permutation",
        20,
    ) not in rows
    exact = shapley_values(TABLE)
    found = [estimators._values("svarm", {}, TABLE, 40, seed) for seed in range(3)]
    error = np.mean([np.linalg.norm(one - exact) / np.linalg.norm(exact) for one in found])
    np.testing.assert_allclose(rows["fedjax_shap", "svarm", 40]["rel_l2"], error, rtol=1e-3)
    assert all(
        row["rel_l2"] >= 0 and -1 <= row["spearman"] <= 1 and row["seeds"] == 3
        for row in record["rows"]
    )


def test_the_default_estimator_beats_permutations_by_far_at_a_tenth_of_a_federations_coalitions():
    """The digits federation of the benchmark is trained for one round, to be quick; the errors are
    of 10 seeds."""
    assert DEFAULT in ESTIMATORS
    game, key = game_b()
    brief = game.replace(world=game.world.replace(num_rounds=estimators.jax.numpy.int32(1)))
    every = estimators.all_subsets(10)
    utilities = estimators.evaluate(brief, key, every, store=UtilityStore())
    assert (ranks(every) == np.arange(1024)).all()
    exact = shapley_values(utilities)

    def error(name):
        runs = [estimators._values(name, {}, utilities, 102, seed) for seed in range(10)]
        return np.mean([np.linalg.norm(run - exact) for run in runs])

    assert error(DEFAULT) < 0.5 * error("permutation")


def test_the_readme_says_what_the_record_says():
    root = Path(__file__).parents[2]
    record = json.loads((root / "benchmarks" / "results" / "estimators_cpu.json").read_text())
    measured = {
        row["estimator"]: row["rel_l2"]
        for row in record["rows"]
        if (row["package"], row["game"], row["budget"]) == ("fedjax_shap", "B", 100)
    }
    told = dict(
        re.findall(r"^\| `(\w+)`.* \| ([\d.]+) \|$", (root / "README.md").read_text(), re.M)
    )
    assert len(told) >= 17
    for name, error in told.items():
        assert float(error) == round(measured[name], 3)
    assert record["default"] == DEFAULT and min(measured, key=measured.get) == DEFAULT
