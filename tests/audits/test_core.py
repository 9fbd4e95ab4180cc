"""Core stability: games whose core is known, exact amounts, and the least core."""

from fractions import Fraction

import numpy as np
import pytest

from fedjax_shap.audits.core import core_stability
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.economics.revenue import curve
from fedjax_shap.economics.rules import costs_ignored, equal
from fedjax_shap.economics.settle import settle
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.least_core import least_core_values, least_subsidy


def evidence_of(
    table, revenue, *, rule=None, costs=None, keep=None, values=None, earned=None, players=None
):
    """The evidence of a table, paid by its Shapley values; only the rows `keep` are known."""
    masks = all_subsets(len(table).bit_length() - 1)
    values = shapley_values(table) if values is None else values
    costs = [0] * len(values) if costs is None else costs
    settled = settle(values, costs, revenue, rule=rule or costs_ignored(), players=players)
    rows = np.arange(len(table)) if keep is None else np.array(keep)
    known = {"masks": masks[rows], "utilities": table[rows]}
    return Evidence(
        settlement=settled, names=settled.players, values=values, revenue=earned, **known
    )


def game(worth, players=3):
    return np.array([float(worth(set(np.flatnonzero(mask)))) for mask in all_subsets(players)])


GLOVES = game(
    lambda s: 0 in s and len(s) >= 2
)  # one left glove, two right ones; the core pays all to the left
MAJORITY = game(lambda s: len(s) >= 2)  # its core is empty
CONVEX = game(lambda s: len(s) ** 2)  # its Shapley value is in the core (Shapley 1971)


def test_gloves_the_left_and_one_right_do_better_alone():
    # Shapley pays 400, 100, 100; the left glove and one right earn 600 alone.
    found = core_stability(evidence_of(GLOVES, 600, players=["L", "R1", "R2"]))
    assert found.holds is False
    assert found.sentence.startswith(
        "2 of the 6 coalitions of some of the members would do better alone, most of all L + R1, "
        "by 100.00. "
        "Some division would leave no coalition anything to gain."
    )
    assert found.numbers["worst"][:2] == [
        {"members": ["L", "R1"], "gain": 100.0},
        {"members": ["L", "R2"], "gain": 100.0},
    ]
    np.testing.assert_allclose(found.numbers["least_core_payments"], [600, 0, 0], atol=1e-6)


def test_all_to_the_left_glove_is_stable():
    found = core_stability(evidence_of(GLOVES, 600, values=np.array([1.0, 0, 0])))
    assert found.holds is True and "None of the 6 coalitions" in found.sentence
    assert found.numbers["objecting"] == 0


def test_a_majority_has_no_stable_division():
    found = core_stability(evidence_of(MAJORITY, 300))
    assert (
        found.holds is False
        and "The core is empty" in found.sentence
        and "at least 100.00 to gain" in found.sentence
    )
    np.testing.assert_allclose(found.numbers["least_excess"], 100, atol=1e-6)


def test_shapley_values_of_a_convex_game_are_stable():
    found = core_stability(evidence_of(CONVEX, 900, costs=[10, 20, 30]))
    assert found.holds is True
    # Two earn 400 alone and are paid 600; one earns 100 and is paid 300.
    assert (
        found.sentence.startswith("None of the 6")
        and "is nearest, with 200.00 to lose" in found.sentence
    )


def test_members_bear_their_costs_alone_as_well_so_that_costs_change_nothing():
    plain, costly = (
        core_stability(evidence_of(GLOVES, 600, costs=costs)) for costs in ([0, 0, 0], [50, 70, 90])
    )
    assert plain == costly


def test_rounding_to_minor_units_is_no_reason_to_leave():
    # Three share 100 equally: two earn 66.67 alone at most, and are paid 66.66 or 66.67.
    table = game(lambda s: len(s))
    found = core_stability(evidence_of(table, 100, rule=equal()))
    assert found.holds is True


def test_of_coalitions_that_are_known_in_part_stability_is_never_claimed():
    some = evidence_of(CONVEX, 900, keep=[0, 1, 7])
    assert core_stability(some).holds is None
    assert "coalitions of some of the members that are known" in core_stability(some).sentence
    assert core_stability(evidence_of(GLOVES, 600, keep=[0, 3, 7])).holds is False
    assert core_stability(evidence_of(GLOVES, 600, keep=[0, 7])).holds is None
    assert (
        core_stability(evidence_of(GLOVES, 600, keep=[0, 3])).holds is None
    )  # everybody's utility is not known


def test_a_revenue_curve_is_used_where_it_is_given():
    table = game(lambda s: [0.5, 0.8, 0.85, 0.9][len(s)])
    steep = curve(((0.8, 0), (0.9, 300)))
    found = core_stability(evidence_of(table, 300, earned=steep))
    assert found.holds is True and "proportion" not in found.sentence
    gently = curve(((0.5, 0), (0.8, 290), (0.9, 300)))
    found = core_stability(evidence_of(table, 300, earned=gently))
    assert found.holds is False
    np.testing.assert_allclose(
        [one["gain"] for one in found.numbers["worst"][3:]], [95, 95], atol=1e-9
    )
    assert found.numbers["worst"][0]["gain"] == 190.0


def test_amounts_are_exact_over_the_coalitions():
    rng = np.random.default_rng(0)
    table = np.append(0.0, rng.random(31) + 0.1)
    evidence = evidence_of(table, "1234567890123456.78")
    found = core_stability(evidence)
    earned = evidence.curve
    masks = all_subsets(5)[1:-1]
    excess = [
        earned(v)
        - sum(Fraction(r) for r, member in zip(evidence.settlement.payments, mask) if member)
        for v, mask in zip(table[1:-1].tolist(), masks)
    ]
    assert found.numbers["worst"][0]["gain"] == float(max(excess))
    assert found.numbers["objecting"] == sum(
        gain >= Fraction(1, 100) * int(mask.sum()) for gain, mask in zip(excess, masks)
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_least_subsidy_is_that_of_the_least_core(seed):
    players = 2 + seed
    table = np.random.default_rng(seed).normal(size=2**players)
    masks = all_subsets(players)
    proper = masks[1:-1]
    gains = table[1:-1] - table[0]
    payments, excess = least_subsidy(proper, gains, table[-1] - table[0])
    egalitarian = least_core_values(masks, table)
    np.testing.assert_allclose(excess, (gains - proper @ egalitarian).max(), atol=1e-7)
    np.testing.assert_allclose(payments.sum(), table[-1] - table[0], atol=1e-9)
    assert (gains - proper @ payments).max() <= excess + 1e-7


def test_more_than_a_thousand_coalitions_take_no_long_program():
    table = all_subsets(13) @ np.arange(1.0, 14.0)
    found = core_stability(evidence_of(table, 9100))
    assert found.holds is True and found.numbers["least_excess"] is None


def test_what_is_not_known_is_said():
    settled = settle([1, 1], [0, 0], 10)
    bare = Evidence(settlement=settled, names=settled.players, values=np.ones(2))
    assert (
        core_stability(bare).holds is None
        and "no utilities are known" in core_stability(bare).sentence
    )
    falling = evidence_of(game(lambda s: -len(s)), 10, values=np.ones(3))
    assert (
        core_stability(falling).holds is None
        and "not known to exceed that of the empty coalition" in core_stability(falling).sentence
    )
    level = evidence_of(np.array([1.0, 2.0, 0.0, np.nextafter(1.0, 2)]), 10, values=np.ones(2))
    assert (
        core_stability(level).holds is None
    )  # no more than rounding: in proportion to it all would be astronomic
    alone = evidence_of(np.array([0.0, 1.0]), 10)
    assert core_stability(alone).holds is None
