"""Settle: exact to the cent for any input, with reasons, or refused in one sentence."""

from decimal import Decimal
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.rules import cost_aware, costs_ignored, costs_only, equal
from fedjax_shap.economics.settle import settle

CENT = Decimal("0.01")


def test_the_revenue_is_paid_as_the_formula_says():
    settled = settle([3, 1], [10, 20], 100, players=["A", "B"])
    assert settled.payments == (Decimal("62.50"), Decimal("37.50"))
    assert settled.profits == (Decimal("52.50"), Decimal("17.50"))
    assert (settled.rule, settled.policy, settled.shares, settled.notes) == (
        "cost_aware",
        "clip",
        (0.75, 0.25),
        (),
    )


def test_left_over_cents_go_to_the_largest_remainders():
    # 10.00 by 7 : 2 : 2 is 6.3636.., 1.8181.., 1.8181..: two cents to the two largest remainders.
    settled = settle([7, 2, 2], [0, 0, 0], 10)
    assert settled.payments == (Decimal("6.36"), Decimal("1.82"), Decimal("1.82"))


# Each case leaves one unit over between two equal remainders of half a unit. "Z" wins by the level
# that is tried, and would lose by each of the levels after it that can differ.
TIES = {
    # A loss of 0.06: Z is paid 10.00 - 0.015, A 10.01 - 0.045, with the smaller value and cost.
    "payment": ([1, 3], ["10.00", "10.01"], "19.95", cost_aware(), ("9.99", "9.96")),
    # A profit of 0.02: both are owed 10.015, Z with the larger value and the smaller cost.
    "value": ([3, 1], ["10.00", "10.01"], "20.03", cost_aware(), ("10.02", "10.01")),
    # Both are owed 0.005 for the same value, Z at the larger cost.
    "cost": ([1, 1], [2, 1], "0.01", costs_ignored(), ("0.01", "0.00")),
}


@pytest.mark.parametrize("level", TIES)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["Z first", "A first"])
def test_equal_remainders_go_by_payment_then_value_then_cost(level, order):
    values, costs, revenue, rule, payments = TIES[level]
    settled = settle(
        [values[i] for i in order],
        [costs[i] for i in order],
        revenue,
        rule=rule,
        players=["ZA"[i] for i in order],
    )
    assert settled.payments == tuple(Decimal(payments[i]) for i in order)


def test_players_of_equal_claims_differ_by_one_cent_at_most_and_the_first_by_name_has_it():
    settled = settle([1, 1, 1], [0, 0, 0], "0.02", players=["C", "A", "B"])
    assert settled.payments == (Decimal("0.00"), Decimal("0.01"), Decimal("0.01"))


def test_a_negative_payment_rounds_like_any_other_and_is_noted():
    # Values 3, -1: 1.00 by 3/2 and -1/2. With 0.01: 0.015 and -0.005, floored to 0.01 and -0.01,
    # one cent left over.
    settled = settle(
        [3, -1], [0, 0], "0.01", rule=costs_ignored(negative="formula"), players=["A", "B"]
    )
    assert settled.payments == (Decimal("0.02"), Decimal("-0.01"))
    assert settled.notes[-1] == "Payments below zero, owed to the federation: B (-0.01)."


def test_a_loss_is_noted_with_its_size_and_its_bearers():
    settled = settle([3, 1, 0], [10, 20, 5], 27, players=["A", "B", "C"])
    assert settled.payments == (Decimal("4.00"), Decimal("18.00"), Decimal("5.00"))
    assert settled.notes == (
        "The federation runs at a loss of 8.00, shared in proportion to value, borne by: A (6.00), "
        "B (2.00).",
    )
    assert settled.loss == "formula" and [(one.policy, one.players) for one in settled.applied] == [
        ("loss", ("A", "B"))
    ]


@pytest.mark.parametrize(
    ("rule", "payments", "bearers", "outcome"),
    [
        (
            cost_aware(loss="equal"),
            ("7.33", "17.34", "2.33"),
            "A (2.67), B (2.66), C (2.67)",
            "shared equally",
        ),
        (
            cost_aware(loss="in_proportion_to_costs"),
            ("7.71", "15.43", "3.86"),
            "A (2.29), B (4.57), C (1.14)",
            "shared in proportion to costs",
        ),
        (costs_only(), ("7.33", "17.34", "2.33"), "A (2.67), B (2.66), C (2.67)", "shared equally"),
        (
            equal(),
            ("9.00", "9.00", "9.00"),
            "A (1.00), B (11.00); in profit all the same: C (4.00)",
            None,
        ),
    ],
    ids=["equal losses", "by costs", "costs only", "a rule that shares no loss"],
)
def test_a_loss_is_borne_as_the_policy_says_and_the_settlement_says_so(
    rule, payments, bearers, outcome
):
    settled = settle([3, 1, -1], [10, 20, 5], 27, players=["A", "B", "C"], rule=rule)
    assert settled.payments == tuple(map(Decimal, payments))
    shared = f", {outcome}" if outcome else ""
    assert settled.notes == (
        f"The federation runs at a loss of 8.00{shared}, borne by: {bearers}.",
    )
    assert [one.outcome for one in settled.applied] == ([outcome] if outcome else [])


def test_a_settlement_says_which_policy_was_used_and_on_whom():
    settled = settle([3, -1], [10, 6], 15, players=["A", "B"])
    assert (settled.of, settled.policy, settled.loss) == ("shapley", "clip", "formula")
    assert [(one.policy, one.setting, one.players) for one in settled.applied] == [
        ("negative", "clip", ("B",)),
        ("loss", "formula", ("A",)),
    ]
    assert settled.to_json()["applied"][0]["players"] == ["B"]
    assert settle([3, 1], [10, 6], 16).applied == ()


def test_an_excluded_player_that_bears_its_cost_is_named():
    rule = cost_aware(negative="exclude", reimburse=False)
    settled = settle([3, -1], [10, 6], 100, players=["A", "B"], rule=rule)
    assert settled.payments == (Decimal(100), Decimal(0))
    assert settled.policy == "exclude, costs not reimbursed"
    assert settled.notes[0].endswith("bear their costs themselves: B (-1).")
    assert settled.notes[1].endswith("paid less than theirs, by: B (6.00).")


def test_a_cost_finer_than_a_cent_is_kept_and_rounding_is_not_noted_as_a_loss():
    settled = settle([1, 0], ["1.001", "1.004"], 3, players=["A", "B"])
    assert settled.costs == (Decimal("1.001"), Decimal("1.004"))
    assert settled.payments == (Decimal("2.00"), Decimal("1.00"))
    assert settled.profits == (Decimal("0.999"), Decimal("-0.004"))
    assert settled.notes == ()


def test_the_minor_unit_can_be_any_amount():
    assert settle([1, 1, 1], [0, 0, 0], 100, minor_unit=1).payments == (34, 33, 33)
    assert settle([2, 1], [0, 0], "1.00", minor_unit="0.05").payments == (
        Decimal("0.65"),
        Decimal("0.35"),
    )
    with pytest.raises(InvalidInputError, match=r"whole number of minor units of 0\.05"):
        settle([2, 1], [0, 0], "1.01", minor_unit="0.05")


def test_floats_are_taken_as_they_are_written():
    assert settle([1, 1], [0.1, np.float32(0.2)], 0.3).costs == (Decimal("0.1"), Decimal("0.2"))
    assert settle([1], [0], 1e-2).payments == (CENT,)
    assert settle([1], jnp.array([0.1]), Decimal("0.10")).profits == (0,)


def test_an_attribution_brings_its_values_and_standard_errors():
    found = SimpleNamespace(values=jnp.array([3.0, 1.0]), std_errors=jnp.array([0.5, 0.25]))
    settled = settle(found, [10, 20], 100)
    assert settled == settle([3, 1], [10, 20], 100, std_errors=[0.5, 0.25])
    assert settled.std_errors is not None
    assert settle(found, [10, 20], 100, std_errors=[0, 0]).std_errors == (0, 0)


def relative(rule, values, costs, revenue):
    """The payments in floats, a plain reading of the formula that knows nothing of the package's
    arithmetic."""
    weights = values if rule.policy == "formula" else np.maximum(values, 0)
    spent = costs if rule.name == "cost_aware" else np.zeros_like(costs)
    return spent + weights / weights.sum(axis=-1, keepdims=True) * (revenue - spent.sum())


@pytest.mark.parametrize("factory", [cost_aware, costs_ignored])
@pytest.mark.parametrize("negative", ["clip", "formula"])
@pytest.mark.parametrize("revenue", [1000, 5])  # a profit, a loss
def test_standard_errors_follow_from_the_jacobian(factory, negative, revenue):
    rule = factory(negative=negative)
    values = np.array([3.0, 1.0, -0.5, 2.0])
    costs = np.array([5.0, 9.0, 1.0, 0.0])
    errors = np.array([0.3, 0.1, 0.2, 0.0])
    step = 1e-6
    forward, back = (relative(rule, values + s * step * np.eye(4), costs, revenue) for s in (1, -1))
    jacobian = (forward - back).T / (2 * step)
    expected = np.sqrt((jacobian**2) @ errors**2)
    settled = settle(values, costs, revenue, rule=rule, std_errors=errors)
    np.testing.assert_allclose(settled.std_errors, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("negative", ["clip", "formula", "exclude"])
def test_a_value_of_exactly_zero_counts_with_its_standard_error(negative):
    rule = cost_aware(negative=negative)
    settled = settle([3, 1, 0], [5, 9, 1], 115, rule=rule, std_errors=[0, 0, 0.2])
    # Of a profit of 100, d r_i / d phi_3 = -100 w_i / 4, and 100 / 4 for the third itself.
    np.testing.assert_allclose(settled.std_errors, [25 * 0.75 * 0.2, 25 * 0.25 * 0.2, 25 * 0.2])


def test_standard_errors_are_those_of_repeated_draws():
    values = np.array([3.0, 1.0, 2.0])
    errors = np.array([0.03, 0.02, 0.01])
    costs = np.array([5.0, 9.0, 1.0])
    draws = np.random.default_rng(0).normal(values, errors, (40_000, 3))
    spread = relative(cost_aware(), draws, costs, 100.0).std(axis=0)
    settled = settle(values, costs, 100, std_errors=errors)
    np.testing.assert_allclose(settled.std_errors, spread, rtol=5 / np.sqrt(2 * 40_000) + 1e-3)


def test_errors_that_sum_to_zero_leave_the_sum_of_values_certain():
    # Draws of an efficient estimator: whatever noise there is, it is taken from the others.
    values = np.array([3.0, 1.0, 2.0])
    costs = np.array([5.0, 9.0, 1.0])
    noise = np.random.default_rng(0).normal(0, 0.3, (40_000, 3))
    draws = values + noise - noise.mean(axis=1, keepdims=True)
    spread = relative(cost_aware(), draws, costs, 100.0).std(axis=0)
    settled = settle(values, costs, 100, std_errors=draws.std(axis=0), efficient=True)
    np.testing.assert_allclose(settled.std_errors, spread, rtol=5 / np.sqrt(2 * 40_000) + 1e-3)
    independent = settle(values, costs, 100, std_errors=draws.std(axis=0)).std_errors
    assert independent[1] < 0.98 * settled.std_errors[1]


def test_what_is_clipped_leaves_the_sum_of_efficient_values_as_uncertain_as_it_is():
    # The sum of what counts is V(N) less the value of the third: (w_i s_3)^2 is added, and nothing
    # of the first two.
    settled = settle([3, 1, -2], [0, 0, 0], 100, std_errors=[0.3, 0.1, 0.2], efficient=True)
    scale = 100 / 4
    expected = [scale * np.hypot(0.3, 0.75 * 0.2), scale * np.hypot(0.1, 0.25 * 0.2), 0]
    np.testing.assert_allclose(settled.std_errors, expected)


def test_where_values_play_no_part_payments_have_no_error():
    assert settle([1, 2], [1, 1], 5, std_errors=[0.1, 0.2], rule=equal()).std_errors == (0, 0)
    assert settle([1], [1], 5, std_errors=[0.1]).std_errors == (0,)


def test_unknown_standard_errors_are_said_to_be_unknown():
    settled = settle([1, 2], [1, 1], 5, players=["A", "B"], std_errors=[0.1, np.nan])
    assert settled.std_errors is None
    assert settled.notes == (
        "Payments have no standard errors, as those of these values are unknown: B.",
    )


TWO = {"values": [1, 2], "costs": [1, 1], "revenue": 5, "players": ["A", "B"]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"values": [1, float("nan")]}, r"values\['B'\]=nan to be a finite number"),
        ({"values": [1, float("inf")]}, r"values\['B'\]=inf "),
        ({"values": [1, "2"]}, r"values\['B'\]='2' to be a finite number"),
        ({"values": [True, 2]}, r"values\['A'\]=True "),
        ({"values": [1, Decimal("sNaN")]}, r"values\['B'\]=sNaN "),
        ({"values": [1, 10**400]}, r"values\['B'\]=an integer of 1329 bits "),
        ({"values": np.ones((2, 3))}, r"values\['A'\]=array"),
        ({"values": []}, "at least one player, got none"),
        ({"values": 3}, "values to be a list"),
        ({"values": {"A": 1, "Z": 2}}, "values to name each of the players 'A', 'B', got 'A', 'Z'"),
        ({"costs": {"A": 1}}, "costs to name each of the players 'A', 'B', got 'A'"),
        ({"values": [1, 2, 3]}, "players to have 3 entries, one a player, got 2"),
        ({"costs": [1]}, "costs to have 2 entries, one a player, got 1"),
        ({"costs": [1, -1]}, r"costs\['B'\]=-1 to be an amount of money >= 0"),
        ({"costs": [1, None]}, r"costs\['B'\]=None "),
        ({"costs": [1, "1e-31"]}, r"costs\['B'\]='1e-31' to have at most 30 digits"),
        ({"revenue": "abc"}, "revenue='abc' to be an amount"),
        ({"revenue": -5}, "revenue=-5 to be an amount of money >= 0"),
        ({"revenue": float("inf")}, "revenue=inf "),
        ({"revenue": "1_000"}, "revenue='1_000' "),
        ({"revenue": 10**5000}, "revenue=an integer of 16610 bits"),
        ({"revenue": 5.001}, "revenue=5.001 to be a whole number of minor units of 0.01"),
        ({"minor_unit": 0}, "minor_unit=0 to be > 0"),
        ({"players": ["A", "A"]}, "players to differ from each other, got 'A' more than once"),
        ({"players": ["A", " "]}, r"players\[1\]=' ' to be a name"),
        ({"players": "AB"}, "players to be a list"),
        ({"std_errors": [0.1]}, "std_errors to have 2 entries"),
        ({"std_errors": [0.1, -0.1]}, r"std_errors\['B'\]=-0.1 to be >= 0"),
        ({"sizes": [1, 2.5]}, r"sizes\['B'\]=2.5 to be a whole number >= 0"),
        ({"rule": "equal"}, "rule='equal' to be a Rule"),
        ({"efficient": 1}, "efficient=1 to be True or False"),
        (
            {"revenue": 1, "rule": cost_aware(loss="refuse")},
            r"revenue=1 to be at least 2, the sum of the costs, .* with 1 less no payments can "
            r"cover every cost",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence_with_a_name(change, sentence):
    with pytest.raises(InvalidInputError, match=sentence) as refused:
        settle(**{**TWO, **change})
    assert str(refused.value).count("Expected") == 1 and "\n" not in str(refused.value)
