"""Whatever is claimed, payments balance and keep their promises, or the refusal is true."""

import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.policies import LOSS, NEGATIVE
from fedjax_shap.economics.rules import (
    RULES,
    banzhaf,
    by_size,
    cost_aware,
    costs_ignored,
    costs_only,
    equal,
    least_core,
    leave_one_out,
)
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement

UNITS = tuple(map(Decimal, ("0.01", "1", "0.001", "5")))
COST_AWARE = [cost_aware(negative=n, loss=loss) for n in NEGATIVE for loss in LOSS]
EVERY_RULE = [
    *COST_AWARE,
    *(cost_aware(negative="exclude", reimburse=False, loss=loss) for loss in LOSS),
    *(costs_ignored(negative=n) for n in NEGATIVE),
    *(costs_only(loss=loss) for loss in LOSS),
    *(equal(), by_size(), leave_one_out(), banzhaf(negative="formula"), least_core(loss="equal")),
]
rules = st.sampled_from(EVERY_RULE)
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1, 1),
    st.integers(-3, 3),
    st.just(0.0),
)  # any ratio at all, ordinary values, many ties


def test_every_rule_of_the_registry_is_among_those_tried():
    assert {rule.name for rule in EVERY_RULE} == set(RULES)


@st.composite
def federations(draw, positive=False, whole_costs=False):
    """(values, costs, revenue, sizes, minor unit) of 1 to 1,000 players, with a profit or a
    loss."""
    unit = draw(st.sampled_from(UNITS))
    players = (
        draw(st.integers(1, 12)) if draw(st.integers(0, 15)) else draw(st.sampled_from([100, 1000]))
    )
    if players <= 12:
        values = draw(st.lists(numbers, min_size=players, max_size=players))
        units = draw(st.lists(st.integers(0, 10**6), min_size=players, max_size=players))
    else:  # as awkward, but quickly drawn
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        values = (rng.normal(size=players) * 10.0 ** rng.integers(-20, 20, players)).tolist()
        values[::7] = rng.integers(-2, 3, len(values[::7])).tolist()
        units = rng.integers(0, 10**6, players).tolist()
    if positive:
        values = [abs(value) or 1 for value in values]
    finer = Decimal(1) if whole_costs else draw(st.sampled_from([Decimal(1), Decimal("0.001")]))
    costs = [unit * finer * count for count in units]
    around = int(sum(costs) / unit)
    revenue = unit * draw(
        st.one_of(st.integers(0, 100), st.integers(0, 10**14), st.integers(0, 2 * around + 1))
    )
    sizes = [max(units[0], 1), *units[1:]]
    return values, costs, revenue, sizes, unit


def settled_or_refused(federation, rule, **more):
    """The settlement, or None where the rule refuses and what its refusal says is so."""
    values, costs, revenue, sizes, unit = federation
    try:
        return settle(
            values, costs, revenue, rule=rule, **{"sizes": sizes, "minor_unit": unit, **more}
        )
    except InvalidInputError as error:
        said = str(error)
        below = [value for value in values if value < 0]
        exact = [Fraction(value) for value in values if rule.policy == "formula" or value >= 0]
        if "the sum of the costs" in said:
            assert rule.loss == "refuse" and sum(costs) > revenue
        elif "cover every cost" in said:
            assert (
                rule.loss == "refuse"
                and below
                and rule.policy in ("formula", "exclude, costs not reimbursed")
            )
            assert sum(costs) <= revenue
        else:
            assert "sum of values > 0" in said
            assert sum(exact) * 10**12 <= sum(map(abs, exact))
        return None


@given(federations(), rules)
@example(
    ([5e-324, 1.7e308, -1.7e308], [0, 0, 0], Decimal("0.01"), [1, 1, 1], UNITS[0]), costs_ignored()
)
@example(([1.0, -1e308, -1.7e308], [0, 0, 0], Decimal(0), [1, 1, 1], UNITS[0]), cost_aware())
def test_payments_are_whole_minor_units_and_sum_to_the_revenue(federation, rule):
    settled = settled_or_refused(federation, rule)
    if settled is None:
        return
    _, costs, revenue, _, unit = federation
    assert sum(map(Fraction, settled.payments)) == Fraction(revenue)
    assert all(Fraction(paid) % Fraction(unit) == 0 for paid in settled.payments)
    for profit, paid, cost in zip(settled.profits, settled.payments, costs):
        assert Fraction(profit) == Fraction(paid) - Fraction(cost)


@given(federations(), rules, st.fractions(Fraction(1, 10**9), 10**9))
def test_only_ratios_of_values_matter(federation, rule, factor):
    assume(factor > 0)
    scaled = [Fraction(value) * factor for value in federation[0]]
    assume(max(map(abs, scaled)) < 10**308)
    settled = settled_or_refused(federation, rule)
    again = settled_or_refused((scaled, *federation[1:]), rule)
    assert (settled and settled.payments) == (again and again.payments)


@settings(max_examples=60)
@given(federations(), rules, st.randoms(use_true_random=False))
def test_reordering_named_players_reorders_their_payments_and_nothing_else(
    federation, rule, random
):
    values, costs, revenue, sizes, unit = federation
    names = [f"company {i}" for i in range(len(values))]
    order = random.sample(range(len(values)), len(values))
    settled = settled_or_refused(federation, rule, players=names)
    values, costs, sizes, names = (
        [column[i] for i in order] for column in (values, costs, sizes, names)
    )
    again = settled_or_refused((values, costs, revenue, sizes, unit), rule, players=names)
    assert (settled is None) == (again is None)
    if settled is not None:
        assert again.payments == tuple(settled.payments[i] for i in order)


@given(federations(), rules, st.integers(0, 1000))
def test_players_of_equal_claims_are_at_most_one_minor_unit_apart(federation, rule, which):
    values, costs, revenue, sizes, unit = federation
    which %= len(values)
    doubled = [[*column, column[which]] for column in (values, costs, sizes)]
    settled = settled_or_refused((doubled[0], doubled[1], revenue, doubled[2], unit), rule)
    if settled is not None:
        assert abs(settled.payments[which] - settled.payments[-1]) <= unit


@given(federations(), st.sampled_from([None, "refuse"]))
def test_under_clip_nobody_makes_a_loss_when_the_revenue_covers_the_costs(federation, loss):
    values, costs, revenue, sizes, unit = federation
    revenue += unit * sum(int(cost / unit) + 1 for cost in costs)
    rule = cost_aware(loss=loss or "formula")
    settled = settled_or_refused((values, costs, revenue, sizes, unit), rule)
    assert settled is None or min(settled.profits) > -unit


@given(federations(whole_costs=True))
def test_under_clip_with_costs_in_whole_minor_units_no_profit_is_negative_at_all(federation):
    values, costs, revenue, sizes, unit = federation
    settled = settled_or_refused((values, costs, revenue + sum(costs), sizes, unit), cost_aware())
    if settled is not None:
        assert min(settled.profits) >= 0
        assert not any("loss" in note or "less" in note for note in settled.notes)


@given(
    federations(whole_costs=True),
    st.sampled_from([rule for rule in EVERY_RULE if rule.loss == "refuse"]),
)
def test_whoever_asks_that_nobody_makes_a_loss_gets_that_or_a_refusal(federation, rule):
    settled = settled_or_refused(federation, rule)
    assert settled is None or min(settled.profits) >= 0


@given(federations(positive=True))
def test_profits_stand_to_each_other_as_values_do_to_the_minor_unit(federation):
    values, costs, revenue, _, unit = federation
    settled = settle(values, costs, revenue, minor_unit=unit)
    exact = [(Fraction(p), Fraction(v)) for p, v in zip(settled.profits, values)]
    for p_i, phi_i in exact[:12]:
        for p_j, phi_j in exact[-12:]:
            assert abs(p_i * phi_j - p_j * phi_i) <= Fraction(unit) * (phi_i + phi_j)


@given(federations(), st.sampled_from([*COST_AWARE, *(costs_only(loss=loss) for loss in LOSS)]))
@example(([1.0, -1e308, -1.7e308], [1, 2, 3], Decimal(0), [1, 1, 1], UNITS[0]), cost_aware())
def test_a_federation_at_a_loss_says_who_bears_all_of_it_and_by_which_policy(federation, rule):
    settled = settled_or_refused(federation, rule)
    if settled is None:
        return
    loss = sum(map(Fraction, federation[1])) - Fraction(federation[2])
    sentence = [note for note in settled.notes if "runs at a loss" in note]
    used = [applied for applied in settled.applied if applied.policy == "loss"]
    assert len(sentence) == len(used) == (loss > 0)
    if sentence:
        assert used[0].setting == rule.loss and f", {used[0].outcome}, borne by: " in sentence[0]
        borne = sentence[0].partition("borne by")[2].partition("; in profit")[0]
        for name, profit in zip(settled.players, settled.profits):
            assert (f"{name} ({abs(profit):f})" in borne) == (profit < 0)


@given(federations(), st.sampled_from(["equal", "in_proportion_to_costs"]))
def test_a_loss_that_is_shared_without_values_needs_none(federation, loss):
    values, costs, _, _, unit = federation
    assume(sum(costs) > 0)
    revenue = int(sum(costs) / 2 / unit) * unit
    settled = settle(values, costs, revenue, rule=cost_aware(loss=loss), minor_unit=unit)
    share = Fraction(revenue) / sum(map(Fraction, costs))
    missing = (sum(map(Fraction, costs)) - Fraction(revenue)) / len(costs)
    for paid, cost in zip(settled.payments, map(Fraction, costs)):
        exact = cost - missing if loss == "equal" else cost * share
        assert abs(Fraction(paid) - exact) < Fraction(unit)


@pytest.mark.parametrize("players", [1, 2, 999, 1000])
def test_the_sum_is_exact_for_up_to_a_thousand_players(players):
    rng = np.random.default_rng(players)
    values = rng.normal(size=players) * 10.0 ** rng.integers(-12, 12, players)
    values[0] = abs(values[0])
    settled = settle(values, rng.uniform(0, 9, players), "12345.67", std_errors=np.ones(players))
    assert sum(map(Fraction, settled.payments)) == Fraction("12345.67")
    assert len(settled.std_errors) == players


@given(federations(), rules, st.booleans())
def test_json_keeps_every_amount_exactly_and_the_settlement_whole(federation, rule, with_errors):
    values, _, revenue, *_ = federation
    assume(max(map(abs, values)) < 1e150)  # squares of larger errors are no floats
    errors = [0.1 * abs(value) for value in values]
    settled = settled_or_refused(federation, rule, std_errors=errors if with_errors else None)
    if settled is None:
        return
    read = json.loads(json.dumps(settled.to_json(), allow_nan=False))
    for name in ("payments", "costs", "profits"):
        assert tuple(map(Decimal, read[name])) == getattr(settled, name)
        assert not any("E" in text for text in read[name])
    assert Decimal(read["revenue"]) == revenue and "E" not in read["revenue"]
    assert set(read) == set(vars(settled)) - {"permanent"}
    assert Settlement.from_json(read) == settled


@pytest.mark.parametrize("name", RULES)
def test_a_record_without_loss_and_kind_of_values_has_those_of_its_rule(name):
    settled = settle([3, 1], [1, 1], 5, rule=RULES[name](), sizes=[1, 1])
    record = settled.to_json()
    for key in ("loss", "of", "applied"):
        del record[key]
    assert Settlement.from_json(record) == settled


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"payments": ["1"]}, "payments to have 2 entries, one a player, got 1"),
        ({"payments": ["1", "x"]}, r"payments\['B'\]='x' to be an amount of money"),
        ({"revenue": "Infinity"}, "revenue='Infinity' to be an amount of money"),
        ({"values": [1, float("nan")]}, r"values\['B'\]=nan to be a finite number"),
        ({"std_errors": [1]}, "std_errors to have 2 entries"),
    ],
)
def test_a_record_of_no_settlement_is_refused_with_a_name(change, sentence):
    record = settle([3, 1], [1, 1], 5, players=["A", "B"], std_errors=[0.1, 0.1]).to_json()
    with pytest.raises(InvalidInputError, match=sentence):
        Settlement.from_json(record | change)
