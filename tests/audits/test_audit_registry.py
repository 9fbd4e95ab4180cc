"""The registry: every audit judges every settlement, in a sentence, with numbers for JSON."""

import json

import pytest
from audited import COSTS, audited

from fedjax_shap.audits.registry import AUDITS, Finding, audit
from fedjax_shap.economics.rules import RULES


@pytest.mark.parametrize("name", RULES)
def test_every_audit_of_every_rule_is_a_sentence_that_json_can_hold(name):
    for evidence in ({}, {"known": False}, {"metered": COSTS, "std_errors": [0.01] * 4}):
        each = audit(audited(rule=RULES[name](), **evidence))
        assert [one.name for one in each] == list(AUDITS)
        for one in each:
            assert isinstance(one, Finding) and one.holds in (True, False, None)
            assert one.sentence.endswith(".") and "\n" not in one.sentence
            assert json.loads(json.dumps(one.to_json(), allow_nan=False))["holds"] == one.holds
