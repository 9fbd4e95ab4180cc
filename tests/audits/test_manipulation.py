"""What misreports gain: in games solved by hand, by formulas, and by settling what they make."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest

from fedjax_shap.audits import counterfactual
from fedjax_shap.audits.counterfactual import values_by
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.audits.manipulation import (
    false_name_splitting,
    merged_table,
    merging,
    over_reported_cost,
    replication,
    split_table,
)
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.economics.claims import claims
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.rules import RULES, by_size, cost_aware, costs_ignored, costs_only, equal
from fedjax_shap.economics.settle import settle
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.semivalue import semivalues

SEED = np.random.default_rng(5)
PLAYERS = 4
TABLE = np.sort(SEED.random(2**PLAYERS))  # of rising utilities, otherwise at random
MAJORITY = (all_subsets(3).sum(axis=1) >= 2).astype(float)
COSTS = ["10", "20", "5", "1"]
SIZES = [30, 21, 20, 10]


def evidence_of(table=TABLE, *, rule=None, costs=None, revenue="1000.00", known=True, **further):
    players = len(table).bit_length() - 1
    values = shapley_values(table)
    sizes = SIZES[:players]
    costs = COSTS[:players] if costs is None else costs
    settled = settle(
        values, costs, revenue, rule=rule, sizes=sizes, players=list("ABCDEF"[:players])
    )
    known_utilities = {"masks": all_subsets(players), "utilities": table} if known else {}
    return Evidence(
        settlement=settled,
        names=settled.players,
        values=values,
        sizes=sizes,
        **known_utilities,
        **further,
    )


def worth(table, members):
    return table[sum(1 << i for i in members)]


@pytest.mark.parametrize("part", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("player", range(PLAYERS))
def test_a_split_table_is_the_game_of_its_model(player, part):
    found = split_table(TABLE, player, part)
    for mask, value in zip(all_subsets(PLAYERS + 1), found, strict=True):
        others = {i for i in np.flatnonzero(mask[:PLAYERS]).tolist() if i != player}
        without = worth(TABLE, others)
        both = worth(TABLE, others | {player})
        present = int(mask[player]) + int(mask[PLAYERS])
        np.testing.assert_allclose(
            value, without + [0, part, 1][present] * (both - without), atol=1e-15
        )


@pytest.mark.parametrize(("one", "other"), list(combinations(range(PLAYERS), 2)))
def test_a_merged_table_is_the_game_in_which_two_are_one(one, other):
    found = merged_table(TABLE, one, other)
    left = [i for i in range(PLAYERS) if i != other]
    for mask, value in zip(all_subsets(PLAYERS - 1), found, strict=True):
        members = {left[i] for i in np.flatnonzero(mask)}
        assert value == worth(TABLE, members | ({other} if one in members else set()))


def test_the_gain_of_a_split_is_the_formula_of_the_module():
    value = shapley_values(TABLE)
    total = TABLE[-1] - TABLE[0]
    for finding, model, part in (
        (false_name_splitting, "halves", 0.5),
        (false_name_splitting, "complements", 0.0),
        (replication, "copies", 1.0),
    ):
        gains = finding(evidence_of(rule=costs_ignored(negative="formula"))).numbers["gains"][model]
        for player in range(PLAYERS):
            rest = [i for i in range(PLAYERS) if i != player]
            moved = 0.0
            for size in range(PLAYERS):
                for members in combinations(rest, size):
                    marginal = worth(TABLE, {*members, player}) - worth(TABLE, members)
                    weight = 1 / (PLAYERS * comb(PLAYERS - 1, size))
                    moved += weight * marginal * (PLAYERS - 2 * size - 1) / (PLAYERS + 1)
            np.testing.assert_allclose(
                gains[player], (2 * part - 1) * moved / total * 1000, atol=1e-9
            )
    assert value.min() > 0  # or "formula" would be another rule


def test_halves_gain_nothing_under_the_shapley_value_and_a_seat_under_equal_shares():
    fair = false_name_splitting(evidence_of(rule=cost_aware()))
    np.testing.assert_allclose(fair.numbers["gains"]["halves"], 0, atol=1e-9)
    assert "Nobody would gain by appearing as two, if one half contributed half" in fair.sentence
    seats = false_name_splitting(evidence_of(rule=equal(), known=False))  # needs no utilities
    np.testing.assert_allclose(seats.numbers["gains"]["halves"], 2 * 1000 / 5 - 1000 / 4)
    assert seats.holds is False and "would gain 150.00 by appearing as two" in seats.sentence


def test_costs_only_pays_a_second_share_of_the_profit_for_a_second_name():
    gains = false_name_splitting(evidence_of(rule=costs_only(), known=False)).numbers["gains"][
        "halves"
    ]
    np.testing.assert_allclose(gains, 964 * (2 / 5 - 1 / 4))


def test_by_size_pays_for_copies_and_not_for_names():
    evidence = evidence_of(rule=by_size(), known=False)
    assert false_name_splitting(evidence).holds is True
    total = sum(SIZES)
    expected = [1000 * (2 * n / (total + n) - n / total) for n in SIZES]
    np.testing.assert_allclose(replication(evidence).numbers["gains"]["copies"], expected)


def test_two_of_a_majority_gain_the_third_ones_part_by_merging():
    found = merging(evidence_of(MAJORITY, rule=costs_ignored()))
    np.testing.assert_allclose(found.numbers["gains"]["merged"], 1000 / 3)
    assert found.holds is False and found.numbers["who"] == ["A and B", "A and C", "B and C"]
    assert "would gain 333.33 by appearing as one, the most of 3 who would gain." in found.sentence


@pytest.mark.parametrize("name", [name for name in RULES if name != "least_core"])
def test_gains_are_the_differences_of_settlements(name):
    rule = RULES[name]()
    evidence = evidence_of(rule=RULES[name]())
    of = {
        "shapley": "shapley",
        "banzhaf": "banzhaf",
        "leave_one_out": lambda count: np.eye(count)[-1],
    }

    def paid(table, costs, sizes):
        values = semivalues(table, of[rule.of]) if rule.of else np.ones(len(costs))
        return np.array(rule.divide(claims(values, costs, "1000.00", sizes=sizes)).payments, float)

    before = paid(TABLE, COSTS, SIZES)
    two = paid(split_table(TABLE, 1, 0.0), ["10", "10", "5", "1", "10"], [30, 11, 20, 10, 10])
    split = false_name_splitting(evidence).numbers["gains"]["complements"][1]
    np.testing.assert_allclose(split, two[1] + two[4] - before[1], atol=1e-9)
    one = paid(merged_table(TABLE, 0, 2), ["15", "20", "1"], [50, 21, 10])
    np.testing.assert_allclose(
        merging(evidence).numbers["gains"]["merged"][1], one[0] - before[0] - before[2], atol=1e-9
    )


def test_over_reporting_gains_what_the_derivative_says():
    found = over_reported_cost(evidence_of(rule=cost_aware()))
    shares = shapley_values(TABLE) / shapley_values(TABLE).sum()
    raised = np.array([10, 20, 5, 1]) * (1 - shares)
    for label, part in (("10 %", 0.1), ("50 %", 0.5), ("100 %", 1.0)):
        np.testing.assert_allclose(found.numbers["gains"][label], part * raised, atol=1e-9)
    assert found.holds is False and "needs metered costs" in found.sentence
    assert over_reported_cost(evidence_of(rule=costs_ignored())).holds is True


def test_capped_at_what_is_implied_over_reporting_gains_nothing():
    found = over_reported_cost(evidence_of(rule=cost_aware(), metered=COSTS))
    assert found.numbers["gains"]["100 %, capped"] == [0.0] * PLAYERS
    assert (
        "would leave nobody anything to gain" in found.sentence
        and "Claimed above" not in found.sentence
    )
    inflated = over_reported_cost(evidence_of(rule=cost_aware(), metered=["9", "20", "5.5", "1"]))
    assert (
        "Claimed above what devices and recorded work imply: A (10.00 where 9.00 are implied)."
        in inflated.sentence
    )
    values = shapley_values(TABLE)  # C claims 5 where 5.5 are implied, and is paid for up to these
    np.testing.assert_allclose(
        inflated.numbers["gains"]["100 %, capped"], [0, 0, 0.5 * (1 - values[2] / sum(values)), 0]
    )
    assert "would leave at most" in inflated.sentence


def test_a_settlement_of_capped_costs_is_audited_by_its_rule():
    rule = cap_costs(cost_aware(), COSTS)
    assert over_reported_cost(evidence_of(rule=rule, metered=COSTS)).holds is True
    unknown = over_reported_cost(evidence_of(rule=rule))
    assert unknown.holds is None and "metered costs" in unknown.sentence
    plain, capped = (
        false_name_splitting(evidence_of(rule=r, metered=COSTS)).numbers
        for r in (cost_aware(), rule)
    )
    assert plain == capped


def test_one_player_has_nobody_to_merge_with():
    alone = merging(evidence_of(np.array([0.0, 1.0]), rule=cost_aware(), known=False))
    assert alone.holds is True and alone.numbers["who"] == []


def test_what_cannot_be_computed_is_said():
    for finding in (false_name_splitting, replication, merging):
        unknown = finding(evidence_of(rule=cost_aware(), known=False))
        assert (
            unknown.holds is None
            and "utilities of some coalitions are not known" in unknown.sentence
        )
        core = finding(evidence_of(rule=RULES["least_core"]()))
        assert core.holds is None and "least_core" in core.sentence
    evidence = evidence_of(rule=cost_aware())
    foreign = replace(evidence, settlement=replace(evidence.settlement, rule="auction"))
    assert (
        over_reported_cost(foreign).holds is None
        and "rule='auction'" in over_reported_cost(foreign).sentence
    )


def test_what_a_manipulation_gains_the_others_lose():
    evidence = evidence_of(rule=cost_aware())
    values = values_by("shapley", split_table(TABLE, 2, 0.0))
    after = cost_aware().divide(claims(values, ["10", "20", "2.5", "1", "2.5"], "1000.00")).payments
    gain = false_name_splitting(evidence).numbers["gains"]["complements"][2]
    before = cost_aware().divide(claims(shapley_values(TABLE), COSTS, "1000.00")).payments
    lost = sum((before[i] - after[i] for i in (0, 1, 3)), Fraction(0))
    np.testing.assert_allclose(gain, float(lost), atol=1e-9)


def test_a_rule_that_refuses_names_members_and_not_their_places(monkeypatch):
    """The members of the game without misreports, with one of them twice, and with two as one."""
    asked = []
    rule = cost_aware()

    def noted(claims):
        asked.append(claims.players)
        return rule.divide(claims)

    noting = rule._replace(divide=noted)
    monkeypatch.setattr(counterfactual, "identify_rule", lambda settlement: (noting, None))
    evidence = evidence_of()
    merging(evidence)
    replication(evidence)
    assert asked[0] == ("A", "B", "C", "D")
    assert asked[1] == ("A and B as one", "C", "D")
    assert asked[5] == ("A", "B and D as one", "C")
    assert asked[-1] == ("A", "B", "C", "D", "the second D")
