"""The figures of a settlement show its numbers, and other prices are those of the formula."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from fedjax_shap.audits.evidence import Finding
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.money import amounts
from fedjax_shap.economics.rules import cost_aware
from fedjax_shap.economics.settle import settle
from fedjax_shap.report import settlement_figures, style, sweeps

VALUES, COSTS, REVENUE = [0.5, 0.3, -0.1], [10.0, 20.5, 3.0], 100
NAMES = ["north", "south", "$west$"]
SETTLED = settle(VALUES, COSTS, REVENUE, players=NAMES)


def by_formula(costs: np.ndarray, revenue: float) -> np.ndarray:
    """The rule `cost_aware` with negative values clipped, in plain float64."""
    weights = np.maximum(VALUES, 0)
    return costs + weights / weights.sum() * (revenue - costs.sum())


def axes():
    return Figure().subplots()


def test_payments_at_other_revenues_are_those_of_the_formula():
    sweep = sweeps.over_revenue(SETTLED)
    assert (sweep.at[0], sweep.at[-1], sweep.now) == (0, 2 * REVENUE, REVENUE)
    assert sweep.mark == (33.5, "covers the costs")
    for revenue, paid in zip(sweep.at, sweep.payments, strict=True):
        np.testing.assert_allclose(paid, by_formula(np.array(COSTS), revenue), atol=0.01)
        np.testing.assert_allclose(paid.sum(), revenue, atol=1e-9)


def test_payments_at_other_costs_and_prices_of_energy_are_those_of_the_formula():
    energy = np.array([4.0, 1.5, 0.5])
    rest = np.array(COSTS) - energy
    zero = amounts("zero", [0, 0, 0], NAMES)
    parts = [amounts("part", part.tolist(), NAMES) for part in (energy, rest)]
    bill = Bill(energy=parts[0], time=parts[1], communication=zero, fixed=zero)
    by_energy = sweeps.over_energy(SETTLED, bill, (0, 2, "7.5"))
    by_cost = sweeps.over_costs(SETTLED, (0, 2))
    for factor, paid in zip((0, 2, 7.5), by_energy.payments, strict=True):
        np.testing.assert_allclose(paid, by_formula(rest + factor * energy, REVENUE), atol=0.01)
    for factor, paid in zip((0, 2), by_cost.payments, strict=True):
        np.testing.assert_allclose(paid, by_formula(factor * np.array(COSTS), REVENUE), atol=0.01)


def test_a_price_that_the_rule_refuses_leaves_a_gap():
    rule = cost_aware(loss="refuse")
    settled = settle(VALUES, COSTS, REVENUE, players=NAMES, rule=rule)
    sweep = sweeps.over_revenue(settled, rule=rule)
    np.testing.assert_array_equal(np.isnan(sweep.payments).all(axis=1), sweep.at < 33.5)
    settlement_figures.repriced(axes(), settled, sweep)


def test_revenues_are_whole_minor_units():
    settled = settle(VALUES, [1, 1, 1], 7, minor_unit=1)
    assert (sweeps.over_revenue(settled).at % 1 == 0).all()
    assert not np.isnan(sweeps.over_revenue(settled).payments).any()


def test_nothing_to_divide_is_drawn_too():
    settled = settle(VALUES, [0, 0, 0], 0, players=NAMES)
    sweep = sweeps.over_revenue(settled)
    settlement_figures.page("none", settled, sweeps=[sweep]).savefig(io.BytesIO(), dpi=40)
    assert sweep.at.tolist() == [0]


def test_bars_are_payments_and_their_errors_the_intervals():
    low = np.array([60.0, 30.0, 3.0])  # of one the payment lies outside, by rounding
    high = np.array([58.0, 50.0, 4.0])
    drawn = axes()
    intervals = Intervals(low=low, high=high, std_errors=np.ones(3), level=0.95, method="delta")
    settlement_figures.payments(drawn, SETTLED, intervals)
    paid = np.array([float(payment) for payment in SETTLED.payments])
    bars, errors = drawn.containers[0], drawn.containers[1]
    np.testing.assert_allclose([bar.get_height() for bar in bars], paid)
    segments = np.array([segment[:, 1] for segment in errors.lines[2][0].get_segments()])
    np.testing.assert_allclose(segments[:, 0], np.minimum(low, paid))
    np.testing.assert_allclose(segments[:, 1], np.maximum(high, paid))
    assert [text.get_text() for text in drawn.texts] == [
        f"{payment:,f}" for payment in SETTLED.payments
    ]


@pytest.mark.parametrize("revenue", [100, 10])
def test_costs_and_profits_are_bars_beside_each_other(revenue):
    settled = settle(VALUES, COSTS, revenue, players=NAMES)
    drawn = axes()
    settlement_figures.costs_and_profits(drawn, settled)
    profits = np.array([float(profit) for profit in settled.profits])
    heights = [np.array([bar.get_height() for bar in bars]) for bars in drawn.containers]
    np.testing.assert_allclose(heights[0], COSTS)
    np.testing.assert_allclose(sum(heights[1:]), profits)
    labels = [text.get_text() for text in drawn.get_legend().get_texts()]
    assert labels == ["cost", "profit", "loss"][: 2 + (revenue < 33.5)]


def test_a_page_has_every_panel_and_every_finding():
    marks = {True: "holds", False: "does not hold", None: "not judged"}
    findings = [
        Finding(name=f"audit_{i}", holds=holds, sentence="It costs $5 or $6.")
        for i, holds in enumerate(marks)
    ]
    page = settlement_figures.page(
        "a $ page",
        SETTLED,
        sweeps=[sweeps.over_revenue(SETTLED)] * 2,
        findings=findings,
    )
    assert len(page.axes) == 5
    titles = [text.get_text() for text in page.axes[-1].texts[::2]]
    assert titles == [f"audit {i}: {mark}" for i, mark in enumerate(marks.values())]
    sentences = [text.get_text() for text in page.axes[-1].texts[1::2]]
    assert sentences == [r"It costs \$5 or \$6."] * 3, "no dollar sign opens mathematics"
    page.savefig(io.BytesIO(), dpi=40)


def test_many_members_are_numbered_and_the_least_paid_are_grey():
    count = 40
    settled = settle(list(range(1, count + 1)), [0] * count, 1000)
    drawn = axes()
    settlement_figures.repriced(drawn, settled, sweeps.over_revenue(settled))
    _, named = drawn.get_legend_handles_labels()
    assert named == [f"player {i}" for i in range(count - 1, count - 1 - len(style.COLORS), -1)]
    settlement_figures.payments(drawn, settled)
    assert drawn.get_xlabel() == "member"
