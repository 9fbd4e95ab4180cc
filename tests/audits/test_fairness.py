"""Fairness: shown where it holds, refuted where it does not, left open where evidence lacks."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from audited import MASKS, NAMES, TABLE, VALUES, audited, finding

from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.economics.rules import by_size, costs_only, equal
from fedjax_shap.economics.settle import settle


def test_payments_of_another_sum_are_finding():
    evidence = audited()
    assert finding("budget_balance", evidence).holds is True
    paid = (evidence.settlement.payments[0] + Decimal("0.01"), *evidence.settlement.payments[1:])
    wrong = replace(evidence, settlement=replace(evidence.settlement, payments=paid))
    assert finding("budget_balance", wrong).holds is False
    assert (
        finding("budget_balance", wrong).sentence == "Payments sum to 0.01 more than the revenue."
    )


def test_who_is_paid_less_than_its_cost_is_named_with_the_amount():
    assert finding("individual_rationality", audited()).holds is True
    loss = finding("individual_rationality", audited(revenue=30, costs=["10", "20", "5", "1"]))
    assert (
        loss.holds is False
        and "No payment could satisfy all, since costs exceed the revenue by 6.00" in loss.sentence
    )
    flat = finding("individual_rationality", audited(rule=equal(), costs=["70", "20", "5", "1"]))
    assert flat.sentence == "Paid less than their costs, by: A (20.00)."


def test_a_profit_that_only_rounding_took_is_no_breach():
    settled = settle([1, 0], ["0.005", "1"], 10)
    assert settled.profits[0] > 0
    bare = Evidence(
        settlement=settle([1, 0], ["1", "0.004"], 10), names=("player 0", "player 1"), values=[1, 0]
    )
    assert bare.settlement.profits[1] < 0 and finding("individual_rationality", bare).holds is True


def test_twins_have_equal_values():
    fine = finding("symmetry", audited())
    assert fine.holds is True and fine.sentence == "Twins have equal values: A and B."
    assert fine.numbers["twins"] == [[0, 1]]
    off = VALUES + np.array([0.02, 0, 0, 0])
    assert finding("symmetry", audited(values=off)).holds is False
    assert "A and B (by 0.02)" in finding("symmetry", audited(values=off)).sentence


def test_twins_within_errors_of_each_other_count_as_equal():
    off = VALUES + np.array([0.02, 0, 0, 0])
    # 0.02 against 1.96 * sqrt(2) * e: different below e = 0.00722.
    assert finding("symmetry", audited(values=off, std_errors=[0.0071] * 4)).holds is False
    assert finding("symmetry", audited(values=off, std_errors=[0.0073] * 4)).holds is True


def test_no_twins_are_no_breach():
    settled = settle([1, 2], [0, 0], 10)
    two = Evidence(
        settlement=settled,
        names=settled.players,
        values=[1, 2],
        masks=all_subsets(2),
        utilities=[0.0, 1, 2, 3],
    )
    assert (
        finding("symmetry", two).holds is True
        and finding("symmetry", two).sentence == "No two members are twins."
    )


def test_a_player_of_no_use_has_no_value_and_no_profit():
    fine = finding("null_players", audited())
    assert (
        fine.holds is True
        and fine.sentence
        == "These members add nothing to any coalition: D; neither valued nor in profit."
    )
    paid = finding("null_players", audited(rule=costs_only()))
    assert paid.holds is False and "yet paid a profit: D (41.00)" in paid.sentence
    off = VALUES + np.array([0, 0, 0, 0.02])
    valued = finding("null_players", audited(values=off))
    assert valued.holds is False and "yet valued: D (0.02)" in valued.sentence
    within = finding(
        "null_players",
        audited(values=off, rule=equal(), costs=[0, 0, 0, 100], std_errors=[0.011] * 4),
    )
    assert within.holds is True


def test_free_riders_are_those_whose_value_is_within_errors_of_nothing():
    fine = finding("free_riders", audited())
    assert (
        fine.holds is True
        and fine.sentence
        == "Values indistinguishable from zero or below it, and paid no profit: D (0)."
    )
    rides = finding("free_riders", audited(rule=by_size()))
    assert rides.holds is False and rides.numbers["in_profit"] == [3]
    assert rides.sentence == (
        "Values indistinguishable from zero or below it, yet paid a profit: D (21.22)."
    )
    noisy = finding("free_riders", audited(std_errors=VALUES / 1.9))
    assert noisy.numbers["suspects"] == [0, 1, 2, 3] and noisy.holds is False
    assert finding("free_riders", audited(std_errors=VALUES / 2)).numbers["suspects"] == [3]


def test_profits_are_as_values_under_the_cost_aware_rule_and_not_under_others():
    for revenue in ("200", "200.01", "0.05", "36", "12345678.91"):
        assert finding("proportionality", audited(revenue=revenue)).holds is True
    assert finding("proportionality", audited(values=[3, 1, -1, 0])).holds is True
    flat = finding("proportionality", audited(rule=costs_only()))
    # Profit 164, 41 each; of A, B and C together 123, of which C is due its share of their values.
    due = 123 * VALUES[2] / VALUES[:3].sum()
    assert flat.holds is False
    np.testing.assert_allclose(flat.numbers["due"]["C"], due)
    assert f"C makes 41.00 where its value is due {due:.2f}" in flat.sentence
    assert finding("proportionality", audited(values=[-1, 0, 0, 0], rule=equal())).holds is None


def shifted(evidence, by):
    """The evidence with so much added to the payments, and to the profits."""
    payments = tuple(map(sum, zip(evidence.settlement.payments, map(Decimal, by))))
    return replace(evidence, settlement=replace(evidence.settlement, payments=payments))


def test_profits_may_be_off_by_one_minor_unit_and_the_share_of_a_unit_a_player_and_no_more():
    # Of 4.00, 2.00, 1.00 and 1.00 for values 2 : 1 : 1/2 : 1/2, without costs, a player of share w
    # may be off by 1 + 4 w cents: 3 for A, 2 for B, 1.5 for C and D.
    exact = audited(values=[2, 1, 0.5, 0.5], costs=[0] * 4, revenue=8)
    assert finding("proportionality", exact).holds is True
    for allowed, broken in (
        (["0.03", "0", "-0.015", "-0.015"], ["0.0301", "0", "-0.015", "-0.0151"]),
        (["0.01", "-0.02", "0", "0.01"], ["0.01", "-0.0201", "0", "0.0101"]),
    ):
        assert finding("proportionality", shifted(exact, allowed)).holds is True
        wrong = finding("proportionality", shifted(exact, broken))
        assert wrong.holds is False and "the furthest off" in wrong.sentence


@pytest.mark.parametrize("seed", range(5))
def test_of_coalitions_known_in_part_twins_and_nulls_are_those_of_the_pairs_that_are_known(seed):
    rows = np.sort(np.random.default_rng(seed).choice(16, 11, replace=False)).tolist()
    evidence = audited(rows=rows)

    def same(one, other):
        """Whether the utilities of S + one and S + other agree for all S with both known."""
        known = [
            (row | one, row | other)
            for row in range(16)
            if not row & (one | other) and {row | one, row | other} <= set(rows)
        ]
        return bool(known) and all(abs(TABLE[a] - TABLE[b]) < 1e-12 for a, b in known)

    pairs = [[i, j] for i in range(4) for j in range(i + 1, 4) if same(1 << i, 1 << j)]
    assert finding("symmetry", evidence).numbers["twins"] == pairs
    nulls = [player for player in range(4) if same(1 << player, 0)]
    assert finding("null_players", evidence).numbers["null"] == nulls


def test_coalitions_known_in_part_refute_but_do_not_show():
    some = [row for row in range(16) if row not in (5, 6)]
    settled = audited().settlement

    def partly(values):
        known = {"masks": MASKS[some], "utilities": TABLE[some]}
        return Evidence(settlement=settled, names=NAMES, values=np.array(values), **known)

    assert finding("symmetry", partly(VALUES)).holds is None
    assert finding("symmetry", partly(VALUES + np.array([1, 0, 0, 0]))).holds is False
    assert finding("null_players", partly(VALUES)).holds is None
    assert finding("null_players", partly(VALUES + np.array([0, 0, 0, 1]))).holds is False
    nothing = Evidence(
        settlement=settled, names=NAMES, values=VALUES, masks=MASKS[:1], utilities=TABLE[:1]
    )
    assert (
        finding("null_players", nothing).holds is None
        and "Too few utilities" in finding("null_players", nothing).sentence
    )
