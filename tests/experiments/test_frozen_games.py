"""The comparison of estimators on the frozen games: who is drawn how often, and what it shows."""

import contextlib
import io
import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pages import ROOT, blocks, require_printed

from benchmarks import estimator_contest
from experiments import frozen_games, frozen_report
from experiments.frozen import tables
from experiments.frozen.games import FROZEN
from fedjax_shap.shapley.estimators.registry import ESTIMATORS

PAGE = "docs/frozen_games.md"
RECORD = ROOT / "experiments" / "results" / "frozen_games.json"
NEEDS = ("shapiq", "pydvl")
SETTINGS = {"seeds": 5, "slow_seeds": 3, "slow_most": 32}
BLOCKS = [block for block in blocks(PAGE) if block.language == "python"]


def row_of(estimator, error, *, budget=16, package="fedjax_shap", z=None, seeds=5, game="transfer"):
    return {
        "game": game,
        "package": package,
        "estimator": estimator,
        "budget": budget,
        "rel_l2": error,
        "spearman": 0.5,
        "z": z,
        "seeds": seeds,
    }


@pytest.fixture
def record():
    about = {"players": 8, "budgets": [16, 32], "noise_floor": 0.1, "empty": -1.0, "grand": 2.5}
    rows = [
        row_of("gaussian_process", 0.02, z=1.1),
        row_of("gaussian_process", 0.01, z=0.9, budget=32, seeds=1),
        row_of("msr", 0.06),
        row_of("svarm", 0.05, z=3.0),
        row_of("svarm", 0.004, budget=32, z=4.0),
        row_of("kernelshap", 0.3, package="shapiq"),
        row_of("kernelshap", 1e7, package="shapiq", budget=32),
    ]
    return {
        "default": "gaussian_process",
        "games": {"transfer": about},
        "rows": rows,
        "ranking": estimator_contest.ranking(rows),
    }


def test_budgets_double_from_twice_the_players_to_a_fifth_of_all_coalitions():
    assert frozen_games.budgets_of(8) == [16, 32]
    assert frozen_games.budgets_of(10) == [20, 40, 80, 160]
    assert frozen_games.budgets_of(14) == [28, 56, 112, 224, 448, 896, 1792]


def test_slow_estimators_are_drawn_less_often_and_not_beyond_four_times_their_most():
    slow = ("fedjax_shap", "gaussian_process")
    drawn = [frozen_games.draws(SETTINGS, slow, budget) for budget in (32, 33, 128, 129)]
    assert drawn == [3, 1, 1, 0]
    assert frozen_games.draws(SETTINGS, ("fedjax_shap", "svarm"), 65) == 5
    assert {*ESTIMATORS, *estimator_contest.VARIANTS} >= set(frozen_games.SLOW)


def test_the_default_stands_beside_the_best_of_the_others(record):
    first, second = frozen_report.tables(record)["default"]["rows"]
    assert first[:5] == ("transfer", "16", "0.0200", "0.50", "1.10")
    assert first[5:] == ("svarm", "0.0500", "kernelshap", "0.3000", "yes")
    assert second[5:] == ("svarm", "0.0040", "kernelshap", "> 10", "**no**")
    record["rows"] = record["rows"][2:]
    last = frozen_report._beside(record, "transfer", 16)
    assert last[:3] == ("–", "–", "–") and last[-1] == "not drawn"


def test_all_errors_are_those_of_the_largest_budget_with_all_draws(record):
    made = frozen_report.tables(record)
    assert made["all"]["columns"] == ("estimator", "transfer, 16")
    assert dict(made["all"]["rows"]) == {
        "gaussian_process": "0.0200",
        "svarm": "0.0500",
        "kernelshap, shapiq": "0.3000",
        "msr": "0.0600",
    }
    assert dict(made["errors"]["rows"]) == {"gaussian_process": "1.10", "svarm": "3.00"}
    assert made["games"]["rows"] == [("transfer", "8", "256", "-1", "2.5", "0.1000")]


def test_the_figure_has_a_panel_a_game_and_one_colour_an_estimator(record):
    record["games"]["other"] = {**record["games"]["transfer"], "noise_floor": None}
    record["rows"] += [row_of("svarm", 0.2, game="other"), row_of("gtg", 0.2, game="other")]
    first, second = frozen_report.figure(record).axes[:2]
    lines = {line.get_label(): line for line in first.lines}
    assert set(lines["noise floor"].get_ydata()) == {0.1}
    np.testing.assert_array_equal(lines["stratified SVARM"].get_ydata(), [0.05, 0.004])
    others = {line.get_label(): line for line in second.lines}
    assert "noise floor" not in others and "others of ours" in others
    assert lines["stratified SVARM"].get_color() == others["stratified SVARM"].get_color()
    for axes in (first, second):
        assert all(text.get_fontsize() >= 7 for text in axes.get_xticklabels())


def test_a_run_keeps_what_it_measured(tmp_path, monkeypatch):
    few = {
        ("fedjax_shap", name): partial(estimator_contest.read_off, name, {})
        for name in ("svarm", "gaussian_process")
    }
    monkeypatch.setattr(estimator_contest, "contestants", lambda: few)
    out = tmp_path / "out.json"
    given = ["--games", "transfer", "--set", "seeds=2", "--set", "slow_seeds=1"]
    given += ["--set", "slow_most=16", "--json", str(out), "--figure", str(tmp_path / "out.png")]
    assert frozen_games.main(given) == 0
    record = json.loads(out.read_text())
    drawn = {(row["estimator"], row["budget"]): row["seeds"] for row in record["rows"]}
    assert drawn["gaussian_process", 16] == 1 and drawn["svarm", 32] == 2
    assert record["tables"]["default"]["rows"][0][0] == "transfer"
    _, utilities, meta = tables.load(tables.COMMITTED / "transfer.npz")
    exact = meta["exact"]
    row = next(row for row in record["rows"] if row["estimator"] == "svarm")
    svarm = few["fedjax_shap", "svarm"]
    values = [svarm(utilities, row["budget"], seed)[0] for seed in range(2)]
    errors = [np.linalg.norm(one - exact) / np.linalg.norm(exact) for one in values]
    np.testing.assert_allclose(row["rel_l2"], np.mean(errors), rtol=1e-9)


def test_odd_input_is_refused(capsys):
    for given, words in (
        (["--games", "silos"], "'silos'"),
        (["--jobs", "0"], "jobs=0"),
        (["--set", "seeds=0"], "seeds=0"),
    ):
        assert frozen_games.main(given) == 2
        assert words in capsys.readouterr().err


def test_the_record_is_of_the_tables_of_the_repository():
    record = json.loads(RECORD.read_text())
    assert not record["commit"].endswith("+") and set(record["games"]) == set(FROZEN)
    made = frozen_report.tables(record)
    assert json.loads(json.dumps(made)) == record["tables"]
    for name, about in record["games"].items():
        meta = tables.load(tables.COMMITTED / f"{name}.npz").meta
        assert (about["empty"], about["grand"]) == (meta["empty"], meta["grand"])
        np.testing.assert_allclose(about["spread"], np.std(meta["exact"]))
    assert (Path(ROOT) / "docs" / "frozen_games.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(BLOCKS)))
def test_what_the_page_shows_runs_and_prints_what_it_says(place, monkeypatch):
    block = BLOCKS[place]
    for package in NEEDS:
        if package in block.text and find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    monkeypatch.chdir(ROOT)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(block.text, PAGE, "exec"), {"__name__": "page"})
    require_printed(output.getvalue(), block.printed)
