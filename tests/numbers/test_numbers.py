"""The record of the numbers: it still holds, and a comparison with it finds what differs."""

import copy
import json
from importlib.metadata import version
from pathlib import Path

import pytest
from compare import differences, lines
from record import computed

KEPT = Path(__file__).parents[1] / "numbers.json"
TOLERANCE = 1e-5  # another machine sums in another order
CENTS = 0.05  # the largest minor unit in the record


@pytest.fixture(scope="module")
def kept() -> dict:
    return json.loads(KEPT.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_no_number_has_changed(kept):
    made_by = kept["made with"]["jax"]
    if version("jax") != made_by:
        pytest.skip(f"the numbers were recorded with jax {made_by}, and this is {version('jax')}")
    numbers = json.loads(json.dumps(computed()))
    wrong = [one for one in differences(kept, numbers) if one.matters(TOLERANCE, CENTS)]
    assert not wrong, "\n".join(lines(kept, numbers, TOLERANCE))


def found(kept: dict, numbers: dict) -> list[str]:
    """The places of what differs by too much."""
    return [one.place for one in differences(kept, numbers) if one.matters(1e-6)]


def test_the_record_is_equal_to_itself(kept):
    numbers = copy.deepcopy(kept)
    numbers["made with"] = {}
    assert list(differences(kept, numbers)) == []
    assert all(line.endswith(": equal bit for bit") for line in lines(kept, numbers, 1e-6))


def test_a_number_that_changed_is_found_and_sized(kept):
    numbers = copy.deepcopy(kept)
    numbers["run silo"]["values"][1] += 1e-3
    assert found(kept, numbers) == ["run silo/values/1"]
    (told,) = [line for line in lines(kept, numbers, 1e-6) if "TOO MUCH" in line]
    assert "run silo/values: 1 numbers by up to 0.001" in told


def test_a_last_bit_is_told_but_does_not_matter(kept):
    numbers = copy.deepcopy(kept)
    numbers["table"]["semivalues"]["shapley"][0] += 1e-15
    assert len(list(differences(kept, numbers))) == 1
    assert found(kept, numbers) == []


def test_a_missing_key_and_a_new_one_are_found(kept):
    numbers = copy.deepcopy(kept)
    del numbers["quickstart"]["grand"]
    numbers["rule equal"]["more"] = 1
    numbers["table"]["utilities"].pop()
    numbers["run silo"]["settlement"]["costs"].pop()
    places = {"quickstart/grand", "rule equal/more", "table/utilities/63"}
    places |= {"run silo/settlement/costs/3"}
    assert set(found(kept, numbers)) == set(found(numbers, kept)) == places


def test_a_verdict_and_a_payment_that_changed_are_found(kept):
    numbers = copy.deepcopy(kept)
    verdict = numbers["audits"]["budget_balance"]
    verdict["holds"] = not verdict["holds"]
    numbers["run silo"]["settlement"]["payments"][0] = "0.01"
    changed = {"run silo/settlement/payments/0", "audits/budget_balance/holds"}
    assert set(found(kept, numbers)) == changed
