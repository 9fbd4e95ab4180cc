"""The engine's benchmarks: what they count, what they compare, what they refuse, and what they
write."""

import argparse
import json
import os
import struct
import subprocess
import sys
from functools import partial

import federations
import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks import (
    ceilings,
    coalition_engine,
    contest,
    games,
    harness,
    mnist_exact,
    scaling,
    timing,
    torch_loop,
)
from benchmarks.contest import Contest
from benchmarks.games import Case, stratified, useful_flops
from benchmarks.mnist_settings import mnist_setting
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack
from fedjax_shap.data.sources import digits
from fedjax_shap.engine import cache
from fedjax_shap.engine.plan import Plan
from fedjax_shap.learning.model import cnn

TINY = [
    "--n",
    "2",
    "--hidden",
    "3",
    "--rounds",
    "1",
    "--steps",
    "2",
    "--repeats",
    "1",
    "--chunk",
    "2",
]
SECONDS = ("engine", "jitted_loop", "vmap_all", "torch_loop")


@pytest.fixture
def small_ceilings(monkeypatch):
    """Ceilings that are measured in a moment."""
    monkeypatch.setattr(coalition_engine, "gemm_gflops", partial(ceilings.gemm_gflops, 64))
    monkeypatch.setattr(coalition_engine, "copy_gbs", partial(ceilings.copy_gbs, 1))


@pytest.fixture
def small_mnist(tmp_path):
    """MNIST's four files with 60 and 20 of the small digits, enlarged."""
    small, start = load_digits(), 0
    for part, count in (("train", 60), ("t10k", 20)):
        images, labels = small.images[start : start + count], small.target[start : start + count]
        large = np.pad(np.kron(images * 15, np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2)))
        held, start = (large.astype(np.uint8), labels.astype(np.uint8)), start + count
        for array, kind in zip(held, ("images", "labels")):
            head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{part}-{kind}-idx{array.ndim}-ubyte").write_bytes(head + array.tobytes())
    return tmp_path


def test_the_engine_benchmark_writes_its_record_and_finds_its_rivals_equal(
    small_ceilings, tmp_path, capsys
):
    out = tmp_path / "out.json"
    assert coalition_engine.main([*TINY, "--no-torch", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    (row,) = record["rows"]
    assert all(record[name] == value for name, value in row.items())
    for name in SECONDS[:3]:
        assert 0 < row[f"seconds_{name}"] < row[f"seconds_{name}_cold"]
    assert row["seconds_torch_loop"] is None and row["torch_loop_fraction"] is None
    loops = [
        row["parts"][f"jitted_loop_by_{layout}"]["first"] for layout in ("coalition", "client")
    ]
    assert row["seconds_jitted_loop_cold"] == min(loops)
    assert row["engine_gflops"] == pytest.approx(row["useful_gflop"] / row["seconds_engine"])
    assert row["fraction_of_gemm"] == pytest.approx(row["engine_gflops"] / record["gemm_gflops"])
    assert row["num_programs"] == 1 and 0 < row["compile_s"] < row["seconds_engine_cold"]
    assert 0 < row["useful_fraction"] <= 1 and row["copy_gbs"] > 0 and row["peak_memory_mb"] >= 0
    assert set(row["max_abs_diffs"]) == {
        "the loop by coalition",
        "the loop by client",
        "one vmap over all",
    }
    assert row["max_abs_diff"] == max(row["max_abs_diffs"].values()) <= 1e-4
    assert row["member_steps"] == 4 * 2 and row["plan"]["chunk"] == 2
    assert "Ceilings: " in capsys.readouterr().out


def test_a_rival_with_other_utilities_is_refused(small_ceilings, monkeypatch, tmp_path, capsys):
    real = contest.evaluate
    off = {"coalition": 2e-4, "client": 0.0}
    monkeypatch.setattr(
        contest,
        "evaluate",
        lambda game, key, masks, plan: real(game, key, masks, plan) + off[plan.layout],
    )
    out = tmp_path / "out.json"
    assert coalition_engine.main([*TINY, "--no-torch", "--json", str(out)]) == 2
    assert (
        "Expected the loop by coalition to give the engine's utilities" in capsys.readouterr().err
    )
    assert not out.exists()


def test_the_suite_is_a_table_whose_cases_are_cut_to_the_work_that_is_asked_for(
    small_ceilings, monkeypatch, tmp_path
):
    assert len(coalition_engine.SUITE) == 24 == len(set(coalition_engine.SUITE))
    monkeypatch.setattr(
        coalition_engine,
        "SUITE",
        (Case(n=2, hidden=3), Case(n=2, hidden=3, batch_size=0, rounds=1)),
    )
    out, rivals = tmp_path / "out.json", ["--no-loop", "--no-vmap", "--no-torch"]
    given = [
        "--suite",
        "--gflop",
        "0.005",
        "--repeats",
        "0",
        "--chunk",
        "2",
        "--json",
        str(out),
        *rivals,
    ]
    assert coalition_engine.main(given) == 0
    record = json.loads(out.read_text())
    assert [row["batch_size"] for row in record["rows"]] == [
        32,
        0,
    ] and "seconds_engine" not in record
    assert record["rows"][0]["rounds"] < 5 and all(
        row["useful_gflop"] < 0.007 for row in record["rows"]
    )


def test_the_engine_benchmark_refuses_what_it_cannot_use(capsys):
    for wrong in (
        ["--n", "0"],
        ["--repeats", "-1"],
        ["--coalitions", "3"],
        ["--torch-seconds", "0"],
        ["--chunk", "0"],
    ):
        assert (
            coalition_engine.main([*TINY, "--no-torch", "--no-loop", "--no-vmap", *wrong]) == 2
        ), wrong
        assert capsys.readouterr().err.startswith("error: Expected "), wrong
    assert coalition_engine.main(["--model", "cnn"]) == 2
    assert "at least 12 x 12" in capsys.readouterr().err


def test_the_work_of_a_case_is_that_of_its_layers_batch_by_batch():
    case = Case(n=3, hidden=5, rounds=2, steps=16)
    data = case.data()
    masks, sizes = all_subsets(3), np.asarray(data.sizes).tolist()
    layers, flops = (64 * 5, 5 * 10), 0
    for mask in masks:
        flops += len(data.validation[1]) * 2 * sum(layers)
        for size in (size for size, present in zip(sizes, mask) if present):
            left = 0
            for _ in range(case.rounds):
                for step in range(case.steps):
                    left = size if step % -(-size // 32) == 0 else left
                    flops += min(left, 32) * (4 * sum(layers) + 2 * layers[1])
                    left -= 32
    assert useful_flops(case, data, masks) == flops


def test_lenet5_has_its_known_multiplications():
    params = jax.eval_shape(cnn()((28, 28, 1), 10).init, jax.random.key(0))
    assert games._macs(params, 28) == [28**2 * 150, 10**2 * 150 * 16, 400 * 120, 120 * 84, 84 * 10]


def test_a_case_is_cut_by_rounds_then_steps_then_coalitions():
    case = Case(n=6, rounds=5, steps=10)
    assert case.within(10.0, 20.0) == case
    assert case.within(10.0, 4.0) == Case(n=6, rounds=2, steps=10)
    assert case.within(100.0, 8.0) == Case(n=6, rounds=1, steps=4)
    assert case.within(1000.0, 10.0) == Case(n=6, rounds=1, steps=1, coalitions=32)
    assert case.within(1e6, 1.0) == Case(n=6, rounds=1, steps=1, coalitions=8)


def test_a_sample_of_coalitions_has_every_complement_and_the_sizes_of_all():
    masks = stratified(8, 64)
    names = pack(masks)
    assert len(set(names)) == 64 and set(names) == set(pack(~masks))
    np.testing.assert_array_equal(masks.sum(axis=0), 32)
    sizes, expected = (
        np.bincount(masks.sum(axis=1), minlength=9),
        np.bincount(all_subsets(8).sum(axis=1)) / 4,
    )
    assert np.abs(sizes - expected).max() <= 2
    np.testing.assert_array_equal(stratified(3, 8), all_subsets(3))
    for count in (5, 0, 18):
        with pytest.raises(InvalidInputError, match=f"count={count}"):
            stratified(4, count)


@pytest.mark.parametrize("batch_size", [32, 7])
def test_pytorch_gets_the_rows_that_the_engine_draws(key, batch_size):
    data = Case(n=8).data()
    drawn = torch_loop.draw_batches(data, key, rounds=2, steps=9, batch_size=batch_size)
    for round_, client in ((0, 0), (1, 5)):
        size, longest = int(data.sizes[client]), data.y.shape[1]
        settings = {"num_rows": longest, "size": size, "batch_size": batch_size, "steps": 9}
        expected = federations.drawn_batches(key, round_, client, **settings)
        assert [rows.tolist() for rows in drawn[round_][client]] == [
            rows.tolist() for rows in expected
        ]


@pytest.mark.parametrize(
    "case", [Case(n=2, hidden=3, rounds=2, steps=3), Case(n=2, hidden=3, batch_size=0, steps=2)]
)
def test_pytorch_finds_the_engine_s_utilities(case):
    pytest.importorskip("torch", reason="PyTorch is a rival, no dependency")
    against = Contest(case, None, 0)
    against.engine(Plan(chunk=2))
    seconds, share = against.in_torch(60.0)
    assert share == 1 and seconds["first"] > 0 and against.gaps["PyTorch"] <= 1e-5
    _, part = against.in_torch(1e-9)
    assert 0 < part < 1


def test_pytorch_finds_the_engine_s_utilities_of_lenet5(small_mnist, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is a rival, no dependency")
    monkeypatch.setattr(games, "MNIST_TRAIN", 30)
    monkeypatch.setattr(games, "MNIST_VALIDATION", 20)
    against = Contest(
        Case(data_name="mnist", model="cnn", n=2, rounds=1, steps=2), str(small_mnist), 0
    )
    against.engine(Plan(chunk=2))
    against.in_torch(60.0)
    assert against.gaps["PyTorch"] <= 1e-5


def test_the_ceilings_are_rates():
    assert ceilings.gemm_gflops(32, repeats=1) > 0 and ceilings.copy_gbs(1, repeats=1) > 0
    with pytest.raises(InvalidInputError, match="size=0"):
        ceilings.gemm_gflops(0)


def test_a_peak_of_memory_is_that_of_its_block():
    block = """
import numpy as np
from benchmarks import ceilings
with ceilings.PeakMemory() as memory:
    held = np.ones(512 * ceilings.MIB // 8)
    del held
print(memory.megabytes)
"""  # in a process of its own: in this one other tests' threads give memory back meanwhile
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=harness.ROOT, capture_output=True, text=True, check=True
    )
    assert 450 < float(done.stdout) < 600


def test_what_is_compiled_anew_is_neither_read_nor_kept(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    before = jax.config.jax_enable_compilation_cache
    with timing.compiled_anew():
        assert cache.folder() is None and not jax.config.jax_enable_compilation_cache
    assert (
        os.environ[cache.VARIABLE] == str(tmp_path)
        and jax.config.jax_enable_compilation_cache == before
    )
    monkeypatch.delenv(cache.VARIABLE)
    with timing.compiled_anew():
        pass
    assert cache.VARIABLE not in os.environ


@pytest.mark.parametrize("num_clients", [5, 10])
def test_the_five_settings_are_the_published_ones(num_clients):
    pool, rungs = digits(image=True), np.arange(num_clients) * 5 // num_clients
    equal = mnist_setting(pool, 1, num_clients=num_clients)
    assert np.ptp(np.asarray(equal.sizes)) <= 1
    for client, rung in enumerate(rungs):
        labels = mnist_setting(pool, 2, num_clients=num_clients).client(client)[1]
        assert np.isin(labels, (2 * rung, 2 * rung + 1)).mean() == pytest.approx(0.8, abs=0.04)
    sizes = np.asarray(mnist_setting(pool, 3, num_clients=num_clients).sizes)
    np.testing.assert_allclose(sizes / sizes.sum(), (2 + rungs) / (2 + rungs).sum(), atol=1e-3)
    noisy, blurred = (mnist_setting(pool, number, num_clients=num_clients) for number in (4, 5))
    for client, rung in enumerate(rungs):
        (x, y), (_, wrong), (rough, _) = (data.client(client) for data in (equal, noisy, blurred))
        assert (wrong != y).sum() == round(0.05 * rung * len(y))
        inside = (x > 0.3) & (x < 0.7)  # where noise is hardly ever clipped
        assert (rough - x)[inside].std() == pytest.approx(0.05 * rung, rel=0.1, abs=1e-9)
        assert rough.min() >= 0 and rough.max() <= 1
    unequal = mnist_setting(pool, 4, num_clients=num_clients, unequal_noisy_labels=True)
    np.testing.assert_array_equal(unequal.sizes, sizes)


def test_a_setting_that_is_none_is_refused():
    for wrong, said in (
        ({"setting": 6}, "setting=6"),
        ({"setting": 1, "num_clients": 7}, "num_clients=7"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            mnist_setting(digits(), **wrong)


@pytest.mark.slow
def test_the_mnist_benchmark_calls_a_part_a_part_and_its_extrapolation_one(
    small_mnist, tmp_path, capsys
):
    out, part = (
        tmp_path / "out.json",
        ["--coalitions", "4", "--rounds", "1", "--epochs", "1", "--images", "60"],
    )
    given = ["--data", str(small_mnist), *part, "--chunk", "4", "--no-settings", "--json", str(out)]
    assert mnist_exact.main(given) == 0
    record = json.loads(out.read_text())
    assert (
        record["seconds_exact"] is None
        and record["values"] is None
        and record["published_seconds"] == 41168
    )
    assert record["fraction_run"] == pytest.approx(
        20 / (5120 * 94 * 5 * 10)
    )  # of 20 steps; whole: 94 batches an epoch
    assert (
        record["seconds_extrapolated"] > record["seconds_run"]
        and 0 < record["useful_fraction"] <= 1
    )
    assert "Extrapolated from" in capsys.readouterr().out
    for wrong in (["--coalitions", "3"], ["--rounds", "11"], ["--epochs", "0"]):
        assert mnist_exact.main([*given, *wrong]) == 2
        assert capsys.readouterr().err.startswith("error: Expected ")


def test_the_useful_fraction_of_the_settings_counts_their_steps(monkeypatch):
    monkeypatch.setattr(mnist_exact, "mnist_pool", lambda folder: digits(image=True))
    found = mnist_exact.of_settings(None, Plan(chunk=64))
    assert set(found) == {"1", "2", "3", "4", "5"} and all(
        0.9 <= share <= 1 for share in found.values()
    )
    naive = mnist_exact.of_settings(None, Plan(chunk=1024, layout="coalition", buckets=1))
    assert (
        naive["1"] == pytest.approx(0.5) and naive["3"] < 0.5
    )  # all ten slots, and all as long as the longest


@pytest.mark.slow
def test_the_scaling_benchmark_measures_each_number_in_a_process_of_its_own_and_draws_it(
    tmp_path, capsys
):
    out, drawn = tmp_path / "out.json", tmp_path / "deep" / "out.png"
    sizes = ["--clients", "2", "3", "--devices", "2", "--clients-on-devices", "3"]
    given = [
        *sizes,
        "--rounds",
        "1",
        "--steps",
        "1",
        "--repeats",
        "1",
        "--json",
        str(out),
        "--figure",
        str(drawn),
    ]
    assert scaling.main(given) == 0
    record = json.loads(out.read_text())
    assert [row["n"] for row in record["rows"]] == [2, 3] and drawn.stat().st_size > 0
    (spread,) = record["devices_rows"]
    assert spread["devices"] == 2 == spread["plan"]["devices"] and spread["device"].endswith(
        "2 device(s)"
    )
    assert record["rows"][1]["trainings_per_second"] == pytest.approx(
        7 / record["rows"][1]["seconds_engine"]
    )
    assert str(tmp_path) not in record["command"] and "trainings" in capsys.readouterr().out


def test_a_process_that_fails_is_told_in_one_sentence(capsys):
    assert scaling.main(["--clients", "0", "--devices"]) == 2
    assert "n=0" in capsys.readouterr().err


def test_a_plan_is_left_to_the_package_unless_it_is_asked_for():
    parser = argparse.ArgumentParser()
    games.add_plan(parser.add_argument)
    assert games.plan_of(parser.parse_args([])) == Plan()
    asked = games.plan_of(
        parser.parse_args(["--chunk", "4", "--layout", "coalition", "--buckets", "2"])
    )
    assert asked == Plan(chunk=4, layout="coalition", buckets=2)
