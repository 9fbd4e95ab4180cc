"""A run as it lies on disk, read back for audits: its result.json and the utility store beside it,
without its game.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.audits.counterfactual import identify_rule
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.money import counts, numbers
from fedjax_shap.economics.revenue import RevenueCurve, curve
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.records import read_json, result_file
from fedjax_shap.pipeline.resettle import economics_of, is_payable, to_change, with_settlement
from fedjax_shap.pipeline.stored import StoredUtilities, stored_utilities
from fedjax_shap.typing import HostArray

UTILITIES = "utilities"  # the folder of the utility stores beside it
_ALONE = StoredUtilities(
    None, None, "This is a settlement alone, so what coalitions are worth is not known."
)


@dataclass(frozen=True, kw_only=True)
class LoadedRun:
    """A run, or a settlement alone, read back.

    Attributes:
        title: what it is called.
        case: what the audits judge.
        rule: the rule with its settings; None where the record does not say enough to repeat the
            settlement.
        bill: the parts of the members' costs where their devices were metered, else None.
        said: a sentence on the utilities: from which store, or why there are none.
    """

    title: str
    case: Evidence
    rule: Rule | None
    bill: Bill | None
    said: str


def read_run(path: str | Path, settings: Mapping[str, Any] | None = None) -> LoadedRun:
    """Reads what a run left behind.

    Args:
        path: the folder of a run, the result.json in it, or a JSON file that `fedjax-shap settle`
            wrote.
        settings: by which the run is settled again, see `resettle.to_settle`; None or empty for the
            payments that it made.

    Raises:
        InvalidInputError: no such file, one that is neither of these, or a run that paid nobody.
    """
    file = result_file(path)
    record = with_settlement(read_json(file, "result"), settings or {})
    return saved(record, file.parent / UTILITIES, title=str(path))


def saved(record: Mapping[str, Any], stores: Path | None, *, title: str = "") -> LoadedRun:
    """A run from its record.

    Args:
        record: what `Result.to_json` or `Settlement.to_json` gives.
        stores: the folder of its utility stores; None, or a folder that is not there, for no
            utilities.
        title: what it is called where the record does not say.

    Raises:
        InvalidInputError: a record that is neither of these, or a run that paid nobody.
    """
    run = "settlement" in record
    if run and record["settlement"] is None:
        advice = "say how to pay them, such as by --rule equal"
        if not is_payable(record):
            advice = to_change(record)
        raise InvalidInputError(
            f"Expected {title or 'the record'!r} to be a run that paid its members, but it paid "
            f"none: {record.get('unpaid', 'it does not say why.')} {advice.capitalize()}."
        )
    expected = f"Expected {title or 'the record'!r} to be the result of a run or a settlement, but "
    require(
        run or "payments" in record,
        expected + "it has neither the key 'settlement' nor 'payments'.",
    )
    try:
        settled = Settlement.from_json(record["settlement"] if run else record)
        sizes, errors = _columns(record, settled.players) if run else (None, None)
        metered = record.get("member_devices")
        bill = None if metered is None else Bill.from_json(metered["costs"], settled.players)
    except KeyError as error:
        raise InvalidInputError(f"{expected}it lacks the key {error}.") from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, InvalidInputError) and str(error).startswith("Expected"):
            raise  # it is a sentence of its own
        raise InvalidInputError(f"{expected}{str(error).rstrip('.')}.") from error
    known = _ALONE
    if run:
        known = stored_utilities(record, stores, len(settled.players))
    case = Evidence(
        settlement=settled,
        names=settled.players,
        values=np.array(settled.values),
        std_errors=errors,
        masks=known.masks,
        utilities=known.utilities,
        sizes=sizes,
        metered=None if bill is None else bill.total,
        revenue=_revenue(record, settled),
    )
    config = record.get("config")
    if isinstance(config, Mapping):
        title = str(config.get("title", title))
    return LoadedRun(title=title, case=case, rule=_rule(case), bill=bill, said=known.sentence)


def _columns(record: Mapping[str, Any], players: Sequence[str]) -> tuple[Any, HostArray | None]:
    """The sizes and the standard errors of a run's players; None for errors that are not known."""
    errors = record.get("std_errors")
    if errors is not None:
        errors = np.array(numbers("std_errors", errors, players))
    return counts("sizes", record["sizes"], players), errors


def _revenue(record: Mapping[str, Any], settled: Settlement) -> RevenueCurve | None:
    """The curve by which the run's model earned, where its configuration has one; less what a
    permanent member is paid, with which every coalition is made.
    """
    points = economics_of(record).get("curve")
    if points is None:
        return None
    earned = curve(points)
    if settled.permanent is None:
        return earned
    paid = Fraction(settled.permanent.payment)
    return RevenueCurve(earned.metrics, tuple(amount - paid for amount in earned.revenues))


def rule_from(name: str, settings: Mapping[str, Any]) -> Rule:
    """The rule called `name`, with those of `settings` that it has and that are not None.

    Raises:
        InvalidInputError: no such rule, or a setting that it refuses.
    """
    one_of("rule", name, RULES)
    own = inspect.signature(RULES[name]).parameters
    return RULES[name](
        **{key: value for key, value in settings.items() if key in own and value is not None}
    )


def _rule(case: Evidence) -> Rule | None:
    """The rule that makes this settlement of its values and costs, to a minor unit each, if there
    is one.
    """
    settled, metered = case.settlement, case.metered
    given = {"players": settled.players, "sizes": case.sizes, "minor_unit": settled.minor_unit}
    try:
        rule, method = identify_rule(settled)
        if method is not None:
            require(metered is not None, "Expected the rule to know what the devices' bills are.")
            rule = cap_costs(rule, list(metered or ()), method=method)
        again = settle(settled.values, settled.costs, settled.revenue, rule=rule, **given)
    except InvalidInputError:
        return None
    # A record has values as floats: where two remainders were equal, a minor unit may now fall to
    # another player.
    near = all(
        abs(one - other) <= settled.minor_unit
        for one, other in zip(again.payments, settled.payments)
    )
    return rule if near else None
