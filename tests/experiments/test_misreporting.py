"""Misreporting: federations misreport as they say, and gains are those of payments."""

import json
from fractions import Fraction

import numpy as np
import pytest
from rich.console import Console

from experiments import misreporting, misreports
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.audits.manipulation import false_name_splitting, replication
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import settle
from fedjax_shap.shapley.exact import shapley_values

BORNE = misreports.Costs([Fraction(60), Fraction(90), Fraction(30)], [20, 30, 10])
# Rising utilities under two trainings.
TABLE = np.sort(np.random.default_rng(3).random((8, 2)), axis=0)


def federation():
    rng = np.random.default_rng(0)
    clients = [(rng.random((size, 2)), rng.integers(0, 2, size)) for size in (5, 4)]
    return from_arrays(clients, (rng.random((3, 2)), np.array([0, 1, 0])), names=["A", "B"])


def test_halves_together_hold_what_the_member_held():
    data = federation()
    split = misreports.misreported(data, "split", 0, 7)
    assert split.names == ("A", "B", "A (2)") and split.sizes.tolist() == [3, 4, 2]
    both = np.concatenate([split.client(0)[0], split.client(2)[0]])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(data.client(0)[0], axis=0))
    np.testing.assert_array_equal(split.client(1)[0], data.client(1)[0])


def test_a_copy_is_a_second_member_and_a_repeat_is_none():
    data = federation()
    copied, repeated = (misreports.misreported(data, way, 1, 7) for way in ("copy", "repeat"))
    assert copied.sizes.tolist() == [5, 4, 4] and repeated.sizes.tolist() == [5, 8]
    np.testing.assert_array_equal(copied.client(2)[0], data.client(1)[0])
    np.testing.assert_array_equal(repeated.client(1)[1], np.tile(data.client(1)[1], 2))
    assert repeated.names == ("A", "B")


def test_overstated_costs_gain_what_the_derivative_says_and_nothing_where_they_are_capped():
    gains = misreports.overstated("cost_aware", TABLE, BORNE, cap=False)
    values = shapley_values(TABLE)
    shares = (values / values.sum(axis=0)).T
    for more, found in zip(misreports.OVERSTATED, gains, strict=True):
        np.testing.assert_allclose(
            found, more / 100 * np.array([60, 90, 30]) * (1 - shares), atol=1e-9
        )
    for name in RULES:
        capped = misreports.overstated(name, TABLE, BORNE, cap=True)
        np.testing.assert_allclose(capped, 0, atol=1e-9)


def test_models_of_a_split_are_the_audits_on_every_training():
    found = misreports.modelled(TABLE, BORNE)
    for training, table in enumerate(TABLE.T):
        settled = settle(shapley_values(table), [60, 90, 30], misreports.REVENUE)
        known = {"masks": all_subsets(3), "utilities": table}
        case = Evidence(
            settlement=settled, names=settled.players, values=np.array(settled.values), **known
        )
        audited = false_name_splitting(case).numbers["gains"] | replication(case).numbers["gains"]
        for model, gains in found.items():
            np.testing.assert_allclose(
                [each[training] for each in gains], audited[model], atol=1e-9
            )


@pytest.mark.parametrize("name", RULES)
def test_payments_of_every_rule_are_the_revenue(name):
    paid = misreports.paid(name, TABLE, BORNE)
    assert paid.shape == (2, 3)
    np.testing.assert_allclose(paid.sum(axis=1), misreports.REVENUE)


def test_a_record_is_drawn_and_shown(capsys):
    each = {
        "rounds": 3,
        "overstated": {
            which: {
                name: misreports.overstated(name, TABLE, BORNE, cap=cap).tolist() for name in RULES
            }
            for which, cap in (("as claimed", False), ("capped", True))
        },
        "gains": {
            way: {name: [[1.0, 3.0], [5.0, 7.0], [-4.0, -6.0]] for name in RULES}
            for way in misreports.WAYS
        },
        "models": misreports.modelled(TABLE, BORNE),
    }
    misreporting.show({"runs": [each]}, Console(width=160))
    shown = capsys.readouterr().out
    assert shown.count("+1.0 (+6.0)") == 3 * len(RULES)
    assert "A split under cost_aware gains +1.0; as modelled: " in shown
    drawn = misreporting.figure({"runs": [each, each], "config": {"trainings": 3}})
    assert [axes.get_title(loc="left").split(",")[0] for axes in drawn.axes][1:] == [
        "data misreported"
    ] * 2
    assert [len(axes.collections) for axes in drawn.axes] == [3, 6, 6]


def test_what_cannot_be_run_is_refused_in_a_sentence(capsys):
    assert misreporting.main(["--set", "members=1"]) == 2
    assert "members=1" in capsys.readouterr().err
    assert misreporting.main(["--set", "trainings=1"]) == 2


@pytest.mark.slow
def test_the_experiment_runs_and_its_gains_are_of_payments(tmp_path):
    out = tmp_path / "out.json"
    drawn = tmp_path / "figure.png"
    small = ["members=2", "trainings=2", "rounds=4", "fewer_rounds=3"]
    arguments = [part for text in small for part in ("--set", text)]
    assert misreporting.main([*arguments, "--json", str(out), "--figure", str(drawn)]) == 0
    record = json.loads(out.read_text())
    assert [run["rounds"] for run in record["runs"]] == [4, 3]
    assert drawn.exists()
    first = record["runs"][0]
    sizes = np.array(first["sizes"])
    np.testing.assert_allclose(first["costs"], 0.3 * sizes)
    for name in RULES:
        assert np.shape(first["gains"]["split"][name]) == (2, 2)
    np.testing.assert_allclose(first["gains"]["split"]["equal"], 1000 * (2 / 3 - 1 / 2))
    expected = 1000 * (2 * sizes / (sizes.sum() + sizes) - sizes / sizes.sum()) - 0.3 * sizes
    np.testing.assert_allclose(first["gains"]["copy"]["by_size"], np.stack([expected] * 2, 1))
