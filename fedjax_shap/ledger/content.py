"""Content: what a ledger records of a result, who brought what, its cost, its pay, and the run."""

import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import named
from fedjax_shap.ledger.canonical import canonical, digest

# What is kept of a run's result.json besides; the file's own hash stands for all of it.
_RUN = ("setting", "stopped", "num_coalitions", "coalitions", "fingerprint", "versions", "device")


def recorded(content: bytes) -> tuple[str, dict[str, Any]]:
    """Reads a result, of `fedjax-shap run` or `fedjax-shap settle`, into the content of an entry.

    Args:
        content: the bytes of a JSON file: a run's result.json, or a settlement.

    Returns:
        The kind of the entry, "run" or "settlement", and its content, money as decimal texts, a
        number that is not finite as None: `players` [P]; `costs` [P]; `contributions` with
        `values`, `std_errors`, `sizes` [P], None where not known; `payments` with `amounts`,
        `profits`, `std_errors` and the values `divided_by` [P], and with `revenue`, `minor_unit`,
        `rule`, `policy`, `loss`, `of`, `applied`, `notes`, see `settlement.Settlement`,
        and with `permanent` where a member is paid that is no player;
        `file_sha256`, of the bytes given; and for a run `run` with `title`, `seed`, `config_sha256`
        (of the canonical JSON of its configuration), `setting`, `coalitions`, `versions`, `device`
        and the like.

    Raises:
        InvalidInputError: it is neither, or payments and costs are not amounts, do not have one
            entry a player, or do not balance: payments must sum to the revenue, and profits be
            payments less costs.
    """
    result = _parsed(content)
    settlement = result
    run: dict[str, Any] = {}
    if isinstance(result.get("settlement"), dict):
        run = result
        settlement = result["settlement"]
    names = money.items("players", _needed(settlement, "players"))
    players = list(named(names, len(names)))
    entry = {
        "players": players,
        "contributions": _contributions(run, settlement, players),
        **_money(settlement, players),
        "file_sha256": hashlib.sha256(content).hexdigest(),
    }
    if run:
        return "run", {**entry, "run": _run(run)}
    return "settlement", entry


def _parsed(content: bytes) -> dict[str, Any]:
    """The object of a JSON file that holds a run or a settlement."""
    try:
        result = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"Expected result to be a JSON file: {error}.") from error
    if isinstance(result, dict) and result.get("unpaid"):
        raise InvalidInputError(
            f"Expected result to be a run that paid its members, but it paid none: "
            f"{result['unpaid']} Settle it by `fedjax-shap settle`, or run it with other "
            "[economics], and append what that writes."
        )
    known = isinstance(result, dict) and (
        isinstance(result.get("settlement"), dict) or "payments" in result
    )
    require(
        known,
        "Expected result to be the result.json of a run, or what `fedjax-shap settle` writes as "
        "JSON.",
    )
    return dict(result)


def _contributions(
    run: Mapping[str, Any], settlement: Mapping[str, Any], players: list[str]
) -> dict[str, Any]:
    """Who brought what, as far as the result says so."""
    sizes = run.get("sizes")
    if sizes:
        sizes = list(money.counts("sizes", sizes, players))
    return {
        "values": _numbers("values", run.get("values", settlement.get("values")), players),
        "std_errors": _numbers("std_errors", run.get("std_errors"), players),
        "sizes": sizes,
    }


def _money(settlement: Mapping[str, Any], players: list[str]) -> dict[str, Any]:
    """Costs and payments, exact, once they are seen to balance."""
    names = ("costs", "payments", "profits")
    columns = {name: money.items(name, _needed(settlement, name), len(players)) for name in names}
    costs, payments, profits = (
        [_amount(f"{name}[{player!r}]", value) for player, value in zip(players, columns[name])]
        for name in names
    )
    revenue = _amount("revenue", _needed(settlement, "revenue"))
    # Profits must be payments less costs, and payments sum to the revenue, exactly.
    total = Decimal(0)
    for player, cost, payment, profit in zip(players, costs, payments, profits):
        total = money.EXACT.add(total, payment)
        left = money.EXACT.subtract(payment, cost)
        require(
            profit == left,
            f"Expected profits[{player!r}]={profit} to be its payment less its cost, {left}.",
        )
    require(
        total == revenue,
        f"Expected the payments to sum to revenue={revenue}, but they sum to {total}.",
    )
    notes = money.items("notes", settlement.get("notes") or [])
    permanent = {}
    if settlement.get("permanent") is not None:
        permanent = {"permanent": _permanent(settlement["permanent"], revenue)}
    return {
        "costs": costs,
        "payments": {
            "rule": _word("rule", _needed(settlement, "rule")),
            "policy": _word("policy", _needed(settlement, "policy")),
            **{name: _plain(settlement.get(name)) for name in ("loss", "of", "applied")},
            "minor_unit": money.amount("minor_unit", _needed(settlement, "minor_unit")),
            "revenue": revenue,
            "divided_by": _numbers("values", _needed(settlement, "values"), players),
            "amounts": payments,
            "profits": profits,
            "std_errors": _numbers("std_errors", settlement.get("std_errors"), players),
            "notes": [_word("notes", note) for note in notes],
            **permanent,
        },
    }


def _permanent(paid: Any, divided: Decimal) -> dict[str, Any]:
    """What a permanent member is paid, exact, once it is seen to balance.

    Args:
        paid: what the settlement says of it.
        divided: the part of the revenue that the players divide.
    """
    require(isinstance(paid, dict), f"Expected permanent={paid!r} to be a JSON object.")
    read = {
        name: _amount(f"permanent.{name}", _needed(paid, name))
        for name in ("cost", "payment", "profit", "revenue")
    }
    left = money.EXACT.subtract(read["payment"], read["cost"])
    require(
        read["profit"] == left,
        f"Expected permanent.profit={read['profit']} to be its payment less its cost, {left}.",
    )
    total = money.EXACT.add(read["payment"], divided)
    require(
        read["revenue"] == total,
        f"Expected permanent.revenue={read['revenue']} to be its payment and those of the players, "
        f"{total}.",
    )
    words = {name: _word(f"permanent.{name}", _needed(paid, name)) for name in ("name", "why")}
    return {**words, **read, "terms": _plain(paid.get("terms"))}


def _run(result: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies a run."""
    config = result.get("config")
    if not isinstance(config, dict):
        raise InvalidInputError(
            "Expected result to hold the configuration of its run, but it has no config."
        )
    kept = {name: result[name] for name in _RUN if result.get(name) is not None}
    return {
        "title": config.get("title"),
        "seed": config.get("seed"),
        "config_sha256": digest(canonical(_plain(config))),
        **_plain(kept),
    }


def _needed(settlement: Mapping[str, Any], key: str) -> Any:
    require(
        settlement.get(key) is not None,
        f"Expected the settlement to have the key {key!r}, but it has not.",
    )
    return settlement[key]


def _amount(name: str, value: Any) -> Decimal:
    """An amount of either sign: a payment is below zero where a player owes the federation."""
    owed = isinstance(value, str) and value.startswith("-")
    if not owed:
        return money.amount(name, value)
    return money.amount(name, value[1:]).copy_negate()


def _numbers(name: str, values: Any, players: list[str]) -> list[float | None] | None:
    """One number a player, None where it is not finite or not known."""
    if values is None:
        return None
    numbers = money.items(name, values, len(players))
    for player, value in zip(players, numbers):
        fine = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        require(fine, f"Expected {name}[{player!r}]={value!r} to be a number.")
    return [_plain(value) for value in numbers]


def _word(name: str, value: Any) -> str:
    require(isinstance(value, str), f"Expected {name}={value!r} to be a text.")
    return str(value)


def _plain(value: Any) -> Any:
    """A value of `json.loads`, with None for what is not finite, which canonical JSON has not."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
