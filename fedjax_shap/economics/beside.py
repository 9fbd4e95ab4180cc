"""Settlements beside a permanent member: its cost and what it keeps come first, the players divide
the rest, and it is paid what they leave.
"""

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from fedjax_shap._validate import require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import claims
from fedjax_shap.economics.permanent import Kept, PaidPermanent, Permanent
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement


class Divided(NamedTuple):
    """A revenue before the players divide their part.

    Attributes:
        revenue: money, R.
        players: money, what the players divide, whole minor units.
        kept: what the permanent member keeps.
    """

    revenue: Decimal
    players: Decimal
    kept: Kept


def set_aside(permanent: Permanent, costs: Any, revenue: Any, minor_unit: Any = "0.01") -> Divided:
    """Sets aside a permanent member's cost and what it keeps.

    Args:
        permanent: its claim.
        costs: c[P] of the players, in money, as a list.
        revenue: R >= 0, in money, a whole number of minor units.
        minor_unit: the smallest amount that is paid.

    Raises:
        InvalidInputError: amounts that are none, or a revenue that does not cover its cost and what
            it keeps.
    """
    unit = money.amount("minor_unit", minor_unit)
    require(unit > 0, f"Expected minor_unit={minor_unit!r} to be > 0.")
    earned = money.amount("revenue", revenue)
    require(
        (Fraction(earned) / Fraction(unit)).denominator == 1,
        f"Expected revenue={revenue} to be a whole number of minor units of {money.written(unit)}.",
    )
    spare = Fraction(earned) - Fraction(permanent.cost)
    require(
        spare >= 0,
        f"Expected revenue={money.written(earned)} to cover the cost of {permanent.name!r}, "
        f"{money.written(permanent.cost)}, which comes first.",
    )
    amounts = money.items("costs", costs)
    claimed = claims([1] * len(amounts), costs, earned)
    kept = permanent.keep(spare, spare - sum(claimed.costs, Fraction(0)))
    left = math.floor((spare - kept.amount) / Fraction(unit))
    return Divided(earned, money.EXACT.multiply(unit, Decimal(left)), kept)


def settle_beside(
    values: Any, costs: Any, revenue: Any, *, permanent: Permanent, **settings: Any
) -> Settlement:
    """Divides a revenue among the players, less what a permanent member keeps.

    Args:
        values: phi[P], as `settle` takes them.
        costs: c[P] >= 0, in money, as a list in the order of the players.
        revenue: R >= 0, in money, a whole number of minor units, the permanent member's part
            included.
        permanent: the claim of the member that is in every coalition.
        settings: what else `settle` takes.

    Returns:
        The settlement of what the players divide; its `permanent` says what the other is paid. The
        payments of all sum to R exactly.

    Raises:
        InvalidInputError: a player of its name, what `set_aside` or what `settle` refuses.
    """
    players = settings.get("players") or ()
    require(
        permanent.name not in players,
        f"Expected the permanent member {permanent.name!r} to be none of the players.",
    )
    divided = set_aside(permanent, costs, revenue, settings.get("minor_unit", "0.01"))
    settled = settle(values, costs, divided.players, **settings)
    payment = money.EXACT.subtract(divided.revenue, divided.players)
    cost = money.decimal_of(Fraction(permanent.cost), settled.minor_unit)
    paid = PaidPermanent(
        name=permanent.name,
        cost=cost,
        payment=payment,
        revenue=money.decimal_of(Fraction(divided.revenue), settled.minor_unit),
        why=f"Its cost of {money.written(cost)} is covered first, and {divided.kept.why}.",
        terms=permanent.terms,
    )
    return replace(settled, permanent=paid, notes=(*_notes(paid, divided), *settled.notes))


def _notes(paid: PaidPermanent, divided: Divided) -> list[str]:
    """Of what the players divide the rest, and what is to be known of what is kept."""
    said = [
        f"Of the revenue of {money.written(paid.revenue)}, {paid.name!r}, who is in every "
        f"coalition, is paid {money.written(paid.payment)}: {paid.why[0].lower()}{paid.why[1:-1]}; "
        f"the players divide {money.written(divided.players)}."
    ]
    if divided.kept.note:
        said.append(f"{paid.name!r}: {divided.kept.note[0].lower()}{divided.kept.note[1:]}")
    return said
