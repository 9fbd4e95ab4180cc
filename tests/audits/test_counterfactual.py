"""Counterfactuals: the rule of a settlement is identified, and the values that it divides by."""

import inspect
from itertools import product
from math import comb

import numpy as np
import pytest
from audited import COSTS, TABLE, audited

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.audits.counterfactual import identify_rule, values_by
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.rules import RULES


def mean_marginals(weight):
    """Of each player the sum over S of weight(|S|) [V(S + i) - V(S)], one by one."""
    return [
        sum(
            weight(row.bit_count()) * (TABLE[row | 1 << player] - TABLE[row])
            for row in range(16)
            if not row >> player & 1
        )
        for player in range(4)
    ]


@pytest.mark.parametrize(
    ("of", "weight"),
    [
        ("shapley", lambda size: 1 / (4 * comb(3, size))),
        ("banzhaf", lambda size: 1 / 8),
        ("leave_one_out", lambda size: size == 3),
        ("", lambda size: 0),
    ],
    ids=["shapley", "banzhaf", "leave_one_out", "none"],
)
def test_values_by_which_a_rule_divides_are_means_of_marginal_contributions(of, weight):
    np.testing.assert_allclose(values_by(of, TABLE), mean_marginals(weight), atol=1e-14)


def test_values_that_are_no_such_mean_are_refused():
    with pytest.raises(InvalidInputError, match="of='least_core'"):
        values_by("least_core", TABLE)


@pytest.mark.parametrize("method", [None, "cap", "replace"])
@pytest.mark.parametrize("name", RULES)
def test_the_rule_of_a_settlement_is_identified_whatever_its_settings(name, method):
    choices = {
        "negative": ("clip", "formula", "exclude"),
        "reimburse": (True, False),
        "loss": ("formula", "equal"),
    }
    known = [key for key in choices if key in inspect.signature(RULES[name]).parameters]
    for chosen in product(*(choices[key] for key in known)):
        settings = dict(zip(known, chosen))
        if settings.get("reimburse") is False and settings["negative"] != "exclude":
            continue
        rule = RULES[name](**settings)
        used = rule
        if method is not None:
            used = cap_costs(rule, COSTS, method=method)
        identified, capped_by = identify_rule(audited(rule=used).settlement)
        assert identified[:2] == rule[:2] and identified[3:] == rule[3:]  # all but the function
        assert capped_by == method
