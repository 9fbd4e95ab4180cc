"""The benchmark of one round's mixtures: its record, and what it refuses."""

import json

import numpy as np
import pytest

from benchmarks import rounds_game

SIZES = ["--participants", "3", "--examples", "60", "--hidden", "4", "--train", "300"]
SMALL_ROUND = [*SIZES, "--rival-chunks", "2", "4"]


@pytest.fixture
def small_mnist(tmp_path):
    """A folder with 300 training and 60 test images of noise in MNIST's four files."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 300), ("t10k", 60)):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 28, 28))),
            ("labels-idx1", np.arange(count) % 10),
        ):
            header = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())
    return tmp_path


def test_the_rounds_game_benchmark_writes_its_record_and_finds_both_ways_equal(small_mnist, capsys):
    out = small_mnist / "out.json"
    given = ["--data", str(small_mnist), *SMALL_ROUND, "--repeats", "1", "--json", str(out)]
    assert rounds_game.main(given) == 0
    record = json.loads(out.read_text())
    engine = record["seconds_engine"]
    rival = record["seconds_forward_per_model"]
    assert record["speed_up"] == rival["warm"] / engine["warm"]
    assert 0 < engine["compile"] < engine["first"]
    assert 0 <= record["max_abs_diff"] <= rounds_game.GAP and rival["chunk"] in (2, 4)
    assert len(set(record["sizes"])) > 1 and sum(record["sizes"]) == 300
    assert record["num_coalitions"] == 8
    assert record["accuracy_differs_in_examples"]["most"] <= 1
    assert min(record["temporary_bytes"].values()) > 0
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
