"""The engine's benchmark: what it compares, what it refuses, and what it writes."""

import json
import subprocess
import sys
from functools import partial

import pytest

from benchmarks import (
    ceilings,
    coalition_engine,
    contest,
    harness,
)
from benchmarks.games import Case
from fedjax_shap._validate import InvalidInputError

SIZES = ["--n", "2", "--hidden", "3", "--rounds", "1", "--steps", "2"]
TINY = [*SIZES, "--repeats", "1", "--chunk", "2"]
WITHOUT_RIVALS = ["--no-loop", "--no-vmap", "--no-torch"]

SECONDS = ("engine", "jitted_loop", "vmap_all", "torch_loop")


@pytest.fixture
def small_ceilings(monkeypatch):
    """Ceilings that are measured in a moment."""
    monkeypatch.setattr(coalition_engine, "gemm_gflops", partial(ceilings.gemm_gflops, 64))
    monkeypatch.setattr(coalition_engine, "copy_gbs", partial(ceilings.copy_gbs, 1))


@pytest.mark.slow
def test_the_engine_benchmark_writes_its_record_and_finds_its_rivals_equal(
    small_ceilings, tmp_path, capsys
):
    out = tmp_path / "out.json"
    assert coalition_engine.main([*TINY, "--no-torch", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    (row,) = record["rows"]
    assert all(record[name] == value for name, value in row.items())
    for name in SECONDS[:3]:
        assert row[f"seconds_{name}"] > 0 and row[f"seconds_{name}_cold"] > 0
    assert row["seconds_torch_loop"] is None and row["share_of_the_work"] == {"jitted_loop": 1.0}
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


@pytest.mark.slow
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
    out = tmp_path / "out.json"
    given = ["--suite", "--gflop", "0.005", "--repeats", "0", "--chunk", "2", "--json", str(out)]
    given += WITHOUT_RIVALS
    assert coalition_engine.main(given) == 0
    record = json.loads(out.read_text())
    assert [row["batch_size"] for row in record["rows"]] == [32, 0]
    assert "seconds_engine" not in record
    assert record["rows"][0]["rounds"] < 5
    assert all(row["useful_gflop"] < 0.007 for row in record["rows"])


def test_the_engine_benchmark_refuses_what_it_cannot_use(small_ceilings, capsys):
    for wrong in (
        ["--n", "0"],
        ["--repeats", "-1"],
        ["--coalitions", "3"],
        ["--rival-seconds", "0"],
        ["--chunk", "0"],
    ):
        assert coalition_engine.main([*TINY, *WITHOUT_RIVALS, *wrong]) == 2, wrong
        assert capsys.readouterr().err.startswith("error: Expected "), wrong
    assert coalition_engine.main(["--model", "cnn"]) == 2
    assert "at least 12 x 12" in capsys.readouterr().err


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
