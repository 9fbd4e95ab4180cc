"""What is each of four hospitals' data worth to a joint model, and what should each be paid?

Claim: exact Shapley values show which of four real hospitals helps a joint model of heart disease
and by how much, and that the one whose training patients are all ill (Switzerland) does not help,
or harms. They cost seconds, and repeats show how much of them is luck.

The protocol is the FedAvg row of FLamby's Fed-Heart-Disease benchmark: logistic regression from
PyTorch's kind of initial weights, each hospital's features standardised by its own patients,
batches of 4, 100 local steps x 15 rounds of SGD at learning rate 0.001, mean weighted by examples.
That rate is slow: after 1,500 steps much of the random start is left. So the same is done at rate
0.01 (FLamby's for its cyclic training), where training converges. The utility is the negative
log-loss on the 254 test patients, not FLamby's accuracy: Switzerland's test patients are 94 % ill,
and a model that always says "ill" would look good there. (From the very weights of PyTorch 19 of
the 20 published accuracies by hospital and seed are reproduced, and the other up to one patient:
tests/benchmarks/test_torch_draws.py.) The prices and the revenue are assumed.

Command: python -m experiments.hospitals --data DIR --json spread.json --figure hospitals.png
        --out runs/hospitals
Minutes: 1.2 on two shared cores, nearly all of it compiling; the trainings of the 16 coalitions
take 0.5 s a seed.
Expected: Cleveland and Hungary, large and with both classes, are worth most, VA a little.
    Switzerland, where a model only learns to say "ill", is worth nothing or less, and the less the
    longer the training.
Seen (2-core AMD EPYC, CPU, 2026-11-21, commit db86629; seeds 0-4, mean +- standard deviation of the
values, nats):

    rate   Cleveland     Hungary       Switzerland    VA            V(N)   accuracy
    0.001  .069 +- .015  .078 +- .030  -.002 +- .009  .020 +- .009  -.587  .710 +- .015
    0.01   .160 +- .018  .144 +- .022  -.139 +- .018  .043 +- .017  -.542  .743 +- .004

    As expected. At the published rate Switzerland's value is zero within its spread (positive in
    some seeds), so that its payment beyond its costs is luck of the start: 3,513 +- 666 against
    costs of 3,200. Trained until it converges it is negative in every seed. The spread comes from
    the initial weights alone: from zero weights it is .0014 and less. Five seeds do not decide
    whether Cleveland or Hungary is worth more; both are worth more than VA in every seed.

References:
    Ogier du Terrail et al. 2022, "FLamby" (NeurIPS Datasets and Benchmarks), and its results per
    seed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.harness import Settings, deviation, dress, mean_and_deviation, overridden, parser
from experiments.harness import run as run_experiment
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.result import Result
from fedjax_shap.pipeline.run import run
from fedjax_shap.report import run as run_report
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, GREEN, GREY, ORANGE

CONFIG: dict[str, Any] = {
    "title": "Heart disease in four hospitals",
    "seed": 0,
    "data": {"name": "heart_disease", "normalise": "per_client"},
    "partition": {"name": "by_column", "column": "center"},
    "model": {"name": "linear", "initializer": "torch", "output": "sigmoid"},
    "local": {"name": "sgd", "learning_rate": 0.001, "batch_size": 4, "steps": 100},
    "algorithm": {"name": "fedavg", "weights": "examples", "max_rounds": 15},
    "game": {"name": "silo", "metric": "negative_loss"},
    "estimator": {"name": "exact"},
    "costs": {"name": "per_example", "price": "40.00", "fixed": "2000.00"},
    "economics": {"name": "cost_aware", "negative": "clip", "revenue": 60000},
}
SETTINGS: Settings = {"seeds": 5}
RATES = (0.001, 0.01)
COLORS = (BLUE, ORANGE)  # of the rates
BAR = 0.38  # width of a bar of one rate


def raw_config(folder: str | None, seed: int, rate: float) -> dict[str, Any]:
    """`CONFIG` with the folder of data sets, a seed and a learning rate."""
    data = dict(CONFIG["data"])
    if folder is not None:
        data["folder"] = folder
    return {
        **CONFIG,
        "seed": seed,
        "data": data,
        "local": {**CONFIG["local"], "learning_rate": rate},
    }


def over_seeds(results: Sequence[Result]) -> dict[str, list[Any]]:
    """Numbers of every seed, the hospitals' in the order of "players"; JSON."""
    return {
        "values": [result.attribution.values.tolist() for result in results],
        "payments": [[float(p) for p in result.settlement.payments] for result in results],
        "profits": [[float(p) for p in result.settlement.profits] for result in results],
        "accuracy": [float(result.curve.federated[-1]) for result in results],
        "utility": [float(result.attribution.grand) for result in results],
    }


def figure(record: Record) -> Figure:
    """Values at both rates with their spread over seeds, and costs and payments at the first."""
    drawn, (values, money) = style.panels(style.TWO, 3.0, 1, 2)
    _values(values, record)
    _money(money, record)
    each = zip(record["players"], record["patients"], record["ill"], strict=True)
    names = [f"{name}\n{patients} patients\n{ill:.0%} ill" for name, patients, ill in each]
    for axes in (values, money):
        axes.set_xticks(range(len(names)), names)
        style.zero_line(axes)
        style.legend(axes, loc="best")
    count = record["settings"]["seeds"]
    caption = f"""Left: what each hospital's data is worth at two learning rates; bars are means
    over
    {count} seeds, dots the seeds, whiskers standard deviations over them. Right: what each is paid
    at learning rate {RATES[0]:g}, its cost and its profit; whiskers likewise."""
    return style.captioned(drawn, caption)


def _values(axes: Axes, record: Record) -> None:
    """Bars of the mean values at each rate, with standard deviations and a dot for each seed."""
    places = np.arange(len(record["players"]))
    for place, (rate, numbers) in enumerate(record["rates"].items()):
        at = places + (place - 0.5) * BAR
        seeds = np.array(numbers["values"])
        mean = seeds.mean(axis=0)
        label = f"learning rate {rate}"
        style.bars(axes, at, mean, COLORS[place], label, width=BAR * 0.92)
        style.error_bars(axes, at, mean, deviation(seeds))
        for each in seeds:
            axes.plot(at, each, ".", color="black", alpha=0.35, markersize=3, zorder=4)
    axes.set_ylabel("Shapley value (nats of log-loss)")
    dress(axes, "what each hospital's data is worth", grid="y")


def _money(axes: Axes, record: Record) -> None:
    """Bars of the mean payments at the first rate, divided into cost and profit."""
    cost = np.array(record["costs"])
    seeds = np.array(record["rates"][f"{RATES[0]:g}"]["payments"])
    paid = seeds.mean(axis=0)
    error = deviation(seeds)
    at = np.arange(len(cost))
    style.bars(axes, at, np.minimum(paid, cost), GREY, "cost, paid back")
    style.bars(axes, at, np.clip(paid - cost, 0, None), GREEN, "profit", bottom=cost)
    style.error_bars(axes, at, paid, error)
    style.numbers_above(axes, paid + error, [f"{amount:,.0f}" for amount in paid])
    axes.set_ylabel("payment (revenue's unit)")
    style.amounts_on_y(axes)
    revenue = CONFIG["economics"]["revenue"]
    dress(axes, f"what each is paid out of {revenue:,}", grid="y")


def show(record: Record, console: Console) -> None:
    """The hospitals, one a row, and the joint model's accuracy and utility at each rate."""
    title = f"Values and payments over {record['settings']['seeds']} seeds: "
    columns = [f"at rate {rate}" for rate in record["rates"]]
    shown = table(title + "mean ± standard deviation", ("hospital", "ill", *columns, "payment"))
    first = np.array(record["rates"][f"{RATES[0]:g}"]["payments"])
    for i, name in enumerate(record["players"]):
        values = [np.array(numbers["values"])[:, i] for numbers in record["rates"].values()]
        cells = [mean_and_deviation(each, ".3f") for each in values]
        payment = mean_and_deviation(first[:, i], ",.0f")
        shown.add_row(name, f"{record['ill'][i]:.0%}", *cells, payment)
    console.print(shown)
    for rate, numbers in record["rates"].items():
        accuracy = mean_and_deviation(numbers["accuracy"], ".3f")
        console.print(
            f"Rate {rate}: accuracy of all four together {accuracy}, V(N) "
            f"{np.mean(numbers['utility']):.3f}."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    made = parser("hospitals", __doc__, SETTINGS)
    made.add_argument("--out", help="the folder for the utilities, and for the report of one run")
    return run_experiment(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(SETTINGS, options.set)
    at_least(settings, seeds=1)
    if options.out is not None:
        return _measure(settings, options.data, run_report.prepare(options.out))
    with TemporaryDirectory() as folder:
        return _measure(settings, options.data, Path(folder))


def _measure(settings: Settings, data: str | None, folder: Path) -> Record:
    """All runs; the first one's report goes to the folder."""
    rates = {}
    for rate in RATES:
        results = []
        for seed in range(settings["seeds"]):
            store = folder / "utilities" / f"rate-{rate:g}-seed-{seed}"
            results.append(run(parse(raw_config(data, seed, rate)), store=store))
        rates[f"{rate:g}"] = over_seeds(results)
        if rate == RATES[0]:
            first = results[0]
    run_report.write(first, folder)
    data_of_all = federation_of(first.config).data
    labels = [data_of_all.client(i)[1] for i in range(data_of_all.num_clients)]
    return {
        "settings": settings,
        "players": list(first.players),
        "patients": [len(ill) for ill in labels],
        "ill": [float(ill.mean()) for ill in labels],
        "costs": [float(cost) for cost in first.settlement.costs],
        "rates": rates,
    }


if __name__ == "__main__":
    sys.exit(main())
