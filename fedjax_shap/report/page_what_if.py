"""What a page needs to settle a run at other revenues and by other rules: whole numbers, exactly.

The page's script divides as `economics.settle` does, in whole numbers. What does not depend on the
revenue and takes more than sums, products and comparisons is computed here.
"""

import inspect
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.economics import money
from fedjax_shap.economics.beside import claimed
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.cost_cap import METHODS, cap_costs, limited, policy_suffix
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.permanent import Permanent
from fedjax_shap.economics.policies import LOSS, NEGATIVE
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import Read, read, settle
from fedjax_shap.pipeline.resettle import BY_VALUES, RULE_SETTINGS, is_run, to_settle

OFFERED = (  # rules that the page's script divides by
    "cost_aware",
    "costs_ignored",
    "equal",
    "by_size",
    "costs_only",
    "leave_one_out",
    "banzhaf",
    "least_core",
)
MOST_MEMBERS = 2_000  # that the page settles again at every move of the slider
OWN_VALUES = "shapley"  # the key of the run's own values, by which most rules divide


class WhatIf(NamedTuple):
    """A run that can be settled again.

    Attributes:
        record: what the page's script reads, as JSON can hold it.
        rules: the rules offered, each with `name`, `says`, `of`, and whether it has the settings
            `negative` and `loss`.
        chosen: the run's own rule: `name`, `negative`, `reimburse`, `loss`.
        revenue: money, as plain decimal text.
        highest: money, where the slider ends; likewise.
    """

    record: dict[str, Any]
    rules: list[dict[str, Any]]
    chosen: dict[str, Any]
    revenue: str
    highest: str


class _Kept(NamedTuple):
    """What a permanent member takes first: its cost, and of the profit so much or such a part."""

    cost: Fraction = Fraction(0)
    most: Fraction | None = None
    part: Fraction = Fraction(0)


def what_if_of(record: Mapping[str, Any]) -> WhatIf | str:
    """What the page needs to settle a run again.

    Args:
        record: the run's result.json.

    Returns:
        That; or, in a sentence, why the page cannot do it.
    """
    if not is_run(record):
        return "This is a settlement alone; `fedjax-shap settle` settles it again."
    if len(record["players"]) > MOST_MEMBERS:
        return (
            f"The page settles runs of at most {MOST_MEMBERS:,} members again; `fedjax-shap "
            "settle` settles any."
        )
    try:
        return _prepared(record)
    except InvalidInputError as error:
        return f"The page cannot settle this run again: {error}"


def _prepared(record: Mapping[str, Any]) -> WhatIf | str:
    """See `what_if_of`; refuses a record that cannot be settled."""
    given = to_settle(record, {})
    if given["rule"] not in OFFERED:
        return f"The page does not know the rule {given['rule']!r}."
    kinds = _values_by_kind(record)
    claim = _read(given, kinds[OWN_VALUES])
    method, implied = _cap(record, claim.claim.players)
    used = claim.claim.costs
    if method is not None and implied is not None:
        used = limited(used, tuple(map(Fraction, implied)), method)
    own = _configured(given)
    if not _repeats(record, given, kinds, _capped(own, method, implied)):
        return "The page leaves this out: the record does not say enough to repeat its payments."
    revenue = money.decimal_of(Fraction(money.amount("revenue", given["revenue"])), claim.unit)
    costs = sum(claim.claim.costs, Fraction(0))
    most = max(revenue, _rounded_up(costs, claim.unit), claim.unit)
    return WhatIf(
        record=_whole_numbers(claim, kinds, used, _permanent(given)),
        rules=[_described(name) for name in _divisible(kinds, given.get("sizes"))],
        chosen=_chosen(given),
        revenue=money.written(revenue),
        highest=money.written(money.EXACT.multiply(2, most)),
    )


def _read(given: Mapping[str, Any], values: Sequence[float]) -> Read:
    """The claims of the players, as `economics.settle` reads them, on the whole revenue."""
    return read(
        values,
        given["costs"],
        given["revenue"],
        players=given["players"],
        sizes=given["sizes"],
        minor_unit=_unit(given),
    )


def _unit(given: Mapping[str, Any]) -> Any:
    """The minor unit, the default of `settle` where the run does not say."""
    return given["minor_unit"] or inspect.signature(settle).parameters["minor_unit"].default


def _values_by_kind(record: Mapping[str, Any]) -> dict[str, list[float]]:
    """The run's own values, and those that its rule divides by where these are others."""
    kinds = {OWN_VALUES: to_settle(record, {"rule": "equal"})["values"]}
    settled = record["settlement"]
    if settled and settled.get("of", "") not in BY_VALUES:
        kinds[settled["of"]] = [float(value) for value in settled["values"]]
    return kinds


def _divisible(kinds: Mapping[str, Any], sizes: Any) -> list[str]:
    """The rules offered whose values the run has; by size only where there are examples."""
    known = [name for name in OFFERED if RULES[name]().of in ("", *kinds)]
    if not sizes or not any(sizes):
        known.remove("by_size")
    return known


def _described(name: str) -> dict[str, Any]:
    """A rule as the page offers it."""
    settings = inspect.signature(RULES[name]).parameters
    return {
        "name": name,
        "says": (inspect.getdoc(RULES[name]) or name).splitlines()[0],
        "of": RULES[name]().of or OWN_VALUES,
        "negative": [one for one in NEGATIVE if "negative" in settings],
        "reimburse": "reimburse" in settings,
        "loss": [one for one in LOSS if "loss" in settings],
    }


def _chosen(given: Mapping[str, Any]) -> dict[str, Any]:
    """The run's own rule with all its settings."""
    settings = inspect.signature(RULES[given["rule"]]).parameters
    chosen = {key: given.get(key, one.default) for key, one in settings.items()}
    return {"negative": "clip", "reimburse": True, "loss": "formula", **chosen} | {
        "name": given["rule"]
    }


def _configured(given: Mapping[str, Any]) -> Rule:
    """The run's own rule."""
    settings = {key: given[key] for key in RULE_SETTINGS if given.get(key) is not None}
    return RULES[given["rule"]](**settings)


def _cap(
    record: Mapping[str, Any], players: Sequence[str]
) -> tuple[str | None, tuple[Decimal, ...] | None]:
    """How the run's settlement limited costs, and to which; (None, None) where it did not."""
    policy = str((record["settlement"] or {}).get("policy", ""))
    method = next((one for one in METHODS if policy.endswith(policy_suffix(one))), None)
    if method is None:
        return None, None
    metered = record.get("member_devices") or {}
    require("costs" in metered, "the record does not have the costs by which claims were limited.")
    return method, Bill.from_json(metered["costs"], players).total


def _capped(rule: Rule, method: str | None, implied: Sequence[Decimal] | None) -> Rule:
    """The rule, on costs that are limited as those of the run were."""
    if method is None or implied is None:
        return rule
    return cap_costs(rule, implied, method=method)


def _repeats(
    record: Mapping[str, Any], given: Mapping[str, Any], kinds: Mapping[str, Any], rule: Rule
) -> bool:
    """Whether the run's rule makes its payments again of what its record says."""
    settled = record["settlement"]
    if settled is None:
        return True  # there is nothing to repeat
    again = settle(
        kinds[rule.of or OWN_VALUES],
        given["costs"],
        given["revenue"],
        rule=rule,
        players=given["players"],
        sizes=given["sizes"],
        minor_unit=_unit(given),
        permanent=given["permanent"],
    )
    return [money.written(one) for one in again.payments] == list(settled["payments"])


def _permanent(given: Mapping[str, Any]) -> Permanent | None:
    """The claim of a permanent member."""
    return claimed(given["permanent"], "")


def _whole_numbers(
    given: Read,
    kinds: Mapping[str, Sequence[float]],
    used: Sequence[Fraction],
    permanent: Permanent | None,
) -> dict[str, Any]:
    """What the script reads: amounts and values as texts of whole numbers."""
    claim = given.claim
    kept = _kept(permanent)
    amounts = [Fraction(given.unit), *claim.costs, *used, kept.cost, kept.most or Fraction(0)]
    digits = _digits(amounts)

    def whole(amount: Fraction) -> str:
        return str(int(amount * 10**digits))

    place = {name: at for at, name in enumerate(sorted(claim.players))}
    record: dict[str, Any] = {
        "digits": digits,
        "places": max(0, -int(given.unit.as_tuple().exponent)),
        "unit": whole(Fraction(given.unit)),
        "players": list(claim.players),
        "order": [place[name] for name in claim.players],
        "values": {of: _proportions(values) for of, values in kinds.items()},
        "costs": list(map(whole, claim.costs)),
        "used": list(map(whole, used)),
        "sizes": list(map(str, claim.sizes or ())),
        "permanent": None,
    }
    if permanent is not None:
        record["permanent"] = {
            "name": permanent.name,
            "cost": whole(kept.cost),
            "most": None if kept.most is None else whole(kept.most),
            "part": str(kept.part.numerator),
            "of": str(kept.part.denominator),
        }
    return record


def _kept(permanent: Permanent | None) -> _Kept:
    """What a permanent member takes first."""
    if permanent is None:
        return _Kept()
    cost = Fraction(permanent.cost)
    if permanent.terms["keeps"] == "rest":
        alone = money.amount("alone", permanent.terms.get("alone") or 0)
        return _Kept(cost, most=Fraction(alone))
    return _Kept(cost, part=permanent.keep(Fraction(1)).amount)


def _digits(amounts: Sequence[Fraction]) -> int:
    """How many decimals it takes to write all amounts in full."""
    digits = 0
    while any((amount * 10**digits).denominator > 1 for amount in amounts):
        digits += 1
    return digits


def _proportions(values: Sequence[float]) -> list[str]:
    """Whole numbers in exactly the proportions of the values."""
    exact = [Fraction(value) for value in values]
    common = lcm(*(value.denominator for value in exact))
    return [str(int(value * common)) for value in exact]


def _rounded_up(amount: Fraction, unit: Decimal) -> Decimal:
    """The next whole number of minor units."""
    return money.EXACT.multiply(unit, -(-amount // Fraction(unit)))
