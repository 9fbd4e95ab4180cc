"""Do fast machines buy value that their data does not have?

Claim: yes, in two ways. While trainings are far from their end, a coalition with a fast member has
come further, and the fastest are paid two to eight times what the slowest are, under every
algorithm, calibrated or not. How much of that remains in the end depends on the algorithm. Where
members' labels differ, FedAvg still pays the fast more; the published calibration (FedaGrac) does
not, the patented one and SCAFFOLD do by half. Where data are alike, little remains.

Five members hold data of one worth and do 2, 4, 8, 16 and 32 local steps a round. In "alike" they
have equally many rows of one distribution; in "pairs" 80 % of a member's rows are of two classes of
its own. Over five seeds each member has every speed once; rows, mini-batches and the start are
drawn anew. All 32 coalitions are trained alone, and values after each round are those of the models
that they have by then. The noise floor: the same with 12 steps for all, members being listed by the
speeds that they would have had. Costs are 0, so that payments show values alone.

Command: python -m experiments.heterogeneity_value --json heterogeneity_value.json --figure
heterogeneity_value.png
Minutes: 9 on one core shared with other work.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21; commit and all numbers in
experiments/results/heterogeneity_value.json): payments of 10,000 to the slowest and to the fastest,
mean +- standard error over 5 seeds, and "more": what the two fastest are paid more than the two
slowest, in % of an equal share, less the same with equal steps, seed by seed:

                      after 20 rounds                      the last 20 of 200 rounds
                      slowest     fastest    more          slowest    fastest    more      V(N)-V(0)
    alike
      FedAvg          1149 +- 11  2651 +- 14  55.9 +- 0.8  1969 +- 15 1991 +- 10 1.2 +- 0.2  1.848
      published, 1    1180 +- 17  2647 +- 13  54.0 +- 0.8  1984 +- 22 1991 +-  4 0.4 +- 0.2  1.852
      equal steps     2005 +- 22  1990 +-  7               2005 +- 20 1993 +-  6             1.855
    pairs
      FedAvg           428 +- 101 3473 +- 57 117.0 +- 4.9  1863 +- 31 2055 +- 46 7.7 +- 1.3  1.717
      SCAFFOLD         676 +- 102 3321 +- 55  99.9 +- 4.9  1950 +- 25 2057 +- 23 4.1 +- 1.1  1.856
      published, 1     699 +- 157 3340 +- 50  97.6 +- 4.5  1971 +- 35 1980 +- 42 0.7 +- 1.2  1.852
      patented, 0.1    699 +- 77  3248 +- 72  99.9 +- 5.0  1943 +- 21 2058 +- 17 4.1 +- 1.1  1.857
      equal steps     2094 +- 50  2064 +- 44               2035 +- 17 2021 +- 25             1.749

    Calibration was expected to remove the advantage of speed. It removes FedAvg's bias towards the
    fast (V(N) rises by 0.14 nats where labels differ, 0.03 of it for unequal speed, the rest for
    local steps as such), but not the lead: when values are read matters ten times as much for
    payments as which algorithm trains. FedNova, for which these steps are too large, does not
    converge.

References:
    Wu et al. 2023, "FedaGrac", arXiv 2112.09355, for the published calibration. Wang et al. 2020,
    "Tackling the objective inconsistency problem in heterogeneous federated optimization"
    (FedNova), for the objective that FedAvg minimises under unequal K_i.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Record, at_least, table
from experiments.harness import (
    Done,
    Settings,
    dress,
    overridden,
    parser,
    progress,
    run,
)
from experiments.unequal_speed import (
    FEDERATIONS,
    REVENUE,
    SPEEDS,
    TENTH,
    algorithms,
    summary,
    values,
)
from fedjax_shap.report import style
from fedjax_shap.report.looks import look
from fedjax_shap.report.style import GREY
from fedjax_shap.typing import HostArray

CONFIG: Settings = {
    "rounds": 200,
    "seeds": 5,
    "batch_size": 32,
    "learning_rate": 0.3,
    "l2": 0.01,
    "major": 0.8,
    "metric": "negative_loss",
}
FLOORS = ("fedavg", "fedagrac_lam1.0")  # algorithms that are run with equal steps too
EQUAL: dict[str, Any] = {"color": "black", "linestyle": ":", "label": "FedAvg, equal steps"}
TITLES = {"alike": "equal labels", "pairs": "unequal labels"}
COLUMNS = (
    "algorithm",
    "steps",
    "V(N) - V(∅)",
    "correlation",
    "spread",
    "slowest",
    "fastest",
    "more, %",
)


def measure(settings: Settings, name: str, done: Done) -> list[dict[str, Any]]:
    """Values and payments in one of `FEDERATIONS`, under every algorithm and kind of speeds."""
    rows = []
    for called, algorithm in algorithms(settings["rounds"]).items():
        kinds = [True]
        if called in FLOORS:
            kinds.append(False)
        for unequal in kinds:
            each = [
                values(settings, name, algorithm, seed, unequal=unequal)
                for seed in range(settings["seeds"])
            ]
            row = {"federation": name, "algorithm": called, "unequal": unequal}
            rows.append({**row, **summary(np.array(each))})
        done(f"{name}: {called}")
    return rows


def floor_of(record: Record, name: str) -> dict[str, Any]:
    """The row of one of `FEDERATIONS` in which FedAvg trains with equal steps."""
    rows: list[dict[str, Any]] = record["rows"]
    (floor,) = (
        row
        for row in rows
        if (row["federation"], row["algorithm"], row["unequal"]) == (name, "fedavg", False)
    )
    return floor


def figure(record: Record) -> Figure:
    """What members of each speed are paid, early and in the end; a row a federation."""
    rows = len(FEDERATIONS)
    drawn, panels = style.panels(style.ONE, 1.5 * rows + 0.5, rows, 2, sharex=True)
    for place, name in enumerate(FEDERATIONS):
        own = [row for row in record["rows"] if row["federation"] == name and row["unequal"]]
        floor = floor_of(record, name)
        early, end = panels[2 * place : 2 * place + 2]
        _payments(early, own, floor, "early")
        _payments(end, own, floor, "end")
        early.set_ylabel(f"payment (of {REVENUE:,})")
        dress(early, f"{TITLES[name]}, early")
        dress(end, f"{TITLES[name]}, end")
    for axes in panels[-2:]:
        axes.set_xlabel("local steps a round")
    style.legend_below(drawn, panels[0], columns=2)
    seeds = record["config"]["seeds"]
    caption = f"""Payments to members of five speeds, that is local steps a round, where revenue is
    divided by Shapley values: early, after a tenth of the rounds, and in the end, the mean over the
    last tenth. Members have labels of one distribution (equal labels) or of pairs of classes
    (unequal labels). Bars: standard errors over {seeds} seeds; dots are moved sideways so that bars
    do not overlap. Dotted: FedAvg where all take equally many steps; grey line: equal payments.
    Each panel has its own scale."""
    return style.captioned(drawn, caption)


def _payments(
    axes: Axes, rows: Sequence[dict[str, Any]], floor: dict[str, Any], stage: str
) -> None:
    """Mean payments by speed, with standard errors, a line an algorithm."""
    for place, row in enumerate(rows):
        _line(axes, row[stage]["payments"], place, **look(row["algorithm"]).of_line)
    _line(axes, floor[stage]["payments"], -1, **EQUAL)
    axes.set_xticks(range(len(SPEEDS)), map(str, SPEEDS))
    axes.axhline(REVENUE / len(SPEEDS), color=GREY, linewidth=0.8)
    style.amounts_on_y(axes)


def _line(axes: Axes, paid: list[list[float]], place: int, **looks: Any) -> None:
    """One algorithm's payments, shifted by its place so that error bars do not overlap."""
    each = np.array(paid)
    along = np.arange(len(SPEEDS)) + 0.07 * (place - 2)
    sizes: dict[str, Any] = {"markersize": 2.5, "linewidth": 1, "elinewidth": 0.7}
    axes.errorbar(along, each.mean(axis=0), _error(each), **sizes, **looks)


def show(record: Record, console: Console) -> None:
    """A table a federation and stage, with standard errors."""
    rounds = record["config"]["rounds"]
    tenth = max(rounds // TENTH, 1)
    stages = {"early": f"after {tenth} rounds", "end": f"the last {tenth} of {rounds} rounds"}
    for name, stage in product(FEDERATIONS, stages):
        title = f"{name}, {stages[stage]}: mean ± standard error over seeds"
        console.print(_table(title, record, name, stage))


def _table(title: str, record: Record, name: str, stage: str) -> Table:
    """One federation and stage; "more" is the premium less that of equal steps, seed by seed."""
    shown = table(title, COLUMNS)
    floor = np.array(floor_of(record, name)[stage]["premium"])
    kinds = {True: "unequal", False: "equal"}
    for row in record["rows"]:
        if row["federation"] == name:
            of = row[stage]
            paid = np.array(of["payments"])
            shown.add_row(
                row["algorithm"],
                kinds[row["unequal"]],
                _mean(of["grand"], ".3f"),
                _mean(of["correlation"], "+.2f"),
                _mean(of["spread"], "+.2f"),
                _mean(paid[:, 0], ",.0f"),
                _mean(paid[:, -1], ",.0f"),
                _mean(100 * (np.array(of["premium"]) - floor), "+.1f"),
            )
    return shown


def _mean(each: Any, form: str) -> str:
    """Mean and standard error over seeds."""
    return f"{np.mean(each):{form}} ± {_error(np.asarray(each)):{form.lstrip('+')}}"


def _error(each: HostArray) -> HostArray:
    """The standard error over the first axis."""
    error: HostArray = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return error


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("heterogeneity_value", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, seeds=2)
    done = progress()
    rows = []
    for name in FEDERATIONS:
        rows += measure(settings, name, done)
    return {"config": {**settings, "speeds": SPEEDS, "revenue": REVENUE}, "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
