"""Policies: what becomes of a negative value, and who bears a loss.

A loss is R < sum(c). To share it in proportion to what was claimed, or to take the same from
everyone, are the two classic answers to claims that cannot all be met (O'Neill 1982, "A problem of
rights arbitration from the Talmud"; Thomson 2003, "Axiomatic and game-theoretic analysis of
bankruptcy and taxation problems").
"""

from decimal import Decimal
from fractions import Fraction

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import Claims, listed, quoted
from fedjax_shap.economics.division import Applied, Division

NEGATIVE = ("clip", "formula", "exclude")
LOSS = ("formula", "in_proportion_to_costs", "equal", "refuse")

# Values whose sum is this much smaller than their magnitudes cancel down to rounding error, and no
# share of it means anything.
_CANCELLED = Fraction(1, 10**12)
_NOTHING = Fraction(0)


def in_proportion(claims: Claims, negative: str) -> tuple[tuple[Fraction, ...], tuple[bool, ...]]:
    """Shares in proportion to value.

    Args:
        claims: of P players.
        negative: one of `NEGATIVE`: "formula" lets a value below zero stand, the others count it as
            zero.

    Returns:
        (share[P], summing to 1; bool[P], who counted).

    Raises:
        InvalidInputError: the sum of the values after the policy is not above zero.
    """
    if negative == "formula":
        counted = (True,) * len(claims.values)
        weights = claims.values
        total = sum(weights, Fraction(0))
        magnitude = sum(map(abs, weights), Fraction(0))
    else:  # a value that does not count weighs nothing
        counted = tuple(value >= 0 for value in claims.values)
        weights = tuple(max(value, _NOTHING) for value in claims.values)
        total = sum(weights, Fraction(0))
        magnitude = total
    if total <= _CANCELLED * magnitude:
        raise _no_positive_sum(claims, negative, total)
    return tuple(weight / total for weight in weights), counted


def _no_positive_sum(claims: Claims, negative: str, total: Fraction) -> InvalidInputError:
    """The refusal of values that sum to nothing; it names the lowest or the highest value."""
    pairs = list(zip(claims.values, claims.players))
    if negative == "formula":
        value, player = min(pairs, key=lambda pair: pair[0])
        extreme = f"the lowest is {_figure(value)}, of {player!r}"
    else:
        value, player = max(pairs, key=lambda pair: pair[0])
        extreme = f"the highest is {_figure(value)}, of {player!r}"
    reason = f"they sum to {_figure(total)}"
    if total > 0:
        reason += ", which is no more than rounding error"
    remedy = "rules 'equal', 'by_size' and 'costs_only' divide without values"
    if max(claims.values) > 0:
        remedy = "negative='clip' divides by the values above zero"
    return InvalidInputError(
        f"Expected a sum of values > 0 under negative={negative!r}, but {reason}; {extreme}; "
        f"{remedy}."
    )


def touched(
    claims: Claims, negative: str, outcome: str
) -> tuple[tuple[str, ...], tuple[Applied, ...]]:
    """The note and the record of the policy for negative values; empty where no value is negative.

    Args:
        claims: of P players.
        negative: one of `NEGATIVE`.
        outcome: what the policy does to such a player under the rule.
    """
    below = [(name, value) for name, value in zip(claims.players, claims.values) if value < 0]
    if not below:
        return (), ()
    figures = listed((name, _figure(value)) for name, value in below)
    applied = Applied("negative", negative, outcome, tuple(name for name, _ in below))
    return (f"Policy {negative!r}: {outcome}: {figures}.",), (applied,)


def loss_by_costs(
    claims: Claims,
    bases: tuple[Fraction, ...],
    loss: str,
    kept: tuple[bool, ...],
    notes: tuple[str, ...] = (),
    applied: tuple[Applied, ...] = (),
) -> Division:
    """The division of a revenue that does not cover the bases, without regard to values.

    Args:
        claims: of P players.
        bases: base[P], the costs that the federation takes on; their sum is above the revenue.
        loss: "in_proportion_to_costs", so that everyone gets the same part of its cost back; or
            "equal".
        kept: bool[P], whose costs these are; nobody else bears a part.
        notes: what was done before, see `Division`.
        applied: likewise.

    Returns:
        Payments base_i - share_i * (sum(base) - R); under "equal" one of them can be negative.
    """
    # Everyone whose cost is paid back bears the same, or as much as its cost is of all costs.
    weights = tuple(map(Fraction, kept))
    outcome = "shared equally"
    if loss == "in_proportion_to_costs":
        weights = bases
        outcome = "shared in proportion to costs"
    total = sum(weights, Fraction(0))
    shares = tuple(weight / total for weight in weights)
    bearing = tuple(name for name, share in zip(claims.players, shares) if share > 0)
    return Division(
        bases=bases,
        shares=shares,
        pool=claims.revenue - sum(bases),
        counted=(False,) * len(bases),
        notes=notes,
        applied=(*applied, Applied("loss", loss, outcome, bearing)),
    )


def loss_by_shares(
    claims: Claims, shares: tuple[Fraction, ...], pool: Fraction, outcome: str
) -> tuple[Applied, ...]:
    """The record of a loss that the rule's own shares divide; empty where the pool is no loss.

    Args:
        claims: of P players.
        shares: share[P] of the pool.
        pool: the revenue less the bases.
        outcome: how the shares divide it.
    """
    if pool >= 0:
        return ()
    bearing = tuple(name for name, share in zip(claims.players, shares) if share > 0)
    return (Applied("loss", "formula", outcome, bearing),)


def require_covered(claims: Claims) -> None:
    """Refuses a revenue below the costs: then no payments are individually rational.

    Args:
        claims: of P players.

    Raises:
        InvalidInputError: R < sum(c). The sentence says how much is missing, and what would do.
    """
    least = sum(claims.costs, Fraction(0))
    missing = least - claims.revenue
    require(
        missing <= 0,
        f"Expected revenue={_money(claims.revenue)} to be at least {_money(least)}, the sum of the "
        f"costs, under loss='refuse': with {_money(missing)} less no payments can cover every "
        "cost; loss='formula', 'in_proportion_to_costs' and 'equal' say who bears it.",
    )


def require_rational(claims: Claims, division: Division, setting: str, instead: str) -> None:
    """Refuses a division that pays someone less than its cost though the revenue covers all costs.

    Args:
        claims: of P players.
        division: of them, before rounding to minor units.
        setting: the policy that does it, as a user writes it.
        instead: the policy that would not.

    Raises:
        InvalidInputError: naming the players.
    """
    rows = zip(claims.players, division.payments, claims.costs)
    short = [name for name, paid, cost in rows if paid < cost]
    require(
        not short,
        f"Expected payments to cover every cost under loss='refuse', but {setting} pays "
        f"{quoted(short)} less; {instead} would not.",
    )


def _money(value: Fraction) -> str:
    """An amount, or a sum of amounts, as decimal text."""
    return money.written(money.decimal_of(value, Decimal(1)))


def _figure(value: Fraction) -> str:
    """A value to six digits; a sum of floats may lie beyond the floats."""
    if abs(value) < 10**300:
        return f"{float(value):.6g}"
    return f"{Decimal(round(value)):.5e}"
