"""The benchmark of MNIST, and the five settings."""

import json
import struct

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks import (
    mnist_exact,
)
from benchmarks.mnist_settings import mnist_setting
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.sources import digits
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


@pytest.mark.parametrize("num_clients", [5, 10])
def test_the_five_settings_are_the_published_ones(num_clients):
    pool = digits(image=True)
    rungs = np.arange(num_clients) * 5 // num_clients
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


def test_an_unknown_setting_is_refused():
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
    out = tmp_path / "out.json"
    part = ["--coalitions", "4", "--rounds", "1", "--epochs", "1", "--images", "60"]
    given = ["--data", str(small_mnist), *part, "--chunk", "4", "--no-settings", "--json", str(out)]
    assert mnist_exact.main(given) == 0
    record = json.loads(out.read_text())
    assert record["seconds_exact"] is None and record["values"] is None
    assert record["published_seconds"] == 41168
    # of 20 steps; the whole game has 94 batches an epoch
    assert record["fraction_run"] == pytest.approx(20 / (5120 * 94 * 5 * 10))
    assert record["seconds_extrapolated"] > record["seconds_run"]
    assert 0 < record["useful_fraction"] <= 1
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
