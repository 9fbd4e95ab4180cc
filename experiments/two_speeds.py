"""Two members, one 24 times as fast as the other: what do they do, use, cost, add, and get paid?

Claim: under a common time budget the fast member is worth and paid far more than the slow one at
first, and little more
once models are near their end, though both hold data of one distribution and number. With as many
steps for both their values are equal up to the luck of their rows, but there is time for a
twenty-fourth of the rounds, and a poorer model.

Device A does 100 local steps in 1 hour, device B in 24 (Spec 4.5). Two ways to run a federation of
both:

    same time    each has an hour a round: K_A = 100, K_B = floor(100 / 24) = 4;
    same steps   each does 100 steps a round, which lasts 24 hours, of which A waits 23.

Both ways are given five days: 120 rounds or 5. Digits are dealt equally to A and B, softmax
regression is trained, each of the four coalitions alone, and the Shapley values of accuracy and the
costs of Spec 5.8 are settled by Spec 5.2. The watts, the prices and the revenue are made up; all
else follows.

Command: python -m experiments.two_speeds --json two_speeds.json --figure two_speeds.png
Minutes: 0.8 on one core shared with other work.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21; commit and all numbers in
experiments/results/two_speeds.json), under FedAvg; FedaGrac at lambda = 1 pays the same within 2
(its V(N) under the same time: 0.889, 0.918, 0.951):

                                V(N)     values of A, B     costs of A, B     paid to A, B
    same time, 1 day            0.898    0.517, 0.281       6.60,   4.68      647.34, 352.66
               5 days           0.915    0.428, 0.388      33.00,  23.39      528.01, 471.99
               30 days          0.940    0.442, 0.398     198.00, 140.31      546.39, 453.61
    same steps, 1 day           0.793    0.322, 0.371       0.28,   4.87      462.51, 537.49
                5 days          0.880    0.380, 0.400       1.38,  24.36      475.98, 524.02
                30 days         0.906    0.403, 0.403       8.25, 146.16      431.04, 568.96

    After 5 days A's value less B's is 0.040, 0.058 and 0.065 under seeds 0 to 2 by the same time,
    and -0.020, -0.029 and 0.000 by the same steps. B works nearly all the time either way, and
    costs nearly the same; that A waits for 115 of 120 hours costs nothing, since Spec 5.8 charges
    for use.

References:
    Spec 1.1c, 4.5, 5.2, 5.8.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.methods import overrides, parser, run
from fedjax_shap._validate import integer, number
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import iid
from fedjax_shap.data.sources import digits
from fedjax_shap.devices.device import Profile
from fedjax_shap.devices.fleet import metered
from fedjax_shap.devices.timed import timed
from fedjax_shap.devices.workload import workload
from fedjax_shap.economics.settle import settle
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.fedagrac import fedagrac
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.steps import Steps, constant
from fedjax_shap.learning.training import Training
from fedjax_shap.report.run_figures import BLUE, GREY, ORANGE
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate

CONFIG: dict[str, Any] = {
    "steps": 100,
    "hours_a": 1.0,
    "hours_b": 24.0,
    "watts_a": 250.0,
    "watts_b": 10.0,
    "energy_price": "0.30",  # a kWh
    "time_price": "0.20",  # an hour in which a machine works
    "revenue": 1000,
    "days": 5,  # that either way is given, messages apart
    "batch_size": 32,
    "learning_rate": 0.01,
    "metric": "accuracy",
    "seed": 0,
}
MEMBERS, HOUR = ("A", "B"), 3600.0
ALGORITHMS = {"fedavg": fedavg, "fedagrac_lam1.0": fedagrac}


def devices(settings: dict[str, Any]) -> tuple[Profile, ...]:
    """A and B, by the hours in which they do so many steps."""
    return tuple(
        Profile(
            name=name,
            steps_per_second=settings["steps"] / (settings[f"hours_{name.lower()}"] * HOUR),
            power=settings[f"watts_{name.lower()}"],
            energy_price=settings["energy_price"],
            time_price=settings["time_price"],
        )
        for name in MEMBERS
    )


class Way(NamedTuple):
    """How many steps each member does in a round, and how many rounds there are time for."""

    steps: Steps
    rounds: int


def ways(settings: dict[str, Any]) -> dict[str, Way]:
    """The faster member's time for both, or as many steps for both; each for so many days."""
    short, long = sorted((settings["hours_a"], settings["hours_b"]))
    by_time = timed(seconds=short * HOUR, profiles=devices(settings), flops_per_step=0.0)
    total = settings["days"] * 24
    return {
        "same time": Way(by_time, int(total / short)),
        "same steps": Way(constant(steps=settings["steps"]), int(total / long)),
    }


def measure(settings: dict[str, Any], way: Way, algorithm: Algorithm) -> dict[str, Any]:
    """One way of running the federation under one algorithm, from steps to payments."""
    data = federate(digits(), iid(num_clients=len(MEMBERS)), seed=settings["seed"])
    training = local(learning_rate=settings["learning_rate"], batch_size=settings["batch_size"])
    key = jax.random.key(settings["seed"])
    how = Training(linear(), training, algorithm, key=key, steps=way.steps)
    game = silo(data, how, metric=settings["metric"])
    planned = np.asarray(game.world.num_steps)
    asked = workload(data, how)
    took = metered(devices(settings), asked, planned, np.ones(planned.shape))
    found = estimate(game, exact(), key=key)
    settled = settle(found, took.bill.total, settings["revenue"], players=MEMBERS)
    return {
        "rounds": way.rounds,
        "steps": planned[0].tolist(),
        "took": took.to_json(),
        "values": found.values.tolist(),
        "empty": float(found.empty),
        "grand": float(found.grand),
        "settlement": settled.to_json(),
    }


def figure(record: dict[str, Any]) -> Figure:
    """Hours at work and waiting, values, and payments with their costs, a group of bars a way of
    running.
    """
    drawn = Figure(figsize=(12.0, 4.4), layout="constrained")
    hours, values, payments = drawn.subplots(1, 3)
    rows = record["rows"]
    places = np.arange(len(rows))
    for member, color, shift in ((0, BLUE, -0.2), (1, ORANGE, 0.2)):
        each = {"width": 0.36, "color": color, "zorder": 2}
        at = places + shift
        work = [row["took"]["training"][member] / HOUR for row in rows]
        hours.bar(at, work, label=f"{MEMBERS[member]} works", **each)
        idle = [row["took"]["idle"][member] / HOUR for row in rows]
        hours.bar(
            at,
            idle,
            bottom=work,
            width=0.36,
            color=GREY,
            zorder=2,
            label="waits" if member == 0 else None,
        )
        values.bar(at, [row["values"][member] for row in rows], **each)
        payments.bar(at, [float(row["settlement"]["payments"][member]) for row in rows], **each)
        cost = [float(row["settlement"]["costs"][member]) for row in rows]
        payments.bar(
            at, cost, width=0.36, color=GREY, zorder=3, label="its cost" if member == 0 else None
        )
    titles = ("hours of all rounds", f"Shapley values ({record['config']['metric']})", "payments")
    for axes, title in zip((hours, values, payments), titles, strict=True):
        axes.set_title(title, loc="left")
        axes.set_xticks(places, [f"{row['way']}\n{row['algorithm']}" for row in rows], fontsize=8)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.grid(alpha=0.3, axis="y", zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in (hours, payments):
        axes.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return drawn


def show(record: dict[str, Any], console: Console) -> None:
    """The derivation, line by line, and a table of all."""
    for row in record["rows"]:
        if row["algorithm"] == "fedavg":
            console.print(
                "\n".join(derivation(row, record["config"])) + "\n", highlight=False, soft_wrap=True
            )
    table = Table(
        title="What each is worth and paid",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for column in (
        "way",
        "algorithm",
        "V(N)",
        "value A",
        "value B",
        "cost A",
        "cost B",
        "paid A",
        "paid B",
    ):
        table.add_column(
            column, justify="left" if column in ("way", "algorithm") else "right", no_wrap=True
        )
    for row in record["rows"]:
        settled = row["settlement"]
        values = [f"{value:.3f}" for value in (row["grand"], *row["values"])]
        costs = [f"{float(cost):.2f}" for cost in settled["costs"]]
        table.add_row(row["way"], row["algorithm"], *values, *costs, *settled["payments"])
    console.print(table)


def derivation(row: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """One way of running the federation, from steps to payments, a line a step of the reckoning."""
    took, settled, rounds = row["took"], row["settlement"], row["rounds"]
    lasted = took["round_seconds"][0] / HOUR
    lines = [f"{row['way'].capitalize()}: {rounds} rounds of {lasted:.2f} hours."]
    for i, name in enumerate(MEMBERS):
        hours, kwh, idle = (
            took["training"][i] / HOUR,
            took["joules"][i] / 3.6e6,
            took["idle"][i] / HOUR,
        )
        watts = settings[f"watts_{name.lower()}"]
        energy, time = (float(took["costs"][part][i]) for part in ("energy", "time"))
        lines += [
            f"  {name}: K = {row['steps'][i]} steps a round; at work {hours:.2f} h, waiting "
            f"{idle:.2f} h",
            f"     {watts:g} W x {hours:.2f} h = {kwh:.3f} kWh; energy {energy:.2f} + time "
            f"{time:.2f} = cost "
            f"{float(settled['costs'][i]):.2f}",
        ]
    total, worth = sum(map(float, settled["costs"])), sum(row["values"])
    profit = float(settled["revenue"]) - total
    lines.append(f"  Profit to be shared: {settled['revenue']} - {total:.2f} = {profit:.2f}")
    for i, name in enumerate(MEMBERS):
        value, cost = row["values"][i], float(settled["costs"][i])
        lines.append(
            f"  {name} is paid {cost:.2f} + {value:.4f} / {worth:.4f} x {profit:.2f} = "
            f"{settled['payments'][i]}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("two_speeds", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings = overrides(CONFIG, options.set)
    integer("steps", settings["steps"], least=1)
    for name in ("hours_a", "hours_b"):
        number(name, settings[name], above=0)
        integer("days", settings["days"], least=-int(-settings[name] // 24))  # time for a round
    rows = []
    for called, way in ways(settings).items():
        for name, algorithm in ALGORITHMS.items():
            found = measure(settings, way, algorithm(max_rounds=way.rounds))
            rows.append({"way": called, "algorithm": name} | found)
    return {"config": settings, "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
