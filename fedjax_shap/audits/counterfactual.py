"""Counterfactuals: what the rule of a settlement would pay on other claims, without any training.

Payments are exact and unrounded.
"""

import inspect
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, finite, require
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.cost_cap import METHODS, cap_costs, policy_suffix
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.policies import LOSS, NEGATIVE
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.shapley.semivalue import banzhaf, semivalues, shapley
from fedjax_shap.typing import HostArray

# What each setting of a rule can be.
_CHOICES = {"negative": NEGATIVE, "reimburse": (True, False), "loss": LOSS}
# The values that rules divide by, as size coefficients: P -> float64[P].
_COEFFICIENTS: dict[str, Callable[[int], HostArray]] = {
    "shapley": shapley,
    "banzhaf": banzhaf,
    "leave_one_out": lambda num_players: np.eye(num_players)[-1],
}


def identify_rule(settlement: Settlement) -> tuple[Rule, str | None]:
    """The rule of a settlement, by its name and policy, and the method by which it capped costs.

    Returns:
        (rule, method): the rule without the cap; the method of `cap_costs`, None for no cap.

    Raises:
        InvalidInputError: no rule in `rules.RULES` has that name and policy.
    """
    # Take the cap off the policy, then look for the rest among the rules and their settings.
    policy = settlement.policy
    capped_by = None
    for method in METHODS:
        if policy.endswith(policy_suffix(method)):
            policy = policy.removesuffix(policy_suffix(method))
            capped_by = method
    for rule in _configured(settlement.rule):
        if (rule.policy, rule.loss) == (policy, settlement.loss):
            return rule, capped_by
    raise InvalidInputError(
        f"Expected rule={settlement.rule!r} with policy={settlement.policy!r} to be one of the "
        "registered rules."
    )


def counterfactual_payments(
    evidence: Evidence,
    values: HostArray,
    costs: Sequence[Fraction],
    sizes: Sequence[int] | None,
    implied: Sequence[Any] | None = None,
    *,
    names: Sequence[str] | None = None,
    cap: str | None = None,
) -> tuple[Fraction, ...]:
    """What the rule of the evidence pays on claims of any number Q of players.

    Args:
        evidence: whose rule and revenue.
        values: float64[Q].
        costs: money[Q], as claimed.
        sizes: int[Q], or None.
        implied: money[Q] that the work implies, for a rule that caps costs.
        names: of the Q players, as refusals have them; those of the evidence if None.
        cap: the method by which to cap costs where the rule itself does not, see `cap_costs`.

    Returns:
        money[Q], exact and unrounded, summing to the revenue.

    Raises:
        InvalidInputError: the rule is not known, or refuses such claims.
    """
    rule, own_cap = identify_rule(evidence.settlement)
    method = own_cap or cap
    if method is not None:
        if implied is None:
            raise InvalidInputError(
                "Expected metered costs to be given, as the rule caps costs by them."
            )
        rule = cap_costs(rule, list(implied), method=method)
    if sizes is not None:
        sizes = tuple(sizes)
    claims = Claims(
        players=tuple(evidence.names if names is None else names),
        values=tuple(map(Fraction, np.asarray(values).tolist())),
        costs=tuple(map(Fraction, costs)),
        revenue=Fraction(evidence.settlement.revenue),
        sizes=sizes,
    )
    return rule.divide(claims).payments


def values_by(of: str, table: HostArray) -> HostArray:
    """The values that a rule divides by, from all utilities.

    Args:
        of: "shapley", "banzhaf", "leave_one_out", or "" for a rule without values.
        table: float64[2^P]; row r holds player i where bit i of r is set.

    Returns:
        float64[P]; 0 for "".

    Raises:
        InvalidInputError: values of another kind, such as the least core's, which are no mean of
            marginal contributions; or beyond floats.
    """
    if of == "":
        return np.zeros(len(table).bit_length() - 1)
    known = ", ".join(_COEFFICIENTS)
    require(
        of in _COEFFICIENTS,
        f"Expected the values of={of!r} to be means of marginal contributions: {known}.",
    )
    values = semivalues(table, _COEFFICIENTS[of])
    finite("values", values)
    return values


def _configured(name: str) -> list[Rule]:
    """The rule called `name` under each of its settings that it takes."""
    factory = RULES.get(name)
    if factory is None:
        return []
    settings = [key for key in inspect.signature(factory).parameters if key in _CHOICES]
    rules = []
    # Try every combination of settings.
    for chosen in product(*(_CHOICES[key] for key in settings)):
        try:
            rules.append(factory(**dict(zip(settings, chosen))))
        except InvalidInputError:  # settings that do not go together
            continue
    return rules
