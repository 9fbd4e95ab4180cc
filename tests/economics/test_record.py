"""Settlements from plain records: by name or by list, or refused in one sentence."""

from decimal import Decimal

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.record import KEYS, settle_record
from fedjax_shap.economics.rules import RULES, cost_aware
from fedjax_shap.economics.settle import settle

TWO = {"values": [1, 2], "costs": [1, 1], "revenue": 5, "players": ["A", "B"]}


def test_a_record_by_name_and_one_by_list_settle_alike():
    by_name = {"values": {"A": 3, "B": 1}, "costs": {"B": "20", "A": 10.5}, "revenue": Decimal(100)}
    by_list = {"values": [3, 1], "costs": [10.5, "20"], "revenue": 100, "players": ["A", "B"]}
    assert (
        settle_record(by_name)
        == settle_record(by_list)
        == settle([3, 1], ["10.5", 20], 100, players=["A", "B"])
    )
    assert settle_record({**by_name, "players": ["B", "A"]}).players == ("B", "A")


def test_a_record_names_its_rule_and_the_rules_settings():
    record = {"values": [3, -1], "costs": [10, 6], "revenue": 100, "std_errors": None}
    assert settle_record(record) == settle([3, -1], [10, 6], 100)
    excluding = {"negative": "exclude", "reimburse": False}
    assert settle_record({**record, **excluding}) == settle(
        [3, -1], [10, 6], 100, rule=cost_aware(**excluding)
    )
    sized = settle_record({**record, "rule": "by_size", "sizes": [3, 1], "minor_unit": 1})
    assert sized.payments == (75, 25)


@pytest.mark.parametrize("name", RULES)
def test_a_settlement_can_be_settled_again_from_its_own_json(name):
    first = settle_record({**TWO, "rule": name, "sizes": [1, 3], "std_errors": [0.1, 0.2]})
    kept = ("values", "costs", "revenue", "players", "minor_unit", "rule")
    read = {key: value for key, value in first.to_json().items() if key in kept}
    assert settle_record({**read, "sizes": [1, 3], "std_errors": [0.1, 0.2]}) == first


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"revenu": 3}, "key='revenu' .* did you mean 'revenue'"),
        ({"rule": "cost_awar"}, "rule='cost_awar' .* did you mean 'cost_aware'"),
        ({"rule": ["equal"]}, "rule=.* to be a known name"),
        (
            {"rule": "equal", "negative": "clip"},
            "no negative='clip' with rule 'equal', which has no settings",
        ),
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
        (
            {"values": {"A": 1, "B": 2}, "costs": {"A": 1, "C": 2}},
            "costs to name every player, but it lacks 'B'",
        ),
        (
            {"values": {"A": 1, "B": 2}, "costs": {"A": 1, "B": 2, "C": 2}},
            "only the players, got 'C' as well",
        ),
        ({"values": {"A": 1}, "costs": {"A": 1}}, "values to name every player, but it lacks 'B'"),
        ({"players": ["A", 2]}, r"players\[1\]=2 to be a name"),
        ({"players": ["A", ["B"]], "values": {"A": 1}}, "players=.* to be a list of names"),
    ],
)
def test_a_bad_record_is_refused_in_one_sentence(change, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        settle_record({**TWO, **change})


@pytest.mark.parametrize("record", [None, [], 3, "values"])
def test_what_is_no_record_is_refused(record):
    with pytest.raises(InvalidInputError, match="the record to be a JSON object"):
        settle_record(record)


def test_a_record_may_name_the_policy_for_a_loss_and_errors_that_sum_to_zero():
    record = {"values": [3, 1], "costs": [10, 20], "revenue": 24, "std_errors": [0.1, 0.1]}
    equal = settle_record({**record, "loss": "equal"})
    assert equal.payments == (7, 17) and equal.std_errors == (0, 0)
    assert settle_record({**record, "efficient": True}) == settle(
        [3, 1], [10, 20], 24, std_errors=[0.1, 0.1], efficient=True
    )
    assert {"loss", "efficient", "negative", "reimburse"} <= set(KEYS)
    with pytest.raises(InvalidInputError, match="no loss='equal' with rule 'costs_ignored'"):
        settle_record({**record, "rule": "costs_ignored", "loss": "equal"})


def test_values_of_a_kind_that_only_the_rule_names_are_said_to_be_taken_as_such():
    record = {"values": [1, 2], "costs": [0, 0], "revenue": 3, "rule": "least_core"}
    assert (
        "taken to be those that the rule divides by, least_core" in settle_record(record).notes[0]
    )
    assert not settle_record({**record, "rule": "cost_aware"}).notes
