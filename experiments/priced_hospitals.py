"""The four hospitals priced: values over seeds and resamples, bills, payments and audits."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from experiments import hospitals
from experiments.harness import Settings
from fedjax_shap.audits.registry import audit
from fedjax_shap.coalitions import ranks
from fedjax_shap.economics.intervals import Intervals, indistinguishable, payment_intervals
from fedjax_shap.engine import archive
from fedjax_shap.pipeline import load
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.result import Result
from fedjax_shap.pipeline.run import run
from fedjax_shap.report import sweeps
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray

# In the order of the hospitals, and assumed, as all prices.
MACHINES = ("t4", "desktop_i5_7400t", "raspberry_pi_5", "mac_mini_m4")
STEPS_PER_SECOND = 1_000.0
HOUR = "2.50"  # the price of an hour of a machine
MEMBER = 2_000  # the cost of a hospital's data, and
PATIENT = 40  # that of each of its patients
ENERGY = tuple(round(10 ** (power / 2)) for power in range(21))  # factors on the price of a kWh


def raw_config(settings: Settings, folder: str | None, rate: str) -> dict[str, Any]:
    """The configuration at a learning rate, with the hospitals' machines and prices."""
    raw = hospitals.raw_config(folder, settings["seed"], float(rate))
    raw["game"] = {**raw["game"], "resamples": settings["resamples"]}
    raw["estimator"] = {"name": "exact", "repeats": settings["repeats"]}
    raw["economics"] = {**raw["economics"], "revenue": settings["revenue"]}
    free = parse({**raw, "costs": {"name": "free"}})
    sizes = np.asarray(federation_of(free).data.sizes).tolist()
    raw["costs"] = {"name": "devices"}
    raw["devices"] = {
        "name": "profiles",
        "profile": list(MACHINES),
        "steps_per_second": STEPS_PER_SECOND,
        "time_price": HOUR,
        "fixed": [MEMBER + PATIENT * size for size in sizes],
    }
    return raw


def replicates(values: HostArray, count: int, seed: int) -> HostArray:
    """Replicates of the mean over seeds of training.

    Each has seeds drawn with replacement, and one resample of the test set.

    Args:
        values: float64[P, 1 + resamples, k], of k seeds, on the test set (first) and on its
            resamples.
        count: B.
        seed: of the draws.

    Returns:
        float64[B, P].
    """
    draw = np.random.default_rng(seed)
    tested = draw.integers(1, values.shape[1], count)
    trained = draw.integers(0, values.shape[2], (count, values.shape[2]))
    return np.stack([values[:, at, seeds].mean(axis=1) for at, seeds in zip(tested, trained)])


def measure(settings: Settings, folder: str | None, rate: str) -> dict[str, Any]:
    """Values, costs, payments, intervals, audits and other prices at one learning rate; JSON."""
    with TemporaryDirectory() as stores:
        result = run(parse(raw_config(settings, folder, rate)), store=stores)
        loaded = load.saved(result.to_json(), Path(stores))
        trained = archive.read(Path(stores) / "repeats")
    table = loaded.case.table
    assert table is not None
    values = shapley_values(trained.utilities[np.argsort(ranks(trained.masks))])
    drawn = replicates(values, settings["replicates"], settings["seed"])
    parts = result.attribution.notes
    return {
        "settlement": loaded.case.settlement.to_json(),
        "sizes": result.sizes.tolist(),
        "table": table.tolist(),  # row r holds hospital i where bit i of r is set
        "std_errors": result.attribution.std_errors.tolist(),
        "noise": {name: parts[name].tolist() for name in ("training_noise", "test_set_noise")},
        "correlations": np.corrcoef(drawn.T).tolist(),  # of the replicates of the values
        "machines": _machines(result),
        **_prices(loaded, result, drawn, settings["repeats"]),
        "audits": [finding.to_json() for finding in audit(loaded.case)],
    }


def _machines(result: Result) -> dict[str, list[Any]]:
    """Which machine each hospital has, how long it worked, and the energy it took."""
    assert result.metered is not None
    used = result.metered.used.totals()
    return {
        "name": list(MACHINES),
        "seconds": used["training"].tolist(),
        "joules": used["joules"].tolist(),
    }


def _prices(loaded: load.LoadedRun, result: Result, drawn: HostArray, draws: int) -> dict[str, Any]:
    """The bill, intervals of the payments, and payments at other prices.

    Args:
        loaded: the run, as audits see it.
        result: of the run.
        drawn: float64[B, P], replicates of the values.
        draws: seeds of training in each.
    """
    settled = loaded.case.settlement
    bill = loaded.bill
    assert bill is not None
    claims = (settled.values, settled.costs, settled.revenue)
    keywords: dict[str, Any] = {
        "players": settled.players,
        "rule": loaded.rule,
        "minor_unit": settled.minor_unit,
        "draws": draws,
    }
    errors = result.attribution.std_errors
    by_replicates = payment_intervals(*claims, replicates=drawn, **keywords)
    by_delta = payment_intervals(*claims, std_errors=errors, **keywords)
    close = indistinguishable(settled.values, replicates=drawn, draws=draws)
    revenue = sweeps.over_revenue(settled, rule=loaded.rule)
    energy = sweeps.over_energy(settled, bill, ENERGY, rule=loaded.rule)
    return {
        "bill": bill.to_json(),
        "intervals": {"replicates": plain(asdict(by_replicates)), "delta": plain(asdict(by_delta))},
        "not_told_apart": [[settled.players[i], settled.players[j]] for i, j in close],
        "sweeps": {"revenue": plain(revenue._asdict()), "energy": plain(energy._asdict())},
    }


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as JSON has it: arrays and tuples as lists."""
    lists = dict(record)
    for name, value in record.items():
        if isinstance(value, np.ndarray):
            lists[name] = np.asarray(value, float).tolist()
        elif isinstance(value, tuple):
            lists[name] = list(value)
    return lists


def read_intervals(one: Mapping[str, Any], method: str = "replicates") -> Intervals:
    """The intervals of one rate, from its record."""
    fields = dict(one["intervals"][method])
    for name in ("low", "high", "std_errors"):
        fields[name] = np.array(fields[name])
    fields["notes"] = tuple(fields["notes"])
    return Intervals(**fields)
