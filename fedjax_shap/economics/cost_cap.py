"""Verified costs: claims held against what the device profiles and the recorded work imply, before
a rule divides.

Under 5.2 a payment rises with the claimed cost, d r_i / d c_i = 1 - phi_i / sum(phi) > 0, so a rule
that takes costs as claimed pays for overstating them. A rule that caps them at what was measured
does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fedjax_shap._validate import one_of, require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims, quoted
from fedjax_shap.economics.division import Division, Rule

HOW = {"cap": "capped at", "replace": "replaced by"}


def cap_costs(rule: Rule, implied: Mapping[str, Any] | Sequence[Any], *, how: str = "cap") -> Rule:
    """The same rule on costs that are capped at, or replaced by, those that the work implies.

    Args:
        rule: one of `rules.RULES`, made up.
        implied: money[P], what each player's device and recorded work imply (`cost.Bill.total`), in
            the order of the players or by name.
        how: "cap": who claims more is paid for what is implied, who claims less for what it claims.
            "replace": claims are not looked at.

    Returns:
        The rule, by the same name. Its policy says how costs were verified, its notes whom that
        touched. Settlements keep the costs as claimed, so that a profit is what a player has left
        if its claim was true.

    Raises:
        InvalidInputError: an unknown `how`, or an implied cost that is no amount; from `divide`,
            implied costs that are not one a player.

    Guarantees:
        Where nobody claims more than is implied, "cap" changes nothing. A player cannot change its
        payment by claiming more than is implied.
    """
    require(isinstance(rule, Rule), f"Expected rule={rule!r} to be a Rule, such as cost_aware().")
    one_of("how", how, HOW)
    by_name = isinstance(implied, Mapping)
    listed = (
        dict(implied)
        if isinstance(implied, Mapping)
        else dict(enumerate(money.items("implied", implied)))
    )
    read = {
        player: Fraction(money.amount(f"implied[{player!r}]", cost))
        for player, cost in listed.items()
    }

    def divide(claims: Claims) -> Division:
        players = claims.players if by_name else tuple(range(len(claims.players)))
        lacking = [name for name, player in zip(claims.players, players) if player not in read]
        require(
            not lacking,
            f"Expected implied to hold a cost for every player, but it lacks {quoted(lacking)}.",
        )
        require(
            len(read) == len(players),
            f"Expected implied to hold {len(players)} costs, got {len(read)}.",
        )
        due = tuple(read[player] for player in players)
        costs = due if how == "replace" else tuple(map(min, claims.costs, due))
        return _noted(rule.divide(replace(claims, costs=costs)), claims, costs, how)

    return rule._replace(policy=f"{rule.policy}{suffix(how)}", divide=divide)


def suffix(how: str) -> str:
    """What stands behind the policy of a verified rule."""
    return f"; costs {HOW[how]} those implied"


def _noted(division: Division, claims: Claims, costs: tuple[Fraction, ...], how: str) -> Division:
    """The division with a note on whose costs were changed, if anyone's were."""
    changed = [
        f"{name} ({_plain(claimed)} to {_plain(cost)})"
        for name, claimed, cost in zip(claims.players, claims.costs, costs)
        if claimed != cost
    ]
    note = f"Costs were {HOW[how]} what devices and recorded work imply: {', '.join(changed)}."
    return replace(division, notes=(note, *division.notes)) if changed else division


def _plain(cost: Fraction) -> str:
    """An amount that came from a decimal as that decimal, with no decimals to no purpose."""
    return money.written(money.EXACT.divide(cost.numerator, cost.denominator))
