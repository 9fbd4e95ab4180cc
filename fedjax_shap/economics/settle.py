"""Settle: values, costs and a revenue turned into payments to the cent, with their reasons.

Amounts are ints, floats (as their shortest decimal text), decimal texts or Decimals. They and the
values enter exactly, and payments are rounded once, at the end.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

from fedjax_shap._validate import InvalidInputError, caution, require
from fedjax_shap.economics import money
from fedjax_shap.economics.beside import Divided, claimed, joined, set_aside, unclaimed
from fedjax_shap.economics.claims import Claims, by_name, claims
from fedjax_shap.economics.division import Division, Rule
from fedjax_shap.economics.errors import payment_std_errors, read_errors
from fedjax_shap.economics.permanent import Permanent
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
        claim: values, costs, sizes and names, and the revenue that the players divide.
        rule: who divides it.
        unit: the minor unit, money.
        errors: the standard errors of the values, or None.
        notes: why they are not known, where they are not.
        aside: what was set aside for a permanent member; None without a claim.
        unclaimed: that there is such a member without a claim, in a sentence; "" otherwise.
    """

    claim: Claims
    rule: Rule
    unit: Decimal
    errors: tuple[Fraction, ...] | None
    notes: tuple[str, ...]
    aside: Divided | None = None
    unclaimed: str = ""


def settle(
    values: Valued | Mapping[str, Any] | HostArray | list[Any] | tuple[Any, ...],
    costs: Any,
    revenue: Any,
    *,
    rule: Rule | None = None,
    players: list[str] | tuple[str, ...] | None = None,
    sizes: Any = None,
    std_errors: Any = None,
    efficient: bool = False,
    minor_unit: Any = "0.01",
    permanent: Permanent | Mapping[str, Any] | None = None,
) -> Settlement:
    """Divides the revenue of the joint model among the players, and whoever is in every coalition.

    Args:
        values: phi[P], of either sign, of the kind that `rule.of` names; or a record with `values`
            and `std_errors` of that shape; or a mapping from the players' names to values.
        costs: c[P] >= 0, in money; they may be finer than the minor unit. A mapping from the names
            goes by name, as for `sizes` and `std_errors`.
        revenue: R >= 0, in money, a whole number of minor units, a permanent member's included.
        rule: a configured rule, such as `cost_aware(negative="exclude")`; `cost_aware()` if None.
        players: the P names; "player 0", ... if None.
        sizes: training examples int[P], for the rules that use them.
        std_errors: float[P] >= 0 of the values; those of the record if None.
        efficient: whether these errors sum to zero, as those of an efficient estimator do;
            otherwise they are taken as independent.
        minor_unit: the smallest amount that is paid, > 0, in money.
        permanent: the claim of a member that is in every coalition and no player, such as the label
            holder of a vertical game: {"cost": 20, "keeps": "rest", "alone": 150}, or "share"
            (share) or "veto" (chance, means); with its `name` where the values do not have it.
            Values that have it are settled without a claim only with a warning.

    Returns:
        The settlement. Where there is a claim it is that of what the players divide, and its
        `permanent` says what the other is paid: the payments of all sum to R exactly.

    Raises:
        InvalidInputError: input that is not as said, or claims that the rule refuses.
    """
    require(isinstance(efficient, bool), f"Expected efficient={efficient!r} to be True or False.")
    given = read(
        values,
        costs,
        revenue,
        rule=rule,
        players=players,
        sizes=sizes,
        std_errors=std_errors,
        minor_unit=minor_unit,
        permanent=permanent,
    )
    if given.unclaimed:
        caution(given.unclaimed)
    settled = _settled(given, efficient=efficient)
    if given.aside is None:
        return settled
    return joined(settled, given.aside)


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
    permanent: Permanent | Mapping[str, Any] | None = None,
) -> Read:
    """Reads what `settle` takes, and refuses what cannot be used; nothing is divided yet.

    Args:
        values: see `settle`, as for all that follow.
        costs: c[P].
        revenue: R.
        rule: a rule or None.
        players: P names or None.
        sizes: int[P] or None.
        std_errors: float[P] or None.
        minor_unit: money.
        permanent: a claim, or None.

    Returns:
        What was read, see `Read`.

    Raises:
        InvalidInputError: as `settle` says.
    """
    beside = ""
    if hasattr(values, "values") and hasattr(values, "std_errors"):
        beside = _beside(values)
        if std_errors is None:
            std_errors = values.std_errors
        values = values.values
    if rule is None:
        rule = cost_aware()
    require(isinstance(rule, Rule), f"Expected rule={rule!r} to be a Rule, such as cost_aware().")
    unit = money.amount("minor_unit", minor_unit)
    require(unit > 0, f"Expected minor_unit={minor_unit!r} to be > 0.")
    claim = claims(values, costs, revenue, players=players, sizes=sizes)
    require(
        (claim.revenue / Fraction(unit)).denominator == 1,
        f"Expected revenue={revenue} to be a whole number of minor units of {money.written(unit)}.",
    )
    errors, notes = read_errors(by_name("std_errors", std_errors, claim.players), claim)
    given = Read(claim=claim, rule=rule, unit=unit, errors=errors, notes=notes)
    known = claimed(permanent, beside)
    if known is not None:
        aside = set_aside(known, claim, unit)
        return given._replace(claim=replace(claim, revenue=Fraction(aside.players)), aside=aside)
    if beside:
        return given._replace(unclaimed=unclaimed(beside))
    return given


def _beside(values: Valued) -> str:
    """Who is in every coalition of the game that was valued; "" where nobody is."""
    name = getattr(values, "permanent", "")
    if isinstance(name, str):
        return name
    return ""


def _divided(given: Read) -> Division:
    """What the rule makes of the claims; a refusal says what was set aside where that matters."""
    try:
        return given.rule.divide(given.claim)
    except InvalidInputError as error:
        aside = given.aside
        if aside is None or sum(given.claim.costs) <= given.claim.revenue:
            raise
        raise InvalidInputError(
            f"{str(error).rstrip('.')}; revenue={money.written(aside.revenue)} was given, of which "
            f"{aside.permanent.name!r} is paid {money.written(aside.payment)} first."
        ) from error


def _settled(given: Read, *, efficient: bool) -> Settlement:
    """Divides, rounds the payments and writes everything down."""
    claim = given.claim
    unit = given.unit
    division = _divided(given)
    std_errors = None
    if given.errors is not None:
        std_errors = payment_std_errors(claim, division, given.errors, efficient=efficient)
    # Round once, to minor units.
    owed = division.payments
    payments = money.largest_remainder(owed, unit, priority=_priority(claim, owed))
    # Costs and revenue come back with the decimals that they were given with.
    costs = tuple(money.decimal_of(cost, unit) for cost in claim.costs)
    profits = tuple(money.EXACT.subtract(payment, cost) for payment, cost in zip(payments, costs))
    return Settlement(
        rule=given.rule.name,
        policy=given.rule.policy,
        loss=given.rule.loss,
        of=given.rule.of,
        minor_unit=unit,
        revenue=money.decimal_of(claim.revenue, unit),
        players=claim.players,
        values=tuple(map(float, claim.values)),
        shares=tuple(map(float, division.shares)),
        costs=costs,
        payments=payments,
        profits=profits,
        std_errors=std_errors,
        applied=division.applied,
        notes=(
            *(one for one in (given.unclaimed,) if one),
            *division.notes,
            *_balance(given, division, payments, profits),
            *given.notes,
        ),
    )


def _priority(claim: Claims, owed: tuple[Fraction, ...]) -> list[tuple[Any, ...]]:
    """What decides between equal remainders: larger payment, larger value, larger cost, name."""
    rows = zip(owed, claim.values, claim.costs, claim.players)
    return [(-payment, -value, -cost, name) for payment, value, cost, name in rows]


def _balance(
    given: Read,
    division: Division,
    payments: tuple[Decimal, ...],
    profits: tuple[Decimal, ...],
) -> list[str]:
    """The notes on a loss and on payments below zero; see `settlement.balance`."""
    claim = given.claim
    shared = "".join(f"{one.outcome}, " for one in division.applied if one.policy == "loss")
    return balance(
        claim.players,
        money.decimal_of(sum(claim.costs, -claim.revenue), given.unit),
        shared,
        payments,
        profits,
        tuple(payment - cost for payment, cost in zip(division.payments, claim.costs)),
    )
