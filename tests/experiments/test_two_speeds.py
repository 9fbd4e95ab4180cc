"""The worked example of two speeds: steps, hours, energy, costs and payments by hand."""

import json
from fractions import Fraction

import numpy as np
import pytest

from experiments import two_speeds
from fedjax_shap.learning.algorithms.fedavg import fedavg


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_speeds")
    out = folder / "out.json"
    given = ["--set", "days=1", "--json", str(out), "--figure", str(folder / "out.png")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_speeds, "ALGORITHMS", {"fedavg": fedavg})
        assert two_speeds.main(given) == 0
    assert (folder / "out.png").exists()
    return json.loads(out.read_text())


def test_both_ways_do_the_steps_that_there_is_time_for(record):
    same_time, same_steps = record["rows"]
    assert (same_time["steps"], same_time["rounds"]) == ([100, 4], 24)
    assert (same_steps["steps"], same_steps["rounds"]) == ([100, 100], 1)


def test_hours_energy_and_costs_are_those_calculated_by_hand(record):
    same_time, same_steps = (row["took"] for row in record["rows"])
    hours = np.array([[24, 24 * 4 / 100 * 24], [1, 24]])
    for took, worked in zip((same_time, same_steps), hours, strict=True):
        np.testing.assert_allclose(np.array(took["training"]) / 3600, worked)
        kwh = worked * [0.25, 0.01]
        np.testing.assert_allclose(np.array(took["joules"]) / 3.6e6, kwh)
        np.testing.assert_allclose(
            [float(cost) for cost in took["costs"]["energy"]], kwh * 0.3, atol=1e-9
        )
        np.testing.assert_allclose(
            [float(cost) for cost in took["costs"]["time"]], worked * 0.2, atol=1e-4
        )
    np.testing.assert_allclose(np.array(same_steps["idle"]) / 3600, [23, 0], atol=1e-6)
    np.testing.assert_allclose(np.array(same_time["idle"]) / 3600, [0, 24 * 0.04], atol=1e-6)


def test_each_is_paid_its_cost_and_its_share_of_the_profit(record):
    for row in record["rows"]:
        settled = row["settlement"]
        values = [Fraction(value) for value in row["values"]]
        costs = [Fraction(cost) for cost in settled["costs"]]
        for value, cost, paid in zip(values, costs, settled["payments"], strict=True):
            owed = cost + value / sum(values) * (1000 - sum(costs))
            assert abs(Fraction(paid) - owed) <= Fraction(1, 100)
        np.testing.assert_allclose(sum(row["values"]), row["grand"] - row["empty"])


def test_the_derivation_names_every_number(record):
    first, *_ = (two_speeds.derivation(row, record["config"]) for row in record["rows"])
    text = "\n".join(first)
    for part in (
        "24 rounds of 1.00 hours",
        "K = 4 steps a round",
        "250 W x 24.00 h = 6.000 kWh",
        "is paid",
    ):
        assert part in text
    assert record["rows"][0]["settlement"]["payments"][1] in text


def test_less_time_than_a_round_takes_is_refused(capsys):
    assert two_speeds.main(["--set", "hours_b=30", "--set", "days=1"]) == 2
    assert "days=1" in capsys.readouterr().err
