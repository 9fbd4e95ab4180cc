"""Capped costs: a rule divides by what devices and recorded work imply, and not by claims alone.

Under `cost_aware` a payment rises with the claimed cost, d r_i / d c_i = 1 - phi_i / sum(phi) > 0:
a rule that takes costs as claimed pays for overstating them. A rule that caps them at what was
measured does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fedjax_shap._validate import one_of, require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims, quoted
from fedjax_shap.economics.division import Division, Rule

METHODS = {"cap": "capped at", "replace": "replaced by"}  # how costs are changed, and in words


def cap_costs(
    rule: Rule, implied: Mapping[str, Any] | Sequence[Any], *, method: str = "cap"
) -> Rule:
    """The same rule on costs that are capped at, or replaced by, those that the work implies.

    Args:
        rule: a configured rule, such as `cost_aware()`.
        implied: money[P], what each player's device and recorded work imply (`cost.Bill.total`), in
            the order of the players or by name.
        method: "cap": a player that claims more is paid for what is implied, one that claims less
            for what it claims. "replace": claims are not looked at.

    Returns:
        The rule, by the same name. Its policy says how costs were changed, its notes whose.
        Settlements keep the costs as claimed, so that a profit is what a player has left if its
        claim was true.

    Raises:
        InvalidInputError: an unknown method, or an implied cost that is not an amount; from
            `divide`, implied costs that are not one a player.

    Guarantees:
        Where nobody claims more than is implied, "cap" changes nothing. A player cannot change its
        payment by claiming more than is implied.
    """
    require(isinstance(rule, Rule), f"Expected rule={rule!r} to be a Rule, such as cost_aware().")
    one_of("method", method, METHODS)
    read = _read(implied)

    def divide(claims: Claims) -> Division:
        due = _in_order(read, claims.players, by_name=isinstance(implied, Mapping))
        costs = limited(claims.costs, due, method)
        return _noted(rule.divide(replace(claims, costs=costs)), claims, costs, method)

    return rule._replace(policy=rule.policy + policy_suffix(method), divide=divide)


def limited(
    claimed: tuple[Fraction, ...], implied: tuple[Fraction, ...], method: str
) -> tuple[Fraction, ...]:
    """money[P]: the smaller of claim and implied cost, or the implied cost for "replace"."""
    if method == "cap":
        return tuple(map(min, claimed, implied))
    return implied


def policy_suffix(method: str) -> str:
    """What `cap_costs` adds to the policy of a rule."""
    return f"; costs {METHODS[method]} those implied"


def _read(implied: Mapping[str, Any] | Sequence[Any]) -> dict[Any, Fraction]:
    """The implied costs by player, or by its number where they are a list."""
    if isinstance(implied, Mapping):
        entries: dict[Any, Any] = dict(implied)
    else:
        entries = dict(enumerate(money.items("implied", implied)))
    return {
        player: Fraction(money.amount(f"implied[{player!r}]", cost))
        for player, cost in entries.items()
    }


def _in_order(
    read: Mapping[Any, Fraction], players: Sequence[str], *, by_name: bool
) -> tuple[Fraction, ...]:
    """money[P]: the implied costs in the order of the players, or a refusal."""
    keys: Sequence[Any] = range(len(players))
    if by_name:
        keys = players
    lacking = [name for name, key in zip(players, keys) if key not in read]
    require(
        not lacking,
        f"Expected implied to hold a cost for every player, but it lacks {quoted(lacking)}.",
    )
    require(
        len(read) == len(players),
        f"Expected implied to hold {len(players)} costs, got {len(read)}.",
    )
    return tuple(read[key] for key in keys)


def _noted(
    division: Division, claims: Claims, costs: tuple[Fraction, ...], method: str
) -> Division:
    """The division with a note on whose costs were changed, if anyone's were."""
    changed = [
        f"{name} ({_plain(claimed)} to {_plain(cost)})"
        for name, claimed, cost in zip(claims.players, claims.costs, costs)
        if claimed != cost
    ]
    if not changed:
        return division
    note = f"Costs were {METHODS[method]} what devices and recorded work imply: "
    return replace(division, notes=(f"{note}{', '.join(changed)}.", *division.notes))


def _plain(cost: Fraction) -> str:
    """An amount that came from a decimal as that decimal, without zeros at its end."""
    return money.written(money.EXACT.divide(cost.numerator, cost.denominator))
