"""A run settled again: its values and costs under another rule, policy or revenue, without
training.
"""

import inspect
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.economics.record import KEYS, settle_record
from fedjax_shap.economics.revenue import curve
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.keywords import of_economics
from fedjax_shap.pipeline.schema import SECTIONS

BY_VALUES = ("", "shapley")  # rules that divide by no values, or by those of the run
_OF_SETTLE = ("values", "costs", "revenue", "std_errors", "efficient", "players", "sizes")
_DEFAULTS = {name: one.default for name, one in inspect.signature(of_economics).parameters.items()}
_OF_RUN = (*_OF_SETTLE, "minor_unit", "rule", "permanent")  # which the run itself says
RULE_SETTINGS = tuple(key for key in KEYS if key not in _OF_RUN)


def is_run(record: Mapping[str, Any]) -> bool:
    """Whether a record is a run's result.json, with or without payments."""
    return "settlement" in record and "config" in record


def resettled(record: Mapping[str, Any], settings: Mapping[str, Any]) -> Settlement:
    """Settles a run again.

    Args:
        record: its result.json.
        settings: as in `to_settle`.

    Raises:
        InvalidInputError: what `to_settle` or `economics.settle` refuses.
    """
    return settle_record(to_settle(record, settings))


def is_payable(record: Mapping[str, Any]) -> bool:
    """Whether another rule pays by the values and costs of a run; "equal", which asks least, does.

    Args:
        record: its result.json.
    """
    try:
        resettled(record, {"rule": "equal"})
    except InvalidInputError:
        return False
    return True


def to_change(record: Mapping[str, Any]) -> str:
    """What to do where no rule pays by the values and costs of a run, as a part of a sentence.

    Args:
        record: its result.json.
    """
    what = "economics"
    if record.get("permanent"):
        what = "economics.permanent"
    return f"change {what} or the revenue and run again: utilities are kept"


def with_settlement(record: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run as if it had been settled by `settings`; as it is where there are none.

    Args:
        record: its result.json.
        settings: as in `to_settle`.

    Raises:
        InvalidInputError: as in `resettled`.
    """
    if not settings:
        return dict(record)
    require(
        is_run(record),
        f"Expected {', '.join(settings)} to be given for the result of a run, not for a "
        "settlement; `fedjax-shap settle` settles a file again.",
    )
    settled = resettled(record, settings)
    changed = {**record, "settlement": settled.to_json(), "unpaid": ""}
    if "revenue" in settings:  # the curve no longer says what the model earned
        economics = {key: one for key, one in economics_of(record).items() if key != "curve"}
        changed["config"] = {**record["config"], "economics": economics}
    return changed


def to_settle(record: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `economics.record.settle_record` takes, from the result of a run.

    Args:
        record: a run's result.json. Costs are those that the members claim.
        settings: what to use in place of the run's `rule`, `revenue`, `minor_unit` and the rule's
            own settings.

    Returns:
        The record. Its values are those that the rule divides by where the run has them, else the
        run's own.

    Raises:
        InvalidInputError: an unknown rule, or a record that lacks something.
    """
    economics = economics_of(record)
    name = settings.get("rule", economics.get("name", SECTIONS["economics"].default))
    one_of("rule", name, RULES)
    known = inspect.signature(RULES[name]).parameters
    own = {key: economics[key] for key in RULE_SETTINGS if key in economics and key in known}
    try:
        given = {
            "players": record["players"],
            **_values(record, RULES[name]().of),
            "costs": _costs(record),
            "sizes": record.get("sizes"),
            "revenue": _revenue(record, economics, settings),
            "minor_unit": economics.get("minor_unit"),
            "permanent": record.get("permanent"),
        }
    except KeyError as error:
        raise InvalidInputError(
            f"Expected the record to be the result of a run, but it lacks the key {error}."
        ) from error
    return {**given, **own, **settings, "rule": name}


def economics_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the run's configuration says of money."""
    config = record.get("config")
    section = config.get("economics") if isinstance(config, Mapping) else None
    return dict(section) if isinstance(section, Mapping) else {}


def _values(record: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    """The values of the kind `wanted`, where the run has them; else its own, with their errors.

    They are floats again, as the run had them, so that the same rule pays the same.
    """
    settled = record["settlement"]
    if wanted not in BY_VALUES and settled and settled.get("of") == wanted:
        return {"values": _floats(settled["values"])}
    errors = record.get("std_errors")
    return {"values": _floats(record["values"]), "std_errors": errors and _floats(errors)}


def _floats(column: Any) -> Any:
    """A column of numbers as floats; as it is where it is none, which `settle` refuses."""
    try:
        return list(map(float, column))
    except (TypeError, ValueError):
        return column


def _costs(record: Mapping[str, Any]) -> Any:
    """The members' costs, as texts."""
    settled = record["settlement"]
    return settled["costs"] if settled else record["costs"]


def _revenue(
    record: Mapping[str, Any], economics: Mapping[str, Any], settings: Mapping[str, Any]
) -> Any:
    """What there is to divide: as the settings say, the run's, or what its model earns."""
    if "revenue" in settings:
        return settings["revenue"]
    settled = record["settlement"]
    if settled and settled.get("permanent"):
        return settled["permanent"]["revenue"]
    if settled:
        return settled["revenue"]
    points = economics.get("curve")
    if points is not None:
        unit = settings.get("minor_unit", economics.get("minor_unit", _DEFAULTS["minor_unit"]))
        grand = record["grand"]
        require(
            isinstance(grand, int | float | Decimal),
            "Expected the run to know V(N) for economics.curve; give --revenue instead.",
        )
        return curve(points).amount(float(grand), unit)
    return economics.get("revenue", _DEFAULTS["revenue"])
