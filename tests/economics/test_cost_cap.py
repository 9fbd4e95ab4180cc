"""Capped costs: a claim above what is implied changes no payment; who was capped is noted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.claims import claims
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.rules import cost_aware
from fedjax_shap.economics.settle import settle


@given(
    st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    st.integers(0, 3),
    st.integers(0, 500),
)
def test_claiming_more_than_is_implied_never_changes_a_payment(claimed, implied, player, more):
    claimed[player] = max(claimed[player], implied[player])
    raised = [cost + more * (i == player) for i, cost in enumerate(claimed)]
    for method in ("cap", "replace"):
        rule = cap_costs(cost_aware(), implied, method=method)
        before, after = (
            rule.divide(claims([3, 1, 2, 0], costs, 5000)).payments for costs in (claimed, raised)
        )
        assert before == after
    paid = cap_costs(cost_aware(), implied).divide(claims([3, 1, 2, 0], claimed, 5000))
    costs = list(map(min, claimed, implied))
    assert paid.payments == cost_aware().divide(claims([3, 1, 2, 0], costs, 5000)).payments
    assert sum(paid.payments) == 5000


def test_players_whose_costs_were_capped_are_noted_with_both_amounts():
    claim = claims([1, 1], ["120.00", "10"], 300, players=["A", "B"])
    (note,) = cap_costs(cost_aware(), {"B": "12.5", "A": "80"}).divide(claim).notes
    assert note == "Costs were capped at what devices and recorded work imply: A (120 to 80)."
    (note,) = cap_costs(cost_aware(), ["80", "12.5"], method="replace").divide(claim).notes
    assert note.endswith(
        "replaced by what devices and recorded work imply: A (120 to 80), B (10 to 12.5)."
    )
    assert cap_costs(cost_aware(), ["120", "10"]).divide(claim).notes == ()
    settled = settle(
        [1, 1],
        ["120.00", "10"],
        300,
        players=["A", "B"],
        rule=cap_costs(cost_aware(), ["80", "10"]),
    )
    assert [int(r) for r in settled.payments] == [
        185,
        115,
    ] and settled.policy == "clip; costs capped at those implied"


@pytest.mark.parametrize(
    ("implied", "method", "sentence"),
    [
        ([1, 2], "cape", "did you mean 'cap'"),
        ([1, -2], "cap", r"implied\[1\]=-2"),
        ([1], "cap", "lacks 'B'"),
        ([1, 2, 3], "cap", "hold 2 costs, got 3"),
        ({"A": 1}, "cap", "lacks 'B'"),
        (7, "cap", "implied to be a list"),
    ],
)
def test_implied_costs_that_do_not_fit_are_refused(implied, method, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        cap_costs(cost_aware(), implied, method=method).divide(
            claims([1, 1], [1, 1], 5, players=["A", "B"])
        )
