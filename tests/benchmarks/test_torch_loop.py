"""The rival in PyTorch: it gets the engine's batches, and finds the engine's utilities."""

import struct

import federations
import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks import (
    games,
    torch_loop,
)
from benchmarks.contest import Contest
from benchmarks.games import Case
from fedjax_shap.engine.plan import Plan


@pytest.fixture
def small_mnist(tmp_path):
    """MNIST's four files with 60 and 20 of the small digits, enlarged."""
    small = load_digits()
    large = np.pad(np.kron(small.images * 15, np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2)))
    for part, rows in (("train", slice(60)), ("t10k", slice(60, 80))):
        arrays = (large[rows].astype(np.uint8), small.target[rows].astype(np.uint8))
        for array, kind in zip(arrays, ("images", "labels")):
            head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{part}-{kind}-idx{array.ndim}-ubyte").write_bytes(head + array.tobytes())
    return tmp_path


@pytest.mark.parametrize("batch_size", [32, 7])
def test_pytorch_gets_the_rows_that_the_engine_draws(key, batch_size):
    data = Case(n=8).data()
    drawn = torch_loop.draw_batches(data, key, rounds=2, steps=9, batch_size=batch_size)
    for round_, client in ((0, 0), (1, 5)):
        size = int(data.sizes[client])
        longest = data.largest
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
    seconds = against.in_torch(60.0)
    assert seconds["share_of_the_work"] == 1 and against.gaps["PyTorch"] <= 1e-5
    assert 0 < against.in_torch(1e-9)["share_of_the_work"] < 1


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
