"""Revenue by metric is exact; a scenario pays what a settlement under its prices would pay."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.cost import bill
from fedjax_shap.economics.revenue import curve, fixed, proportional, what_if
from fedjax_shap.economics.rules import costs_ignored
from fedjax_shap.economics.settle import settle

POINTS = ((0.5, 0), (0.75, "100.50"), (0.875, 1000))
KEYWORDS = {"players": ["A", "B", "C"], "sizes": [5, 3, 2]}
VALUES = [3, 1, -1]
COSTS = ["10", "20.5", "6"]


def machines(price):
    return bill(
        joules=[3_600_000 * 4, 3_600_000 * 6, 0],
        seconds=[7200, 3600, 1800],
        traffic=[10**9, 0, 10**9],
        energy_prices=[price] * 3,
        time_prices=["1.5"] * 3,
        traffic_prices=["0.25"] * 3,
        fixed=[1, 2, 3],
    )


def test_between_points_the_revenue_is_linear_and_exact():
    earned = curve(POINTS)
    assert earned(0.625) == Fraction("50.25")
    assert earned(0.8125) == (Fraction("100.5") + 1000) / 2
    assert [earned(metric) for metric, _ in POINTS] == [Fraction(revenue) for _, revenue in POINTS]
    assert curve(((0, 0), (3, 1)))(1) == Fraction(1, 3)


def test_beyond_the_points_the_revenue_is_that_of_the_nearest():
    earned = curve(POINTS)
    assert (
        earned(-7) == 0 and earned(0.49) == 0 and earned(0.876) == 1000 and earned(10**30) == 1000
    )
    assert [fixed("12.34")(metric) for metric in (-1e300, 0, 5)] == [Fraction("12.34")] * 3


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.integers(0, 10**6)),
        min_size=1,
        max_size=8,
        unique_by=lambda p: p[0],
    ),
    st.lists(st.floats(-2, 2), min_size=1, max_size=5),
)
def test_a_curve_is_what_numpy_interpolates(points, metrics):
    points.sort()
    known = [metric for metric, _ in points]
    assume(
        len(points) == 1 or np.diff(known).min() > 1e-3
    )  # closer points are beyond float64, which the curve is not
    found = [float(revenue) for revenue in curve(points).of(metrics)]
    np.testing.assert_allclose(
        found, np.interp(metrics, known, [r for _, r in points]), rtol=1e-9, atol=1e-6
    )


@given(st.floats(0.5, 0.875))
def test_an_amount_is_whole_minor_units_and_never_more_than_came_in(metric):
    earned = curve(POINTS)
    for unit in ("0.01", "1", "0.05"):
        amount = Fraction(earned.amount(metric, unit))
        assert amount % Fraction(unit) == 0
        assert 0 <= earned(metric) - amount < Fraction(unit)


def test_proportional_revenue_is_nothing_for_nobody_and_all_for_everybody():
    earned = proportional(300, nobody=0.5, everybody=2.0, most=3.0)
    assert earned.of([0.25, 0.5, 1.0, 2.0, 3.0, 4.0]) == (0, 0, 100, 300, 500, 500)
    assert proportional(300, nobody=0.5, everybody=2.0)(3.0) == 300
    with pytest.raises(InvalidInputError, match=r"everybody=0.5 to be > nobody=0.5"):
        proportional(300, nobody=0.5, everybody=0.5)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ((), "at least one"),
        ("ab", "pairs"),
        ((1, 2), r"points\[0\]=1"),
        (((1, 2), (1, 3)), r"points\[1\]\[0\]=1 to be > the metric before it, 1"),
        (((float("nan"), 2),), r"points\[0\]\[0\]=nan to be a finite number"),
        (((1, -2),), r"points\[0\]\[1\]=-2 to be an amount"),
    ],
)
def test_points_that_are_no_curve_are_refused(points, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        curve(points)


def test_a_metric_that_is_no_number_is_refused():
    with pytest.raises(InvalidInputError, match="metric"):
        curve(POINTS)("0.7")
    with pytest.raises(InvalidInputError, match="minor_unit"):
        curve(POINTS).amount(0.7, 0)


def test_every_scenario_is_the_settlement_under_its_prices():
    found = what_if(
        VALUES,
        COSTS,
        100,
        revenues=(50, "200.01"),
        metrics=(0.625, 0.8),
        earned=curve(POINTS),
        scaled=("1.1",),
        member_costs={"B": ("30", 0)},
        **KEYWORDS,
    )
    expected = {
        "as it is": (COSTS, 100),
        "revenue 50": (COSTS, 50),
        "revenue 200.01": (COSTS, "200.01"),
        "metric 0.625": (COSTS, "50.25"),
        "metric 0.8": (COSTS, "460.30"),
        "costs x 1.1": (["11", "22.55", "6.6"], 100),
        "cost of B 30": (["10", "30", "6"], 100),
        "cost of B 0": (["10", "0", "6"], 100),
    }
    assert [scenario.name for scenario in found] == list(expected)
    for scenario, (costs, revenue) in zip(found, expected.values()):
        under = settle(VALUES, costs, revenue, **KEYWORDS)
        assert scenario.settlement.payments == under.payments
        assert sum(scenario.settlement.payments) == Decimal(str(revenue))


def test_the_price_of_energy_changes_the_energy_and_nothing_else():
    before = machines("0.30")
    after = machines("0.45")
    _, dearer = what_if(VALUES, None, 100, energy=("1.5",), bill=before, **KEYWORDS)
    assert dearer.settlement.payments == settle(VALUES, after.total, 100, **KEYWORDS).payments
    assert dearer.settlement.costs == settle(VALUES, after.total, 100, **KEYWORDS).costs


def test_a_rule_and_its_settings_are_kept_in_every_scenario():
    _, other = what_if(
        VALUES, COSTS, 100, revenues=(50,), rule=costs_ignored(), minor_unit="1", **KEYWORDS
    )
    assert (
        other.settlement.payments
        == settle(VALUES, COSTS, 50, rule=costs_ignored(), minor_unit="1", **KEYWORDS).payments
    )


def test_a_scenario_is_a_row_of_a_table():
    _, other = what_if([1, 1], [0, 0], 1, revenues=("10.00",), players=["A", "B"])
    assert other.to_row() == {
        "scenario": "revenue 10.00",
        "revenue": "10.00",
        "payment of A": "5.00",
        "payment of B": "5.00",
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metrics": (0.5,)}, "earned"),
        ({"energy": (2,)}, "bill"),
        ({"energy": (2,), "bill": machines("0.3")}, "bill whose parts sum to costs"),
        ({"scaled": (-1,)}, "scaled=-1"),
        ({"member_costs": {"D": (1,)}}, "member_costs='D' to be a player"),
        ({"member_costs": {"A": (-1,)}}, r"costs\['A'\]=-1"),
        ({"revenues": ("0.001",)}, "whole number of minor units"),
    ],
)
def test_a_scenario_that_cannot_be_priced_is_refused(changes, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        what_if(VALUES, COSTS, 100, **changes, **KEYWORDS)
