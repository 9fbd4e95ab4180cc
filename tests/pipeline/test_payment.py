"""What a run pays: by the values that its rule asks for, from the same utilities, with intervals if
unsure."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.payment import is_efficient, require_payable
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.report.run_sentences import sentences
from fedjax_shap.shapley.semivalue import semivalues

RAW = {
    "data": {"name": "breast_cancer"},
    "partition": {"name": "quantity", "ratios": [1, 2, 3]},
    "local": {"learning_rate": 0.1},
    "algorithm": {"max_rounds": 3},
    "game": {"metric": "negative_loss"},
    "costs": {"name": "given", "amounts": [10, 5, 1]},
    "economics": {"revenue": 100},
}


ALL = [[bool(row >> player & 1) for player in range(3)] for row in range(8)]


def paid(folder=None, **sections):
    return run(parse({**RAW, **sections}), store=folder)


@pytest.fixture(scope="module")
def shapley(tmp_path_factory):
    folder = tmp_path_factory.mktemp("utilities")
    result = paid(folder)
    named = json.loads((folder / "store.json").read_text())["fingerprint"]
    table = UtilityStore(folder, fingerprint=named).read(np.array(ALL))
    return folder, result, table


def by_hand(name, table):
    """The values of each kind from the table of all utilities."""
    if name == "leave_one_out":
        return np.array([table[7] - table[7 - (1 << player)] for player in range(3)])
    return semivalues(table, "banzhaf")


@pytest.mark.parametrize("name", ["leave_one_out", "banzhaf"])
def test_a_rule_divides_by_the_values_that_it_asks_for_without_another_training(name, shapley):
    folder, before, table = shapley
    result = paid(folder, economics={"name": name, "revenue": 100})
    assert result.coalitions["trained"] == 0
    assert_allclose(result.attribution.values, before.attribution.values)
    assert_allclose(result.settlement.values, by_hand(name, table), atol=1e-12)
    share = np.clip(by_hand(name, table), 0, None)
    assert_allclose(
        np.array(result.settlement.payments, float),
        [10, 5, 1] + share / share.sum() * 84,
        atol=0.011,
        rtol=0,
    )


def test_the_least_core_pays_by_shares_to_which_nobody_objects_more_than_must_be(shapley):
    _, before, table = shapley
    found = paid(shapley[0], economics={"name": "least_core", "revenue": 100})
    values = np.array(found.settlement.values)
    assert values.sum() == pytest.approx(table[7] - table[0])
    worst = max(table[row] - table[0] - values[ALL[row]].sum() for row in range(1, 7))
    others = max(
        table[row] - table[0] - before.attribution.values[ALL[row]].sum() for row in range(1, 7)
    )
    assert worst <= others + 1e-9


def test_exact_values_have_no_intervals_and_sampled_ones_have():
    assert paid().intervals is None
    sampled = paid(
        partition={"name": "iid", "num_clients": 5},
        costs={"name": "free"},
        estimator={"name": "permutation", "budget": 20},
    )
    found, settled = sampled.intervals, np.array(sampled.settlement.payments, float)
    assert found.level == 0.95 and (found.low <= settled).all() and (settled <= found.high).all()
    assert ("client 0", "client 1") in sampled.alike and len(sampled.alike) <= 10
    assert any("do not differ at the 95 % level" in sentence for sentence in sentences(sampled))
    assert sampled.to_json()["intervals"]["low"] == found.low.tolist()


@pytest.mark.parametrize(
    ("sections", "efficient"),
    [
        ({}, True),
        ({"estimator": {"name": "owen", "budget": 8}}, False),
        ({"estimator": {"name": "owen", "budget": 8, "efficient": True}}, True),
        ({"estimator": {"repeats": 2}}, False),
        ({"game": {"resamples": 3}}, False),
        ({"economics": {"name": "banzhaf"}}, False),
        ({"game": {"name": "rounds"}}, True),
        ({"game": {"name": "rounds"}, "estimator": {"name": "multi_round"}}, False),
    ],
)
def test_errors_are_said_to_sum_to_zero_only_where_they_do(sections, efficient):
    """Not where V(N) has an error of its own, nor by an estimator that does not promise it."""
    config = parse({**RAW, **sections})
    assert is_efficient(config, setting_of(config), config.build("economics")) == efficient


def test_a_curve_says_what_the_model_earned(shapley):
    folder, before, _ = shapley
    economics = {"curve": [[-1.0, 0], [0.0, 500]]}
    found = paid(folder, economics=economics)
    reached = float(before.attribution.grand)
    assert float(found.settlement.revenue) == pytest.approx(500 * (1 + reached), abs=0.01)
    with pytest.raises(
        InvalidInputError, match=r"economics\.revenue to be left out with economics\.curve"
    ):
        parse({**RAW, "economics": {**economics, "revenue": 7}})


def test_a_curve_without_points_is_refused_before_anything_is_trained():
    config = parse({**RAW, "economics": {"curve": []}})
    with pytest.raises(InvalidInputError, match="at least one"):
        require_payable(config, setting_of(config))


def test_costs_are_held_to_what_devices_imply(shapley):
    devices = {
        "steps_per_second": 1.0,
        "energy_price": 0,
        "time_price": 3600 / 3,
    }  # a step a second, three rounds
    economics = {"revenue": 100, "verify": "cap"}
    found = paid(
        shapley[0],
        devices=devices,
        costs={"name": "given", "amounts": [10, 0.5, 1]},
        economics=economics,
    )
    fair = paid(shapley[0], devices=devices, costs={"name": "given", "amounts": [1, 0.5, 1]})
    assert float(found.metered.bill.total[0]) == pytest.approx(1, abs=1e-3)
    assert_allclose(
        np.array(found.settlement.payments, float),
        np.array(fair.settlement.payments, float),
        atol=0.011,
        rtol=0,
    )
    assert "client 0 (10 to 1" in found.settlement.notes[0]
    with pytest.raises(
        InvalidInputError, match=r"devices to be given with economics\.verify='cap'"
    ):
        parse({**RAW, "economics": economics})
