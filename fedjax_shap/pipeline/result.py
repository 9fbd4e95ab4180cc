"""What a run found out, as a record and as JSON."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.devices.fleet import Metered
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.config import Config
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import HostArray

SCHEMA = 1  # of result.json; raised when a key changes its meaning


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """Test accuracy by round.

    Attributes:
        federated: float[R], the whole federation.
        alone: float[P, R], each member on its own; None where there are too many members to train
            each.
        pooled: float[R], one model on everybody's data.
        pooled_metric: that model's metric on the validation set, by the same report as the
            federation's.
    """

    federated: HostArray
    alone: HostArray | None
    pooled: HostArray
    pooled_metric: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run found out.

    Attributes:
        config: what was run.
        data: the federation.
        attribution: the members' values.
        settlement: their costs and payments.
        intervals: of the payments; None where the values have no errors, or unknown ones.
        alike: pairs of members whose values do not differ at 95 %.
        curve: test accuracy by round.
        metered: what the run took of the members' devices; None where these are not known.
        coalitions: {"asked", "trained", "from_store"}, as the store counted them.
        timing: {"compile_s", "train_s", "total_s"}: seconds in XLA's compiler, seconds valuing
            coalitions (its compilation left out), and seconds in all.
    """

    config: Config
    data: FederatedData
    attribution: Attribution
    settlement: Settlement
    intervals: Intervals | None
    alike: tuple[tuple[str, str], ...]
    curve: LearningCurves
    metered: Metered | None
    coalitions: dict[str, int]
    timing: dict[str, float]

    @property
    def setting(self) -> str:
        """Whether every coalition was trained, "cross-silo", or the rounds of one run were games,
        "cross-device".
        """
        return "cross-device" if self.config.cross_device else "cross-silo"

    @property
    def metric(self) -> str:
        """What a coalition is worth."""
        return self.config.metric

    @property
    def centralized(self) -> dict[str, Any]:
        """The federated model against the pooled one on the validation set: |V_fed - V_central|
        (Spec 9.1).

        `pooled` and `delta` are None where the pooled training diverged.
        """
        federated, pooled = float(self.attribution.grand), self.curve.pooled_metric
        told = _plain(np.array([pooled, abs(federated - pooled)]))
        return {"metric": self.metric, "federated": federated, "pooled": told[0], "delta": told[1]}

    def to_json(self) -> dict[str, Any]:
        """The result as a dict that JSON can hold; arrays are lists in the order of `players`."""
        alone = self.curve.alone
        return {
            "schema": SCHEMA,
            "config": self.config.to_dict(),
            "setting": self.setting,
            "players": list(self.data.names),
            "sizes": np.asarray(self.data.sizes).tolist(),
            "values": self.attribution.values.tolist(),
            "std_errors": self.attribution.std_errors.tolist(),
            "empty": float(self.attribution.empty),
            "grand": float(self.attribution.grand),
            "efficiency_gap": float(self.attribution.efficiency_gap),
            "stopped": self.attribution.stopped,
            "num_coalitions": self.attribution.num_coalitions,
            "notes": jax.tree.map(_told, self.attribution.notes),
            "coalitions": self.coalitions,
            "settlement": self.settlement.to_json(),
            "intervals": None if self.intervals is None else self.intervals.to_json(),
            "centralized": self.centralized,
            "indistinguishable": [list(pair) for pair in self.alike],
            "curve": {
                "federated": _plain(self.curve.federated),
                "alone": None if alone is None else [_plain(one) for one in alone],
                "pooled": _plain(self.curve.pooled),
            },
            "member_devices": None if self.metered is None else self.metered.to_json(),
            "timing": self.timing,
            "versions": {
                name: version(name) for name in ("fedjax-shap", "jax", "flax", "optax", "numpy")
            }
            | {"python": platform.python_version()},
            "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()}), {jax.device_count()} device(s)",
        }


def _told(note: Any) -> Any:
    """A note as JSON has it."""
    return note.tolist() if isinstance(note, np.ndarray | np.generic) else note


def _plain(numbers: HostArray) -> list[float | None]:
    """Numbers as JSON has them: None where one is not finite."""
    return [float(number) if np.isfinite(number) else None for number in numbers]
