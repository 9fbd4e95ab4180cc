import gc
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from console import refused
from matplotlib.image import imread
from pages import blocks, require_printed

from fedjax_shap.cli.main import _few_searches, main

SMALL = """
title = "small"
[data]
name = "breast_cancer"
[partition]
name = "quantity"
ratios = [1, 2, 3]
[local]
learning_rate = 0.1
batch_size = 32
[algorithm]
max_rounds = 3
[game]
metric = "negative_loss"
[costs]
name = "per_example"
price = 0.1
[economics]
revenue = 100
"""


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_a_run_leaves_its_result_and_figures(small, tmp_path, capsys):
    out = tmp_path / "out [run 2]"
    assert main(["run", str(small), "--out", str(out), "--title", "a [/b] $run$"]) == 0
    printed = capsys.readouterr().out
    assert "together" in printed and "a [/b] $run$" in printed
    assert (
        "Wrote result.json, values.csv, model.npz, report.html, and figures of values, payments, "
        "curve to" in printed
    )
    for name in ("values.png", "payments.png", "curve.png"):
        height, width, _ = imread(out / name).shape
        assert width > height >= 500
    for name in ("values.svg", "payments.svg"):
        assert "<svg" in (out / name).read_text()
    assert not list(out.glob(".*tmp"))
    result = json.loads((out / "result.json").read_text())
    keys = "schema config setting players values std_errors empty grand efficiency_gap coalitions"
    assert {*keys.split(), "settlement", "centralized", "timing", "versions", "device"} <= set(
        result
    )
    assert result["coalitions"] == {"asked": 8, "trained": 8, "from_store": 0}
    assert {"rule", "policy", "revenue", "costs", "payments", "profits", "notes"} <= set(
        result["settlement"]
    )
    assert {"metric", "delta"} <= set(result["centralized"])
    assert {"compile_s", "train_s", "total_s"} <= set(result["timing"])
    assert sum(result["values"]) == pytest.approx(result["grand"] - result["empty"], abs=1e-9)
    assert sum(map(Decimal, result["settlement"]["payments"])) == Decimal("100.00")
    assert result["curve"]["federated"] and len(result["curve"]["alone"]) == 3


@pytest.mark.slow
def test_a_plan_can_be_named_in_short_and_the_run_be_profiled(small, tmp_path, capsys):
    out, trace = tmp_path / "out", tmp_path / "trace"
    command = ["run", str(small), "--out", str(out), "--partition.ratios", "[1, 2]"]
    assert main([*command, "--plan", "4,coalition", "--profile", str(trace)]) == 0
    plan = json.loads((out / "result.json").read_text())["config"]["plan"]
    assert (plan["chunk"], plan["layout"]) == (4, "coalition")
    assert list(trace.rglob("*.xplane.pb"))
    assert "--plan four to be CHUNK or CHUNK,LAYOUT" in refused(
        capsys, "run", small, "--plan", "four"
    )
    assert "plan.layout='rows'" in refused(capsys, "run", small, "--plan", "4,rows")


def test_coalitions_that_diverged_are_an_error_or_count_as_nobody(small, tmp_path, capsys):
    command = [
        "run",
        str(small),
        "--out",
        str(tmp_path / "out"),
        "--local.learning_rate",
        "1e38",
        "--economics.name=equal",
    ]
    assert "those of coalitions [2], [1], [1, 2], [0], [0, 2] and 2 others are not" in refused(
        capsys, *command
    )
    with pytest.warns(UserWarning, match=r"not finite and count as V\(empty\)"):
        assert main([*command, "--on-nonfinite", "floor"]) == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["values"] == [0.0, 0.0, 0.0]
    assert result["coalitions"] == {"asked": 9, "trained": 0, "from_store": 2}, (
        "what diverged is never stored"
    )


def test_a_second_run_trains_nothing_and_prices_can_change(small, tmp_path):
    out = str(tmp_path / "out")
    assert main(["run", str(small), "--out", out]) == 0
    first = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (
        main(["run", str(small), "--out", out, "--economics.revenue", "50", "--plan.chunk", "2"])
        == 0
    )
    second = json.loads((tmp_path / "out" / "result.json").read_text())
    assert second["coalitions"] == {"asked": 8, "trained": 0, "from_store": 8}
    assert second["values"] == first["values"] and second["settlement"]["revenue"] == "50.00"


def test_a_cross_device_run_sums_its_rounds(small, tmp_path):
    arguments = [
        "--game.name",
        "rounds",
        "--participation.name",
        "uniform",
        "--participation.participants=2",
    ]
    assert main(["run", str(small), "--out", str(tmp_path / "out"), *arguments]) == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["setting"] == "cross-device"
    assert abs(result["efficiency_gap"]) < 1e-5
    assert result["coalitions"]["asked"] == 3 * 4
    assert (tmp_path / "out" / "utilities" / "round-0002" / "store.json").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["--partition.name", "quantty"], "did you mean 'quantity'?"),
        (["--partition.ratio", "[1]"], "did you mean 'ratios'?"),
        (["--local.batch_size", "many"], "local.batch_size='many'"),
        (
            [
                "--partition.name",
                "dirichlet",
                "--partition.num_clients",
                "3",
                "--partition.alpha",
                "-1",
            ],
            "alpha=-1",
        ),
        (["--partition.name", "shards", "--partition.num_clients", "400"], "num_clients=400"),
        (["--partition.name", "iid", "--partition.num_clients", "30"], "2^30 coalitions"),
        (["--costs.price", "-1"], "price=-1"),
        (["--economics.revenue", "lots"], "revenue='lots'"),
        (["--economics.revenue", "nan"], "revenue=nan"),
        (["--local.learning_rate", "1e38"], "to be finite"),
        (["--estimator.name", "permutation"], "Expected a budget"),
        (["--game.metric", "acuracy"], "did you mean 'accuracy'?"),
        (["--model.name", "cnn"], "Expected model='cnn'"),
        (["--data.name", "csv", "--data.path", "absent.csv", "--data.label", "y"], "absent.csv"),
        (["frobnicate"], "frobnicate"),
        (["--seed"], "Expected a value after --seed."),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(small, capsys, overrides, words):
    assert words in refused(capsys, "run", small, "--out", "out", *overrides)
    assert not Path("out/result.json").exists()


@pytest.mark.parametrize(
    "arguments", [["fly"], [], ["run"], ["quickstart", "--fast"], ["list", "partitions"]]
)
def test_a_command_that_does_not_exist_is_refused(capsys, arguments):
    assert refused(capsys, *arguments).startswith("error: ")


def npz(path: Path, **arrays: np.ndarray) -> list[str]:
    np.savez(path, **arrays)
    return ["--data.name", "npz", "--data.path", str(path), "--partition.name", "by_column"]


def test_bad_data_is_named(small, tmp_path, capsys):
    x, y, client = np.ones((40, 3)), np.arange(40) % 2, np.arange(40) % 4
    spoilt = x.copy()
    spoilt[7, 1] = np.nan
    assert "finite" in refused(
        capsys, "run", small, *npz(tmp_path / "nan.npz", x=spoilt, y=y, client=client)
    )
    whole = tmp_path / "whole.npz"
    options = npz(whole, x=x, y=y, client=client)
    whole.write_bytes(whole.read_bytes()[:300])
    assert "whole.npz" in refused(capsys, "run", small, *options)


def test_an_output_folder_that_cannot_be_written_is_refused_before_work(small, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "to be a folder that can be written" in refused(
        capsys, "run", small, "--out", tmp_path / "file" / "out"
    )


# The command line, with a store that is written more often than every few seconds.
WRITTEN_OFTEN = """
from fedjax_shap.cli.main import main
from fedjax_shap.engine import store

store.SECONDS_BETWEEN_FLUSHES = 0.2
raise SystemExit(main())
"""


@pytest.mark.slow
def test_an_interrupted_run_goes_on_from_its_store(small, tmp_path):
    out = tmp_path / "out"
    command = ["run", str(small), "--out", str(out), "--algorithm.max_rounds", "300"]
    command += ["--partition.ratios", "[1, 2, 3, 4, 5, 6, 7]"]
    # a job in the background ignores interrupts, and so would what it starts
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(
        [sys.executable, "-c", WRITTEN_OFTEN, *command, "--plan.chunk", "1"],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    while not list(out.glob("utilities/part-*.npz")) and running.poll() is None:
        time.sleep(0.05)
    # Python loses an interrupt that comes while it drops an object: like a user, try again
    for _ in range(6):
        running.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            _, said = running.communicate(timeout=60)
            break
    assert running.returncode == 130 and "interrupted" in said and "Traceback" not in said
    kept = sum(len(np.load(part)["masks"]) for part in out.glob("utilities/part-*.npz"))
    assert 0 < kept < 128
    assert main([*command, "--plan.chunk", "64"]) == 0
    assert json.loads((out / "result.json").read_text())["coalitions"]["from_store"] == kept


@pytest.mark.slow
def test_the_quickstart_shows_what_it_promises(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["quickstart"]) == 0
    shown = next(one.text for one in blocks("README.md") if one.text.startswith("quickstart"))
    require_printed(capsys.readouterr().out, shown)
    result = json.loads(Path("runs/quickstart/result.json").read_text())
    assert result["coalitions"]["asked"] == 256 and len(result["players"]) == 8
    noisy, rider = 2, 5
    assert result["values"][rider] < 0 and result["settlement"]["profits"][rider] == "0.00"
    assert result["values"][noisy] < np.median(result["values"])
    beside = result["beside"]["in-run value"]
    assert sum(beside["values"]) == pytest.approx(sum(result["values"]), abs=1e-3)
    assert beside["spearman"] > 0.5
    assert (
        main(
            [
                "run",
                "runs/quickstart/quickstart.toml",
                "--economics.revenue",
                "500",
                "--out",
                "runs/own",
            ]
        )
        == 0
    )
    assert json.loads(Path("runs/own/result.json").read_text())["values"] == result["values"]


def test_cycles_are_searched_for_less_often_only_while_a_command_runs():
    usual = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), _few_searches():
        assert gc.get_threshold()[0] > usual[0]
        raise ZeroDivisionError
    assert gc.get_threshold() == usual
