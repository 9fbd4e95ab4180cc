"""Rules: how the revenue of the joint model is divided among those who made it (Spec 5.2, 5.3, 5.6).

Every rule here pays player i a base of its own and a share of a common pool, r_i = base_i + share_i * pool, where the
shares sum to one and the bases and the pool to the revenue. Nothing is rounded: that is left to `settle`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.economics.claims import Claims, listed

NEGATIVE = ("clip", "formula", "exclude")

# Values whose sum is this much smaller than their magnitudes cancel down to rounding error, and no share of it means
# anything.
_CANCELLED = Fraction(1, 10**12)


@dataclass(frozen=True, kw_only=True)
class Division:
    """The revenue, divided exactly.

    Attributes:
        bases: base[P], paid whatever the values are (a cost that is reimbursed, or nothing).
        shares: share[P], summing to 1; negative only where a policy lets a negative value stand.
        pool: what is shared out; negative where the bases exceed the revenue.
        counted: bool[P], True where a small change of the player's value would change the shares.
        notes: what the policy did, and to whom.
    """

    bases: tuple[Fraction, ...]
    shares: tuple[Fraction, ...]
    pool: Fraction
    counted: tuple[bool, ...]
    notes: tuple[str, ...] = ()

    @property
    def payments(self) -> tuple[Fraction, ...]:
        """r[P], summing to the revenue."""
        return tuple(base + share * self.pool for base, share in zip(self.bases, self.shares))


class Rule(NamedTuple):
    """A way to divide the revenue.

    Attributes:
        name: its name in `RULES`.
        policy: what it does with negative values, as the settlement records it.
        divide: Claims -> Division, a pure function.
    """

    name: str
    policy: str
    divide: Callable[[Claims], Division]


def cost_aware(*, negative: str = "clip", reimburse: bool = True) -> Rule:
    """Costs first, then profit in proportion to value: r_i = c_i + phi_i / sum(phi) * (R - sum(c)) (Spec 5.2).

    A loss (R < sum(c)) is shared by the same formula, so that who is worth most bears most of it (Spec 5.5).

    Args:
        negative: what becomes of phi_i < 0 (Spec 5.3):
            "clip" counts it as zero: the player gets its cost back and no profit. No profit is negative if R >= sum(c).
            "formula" lets it stand: the player makes a loss while the others make a profit, and a profit while they
            make a loss; a payment can be negative. The promise of "clip" does not hold.
            "exclude" leaves the player out of the profit. What the others are worth is not computed anew: the
            values stay those of the federation as it was.
        reimburse: whether an excluded player gets its cost back. If so it is paid what "clip" pays it, and the
            settlement says that it was excluded. If not it is paid nothing and bears its cost itself, and that cost
            is not taken from the revenue: the others share R minus their own costs.

    Returns:
        The rule. Its `divide` refuses values whose sum after the policy is not above zero (Spec 5.4).
    """
    one_of("negative", negative, NEGATIVE)
    require(isinstance(reimburse, bool), f"Expected reimburse={reimburse!r} to be True or False.")
    require(
        reimburse or negative == "exclude",
        f"Expected reimburse=False only with negative='exclude', got negative={negative!r}.",
    )

    def divide(claims: Claims) -> Division:
        shares, counted = _in_proportion(claims, negative)
        bases = [
            Fraction(0) if value < 0 and not reimburse else cost for value, cost in zip(claims.values, claims.costs)
        ]
        outcome = {
            "clip": "negative values were counted as zero, so that these players get their costs back and no profit",
            "formula": "negative values were left to stand, so that these players take the opposite of a profit share",
            "exclude": "players of negative value were left out of the profit, "
            + ("and their costs reimbursed" if reimburse else "and bear their costs themselves"),
        }
        notes = _touched(claims, negative, outcome[negative])
        return Division(
            bases=tuple(bases), shares=shares, pool=claims.revenue - sum(bases), counted=counted, notes=notes
        )

    returned = {"exclude": ", costs reimbursed" if reimburse else ", costs not reimbursed"}
    return Rule("cost_aware", negative + returned.get(negative, ""), divide)


def costs_ignored(*, negative: str = "clip") -> Rule:
    """The whole revenue in proportion to value, r_i = phi_i / sum(phi) * R, whatever the costs (Spec 5.6).

    For federations whose costs and data value differ by orders of magnitude.

    Args:
        negative: as in `cost_aware`. Since costs play no part, "clip" and "exclude" both pay such a player nothing;
            under "formula" it pays in.

    Returns:
        The rule. Its `divide` refuses values whose sum after the policy is not above zero (Spec 5.4).
    """
    one_of("negative", negative, NEGATIVE)
    outcome = {
        "clip": "negative values were counted as zero, so that these players are paid nothing",
        "formula": "negative values were left to stand, so that these players pay in",
        "exclude": "players of negative value were left out and are paid nothing",
    }

    def divide(claims: Claims) -> Division:
        shares, counted = _in_proportion(claims, negative)
        notes = _touched(claims, negative, outcome[negative])
        return _all_shared(claims, shares, counted, notes)

    return Rule("costs_ignored", negative, divide)


def equal() -> Rule:
    """The same payment to everyone, r_i = R / P, whatever the values and costs."""

    def divide(claims: Claims) -> Division:
        count = len(claims.players)
        return _all_shared(claims, (Fraction(1, count),) * count, (False,) * count)

    return Rule("equal", "values not used", divide)


def by_size() -> Rule:
    """Payment by number of training examples, r_i = N_i / sum(N) * R, whatever the values and costs."""

    def divide(claims: Claims) -> Division:
        sizes = claims.sizes
        require(sizes is not None, "Expected sizes to be given for rule 'by_size', got None.")
        total = sum(sizes or ())
        require(total > 0, "Expected sizes to hold at least one example for rule 'by_size', but all are 0.")
        return _all_shared(claims, tuple(Fraction(size, total) for size in sizes or ()), (False,) * len(claims.players))

    return Rule("by_size", "values not used", divide)


def _all_shared(
    claims: Claims, shares: tuple[Fraction, ...], counted: tuple[bool, ...], notes: tuple[str, ...] = ()
) -> Division:
    """The division that pays no base: the pool is the revenue."""
    bases = (Fraction(0),) * len(claims.players)
    return Division(bases=bases, shares=shares, pool=claims.revenue, counted=counted, notes=notes)


def _in_proportion(claims: Claims, negative: str) -> tuple[tuple[Fraction, ...], tuple[bool, ...]]:
    """Shares in proportion to value after the policy, and who counted; or a refusal where the sum is not above 0."""
    counted = tuple(negative == "formula" or value >= 0 for value in claims.values)
    weights = [value if counts else Fraction(0) for value, counts in zip(claims.values, counted)]
    total = sum(weights, Fraction(0))
    if total <= _CANCELLED * sum(map(abs, weights)):
        first = min if negative == "formula" else max
        value, player = first(zip(claims.values, claims.players), key=lambda pair: pair[0])
        extreme = f"the {'lowest' if negative == 'formula' else 'highest'} is {_figure(value)}, of {player!r}"
        found = f"they sum to {_figure(total)}{', which is no more than rounding error' if total > 0 else ''}"
        raise InvalidInputError(f"Expected a sum of values > 0 under negative={negative!r}, but {found}; {extreme}.")
    return tuple(weight / total for weight in weights), counted


def _touched(claims: Claims, negative: str, outcome: str) -> tuple[str, ...]:
    """The note that says to whom the policy was applied, if to anyone."""
    touched = listed((name, _figure(v)) for name, v in zip(claims.players, claims.values) if v < 0)
    return (f"Policy {negative!r}: {outcome}: {touched}.",) if touched else ()


def _figure(value: Fraction) -> str:
    """A value to six digits; a sum of floats may lie beyond the floats."""
    return f"{float(value):.6g}" if abs(value) < 10**300 else f"{Decimal(round(value)):.5e}"


RULES: dict[str, Callable[..., Rule]] = {
    "cost_aware": cost_aware,
    "costs_ignored": costs_ignored,
    "equal": equal,
    "by_size": by_size,
}
