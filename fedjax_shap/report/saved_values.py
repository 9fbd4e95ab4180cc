"""Values and learning curves as a run's result.json has them: the attributes that figures, tables
and sentences read, without JAX.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap.typing import HostArray

_NOISE = ("training_noise", "sampling_noise", "test_set_noise")  # notes that are float64[P]


class SavedSlices(NamedTuple):
    """Values by judge or by round, see `shapley.estimator.Slices`."""

    names: tuple[str, ...]
    weights: HostArray
    values: HostArray
    std_errors: HostArray


class SavedValues(NamedTuple):
    """The members' values, see `shapley.estimator.Attribution`."""

    values: HostArray
    std_errors: HostArray
    empty: HostArray
    grand: HostArray
    stopped: str = ""
    notes: Mapping[str, Any] = {}

    @property
    def efficiency_gap(self) -> HostArray:
        """float64[]: the sum of the values minus (V(N) - V(empty))."""
        gap: HostArray = self.values.sum(axis=0) - (self.grand - self.empty)
        return gap


class SavedExamples(NamedTuple):
    """Training examples seen after each round, see `pipeline.examples_seen.Examples`."""

    federated: HostArray
    alone: HostArray
    pooled: HostArray


class SavedCurves(NamedTuple):
    """How models learned round by round, see `pipeline.curves.LearningCurves`."""

    federated: HostArray
    alone: HostArray | None
    pooled: HostArray
    label: str
    examples: SavedExamples | None = None


def values_of(record: Mapping[str, Any]) -> SavedValues:
    """The run's own values."""
    notes = dict(record.get("notes") or {})
    notes |= {name: floats(notes[name]) for name in _NOISE if notes.get(name) is not None}
    return SavedValues(
        values=floats(record["values"]),
        std_errors=floats(record["std_errors"]),
        empty=np.asarray(float(record["empty"])),
        grand=np.asarray(float(record["grand"])),
        stopped=str(record["stopped"]),
        notes=notes,
    )


def beside_of(record: Mapping[str, Any]) -> SavedValues:
    """Other values of the same members, of which V is not recorded."""
    unknown = np.asarray(np.nan)
    return SavedValues(floats(record["values"]), floats(record["std_errors"]), unknown, unknown)


def floats(column: Any) -> HostArray:
    """Numbers, or rows of them, as float64; NaN for what is not known."""
    return np.array(_as_floats(column), np.float64)


def _as_floats(column: Any) -> Any:
    if isinstance(column, Sequence) and not isinstance(column, str):
        return list(map(_as_floats, column))
    if column is None:
        return np.nan
    return float(column)


def curves_of(record: Mapping[str, Any] | None) -> SavedCurves | None:
    """The curves; None where there are none."""
    if record is None:
        return None
    alone = record["alone"]
    seen = record.get("examples")
    if seen is not None:
        seen = SavedExamples(**{name: floats(rows) for name, rows in seen.items()})
    return SavedCurves(
        federated=floats(record["federated"]),
        alone=None if alone is None else floats(alone),
        pooled=floats(record["pooled"]),
        label=str(record["label"]),
        examples=seen,
    )


def slices_of(record: Mapping[str, Any] | None) -> SavedSlices | None:
    """Values by judge or by round; None where there are none."""
    if record is None:
        return None
    return SavedSlices(
        names=tuple(map(str, record["names"])),
        weights=floats(record.get("weights", ())),
        values=floats(record["values"]),
        std_errors=floats(record["std_errors"]),
    )
