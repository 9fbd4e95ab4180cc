"""What four hospitals are paid for a joint model: values, costs, payments, intervals, audits.

Claim: exact Shapley values of four real hospitals, with the noise of training and of the test set,
become payments that carry intervals and pass or fail audits, without training anything twice.

Values: FLamby's Fed-Heart-Disease as in `experiments.hospitals`, at its learning rate 0.001 and at
0.01, over 20 seeds of training, each model valued on 200 resamples of the 254 test patients too.
Costs: each hospital's device profile (one of `devices.profiles`, assigned by us, with an assumed
1,000 local steps a second, since starting a step takes longer than computing so small a one), an
hour of it at 2.50, a kWh at 0.30, and a fixed cost for its data, 2,000 and 40 a patient. Revenue
60,000. Prices, revenue and which hospital has which machine are assumed. Rule: cost-aware, negative
values clipped.
Intervals: percentiles of 2,000 replicates, each with seeds drawn with replacement and one resample
of the test patients, widened as for 20 draws; beside them the delta method's from the standard
errors.

Command: python -m experiments.payments_hospitals --data DIR --json payments.json --figure
payments.png
Minutes: 0.4 on two shared cores.
Expected: the machines cost next to nothing, so that costs are those of data; Switzerland is paid
    its cost; intervals are wide, as the test set is small.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21; all numbers and the commit in
experiments/results/payments_hospitals.json, the page in docs/payments_hospitals.png):

                     cost      rate 0.001: paid, 95 % interval      rate 0.01: paid, 95 % interval
    Cleveland        9,960     24,762   22,283 to 26,239            25,296   21,257 to 28,071
    Hungary          8,880     23,272   20,182 to 25,600            22,191   16,999 to 26,500
    Switzerland      3,200      3,200    3,200 to  4,985             3,200    3,200 to  3,200
    VA               5,400      8,766    6,519 to 11,282             9,313    5,526 to 14,298

    As expected, except that the core is empty. 1,500 steps take each machine 1.5 s, 0.00104 of its
    time and at most 0.00001 of energy; a kWh would have to cost 3,000 times as much to change any
    payment by a cent, and 10^8 times as much for 380. The test set causes most of the errors: at
    0.001 its error is 3 to 4 times, at 0.01 7 to 11 times that of training, averaged over 20 seeds.
    Cleveland and Hungary cannot be distinguished at either rate, Hungary and VA not at 0.01. The
    delta method treats the values' errors as independent, but those of Cleveland and Hungary,
    valued on the same patients, rise and fall together (correlation 0.72 at 0.001). Its intervals
    are up to 1.9 times as wide as those of the replicates, and for VA at 0.01 0.8 times. Audits:
    budget, individual rationality and proportionality hold, and Switzerland, whose value is
    indistinguishable from zero, makes no profit. The core is empty at both rates: at 0.001
    Cleveland alone reaches -0.573 and all four -0.581, so that if revenue is proportional to
    utility, 13 of the 14 smaller coalitions would do better alone, Hungary by 38,295. Whether it is
    proportional is for those who sell the model to say. Claiming 10 % more than its cost would gain
    Cleveland 543, and a copy of its data 5,081 (under the audit's model of a copy); the first gains
    nothing where costs are capped at the devices' bill. At 0.01 Cleveland and Switzerland would
    gain 4,027 by joining as one. Much of the others' value is that they repair the harm of
    Switzerland's data (alone it reaches -1.33, an untrained model -0.74). Where Switzerland never
    comes without Cleveland there is less harm to repair: Hungary's value falls from .141 to .080,
    VA's from .042 to .002.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Record, at_least, table
from experiments.harness import Settings, measured, overridden, parser, run
from experiments.hospitals import BAR, COLORS
from experiments.priced_hospitals import measure, read_intervals
from fedjax_shap.audits.evidence import Finding
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.report import settlement_figures, style
from fedjax_shap.report.findings import findings_table
from fedjax_shap.report.render import to_rich
from fedjax_shap.report.sweeps import Sweep

CONFIG: Settings = {
    "repeats": 20,
    "resamples": 200,
    "replicates": 2_000,
    "revenue": 60_000,
    "seed": 0,
}
RATES = ("0.001", "0.01")  # FLamby's, and one at which training converges
COLUMNS = (
    "hospital",
    "patients",
    "value",
    "machine",
    "cost",
    "payment",
    "95 % interval",
    "by delta",
)


def figures(record: Record) -> dict[str, Figure]:
    """Payments and costs, values at both rates, and payments at other revenues, by the ends of the
    names of their files.
    """
    return {"": _payments(record), "_values": _values(record), "_prices": _prices(record)}


def _payments(record: Record) -> Figure:
    """Payments with intervals at both rates."""
    drawn, panels = style.panels(style.TWO, 2.6, 1, len(RATES), sharey=True)
    for axes, rate in zip(panels, RATES, strict=True):
        one = record["rates"][rate]
        settled = Settlement.from_json(one["settlement"])
        title = f"payments of {settled.revenue:,f}, learning rate {rate}"
        settlement_figures.payments(axes, settled, read_intervals(one), title)
        at = np.arange(len(settled.players))
        cost = np.array(settled.costs, float)
        look: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1, "zorder": 4}
        axes.hlines(cost, at - BAR, at + BAR, label="cost", **look)
    for axes in panels[1:]:
        axes.set_ylabel("")
    style.legend(panels[0], loc="upper right")
    caption = f"""What each of four hospitals is paid out of {settled.revenue:,f} for one model, by
    Shapley values of models trained at two learning rates. Whiskers: 95 % intervals, by replicates
    of training and of the test set; dotted: what taking part costs."""
    return style.captioned(drawn, caption)


def _prices(record: Record) -> Figure:
    """Payments at other revenues, at the first rate."""
    one = record["rates"][RATES[0]]
    settled = Settlement.from_json(one["settlement"])
    drawn, [axes] = style.panels(style.ONE)
    settlement_figures.repriced(axes, settled, _sweep(one["sweeps"]["revenue"]))
    style.legend_below(drawn)
    caption = f"""What each hospital is paid at other revenues (learning rate {RATES[0]}); the line
    "now" is the revenue of {settled.revenue:,f}, dotted where the costs are covered. The price of
    energy is not drawn: it would have to be 3,000 times as high to change a payment by a cent."""
    return style.captioned(drawn, caption)


def _sweep(recorded: dict[str, Any]) -> Sweep:
    """Payments at other prices, from the record."""
    arrays = {name: np.array(recorded[name], float) for name in ("at", "payments")}
    return Sweep(**{**recorded, **arrays})


def _findings(one: dict[str, Any]) -> list[Finding]:
    """The audits of one rate, from its record."""
    return [Finding(**finding) for finding in one["audits"]]


def _values(record: Record) -> Figure:
    """Bars of the values at each rate, with error bars of 1.96 standard errors."""
    drawn, [axes] = style.panels(style.ONE)
    for place, (rate, one) in enumerate(record["rates"].items()):
        values = np.array(one["settlement"]["values"])
        at = np.arange(len(values)) + (place - 0.5) * BAR
        label = f"learning rate {rate}"
        style.bars(axes, at, values, COLORS[place], label, width=BAR * 0.92)
        style.error_bars(axes, at, values, style.NORMAL * np.array(one["std_errors"]))
    style.zero_line(axes)
    axes.set_xticks(range(len(values)), one["settlement"]["players"])
    axes.set_ylabel("Shapley value (nats of log-loss)")
    style.legend_below(drawn)
    caption = """What each hospital's data is worth, at two learning rates. Whiskers: 95 %
    intervals (1.96 standard errors, of training and of the test set)."""
    return style.captioned(drawn, caption)


def show(record: Record, console: Console) -> None:
    """For each rate: a table, the pairs that cannot be distinguished, and the audits."""
    for rate, one in record["rates"].items():
        console.print(_table(rate, one))
        pairs = ", ".join(" and ".join(pair) for pair in one["not_told_apart"]) or "none"
        console.print(f"Pairs whose values cannot be distinguished: {pairs}.", highlight=False)
        console.print(to_rich(findings_table(_findings(one), f"Audits at rate {rate}")))


def _table(rate: str, one: dict[str, Any]) -> Table:
    """Values, costs and payments at one rate."""
    shown = table(f"At rate {rate}", COLUMNS, left=("hospital", "machine"))
    settled = Settlement.from_json(one["settlement"])
    intervals = [read_intervals(one, method) for method in one["intervals"]]
    for i, name in enumerate(settled.players):
        shown.add_row(
            name,
            str(one["sizes"][i]),
            f"{settled.values[i]:.4f} ± {one['std_errors'][i]:.4f}",
            one["machines"]["name"][i],
            f"{settled.costs[i]:,.2f}",
            f"{settled.payments[i]:,f}",
            *(f"{each.low[i]:,.0f} to {each.high[i]:,.0f}" for each in intervals),
        )
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    made = parser("payments_hospitals", __doc__, CONFIG)
    return run(made, arguments, _record, show, figures)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, repeats=10, resamples=2, replicates=400, revenue=1, seed=0)
    rates = measured(settings, options.data, RATES, measure, "rate {}")
    return {"settings": settings, "rates": rates}


if __name__ == "__main__":
    raise SystemExit(main())
