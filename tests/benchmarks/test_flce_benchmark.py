"""The benchmark of FLCE's federations: its record, what it refuses, and the published values."""

import json

import jax
import numpy as np
import pytest

from benchmarks import flce, flce_protocol
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.shapley.exact import shapley_values


@pytest.fixture
def small_flce(tmp_path):
    """A folder with a federation of three clients in FLCE's format."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, size in (("0", 5), ("1", 20), ("2", 33), ("test", 40)):
        arrays[f"x_{name}"] = rng.normal(size=(size, 4)).astype(np.float32)
        arrays[f"y_{name}"] = (arrays[f"x_{name}"][:, 0] > 0).astype(np.int64)
    (tmp_path / "flce").mkdir()
    np.savez(
        tmp_path / "flce" / "tictactoe_quantity_1.npz",
        **arrays,
        exact_shapley=np.array([0.1, 0.3, 0.4]),
    )
    return tmp_path


def test_the_flce_benchmark_writes_its_record_and_finds_the_loops_equal(small_flce, capsys):
    out = small_flce / "deep" / "out.json"
    given = [
        "--data",
        str(small_flce),
        "--seeds",
        "1",
        "--rounds",
        "3",
        "--repeats",
        "1",
        "--json",
        str(out),
    ]
    assert flce.main(given) == 0
    record = json.loads(out.read_text())
    assert {
        "cosine_distance_mean",
        "spearman_mean",
        "per_seed",
        "published_seconds",
        "commit",
        "date",
    } <= set(record)
    assert record["published_seconds"] == 2293 and set(record["versions"]) >= {
        "jax",
        "numpy",
        "python",
    }
    assert (
        record["command"].startswith("python -m benchmarks.flce")
        and str(small_flce) not in record["command"]
    )
    (row,) = record["per_seed"]
    assert set(row["seconds_jitted_loop"]) == {"coalition", "client"}
    for seconds in (row["seconds_exact"], *row["seconds_jitted_loop"].values()):
        assert 0 < seconds["compile"] < seconds["first"] and len(seconds["runs"]) == 1
    fastest = min(s["first"] for s in row["seconds_jitted_loop"].values())
    assert record["seconds_jitted_loop"] == record["parts"]["jitted_loop"]["first"] == fastest
    assert record["seconds_exact"] == record["parts"]["exact"]["first"]
    assert not list(out.parent.glob(".*")), "Expected nothing left aside."
    assert "cosine" in capsys.readouterr().out


def test_a_loop_that_gives_other_utilities_is_refused_before_its_clock_starts(
    small_flce, monkeypatch, capsys
):
    real = flce.evaluate
    plain = flce.LOOPS["client"]
    monkeypatch.setattr(flce, "LOOPS", {"client": plain})
    monkeypatch.setattr(
        flce,
        "evaluate",
        lambda game, key, masks, plan: real(game, key, masks, plan) + 0.2 * (plan is plain),
    )
    given = ["--data", str(small_flce), "--seeds", "1", "--rounds", "2", "--repeats", "0"]
    assert flce.main(given) == 2
    assert "Expected the loop by client to give our log-losses" in capsys.readouterr().err


def test_the_flce_benchmark_leaves_the_loop_out_and_refuses_what_it_cannot_use(small_flce, capsys):
    given = [
        "--data",
        str(small_flce),
        "--seeds",
        "1",
        "--rounds",
        "2",
        "--no-loop",
        "--draws",
        "own",
    ]
    assert flce.main(given) == 0 and "published: 2293 s" in capsys.readouterr().out
    for wrong in (
        ["--rounds", "1"],
        ["--repeats", "-1"],
        ["--key", "-1"],
        ["--seeds", "2"],
        ["--chunk", "0"],
    ):
        assert flce.main([*given, *wrong]) == 2, wrong
        assert capsys.readouterr().err.startswith("error: Expected ")


def test_published_orders_leave_rows_where_they_stand_in_every_round(small_flce, key):
    data, _ = flce_protocol.federation(str(small_flce), "quantity", 1, "published")
    masks = all_subsets(3)
    utilities = []
    for seed in (0, 1):
        game = flce_protocol.game_of(data, 1, "published", key, rounds=3, **flce.SMOOTH)
        utilities.append(evaluate(game, jax.random.key(seed), masks))
    np.testing.assert_array_equal(
        utilities[0], utilities[1]
    )  # no key is used: the orders are the rows'
    shuffled = flce_protocol.game_of(
        data, 1, "own", key, rounds=3, initial=game.world.initial, **flce.SMOOTH
    )
    assert np.abs(evaluate(shuffled, jax.random.key(0), masks) - utilities[0]).max() > 1e-6


@pytest.mark.slow
def test_flce_s_published_values_come_out_from_its_own_draws(data_folder, key):
    data, published = flce_protocol.federation(str(data_folder), "quantity", 6696, "published")
    game = flce_protocol.game_of(data, 6696, "published", key)
    values = shapley_values(evaluate(game, key, all_subsets(8)))
    found = flce.agreement(values, published)
    assert (
        found["cosine_distance"] < 2e-4
        and found["spearman"] > 0.95
        and found["max_difference"] < 0.005
    )
