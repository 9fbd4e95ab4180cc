"""Settlements: values, costs and a revenue turned into payments to the cent, with their reasons (Spec 5.2-5.7, 5.9)."""

import math
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims, claims, listed
from fedjax_shap.economics.rules import Division, Rule, cost_aware
from fedjax_shap.typing import HostArray


class Valued(Protocol):
    """Anything that carries values and their standard errors, such as an attribution."""

    values: Any
    std_errors: Any


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """Who is paid what, and why.

    Attributes:
        rule: the rule's name.
        policy: what it did with negative values.
        minor_unit: payments are whole multiples of it.
        revenue: R.
        players: the P names.
        values: phi[P], the numbers the settlement was made from.
        shares: share[P] of what the rule divides (under "cost_aware" the profit), summing to 1.
        costs: c[P], exactly as reported, also where they are finer than the minor unit.
        payments: r[P], summing to R exactly.
        profits: r[P] - c[P], exactly.
        std_errors: of the payments before rounding, in money, or None where those of the values are not known.
        notes: what a reader should know, one sentence each.

    Guarantees:
        Payments are whole minor units and sum to the revenue exactly. Each lies less than one minor unit from what
        the rule says. Under `cost_aware()` with R >= sum(c) no payment is more than a minor unit below its cost, and
        none is below it at all where costs are whole minor units. The order of the players changes no payment:
        minor units left over go to the largest remainders, equal remainders are decided by the larger payment, then
        value, then cost, then by name, so players of equal claims differ by at most one minor unit.
    """

    rule: str
    policy: str
    minor_unit: Decimal
    revenue: Decimal
    players: tuple[str, ...]
    values: tuple[float, ...]
    shares: tuple[float, ...]
    costs: tuple[Decimal, ...]
    payments: tuple[Decimal, ...]
    profits: tuple[Decimal, ...]
    std_errors: tuple[float, ...] | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The settlement as a dict that JSON can hold: one list a field, in the order of `players`.

        Amounts of money are decimal texts such as "12.34", since a JSON number is commonly read as a binary float and
        would no longer be exact; values, shares and standard errors are numbers.
        """
        amounts = {"costs": self.costs, "payments": self.payments, "profits": self.profits}
        return {
            "rule": self.rule,
            "policy": self.policy,
            "minor_unit": money.written(self.minor_unit),
            "revenue": money.written(self.revenue),
            "players": list(self.players),
            "values": list(self.values),
            "shares": list(self.shares),
            **{name: list(map(money.written, column)) for name, column in amounts.items()},
            "std_errors": None if self.std_errors is None else list(self.std_errors),
            "notes": list(self.notes),
        }


def settle(
    values: Valued | HostArray | list[Any] | tuple[Any, ...],
    costs: Any,
    revenue: Any,
    *,
    rule: Rule | None = None,
    players: list[str] | tuple[str, ...] | None = None,
    sizes: Any = None,
    std_errors: Any = None,
    minor_unit: Any = "0.01",
) -> Settlement:
    """Divides the revenue of the joint model among the players.

    Amounts are ints, floats (as their shortest decimal text), decimal texts or Decimals. They and the values enter
    exactly, and payments are rounded once, at the end.

    Args:
        values: phi[P], of either sign; or a record with `values` and `std_errors` of that shape.
        costs: c[P] >= 0, in money; they may be finer than the minor unit.
        revenue: R >= 0, in money, a whole number of minor units.
        rule: one of `rules.RULES`, made up; `cost_aware()` if None.
        players: the P names; "player 0", ... if None.
        sizes: training examples int[P], for the rules that use them.
        std_errors: float[P] >= 0 of the values; those of the record if None.
        minor_unit: the smallest amount that is paid, > 0, in money.

    Returns:
        The settlement.

    Raises:
        InvalidInputError: naming the player where there is one: shapes that disagree, a value that is no finite
            number, a negative cost, values that sum to nothing (Spec 5.4), a revenue that is not whole minor units.
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
    require(whole, f"Expected revenue={revenue} to be a whole number of minor units of {money.written(unit)}.")
    errors, unknown = _read_errors(std_errors, claim)
    division = rule.divide(claim)
    return _settled(claim, division, rule, unit, errors, unknown)


def payment_std_errors(claim: Claims, division: Division, std_errors: tuple[Fraction, ...]) -> tuple[float, ...]:
    """The standard errors of payments by the delta method (Spec 5.9).

    With S the sum of the counted values and share w_i = phi_i / S of a pool B, dr_i/dphi_j = B/S * ([i = j] - w_i), so
    Var(r_i) = (B/S)^2 * [(1 - w_i)^2 s_i^2 + w_i^2 * sum_{j != i} s_j^2]. The values' errors are taken as independent
    and small against S; a player whose negative value was clipped or excluded counts as certain to stay so; rounding to
    minor units is left out. Where values play no part the standard errors are zero.

    Args:
        claim: the claims that were divided.
        division: what the rule made of them.
        std_errors: s[P] >= 0, of the values.

    Returns:
        float[P], in money.
    """
    total = sum((value for value, counts in zip(claim.values, division.counted) if counts), Fraction(0))
    if total == 0:
        return (0.0,) * len(claim.players)
    scale = division.pool / total
    squares = [error**2 if counts else Fraction(0) for error, counts in zip(std_errors, division.counted)]
    noise = sum(squares, Fraction(0))
    variances = (
        scale**2 * ((1 - share) ** 2 * square + share**2 * (noise - square))
        for share, square in zip(division.shares, squares)
    )
    errors = tuple(_root(variance) for variance in variances)
    require(all(map(math.isfinite, errors)), "Expected std_errors to be of the order of the values, but they overflow.")
    return errors


def _settled(
    claim: Claims,
    division: Division,
    rule: Rule,
    unit: Decimal,
    errors: tuple[Fraction, ...] | None,
    unknown: tuple[str, ...],
) -> Settlement:
    """Rounds the payments and writes everything down."""
    owed = division.payments
    priority = [(-r, -v, -c, name) for r, v, c, name in zip(owed, claim.values, claim.costs, claim.players)]
    payments = money.largest_remainder(owed, unit, priority=priority)
    costs = tuple(money.decimal_of(cost, unit) for cost in claim.costs)
    revenue = money.decimal_of(claim.revenue, unit)
    profits = tuple(money.EXACT.subtract(payment, cost) for payment, cost in zip(payments, costs))
    promised = tuple(payment - cost for payment, cost in zip(owed, claim.costs))
    loss = money.decimal_of(sum(claim.costs, -claim.revenue), unit)
    return Settlement(
        rule=rule.name,
        policy=rule.policy,
        minor_unit=unit,
        revenue=revenue,
        players=claim.players,
        values=tuple(map(float, claim.values)),
        shares=tuple(map(float, division.shares)),
        costs=costs,
        payments=payments,
        profits=profits,
        std_errors=None if errors is None else payment_std_errors(claim, division, errors),
        notes=(*division.notes, *_balance(claim.players, loss, payments, profits, promised), *unknown),
    )


def _balance(
    names: tuple[str, ...],
    loss: Decimal,
    payments: tuple[Decimal, ...],
    profits: tuple[Decimal, ...],
    promised: tuple[Fraction, ...],
) -> list[str]:
    """The notes on a loss and who bears it, and on payments below zero (Spec 5.5)."""
    # A profit that only rounding took below zero is no loss of the player's, as long as the federation makes none.
    losers = listed(
        (name, money.written(profit.copy_negate()))
        for name, profit, exact in zip(names, profits, promised)
        if profit < 0 and (loss > 0 or exact < 0)
    )
    notes = []
    if loss > 0:
        gains = listed((name, money.written(profit)) for name, profit in zip(names, profits) if profit > 0)
        also = f"; in profit all the same: {gains}" if gains else ""
        notes.append(f"The federation runs at a loss of {money.written(loss)}, borne by: {losers}{also}.")
    elif losers:
        notes.append(f"The revenue covers the costs, but these players are paid less than theirs, by: {losers}.")
    owing = listed((name, money.written(payment)) for name, payment in zip(names, payments) if payment < 0)
    return [*notes, f"Payments below zero, owed to the federation: {owing}."] if owing else notes


def _read_errors(std_errors: Any, claim: Claims) -> tuple[tuple[Fraction, ...] | None, tuple[str, ...]]:
    """The values' standard errors, or None and the reason where some are not known (NaN or infinite)."""
    if std_errors is None:
        return None, ()
    named = list(zip(claim.players, money.items("std_errors", std_errors, len(claim.players))))
    unknown = [name for name, error in named if isinstance(error, float | np.floating) and not np.isfinite(error)]
    if unknown:
        return None, (f"Payments have no standard errors, as those of these values are unknown: {', '.join(unknown)}.",)
    errors = tuple(money.exact(f"std_errors[{name!r}]", error) for name, error in named)
    for name, error in zip(claim.players, errors):
        require(error >= 0, f"Expected std_errors[{name!r}]={float(error)} to be >= 0.")
    return errors, ()


def _root(square: Fraction) -> float:
    """The square root as a float, of a fraction that may itself lie beyond the floats."""
    context = Context(prec=40)
    return float(context.sqrt(context.divide(Decimal(square.numerator), Decimal(square.denominator))))
