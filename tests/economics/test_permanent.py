"""A member that is in every coalition is paid beside the players: its cost first, what its rule
lets it keep, and what rounding leaves; all payments sum to the revenue."""

from decimal import Decimal
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.economics.intervals import indistinguishable, payment_intervals
from fedjax_shap.economics.permanent import permanent_from
from fedjax_shap.economics.record import settle_record
from fedjax_shap.economics.rules import cost_aware
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.shapley.estimator import Attribution

VALUES = [0.3, 0.1, 0.2]
COSTS = ["10", "5.005", "1"]
BIG = {"name": "guest", "cost": 800}


def attribution(permanent=""):
    values = np.array(VALUES)
    worth = np.zeros(()), np.array(values.sum())
    return Attribution(values, values / 10, *worth, 8, "done", permanent=permanent)


def beside(revenue=1000, values=VALUES, costs=COSTS, **claim):
    permanent = permanent_from({"name": "bank", **claim})
    return settle(values, costs, revenue, permanent=permanent, players=["a", "b", "c"])


def together(settled):
    return sum(settled.payments) + settled.permanent.payment


@pytest.mark.parametrize(
    ("claim", "kept"),
    [
        ({"cost": "20.003", "alone": 150}, 150),
        ({"cost": "20.003", "keeps": "share", "share": 0.25}, None),
        ({}, 0),
    ],
)
def test_players_divide_what_is_left_and_nothing_is_lost(claim, kept):
    settled = beside(**claim)
    cost = Fraction(claim.get("cost", "0"))
    if kept is None:
        kept = (1000 - cost - Fraction("16.005")) / 4
    left = 1000 - cost - kept
    assert together(settled) == 1000 and settled.permanent.revenue == 1000
    assert 0 <= left - Fraction(settled.revenue) < Fraction("0.01")
    assert settled.permanent.profit == settled.permanent.payment - Decimal(claim.get("cost", "0"))
    # the players are paid as if the rest were the revenue
    alone = settle(VALUES, COSTS, settled.revenue, players=["a", "b", "c"])
    assert settled.payments == alone.payments and settled.shares == alone.shares
    assert "bank" in settled.notes[0] and str(settled.revenue) in settled.notes[0]


def test_a_veto_player_keeps_its_shapley_value_of_the_larger_game():
    """Against the mean over all joining orders of the game of players and bank."""
    rng = np.random.default_rng(0)
    worth = {frozenset(): 0.6}
    for size, names in enumerate(["a", "b", "c", "ab", "ac", "bc", "abc"]):
        worth[frozenset(names)] = 0.6 + 0.05 * len(names) + 0.01 * rng.random() + 0 * size
    chance = 0.5
    found = 0.0
    orders = list(permutations("abcL"))
    for order in orders:
        before = frozenset(order[: order.index("L")])
        found += (worth[before] - chance) / len(orders)
    means = [np.mean([v for s, v in worth.items() if len(s) == size]) for size in range(4)]
    settled = beside(keeps="veto", chance=chance, means=means, cost=20)
    profit = 1000 - 20 - 16.005
    due = 20 + profit * found / (worth[frozenset("abc")] - chance)
    assert float(settled.permanent.payment) == pytest.approx(due, abs=0.011)
    assert together(settled) == 1000


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ({"keeps": "rests"}, "did you mean 'rest'"),
        ({"share": 0.2}, "permanent key='share' to be a setting of permanent.keeps='rest'"),
        ({"keeps": "share"}, "permanent.share to be given"),
        ({"keeps": "share", "share": 1.5}, r"lie in \[0, 1\]"),
        ({"cost": -1}, "permanent.cost"),
        ({"cost": 1000.01}, "to cover the cost of 'bank', 1000.01"),
        ({"name": "a"}, "to be none of the players"),
        ({"name": " "}, "permanent.name"),
        ({"keeps": "veto", "chance": 0.9, "means": [0.5, 0.6]}, "chance=0.9 to be below"),
        ({"keeps": "veto", "chance": float("nan"), "means": [0, 1]}, "chance"),
        ({"keeps": "veto", "chance": 0.5, "means": 3}, "means=3 to be the mean utility"),
        ({"keeps": "veto", "chance": 0.5, "means": "ab"}, "means"),
        ({"keeps": "veto", "chance": 0.5}, "permanent.means to be given"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(claim, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        beside(**claim)


@pytest.mark.parametrize("loss", ["formula", "refuse"])
@pytest.mark.parametrize("cost", ["11", "11.004"])
def test_what_it_would_earn_alone_leaves_the_costs_of_the_players_covered(cost, loss):
    """Whatever the rule does with a loss, and where costs are finer than the minor unit."""
    claim = {"name": "bank", "cost": cost, "alone": "980.50"}
    rule = cost_aware(loss=loss)
    settled = settle(VALUES, COSTS, 1000, rule=rule, permanent=claim, players=["a", "b", "c"])
    assert together(settled) == 1000 and settled.revenue == Decimal("16.01")
    assert all(-profit < Decimal("0.01") for profit in settled.profits)
    kept = 1000 - Fraction(cost) - Fraction("16.005")
    assert 0 <= kept - Fraction(settled.permanent.profit) < Fraction("0.01")
    assert "alone, of which all costs leave it 972.99" in settled.notes[0]
    assert "less above costs than it would alone" in settled.notes[1]


def test_where_costs_exceed_the_revenue_it_keeps_nothing_of_what_it_would_earn_alone():
    settled = beside(revenue=30, cost=20, alone=25)
    assert settled.permanent.payment == 20 and settled.revenue == 10
    assert "all costs leave it 0" in settled.notes[0]
    with pytest.raises(InvalidInputError) as refusal:
        settle(VALUES, [400, 100, 0], 1000, rule=cost_aware(loss="refuse"), permanent=BIG)
    said = str(refusal.value)
    assert "revenue=200 to be at least 500" in said.replace(".00", "")
    assert said.endswith("revenue=1000.00 was given, of which 'guest' is paid 800.00 first.")


def test_values_beside_a_member_without_a_claim_are_settled_with_a_warning():
    found = attribution(permanent="bank")
    with pytest.warns(InputWarning, match="beside 'bank'.* no part of the revenue is set aside"):
        settled = settle(found, COSTS, 1000)
    assert settled.payments == settle(VALUES, COSTS, 1000).payments
    assert "beside 'bank'" in settled.notes[0] and settled.permanent is None
    with pytest.warns(InputWarning, match="beside 'bank'"):
        payment_intervals(found, COSTS, 1000)
    with pytest.raises(InvalidInputError, match="name='shop' to be 'bank'"):
        settle(found, COSTS, 1000, permanent={"name": "shop"})
    with pytest.raises(InvalidInputError, match="permanent='bank' to be a table"):
        settle(found, COSTS, 1000, permanent="bank")


def test_a_claim_goes_by_the_name_of_the_values_and_without_a_warning(recwarn):
    found = attribution(permanent="bank")
    claim = {"cost": "20.003", "alone": 150}
    settled = settle(found, COSTS, 1000, permanent=claim, players=["a", "b", "c"])
    assert settled.payments == beside(**claim).payments and settled.permanent.name == "bank"
    named = payment_intervals(found, COSTS, 1000, permanent=claim)
    plain = payment_intervals(attribution(), COSTS, settled.revenue)
    assert named.to_json() == plain.to_json()
    indistinguishable(found)
    assert not recwarn.list


def test_a_loss_leaves_no_share_and_is_borne_by_the_players():
    settled = beside(revenue=30, cost=20, keeps="share", share=0.5)
    assert settled.permanent.payment == 20 and together(settled) == 30
    assert any("no profit of which to keep" in note for note in settled.notes)
    assert any("runs at a loss" in note for note in settled.notes)


def test_a_record_says_it_all_and_is_read_back():
    record = {"players": ["a", "b", "c"], "values": VALUES, "costs": COSTS, "revenue": 1000}
    record["permanent"] = {"name": "bank", "cost": Decimal("20.003"), "keeps": "share"}
    record["permanent"]["share"] = Decimal("0.25")
    settled = settle_record(record)
    again = beside(cost="20.003", keeps="share", share=0.25)
    assert settled == again
    assert Settlement.from_json(settled.to_json()) == settled
    repeated = {"name": "bank", **settled.to_json()["permanent"]["terms"]}
    assert settle_record({**record, "permanent": repeated}).payments == settled.payments
    forged = settled.to_json()
    forged["permanent"]["profit"] = "1000.00"
    with pytest.raises(InvalidInputError, match=r"permanent\.profit"):
        Settlement.from_json(forged)


def test_a_settlement_without_one_is_written_as_before():
    settled = settle(VALUES, COSTS, 1000, rule=cost_aware())
    assert settled.permanent is None and "permanent" not in settled.to_json()
