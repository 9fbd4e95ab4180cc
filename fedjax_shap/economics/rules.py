"""Rules: how the revenue of the joint model is divided among those who made it.

Every rule pays player i a base of its own and a share of a common pool, r_i = base_i + share_i *
pool, where the shares sum to one and the bases and the pool to the revenue. Nothing is rounded:
that is left to `settle`. The rules here divide by value; those that do not are in `baselines`.

Those that put costs first take the same settings:

* negative: what becomes of phi_i < 0. "clip" counts it as zero: the player gets its cost back and
  no profit, and no profit is negative if R >= sum(c). "formula" lets it stand: the player makes a
  loss while the others make a profit, and a profit while they make a loss; a payment can be
  negative, and the promise of "clip" does not hold. "exclude" leaves the player out of the profit;
  the values of the others are not computed anew.
* reimburse: whether an excluded player gets its cost back. If so it is paid what "clip" pays it,
  and the settlement says that it was excluded. If not it is paid nothing and bears its cost itself;
  the others share R minus their own costs.
* loss: who bears the loss where R is less than the costs that are paid back. "formula" shares it in
  proportion to value, so that the player of the largest value bears most of it; a payment can be
  negative. "in_proportion_to_costs" pays everyone the same part of its cost, whatever the values.
  "equal" takes the same from everyone whose cost is paid back, whatever the values; a payment can
  be negative. "refuse" asks for individual rationality, that no player is paid less than its cost,
  and refuses claims with which that is impossible.
"""

from collections.abc import Callable
from fractions import Fraction

from fedjax_shap._validate import one_of, require
from fedjax_shap.economics.baselines import by_size, costs_only, equal
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.division import Division, Rule, all_shared
from fedjax_shap.economics.policies import (
    LOSS,
    NEGATIVE,
    in_proportion,
    loss_by_costs,
    loss_by_shares,
    require_covered,
    require_rational,
    touched,
)

__all__ = [
    "RULES",
    "Rule",
    "banzhaf",
    "by_size",
    "cap_costs",
    "cost_aware",
    "costs_ignored",
    "costs_only",
    "equal",
    "least_core",
    "leave_one_out",
]


def cost_aware(*, negative: str = "clip", reimburse: bool = True, loss: str = "formula") -> Rule:
    """Costs first, then profit by value: r_i = c_i + phi_i / sum(phi) * (R - sum(c)).

    Args:
        negative: "clip", "formula" or "exclude", what becomes of phi_i < 0; see the module.
        reimburse: whether a player that "exclude" leaves out gets its cost back.
        loss: "formula", "in_proportion_to_costs", "equal" or "refuse", who bears R < sum(c); see
            the module.

    Returns:
        The rule. Its `divide` raises InvalidInputError where the values that it uses do not sum to
        more than zero after the policy, and under loss="refuse" where a player would be paid less
        than its cost.
    """
    return _cost_aware("cost_aware", "shapley", negative, reimburse, loss)


def costs_ignored(*, negative: str = "clip") -> Rule:
    """The whole revenue in proportion to value, r_i = phi_i / sum(phi) * R, whatever the costs.

    For federations whose costs and data value differ by orders of magnitude.

    Args:
        negative: as in `cost_aware`. Since costs play no part, "clip" and "exclude" both pay such a
            player nothing; under "formula" it pays in.

    Returns:
        The rule. Its `divide` refuses values whose sum after the policy is not above zero.
    """
    one_of("negative", negative, NEGATIVE)
    outcome = {
        "clip": "negative values were counted as zero, so that these members are paid nothing",
        "formula": "negative values were left to stand, so that these members pay in",
        "exclude": "members of negative value were left out and are paid nothing",
    }

    def divide(claims: Claims) -> Division:
        shares, counted = in_proportion(claims, negative)
        notes, applied = touched(claims, negative, outcome[negative])
        return all_shared(
            claims, shares, counted, notes=notes, applied=applied, cut=negative != "formula"
        )

    return Rule("costs_ignored", negative, divide)


def leave_one_out(*, negative: str = "clip", reimburse: bool = True, loss: str = "formula") -> Rule:
    """Costs first, then profit by what the federation loses without the player (Cook 1977).

    These values are V(N) - V(N without i): two players who hold the same data are worth nothing
    each, and are paid no profit.

    Args:
        negative: as in `cost_aware`.
        reimburse: as in `cost_aware`.
        loss: as in `cost_aware`.

    Returns:
        `cost_aware`, to be given leave-one-out values.
    """
    return _cost_aware("leave_one_out", "leave_one_out", negative, reimburse, loss)


def banzhaf(*, negative: str = "clip", reimburse: bool = True, loss: str = "formula") -> Rule:
    """Costs first, then profit by Banzhaf value, which noise of the utilities disturbs least.

    Wang and Jia 2023, "Data Banzhaf". The values do not sum to V(N) - V(empty), which the rule does
    not need.

    Args:
        negative: as in `cost_aware`.
        reimburse: as in `cost_aware`.
        loss: as in `cost_aware`.

    Returns:
        `cost_aware`, to be given Banzhaf values.
    """
    return _cost_aware("banzhaf", "banzhaf", negative, reimburse, loss)


def least_core(*, negative: str = "clip", reimburse: bool = True, loss: str = "formula") -> Rule:
    """Costs first, then profit by least-core value, to which coalitions object least.

    Yan and Procaccia 2021, "If you like Shapley then you'll love the core".

    Args:
        negative: as in `cost_aware`; least-core values can be negative.
        reimburse: as in `cost_aware`.
        loss: as in `cost_aware`.

    Returns:
        `cost_aware`, to be given least-core values.
    """
    return _cost_aware("least_core", "least_core", negative, reimburse, loss)


_OWN_COST = "members of negative value bear their costs themselves"
_OUTCOMES = {  # what a policy does to members of negative value
    "clip": (
        "negative values were counted as zero, so that these members get their costs back and no "
        "profit"
    ),
    "formula": (
        "negative values were left to stand, so that these members take the opposite of a profit "
        "share"
    ),
    "exclude, costs reimbursed": (
        "members of negative value were left out of the profit, and their costs reimbursed"
    ),
    "exclude, costs not reimbursed": (
        "members of negative value were left out of the profit, and bear their costs themselves"
    ),
}


def _cost_aware(name: str, of: str, negative: str, reimburse: bool, loss: str) -> Rule:
    """The rule that pays costs first and then profit by the values `of`."""
    one_of("negative", negative, NEGATIVE)
    one_of("loss", loss, LOSS)
    require(isinstance(reimburse, bool), f"Expected reimburse={reimburse!r} to be True or False.")
    require(
        reimburse or negative == "exclude",
        f"Expected reimburse=False only with negative='exclude', got negative={negative!r}.",
    )
    setting = f"negative={negative!r}"
    policy = negative
    if not reimburse:
        setting = "reimburse=False"
        policy = "exclude, costs not reimbursed"
    elif negative == "exclude":
        policy = "exclude, costs reimbursed"

    def divide(claims: Claims) -> Division:
        if loss == "refuse":
            require_covered(claims)
        # Costs come back to everyone, or to those whose value is not negative.
        kept = (True,) * len(claims.values)
        bases = claims.costs
        if not reimburse:
            kept = tuple(value >= 0 for value in claims.values)
            bases = tuple(cost * keeps for cost, keeps in zip(bases, kept))
        pool = claims.revenue - sum(bases)
        if pool < 0 and loss != "formula":
            if reimburse:
                return loss_by_costs(claims, bases, loss, kept)
            return loss_by_costs(claims, bases, loss, kept, *touched(claims, negative, _OWN_COST))
        division = _profit_by_value(claims, bases, pool, negative, _OUTCOMES[policy])
        if loss == "refuse":
            require_rational(claims, division, setting, "negative='clip'")
        return division

    return Rule(name, policy, divide, of, loss)


def _profit_by_value(
    claims: Claims, bases: tuple[Fraction, ...], pool: Fraction, negative: str, outcome: str
) -> Division:
    """The division that shares the pool, what the bases leave, in proportion to value."""
    shares, counted = in_proportion(claims, negative)
    notes, applied = touched(claims, negative, outcome)
    loss = loss_by_shares(claims, shares, pool, "shared in proportion to value")
    return Division(
        bases=bases,
        shares=shares,
        pool=pool,
        counted=counted,
        notes=notes,
        applied=(*applied, *loss),
        cut=negative != "formula",
    )


RULES: dict[str, Callable[..., Rule]] = {
    "cost_aware": cost_aware,
    "costs_ignored": costs_ignored,
    "equal": equal,
    "by_size": by_size,
    "costs_only": costs_only,
    "leave_one_out": leave_one_out,
    "banzhaf": banzhaf,
    "least_core": least_core,
}
