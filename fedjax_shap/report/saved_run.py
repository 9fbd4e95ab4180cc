"""A run as its result.json says it, for tables, sentences and figures: the same attributes as
`pipeline.result.Result`, without JAX.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.economics import money
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.records import read_json, result_file
from fedjax_shap.report.saved_values import (
    SavedCurves,
    SavedSlices,
    SavedValues,
    beside_of,
    curves_of,
    floats,
    slices_of,
    values_of,
)
from fedjax_shap.typing import HostArray

if TYPE_CHECKING:  # only these need JAX
    from fedjax_shap.devices.fleet import Metered
    from fedjax_shap.pipeline.curves import LearningCurves
    from fedjax_shap.pipeline.result import Result
    from fedjax_shap.shapley.estimator import Attribution, Slices

# What tables, sentences and figures read: of a result, or of what its record says.
AnyRun: TypeAlias = "Result | SavedRun"
AnyValues: TypeAlias = "Attribution | SavedValues"
AnySlices: TypeAlias = "Slices | SavedSlices"
AnyCurves: TypeAlias = "LearningCurves | SavedCurves"
AnyMetered: TypeAlias = "Metered | SavedMetered"

_USED = ("steps", "training", "communication", "joules", "uploaded", "downloaded", "idle")


class Named(NamedTuple):
    """What has a name, and perhaps settings: a device's profile, a corruption."""

    name: str
    keywords: dict[str, Any]


class SavedConfig(NamedTuple):
    """What is shown of a configuration apart from its text."""

    title: str
    corruptions: tuple[Named, ...]


class SavedMessages(NamedTuple):
    """Bytes that a member sends and receives in a round."""

    upload: int | tuple[int, ...]
    download: int | tuple[int, ...]


class SavedWorkload(NamedTuple):
    """What a round asks of a device."""

    messages: SavedMessages


class SavedUsage(NamedTuple):
    """What the run took of the devices.

    Attributes:
        rounds: float64[R], seconds.
        sums: number[P] over all rounds, by name.
    """

    rounds: HostArray
    sums: dict[str, HostArray]

    def totals(self) -> dict[str, HostArray]:
        """Sums over all rounds."""
        return self.sums


class SavedMetered(NamedTuple):
    """What a run took of its members' devices, see `devices.fleet.Metered`."""

    profiles: tuple[Named, ...]
    workload: SavedWorkload
    used: SavedUsage
    bill: Bill


@dataclass(frozen=True, kw_only=True)
class SavedRun:
    """A run as its result.json says it; see `pipeline.result.Result` for the attributes.

    `alike` has the pairs that the record lists, of `num_alike` in all.
    """

    record: Mapping[str, Any]
    config: SavedConfig
    players: tuple[str, ...]
    sizes: HostArray
    label: str
    metric_sign: int
    value_label: str
    attribution: SavedValues
    beside: dict[str, SavedValues]
    settlement: Settlement | None
    unpaid: str
    costs: tuple[Decimal, ...]
    minor_unit: Decimal
    intervals: Intervals | None
    alike: tuple[tuple[str, str], ...]
    num_alike: int
    curve: SavedCurves | None
    judged: SavedSlices | None
    by_round: SavedSlices | None
    metered: SavedMetered | None
    coalitions: dict[str, int]
    timing: dict[str, float]
    centralized: dict[str, Any] | None
    permanent: dict[str, Any] | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The record that the run was read from."""
        return dict(self.record)


def load_run(path: str | Path) -> SavedRun:
    """Reads a run that was written, without JAX.

    Args:
        path: the run's folder, or its result.json.

    Returns:
        The run with the attributes of `Result`, which figures and tables take as well; `record` has
        its result.json as a dict.

    Raises:
        InvalidInputError: no such run, or a file of something else.
    """
    file = result_file(path)
    return saved_run(read_json(file, "result"), file.resolve().parent.name)


def saved_run(record: Mapping[str, Any], title: str = "run") -> SavedRun:
    """Reads a run's record.

    Args:
        record: what `Result.to_json` gives.
        title: what the run is called where the record does not say, also in a refusal.

    Raises:
        InvalidInputError: a record that is not that of a run, or lacks something.
    """
    expected = f"Expected {title!r} to be the result of a run, but "
    require("values" in record and "settlement" in record, f"{expected}it is of another kind.")
    try:
        return _read(record, title)
    except KeyError as error:
        raise InvalidInputError(f"{expected}it lacks the key {error}.") from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, InvalidInputError) and str(error).startswith("Expected"):
            raise  # it is a sentence of its own
        raise InvalidInputError(f"{expected}{str(error).rstrip('.')}.") from error


def _read(record: Mapping[str, Any], title: str) -> SavedRun:
    """See `saved_run`; raises whatever a record of another form leads to."""
    config = record["config"]
    players = tuple(map(str, record["players"]))
    settled = record["settlement"] and Settlement.from_json(record["settlement"])
    metric = record["metric"]
    attribution = values_of(record)
    lengths = {len(attribution.values), len(attribution.std_errors), len(record["sizes"])}
    require(lengths == {len(players)}, "its columns do not have one entry for each member.")
    return SavedRun(
        record=record,
        config=SavedConfig(str(config.get("title", title)), _named(config.get("corrupt", ()))),
        players=players,
        sizes=np.array(record["sizes"], np.int64),
        label=str(metric["label"]),
        metric_sign=int(metric["sign"]),
        value_label=str(record.get("value_label", "value")),
        attribution=attribution,
        beside={str(name): beside_of(one) for name, one in record.get("beside", {}).items()},
        settlement=settled,
        unpaid=str(record.get("unpaid", "")),
        costs=money.from_texts("costs", record["costs"], players),
        minor_unit=_minor_unit(config, settled),
        intervals=_intervals(record.get("intervals")),
        alike=tuple((str(one), str(other)) for one, other in record["indistinguishable"]),
        num_alike=int(record["num_indistinguishable"]),
        curve=curves_of(record.get("curve")),
        judged=slices_of(record.get("judged")),
        by_round=slices_of(record.get("by_round")),
        metered=_metered(record.get("member_devices"), players),
        coalitions={str(name): int(count) for name, count in record["coalitions"].items()},
        timing={str(name): float(one) for name, one in record["timing"].items()},
        centralized=_centralized(record.get("centralized")),
        permanent=record.get("permanent"),
        notes=tuple(map(str, record.get("setting_notes", ()))),
    )


def _named(sections: Sequence[Mapping[str, Any]]) -> tuple[Named, ...]:
    """The sections of a list, each with its name and its settings."""
    return tuple(
        Named(str(one["name"]), {key: value for key, value in one.items() if key != "name"})
        for one in sections
    )


def _minor_unit(config: Mapping[str, Any], settled: Settlement | None) -> Decimal:
    """The smallest amount that is paid; a hundredth where the run does not say."""
    if settled is not None:
        return settled.minor_unit
    return money.amount("minor_unit", config.get("economics", {}).get("minor_unit", "0.01"))


def _intervals(record: Mapping[str, Any] | None) -> Intervals | None:
    if record is None:
        return None
    low = floats(record["low"])
    return Intervals(
        low=low,
        high=floats(record["high"]),
        std_errors=np.full(len(low), np.nan),  # which the record does not say
        level=float(record["level"]),
        method=str(record["method"]),
        simultaneous=bool(record["simultaneous"]),
        notes=tuple(map(str, record["notes"])),
    )


def _metered(record: Mapping[str, Any] | None, players: Sequence[str]) -> SavedMetered | None:
    if record is None:
        return None
    sent = record["message_bytes"]
    upload, download = (_bytes(sent[way]) for way in ("upload", "download"))
    sums = {name: floats(record[name]) for name in _USED}
    sums["steps"] = np.array(record["steps"], np.int64)
    return SavedMetered(
        profiles=tuple(Named(str(name), {}) for name in record["profiles"]),
        workload=SavedWorkload(SavedMessages(upload, download)),
        used=SavedUsage(floats(record["round_seconds"]), sums),
        bill=Bill.from_json(record["costs"], players),
    )


def _bytes(each: Any) -> int | tuple[int, ...]:
    """Bytes a member: one number, or one each."""
    if isinstance(each, Sequence):
        return tuple(map(int, each))
    return int(each)


def _centralized(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The federated model against the pooled one, see `Result.centralized`."""
    if record is None:
        return None
    numbers = {
        name: None if record[name] is None else float(record[name])
        for name in ("federated", "pooled", "delta")
    }
    return {"metric": str(record["metric"]), **numbers}
