"""Records: a settlement from plain numbers and names, as a JSON file holds them."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedjax_shap._validate import one_of, require
from fedjax_shap.economics.claims import quoted
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement

_NEEDED = ("values", "costs", "revenue")
_PER_PLAYER = ("values", "costs", "std_errors", "sizes")
_SETTINGS = tuple(
    sorted({name for rule in RULES.values() for name in inspect.signature(rule).parameters})
)
KEYS = (
    *_NEEDED,
    "std_errors",
    "efficient",
    "players",
    "sizes",
    "minor_unit",
    "rule",
    "permanent",
    *_SETTINGS,
)


def settle_record(record: Mapping[str, Any]) -> Settlement:
    """Divides a revenue as a record says.

    Args:
        record: `values`, `costs` and `revenue`; and, where wanted, `std_errors`, `efficient` (see
            `settle`), `players`, `sizes`, `minor_unit`, `rule` (a name in `RULES`; "cost_aware" if
            left out) and that rule's settings: `negative`, `reimburse`, `loss`; `permanent`, see
            `permanent.permanent_from`, for a member that is in every coalition. What is given per
            player is a list in the order of `players`, or a dict by name; all of it in one of the
            two forms. None stands for a key left out.

    Returns:
        The settlement; see `settle`.

    Raises:
        InvalidInputError: an unknown or a missing key, names that disagree, a setting that the rule
            does not have, or what `settle` refuses.
    """
    require(
        isinstance(record, Mapping),
        f"Expected the record to be a JSON object, got {type(record).__name__}.",
    )
    for key in record:
        one_of("key", key, KEYS)
    given = {key: value for key, value in record.items() if value is not None}
    for key in _NEEDED:
        require(
            key in given,
            f"Expected the record to have the key {key!r}, got "
            f"{', '.join(sorted(given)) or 'none'}.",
        )
    rule = _rule(given)
    ordered = _in_order(given)
    fields = {key: value for key, value in ordered.items() if key not in ("rule", *_SETTINGS)}
    needed = [fields.pop(key) for key in _NEEDED]
    settled = settle(*needed, rule=rule, **fields)
    if rule.of in ("", "shapley"):
        return settled
    note = (
        f"The values given were taken to be those that the rule divides by, {rule.of}; none were "
        "computed."
    )
    return replace(settled, notes=(note, *settled.notes))


def _rule(given: dict[str, Any]) -> Rule:
    """The rule that the record names, with the record's settings."""
    name = given.get("rule", "cost_aware")
    one_of("rule", name, RULES)
    settings = {key: given[key] for key in _SETTINGS if key in given}
    known = inspect.signature(RULES[name]).parameters
    for key, value in settings.items():
        has = ", ".join(known) or "no settings"
        require(key in known, f"Expected no {key}={value!r} with rule {name!r}, which has {has}.")
    return RULES[name](**settings)


def _in_order(given: dict[str, Any]) -> dict[str, Any]:
    """The record with every dict by name made a list in the order of the players."""
    if not isinstance(given["values"], Mapping):
        for key in _PER_PLAYER:
            require(
                not isinstance(given.get(key), Mapping),
                f"Expected {key} to be a list, as values is, got an object by name.",
            )
        return given
    players = given.get("players", list(given["values"]))
    fine = isinstance(players, list | tuple) and all(isinstance(name, str) for name in players)
    require(fine, f"Expected players={players!r} to be a list of names.")
    columns = {key: _column(key, given[key], players) for key in _PER_PLAYER if key in given}
    return {**given, "players": players, **columns}


def _column(key: str, by_name: Any, players: Sequence[str]) -> list[Any]:
    """What an object by player name holds, in the order of the players."""
    require(
        isinstance(by_name, Mapping),
        f"Expected {key} to be an object by player name, as values is.",
    )
    missing = [name for name in players if name not in by_name]
    require(not missing, f"Expected {key} to name every player, but it lacks {quoted(missing)}.")
    extra = [name for name in by_name if name not in players]
    require(not extra, f"Expected {key} to name only the players, got {quoted(extra)} as well.")
    return [by_name[name] for name in players]
