"""What four hospitals are paid for a joint model: values with error bars, costs of their machines,
intervals, audits.

Claim: exact Shapley values of four real hospitals, with the noise of training and of the test set,
become payments that
carry intervals and stand or fall by audits, without training anything twice.

Values: FLamby's Fed-Heart-Disease as in `experiments.hospitals`, at its learning rate 0.001 and at
0.01, over 20 seeds
of training, each model valued on 200 resamples of the 254 test patients too. Costs: each hospital's
device profile (one of `learning.profiles`, dealt out by us, with an assumed 1,000 local steps a
second, since starting a step takes longer than computing so small a one), an hour of it at 2.50, a
kWh at 0.30, and a fixed cost for its data, 2,000 and 40 a patient. Revenue 60,000. Prices, revenue
and which hospital has which machine are made up. Rule: cost-aware, negative values clipped.
Intervals: percentiles of 2,000 replicates, each with seeds drawn with replacement and one resample
of the test patients, widened as for 20 draws; beside them the delta method's from the standard
errors.

Command: python -m experiments.payments_hospitals --data DIR --json payments.json --figure
payments.png
Minutes: 0.4 on two shared cores.
Expected: the machines cost next to nothing, so that costs are what data cost; Switzerland is paid
    its cost; intervals are wide, as the test set is small.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21; all numbers and the commit in
experiments/results/payments_hospitals.json, the page in docs/payments_hospitals.png):

                     cost      rate 0.001: paid, 95 % interval      rate 0.01: paid, 95 % interval
    Cleveland        9,960     24,762   22,283 to 26,239            25,296   21,257 to 28,071
    Hungary          8,880     23,272   20,182 to 25,600            22,191   16,999 to 26,500
    Switzerland      3,200      3,200    3,200 to  4,985             3,200    3,200 to  3,200
    VA               5,400      8,766    6,519 to 11,282             9,313    5,526 to 14,298

    As expected; that the core is empty was not. 1,500 steps take each machine 1.5 s, 0.00104 of its
    time and at most 0.00001 of energy; a kWh would have to cost 3,000 times as much to move any
    payment by a cent, and 10^8 times as much for 380. The test set makes most of the errors: at
    0.001 it is 3 to 4, at 0.01 7 to 11 times what 20 seeds leave of the noise of training.
    Cleveland and Hungary are told apart at neither rate, at 0.01 Hungary and VA are not either. The
    delta method takes the values' errors as independent, and they are not: those of Cleveland and
    Hungary, valued on the same patients, rise and fall together (correlation 0.72 at 0.001). Its
    intervals are up to 1.9 times as wide as those of the replicates, and for VA at 0.01 0.8 times.
    Audits: budget, individual rationality and proportionality hold, and Switzerland, not told from
        worthless, makes no
    profit. The core is empty at both rates: at 0.001 Cleveland alone reaches -0.573 and all four
    -0.581, so that if revenue goes with the utility, 13 of the 14 smaller coalitions would do
    better alone, Hungary by 38,295. Whether it does is for those who sell the model to say.
    Claiming 10 % more than its cost would gain Cleveland 543, and a copy of its data 5,081 (under
    the audit's model of a copy); costs capped at the devices' bill leave nothing to gain from the
    first. At 0.01 Cleveland and Switzerland would gain 4,027 by joining as one. Much of the others'
    value is that they mend what Switzerland's data spoil (alone it reaches -1.33, an untrained
    model -0.74): where it never comes without Cleveland there is less to mend, and Hungary's value
    falls from .141 to .080, VA's from .042 to .002.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from experiments import hospitals
from experiments.methods import overrides, parser, progress
from experiments.methods import run as run_experiment
from fedjax_shap._validate import integer
from fedjax_shap.audits.evidence import Finding
from fedjax_shap.audits.registry import audit
from fedjax_shap.coalitions import ranks
from fedjax_shap.economics.intervals import Intervals, indistinguishable, payment_intervals
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.engine import archive
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.pipeline import load
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.run import run
from fedjax_shap.report import settlement_figures, tables
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray

SETTINGS = {"repeats": 20, "resamples": 200, "replicates": 2_000, "revenue": 60_000, "seed": 0}
RATES = ("0.001", "0.01")  # FLamby's, and one at which training comes to its end
MACHINES = (
    "t4",
    "desktop_i5_7400t",
    "raspberry_pi_5",
    "mac_mini_m4",
)  # in the order of the hospitals
STEPS_PER_SECOND, HOUR, PATIENT, MEMBER = 1_000.0, "2.50", 40, 2_000  # assumed; and prices, made up
ENERGY = tuple(round(10 ** (power / 2)) for power in range(21))  # factors on the price of a kWh


def raw_config(settings: dict[str, Any], folder: str | None, rate: str) -> dict[str, Any]:
    """The configuration at a learning rate, with the hospitals' machines and prices."""
    raw = hospitals.raw_config(folder, settings["seed"], float(rate))
    raw |= {
        "game": raw["game"] | {"resamples": settings["resamples"]},
        "estimator": {"name": "exact", "repeats": settings["repeats"]},
        "economics": raw["economics"] | {"revenue": settings["revenue"]},
        "costs": {"name": "devices"},
    }
    sizes = np.asarray(federation_of(parse(raw | {"costs": {"name": "free"}})).data.sizes).tolist()
    prices = {"time_price": HOUR, "fixed": [MEMBER + PATIENT * size for size in sizes]}
    machines = {"profile": list(MACHINES), "steps_per_second": STEPS_PER_SECOND}
    return raw | {"devices": {"name": "profiles"} | machines | prices}


def replicates(values: HostArray, count: int, seed: int) -> HostArray:
    """Replicates of the mean over seeds of training: seeds drawn with replacement, and one resample
    of the test set.

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


def paid(settings: dict[str, Any], folder: str | None, rate: str) -> dict[str, Any]:
    """Values, costs, payments, intervals, audits and other prices at one learning rate; JSON."""
    with TemporaryDirectory() as stores:
        result = run(parse(raw_config(settings, folder, rate)), store=stores)
        found = load.saved(result.to_json(), Path(stores))
        held = archive.read(Path(stores) / "repeats")
    values = shapley_values(held.utilities[np.argsort(ranks(held.masks))])
    drawn = replicates(values, settings["replicates"], settings["seed"])
    settled, bill, rule = found.case.settlement, found.bill, found.rule
    assert bill is not None and result.metered is not None
    given = {
        "players": settled.players,
        "rule": rule,
        "minor_unit": settled.minor_unit,
        "draws": settings["repeats"],
    }
    claims, errors = (settled.values, settled.costs, settled.revenue), result.attribution.std_errors
    close = indistinguishable(settled.values, replicates=drawn, draws=settings["repeats"])
    sweeps = {
        "revenue": settlement_figures.over_revenue(settled, rule=rule),
        "energy": settlement_figures.over_energy(settled, bill, ENERGY, rule=rule),
    }
    parts, used = result.attribution.notes, result.metered.used.totals()
    assert found.case.table is not None
    return {
        "settlement": settled.to_json(),
        "sizes": np.asarray(result.data.sizes).tolist(),
        "table": found.case.table.tolist(),  # row r holds hospital i where bit i of r is set
        "std_errors": errors.tolist(),
        "noise": {name: parts[name].tolist() for name in ("training_noise", "test_set_noise")},
        "correlations": np.corrcoef(drawn.T).tolist(),  # of the replicates of the values
        "machines": {
            "name": list(MACHINES),
            "seconds": used["training"].tolist(),
            "joules": used["joules"].tolist(),
        },
        "bill": bill.to_json(),
        "intervals": {
            "replicates": plain(payment_intervals(*claims, replicates=drawn, **given)),
            "delta": plain(payment_intervals(*claims, std_errors=errors, **given)),
        },
        "not_told_apart": [[settled.players[i], settled.players[j]] for i, j in close],
        "audits": [each.to_json() for each in audit(found.case)],
        "sweeps": {name: plain(sweep._asdict()) for name, sweep in sweeps.items()},
    }


def plain(record: Any) -> Any:
    """A record of arrays as JSON has it."""
    held = asdict(record) if isinstance(record, Intervals) else record
    lists = {
        key: np.asarray(value, float).tolist()
        for key, value in held.items()
        if isinstance(value, np.ndarray)
    }
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in held.items()
    } | lists


def figure(record: dict[str, Any]) -> Figure:
    """One page: values, payments at both rates, costs and profits, other prices, and the audits at
    FLamby's rate.
    """
    drawn = Figure(figsize=(20.0, 9.0), layout="constrained")
    grid = drawn.add_gridspec(2, 4, width_ratios=[1, 1, 1, 1.15])
    places = [drawn.add_subplot(grid[row, column]) for row in range(2) for column in range(3)]
    _values(places[0], record["rates"])
    for axes, rate in zip(places[1:3], RATES):
        one = record["rates"][rate]
        title = f"Payments at rate {rate}, with 95 % intervals"
        settlement_figures.payments(
            axes, Settlement.from_json(one["settlement"]), read_intervals(one), title
        )
    first = record["rates"][RATES[0]]
    settled = Settlement.from_json(first["settlement"])
    settlement_figures.costs_and_profits(places[3], settled)
    for axes, name in zip(places[4:], ("revenue", "energy")):
        held = first["sweeps"][name]
        arrays = {key: np.array(held[key], float) for key in ("at", "payments")}
        settlement_figures.repriced(axes, settled, settlement_figures.Sweep(**held | arrays))
    places[5].set_xscale("log")
    findings = [Finding(**one) for one in first["audits"]]
    settlement_figures.text(drawn.add_subplot(grid[:, 3]), findings)
    title = f"Four hospitals, one model: {settled.revenue:,f} to divide (second row and audits at rate {RATES[0]})"
    drawn.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return drawn


def read_intervals(one: dict[str, Any], method: str = "replicates") -> Intervals:
    """The intervals of one rate, from its record."""
    held = one["intervals"][method]
    arrays = {name: np.array(held[name]) for name in ("low", "high", "std_errors")}
    return Intervals(**held | arrays | {"notes": tuple(held["notes"])})


def _values(axes: Axes, rates: dict[str, Any]) -> None:
    """Bars of the values at each rate, with error bars of 1.96 standard errors."""
    width = 0.38
    for place, (rate, one) in enumerate(rates.items()):
        values = np.array(one["settlement"]["values"])
        at = np.arange(len(values)) + (place - 0.5) * width
        axes.bar(
            at,
            values,
            width * 0.92,
            color=hospitals.COLORS[place],
            zorder=2,
            label=f"learning rate {rate}",
        )
        axes.errorbar(
            at,
            values,
            1.96 * np.array(one["std_errors"]),
            fmt="none",
            ecolor="black",
            capsize=4,
            zorder=3,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(values)), one["settlement"]["players"])
    axes.set_ylabel("Shapley value, nats of log-loss")
    axes.set_title(
        "What each hospital's data is worth, with 95 % intervals", loc="left", fontsize=11
    )
    axes.legend(frameon=False, fontsize=9)
    axes.grid(axis="y", alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def show(record: dict[str, Any], console: Console) -> None:
    """A table for each rate, the pairs not told apart, and the audits."""
    for rate, one in record["rates"].items():
        table = Table(
            title=f"At rate {rate}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
        )
        for column in (
            "hospital",
            "patients",
            "value",
            "machine",
            "cost",
            "payment",
            "95 % interval",
            "by delta",
        ):
            table.add_column(
                column,
                justify="left" if column in ("hospital", "machine") else "right",
                no_wrap=True,
            )
        settled, ends = (
            Settlement.from_json(one["settlement"]),
            [read_intervals(one, how) for how in one["intervals"]],
        )
        for i, name in enumerate(settled.players):
            value = f"{settled.values[i]:.4f} ± {one['std_errors'][i]:.4f}"
            money = [f"{settled.costs[i]:,.2f}", f"{settled.payments[i]:,f}"]
            between = [f"{each.low[i]:,.0f} to {each.high[i]:,.0f}" for each in ends]
            table.add_row(
                name, str(one["sizes"][i]), value, one["machines"]["name"][i], *money, *between
            )
        console.print(table)
        apart = ", ".join(" and ".join(pair) for pair in one["not_told_apart"]) or "none"
        console.print(f"Pairs whose values are not told apart: {apart}.", highlight=False)
        console.print(
            tables.findings_table(
                [Finding(**each) for each in one["audits"]], f"Audits at rate {rate}"
            )
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    return run_experiment(
        parser("payments_hospitals", __doc__, SETTINGS), arguments, _record, show, figure
    )


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings = overrides(SETTINGS, options.set)
    for name, least in (
        ("repeats", 10),
        ("resamples", 2),
        ("replicates", 400),
        ("revenue", 1),
        ("seed", 0),
    ):
        integer(name, settings[name], least=least)
    done, rates = progress(), {}
    for rate in RATES:
        rates[rate] = paid(settings, options.data, rate)
        done(f"rate {rate}")
    return {"settings": settings, "rates": rates}


if __name__ == "__main__":
    raise SystemExit(main())
