"""Settlements beside a permanent member: its cost and what it keeps come first, the players divide
the rest, and it is paid what they leave.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from fedjax_shap._validate import require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims
from fedjax_shap.economics.permanent import Kept, PaidPermanent, Permanent, permanent_from
from fedjax_shap.economics.settlement import Settlement


class Divided(NamedTuple):
    """A revenue before the players divide their part.

    Attributes:
        permanent: whose part is set aside.
        revenue: money, R.
        players: money, what the players divide, whole minor units.
        kept: what the permanent member keeps.
    """

    permanent: Permanent
    revenue: Decimal
    players: Decimal
    kept: Kept

    @property
    def payment(self) -> Decimal:
        """What the permanent member is paid, in money."""
        return money.EXACT.subtract(self.revenue, self.players)


def claimed(permanent: Permanent | Mapping[str, Any] | None, name: str) -> Permanent | None:
    """The claim of the member that is in every coalition.

    Args:
        permanent: the claim; or `cost`, `keeps` and what that rule takes, see
            `permanent.permanent_from`, and `name`, which may be left out where the values have it.
        name: what the values call the member; "" where they do not say.

    Returns:
        The claim; None where none was given.

    Raises:
        InvalidInputError: another name than that of the values, or what `permanent_from` refuses.
    """
    if permanent is None:
        return None
    if not isinstance(permanent, Permanent):
        if isinstance(permanent, Mapping) and name:
            permanent = {"name": name, **permanent}
        permanent = permanent_from(permanent)
    require(
        name in ("", permanent.name),
        f"Expected permanent.name={permanent.name!r} to be {name!r}, as the values have it.",
    )
    return permanent


def unclaimed(name: str) -> str:
    """What a reader should know of values beside a permanent member that claims nothing.

    Args:
        name: of the member.
    """
    return (
        f"The values are those of the players beside {name!r}, who is in every coalition, and no "
        "part of the revenue is set aside for it: permanent={'cost': ..., 'keeps': ...} says what "
        "it is paid."
    )


def set_aside(permanent: Permanent, claim: Claims, unit: Decimal) -> Divided:
    """Sets aside a permanent member's cost and what it keeps.

    What it keeps above its cost leaves the costs of the players covered where the revenue covers
    all costs, to the minor unit.

    Args:
        permanent: its claim.
        claim: of the players, on the revenue of all.
        unit: the minor unit, money.

    Raises:
        InvalidInputError: a player of its name, a revenue that does not cover its cost, or what its
            rule refuses.
    """
    require(
        permanent.name not in claim.players,
        f"Expected the permanent member {permanent.name!r} to be none of the players.",
    )
    revenue = money.decimal_of(claim.revenue, unit)
    spare = claim.revenue - Fraction(permanent.cost)
    require(
        spare >= 0,
        f"Expected revenue={money.written(revenue)} to cover the cost of {permanent.name!r}, "
        f"{money.written(permanent.cost)}, which comes first.",
    )
    costs = sum(claim.costs, Fraction(0))
    kept = permanent.keep(spare - costs)
    # whole minor units to the players: rounding takes none of their costs
    step = Fraction(unit)
    for_costs = min(math.ceil(costs / step), math.floor(spare / step))
    left = max(math.floor((spare - kept.amount) / step), for_costs)
    return Divided(permanent, revenue, money.EXACT.multiply(unit, Decimal(left)), kept)


def joined(settled: Settlement, divided: Divided) -> Settlement:
    """The settlement of what the players divided, with what the permanent member is paid.

    Args:
        settled: of the players.
        divided: what was set aside.

    Returns:
        The settlement; its `permanent` says what the member is paid. The payments of all sum to R
        exactly.
    """
    permanent = divided.permanent
    cost = money.decimal_of(Fraction(permanent.cost), settled.minor_unit)
    paid = PaidPermanent(
        name=permanent.name,
        cost=cost,
        payment=divided.payment,
        revenue=divided.revenue,
        why=f"Its cost of {money.written(cost)} is covered first, and {divided.kept.why}.",
        terms=permanent.terms,
    )
    return replace(settled, permanent=paid, notes=(*_notes(paid, divided), *settled.notes))


def _notes(paid: PaidPermanent, divided: Divided) -> list[str]:
    """Of what the players divide the rest, and what is to be known of what is kept."""
    said = [
        f"Of the revenue of {money.written(paid.revenue)}, {paid.name!r}, who is in every "
        f"coalition, is paid {money.written(paid.payment)}: {paid.why[0].lower()}{paid.why[1:-1]}; "
        f"the others divide {money.written(divided.players)}."
    ]
    if divided.kept.note:
        said.append(f"{paid.name!r}: {divided.kept.note[0].lower()}{divided.kept.note[1:]}")
    return said
