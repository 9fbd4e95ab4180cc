"""The result of a run, as a record and as JSON."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from fedjax_shap.devices.fleet import Metered
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.curves import LearningCurves, finite_or_none
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import HostArray

SCHEMA = 1  # of result.json; raised when a key changes its meaning
PACKAGES = ("fedjax-shap", "jax", "flax", "optax", "numpy")  # whose versions are recorded


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a run.

    Attributes:
        config: what was run.
        setting: the kind of federation: "cross-silo", where every coalition was trained;
            "cross-device", where the rounds of one run were valued; or another kind's name.
        players: the P members' names.
        sizes: int[P], their training examples.
        metric: what a coalition is worth is measured in, by name.
        metric_label: what text calls it, such as "RMSE"; `metric` if "".
        metric_sign: -1 for an error, of which V is minus; else 1.
        value_label: what the values are called in figures.
        attribution: the members' values.
        settlement: their costs and payments.
        intervals: of the payments; None where the values have no errors, or unknown ones.
        alike: pairs of members whose values do not differ at 95 %.
        curve: test accuracy by round; None where nothing was learned in rounds.
        metered: what the run took of the members' devices; None where these are not known.
        coalitions: {"asked", "trained", "from_store"}, as the store counted them.
        timing: {"compile_s", "train_s", "total_s"}: seconds in XLA's compiler, seconds valuing
            coalitions (its compilation left out), and seconds in all.
        notes: what a reader should know of the federation, one sentence each.
        stores: the fingerprint of each part of the run whose utilities were kept in a folder.
    """

    config: Config
    setting: str
    players: tuple[str, ...]
    sizes: HostArray
    metric: str
    value_label: str
    attribution: Attribution
    settlement: Settlement
    intervals: Intervals | None
    alike: tuple[tuple[str, str], ...]
    curve: LearningCurves | None
    metered: Metered | None
    coalitions: dict[str, int]
    timing: dict[str, float]
    metric_label: str = ""
    metric_sign: int = 1
    notes: tuple[str, ...] = ()
    stores: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What text calls the metric."""
        return self.metric_label or self.metric

    @property
    def centralized(self) -> dict[str, Any] | None:
        """The federated model against the pooled one on the validation set, by the metric as people
        read it, and |V_fed - V_central|; None where there is no pooled one.

        `pooled` and `delta` are None where the pooled training diverged.
        """
        if self.curve is None:
            return None
        federated = self.metric_sign * float(self.attribution.grand)
        pooled = self.metric_sign * self.curve.pooled_metric
        finite = finite_or_none(np.array([pooled, abs(federated - pooled)]))
        return {
            "metric": self.metric,
            "federated": federated,
            "pooled": finite[0],
            "delta": finite[1],
        }

    def to_json(self) -> dict[str, Any]:
        """The result as a dict that JSON can hold; arrays are lists in the order of `players`."""
        found = self.attribution
        record = {
            "schema": SCHEMA,
            "config": self.config.to_dict(),
            "setting": self.setting,
            "players": list(self.players),
            "sizes": self.sizes.tolist(),
            "metric": {"name": self.metric, "label": self.label, "sign": self.metric_sign},
            "values": found.values.tolist(),
            "std_errors": found.std_errors.tolist(),
            "empty": float(found.empty),
            "grand": float(found.grand),
            "efficiency_gap": float(found.efficiency_gap),
            "stopped": found.stopped,
            "num_coalitions": found.num_coalitions,
            "notes": jax.tree.map(_plain, found.notes),
            "coalitions": self.coalitions,
            "settlement": self.settlement.to_json(),
            "intervals": None if self.intervals is None else self.intervals.to_json(),
            "centralized": self.centralized,
            "indistinguishable": [list(pair) for pair in self.alike],
            "curve": None if self.curve is None else self.curve.to_json(),
            "member_devices": None if self.metered is None else self.metered.to_json(),
            "timing": self.timing,
            "versions": _versions(),
            "device": _device(),
        }
        if self.stores:
            record["stores"] = dict(self.stores)
        if self.notes:
            record["setting_notes"] = list(self.notes)
        return record


def _plain(note: Any) -> Any:
    """A note as JSON has it."""
    return note.tolist() if isinstance(note, np.ndarray | np.generic) else note


def _versions() -> dict[str, str]:
    versions = {name: version(name) for name in PACKAGES}
    versions["python"] = platform.python_version()
    return versions


def _device() -> str:
    kind = jax.devices()[0].device_kind
    return f"{kind} ({jax.default_backend()}), {jax.device_count()} device(s)"
