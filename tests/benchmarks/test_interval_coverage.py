"""The benchmark of intervals: truth and draws are the package's, coverage is counted correctly."""

import json

import jax
import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks import interval_coverage
from fedjax_shap.coalitions import ranks
from fedjax_shap.games.closed_form import table
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import shapley_values

TABLE = np.tanh(np.random.default_rng(0).uniform(0, 0.5, 64).cumsum() / 8)


@pytest.mark.parametrize("orders", ["random", "antithetic"])
def test_draws_are_those_of_the_permutation_estimator(orders):
    drawn = interval_coverage._marginals(TABLE, orders, 3)
    estimator = permutation(orders=orders, max_permutations=interval_coverage.ORDERS)
    masks, state = estimator.ask(jax.random.key(3), estimator.init(6, 64, None))
    found = estimator.read(estimator.tell(state, masks, TABLE[ranks(masks)]))
    np.testing.assert_allclose(drawn.mean(axis=0), found.values, atol=1e-12)
    np.testing.assert_allclose(
        drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn)), found.std_errors, atol=1e-12
    )
    np.testing.assert_allclose(
        drawn.sum(axis=1), TABLE[-1] - TABLE[0]
    )  # efficient, every draw of it
    off = (found.values - shapley_values(TABLE)) / found.std_errors
    assert abs(off).max() < 5


def test_the_truth_of_the_airport_is_that_of_the_table_it_is_drawn_from(monkeypatch):
    tables = []
    monkeypatch.setattr(
        interval_coverage, "_marginals", lambda table, orders, seed: tables.append(table)
    )
    study = interval_coverage.CASES["airport"](None)
    study.sample(0)
    np.testing.assert_allclose(study.truth, shapley_values(tables[0]), atol=1e-12)


def test_a_payment_on_either_side_of_its_interval_is_counted_there():
    owed = np.array([1.0, 2.0, 3.0, 4.0])
    ends = np.tile(np.array([[0.5, 2.0, 3.1, 3.0], [1.5, 2.0, 3.5, 3.9]]), (10, 1, 1))
    ends[:5, :, 2] = (2.0, 4.0)
    row = interval_coverage._row("any", "delta", owed, ends)
    assert row["coverage"] == [1.0, 1.0, 0.5, 0.0]
    assert row["owed_below"] == [0.0, 0.0, 0.5, 0.0] and row["owed_above"] == [0.0, 0.0, 0.0, 1.0]
    assert row["mean"] == 0.625 and row["within_aim"] == 0
    np.testing.assert_allclose(row["width"], [1.0, 0.0, (2 + 0.4) / 2, 0.9])


@pytest.mark.parametrize(("hits", "runs"), [(0, 20), (19, 20), (950, 1000), (7, 7)])
def test_the_band_of_a_share_is_wilson_s(hits, runs):
    low, high = interval_coverage.wilson(np.array(hits / runs), runs, reach=1.959963984540054)
    known = binomtest(hits, runs).proportion_ci(method="wilson")
    np.testing.assert_allclose([low, high], [known.low, known.high], atol=1e-12)


def test_the_record_has_a_row_for_each_case_and_method_and_its_coverage_is_near_the_level(
    tmp_path, monkeypatch
):
    game = table(TABLE).game
    monkeypatch.setattr(interval_coverage, "game_b", lambda: (game, jax.random.key(0)))
    out = tmp_path / "out.json"
    assert interval_coverage.main(["--runs", "20", "--replicates", "60", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    rows = {(row["case"], row["method"]): row for row in record["rows"]}
    both = {"delta", "replicates"}
    methods = {name: {m for case, m in rows if case == name} for name in interval_coverage.CASES}
    assert methods["additive"] == methods["kink"] == both
    assert methods["airport"] == methods["digits"] == both | {"delta, independent"}
    for (case, _), row in rows.items():
        covered = np.array(row["coverage"])
        assert len(row["band"]) == len(row["owed"]) == len(covered)
        assert (covered >= 0.6).all() and (case == "kink" or covered.mean() < 1)
    assert rows["kink", "delta"]["width"][5] == 0  # certainly harmful, so paid its cost


def test_too_few_runs_are_refused(capsys):
    assert interval_coverage.main(["--cases", "additive", "--runs", "1"]) == 2
    assert "runs=1 to be an integer >= 2" in capsys.readouterr().err
