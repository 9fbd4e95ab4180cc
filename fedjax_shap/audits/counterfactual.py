"""Redivision: what the rule of a settlement would pay on other claims, before rounding, and with no
training.
"""

import inspect
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import comb
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, finite, require
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.cost_cap import HOW, cap_costs, suffix
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.policies import LOSS, NEGATIVE
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.typing import HostArray

_CHOICES = {
    "negative": NEGATIVE,
    "reimburse": (True, False),
    "loss": LOSS,
}  # settings of rules, and what they can be


def rule_of(settlement: Settlement) -> tuple[Rule, str | None]:
    """The rule of a settlement, found by its name and policy, and how it verified costs, if it did.

    Raises:
        InvalidInputError: no rule in `rules.RULES` has that name and policy.
    """
    policy, how = settlement.policy, None
    for each in HOW:
        if policy.endswith(suffix(each)):
            policy, how = policy.removesuffix(suffix(each)), each
    for rule in _settings_of(settlement.rule):
        if (rule.policy, rule.loss) == (policy, settlement.loss):
            return rule, how
    known = f"Expected rule={settlement.rule!r} with policy={settlement.policy!r} to be one of the registered rules."
    raise InvalidInputError(known)


def counterfactual_payments(
    case: Evidence,
    values: HostArray,
    costs: Sequence[Fraction],
    sizes: Sequence[int] | None,
    implied: Any = None,
    *,
    how: str | None = None,
) -> tuple[Fraction, ...]:
    """What the case's rule pays on claims of Q players, Q being any number; their names do not
    matter.

    Args:
        case: whose rule and revenue.
        values: float64[Q].
        costs: money[Q], as claimed.
        sizes: int[Q], or None.
        implied: money[Q] that the work implies, for a rule that verifies costs.
        how: verify costs in this way, see `verified`, where the rule does not.

    Returns:
        money[Q], exact and unrounded, summing to the revenue.

    Raises:
        InvalidInputError: the rule is not known, or refuses such claims.
    """
    rule, verifies = rule_of(case.settlement)
    how = how if verifies is None else verifies
    if how is not None:
        require(
            implied is not None,
            "Expected metered costs to be given, as the rule verifies costs by them.",
        )
        rule = cap_costs(rule, list(implied), how=how)
    claims = Claims(
        players=tuple(f"player {i}" for i in range(len(costs))),
        values=tuple(map(Fraction, np.asarray(values).tolist())),
        costs=tuple(map(Fraction, costs)),
        revenue=Fraction(case.settlement.revenue),
        sizes=None if sizes is None else tuple(sizes),
    )
    return rule.divide(claims).payments


def values_by(of: str, table: HostArray) -> HostArray:
    """The values that a rule divides by, from all utilities.

    Args:
        of: "shapley" (Shapley 1953), "banzhaf" (Banzhaf 1965), "leave_one_out", or "" for a rule
            without values.
        table: float64[2^P]; row r holds player i where bit i of r is set.

    Returns:
        float64[P]: for each player the mean marginal contribution, by the weights of the sizes
        joined; 0 for "".

    Raises:
        InvalidInputError: values of another kind, such as the least core's, which are no such mean;
            or beyond floats.
    """
    players = len(table).bit_length() - 1
    sizes = np.arange(players)
    known = {
        "": np.zeros(players),
        "shapley": np.array([1 / (players * comb(players - 1, size)) for size in sizes.tolist()]),
        "banzhaf": np.full(players, 0.5 ** (players - 1)),
        "leave_one_out": (sizes == players - 1).astype(np.float64),
    }
    require(
        of in known,
        f"Expected the values of={of!r} to be means of marginal contributions: {', '.join(known)}.",
    )
    weights = known[of][[int(row).bit_count() for row in range(2 ** (players - 1))]]
    values = np.empty(players)
    for player in range(players):
        halves = table.reshape(2 ** (players - 1 - player), 2, 2**player)
        values[player] = weights @ (halves[:, 1] - halves[:, 0]).reshape(-1)
    finite("values", values)
    return values


def _settings_of(name: str) -> list[Rule]:
    """The rule called `name` under each of its settings that it takes."""
    factory = RULES.get(name)
    if factory is None:
        return []
    settings = [key for key in inspect.signature(factory).parameters if key in _CHOICES]
    made = []
    for chosen in product(*(_CHOICES[key] for key in settings)):
        try:
            made.append(factory(**dict(zip(settings, chosen))))
        except InvalidInputError:  # settings that do not go together
            continue
    return made
