"""What are members worth and paid where a federation learns a quantity: a grade, air, a speed?

Claim: regression is valued like classification. R^2 and RMSE come from the same trained models and
order coalitions in the same way, but they are not the same currency: RMSE grows with the square
root of what R^2 leaves, so an improvement counts for more near a good model. Members' parts of the
gain, and their payments, can therefore differ where the ranks do not.

Federations: `student` (FATE's guest and host, 158 pupils each, the final grade of 79 others),
`beijing_air` (12 stations, PM2.5 in ug/m3, each station's last quarter of the hours as the test
set; every 25th hour, 956 training rows a station and 319 test rows on average), `motor` (the speed
of a motor, rows at random, sizes 1 : 2 : ... : 6, as it has no natural members). A linear model,
squared loss, 20 rounds of 10 local steps of SGD (batches of 32, learning rate 0.05). Exact values.
Errors: 5 seeds of training and 20 resamples of the test rows. Hours of one station follow each
other, so resampled rows understate the error there. Revenue 10,000 and a cost for each row are
assumed; the rule is cost-aware, negative values clipped; 95 % intervals from 2,000 replicates, each
with seeds drawn with replacement and one resample of the test rows.

Command: python -m experiments.regression_federations --data DIR --json regression_federations.json
        --figure regression_federations.png
Minutes: 0.8 on two shared cores.
Expected: the same order of members under both metrics, up to pairs within their errors; a wider
    spread of payments under RMSE; larger members of the motor are worth more; on the grades, with
    79 test rows, nothing that can be told from noise.
Seen (Intel Xeon, CPU, shared with other work, 2026-11-28; all numbers and the commit in
experiments/results/regression_federations.json, the figure in docs/regression_federations.png):

                 V(N): R^2    RMSE    same order   payments' deviation: R^2    RMSE
    grades       -.010        4.84    yes          (noise)
    stations      .889        28.3    but one pair          26                  47
    motor         .901        .320    yes                  300                 333

    As expected. On the grades the gain is .017 of R^2, with standard errors of .06 and .03 of the
    two values: the 95 % intervals of the payments go from cost to all of the profit, and in 14 % of
    the replicates nobody has a positive value and nothing could be divided. Of the stations only
    Changping and Dingling, equal within their errors, change places, but RMSE spreads payments 1.8
    times as far (771 to 916, R^2 796 to 880). On the motor 29 rows are worth 91 % of what 171 rows
    are under R^2 and 83 % under RMSE: a linear model needs few rows. The sizes 2, 3 and 4 are not
    in order, but within two errors of each other. With rain in mm instead of its logarithm Wanliu's
    value was .003 +- .046 and not .073 (not in the record): one hour of heavy rain, 48 deviations
    from the mean, upset its local training at this rate.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.harness import Settings, dress, measured, overridden, parser, ranked, run
from experiments.priced_hospitals import replicates
from experiments.valued import Valued, valued
from fedjax_shap.economics.intervals import payment_intervals
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.pipeline.config import parse
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, ORANGE
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray

CONFIG: Settings = {
    "repeats": 5,
    "resamples": 20,
    "replicates": 2_000,
    "rounds": 20,
    "every": 25,
    "revenue": 10_000,
    "seed": 0,
}
# the price of a row is such that rows cost about 3,000 in each
FEDERATIONS: dict[str, dict[str, Any]] = {
    "student": {"data": {"name": "student"}, "costs": "10.00"},
    "beijing_air": {"data": {"name": "beijing_air"}, "costs": "0.25"},
    "motor": {
        "data": {"name": "motor"},
        "partition": {"name": "quantity", "ratios": [1, 2, 3, 4, 5, 6]},
        "costs": "5.00",
    },
}
TITLES = {
    "student": "Grades: two parties",
    "beijing_air": "Air of Beijing: twelve stations",
    "motor": "A motor's speed: sizes 1 to 6",
}
METRICS = {"r2": "R²", "rmse": "RMSE"}
COLORS = (BLUE, ORANGE)  # of the metrics
BAR = 0.38  # width of a bar of one metric
MOST_LEVEL = 6  # names below bars that are not turned


def raw_config(settings: Settings, folder: str | None, name: str, metric: str) -> dict[str, Any]:
    """The configuration of a federation under a metric."""
    chosen = FEDERATIONS[name]
    data = dict(chosen["data"])
    if folder is not None:
        data["folder"] = folder
    if name == "beijing_air":
        data["every"] = settings["every"]
    return {
        "title": TITLES[name],
        "seed": settings["seed"],
        "data": data,
        "partition": chosen.get("partition", {"name": "natural"}),
        "task": {"name": "regression"},
        "model": {"name": "linear"},
        "local": {"name": "sgd", "learning_rate": 0.05, "batch_size": 32, "steps": 10},
        "algorithm": {"name": "fedavg", "max_rounds": settings["rounds"]},
        "game": {"name": "silo", "metric": metric, "resamples": settings["resamples"]},
        "estimator": {"name": "exact", "repeats": settings["repeats"]},
        "costs": {"name": "per_example", "price": chosen["costs"], "fixed": "0.00"},
        "economics": {"name": "cost_aware", "negative": "clip", "revenue": settings["revenue"]},
    }


def measure(settings: Settings, folder: str | None, name: str) -> dict[str, Any]:
    """Values and payments of a federation under both metrics; JSON."""
    metrics = {}
    utilities = {}
    for metric in METRICS:
        found = valued(parse(raw_config(settings, folder, name, metric)))
        utilities[metric] = found.utilities
        metrics[metric] = summary(settings, found)
    both = [np.array(one["values"]) for one in metrics.values()]
    return {
        "players": list(found.setting.players),
        "sizes": found.setting.sizes.tolist(),
        "costs": [float(cost) for cost in found.settlement.costs],
        "metrics": metrics,
        "same_order": ranked(both[0]) == ranked(both[1]),
        "spread_of_variance": spread_of_variance(*utilities.values()),
    }


def summary(settings: Settings, found: Valued) -> dict[str, Any]:
    """What one metric says: values, their errors, ranks, payments with intervals; JSON."""
    drawn = replicates(shapley_values(found.utilities), settings["replicates"], settings["seed"])
    settled = found.settlement
    values = found.attribution.values
    # where all values of a replicate are 0 or less, there is nothing by which to divide profit
    undefined = (drawn <= 0).all(axis=1)
    paid = payment_intervals(
        settled.values,
        settled.costs,
        settled.revenue,
        replicates=drawn[~undefined],
        draws=settings["repeats"],
        players=settled.players,
        minor_unit=settled.minor_unit,
    )
    return {
        "values": values.tolist(),
        "std_errors": found.attribution.std_errors.tolist(),
        "ranks": places(values),
        "empty": float(found.attribution.empty),
        "grand": float(found.attribution.grand),
        "payments": [float(payment) for payment in settled.payments],
        "low": [float(low) for low in paid.low],
        "high": [float(high) for high in paid.high],
        "undefined": float(undefined.mean()),
    }


def places(values: Sequence[float] | HostArray) -> list[int]:
    """Each player's place among all, 1 for the most valuable."""
    order = ranked(values)
    return [order.index(player) + 1 for player in range(len(order))]


def spread_of_variance(r2: HostArray, negative_rmse: HostArray) -> float:
    """How far both metrics are from having seen the same models, relative to the variance.

    On one test set RMSE^2 = (1 - R^2) times the variance of the targets, whatever the model.
    """
    variance = negative_rmse[:, 0] ** 2 / (1 - r2[:, 0])
    return float(np.ptp(variance) / variance.mean())


def figure(record: Record) -> Figure:
    """A row a federation: members' parts of the gain, and what they are paid."""
    federations = record["federations"]
    count = len(federations)
    drawn, panels = style.panels(style.TWO, 2.1 * count + 0.3, count, 2)
    for row, (name, one) in enumerate(federations.items()):
        order = ranked(one["metrics"]["r2"]["values"])
        names = [one["players"][player] for player in order]
        for axes, draw in zip(panels[2 * row : 2 * row + 2], (_parts, _payments)):
            draw(axes, one, order)
            style.name_members(axes, names, style.NARROW)
            style.zero_line(axes)
        dress(panels[2 * row], f"{TITLES[name]}: part of the gain", grid="y")
        dress(panels[2 * row + 1], "payments", grid="y")
    style.legend_below(drawn, panels[0], panels[1])
    repeats = record["settings"]["repeats"]
    caption = f"""Three federations that predict a quantity. Left: each member's Shapley value as a
    part of V(N) - V(empty), by two metrics; whiskers are standard errors over {repeats} trainings
    and the test rows. Right: what each is paid out of {record["settings"]["revenue"]:,}; whiskers
    are 95 % intervals, dotted lines its cost."""
    return style.captioned(drawn, caption)


def _parts(axes: Axes, one: dict[str, Any], order: list[int]) -> None:
    """Bars of the members' parts of V(N) - V(empty), with standard errors."""
    for place, (metric, numbers) in enumerate(one["metrics"].items()):
        gain = (numbers["grand"] - numbers["empty"]) / 100
        at = np.arange(len(order)) + (place - 0.5) * BAR
        height = np.array(numbers["values"])[order] / gain
        error = np.array(numbers["std_errors"])[order] / gain
        label = f"by {METRICS[metric]}"
        style.bars(axes, at, height, COLORS[place], label, width=BAR * 0.92)
        style.error_bars(axes, at, height, error)
    axes.set_ylabel("part of the gain (%)")


def _payments(axes: Axes, one: dict[str, Any], order: list[int]) -> None:
    """Bars of the payments, with their intervals, and a line at each member's cost."""
    for place, numbers in enumerate(one["metrics"].values()):
        at = np.arange(len(order)) + (place - 0.5) * BAR
        paid, low, high = (np.array(numbers[key])[order] for key in ("payments", "low", "high"))
        style.bars(axes, at, paid, COLORS[place], width=BAR * 0.92)
        style.error_bars(axes, at, paid, np.clip([paid - low, high - paid], 0, None))
    costs = np.array(one["costs"])[order]
    at = np.arange(len(order))
    look: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1, "zorder": 5}
    axes.hlines(costs, at - BAR, at + BAR, label="cost", **look)
    axes.set_ylabel("payment (revenue's unit)")
    style.amounts_on_y(axes)


def show(record: Record, console: Console) -> None:
    """For each federation a table: values, ranks and payments under both metrics."""
    for name, one in record["federations"].items():
        headings = [f"{kind} {label}" for label in METRICS.values() for kind in ("phi", "rank of")]
        columns = ("member", "rows", *headings, *(f"paid by {label}" for label in METRICS.values()))
        shown = table(TITLES[name], columns)
        for i, player in enumerate(one["players"]):
            cells = []
            for numbers in one["metrics"].values():
                cells.append(f"{numbers['values'][i]:.4f} ± {numbers['std_errors'][i]:.4f}")
                cells.append(str(numbers["ranks"][i]))
            for numbers in one["metrics"].values():
                cells.append(
                    f"{numbers['payments'][i]:,.0f} ({numbers['low'][i]:,.0f} to "
                    f"{numbers['high'][i]:,.0f})"
                )
            shown.add_row(player, str(one["sizes"][i]), *cells)
        console.print(shown)
        for metric, numbers in one["metrics"].items():
            console.print(
                f"{METRICS[metric]}: V(N) {numbers['grand']:.4f}, V(empty) {numbers['empty']:.4f}."
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    made = parser("regression_federations", __doc__, CONFIG)
    return run(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    least = {"repeats": 5, "resamples": 2, "replicates": 2_000, "rounds": 1, "every": 1}
    at_least(settings, **least, revenue=1, seed=0)
    found = measured(settings, options.data, FEDERATIONS, measure)
    return {"settings": settings, "federations": found}


if __name__ == "__main__":
    raise SystemExit(main())
