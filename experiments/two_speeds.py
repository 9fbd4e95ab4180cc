"""Two members, one 24 times as fast as the other: what do they do, use, cost, add, and get paid?

Claim: under a common time budget the fast member is worth and paid far more than the slow one at
first, and little more once models are near their end, though both hold equally many rows of one
distribution. With as many steps for both their values are equal up to the luck of their rows, but
there is time for a twenty-fourth of the rounds, and the model is poorer.

Device A does 100 local steps in 1 hour, device B in 24. Two ways to run a federation of both:

    same time    each has an hour a round: K_A = 100, K_B = floor(100 / 24) = 4;
    same steps   each does 100 steps a round, which lasts 24 hours, of which A waits 23.

Both ways are given five days: 120 rounds or 5. Digits are dealt equally to A and B, softmax
regression is trained, each of the four coalitions alone. A member's cost is the energy and the time
that its device uses (`devices.fleet`). The Shapley values of accuracy are settled by the rule
`cost_aware`: each is paid its cost, and the profit is divided by value. The watts, the prices and
the revenue are assumed; all else follows.

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
    costs nearly the same. A waits for 115 of 120 hours; that costs nothing, as only use is charged.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.harness import Settings, dress, overridden, parser, run
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
from fedjax_shap.report import style
from fedjax_shap.report.looks import look
from fedjax_shap.report.style import BLUE, GREY, ORANGE
from fedjax_shap.shapley.exact import exact
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.estimate import estimate

CONFIG: Settings = {
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
MEMBERS = ("A", "B")
HOUR = 3600.0  # seconds
KWH = 3.6e6  # joules
ALGORITHMS = {"fedavg": fedavg, "fedagrac_lam1.0": fedagrac}
COLUMNS = (
    "way",
    "algorithm",
    "V(N)",
    "value A",
    "value B",
    "cost A",
    "cost B",
    "paid A",
    "paid B",
)


def devices(settings: Settings) -> tuple[Profile, ...]:
    """A and B, by the hours in which they do so many steps."""
    profiles = []
    for name in MEMBERS:
        hours = settings[f"hours_{name.lower()}"]
        profile = Profile(
            name=name,
            steps_per_second=settings["steps"] / (hours * HOUR),
            power=settings[f"watts_{name.lower()}"],
            energy_price=settings["energy_price"],
            time_price=settings["time_price"],
        )
        profiles.append(profile)
    return tuple(profiles)


class Way(NamedTuple):
    """How many steps each member does in a round, and how many rounds there are time for."""

    steps: Steps
    rounds: int


def ways(settings: Settings) -> dict[str, Way]:
    """The faster member's time for both, or as many steps for both; each for so many days."""
    short, long = sorted((settings["hours_a"], settings["hours_b"]))
    by_time = timed(seconds=short * HOUR, profiles=devices(settings), flops_per_step=0.0)
    total = settings["days"] * 24
    return {
        "same time": Way(by_time, int(total / short)),
        "same steps": Way(constant(steps=settings["steps"]), int(total / long)),
    }


def measure(settings: Settings, way: Way, algorithm: Algorithm) -> dict[str, Any]:
    """One way of running the federation under one algorithm, from steps to payments."""
    data = federate(digits(), iid(num_clients=len(MEMBERS)), seed=settings["seed"])
    client_training = local(
        learning_rate=settings["learning_rate"], batch_size=settings["batch_size"]
    )
    key = jax.random.key(settings["seed"])
    training = Training(linear(), client_training, algorithm, key=key, steps=way.steps)
    game = silo(data, training, metric=settings["metric"])
    # what the devices do, and what that costs
    steps = np.asarray(game.world.num_steps)
    work = workload(data, training)
    took = metered(devices(settings), work, steps, np.ones(steps.shape))
    # what the members are worth and paid
    attribution = estimate(game, exact(), key=key)
    settled = settle(attribution, took.bill.total, settings["revenue"], players=MEMBERS)
    return {
        "rounds": way.rounds,
        "steps": steps[0].tolist(),
        "took": took.to_json(),
        "values": attribution.values.tolist(),
        "empty": float(attribution.empty),
        "grand": float(attribution.grand),
        "settlement": settled.to_json(),
    }


def figure(record: Record) -> Figure:
    """Hours at work and waiting, values, and payments, a group of bars a way of running."""
    drawn, panels = style.panels(style.TWO, 2.7, 1, 3)
    rows = record["rows"]
    places = np.arange(len(rows))
    _bars(panels, rows, member=0, at=places - 0.2, color=BLUE)
    _bars(panels, rows, member=1, at=places + 0.2, color=ORANGE)
    settings = record["config"]
    labels = (
        "hours of all rounds (h)",
        f"value ({settings['metric']})",
        "payment (revenue's unit)",
    )
    titles = ("(a) time", "(b) values", "(c) payments")
    names = [f"{row['way']}\n{look(row['algorithm']).name.partition(',')[0]}" for row in rows]
    for axes, title, label in zip(panels, titles, labels, strict=True):
        dress(axes, title, grid="y")
        axes.set_ylabel(label)
        axes.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_ylim(0, 1.12 * axes.get_ylim()[1])
        style.zero_line(axes)
    style.legend_below(drawn, panels[0], panels[2])
    times = settings["hours_b"] / settings["hours_a"]
    caption = f"""Two members with equally many rows of digits; A is {times:g} times as fast as B.
    They have the same time or do the same number of steps, for {settings["days"]} days.
    (a) Hours at work and waiting; (b) Shapley values of {settings["metric"]}; (c) payments out of
    {settings["revenue"]:,}, in grey the cost. One training each; there are no error bars."""
    return style.captioned(drawn, caption)


def _bars(
    panels: Sequence[Axes],
    rows: Sequence[dict[str, Any]],
    *,
    member: int,
    at: HostArray,
    color: str,
) -> None:
    """One member's bars in all panels; the legend names what is grey once."""
    hours, values, payments = panels
    grey: dict[str, Any] = {"width": 0.36, "color": GREY}
    bar: dict[str, Any] = {"width": 0.36, "color": color, "zorder": 2}
    hidden = "_" * (1 - member)  # matplotlib leaves such a label out of the legend
    work = [row["took"]["training"][member] / HOUR for row in rows]
    idle = [row["took"]["idle"][member] / HOUR for row in rows]
    hours.bar(at, work, label=f"member {MEMBERS[member]}", **bar)
    hours.bar(at, idle, bottom=work, zorder=2, label=f"{hidden}waits, or cost", **grey)
    values.bar(at, [row["values"][member] for row in rows], **bar)
    paid = [float(row["settlement"]["payments"][member]) for row in rows]
    cost = [float(row["settlement"]["costs"][member]) for row in rows]
    payments.bar(at, paid, **bar)
    payments.bar(at, cost, zorder=3, **grey)


def show(record: Record, console: Console) -> None:
    """The derivation, line by line, and a table of all."""
    for row in record["rows"]:
        if row["algorithm"] == "fedavg":
            lines = "\n".join(derivation(row, record["config"]))
            console.print(f"{lines}\n", highlight=False, soft_wrap=True)
    shown = table("What each is worth and paid", COLUMNS, left=("way", "algorithm"))
    for row in record["rows"]:
        settled = row["settlement"]
        values = [f"{value:.3f}" for value in (row["grand"], *row["values"])]
        costs = [f"{float(cost):.2f}" for cost in settled["costs"]]
        shown.add_row(row["way"], row["algorithm"], *values, *costs, *settled["payments"])
    console.print(shown)


def derivation(row: dict[str, Any], settings: Settings) -> list[str]:
    """One way of running the federation, from steps to payments, a line a step."""
    settled = row["settlement"]
    lasted = row["took"]["round_seconds"][0] / HOUR
    lines = [f"{row['way'].capitalize()}: {row['rounds']} rounds of {lasted:.2f} hours."]
    for member in range(len(MEMBERS)):
        lines += _work(row, member, settings)
    costs = [float(cost) for cost in settled["costs"]]
    total = sum(costs)
    worth = sum(row["values"])
    profit = float(settled["revenue"]) - total
    lines.append(f"  Profit to be divided: {settled['revenue']} - {total:.2f} = {profit:.2f}")
    each = zip(MEMBERS, row["values"], costs, settled["payments"], strict=True)
    for name, value, cost, payment in each:
        lines.append(
            f"  {name} is paid {cost:.2f} + {value:.4f} / {worth:.4f} x {profit:.2f} = {payment}"
        )
    return lines


def _work(row: dict[str, Any], member: int, settings: Settings) -> list[str]:
    """What one member does, uses and costs."""
    took = row["took"]
    name = MEMBERS[member]
    hours = took["training"][member] / HOUR
    idle = took["idle"][member] / HOUR
    kwh = took["joules"][member] / KWH
    watts = settings[f"watts_{name.lower()}"]
    energy, time = (float(took["costs"][part][member]) for part in ("energy", "time"))
    cost = float(row["settlement"]["costs"][member])
    return [
        f"  {name}: K = {row['steps'][member]} steps a round; at work {hours:.2f} h, waiting "
        f"{idle:.2f} h",
        f"     {watts:g} W x {hours:.2f} h = {kwh:.3f} kWh; energy {energy:.2f} + time "
        f"{time:.2f} = cost {cost:.2f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("two_speeds", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, steps=1)
    for name in ("hours_a", "hours_b"):
        number(name, settings[name], above=0)
        integer("days", settings["days"], least=-int(-settings[name] // 24))  # time for a round
    rows = []
    for called, way in ways(settings).items():
        for name, algorithm in ALGORITHMS.items():
            measured = measure(settings, way, algorithm(max_rounds=way.rounds))
            rows.append({"way": called, "algorithm": name, **measured})
    return {"config": settings, "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
