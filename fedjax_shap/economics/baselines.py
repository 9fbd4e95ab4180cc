"""Baselines: rules that look at no values, with which the rules by value are compared."""

from fractions import Fraction

from fedjax_shap._validate import one_of, require
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.division import Division, Rule, all_shared
from fedjax_shap.economics.policies import LOSS, loss_by_costs, loss_by_shares, require_covered

NOT_USED = "values not used"


def equal() -> Rule:
    """The same payment to everyone, r_i = R / P, whatever the values and costs."""

    def divide(claims: Claims) -> Division:
        count = len(claims.players)
        return all_shared(claims, (Fraction(1, count),) * count, (False,) * count)

    return Rule("equal", NOT_USED, divide, of="")


def by_size() -> Rule:
    """Payment by number of training examples, r_i = N_i / sum(N) * R, whatever values and costs."""

    def divide(claims: Claims) -> Division:
        sizes = claims.sizes or ()
        require(bool(sizes), "Expected sizes to be given for rule 'by_size', got None.")
        total = sum(sizes)
        require(
            total > 0,
            "Expected sizes to hold at least one example for rule 'by_size', but all are 0.",
        )
        shares = tuple(Fraction(size, total) for size in sizes)
        return all_shared(claims, shares, (False,) * len(claims.players))

    return Rule("by_size", NOT_USED, divide, of="")


def costs_only(*, loss: str = "formula") -> Rule:
    """Costs first, then the same profit for everyone, r_i = c_i + (R - sum(c)) / P.

    Args:
        loss: who bears R < sum(c): "formula" and "equal" take the same from everyone, so that a
            payment can be negative; "in_proportion_to_costs" gives everyone the same part of its
            cost back; "refuse" refuses such a revenue, with which some player would make a loss.

    Returns:
        The rule. Its `divide` raises InvalidInputError under "refuse" where R < sum(c).
    """
    one_of("loss", loss, LOSS)

    def divide(claims: Claims) -> Division:
        if loss == "refuse":
            require_covered(claims)
        count = len(claims.players)
        pool = claims.revenue - sum(claims.costs)
        if pool < 0 and loss != "formula":
            return loss_by_costs(claims, claims.costs, loss, (True,) * count)
        shares = (Fraction(1, count),) * count
        return Division(
            bases=claims.costs,
            shares=shares,
            pool=pool,
            counted=(False,) * count,
            applied=loss_by_shares(claims, shares, pool, "shared equally"),
        )

    return Rule("costs_only", NOT_USED, divide, of="", loss=loss)
