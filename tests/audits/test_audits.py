"""Audits of what should hold whatever anyone does: found where it holds, refuted where it does not,
else left open."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.audits.fairness import marginals_of
from fedjax_shap.audits.registry import AUDITS, Finding, audit
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.economics.rules import RULES, by_size, cost_aware, costs_only, equal
from fedjax_shap.economics.settle import settle
from fedjax_shap.shapley.exact import shapley_values

MASKS = all_subsets(4)
# A and B are twins, C is worth half of either, D is of no use to anyone.
TABLE = np.sqrt(MASKS @ np.array([2.0, 2.0, 1.0, 0.0]))
VALUES = shapley_values(TABLE)
COSTS, SIZES, NAMES = ["10", "20", "5", "1"], [30, 30, 20, 10], ("A", "B", "C", "D")


def case(*, values=VALUES, rule=None, revenue=200, costs=COSTS, known=True, **evidence):
    settled = settle(values, costs, revenue, rule=rule, players=NAMES, sizes=SIZES)
    table = {"masks": MASKS, "utilities": TABLE} if known else {}
    return Evidence(
        settlement=settled, names=NAMES, values=np.array(values), sizes=SIZES, **table, **evidence
    )


def found(name, of):
    return AUDITS[name](of)


@pytest.mark.parametrize("name", RULES)
def test_every_audit_of_every_rule_is_a_sentence_that_json_can_hold(name):
    for evidence in ({}, {"known": False}, {"metered": COSTS, "std_errors": [0.01] * 4}):
        each = audit(case(rule=RULES[name](), **evidence))
        assert [one.name for one in each] == list(AUDITS)
        for one in each:
            assert isinstance(one, Finding) and one.holds in (True, False, None)
            assert one.sentence.endswith(".") and "\n" not in one.sentence
            assert json.loads(json.dumps(one.to_json(), allow_nan=False))["holds"] == one.holds


@pytest.mark.parametrize("name", AUDITS)
def test_what_an_audit_asks_is_its_docstring(name):
    assert AUDITS[name].__doc__.splitlines()[0].endswith(".")


def test_payments_of_another_sum_are_found():
    held = case()
    assert found("budget_balance", held).holds is True
    paid = (held.settlement.payments[0] + Decimal("0.01"), *held.settlement.payments[1:])
    wrong = replace(held, settlement=replace(held.settlement, payments=paid))
    assert found("budget_balance", wrong).holds is False
    assert found("budget_balance", wrong).sentence == "Payments sum to 0.01 more than the revenue."


def test_who_is_paid_less_than_its_cost_is_named_with_the_amount():
    assert found("individual_rationality", case()).holds is True
    loss = found("individual_rationality", case(revenue=30, costs=["10", "20", "5", "1"]))
    assert (
        loss.holds is False
        and "No payment could satisfy all, since costs exceed the revenue by 6.00" in loss.sentence
    )
    flat = found("individual_rationality", case(rule=equal(), costs=["70", "20", "5", "1"]))
    assert flat.sentence == "Paid less than their costs, by: A (20.00)."


def test_a_profit_that_only_rounding_took_is_no_breach():
    settled = settle([1, 0], ["0.005", "1"], 10)
    assert settled.profits[0] > 0
    bare = Evidence(
        settlement=settle([1, 0], ["1", "0.004"], 10), names=("player 0", "player 1"), values=[1, 0]
    )
    assert bare.settlement.profits[1] < 0 and found("individual_rationality", bare).holds is True


def test_twins_have_equal_values():
    fine = found("symmetry", case())
    assert fine.holds is True and fine.sentence == "Twins have equal values: A and B."
    assert fine.numbers["twins"] == [[0, 1]]
    off = VALUES + np.array([0.02, 0, 0, 0])
    assert found("symmetry", case(values=off)).holds is False
    assert "A and B (by 0.02)" in found("symmetry", case(values=off)).sentence


def test_twins_within_errors_of_each_other_are_not_told_apart():
    off = VALUES + np.array([0.02, 0, 0, 0])
    # 0.02 against 1.96 * sqrt(2) * e: told apart below e = 0.00722.
    assert found("symmetry", case(values=off, std_errors=[0.0071] * 4)).holds is False
    assert found("symmetry", case(values=off, std_errors=[0.0073] * 4)).holds is True


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
        found("symmetry", two).holds is True
        and found("symmetry", two).sentence == "No two players are twins."
    )


def test_a_player_of_no_use_has_no_value_and_no_profit():
    fine = found("null_players", case())
    assert (
        fine.holds is True
        and fine.sentence == "Of no use to any coalition: D; neither valued nor in profit."
    )
    paid = found("null_players", case(rule=costs_only()))
    assert paid.holds is False and "in profit all the same: D (41.00)" in paid.sentence
    off = VALUES + np.array([0, 0, 0, 0.02])
    valued = found("null_players", case(values=off))
    assert valued.holds is False and "valued all the same: D (0.02)" in valued.sentence
    within = found(
        "null_players", case(values=off, rule=equal(), costs=[0, 0, 0, 100], std_errors=[0.011] * 4)
    )
    assert within.holds is True


def test_free_riders_are_those_whose_value_is_within_errors_of_nothing():
    fine = found("free_riders", case())
    assert (
        fine.holds is True
        and fine.sentence == "Not told from worthless, and without profit: D (0)."
    )
    rides = found("free_riders", case(rule=by_size()))
    assert rides.holds is False and rides.numbers["in_profit"] == [3]
    noisy = found("free_riders", case(std_errors=VALUES / 1.9))
    assert noisy.numbers["suspects"] == [0, 1, 2, 3] and noisy.holds is False
    assert found("free_riders", case(std_errors=VALUES / 2)).numbers["suspects"] == [3]


def test_errors_that_are_not_finite_are_unknown():
    assert case(std_errors=[0.1, np.nan, 0.1, 0.1]).std_errors is None
    assert found("free_riders", case(std_errors=[0.1, np.inf, 0.1, 0.1], known=False)).holds is None


def test_profits_are_as_values_under_the_cost_aware_rule_and_not_under_others():
    for revenue in ("200", "200.01", "0.05", "36", "12345678.91"):
        assert found("proportionality", case(revenue=revenue)).holds is True
    assert found("proportionality", case(values=[3, 1, -1, 0])).holds is True
    flat = found("proportionality", case(rule=costs_only()))
    # Profit 164, 41 each; of A, B and C together 123, of which C is due its share of their values.
    due = 123 * VALUES[2] / VALUES[:3].sum()
    assert flat.holds is False
    np.testing.assert_allclose(flat.numbers["due"]["C"], due)
    assert f"C makes 41.00 where its value is due {due:.2f}" in flat.sentence
    assert found("proportionality", case(values=[-1, 0, 0, 0], rule=equal())).holds is None


def test_half_a_cent_more_than_rounding_allows_is_found():
    held = case()
    shifted = [Decimal("0.05"), Decimal("-0.05"), Decimal(0), Decimal(0)]
    payments = tuple(p + by for p, by in zip(held.settlement.payments, shifted))
    wrong = replace(held, settlement=replace(held.settlement, payments=payments))
    assert found("proportionality", wrong).holds is False


def test_coalitions_known_in_part_refute_but_do_not_show():
    some = [row for row in range(16) if row not in (5, 6)]
    settled = case().settlement

    def partly(values):
        known = {"masks": MASKS[some], "utilities": TABLE[some]}
        return Evidence(settlement=settled, names=NAMES, values=np.array(values), **known)

    assert found("symmetry", partly(VALUES)).holds is None
    assert found("symmetry", partly(VALUES + np.array([1, 0, 0, 0]))).holds is False
    assert found("null_players", partly(VALUES)).holds is None
    assert found("null_players", partly(VALUES + np.array([0, 0, 0, 1]))).holds is False
    nothing = Evidence(
        settlement=settled, names=NAMES, values=VALUES, masks=MASKS[:1], utilities=TABLE[:1]
    )
    assert (
        found("null_players", nothing).holds is None
        and "Too few utilities" in found("null_players", nothing).sentence
    )


def test_utilities_are_found_in_any_order_and_of_several_the_first_counts():
    order = np.random.default_rng(0).permutation(16)
    masks, utilities = (
        np.concatenate([MASKS[order], MASKS]),
        np.concatenate([TABLE[order], TABLE + 1]),
    )
    mixed = Evidence(
        settlement=case().settlement, names=NAMES, values=VALUES, masks=masks, utilities=utilities
    )
    np.testing.assert_array_equal(mixed.table, TABLE)
    np.testing.assert_array_equal(mixed.known(MASKS), TABLE)
    missing = Evidence(
        settlement=case().settlement,
        names=NAMES,
        values=VALUES,
        masks=MASKS[1:],
        utilities=TABLE[1:],
    )
    assert missing.table is None and np.isnan(missing.known(MASKS[:1])).all()


def test_many_players_are_told_apart_by_more_than_one_byte():
    players = 70
    masks = np.random.default_rng(0).random((200, players)) < 0.5
    utilities = masks @ np.arange(1.0, players + 1)
    settled = settle(np.ones(players), np.zeros(players, int), 70)
    wide = Evidence(
        settlement=settled,
        names=settled.players,
        values=np.ones(players),
        masks=masks,
        utilities=utilities,
    )
    np.testing.assert_array_equal(wide.known(masks), utilities)
    assert np.isnan(wide.known(~masks)).all() and wide.table is None


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        ({"names": ("A", "B", "C", "E")}, "names="),
        ({"values": [1, 2, 3]}, "values to have 4 entries"),
        ({"values": [1, 2, 3, np.nan]}, "values to be finite"),
        ({"std_errors": [1.0]}, "std_errors to have 4 entries"),
        ({"std_errors": [1.0, 1, 1, -1]}, "std_errors=.* to be >= 0"),
        ({"sizes": [1, 2, 3, -4]}, "sizes"),
        ({"metered": [1, 2, 3, -4]}, r"metered\['D'\]=-4"),
        ({"utilities": None}, "masks and utilities both, or neither"),
        ({"utilities": TABLE[:-1]}, r"masks bool\[M, 4\] and utilities \[M\]"),
        ({"masks": MASKS.astype(int)}, r"masks bool\[M, 4\]"),
        ({"utilities": np.append(TABLE[:-1], np.inf)}, "utilities to be finite"),
    ],
)
def test_evidence_that_does_not_fit_the_settlement_is_refused(evidence, told):
    fields = {"names": NAMES, "values": VALUES, "masks": MASKS, "utilities": TABLE} | evidence
    with pytest.raises(InvalidInputError, match=told):
        Evidence(settlement=settle(VALUES, COSTS, 200, rule=cost_aware(), players=NAMES), **fields)


def test_marginals_of_a_whole_table_are_those_of_its_coalitions_one_by_one():
    held = case()
    apart = Evidence(
        settlement=held.settlement,
        names=NAMES,
        values=VALUES,
        masks=MASKS[:-1],
        utilities=TABLE[:-1],
    )
    for player in range(4):
        expected = [
            TABLE[row | 1 << player] - TABLE[row]
            for row in range(16)
            if not row >> player & 1 and row | 1 << player != 15
        ]
        np.testing.assert_array_equal(sorted(marginals_of(apart, player)), sorted(expected))
        last = TABLE[15] - TABLE[15 - (1 << player)]
        np.testing.assert_array_equal(sorted(marginals_of(held, player)), sorted([*expected, last]))
