"""Permanent members: who is in every coalition is no player; a rule says what it keeps."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import fraction, number, one_of, require
from fedjax_shap.economics import money

CLAIMED = ("name", "cost", "keeps")  # of a record, besides the rule's own settings
AMOUNTS = ("alone",)  # settings in money


class Kept(NamedTuple):
    """What a permanent member keeps.

    Attributes:
        amount: money, above its cost, >= 0.
        why: as a part of a sentence.
        note: what a reader should know of it, in one sentence; "" for nothing.
    """

    amount: Fraction
    why: str
    note: str = ""


class Keep(Protocol):
    """A rule of what a permanent member keeps."""

    def __call__(self, profit: Fraction, /) -> Kept:
        """Says what it keeps.

        Args:
            profit: the revenue less all costs, in money; below 0 for a loss.
        """


class Permanent(NamedTuple):
    """A permanent member's claim.

    Attributes:
        name: what it is called.
        cost: money, exactly as reported.
        keep: what it keeps above its cost.
        terms: `cost`, `keeps` and the settings of that rule, as `permanent_from` takes them.
    """

    name: str
    cost: Decimal
    keep: Keep
    terms: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PaidPermanent:
    """What a permanent member is paid, and why.

    Attributes:
        name: what it is called.
        cost: money, exactly as reported.
        payment: money, the revenue less the payments of the players, exactly.
        revenue: money, R, of which the players divide the rest.
        why: what it keeps and by which rule, in one sentence.
        terms: see `Permanent`.
    """

    name: str
    cost: Decimal
    payment: Decimal
    revenue: Decimal
    why: str
    terms: Mapping[str, Any]

    @property
    def profit(self) -> Decimal:
        """Its payment less its cost, exactly."""
        return money.EXACT.subtract(self.payment, self.cost)

    def to_json(self) -> dict[str, Any]:
        """A dict that JSON can hold; amounts are decimal texts."""
        return {
            "name": self.name,
            "cost": money.written(self.cost),
            "payment": money.written(self.payment),
            "profit": money.written(self.profit),
            "revenue": money.written(self.revenue),
            "why": self.why,
            "terms": dict(self.terms),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "PaidPermanent":
        """What `to_json` wrote, not judged.

        Args:
            record: what `to_json` gave.

        Raises:
            KeyError: a key is missing.
            InvalidInputError: what is not an amount, or a profit that is not payment less cost.
        """
        amounts = {
            name: money.from_text(f"permanent.{name}", record[name])
            for name in ("cost", "payment", "revenue", "profit")
        }
        profit = amounts.pop("profit")
        read = cls(
            name=str(record["name"]),
            why=str(record["why"]),
            terms=dict(record["terms"]),
            **amounts,
        )
        require(
            profit == read.profit,
            f"Expected permanent.profit={profit} to be its payment less its cost, {read.profit}.",
        )
        return read


def rest(*, alone: float | int | str | Decimal | None = None) -> Keep:
    """What it would earn alone, at most what all costs leave; the players divide what they add.

    Args:
        alone: money, >= 0, the revenue of the model that it makes by itself; None for 0, which is
            said.
    """
    earned = money.amount("alone", alone or 0)

    def keep(profit: Fraction) -> Kept:
        said = money.written(earned)
        note = "It keeps nothing above its cost: say alone, what it would earn by itself."
        most = max(profit, Fraction(0))
        if earned <= most:
            return Kept(Fraction(earned), f"it would earn {said} alone", note * (alone is None))
        left = money.written(money.decimal_of(most, Decimal(1)))
        return Kept(
            most,
            f"it would earn {said} alone, of which all costs leave it {left}",
            "The model of all earns less above costs than it would alone, so the players are paid "
            "no more than their costs.",
        )

    return keep


def share(*, share: float) -> Keep:
    """A stated share of the profit, the revenue less all costs; nothing of a loss.

    Args:
        share: in [0, 1].
    """
    fraction("share", share)
    stated = Fraction(str(share))

    def keep(profit: Fraction) -> Kept:
        note = "There is no profit of which to keep a share." * (profit <= 0)
        return Kept(
            max(profit, Fraction(0)) * stated, f"it keeps {float(share):g} of the profit", note
        )

    return keep


def veto(*, chance: float, means: Sequence[float]) -> Keep:
    """Its Shapley value where it is a player without whom no model is made.

    V(S) is then that of a model of chance for every S without it, so that its value is the mean
    over sizes s = 0..P of the mean of V(S) - chance over the coalitions of s players, and it keeps
    this part of V(N) - chance of the profit.

    Args:
        chance: what a model of chance is worth, in the unit of V.
        means: [P + 1], the mean of V over the coalitions of each size.

    References:
        Shapley 1953, "A value for n-person games", the value of a veto player.
    """
    number("chance", chance)
    listed = isinstance(means, Sequence) and not isinstance(means, str) and len(means) > 1
    require(
        listed,
        f"Expected means={means!r} to be the mean utility of the coalitions of each size, 0..P.",
    )

    def keep(profit: Fraction) -> Kept:
        above = np.asarray(means, np.float64) - float(chance)
        require(
            bool(np.isfinite(above).all()) and above[-1] > 0,
            f"Expected chance={chance:g} to be below the utility of everybody, "
            f"{float(means[-1]):g}.",
        )
        part = max(float(above.mean() / above[-1]), 0.0)
        note = ""
        if part > 1:
            note = "Coalitions do better than everybody, so it keeps the whole profit."
        kept = Fraction(min(part, 1.0)) * max(profit, Fraction(0))
        why = f"its Shapley value is {above.mean():.4f} of {above[-1]:.4f} above chance"
        return Kept(kept, why, note)

    return keep


KEEPS: dict[str, Callable[..., Keep]] = {"rest": rest, "share": share, "veto": veto}


def permanent_from(record: Mapping[str, Any]) -> Permanent:
    """A permanent member's claim from plain numbers and names.

    Args:
        record: `name`; `cost`, an amount, 0 if left out; `keeps`, a name in `KEEPS`, "rest" if left
            out; and the settings of that rule.

    Raises:
        InvalidInputError: an unknown key, one that is missing, or what the rule refuses.
    """
    require(isinstance(record, Mapping), f"Expected permanent={record!r} to be a table.")
    name = record.get("name")
    require(
        isinstance(name, str) and bool(name.strip()),
        f"Expected permanent.name={name!r} to be a name.",
    )
    rule = record.get("keeps", "rest")
    check_terms(record)
    settings = {key: _read(key, value) for key, value in record.items() if key not in CLAIMED}
    cost = money.amount("permanent.cost", record.get("cost", 0))
    terms = {"cost": money.written(cost), "keeps": rule}
    terms |= {key: _plain(value) for key, value in settings.items()}
    return Permanent(str(name), cost, KEEPS[rule](**settings), terms)


def check_terms(record: Mapping[str, Any], *, later: Sequence[str] = ()) -> None:
    """Refuses unknown or missing settings.

    Args:
        record: what is said of a permanent member.
        later: settings that may still be missing.

    Raises:
        InvalidInputError: there are such.
    """
    rule = record.get("keeps", "rest")
    one_of("permanent.keeps", rule, KEEPS)
    known = inspect.signature(KEEPS[rule]).parameters
    for key in record:
        one_of("permanent key", key, (*CLAIMED, *known), f"a setting of permanent.keeps={rule!r}")
    for key, setting in known.items():
        require(
            key in record or key in later or setting.default is not setting.empty,
            f"Expected permanent.{key} to be given with permanent.keeps={rule!r}.",
        )


def _read(key: str, value: Any) -> Any:
    """A setting as its rule takes it: a number of a file, which is a Decimal, as a float."""
    if key in AMOUNTS:
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [float(money.exact(f"permanent.{key}", one)) for one in value]
    if isinstance(value, Decimal):
        return float(value)
    return value


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it: numbers as they are, amounts as texts."""
    if isinstance(value, Decimal):
        return money.written(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [float(one) for one in value]
    return value
