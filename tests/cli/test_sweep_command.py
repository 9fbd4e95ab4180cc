"""`fedjax-shap sweep` and `study`: what is done is not run again, and failures are named."""

import csv
import json
import sys
from pathlib import Path

import pytest
from console import called, refused, said
from matplotlib.image import imread

from fedjax_shap.pipeline import run as pipeline_run
from fedjax_shap.pipeline.records import read_json

CONFIG = """
title = "small"
[data]
name = "digits"
[partition]
name = "dirichlet"
num_clients = 3
[algorithm]
max_rounds = 1
[sweep]
seed = "0..1"
"""
RECORD = {
    "players": ["a", "b", "c"],
    "sizes": [1, 2, 3],
    "std_errors": [0.0, 0.0, 0.0],
    "costs": ["0", "0", "0"],
    "settlement": None,
    "metric": {"name": "accuracy", "label": "accuracy", "sign": 1},
    "empty": 0.1,
    "centralized": None,
    "num_coalitions": 8,
    "coalitions": {"asked": 8, "trained": 8, "from_store": 0},
    "timing": {"compile_s": 1.0, "train_s": 4.0, "total_s": 7.0},
}


class Ran:
    """A result without a training: V(N) is alpha plus a tenth of the seed."""

    def __init__(self, config):
        self.config = config
        self.unpaid = "The values sum to 0."

    def to_json(self):
        grand = self.config.value("partition", "alpha") + 0.1 * self.config.seed
        values = [grand, 0.2, 0.1 * self.config.seed]
        return {**RECORD, "config": self.config.to_dict(), "grand": grand, "values": values}


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """The configurations that were run; one of a federation that cannot be fails."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(CONFIG)
    seen = []

    def run(config, *, store, fresh):
        seen.append((config.value("partition", "alpha"), config.seed))
        if config.value("partition", "alpha") == 7.0:
            raise ZeroDivisionError("nobody expects it")
        return Ran(config)

    monkeypatch.setattr(pipeline_run, "run", run)
    return seen


ALPHAS = ("--set", "partition.alpha=0.1,1")


def test_every_cell_is_run_once_into_a_folder_named_by_what_differs(runs, capsys):
    said(capsys, "sweep", "small.toml", *ALPHAS)
    assert runs == [(0.1, 0), (1.0, 0), (0.1, 1), (1.0, 1)]
    names = sorted(file.parent.name for file in Path("runs/small").glob("*/result.json"))
    assert names == [f"seed={seed},alpha={alpha}" for seed in (0, 1) for alpha in ("0.1", "1")]
    rows = list(csv.DictReader(Path("runs/small/study.csv").read_text().splitlines()))
    assert len(rows) == 12 and rows[3]["partition.alpha"] == "1.0" and rows[3]["payment"] == ""
    # the same command runs nothing, and another value only that
    said(capsys, "sweep", "small.toml", *ALPHAS)
    assert len(runs) == 4
    said(capsys, "sweep", "small.toml", "--set", "partition.alpha=0.1,1,3")
    assert runs[4:] == [(3.0, 0), (3.0, 1)]
    said(capsys, "sweep", "small.toml", *ALPHAS, "--fresh")
    assert len(runs) == 10


def test_a_cell_of_another_configuration_is_run_again_and_that_is_said(runs, capsys):
    said(capsys, "sweep", "small.toml", *ALPHAS)
    Path("small.toml").write_text(CONFIG.replace("max_rounds = 1", "max_rounds = 2"))
    code, _, wrong = called(capsys, "sweep", "small.toml", *ALPHAS)
    assert code == 0 and len(runs) == 8 and "In 4 folders the result of another" in wrong


def test_a_cell_that_fails_is_named_and_the_rest_goes_on(runs, capsys):
    code, out, wrong = called(capsys, "sweep", "small.toml", "--set", "partition.alpha=7,1")
    assert code == 3 and len(runs) == 4
    assert "seed=0,alpha=7 failed: ZeroDivisionError: nobody expects it" in wrong
    assert "2 cells of 4 done" in out and "Nobody could be paid in 2 cells" in wrong
    assert "Traceback" in Path("runs/small/seed=0,alpha=7/error.txt").read_text()
    # it stays a failure until it is done
    assert called(capsys, "sweep", "small.toml", "--set", "partition.alpha=7,1")[0] == 3
    assert len(runs) == 6


def test_all_cells_are_refused_before_the_first_is_run(runs, capsys):
    sentence = refused(capsys, "sweep", "small.toml", "--set", "partition.alpha=0.1,wide")
    assert "partition.alpha='wide'" in sentence and "seed=0,alpha=wide" in sentence
    assert not runs and not Path("runs").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--set", "partition.alpha"], "to be NAME=VALUES"),
        (["--jobs", "2", "--engine", "slurm"], "--jobs to be left out"),
        (["--jobs", "0"], "--jobs=0"),
        (["--option", "a=1"], "--option to come with --engine"),
        (["--random", "x", "partition.alpha=uniform(0,1)"], "to begin with how many draws"),
        (["--partition.alpha", "3"], "Expected no further arguments"),
        (["--zip", "seed=0,1", "partition.alpha=1"], "2 of seed, 1 of partition.alpha"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, sentence, runs, capsys):
    assert sentence in refused(capsys, "sweep", "small.toml", *options)
    assert not runs


def test_fields_may_change_together_or_be_drawn(runs, capsys):
    said(capsys, "sweep", "small.toml", "--zip", "seed=3,4", "partition.alpha=1,2", "--out", "z")
    assert runs == [(1.0, 3), (2.0, 4)]
    said(capsys, "sweep", "small.toml", "--random", "2", "partition.alpha=uniform(1,2)")
    assert len({alpha for alpha, _ in runs[2:]}) == 2 and len(runs) == 6


def test_a_dry_run_counts_by_what_finished_cells_took_and_runs_nothing(runs, capsys):
    said(capsys, "sweep", "small.toml", "--set", "partition.alpha=0.1")
    before = len(runs)
    out = said(capsys, "sweep", "small.toml", "--set", "partition.alpha=0.1", "--dry-run")
    assert "0 cells to run, 0 coalitions" in out and len(runs) == before


def test_a_file_of_a_sweep_is_no_single_run(capsys):
    sentence = refused(capsys, "run", "small.toml")
    assert "fedjax-shap sweep" in sentence


def test_parquet_that_cannot_be_written_is_refused_first(runs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "fedjax-shap[studies]" in refused(capsys, "sweep", "small.toml", *ALPHAS, "--parquet")
    assert not runs


@pytest.fixture
def swept(runs, capsys):
    said(capsys, "sweep", "small.toml", "--set", "partition.alpha=0.1,1,3", "--out", "swept")


@pytest.mark.usefixtures("swept")
def test_a_study_is_shown_in_every_format(capsys):
    by = ("study", "swept", "--rows", "partition.alpha")
    shown = said(capsys, *by)
    assert "over 2 values of seed" in shown and "1.0500 ± 0.0707" in shown
    assert r"1.0500 $\pm$ 0.0707" in said(capsys, *by, "--format", "latex")
    rows = list(csv.DictReader(said(capsys, *by, "--format", "csv").splitlines()))
    assert [float(row["mean"]) for row in rows] == pytest.approx([0.15, 1.05, 3.05])
    assert float(rows[1]["low"]) == pytest.approx(1.0) and rows[1]["size"] == "2"
    said(capsys, *by, "--columns", "seed", "--format", "figure", "--out", "a.png")
    assert imread("a.png").shape[1] > 400
    members = said(capsys, "study", "swept", "--rows", "member", "--value", "value")
    assert members.count("±") == 3 + 1


@pytest.mark.usefixtures("swept")
def test_ranks_are_shown_with_their_critical_difference(capsys):
    shown = said(capsys, "study", "swept", "--ranks", "partition.alpha")
    assert "ranks by V(N)" in shown and "(Nemenyi)" in shown and "Friedman" in shown
    options = ("--ranks", "partition.alpha", "--format", "figure", "--out", "r.svg")
    said(capsys, "study", "swept", *options)
    assert "critical difference" in Path("r.svg").read_text() or Path("r.svg").stat().st_size > 999
    sentence = refused(capsys, "study", "swept", "--ranks", "seed", "--rows", "seed")
    assert "--rows and --columns to be left out" in sentence


@pytest.mark.usefixtures("swept")
def test_what_a_study_cannot_show_is_refused(capsys):
    assert "--out FILE" in refused(capsys, "study", "swept", "--format", "figure")
    by = ("study", "swept", "--format", "figure", "--out")
    assert "to end in" in refused(capsys, *by, "a.doc")
    assert "did you mean 'partition.alpha'" in refused(capsys, "study", "swept", "--rows", "alpha")
    assert "folders of several runs" in refused(capsys, "study", "absent")
    assert json.dumps(float(read_json("swept/seed=0,alpha=1/result.json")["grand"])) == "1.0"
