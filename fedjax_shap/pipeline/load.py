"""A run as it lies on disk, read back for audits: its result.json and the utility store beside it,
without its game.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
from fedjax_shap.engine import archive
from fedjax_shap.engine.parts import LABEL
from fedjax_shap.pipeline.records import read_json
from fedjax_shap.typing import HostArray, Masks

RESULT, UTILITIES = "result.json", "utilities"
_ALONE = "This is a settlement alone, so what coalitions are worth is not known."
_MOST_ROUNDING = 1e-9  # between a utility in a store and the same in result.json


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


def read_run(path: str | Path) -> LoadedRun:
    """Reads what a run left behind.

    Args:
        path: the folder of a run, the result.json in it, or a JSON file that `fedjax-shap settle`
            wrote.

    Raises:
        InvalidInputError: no such file, or one that is neither of these.
    """
    path = Path(path)
    file = path / RESULT if path.is_dir() else path
    return saved(read_json(file, "result"), file.parent / UTILITIES, title=str(path))


def saved(record: Mapping[str, Any], stores: Path | None, *, title: str = "") -> LoadedRun:
    """A run from its record.

    Args:
        record: what `Result.to_json` or `Settlement.to_json` gives.
        stores: the folder of its utility stores; None, or a folder that is not there, for no
            utilities.
        title: what it is called where the record does not say.

    Raises:
        InvalidInputError: a record that is neither of these.
    """
    run = "settlement" in record
    expected = f"Expected {title or 'the record'!r} to be the result of a run or a settlement, but "
    require(
        run or "payments" in record,
        expected + "it has neither the key 'settlement' nor 'payments'.",
    )
    try:
        settled = Settlement.from_json(record["settlement"] if run else record)
        count = len(settled.players)
        errors = (
            np.array(numbers("std_errors", record["std_errors"], settled.players))
            if run and record.get("std_errors") is not None
            else None
        )
        sizes = counts("sizes", record["sizes"], settled.players) if run else None
        metered = record.get("member_devices")
        bill = None if metered is None else Bill.from_json(metered["costs"], settled.players)
        config = record.get("config", {})
        title = str(config.get("title", title)) if isinstance(config, dict) else title
    except KeyError as error:
        raise InvalidInputError(f"{expected}it lacks the key {error}.") from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, InvalidInputError) and str(error).startswith(
            "Expected"
        ):  # a sentence of its own
            raise
        raise InvalidInputError(f"{expected}{str(error).rstrip('.')}.") from error
    masks, utilities, said = _utilities(record, stores, count) if run else (None, None, _ALONE)
    case = Evidence(
        settlement=settled,
        names=settled.players,
        values=np.array(settled.values),
        std_errors=errors,
        masks=masks,
        utilities=utilities,
        sizes=sizes,
        metered=None if bill is None else bill.total,
        revenue=_revenue(record),
    )
    return LoadedRun(title=title, case=case, rule=_rule(case), bill=bill, said=said)


def _revenue(record: Mapping[str, Any]) -> RevenueCurve | None:
    """The curve by which the run's model earned, where its configuration has one."""
    config = record.get("config")
    economics = config.get("economics") if isinstance(config, Mapping) else None
    points = economics.get("curve") if isinstance(economics, Mapping) else None
    return None if points is None else curve(points)


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


def _utilities(
    record: Mapping[str, Any], stores: Path | None, num_players: int
) -> tuple[Masks | None, HostArray | None, str]:
    """Every coalition whose worth the run's store knows, what it is worth, and a sentence on where
    that is from.
    """
    found = list(_candidates(stores))
    for folder, held in found:
        if held.masks.shape[1:] != (num_players,) or not len(held.masks):
            continue
        utilities = _of_seeds(held.utilities)
        if _belongs(record, held.masks, utilities):
            broken = (
                f"; {len(held.problems)} problems there, see `fedjax-shap store verify`"
                if held.problems
                else ""
            )
            known = (
                f"{len(held.masks):,} of {2**num_players:,} coalitions"
                if num_players < 64
                else f"{len(held.masks):,}"
            )
            return (
                held.masks,
                utilities,
                f"Utilities of {known} are known, from the store {folder.name!r}{broken}.",
            )
    if found:
        return (
            None,
            None,
            "The utility store beside the result is empty, or of another run, and was not used.",
        )
    if record.get("setting") == "cross-device" and stores is not None and stores.is_dir():
        return (
            None,
            None,
            "The values are sums over rounds, so no one table says what a coalition is worth.",
        )
    return None, None, "No utility store is beside it, so what coalitions are worth is not known."


def _candidates(stores: Path | None) -> Iterator[tuple[Path, archive.Archive]]:
    """The stores of a run that may hold its game: the run's own, and that of its repeats."""
    for folder in () if stores is None else (stores, stores / "repeats"):
        if (folder / LABEL).is_file():
            yield folder, archive.read(folder)


def _of_seeds(utilities: HostArray) -> HostArray:
    """float64[M]: the mean over seeds of the utility itself, of utilities [M], [M, k] or [M, 1 +
    resamples, k].
    """
    own = utilities[:, 0] if utilities.ndim == 3 else utilities
    return own if own.ndim == 1 else own.mean(axis=1)


def _belongs(record: Mapping[str, Any], masks: Masks, utilities: HostArray) -> bool:
    """Whether a store says of everybody and of nobody what the result says, as far as it knows
    them.
    """
    for name, wanted in (("grand", masks.all(axis=1)), ("empty", ~masks.any(axis=1))):
        if wanted.any() and name in record:
            told = float(record[name])
            if not np.isclose(utilities[wanted][0], told, rtol=_MOST_ROUNDING, atol=_MOST_ROUNDING):
                return False
    return True
