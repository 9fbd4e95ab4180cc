"""The benchmark of algorithms: equal to the one-coalition training, timed against FedAvg."""

import json

import pytest

from benchmarks import algorithms
from fedjax_shap.learning.algorithms.registry import ALGORITHMS

PLAN = ("--chunk", "4", "--workers", "1", "--devices", "1", "--layout", "client")
QUICK = ("--quick", *PLAN, "--algorithms", "scaffold")


@pytest.mark.slow
def test_the_record_has_rates_ratios_and_memory(tmp_path, capsys):
    out = tmp_path / "out.json"
    assert algorithms.main([*QUICK, "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    one = record["one_run"]
    many = record["coalitions"]
    assert one["clients"] == 6 and many["num_coalitions"] == 8 and many["plan"]["chunk"] == 4
    for part, trainings in ((one, 1), (many, 7)):
        assert list(part["algorithms"]) == ["fedavg", "scaffold"]
        for row in part["algorithms"].values():
            assert row["max_abs_diff"] <= algorithms.GAP and row["compile"] > 0
            assert row["rounds_per_second"] == pytest.approx(trainings * 2 / row["warm"])
        fedavg, scaffold = (part["algorithms"][name] for name in ("fedavg", "scaffold"))
        assert fedavg["ratio"] == 1 and scaffold["ratio"] == pytest.approx(
            scaffold["runs"][0] / fedavg["runs"][0]
        )
        assert scaffold["peak_bytes"] > fedavg["peak_bytes"] > 0, (
            "SCAFFOLD keeps a variate for each member"
        )
    assert "rounds/s" in capsys.readouterr().out


@pytest.mark.slow
def test_another_training_than_the_one_coalition_one_is_refused(monkeypatch, capsys):
    real = algorithms.evaluate
    monkeypatch.setattr(
        algorithms,
        "evaluate",
        lambda game, key, masks, plan: (
            real(game, key, masks, plan) + 2e-4 * (plan.layout == "coalition")
        ),
    )
    assert algorithms.main([*QUICK, "--algorithms", "fedavg"]) == 2
    assert (
        "Expected fedavg to give the utilities of the one-coalition training"
        in capsys.readouterr().err
    )


def test_every_algorithm_but_the_general_one_is_timed():
    assert set(algorithms.NAMES) == set(ALGORITHMS) - {"fedopt"}


@pytest.mark.parametrize(
    "wrong", [["--repeats", "0"], ["--clients", "0"], ["--algorithms", "fedavgg"]]
)
def test_what_it_cannot_use_is_refused(wrong, capsys):
    assert algorithms.main(wrong) == 2
    assert "Expected" in capsys.readouterr().err
