"""The benchmarks and experiments: PyTorch's draws, what they write, what they refuse, and the
published numbers."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import flce, flce_protocol, harness, rounds_game, timing, torch_draws
from experiments import hospitals
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import by_column
from fedjax_shap.data.published import HOSPITALS, heart_disease
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training
from fedjax_shap.pipeline.config import parse
from fedjax_shap.shapley.exact import shapley_values

# accuracy in Cleveland, Hungary, Switzerland, VA by seed: FLamby's committed results, FedAvg100
FLAMBY_FEDAVG = {
    42: (0.7596, 0.6966, 0.6875, 0.6222),
    43: (0.7212, 0.7416, 0.7500, 0.6667),
    44: (0.7404, 0.7528, 0.5000, 0.5778),
    45: (0.7308, 0.6742, 0.7500, 0.6222),
    46: (0.7019, 0.7303, 0.5625, 0.7111),
}


@pytest.fixture
def small_flce(tmp_path):
    """A folder with a federation of three clients in FLCE's format."""
    rng, held = np.random.default_rng(0), {}
    for name, size in (("0", 5), ("1", 20), ("2", 33), ("test", 40)):
        held[f"x_{name}"] = rng.normal(size=(size, 4)).astype(np.float32)
        held[f"y_{name}"] = (held[f"x_{name}"][:, 0] > 0).astype(np.int64)
    (tmp_path / "flce").mkdir()
    np.savez(
        tmp_path / "flce" / "tictactoe_quantity_1.npz",
        **held,
        exact_shapley=np.array([0.1, 0.3, 0.4]),
    )
    return tmp_path


def test_uniform_numbers_are_those_that_pytorch_prints_for_seed_0():
    drawn = torch_draws.uniform(np.random.RandomState(0), (3,), 0.0, 1.0)
    np.testing.assert_allclose(
        drawn, [0.4963, 0.7682, 0.0885], atol=5e-5
    )  # torch.manual_seed(0); torch.rand(3)


def test_a_permutation_is_the_one_that_pytorch_prints_for_seed_0():
    assert torch_draws.permutation(0, 10).tolist() == [
        4,
        1,
        7,
        5,
        3,
        9,
        0,
        8,
        6,
        2,
    ]  # torch.randperm(10)


def test_linear_layers_have_pytorch_s_bound_and_the_tree_of_the_package_s_mlp():
    drawn = torch_draws.linear_layers(3, (27, 16, 1))
    model = linear(initializer="torch")((27,), 2)
    assert jax.tree.structure(drawn["Dense_0"]) == jax.tree.structure(
        model.init(jax.random.key(0))["Dense_0"]
    )
    assert drawn["Dense_0"]["kernel"].shape == (27, 16) and drawn["Dense_1"]["kernel"].shape == (
        16,
        1,
    )
    for layer, fan_in in ((drawn["Dense_0"], 27), (drawn["Dense_1"], 16)):
        largest = max(float(np.abs(part).max()) for part in layer.values())
        assert 0.8 * fan_in**-0.5 < largest <= fan_in**-0.5


def test_a_batch_order_is_a_permutation_for_each_seed_its_own():
    assert sorted(torch_draws.batch_order(5, 50)) == list(range(50))
    assert torch_draws.batch_order(5, 50).tolist() != torch_draws.batch_order(6, 50).tolist()


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
    real, plain = flce.evaluate, flce.LOOPS["client"]
    monkeypatch.setattr(flce, "LOOPS", {"client": plain})
    monkeypatch.setattr(
        flce,
        "evaluate",
        lambda game, key, masks, plan: (
            real(game, key, masks, plan) + (0.2 if plan is plain else 0.0)
        ),
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


def test_flamby_s_published_accuracies_come_out_from_its_initial_weights(data_folder):
    pool = heart_disease(folder=str(data_folder), normalise="per_client")
    data, tested = federate(pool, by_column(), seed=0), pool.notes["test_center"]
    steps = local(optimizer="sgd", learning_rate=0.001, batch_size=4, steps=100)
    learning = learner(
        data,
        Training(linear(output="sigmoid"), steps, fedavg(max_rounds=15), key=jax.random.key(0)),
    )

    def right(world, params, trace, mask):
        return (
            learning.model.apply(params, world.data.test[0]).argmax(-1) == world.data.test[1]
        ).astype(jnp.float32)

    game, everyone = trained(learning, right), np.ones((1, 4), bool)
    for seed, published in FLAMBY_FEDAVG.items():
        weights = jax.tree.map(jnp.asarray, torch_draws.linear_layers(seed, (13, 1)))
        start = game.replace(world=game.world.replace(initial=weights))
        correct = evaluate(start, jax.random.key(seed), everyone)[0]
        for hospital, expected in zip(HOSPITALS, published):
            theirs = correct[tested == hospital]
            assert abs(theirs.mean() - expected) < 1.5 / len(theirs), (
                seed,
                hospital,
            )  # one patient at the most


def test_the_hospitals_configuration_is_one_that_run_takes_and_is_flamby_s_fedavg_row():
    config = parse(hospitals.raw_config("anywhere", 3, 0.01))
    assert config.seed == 3 and config.sections["local"].keywords["learning_rate"] == 0.01
    assert config.sections["data"].keywords == {"normalise": "per_client", "folder": "anywhere"}
    asked = parse(hospitals.CONFIG).sections["local"].keywords
    assert asked == {"learning_rate": 0.001, "batch_size": 4, "steps": 100}


@pytest.mark.slow
def test_the_hospitals_experiment_writes_what_run_writes_and_the_spread_over_seeds(
    data_folder, tmp_path, capsys
):
    assert (
        hospitals.main(["--data", str(data_folder), "--out", str(tmp_path / "out"), "--seeds", "2"])
        == 0
    )
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        "result.json",
        "values.png",
        "payments.png",
        "curve.png",
        "spread.json",
        "hospitals.png",
    } <= written
    found = json.loads((tmp_path / "out" / "spread.json").read_text())
    for rate in ("0.001", "0.01"):
        assert found[rate]["players"] == list(HOSPITALS) and np.shape(
            found[rate]["each"]["values"]
        ) == (2, 4)
        paid = np.sum(found[rate]["each"]["payments"], axis=1)
        np.testing.assert_allclose(paid, hospitals.CONFIG["economics"]["revenue"], atol=0.005)
    assert (np.array(found["0.01"]["each"]["values"])[:, 2] < 0).all(), (
        "Expected Switzerland's value to be negative."
    )
    assert "Switzerland" in capsys.readouterr().out


def test_a_timing_has_its_compilation_apart_and_its_median_over_the_repeats():
    calls = []
    result, seconds = timing.timed(lambda: calls.append(1) or len(calls), repeats=3)
    assert result == 1 and len(calls) == 4 and len(seconds["runs"]) == 3
    assert seconds["warm"] == sorted(seconds["runs"])[1]
    with pytest.raises(InvalidInputError, match="repeats=-1"):
        timing.timed(lambda: None, repeats=-1)


def test_a_wrong_result_is_refused_before_the_clock_starts():
    calls = []

    def refuse(result):
        raise InvalidInputError(f"Expected {result} to be another.")

    with pytest.raises(InvalidInputError, match="another"):
        timing.timed(lambda: calls.append(1), repeats=3, check=refuse)
    assert len(calls) == 1


def test_a_record_is_whole_or_absent_and_never_holds_nan(tmp_path):
    path = harness.write_json({"a": 1}, tmp_path / "x.json")
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(ValueError):
        harness.write_json({"a": math.nan}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(InvalidInputError, match="to be writable"):
        harness.write_json({}, path / "below.json")


def test_a_commit_is_that_of_the_repository_or_said_to_be_unknown(tmp_path):
    assert harness.commit(tmp_path) == "unknown"


def test_a_command_line_names_no_folder_of_this_machine():
    written = harness.command_line(
        "benchmarks.flce", ["--data", "/a/b", "--json", "/a/b/c/x.json"], "/a/b", "/a/b/c"
    )
    assert written == "python -m benchmarks.flce --data DIR --json DIR/x.json"


@pytest.fixture
def small_mnist(tmp_path):
    """A folder with 300 training and 60 test images of noise in MNIST's four files."""
    rng, folder = np.random.default_rng(0), tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 300), ("t10k", 60)):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 28, 28))),
            ("labels-idx1", np.arange(count) % 10),
        ):
            header = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())
    return tmp_path


SMALL_ROUND = [
    "--participants",
    "3",
    "--examples",
    "60",
    "--hidden",
    "4",
    "--train",
    "300",
    "--rival-chunks",
    "2",
    "4",
]


def test_the_rounds_game_benchmark_writes_its_record_and_finds_both_ways_equal(small_mnist, capsys):
    out = small_mnist / "out.json"
    given = ["--data", str(small_mnist), *SMALL_ROUND, "--repeats", "1", "--json", str(out)]
    assert rounds_game.main(given) == 0
    record = json.loads(out.read_text())
    engine, rival = record["seconds_engine"], record["seconds_forward_per_model"]
    assert (
        record["speed_up"] == rival["warm"] / engine["warm"]
        and 0 < engine["compile"] < engine["first"]
    )
    assert 0 <= record["max_abs_diff"] <= rounds_game.GAP and rival["chunk"] in (2, 4)
    assert (
        len(set(record["sizes"])) > 1
        and sum(record["sizes"]) == 300
        and record["num_coalitions"] == 8
    )
    assert (
        record["accuracy_differs_in_examples"]["most"] <= 1
        and min(record["temporary_bytes"].values()) > 0
    )
    assert str(small_mnist) not in record["command"] and "times as fast" in capsys.readouterr().out


def test_the_rounds_game_benchmark_refuses_other_utilities_and_what_it_cannot_use(
    small_mnist, monkeypatch, capsys
):
    given = ["--data", str(small_mnist), *SMALL_ROUND, "--repeats", "0"]
    for wrong in (
        ["--participants", "17"],
        ["--hidden", "0"],
        ["--rival-chunks", "0"],
        ["--examples", "61"],
    ):
        assert rounds_game.main([*given, *wrong]) == 2, wrong
        assert capsys.readouterr().err.startswith("error: Expected ")
    real = rounds_game.evaluate
    monkeypatch.setattr(
        rounds_game,
        "evaluate",
        lambda game, key, masks, plan: real(game, key, masks, plan) + (plan.layout == "client"),
    )
    assert rounds_game.main(given) == 2
    assert "Expected one forward pass a mixture to give our log-losses" in capsys.readouterr().err
    monkeypatch.delenv("FEDJAX_SHAP_DATA", raising=False)
    assert rounds_game.main(SMALL_ROUND) == 2
    assert "Expected a folder of data sets" in capsys.readouterr().err
