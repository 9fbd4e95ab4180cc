"""Settlements: values, costs and a revenue turned into payments to the cent, with their reasons
(Spec 5.2-5.7, 5.9).
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

from fedjax_shap._validate import require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims, claims
from fedjax_shap.economics.division import Division, Rule
from fedjax_shap.economics.errors import payment_std_errors, read_errors
from fedjax_shap.economics.rules import cost_aware
from fedjax_shap.economics.settlement import Settlement, balance
from fedjax_shap.typing import HostArray


class Valued(Protocol):
    """Anything that carries values and their standard errors, such as an attribution."""

    values: Any
    std_errors: Any


class Read(NamedTuple):
    """What `settle` was given, read exactly.

    Attributes:
        claim: values, costs, revenue, sizes and names.
        rule: who divides it.
        unit: the minor unit, money.
        errors: the standard errors of the values, or None.
        notes: why they are not known, where they are not.
    """

    claim: Claims
    rule: Rule
    unit: Decimal
    errors: tuple[Fraction, ...] | None
    notes: tuple[str, ...]


def settle(
    values: Valued | HostArray | list[Any] | tuple[Any, ...],
    costs: Any,
    revenue: Any,
    *,
    rule: Rule | None = None,
    players: list[str] | tuple[str, ...] | None = None,
    sizes: Any = None,
    std_errors: Any = None,
    efficient: bool = False,
    minor_unit: Any = "0.01",
) -> Settlement:
    """Divides the revenue of the joint model among the players.

    Amounts are ints, floats (as their shortest decimal text), decimal texts or Decimals. They and
    the values enter exactly, and payments are rounded once, at the end.

    Args:
        values: phi[P], of either sign, of the kind that `rule.of` names; or a record with `values`
            and `std_errors` of that shape.
        costs: c[P] >= 0, in money; they may be finer than the minor unit.
        revenue: R >= 0, in money, a whole number of minor units.
        rule: one of `rules.RULES`, made up; `cost_aware()` if None.
        players: the P names; "player 0", ... if None.
        sizes: training examples int[P], for the rules that use them.
        std_errors: float[P] >= 0 of the values; those of the record if None.
        efficient: whether these errors sum to zero, as those of an estimator whose values always
            sum to V(N) - V(nobody) do; otherwise they are taken as independent.
        minor_unit: the smallest amount that is paid, > 0, in money.

    Returns:
        The settlement.

    Raises:
        InvalidInputError: naming the player where there is one: shapes that disagree, a value that
            is no finite number, a negative cost, values that sum to nothing (Spec 5.4), a revenue
            that is not whole minor units, or claims with which the rule cannot give what its
            policies ask for.
    """
    claim, rule, unit, errors, unknown = read(
        values,
        costs,
        revenue,
        rule=rule,
        players=players,
        sizes=sizes,
        std_errors=std_errors,
        minor_unit=minor_unit,
    )
    require(isinstance(efficient, bool), f"Expected efficient={efficient!r} to be True or False.")
    division = rule.divide(claim)
    owed = (
        None if errors is None else payment_std_errors(claim, division, errors, efficient=efficient)
    )
    return _settled(claim, division, rule, unit, owed, unknown)


def read(
    values: Any,
    costs: Any,
    revenue: Any,
    *,
    rule: Rule | None = None,
    players: Any = None,
    sizes: Any = None,
    std_errors: Any = None,
    minor_unit: Any = "0.01",
) -> Read:
    """Reads what `settle` takes, and refuses what cannot be used; nothing is divided yet.

    Args:
        values: see `settle`, as are all others.
        costs: c[P].
        revenue: R.
        rule: a rule or None.
        players: P names or None.
        sizes: int[P] or None.
        std_errors: float[P] or None.
        minor_unit: money.

    Returns:
        The claims, the rule, the minor unit, the standard errors of the values, and notes on these.

    Raises:
        InvalidInputError: as `settle` says.
    """
    if hasattr(values, "values") and hasattr(values, "std_errors"):
        std_errors = values.std_errors if std_errors is None else std_errors
        values = values.values
    rule = cost_aware() if rule is None else rule
    require(isinstance(rule, Rule), f"Expected rule={rule!r} to be a Rule, such as cost_aware().")
    unit = money.amount("minor_unit", minor_unit)
    require(unit > 0, f"Expected minor_unit={minor_unit!r} to be > 0.")
    claim = claims(values, costs, revenue, players=players, sizes=sizes)
    whole = (claim.revenue / Fraction(unit)).denominator == 1
    require(
        whole,
        f"Expected revenue={revenue} to be a whole number of minor units of {money.written(unit)}.",
    )
    return Read(claim, rule, unit, *read_errors(std_errors, claim))


def _settled(
    claim: Claims,
    division: Division,
    rule: Rule,
    unit: Decimal,
    errors: tuple[float, ...] | None,
    unknown: tuple[str, ...],
) -> Settlement:
    """Rounds the payments and writes everything down."""
    owed = division.payments
    priority = [
        (-r, -v, -c, name) for r, v, c, name in zip(owed, claim.values, claim.costs, claim.players)
    ]
    payments = money.largest_remainder(owed, unit, priority=priority)
    costs = tuple(money.decimal_of(cost, unit) for cost in claim.costs)
    revenue = money.decimal_of(claim.revenue, unit)
    profits = tuple(money.EXACT.subtract(payment, cost) for payment, cost in zip(payments, costs))
    promised = tuple(payment - cost for payment, cost in zip(owed, claim.costs))
    loss = money.decimal_of(sum(claim.costs, -claim.revenue), unit)
    shared = "".join(
        f"{applied.outcome}, " for applied in division.applied if applied.policy == "loss"
    )
    return Settlement(
        rule=rule.name,
        policy=rule.policy,
        loss=rule.loss,
        of=rule.of,
        minor_unit=unit,
        revenue=revenue,
        players=claim.players,
        values=tuple(map(float, claim.values)),
        shares=tuple(map(float, division.shares)),
        costs=costs,
        payments=payments,
        profits=profits,
        std_errors=errors,
        applied=division.applied,
        notes=(
            *division.notes,
            *balance(claim.players, loss, shared, payments, profits, promised),
            *unknown,
        ),
    )
