"""Settlements: exact to the cent whatever is thrown at them, with their reasons, or a refusal in one sentence."""

import json
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.record import settle_record
from fedjax_shap.economics.rules import NEGATIVE, RULES, by_size, cost_aware, costs_ignored, equal
from fedjax_shap.economics.settle import settle

CENT = Decimal("0.01")


def cents(largest):
    return st.integers(0, largest).map(lambda c: Decimal(c).scaleb(-2))


values_ = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.floats(-1, 1), st.integers(-3, 3), st.just(0.0)
)  # any ratio at all, ordinary values, many ties
fine_costs = st.one_of(cents(10**6), st.floats(0, 1e6).map(lambda c: round(c, 5)))
revenues = st.one_of(cents(100), cents(10**7), cents(10**14))


@st.composite
def federations(draw, values=values_, costs=fine_costs, most=12):
    """Values with something above zero, costs, a revenue, and sizes."""
    players = draw(st.integers(1, most))
    held = draw(st.lists(values, min_size=players, max_size=players))
    assume(max(held) > 0)
    spent = draw(st.lists(costs, min_size=players, max_size=players))
    sizes = draw(st.lists(st.integers(0, 10**6), min_size=players, max_size=players))
    return held, spent, draw(revenues), [max(sizes[0], 1), *sizes[1:]]


def every_rule():
    yield from (cost_aware(negative=n) for n in NEGATIVE)
    yield cost_aware(negative="exclude", reimburse=False)
    yield from (costs_ignored(negative=n) for n in NEGATIVE)
    yield from (equal(), by_size())


def settle_if_it_can(*args, rule, **settings):
    """The settlement, or None where the values cancel under "formula", which is for that policy to refuse."""
    try:
        return settle(*args, rule=rule, **settings)
    except InvalidInputError:
        assert rule.policy == "formula"
        return None


@given(federations())
@example(([5e-324, 1.7e308, -1.7e308], [0, 0, 0], Decimal("0.01"), [1, 1, 1]))
def test_payments_are_whole_cents_and_sum_to_the_revenue(federation):
    values, costs, revenue, sizes = federation
    for rule in every_rule():
        settled = settle_if_it_can(values, costs, revenue, rule=rule, sizes=sizes)
        if settled is not None:
            assert sum(map(Fraction, settled.payments)) == Fraction(revenue)
            assert all(Fraction(r) * 100 % 1 == 0 for r in settled.payments)
            assert all(
                Fraction(p) == Fraction(r) - Fraction(str(c))
                for p, r, c in zip(settled.profits, settled.payments, costs)
            )


@pytest.mark.parametrize("players", [1, 2, 999, 1000])
def test_the_sum_is_exact_for_up_to_a_thousand_players(players):
    rng = np.random.default_rng(players)
    values = rng.normal(size=players) * 10.0 ** rng.integers(-12, 12, players)
    values[0] = abs(values[0])
    settled = settle(values, rng.uniform(0, 9, players), "12345.67", std_errors=np.ones(players))
    assert sum(map(Fraction, settled.payments)) == Fraction("12345.67")
    assert len(settled.std_errors) == players


@given(federations(), st.integers(-30, 30))
def test_only_ratios_of_values_matter(federation, power):
    values, costs, revenue, sizes = federation
    scaled = [Fraction(value) * Fraction(7) * Fraction(2) ** power for value in values]
    assume(max(map(abs, scaled)) < 10**308)
    for rule in every_rule():
        settled = settle_if_it_can(values, costs, revenue, rule=rule, sizes=sizes)
        again = settle_if_it_can(scaled, costs, revenue, rule=rule, sizes=sizes)
        assert (settled and settled.payments) == (again and again.payments)


@given(federations(), st.randoms(use_true_random=False))
def test_reordering_named_players_reorders_their_payments_and_nothing_else(federation, random):
    values, costs, revenue, sizes = federation
    names = [f"company {i}" for i in range(len(values))]
    order = random.sample(range(len(values)), len(values))
    moved = [[column[i] for i in order] for column in (values, costs, sizes, names)]
    for rule in every_rule():
        settled = settle_if_it_can(values, costs, revenue, rule=rule, sizes=sizes, players=names)
        if settled is not None:
            again = settle(moved[0], moved[1], revenue, rule=rule, sizes=moved[2], players=moved[3])
            assert again.payments == tuple(settled.payments[i] for i in order)


@given(federations())
def test_under_clip_nobody_makes_a_loss_when_the_revenue_covers_the_costs(federation):
    values, costs, revenue, _ = federation
    revenue += Decimal(sum(int(c) + 1 for c in costs))
    assert min(settle(values, costs, revenue).profits) > -CENT


@given(federations(costs=cents(10**6)))
def test_under_clip_with_costs_in_whole_cents_no_profit_is_negative_at_all(federation):
    values, costs, revenue, _ = federation
    settled = settle(values, costs, revenue + sum(costs))
    assert min(settled.profits) >= 0
    assert not any("loss" in note or "less" in note for note in settled.notes)


@given(federations(values=st.one_of(st.floats(1e-9, 1e9), st.integers(1, 5))))
def test_profits_stand_to_each_other_as_values_do_to_the_cent(federation):
    values, costs, revenue, _ = federation
    settled = settle(values, costs, revenue)
    exact = [(Fraction(p), Fraction(v)) for p, v in zip(settled.profits, values)]
    for p_i, phi_i in exact:
        for p_j, phi_j in exact:
            assert abs(p_i * phi_j - p_j * phi_i) < Fraction(CENT) * (phi_i + phi_j)


@given(federations())
@example(([1.0, -1e308, -1.7e308], [0, 0, 0], Decimal(0), [1, 1, 1]))
def test_a_federation_at_a_loss_says_who_bears_all_of_it(federation):
    values, costs, revenue, sizes = federation
    loss = sum(Fraction(str(c)) for c in costs) - Fraction(revenue)
    for rule in every_rule():
        settled = settle_if_it_can(values, costs, revenue, rule=rule, sizes=sizes)
        if settled is None:
            continue
        told = [note for note in settled.notes if "runs at a loss" in note]
        assert len(told) == (loss > 0)
        for name, profit in zip(settled.players, settled.profits):
            if told:
                borne = told[0].partition("borne by")[2].partition("; in profit")[0]
                assert (f"{name} ({abs(profit):f})" in borne) == (profit < 0)


def test_the_revenue_is_paid_as_the_formula_says():
    settled = settle([3, 1], [10, 20], 100, players=["A", "B"])
    assert settled.payments == (Decimal("62.50"), Decimal("37.50"))
    assert settled.profits == (Decimal("52.50"), Decimal("17.50"))
    assert (settled.rule, settled.policy, settled.shares, settled.notes) == ("cost_aware", "clip", (0.75, 0.25), ())


def test_left_over_cents_go_to_the_largest_remainders():
    # 10.00 by 7 : 2 : 2 is 6.3636.., 1.8181.., 1.8181..: two cents to the two largest remainders.
    settled = settle([7, 2, 2], [0, 0, 0], 10)
    assert settled.payments == (Decimal("6.36"), Decimal("1.82"), Decimal("1.82"))


def test_equals_differ_by_one_cent_at_most_and_the_first_by_name_has_it():
    settled = settle([1, 1, 1], [0, 0, 0], "0.02", players=["C", "A", "B"])
    assert settled.payments == (Decimal("0.00"), Decimal("0.01"), Decimal("0.01"))


def test_a_negative_payment_rounds_like_any_other_and_is_noted():
    # Values 3, -1: 1.00 by 3/2 and -1/2. With 0.01: 0.015 and -0.005, floored to 0.01 and -0.01, one cent left over.
    settled = settle([3, -1], [0, 0], "0.01", rule=costs_ignored(negative="formula"), players=["A", "B"])
    assert settled.payments == (Decimal("0.02"), Decimal("-0.01"))
    assert settled.notes[-1] == "Payments below zero, owed to the federation: B (-0.01)."


def test_a_loss_is_told_with_its_size_and_its_bearers():
    settled = settle([3, 1, 0], [10, 20, 5], 27, players=["A", "B", "C"])
    assert settled.payments == (Decimal("4.00"), Decimal("18.00"), Decimal("5.00"))
    assert settled.notes == ("The federation runs at a loss of 8.00, borne by: A (6.00), B (2.00).",)


def test_an_excluded_player_that_bears_its_cost_is_named():
    rule = cost_aware(negative="exclude", reimburse=False)
    settled = settle([3, -1], [10, 6], 100, players=["A", "B"], rule=rule)
    assert settled.payments == (Decimal(100), Decimal(0))
    assert settled.policy == "exclude, costs not reimbursed"
    assert settled.notes[0].endswith("bear their costs themselves: B (-1).")
    assert settled.notes[1].endswith("paid less than theirs, by: B (6.00).")


def test_a_cost_finer_than_a_cent_is_kept_and_rounding_is_not_told_as_a_loss():
    settled = settle([1, 0], ["1.001", "1.004"], 3, players=["A", "B"])
    assert settled.costs == (Decimal("1.001"), Decimal("1.004"))
    assert settled.payments == (Decimal("2.00"), Decimal("1.00"))
    assert settled.profits == (Decimal("0.999"), Decimal("-0.004"))
    assert settled.notes == ()


def test_the_minor_unit_can_be_any_amount():
    assert settle([1, 1, 1], [0, 0, 0], 100, minor_unit=1).payments == (34, 33, 33)
    assert settle([2, 1], [0, 0], "1.00", minor_unit="0.05").payments == (Decimal("0.65"), Decimal("0.35"))
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
    """The payments in floats, a plain reading of the formula that knows nothing of the package's arithmetic."""
    weights = values if rule.policy == "formula" else np.maximum(values, 0)
    spent = costs if rule.name == "cost_aware" else np.zeros_like(costs)
    return spent + weights / weights.sum(axis=-1, keepdims=True) * (revenue - spent.sum())


@pytest.mark.parametrize("factory", [cost_aware, costs_ignored])
@pytest.mark.parametrize("negative", ["clip", "formula"])
@pytest.mark.parametrize("revenue", [1000, 5])  # a profit, a loss
def test_standard_errors_follow_from_the_jacobian(factory, negative, revenue):
    rule, values, costs = factory(negative=negative), np.array([3.0, 1.0, -0.5, 2.0]), np.array([5.0, 9.0, 1.0, 0.0])
    errors, step = np.array([0.3, 0.1, 0.2, 0.0]), 1e-6
    forward, back = (relative(rule, values + s * step * np.eye(4), costs, revenue) for s in (1, -1))
    jacobian = (forward - back).T / (2 * step)
    expected = np.sqrt((jacobian**2) @ errors**2)
    settled = settle(values, costs, revenue, rule=rule, std_errors=errors)
    np.testing.assert_allclose(settled.std_errors, expected, rtol=1e-6, atol=1e-9)


def test_standard_errors_are_those_of_repeated_draws():
    values, errors, costs = np.array([3.0, 1.0, 2.0]), np.array([0.03, 0.02, 0.01]), np.array([5.0, 9.0, 1.0])
    draws = np.random.default_rng(0).normal(values, errors, (40_000, 3))
    spread = relative(cost_aware(), draws, costs, 100.0).std(axis=0)
    settled = settle(values, costs, 100, std_errors=errors)
    np.testing.assert_allclose(settled.std_errors, spread, rtol=5 / np.sqrt(2 * 40_000) + 1e-3)


def test_where_values_play_no_part_payments_have_no_error():
    assert settle([1, 2], [1, 1], 5, std_errors=[0.1, 0.2], rule=equal()).std_errors == (0, 0)
    assert settle([1], [1], 5, std_errors=[0.1]).std_errors == (0,)


def test_unknown_standard_errors_are_said_to_be_unknown():
    settled = settle([1, 2], [1, 1], 5, players=["A", "B"], std_errors=[0.1, np.nan])
    assert settled.std_errors is None
    assert settled.notes == ("Payments have no standard errors, as those of these values are unknown: B.",)


@given(federations())
def test_json_keeps_every_amount_exactly(federation):
    values, costs, revenue, _ = federation
    settled = settle(values, costs, revenue, std_errors=[0.1 * abs(value) for value in values])
    read = json.loads(json.dumps(settled.to_json(), allow_nan=False))
    assert tuple(map(Decimal, read["payments"])) == settled.payments
    assert tuple(map(Decimal, read["costs"])) == settled.costs
    assert tuple(map(Decimal, read["profits"])) == settled.profits
    assert Decimal(read["revenue"]) == revenue
    assert read["players"] == list(settled.players)
    assert set(read) == set(vars(settled))
    assert not any("E" in amount for amount in [*read["payments"], *read["costs"], *read["profits"], read["revenue"]])


TWO = {"values": [1, 2], "costs": [1, 1], "revenue": 5, "players": ["A", "B"]}


@pytest.mark.parametrize(
    ("change", "told"),
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
        ({"values": {"A": 1, "B": 2}}, "values to be a list"),
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
    ],
)
def test_bad_input_is_refused_in_one_sentence_with_a_name(change, told):
    with pytest.raises(InvalidInputError, match=told) as refused:
        settle(**{**TWO, **change})
    assert str(refused.value).count("Expected") == 1 and "\n" not in str(refused.value)


def test_a_record_by_name_and_one_by_list_settle_alike():
    by_name = {"values": {"A": 3, "B": 1}, "costs": {"B": "20", "A": 10.5}, "revenue": Decimal(100)}
    by_list = {"values": [3, 1], "costs": [10.5, "20"], "revenue": 100, "players": ["A", "B"]}
    assert settle_record(by_name) == settle_record(by_list) == settle([3, 1], ["10.5", 20], 100, players=["A", "B"])
    assert settle_record({**by_name, "players": ["B", "A"]}).players == ("B", "A")


def test_a_record_names_its_rule_and_the_rules_settings():
    record = {"values": [3, -1], "costs": [10, 6], "revenue": 100, "std_errors": None}
    assert settle_record(record) == settle([3, -1], [10, 6], 100)
    excluding = {"negative": "exclude", "reimburse": False}
    assert settle_record({**record, **excluding}) == settle([3, -1], [10, 6], 100, rule=cost_aware(**excluding))
    sized = settle_record({**record, "rule": "by_size", "sizes": [3, 1], "minor_unit": 1})
    assert sized.payments == (75, 25)


@pytest.mark.parametrize("name", RULES)
def test_a_settlement_can_be_settled_again_from_its_own_json(name):
    first = settle_record({**TWO, "rule": name, "sizes": [1, 3], "std_errors": [0.1, 0.2]})
    kept = ("values", "costs", "revenue", "players", "minor_unit", "rule")
    read = {key: value for key, value in first.to_json().items() if key in kept}
    assert settle_record({**read, "sizes": [1, 3], "std_errors": [0.1, 0.2]}) == first


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"revenu": 3}, "key='revenu' .* did you mean 'revenue'"),
        ({"rule": "cost_awar"}, "rule='cost_awar' .* did you mean 'cost_aware'"),
        ({"rule": ["equal"]}, "rule=.* to be a known name"),
        ({"rule": "equal", "negative": "clip"}, "no negative='clip' with rule 'equal', which has no settings"),
        (
            {"rule": "costs_ignored", "reimburse": True},
            "no reimburse=True with rule 'costs_ignored', which has negative",
        ),
        ({"negative": "clp"}, "did you mean 'clip'"),
        ({"revenue": None}, "to have the key 'revenue', got costs, players, values"),
        ({"revenue": "abc"}, "revenue='abc' to be an amount"),
        ({"values": ["1", 2]}, r"values\['A'\]='1' to be a finite number"),
        ({"values": {"A": 1, "B": 2}}, "costs to be an object by player name"),
        ({"costs": {"A": 1, "B": 2}}, "costs to be a list, as values is"),
        ({"values": {"A": 1, "B": 2}, "costs": {"A": 1, "C": 2}}, "costs to name every player, but it lacks 'B'"),
        ({"values": {"A": 1, "B": 2}, "costs": {"A": 1, "B": 2, "C": 2}}, "only the players, got 'C' as well"),
        ({"values": {"A": 1}, "costs": {"A": 1}}, "values to name every player, but it lacks 'B'"),
        ({"players": ["A", 2]}, r"players\[1\]=2 to be a name"),
        ({"players": ["A", ["B"]], "values": {"A": 1}}, "players=.* to be a list of names"),
    ],
)
def test_a_bad_record_is_refused_in_one_sentence(change, told):
    with pytest.raises(InvalidInputError, match=told):
        settle_record({**TWO, **change})


@pytest.mark.parametrize("record", [None, [], 3, "values"])
def test_what_is_no_record_is_refused(record):
    with pytest.raises(InvalidInputError, match="the record to be a JSON object"):
        settle_record(record)
