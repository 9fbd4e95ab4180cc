"""Settlements: who is paid what, under which policies, and what a reader should know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fedjax_shap.economics import money
from fedjax_shap.economics.claims import listed
from fedjax_shap.economics.division import Applied
from fedjax_shap.economics.permanent import PaidPermanent
from fedjax_shap.economics.rules import RULES


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """Who is paid what, and why.

    Attributes:
        rule: the rule's name.
        policy: what it does with negative values.
        loss: what it does where the costs exceed the revenue; "" for a rule that shares no loss
            out.
        of: which values it divides by, see `division.Rule`; "" for none.
        minor_unit: payments are whole multiples of it.
        revenue: R; beside a permanent member, what it leaves to the players.
        players: the P names.
        values: phi[P], the numbers the settlement was made from.
        shares: share[P] of what the rule divides (under "cost_aware" the profit), summing to 1.
        costs: c[P], exactly as reported, also where they are finer than the minor unit.
        payments: r[P], summing to R exactly.
        profits: r[P] - c[P], exactly.
        std_errors: of the payments before rounding, in money, or None where those of the values are
            not known.
        applied: the policies that were used, with the players they touched.
        notes: what a reader should know, one sentence each.
        permanent: what a member is paid that is in every coalition and no player; None without one.

    Guarantees:
        Payments are whole minor units and sum to the revenue exactly. Each lies less than one minor
        unit from what the rule says. Under `cost_aware()` with R >= sum(c) no payment is more than
        a minor unit below its cost, and none is below it at all where costs are whole minor units.
        The order of the players changes no payment: minor units left over go to the largest
        remainders, equal remainders are decided by the larger payment, then the larger value, then
        the larger cost, then by name, so players of equal claims differ by at most one minor unit.
    """

    rule: str
    policy: str
    loss: str = ""
    of: str = "shapley"
    minor_unit: Decimal
    revenue: Decimal
    players: tuple[str, ...]
    values: tuple[float, ...]
    shares: tuple[float, ...]
    costs: tuple[Decimal, ...]
    payments: tuple[Decimal, ...]
    profits: tuple[Decimal, ...]
    std_errors: tuple[float, ...] | None
    applied: tuple[Applied, ...] = ()
    notes: tuple[str, ...]
    permanent: PaidPermanent | None = None

    def to_json(self) -> dict[str, Any]:
        """The settlement as a dict that JSON can hold: one list a field, in the order of `players`.

        Amounts of money are decimal texts such as "12.34", since a JSON number is commonly read as
        a binary float and would no longer be exact; values, shares and standard errors are numbers.
        """
        record: dict[str, Any] = {
            "rule": self.rule,
            "policy": self.policy,
            "loss": self.loss,
            "of": self.of,
            "minor_unit": money.written(self.minor_unit),
            "revenue": money.written(self.revenue),
            "players": list(self.players),
            "values": list(self.values),
            "shares": list(self.shares),
            "costs": list(map(money.written, self.costs)),
            "payments": list(map(money.written, self.payments)),
            "profits": list(map(money.written, self.profits)),
            "std_errors": self.std_errors and list(self.std_errors),
            "applied": [{**one._asdict(), "players": list(one.players)} for one in self.applied],
            "notes": list(self.notes),
        }
        if self.permanent is not None:
            record["permanent"] = self.permanent.to_json()
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Settlement":
        """The settlement that `to_json` wrote, not judged: that is what audits are for.

        Args:
            record: what `to_json` gave. `loss` and `of` may be left out: they are then those of the
                rule of that name. So may `applied` and `permanent`.

        Raises:
            KeyError: a key is missing.
            InvalidInputError: columns of different lengths, or what is not a number.
        """
        players = tuple(map(str, record["players"]))
        errors = record["std_errors"]
        if errors is not None:
            errors = money.numbers("std_errors", errors, players)
        permanent = record.get("permanent")
        if permanent is not None:
            permanent = PaidPermanent.from_json(permanent)
        return cls(
            rule=str(record["rule"]),
            policy=str(record["policy"]),
            loss=_stated(record, "loss"),
            of=_stated(record, "of"),
            minor_unit=money.from_text("minor_unit", record["minor_unit"]),
            revenue=money.from_text("revenue", record["revenue"]),
            players=players,
            values=money.numbers("values", record["values"], players),
            shares=money.numbers("shares", record["shares"], players),
            costs=money.from_texts("costs", record["costs"], players),
            payments=money.from_texts("payments", record["payments"], players),
            profits=money.from_texts("profits", record["profits"], players),
            std_errors=errors,
            applied=tuple(
                Applied(**{**one, "players": tuple(one["players"])})
                for one in record.get("applied", ())
            ),
            notes=tuple(map(str, record["notes"])),
            permanent=permanent,
        )


def balance(
    names: tuple[str, ...],
    loss: Decimal,
    shared: str,
    payments: tuple[Decimal, ...],
    profits: tuple[Decimal, ...],
    promised: tuple[Fraction, ...],
) -> list[str]:
    """The notes on a loss and who bears it, and on payments below zero.

    Args:
        names: the P players.
        loss: sum(c) - R, in money; below zero for a profit.
        shared: how a policy divided the loss, as a part of a sentence; "" where none did.
        payments: r[P], rounded.
        profits: r[P] - c[P], exactly.
        promised: the profits[P] before rounding.

    Returns:
        No, one or two sentences.
    """
    # A profit that only rounding took below zero is no loss of the player's, as long as the
    # federation makes none.
    rows = zip(names, profits, promised)
    losers = listed(
        (name, money.written(profit.copy_negate()))
        for name, profit, exact in rows
        if profit < 0 and (loss > 0 or exact < 0)
    )
    notes = []
    if loss > 0:
        note = f"The federation runs at a loss of {money.written(loss)}, {shared}borne by: {losers}"
        gains = _figures(names, [max(profit, Decimal(0)) for profit in profits])
        if gains:
            note += f"; in profit all the same: {gains}"
        notes.append(f"{note}.")
    elif losers:
        notes.append(
            "The revenue covers the costs, but these members are paid less than theirs, by: "
            f"{losers}."
        )
    owing = _figures(names, [min(payment, Decimal(0)) for payment in payments])
    if owing:
        notes.append(f"Payments below zero, owed to the federation: {owing}.")
    return notes


def _figures(names: tuple[str, ...], figures: list[Decimal]) -> str:
    """The players whose figure is not 0, with it."""
    return listed((name, money.written(figure)) for name, figure in zip(names, figures) if figure)


def _stated(record: Mapping[str, Any], name: str) -> str:
    """What a record says of its rule; where it does not, what the rule of that name does."""
    if name in record:
        return str(record[name])
    factory = RULES.get(str(record["rule"]))
    if factory is None:
        return ""
    return str(getattr(factory(), name))
