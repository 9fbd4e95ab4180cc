"""The numbers that the package computes, kept in numbers.json, to hold a refactoring against.

    python -m tests.numbers --write tests/numbers.json    computes them and writes the file
    python -m tests.numbers --against tests/numbers.json  compares; exit code 1 where one differs

Run it from the root of the repository. A refactoring changes names and places but no number, so
it runs the second command at each step. The first is for a change of a number that is meant.
Sentences and configurations are left out: they may change. What is compared: the quickstart; a
run of each .toml file beside this one; every estimator on one table; what else is read off that
table; settlements under every rule; an entry of a ledger; the audits of a run.

A checksum tells whether utilities are the same bit for bit. Where it differs it is told, but what
decides are the utilities themselves, which stand beside it.
"""

import hashlib
import inspect
import json
import platform
import tempfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import fedjax_shap as fs
from fedjax_shap.engine import archive
from fedjax_shap.ledger.canonical import canonical, digest
from fedjax_shap.ledger.content import recorded
from fedjax_shap.pipeline.load import saved
from fedjax_shap.pipeline.quickstart import quickstart, toml
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.interactions import moebius

CONFIGS = Path(__file__).parent
MOST_PLAIN = 800  # numbers of a store that are written out
INTERACTIONS = ("SII", "k-SII", "STII", "Banzhaf")
SEMIVALUES = ("shapley", "banzhaf", "banzhaf(0.3)", "beta(4, 1)")


# ------------------------------------------------------------------ what is computed


def computed(seen: Any = lambda part: None) -> dict[str, Any]:
    """All numbers, by part; `seen` is called with each part's name before it is computed."""
    numbers: dict[str, Any] = {"made with": made_with()}
    seen("quickstart")
    result, inside = quickstart()
    numbers["quickstart"] = of_result(result)
    numbers["quickstart in-run"] = of_values(next(iter(inside.values())))
    raw = tomllib.loads(toml())
    numbers["quickstart stored"] = of_run(raw)[0]
    for path in sorted(CONFIGS.glob("*.toml")):
        seen(path.stem)
        numbers[f"run {path.stem}"], *kept = of_run(tomllib.loads(path.read_text(encoding="utf-8")))
        if path.stem == "silo":
            numbers["audits"] = kept[0]
        if path.stem == "ledger":
            numbers["entry"] = kept[1]
    seen("tables and settlements")
    numbers |= {f"estimator {name}": of_estimator(name) for name in ESTIMATORS}
    numbers["table"] = of_table()
    numbers |= {f"rule {name}": of_rule(name) for name in fs.rules.RULES}
    return numbers


def made_with() -> dict[str, str]:
    """Where the numbers are from; this is not compared."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    packages = {name: version(name) for name in ("jax", "jaxlib", "numpy", "scipy", "scikit-learn")}
    return {**packages, "cpu": (names or [platform.processor()])[0]}


def of_run(raw: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The numbers of one configuration, of the audits of its run, and of its entry in a ledger."""
    with tempfile.TemporaryDirectory() as folder:
        result = fs.run(fs.parse(raw), store=folder)
        paths = archive.find(folder)
        stores = {path.relative_to(folder).as_posix(): of_store(path) for path in paths}
        case = saved(result.to_json(), Path(folder)).case
    findings = fs.audit(case)
    found = {one.name: {"holds": one.holds, "numbers": plain(one.numbers)} for one in findings}
    return {**of_result(result), "stores": stores}, found, of_entry(result)


def of_result(result: Any) -> dict[str, Any]:
    """The numbers of a run's result."""
    metered = result.metered
    used = None if metered is None else {**metered.used.totals(), "seconds": metered.used.rounds}
    return {
        **of_values(result.attribution),
        "sizes": plain(result.sizes),
        "counted": result.coalitions,
        "settlement": of_settlement(result.settlement),
        "intervals": of_intervals(result.intervals),
        "alike": plain(result.alike),
        "federated": plain(result.curve.federated),
        "alone": plain(result.curve.alone),
        "pooled": plain(result.curve.pooled),
        "pooled metric": result.curve.pooled_metric,
        "used": plain(used),
        "bill": None if metered is None else metered.bill.to_json(),
    }


def of_values(found: Any) -> dict[str, Any]:
    """The numbers of values."""
    return {
        "values": plain(found.values),
        "std_errors": plain(found.std_errors),
        "empty": plain(found.empty),
        "grand": plain(found.grand),
        "num_coalitions": found.num_coalitions,
        "notes": plain(found.notes),
    }


def of_store(folder: Path) -> dict[str, Any]:
    """The utilities of one store: all where they are few, and their checksum."""
    held = archive.read(folder)
    order = np.lexsort(held.masks.T)
    masks = held.masks[order]
    utilities = np.asarray(held.utilities[order], np.float64)
    told = hashlib.sha256(f"{masks.shape}{utilities.shape}".encode())
    told.update(np.packbits(masks, axis=1).tobytes())
    told.update(utilities.tobytes())
    members = ["".join(map(str, mask)) for mask in masks.astype(int)]
    listed = dict(zip(members, plain(utilities)))
    small = utilities.size <= MOST_PLAIN
    return {
        "sha256": told.hexdigest(),
        "coalitions": len(masks),
        "utilities": listed if small else None,
    }


def of_settlement(settled: Any) -> dict[str, Any]:
    """The numbers of a settlement, whom its policies touched, and how many notes it has."""
    return {
        "revenue": str(settled.revenue),
        "costs": [str(cost) for cost in settled.costs],
        "payments": [str(payment) for payment in settled.payments],
        "profits": [str(profit) for profit in settled.profits],
        "values": plain(settled.values),
        "shares": plain(settled.shares),
        "std_errors": plain(settled.std_errors),
        "applied": [[one.policy, one.setting, *one.players] for one in settled.applied],
        "num_notes": len(settled.notes),
    }


def of_intervals(found: Any) -> dict[str, Any] | None:
    """The numbers of intervals."""
    if found is None:
        return None
    ends = {"low": plain(found.low), "high": plain(found.high), "errors": plain(found.std_errors)}
    return {**ends, "method": found.method, "num_notes": len(found.notes)}


def of_entry(result: Any) -> dict[str, Any]:
    """What a ledger says of a run, less its sentences, and the hash of that at a fixed time."""
    kind, content = recorded(json.dumps(result.to_json()).encode())
    payments = {key: value for key, value in content["payments"].items() if key != "notes"}
    payments["applied"] = [{**one, "outcome": ""} for one in payments["applied"]]
    kept = {key: content[key] for key in ("players", "contributions", "costs")}
    kept |= {"payments": payments}
    head = {"number": 1, "previous": "0" * 64, "time": "2026-01-31T23:59:59Z", "kind": kind}
    body = canonical({**head, "content": kept})
    return {"kind": kind, "content": json.loads(body)["content"], "sha256": digest(body)}


def utilities_of_six() -> np.ndarray:
    """float64[64]: the utilities of all coalitions of six players, drawn once and for all."""
    rng = np.random.default_rng(2026)
    weights = np.array([0.5, 0.3, 0.2, 0.2, 0.0, -0.1])
    members = (np.arange(64)[:, None] >> np.arange(6)) & 1
    worth = np.sqrt(np.maximum(members @ weights, 0)) + 0.3 * members[:, 0] * members[:, 1]
    return worth + rng.normal(0, 0.02, 64)


def game_of_six() -> Any:
    """The game of that table."""
    table = utilities_of_six()
    return fs.from_callable(lambda masks: table[masks @ (1 << np.arange(6))], 6)


def of_estimator(name: str) -> dict[str, Any]:
    """What one estimator says of the table with several budgets, and where a rule stops it."""
    least = {"budget": 60, "until": "standard_error(0.05) | budget(30)", "turn": 8}
    ways = {f"budget {budget}": {"budget": budget} for budget in (20, 40, 64)}
    ways["until"] = least
    return {way: tried(name, given) for way, given in ways.items()}


def tried(name: str, given: dict[str, Any]) -> dict[str, Any] | str:
    """The values of one estimator, or that it refuses."""
    try:
        return of_values(fs.estimate(game_of_six(), ESTIMATORS[name](), fs.Options(**given)))
    except fs.InvalidInputError:
        return "refused"


def of_table() -> dict[str, Any]:
    """What is read off the whole table, and how near an estimate is to it."""
    table = utilities_of_six()
    exact = fs.semivalues(table)
    near = fs.estimate(game_of_six(), ESTIMATORS["permutation"](), fs.Options(budget=40)).values
    return {
        "utilities": plain(table),
        "semivalues": {name: plain(fs.semivalues(table, name)) for name in SEMIVALUES},
        "interactions": {name: plain(fs.interactions(table, index=name)) for name in INTERACTIONS},
        "moebius": plain(moebius(table)),
        "agreement": fs.agreement(near, exact),
        "normalised": fs.agreement(near, exact, normalised=True),
    }


def of_rule(name: str) -> dict[str, Any]:
    """Settlements under one rule, each of its settings, with a profit and with a loss."""
    settings: list[dict[str, Any]] = [{}, {"negative": "formula"}, {"negative": "exclude"}]
    settings += [{"loss": how} for how in ("in_proportion_to_costs", "equal", "refuse")]
    settings += [{"negative": "exclude", "reimburse": False}]
    own = inspect.signature(fs.rules.RULES[name]).parameters
    taken = [one for one in settings if one.keys() <= own.keys()]
    return {
        f"{json.dumps(one)} {revenue}": settled(fs.rules.RULES[name](**one), revenue)
        for one in taken
        for revenue in ("100", "15")
    }


def settled(rule: Any, revenue: str) -> dict[str, Any] | str:
    """One settlement with its intervals, or that the rule refuses it."""
    given = {"rule": rule, "sizes": [40, 10, 30, 20, 5], "std_errors": [0.02, 0.05, 0.03, 0.01, 0]}
    claim = ([0.4, 0.3, -0.05, 0.2, 0.15], ["10.5", 3, "2.25", 7, "0.333"], revenue)
    try:
        told = of_settlement(fs.settle(*claim, **given))
        return {**told, "intervals": of_intervals(fs.payment_intervals(*claim, **given))}
    except fs.InvalidInputError:
        return "refused"


def plain(value: Any) -> Any:
    """A value as JSON has it, texts in dicts left out."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if not isinstance(one, str)}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value
