"""The benchmark of studies: what it reads, and its record of two cells."""

import json
import tomllib

import pytest

from benchmarks import study
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.toml import override

ROW = {"value": "1.0", "grand": "2.0", "empty": "0.0"}


def test_a_sweep_is_cut_out_of_its_file_and_a_cell_set_by_words():
    text = study.STUDY.read_text()
    base = tomllib.loads(study.SWEEP.sub("", text))
    assert base == {name: one for name, one in tomllib.loads(text).items() if name != "sweep"}
    zipped = '[sweep]\nseed = [1]\n[[sweep.zip]]\na = [1]\n[data]\nname = "wine"\n'
    assert study.SWEEP.sub("", zipped) == '[data]\nname = "wine"\n'
    words = study._assigned({"seed": 3, "algorithm": {"name": "fedprox", "mu": 0.1}})
    assert words == ["--seed", "3", "--algorithm.name", '"fedprox"', "--algorithm.mu", "0.1"]
    pairs = [(name.removeprefix("--"), one) for name, one in zip(words[::2], words[1::2])]
    assert override({}, pairs)["algorithm"] == {"name": "fedprox", "mu": 0.1}


def test_engines_that_disagree_are_told():
    rows = {("a", "north"): ROW}
    assert study.furthest(rows, {("a", "north"): ROW | {"value": "1.5"}}) == 0.25
    with pytest.raises(InvalidInputError, match="the same cells"):
        study.furthest(rows, {("b", "north"): ROW})


@pytest.mark.slow
def test_the_study_benchmark_writes_its_record(tmp_path, capsys):
    out = tmp_path / "out.json"
    given = ["--quick", "--engines", "here", "--loop", "0", "--json", str(out)]
    assert study.main(given) == 0
    record = json.loads(out.read_text())
    assert record["engines"]["here"]["cells"] == record["killed"]["cells_in_all"] == 2
    assert record["killed"]["done_at_the_kill"] >= 1
    assert record["killed"]["done_and_run_again"] == 0
    assert "done at the kill: " in capsys.readouterr().out
