"""Unequal speed: every member has every speed once, and the record follows from the values."""

import json

import numpy as np
import pytest
from scipy.stats import pearsonr

from experiments import heterogeneity_value as experiment
from experiments import unequal_speed
from fedjax_shap.learning.algorithms.registry import ALGORITHMS

SMALL = experiment.CONFIG | {"rounds": 3, "seeds": 2}


@pytest.fixture
def fedavg_only(monkeypatch):
    """Leaves one algorithm to compile."""
    monkeypatch.setattr(
        experiment, "algorithms", lambda rounds: {"fedavg": ALGORITHMS["fedavg"](max_rounds=rounds)}
    )


def test_over_as_many_seeds_as_members_every_member_has_every_speed_once():
    places = np.array([unequal_speed.speeds(seed) for seed in range(len(unequal_speed.SPEEDS))])
    for square in (places, places.T):
        assert (np.sort(square, axis=1) == np.arange(len(unequal_speed.SPEEDS))).all()


def test_members_are_listed_from_the_slowest_and_values_are_shares_of_one_whole():
    found = unequal_speed.values(
        SMALL, "alike", ALGORITHMS["fedavg"](max_rounds=2), 3, unequal=True
    )
    assert found.shape == (len(unequal_speed.SPEEDS), 2)
    assert found[-1, 0] == found[:, 0].max() and found[0, 0] == found[:, 0].min(), (
        "speed is worth most at first"
    )
    assert 0 < found[:, 0].sum() < found[:, 1].sum()


@pytest.mark.slow
def test_the_record_holds_both_federations_with_unequal_and_equal_steps(fedavg_only, tmp_path):
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--set", "rounds=3", "--set", "seeds=2", "--json", str(out), "--figure", str(drawn)]
    assert experiment.main(given) == 0
    record = json.loads(out.read_text())
    rows = record["rows"]
    assert [(row["federation"], row["unequal"]) for row in rows] == [
        (name, unequal) for name in unequal_speed.FEDERATIONS for unequal in (True, False)
    ]
    for unequal, equal in (rows[:2], rows[2:]):
        assert min(unequal["early"]["spread"]) > max(equal["early"]["spread"])
    assert drawn.exists()
    lines = experiment.figure(record).axes[1].containers  # what is paid in the end, alike
    heights = [line.lines[0].get_ydata() for line in lines]
    paid = [np.mean(row["end"]["payments"], axis=0) for row in rows[:2]]
    np.testing.assert_allclose(heights, paid)


def test_what_a_stage_says_follows_from_its_values():
    found = np.random.default_rng(0).uniform(0.1, 1, (3, len(unequal_speed.SPEEDS), 20))
    stages = unequal_speed.summary(found)
    np.testing.assert_allclose(stages["early"]["values"], found[:, :, 1])
    end = found[:, :, -2:].mean(axis=-1)
    np.testing.assert_allclose(stages["end"]["values"], end)
    paid = np.array(stages["end"]["payments"])
    np.testing.assert_allclose(paid.sum(axis=1), unequal_speed.REVENUE)
    np.testing.assert_allclose(
        paid, unequal_speed.REVENUE * end / end.sum(axis=1, keepdims=True), atol=0.01
    )
    np.testing.assert_allclose(
        stages["end"]["correlation"][1], pearsonr(unequal_speed.SPEEDS, end[1]).statistic
    )
    fast_less_slow = (paid[:, 3:].mean(axis=1) - paid[:, :2].mean(axis=1)) / 2000
    np.testing.assert_allclose(stages["end"]["premium"], fast_less_slow)


def test_one_seed_is_refused(capsys):
    assert experiment.main(["--set", "seeds=1"]) == 2
    assert "seeds=1" in capsys.readouterr().err
