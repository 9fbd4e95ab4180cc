"""Divisions: what a rule makes of claims, and what its policies did to whom."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

from fedjax_shap.economics.claims import Claims


class Applied(NamedTuple):
    """A policy that was not only stated but used.

    Attributes:
        policy: which one: "negative" or "loss".
        setting: what it was set to, such as "clip".
        outcome: what that did, as a part of a sentence.
        players: whom it touched, in the order of the claims.
    """

    policy: str
    setting: str
    outcome: str
    players: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Division:
    """The revenue, divided exactly.

    Attributes:
        bases: base[P], paid whatever the values are (a cost that is reimbursed, or nothing).
        shares: share[P], summing to 1; negative only where a policy lets a negative value stand.
        pool: what is shared out; negative where the bases exceed the revenue.
        counted: bool[P], True where a small change of the player's value would change the shares.
        notes: what the policy for negative values did, and to whom.
        applied: the policies that were used, with the players they touched.
        cut: whether a player whose value is negative does not count, so that no share is below 0 or
            above 1.
    """

    bases: tuple[Fraction, ...]
    shares: tuple[Fraction, ...]
    pool: Fraction
    counted: tuple[bool, ...]
    notes: tuple[str, ...] = ()
    applied: tuple[Applied, ...] = ()
    cut: bool = False

    @property
    def payments(self) -> tuple[Fraction, ...]:
        """r[P], summing to the revenue."""
        return tuple(base + share * self.pool for base, share in zip(self.bases, self.shares))


class Divide(Protocol):
    """A pure function that divides the revenue of claims."""

    def __call__(self, claims: Claims) -> Division:
        """Divides the revenue.

        Args:
            claims: of P players.

        Returns:
            The division, exact.

        Raises:
            InvalidInputError: claims that the rule cannot divide.
        """


class Rule(NamedTuple):
    """A way to divide the revenue.

    Attributes:
        name: its name in `rules.RULES`.
        policy: what it does with negative values, as the settlement records it.
        divide: see `Divide`.
        of: which values it divides by: "shapley", "leave_one_out", "banzhaf" or "least_core"; ""
            for none. The rule takes whatever values it is given: the caller has to bring these.
        loss: what it does where the costs exceed the revenue; "" for a rule that shares no loss
            out.
    """

    name: str
    policy: str
    divide: Divide
    of: str = "shapley"
    loss: str = ""


def counted_sum(claims: Claims, division: Division) -> Fraction:
    """The sum of the values that count in the division."""
    pairs = zip(claims.values, division.counted)
    return sum((value for value, counts in pairs if counts), Fraction(0))


def all_shared(
    claims: Claims,
    shares: tuple[Fraction, ...],
    counted: tuple[bool, ...],
    *,
    notes: tuple[str, ...] = (),
    applied: tuple[Applied, ...] = (),
    cut: bool = False,
) -> Division:
    """The division that pays no base: the pool is the revenue.

    Args:
        claims: of P players.
        shares: share[P], summing to 1.
        counted: bool[P]; see `Division`, as for all that follow.
        notes: what the policy for negative values did.
        applied: the policies that were used.
        cut: whether a negative value does not count.

    Returns:
        The division of the revenue.
    """
    return Division(
        bases=(Fraction(0),) * len(claims.players),
        shares=shares,
        pool=claims.revenue,
        counted=counted,
        notes=notes,
        applied=applied,
        cut=cut,
    )
