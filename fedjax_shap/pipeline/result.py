"""The result of a run, as a record and as JSON."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from importlib.metadata import version as installed
from itertools import islice
from typing import Any

import jax
import numpy as np

from fedjax_shap._version import version
from fedjax_shap.devices.fleet import Metered
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.money import amount, written
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.curves import LearningCurves, finite_or_none
from fedjax_shap.pipeline.privacy_record import PrivacyRecord
from fedjax_shap.shapley.estimator import Attribution, Slices
from fedjax_shap.typing import HostArray

MONEY = ("cost", "payment", "profit")  # columns of amounts
MOST_ROWS = 60  # members in a notebook's table
MOST_PAIRS = 1000  # pairs of members listed in result.json
SCHEMA = 1  # of result.json; raised when a key changes its meaning
SLICES = {"judges": "judged", "rounds": "by_round"}  # kind of slices -> key of result.json
PACKAGES = ("jax", "flax", "optax", "numpy")  # whose versions are recorded


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a run.

    Attributes:
        config: what was run.
        setting: the kind of federation: "cross-silo", where every coalition was trained;
            "cross-device", where the rounds of one run were valued; or another kind's name.
        players: the P members' names.
        sizes: int[P], their training examples.
        same_rows: whether all hold the same rows, so that their examples are not added up.
        metric: what a coalition is worth is measured in, by name.
        metric_label: what text calls it, such as "RMSE"; `metric` if "".
        metric_sign: -1 for an error, of which V is minus; else 1.
        value_label: what the values are called in figures.
        attribution: the members' values.
        settlement: their costs and payments; None where no payment could be made.
        unpaid: why no payment could be made, in one sentence; "" where there is a settlement.
        costs: c[P], what taking part cost each member, in money.
        intervals: of the payments; None where the values have no errors, or unknown ones.
        alike: pairs of members whose values do not differ at 95 %.
        curve: test accuracy by round; None where nothing was learned in rounds.
        metered: what the run took of the members' devices; None where these are not known.
        coalitions: {"asked", "trained", "from_store"}, as the store counted them.
        timing: {"compile_s", "train_s", "total_s"}: seconds in XLA's compiler, seconds valuing
            coalitions (its compilation left out), and seconds of the whole run without the start
            of Python and the writing of files.
        notes: what a reader should know of the federation, one sentence each.
        stores: the fingerprint of each part of the run whose utilities were kept in a folder.
        privacy: what is known of the members' privacy; None where nothing was done for it.
        permanent: the name and the claim of a member that is in every coalition and no player, what
            the settlement's own `permanent` pays; None without one.
    """

    config: Config
    setting: str
    players: tuple[str, ...]
    sizes: HostArray
    metric: str
    value_label: str
    attribution: Attribution
    settlement: Settlement | None
    unpaid: str = ""
    costs: tuple[Decimal, ...]
    intervals: Intervals | None
    alike: tuple[tuple[str, str], ...]
    curve: LearningCurves | None
    metered: Metered | None
    coalitions: dict[str, int]
    timing: dict[str, float]
    metric_label: str = ""
    metric_sign: int = 1
    same_rows: bool = False
    notes: tuple[str, ...] = ()
    stores: Mapping[str, str] = field(default_factory=dict)
    privacy: PrivacyRecord | None = None
    permanent: dict[str, Any] | None = None

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

    @property
    def judged(self) -> Slices | None:
        """What each member's data are worth to each judge; None without judges."""
        return self._slices("judges")

    @property
    def by_round(self) -> Slices | None:
        """The members' values after each round; None where these were not asked for."""
        return self._slices("rounds")

    def _slices(self, kind: str) -> Slices | None:
        slices = self.attribution.slices
        if slices is None or slices.kind != kind:
            return None
        return slices

    @property
    def minor_unit(self) -> Decimal:
        """The smallest amount that is paid."""
        if self.settlement is not None:
            return self.settlement.minor_unit
        return amount("minor_unit", self.config.value("economics", "minor_unit"))

    def columns(self) -> dict[str, list[Any]]:
        """The members column by column, in the order of `players`: `member`, `examples`, `value`,
        `std_error`, and `cost`, `payment` and `profit` as exact amounts; None where nothing was
        paid.
        """
        nothing: list[Any] = [None] * len(self.players)
        columns = {
            "member": list(self.players),
            "examples": self.sizes.tolist(),
            "value": self.attribution.values.tolist(),
            "std_error": self.attribution.std_errors.tolist(),
            "cost": list(self.costs),
            "payment": nothing,
            "profit": nothing,
        }
        if self.settlement is not None:
            columns["cost"] = list(self.settlement.costs)
            columns["payment"] = list(self.settlement.payments)
            columns["profit"] = list(self.settlement.profits)
        return columns

    def to_pandas(self) -> Any:
        """The members as a `pandas.DataFrame`, one a row, indexed by their names.

        Amounts are floats here; `settlement` has them exactly.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "Expected pandas to be installed for to_pandas(); `pip install pandas`, or use "
                "columns(), which needs nothing."
            ) from error
        columns = self.columns()
        money = {name: [_float(one) for one in columns[name]] for name in MONEY}
        return pandas.DataFrame({**columns, **money}).set_index("member")

    def _repr_html_(self) -> str:
        """The members as an HTML table, which notebooks show."""
        columns = self.columns()
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        rows = "".join(
            f"<tr>{''.join(map(_html_cell, row))}</tr>"
            for row in islice(zip(*columns.values(), strict=True), MOST_ROWS)
        )
        caption = self.config.title
        if len(self.players) > MOST_ROWS:
            caption += f" (the first {MOST_ROWS} of {len(self.players):,} members)"
        note = ""
        if self.unpaid:
            note = f"<p>No payment was made: {escape(self.unpaid)}</p>"
        return (
            f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>{note}"
        )

    def to_json(self) -> dict[str, Any]:
        """The result as a dict that JSON can hold; arrays are lists in the order of `players`.

        `settlement` is None where no payment could be made, and `unpaid` says why.
        `indistinguishable` lists the first `MOST_PAIRS` pairs of members whose values do not
        differ at 95 %, of `num_indistinguishable` in all.
        """
        found = self.attribution
        record = {
            "schema": SCHEMA,
            "config": self.config.to_dict(),
            "setting": self.setting,
            "players": list(self.players),
            "sizes": self.sizes.tolist(),
            "metric": {"name": self.metric, "label": self.label, "sign": self.metric_sign},
            "value_label": self.value_label,
            "values": found.values.tolist(),
            "std_errors": found.std_errors.tolist(),
            "empty": float(found.empty),
            "grand": float(found.grand),
            "efficiency_gap": float(found.efficiency_gap),
            "stopped": found.stopped,
            "num_coalitions": found.num_coalitions,
            "notes": jax.tree.map(_plain, found.notes),
            "coalitions": self.coalitions,
            "costs": list(map(written, self.costs)),
            "settlement": None if self.settlement is None else self.settlement.to_json(),
            "unpaid": self.unpaid,
            "intervals": None if self.intervals is None else self.intervals.to_json(),
            "centralized": self.centralized,
            "indistinguishable": [list(pair) for pair in self.alike[:MOST_PAIRS]],
            "num_indistinguishable": len(self.alike),
            "curve": None if self.curve is None else self.curve.to_json(),
            "member_devices": None if self.metered is None else self.metered.to_json(),
            "timing": self.timing,
            "surplus": _surplus(self.attribution, self.curve),
            "versions": _versions(),
            "device": _device(),
        }
        if self.permanent is not None:
            record["permanent"] = self.permanent
        if self.privacy is not None:
            record["privacy"] = self.privacy.to_json()
        if self.stores:
            record["stores"] = dict(self.stores)
        if found.slices is not None:
            record[SLICES[found.slices.kind]] = _slices_json(found.slices)
        if self.notes:
            record["setting_notes"] = list(self.notes)
        return record


def _slices_json(slices: Slices) -> dict[str, Any]:
    """Values by judge or by round as JSON has them: `values` and `std_errors` are a list a member,
    with an entry for each of `names`.
    """
    record: dict[str, Any] = {"names": list(slices.names)}
    if len(slices.weights):
        record["weights"] = slices.weights.tolist()
    for name in ("values", "std_errors", "empty", "grand"):
        record[name] = getattr(slices, name).tolist()
    return record


def _float(value: Decimal | None) -> float | None:
    """An amount as a float."""
    return None if value is None else float(value)


def _html_cell(cell: Any) -> str:
    """One cell of an HTML table."""
    if cell is None:
        return "<td></td>"
    if isinstance(cell, float):
        return f"<td>{cell:.4f}</td>"
    return f"<td>{escape(str(cell))}</td>"


def _surplus(attribution: Attribution, curve: LearningCurves | None) -> dict[str, Any] | None:
    """V(N) - V(empty) and its standard error from the validation set, where that is known."""
    if curve is None or curve.surplus is None:
        return None
    surplus = np.asarray(attribution.grand - attribution.empty)
    (error,) = finite_or_none(np.array([curve.surplus.std_error]))
    told = {"value": surplus.tolist(), "std_error": error, "examples": curve.surplus.examples}
    if curve.surplus.users:
        told["users"] = curve.surplus.users
    return told


def _plain(note: Any) -> Any:
    """A note as JSON has it."""
    return note.tolist() if isinstance(note, np.ndarray | np.generic) else note


def _versions() -> dict[str, str]:
    versions = {name: installed(name) for name in PACKAGES}
    return {"fedjax-shap": version(), **versions, "python": platform.python_version()}


def _device() -> str:
    kind = jax.devices()[0].device_kind
    return f"{kind} ({jax.default_backend()}), {jax.device_count()} device(s)"
