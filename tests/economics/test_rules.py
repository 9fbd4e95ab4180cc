"""Rules: how the revenue is divided, exactly and before any rounding."""

from fractions import Fraction

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.claims import claims
from fedjax_shap.economics.policies import LOSS, NEGATIVE
from fedjax_shap.economics.rules import RULES, by_size, cost_aware, costs_ignored, costs_only, equal

# A and B are worth 3 and 1, C does harm; costs 10, 20, 6; revenue 100.
CLAIM = claims([3, 1, -1], [10, 20, 6], 100, players=["A", "B", "C"], sizes=[50, 30, 20])
POOR = claims([3, 1, -1], [10, 20, 6], 24, players=["A", "B", "C"])


def paid(rule, claim=CLAIM):
    return rule.divide(claim).payments


@pytest.mark.parametrize("name", RULES)
def test_every_rule_divides_the_whole_revenue_and_nothing_else(name):
    rule = RULES[name]()
    division = rule.divide(CLAIM)
    assert rule.name == name
    assert sum(division.payments) == CLAIM.revenue
    assert sum(division.shares) == 1
    assert sum(division.bases) + division.pool == CLAIM.revenue


def test_profit_is_in_proportion_to_value():
    claim = claims([3, 1], [10, 20], 100)
    assert paid(cost_aware(), claim) == (10 + Fraction(105, 2), 20 + Fraction(35, 2))


def test_a_third_is_a_third():
    assert paid(costs_ignored(), claims([1, 1, 1], [0, 0, 0], 1)) == (Fraction(1, 3),) * 3


def test_clip_pays_a_harmful_player_its_cost_and_no_profit():
    assert paid(cost_aware(negative="clip")) == (10 + 48, 20 + 16, 6)


def test_formula_lets_a_negative_value_stand():
    # Sum of values 3, profit 64: 64, 64/3, -64/3.
    assert paid(cost_aware(negative="formula")) == (
        10 + 64,
        20 + Fraction(64, 3),
        6 - Fraction(64, 3),
    )


def test_formula_rewards_a_harmful_player_when_there_is_a_loss():
    # Profit -12: -12, -4, +4.
    assert paid(cost_aware(negative="formula"), POOR) == (10 - 12, 20 - 4, 6 + 4)


def test_exclude_with_costs_reimbursed_pays_what_clip_pays():
    for claim in (CLAIM, POOR):
        assert paid(cost_aware(negative="exclude"), claim) == paid(
            cost_aware(negative="clip"), claim
        )


def test_exclude_without_reimbursement_pays_nothing_and_frees_the_cost_for_the_others():
    # 100 - 10 - 20 = 70 of profit for A and B.
    assert paid(cost_aware(negative="exclude", reimburse=False)) == (
        10 + Fraction(105, 2),
        20 + Fraction(35, 2),
        0,
    )


def test_a_player_of_no_value_is_not_excluded():
    claim = claims([1, 0], [5, 3], 10)
    assert paid(cost_aware(negative="exclude", reimburse=False), claim) == (7, 3)


def test_a_loss_is_shared_by_the_same_formula():
    assert paid(cost_aware(), claims([3, 1], [10, 20], 22)) == (10 - 6, 20 - 2)


@pytest.mark.parametrize(
    "rule",
    [cost_aware(loss="equal"), costs_only(), costs_only(loss="equal")],
    ids=["by value", "costs only", "so named"],
)
def test_a_loss_shared_equally_takes_the_same_from_everyone(rule):
    assert paid(rule, POOR) == (10 - 4, 20 - 4, 6 - 4)


@pytest.mark.parametrize("factory", [cost_aware, costs_only])
def test_a_loss_shared_by_costs_pays_everyone_the_same_part_of_its_cost(factory):
    assert paid(factory(loss="in_proportion_to_costs"), POOR) == (
        10 * Fraction(2, 3),
        20 * Fraction(2, 3),
        4,
    )


def test_who_bears_its_own_cost_bears_no_part_of_what_the_others_lose():
    # Costs of A and B are 30, the revenue 24: a loss of 6, and C has its 6 besides.
    equal_, by_costs = (
        cost_aware(negative="exclude", reimburse=False, loss=loss).divide(POOR)
        for loss in ("equal", "in_proportion_to_costs")
    )
    assert equal_.payments == (7, 17, 0) and by_costs.payments == (8, 16, 0)
    assert [applied.players for applied in equal_.applied] == [("C",), ("A", "B")]
    assert equal_.notes == (
        "Policy 'exclude': members of negative value bear their costs themselves: C (-1).",
    )


@pytest.mark.parametrize("loss", LOSS)
def test_how_a_loss_is_shared_changes_nothing_where_there_is_none(loss):
    assert paid(cost_aware(loss=loss)) == paid(cost_aware())
    assert (
        paid(costs_only(loss=loss))
        == paid(costs_only())
        == (10 + Fraction(64, 3), 20 + Fraction(64, 3), 6 + Fraction(64, 3))
    )
    for factory in (cost_aware, costs_only):
        assert not [one for one in factory(loss=loss).divide(CLAIM).applied if one.policy == "loss"]


@pytest.mark.parametrize(
    ("rule", "claim", "sentence"),
    [
        (
            cost_aware(loss="refuse"),
            POOR,
            "revenue=24 to be at least 36, the sum of the costs, .* with 12 less no payments",
        ),
        (costs_only(loss="refuse"), POOR, "revenue=24 to be at least 36"),
        (
            cost_aware(negative="formula", loss="refuse"),
            CLAIM,
            "negative='formula' pays 'C' less; negative='clip' would not",
        ),
        (
            cost_aware(negative="exclude", reimburse=False, loss="refuse"),
            CLAIM,
            "reimburse=False pays 'C' less; negative='clip' would not",
        ),
        (
            cost_aware(loss="refuse"),
            claims([-1, 0], [1, 1], 5),
            "sum of values > 0 .* 'costs_only' divide without values",
        ),
    ],
    ids=["a loss", "a loss, costs only", "a negative share", "its own cost", "no value"],
)
def test_where_nobody_shall_make_a_loss_and_somebody_would_the_refusal_says_why_and_what_would_do(
    rule, claim, sentence
):
    with pytest.raises(InvalidInputError, match=sentence) as refused:
        rule.divide(claim)
    assert str(refused.value).count("Expected") == 1 and str(refused.value).endswith(".")


def test_with_just_enough_nobody_makes_a_loss_and_nobody_a_profit():
    enough = claims([3, 1, -1], [10, 20, 6], 36)
    assert (
        paid(cost_aware(loss="refuse"), enough)
        == paid(cost_aware(negative="formula", loss="refuse"), enough)
        == (10, 20, 6)
    )


def test_rules_on_other_values_divide_as_the_cost_aware_one_does_and_say_which_values_they_take():
    takes = {name: RULES[name]().of for name in RULES}
    other = ("leave_one_out", "banzhaf", "least_core")
    assert {name: takes[name] for name in other} == {name: name for name in other}
    assert takes["cost_aware"] == takes["costs_ignored"] == "shapley"
    assert takes["equal"] == takes["by_size"] == takes["costs_only"] == ""
    for name in other:
        for settings in (
            {},
            {"negative": "formula"},
            {"negative": "exclude", "reimburse": False},
            {"loss": "equal"},
        ):
            for claim in (CLAIM, POOR):
                assert paid(RULES[name](**settings), claim) == paid(cost_aware(**settings), claim)


def test_a_policy_is_recorded_with_those_it_touched():
    (applied,) = cost_aware().divide(CLAIM).applied
    assert (applied.policy, applied.setting, applied.players) == ("negative", "clip", ("C",))
    assert [one.players for one in cost_aware(negative="formula").divide(POOR).applied] == [
        ("C",),
        ("A", "B"),
    ]


def test_costs_ignored_divides_the_revenue_by_value_alone():
    assert paid(costs_ignored()) == (75, 25, 0)
    assert paid(costs_ignored(negative="exclude")) == (75, 25, 0)
    assert paid(costs_ignored(negative="formula")) == (100, Fraction(100, 3), -Fraction(100, 3))


def test_the_baselines_do_not_look_at_values():
    assert paid(equal()) == (Fraction(100, 3),) * 3
    assert paid(by_size()) == (50, 30, 20)


@pytest.mark.parametrize("factory", [cost_aware, costs_ignored])
@pytest.mark.parametrize("negative", NEGATIVE)
def test_the_policy_is_noted_with_those_it_touched_and_only_them(factory, negative):
    (note,) = factory(negative=negative).divide(CLAIM).notes
    assert repr(negative) in note and note.endswith(": C (-1).")
    assert factory(negative=negative).divide(claims([1, 0], [1, 1], 5)).notes == ()


@pytest.mark.parametrize("factory", [cost_aware, costs_ignored])
@pytest.mark.parametrize(
    ("values", "negative", "sentence"),
    [
        (
            [-1, 0],
            "clip",
            r"> 0 under negative='clip', but they sum to 0; the highest is 0, of 'B'",
        ),
        ([-1, -2], "exclude", r"under negative='exclude', .* the highest is -1, of 'A'"),
        ([1, -1], "formula", r"they sum to 0; the lowest is -1, of 'B'"),
        ([1, -3], "formula", r"they sum to -2; the lowest is -3, of 'B'"),
    ],
)
def test_values_that_sum_to_nothing_are_refused_with_a_name(factory, values, negative, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        factory(negative=negative).divide(claims(values, [1, 1], 5, players=["A", "B"]))


def test_values_that_cancel_to_rounding_error_are_refused():
    values = [0.1, 0.2, -0.3]
    assert sum(map(Fraction, values)) > 0  # the floats nearest to them do not quite cancel
    with pytest.raises(InvalidInputError, match="no more than rounding error"):
        cost_aware(negative="formula").divide(claims(values, [1, 1, 1], 5))


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(InvalidInputError, match=r"negative='clp' .* did you mean 'clip'"):
        cost_aware(negative="clp")
    with pytest.raises(InvalidInputError, match=r"loss='equaly' .* did you mean 'equal'"):
        cost_aware(loss="equaly")
    with pytest.raises(InvalidInputError, match="loss='none'"):
        costs_only(loss="none")
    with pytest.raises(InvalidInputError, match="reimburse=False only with negative='exclude'"):
        cost_aware(reimburse=False)
    with pytest.raises(InvalidInputError, match="reimburse=1 to be True or False"):
        cost_aware(negative="exclude", reimburse=1)


def test_by_size_needs_sizes():
    with pytest.raises(InvalidInputError, match="sizes to be given"):
        by_size().divide(POOR)
    with pytest.raises(InvalidInputError, match="at least one example"):
        by_size().divide(claims([1, 1], [0, 0], 5, sizes=[0, 0]))
