"""Do fast machines buy value that their data does not have?

Claim: yes, in two ways. While trainings are far from their end, a coalition with a fast member has
come further, and
the fastest are paid two to eight times what the slowest are, under every algorithm, calibrated or
not. What is left of that in the end depends on the algorithm: where members' labels differ, FedAvg
still pays the fast more; the published calibration (FedaGrac) does not, the patented one and
SCAFFOLD do by half. Where data are alike, little is left.

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

                            after 20 rounds                          the last 20 of 200 rounds
                            slowest      fastest    more             slowest    fastest    more         V(N) - V(0)
    alike   FedAvg          1149 +- 11   2651 +- 14  55.9 +- 0.8     1969 +- 15 1991 +- 10 1.2 +- 0.2   1.848
            published, 1    1180 +- 17   2647 +- 13  54.0 +- 0.8     1984 +- 22 1991 +-  4 0.4 +- 0.2   1.852
            equal steps     2005 +- 22   1990 +-  7                  2005 +- 20 1993 +-  6              1.855
    pairs   FedAvg           428 +- 101  3473 +- 57 117.0 +- 4.9     1863 +- 31 2055 +- 46 7.7 +- 1.3   1.717
            SCAFFOLD         676 +- 102  3321 +- 55  99.9 +- 4.9     1950 +- 25 2057 +- 23 4.1 +- 1.1   1.856
            published, 1     699 +- 157  3340 +- 50  97.6 +- 4.5     1971 +- 35 1980 +- 42 0.7 +- 1.2   1.852
            patented, 0.1    699 +- 77   3248 +- 72  99.9 +- 5.0     1943 +- 21 2058 +- 17 4.1 +- 1.1   1.857
            equal steps     2094 +- 50   2064 +- 44                  2035 +- 17 2021 +- 25              1.749

    Calibration was expected to take away what speed buys. It takes away FedAvg's lean (V(N) rises
    by 0.14 nats where labels differ, 0.03 of it for unequal speed, the rest for local steps as
    such), not the lead: when values are read matters ten times as much for payments as which
    algorithm trains. FedNova, for which these steps are too large, does not settle.

References: Spec 1.1c, 4 and 5; Wang et al. 2020 (FedNova) for the objective that FedAvg minimises
under unequal K_i.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.stats import pearsonr

from experiments.methods import overrides, parser, progress, run
from fedjax_shap._validate import integer
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.label_skew import label_pairs
from fedjax_shap.data.partition import iid
from fedjax_shap.data.sources import digits
from fedjax_shap.economics.settle import settle
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.metric import metric_for, score
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.report.run_figures import BLUE, GREEN, GREY, ORANGE
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import Array, HostArray, Params

CONFIG: dict[str, Any] = {
    "rounds": 200,
    "seeds": 5,
    "batch_size": 32,
    "learning_rate": 0.3,
    "l2": 0.01,
    "major": 0.8,
    "metric": "negative_loss",
}
SPEEDS = (2, 4, 8, 16, 32)  # local steps a round, slowest member first
FEDERATIONS = ("alike", "pairs")
REVENUE = (
    10_000  # paid out by value alone: costs are left at 0, so that payments show what values say
)
# the early values are those after a tenth of the rounds, those of the end the mean over the last
# tenth
TENTH = 10
FLOORS = ("fedavg", "fedagrac_lam1.0")  # algorithms that are run with equal steps too
COLORS = (BLUE, ORANGE, GREEN, "#8e5ea2", "#c0504d")  # one an algorithm


def algorithms(rounds: int) -> dict[str, Algorithm]:
    """Those that are compared, by name."""
    plain = {
        name: ALGORITHMS[name](max_rounds=rounds) for name in ("fedavg", "fednova", "scaffold")
    }
    plain["fedagrac_lam1.0"] = ALGORITHMS["fedagrac"](lam=1.0, max_rounds=rounds)
    return plain | {"patent_lam0.1": ALGORITHMS["calibrated"](lam=0.1, max_rounds=rounds)}


def federation(settings: dict[str, Any], name: str, seed: int) -> FederatedData:
    """One of `FEDERATIONS`, its rows dealt out under a seed."""
    members = len(SPEEDS)
    partition = iid(num_clients=members)
    if name == "pairs":
        partition = label_pairs(num_clients=members, major=settings["major"])
    return federate(digits(), partition, seed=seed)


def speeds(seed: int) -> HostArray:
    """int[C], the place in `SPEEDS` of each member: the next turn under each seed, so all have each
    speed in turn.
    """
    return (np.arange(len(SPEEDS)) + seed) % len(SPEEDS)


def values(
    settings: dict[str, Any], name: str, algorithm: Algorithm, seed: int, *, unequal: bool
) -> HostArray:
    """float64[C, R]: exact Shapley values after each round, members listed from the slowest to the
    fastest.
    """
    places, data = speeds(seed), federation(settings, name, seed)
    steps = np.array(SPEEDS)[places] if unequal else np.full(len(SPEEDS), round(np.mean(SPEEDS)))
    named = {name: settings[name] for name in ("learning_rate", "batch_size", "l2")}
    training, key = local(steps=tuple(int(count) for count in steps), **named), jax.random.key(seed)
    learning = learner(data, Training(linear(), training, algorithm, key=key))
    metric = metric_for(settings["metric"], data.validation[1], data.num_classes)

    def worth(world: World, params: Params) -> Array:
        return score(learning.model.apply, metric, params, world.data.validation)

    def after_rounds(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        return trace.observed

    masks = all_subsets(len(SPEEDS))
    utilities = evaluate(
        trained(learning, after_rounds, worth), key, masks, Plan(chunk=len(masks), layout="client")
    )
    return shapley_values(utilities)[np.argsort(places)]


def measure(
    settings: dict[str, Any], name: str, done: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Values and payments in one of `FEDERATIONS` under every algorithm, with unequal and with
    equal speeds.
    """
    rows = []
    for called, algorithm in algorithms(settings["rounds"]).items():
        for unequal in (True, False) if called in FLOORS else (True,):
            each = [
                values(settings, name, algorithm, seed, unequal=unequal)
                for seed in range(settings["seeds"])
            ]
            rows.append(
                {"federation": name, "algorithm": called, "unequal": unequal}
                | summary(np.array(each))
            )
        done(f"{name}: {called}")
    return rows


def summary(found: HostArray) -> dict[str, Any]:
    """What values [seeds, C, R] say early and in the end: how they go with speed, how they differ,
    what is paid.
    """
    tenth = max(found.shape[-1] // TENTH, 1)
    stages = {"early": found[:, :, tenth - 1], "end": found[:, :, -tenth:].mean(axis=-1)}
    along = [[_correlation(each) for each in of_seed.T] for of_seed in found]
    return {name: _stage(each) for name, each in stages.items()} | {
        "mean_values_by_round": found.mean(axis=0).T.tolist(),
        "correlation_by_round": np.mean(along, axis=0).tolist(),
    }


def _stage(found: HostArray) -> dict[str, Any]:
    """Values [seeds, C], slowest member first, and what follows from them, a number a seed."""
    paid = np.array(
        [settle(list(each), [0] * len(SPEEDS), REVENUE).payments for each in found], float
    )
    return {
        "values": found.tolist(),
        "payments": paid.tolist(),
        "grand": found.sum(axis=1).tolist(),
        "correlation": [_correlation(each) for each in found],
        "spread": ((found.max(axis=1) - found.min(axis=1)) / found.mean(axis=1)).tolist(),
        "premium": (
            (paid[:, -2:].mean(axis=1) - paid[:, :2].mean(axis=1)) / (REVENUE / len(SPEEDS))
        ).tolist(),
    }


def _correlation(values: HostArray) -> float:
    """Pearson's, of values and local steps."""
    return float(pearsonr(SPEEDS, values).statistic)


def figure(record: dict[str, Any]) -> Figure:
    """What members of each speed are paid, and how values go with speed round by round; a row a
    federation.
    """
    drawn = Figure(figsize=(15.0, 7.6), layout="constrained")
    panels = drawn.subplots(len(FEDERATIONS), 3, squeeze=False)
    for (early, paid, along), name in zip(panels, FEDERATIONS, strict=True):
        shown = [row for row in record["rows"] if row["federation"] == name]
        for place, row in enumerate(row for row in shown if row["unequal"]):
            for axes, stage in ((early, "early"), (paid, "end")):
                _bars(axes, row[stage]["payments"], COLORS[place], row["algorithm"], place)
            rounds = np.arange(1, len(row["correlation_by_round"]) + 1)
            along.plot(
                rounds, row["correlation_by_round"], color=COLORS[place], label=row["algorithm"]
            )
        (floor,) = (row for row in shown if not row["unequal"] and row["algorithm"] == "fedavg")
        for axes, stage in ((early, "early"), (paid, "end")):
            _bars(axes, floor[stage]["payments"], "black", "fedavg, equal steps", -1, linestyle=":")
            axes.set(xlabel="local steps a round", ylabel=f"payment of {REVENUE:,}")
            axes.set_xticks(range(len(SPEEDS)), map(str, SPEEDS))
            axes.axhline(REVENUE / len(SPEEDS), color=GREY, linewidth=0.8)
        along.plot(
            rounds,
            floor["correlation_by_round"],
            color="black",
            linestyle=":",
            label="fedavg, equal steps",
        )
        along.set(xlabel="round", ylabel="correlation of value and steps", ylim=(-1.05, 1.05))
        along.axhline(0, color=GREY, linewidth=0.8)
        titles = ("paid after a tenth of the rounds", "paid in the end", "how values go with speed")
        for axes, what in zip((early, paid, along), titles, strict=True):
            axes.set_title(f"{name}: {what}", loc="left")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
    drawn.legend(
        *panels[0, 0].get_legend_handles_labels(),
        frameon=False,
        loc="outside lower center",
        ncols=6,
    )
    return drawn


def _bars(
    axes: Axes, paid: list[list[float]], color: str, label: str, place: int, **style: Any
) -> None:
    each = np.array(paid)
    error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    along = np.arange(len(SPEEDS)) + 0.05 * (
        place - 2
    )  # beside each other, so that bars can be told apart
    axes.errorbar(
        along, each.mean(axis=0), error, color=color, label=label, marker="o", markersize=3, **style
    )


def show(record: dict[str, Any], console: Console) -> None:
    """A table a federation and stage, with standard errors; "more" is told above."""
    rounds = record["config"]["rounds"]
    tenth = max(rounds // TENTH, 1)
    equal = {
        row["federation"]: row
        for row in record["rows"]
        if not row["unequal"] and row["algorithm"] == "fedavg"
    }
    for name, (stage, when) in product(
        FEDERATIONS,
        {"early": f"after {tenth} rounds", "end": f"the last {tenth} of {rounds} rounds"}.items(),
    ):
        title = f"{name}, {when}: mean ± standard error over seeds"
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        columns = ("V(N) - V(∅)", "correlation", "spread", "slowest", "fastest", "more, %")
        for column in ("algorithm", "steps", *columns):
            table.add_column(
                column, justify="left" if column == "algorithm" else "right", no_wrap=True
            )
        for row in record["rows"]:
            if row["federation"] == name:
                of, paid = row[stage], np.array(row[stage]["payments"])
                each = [_told(of[what], "+.2f") for what in ("correlation", "spread")]
                ends = [_told(paid[:, at], ",.0f") for at in (0, -1)]
                more = np.array(of["premium"]) - equal[name][stage]["premium"]  # seed by seed
                kind = "unequal" if row["unequal"] else "equal"
                table.add_row(
                    row["algorithm"],
                    kind,
                    _told(of["grand"], ".3f"),
                    *each,
                    *ends,
                    _told(100 * more, "+.1f"),
                )
        console.print(table)


def _told(values: Any, form: str) -> str:
    """Mean and standard error."""
    each = np.asarray(values)
    return f"{each.mean():{form}} ± {each.std(ddof=1) / np.sqrt(len(each)):{form.lstrip('+')}}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("heterogeneity_value", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings = overrides(CONFIG, options.set)
    integer("seeds", settings["seeds"], least=2)
    done, rows = progress(), []
    for name in FEDERATIONS:
        rows += measure(settings, name, done)
    return {"config": settings | {"speeds": SPEEDS, "revenue": REVENUE}, "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
