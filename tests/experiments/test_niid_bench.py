"""Clients hold what the baseline's hold, every algorithm learns, and a kept part is not redone."""

import json

import numpy as np
import pytest

from experiments import niid_bench
from experiments.harness import kept
from fedjax_shap.data.sources import digits
from fedjax_shap.learning.model import mlp


def images(**_):
    return digits()


def rows_of(partition, pool):
    drawn = np.random.default_rng(7)  # has no influence: the baseline's seed decides
    return niid_bench.PARTITIONS[partition](drawn, pool).rows


def test_clients_hold_two_classes_whose_images_their_holders_share():
    pool = digits()
    labels = np.asarray(pool.y)
    rows = rows_of("two classes", pool)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(len(labels)))
    held = [sorted(set(labels[own])) for own in rows]
    assert all(len(own) == 2 and client in own for client, own in enumerate(held))
    # the second classes that numpy's generator of seed 42 draws first, by hand
    rng = np.random.default_rng(42)
    for client, own in enumerate(held):
        second = client
        while second == client:
            second = int(rng.choice(10, 1)[0])
        assert second in own
    for label in range(10):
        counts = [int((labels[own] == label).sum()) for own in rows if label in labels[own]]
        assert max(counts) - min(counts) <= 1


def test_the_dirichlet_split_is_the_baselines_own():
    pool = digits()
    rows = rows_of("Dirichlet .5", pool)
    again = niid_bench.balanced(num_clients=10, alpha=0.5)(np.random.default_rng(42), pool).rows
    for one, other in zip(rows, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert min(map(len, rows)) >= 10


def test_a_part_is_made_once_for_each_that_is_asked(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"times": len(made)}

    for _ in range(2):
        assert kept(str(tmp_path), {"rounds": 1, "set": "a b"}, make) == {"times": 1}
    assert kept(str(tmp_path), {"rounds": 2, "set": "a b"}, make) == {"times": 2}
    assert kept(None, {"rounds": 1, "set": "a b"}, make) == {"times": 3}
    # a file of the same name that was asked for otherwise does not count
    (file,) = tmp_path.glob("1-a_b.json")
    file.write_text(json.dumps({"asked": {"rounds": 1, "set": "a_b"}, "part": {"times": 9}}))
    assert kept(str(tmp_path), {"rounds": 1, "set": "a b"}, make) == {"times": 4}


@pytest.mark.slow
def test_every_algorithm_is_trained_and_stands_beside_what_is_published(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(niid_bench, "cnn", lambda **how: mlp(hidden=(32,), **how))
    monkeypatch.setattr(niid_bench, "SETS", {"MNIST": images})
    monkeypatch.setattr(niid_bench, "PARTITIONS", {"two classes": niid_bench.two_classes})
    monkeypatch.setitem(niid_bench.TRAINING, "batch_size", 16)
    out, drawn = tmp_path / "out.json", tmp_path / "out.png"
    given = ["--set", "rounds=6", "--set", "epochs=2", "--store", str(tmp_path / "store")]
    given += ["--json", str(out), "--figure", str(drawn)]
    assert niid_bench.main(given) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [row["method"] for row in rows] == list(niid_bench.METHODS) and drawn.exists()
    assert [row["published"] for row in rows] == [96.6, 96.6, 96.7, 96.5]
    for row in rows:
        assert len(row["accuracy"]) == 6 and sum(row["sizes"]) == digits().num_rows
        assert row["accuracy"][-1] > 20, row  # chance is 10
    monkeypatch.setattr(niid_bench, "accuracies", None)  # the store has them all
    assert niid_bench.main(given) == 0 and json.loads(out.read_text())["rows"] == rows
    assert "(96.7)" in capsys.readouterr().out


def test_settings_that_cannot_be_are_refused(capsys):
    assert niid_bench.main(["--set", "rounds=0"]) == 2
    assert "rounds=0" in capsys.readouterr().err
