"""Whose data helps whom? Values of each member's data to each member's own test rows.

Claim: one number a member hides for whom its data is worth something. With every member's own test
rows as a judge, values become a matrix phi[i, j], what the data of i are worth to j, at the cost of
one valuation.

Federations: the four hospitals of `heart_disease` (features standardised by each hospital's own
patients; learning rate 0.01, batches of 4, 15 rounds of 100 steps, as in `experiments.hospitals`),
the twelve stations of `beijing_air` and the 29 fields of `landmine` (a linear model, learning rate
0.05, batches of 32, 20 rounds of 10 steps). Judged by log-loss (nats), RMSE (ug/m3) and ROC-AUC.
Values of hospitals and stations are exact; those of the fields are estimated from 2,000 of the 2^29
coalitions (leverage-score sampling). Standard errors are over 3 seeds of training, and over the
draws of coalitions where these are drawn. They say nothing of the test rows, of which a hospital
has 16 to 104, a station about 319 and a field about 128, 8 of them mines.

Command: python -m experiments.who_helps_whom --data DIR --json who_helps_whom.json
        --figure who_helps_whom.png
Minutes: 0.8 on two shared cores, nearly all of it the fields.
Expected: each member's own data is worth most to itself; Switzerland, whose patients are nearly
    all ill, harms the others; fields in foliage and fields in desert help their own kind (Xue et
    al. 2007 find these two groups).
Seen (Intel Xeon, CPU, shared with other work, 2026-11-28; all numbers and the commit in
experiments/results/who_helps_whom.json, the figure in docs/who_helps_whom.png), values in nats:

    data of        worth to: Cleveland    Hungary   Switzerland     VA
    Cleveland                  .260        .273       -.112       -.069
    Hungary                    .239        .304       -.250       -.226
    Switzerland               -.296       -.395        .216        .083
    VA                         .019       -.016        .227        .167

    The hospitals are two pairs. Cleveland and Hungary help each other and harm the two others,
    where most patients are ill; Switzerland harms the first pair, and helps VA. The pooled values
    (.183, .148, -.232, .046) make of this that Switzerland alone does harm. Own data is worth most
    to three of four; Switzerland gains a little more from VA. No station harms another: each pair
    is worth between 3.1 and 6.5 ug/m3, and whose test rows they are matters more than whose data.
    Own data is not special there (worth most to 3 of 12). Fields help their own kind and harm the
    other: mean AUC +.022 from foliage to foliage, -.002 to desert, +.015 from desert to desert,
    -.005 to foliage. Of the pairs across kinds 153 of 420 do harm by more than two standard errors,
    of those within a kind 6 of 392. To a field its own data is worth no more than that of
    another field of its kind (worth most to 1 of 29). Two models, one a kind, would probably serve
    the fields better than one; the pooled values do not show this. Harm is to the one model that
    all train together, not to what a member would have by itself.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.harness import Settings, measured, overridden, parser, ranked, run
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.run import attribution_of
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.report import style
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.options import Options

CONFIG: Settings = {"repeats": 3, "budget": 2_000, "rounds": 20, "every": 25, "seed": 0}
SLOW = {"name": "sgd", "learning_rate": 0.01, "batch_size": 4, "steps": 100}
FAST = {"name": "sgd", "learning_rate": 0.05, "batch_size": 32, "steps": 10}
FEDERATIONS: dict[str, dict[str, Any]] = {
    "hospitals": {
        "data": {"name": "heart_disease", "normalise": "per_client"},
        "local": SLOW,
        "metric": "log_loss",
        "estimator": "exact",
    },
    "stations": {
        "data": {"name": "beijing_air"},
        "local": FAST,
        "metric": "rmse",
        "estimator": "exact",
    },
    "fields": {
        "data": {"name": "landmine"},
        "local": FAST,
        "metric": "roc_auc",
        "estimator": "leverage",
    },
}
TITLES = {
    "hospitals": "Hospitals (nats)",
    "stations": "Stations (PM2.5, ug/m3)",
    "fields": "Fields of mines (ROC-AUC): 1 to 15 in foliage, the others in desert",
}
HOSPITAL_ROUNDS = 15
DESERT = 15  # the number of fields in foliage, which come first


def raw_config(settings: Settings, folder: str | None, name: str) -> dict[str, Any]:
    """The configuration of a federation whose members judge."""
    chosen = FEDERATIONS[name]
    data = dict(chosen["data"])
    if folder is not None:
        data["folder"] = folder
    if name == "stations":
        data["every"] = settings["every"]
    rounds = settings["rounds"]
    if name == "hospitals":
        rounds = min(rounds, HOSPITAL_ROUNDS)
    estimator = {"name": chosen["estimator"], "repeats": settings["repeats"]}
    if chosen["estimator"] != "exact":
        estimator["budget"] = settings["budget"]
    return {
        "title": TITLES[name],
        "seed": settings["seed"],
        "data": data,
        "partition": {"name": "natural"},
        "model": {"name": "linear"},
        "local": chosen["local"],
        "algorithm": {"name": "fedavg", "max_rounds": rounds},
        "game": {"name": "silo", "metric": chosen["metric"], "judges": "members"},
        "estimator": estimator,
    }


def measure(settings: Settings, folder: str | None, name: str) -> dict[str, Any]:
    """The matrix of a federation, its errors, and what they say; JSON."""
    config = parse(raw_config(settings, folder, name))
    setting = setting_of(config)
    found = attribution_of(config, setting, Options())
    judged = found.slices
    assert judged is not None and list(judged.names) == list(setting.players)
    return {
        "players": list(setting.players),
        "judges": list(judged.names),
        "sizes": setting.sizes.tolist(),
        "coalitions": found.num_coalitions,
        "pooled": found.values.tolist(),
        "weights": judged.weights.tolist(),
        "values": judged.values.tolist(),
        "std_errors": judged.std_errors.tolist(),
        **findings(judged.values, judged.std_errors),
    }


def findings(values: HostArray, errors: HostArray) -> dict[str, Any]:
    """What a matrix phi[i, j] says; JSON.

    Args:
        values: float64[P, P], what i's data is worth to j.
        errors: float64[P, P], their standard errors.

    Returns:
        own_first: for how many judges their own data is worth most. own: the mean of the diagonal;
        others: the mean of the rest. harmful: the pairs (i, j), i not j, whose value is below 0 by
        more than two standard errors. mutual: the correlation of phi[i, j] and phi[j, i].
    """
    count = len(values)
    apart = ~np.eye(count, dtype=bool)
    harmful = (values + 2 * errors < 0) & apart
    upper = np.triu_indices(count, 1)
    return {
        "own_first": int((values.argmax(axis=0) == np.arange(count)).sum()),
        "own": float(np.diag(values).mean()),
        "others": float(values[apart].mean()),
        "harmful": np.argwhere(harmful).tolist(),
        "mutual": float(np.corrcoef(values[upper], values.T[upper])[0, 1]),
    }


def blocks(values: HostArray, first: int) -> list[list[float]]:
    """Means of phi[i, j] over two groups: the first so many members, and the others.

    Returns:
        float[2, 2]: by the group of i, then by that of j.
    """
    groups = (slice(None, first), slice(first, None))
    return [[float(values[data, judge].mean()) for judge in groups] for data in groups]


def figure(record: Record) -> Figure:
    """A heat map a federation, members in one order as rows and as judges."""
    drawn = Figure(figsize=(style.TWO, 8.4), layout="constrained")
    grid = drawn.add_gridspec(2, 2, height_ratios=[1, 1.75])
    places = {"hospitals": grid[0, 0], "stations": grid[0, 1], "fields": grid[1, :]}
    for name, one in record["federations"].items():
        order = list(range(len(one["players"])))
        if name == "stations":
            order = ranked(one["pooled"])
        axes = drawn.add_subplot(places[name])
        _heat_map(drawn, axes, TITLES[name], one, order)
        if name == "fields":
            for line in (axes.axhline, axes.axvline):
                line(DESERT - 0.5, color="black", linewidth=0.8)
    caption = """What the data of each member (a row) are worth on the test rows of each (a column):
    blue helps, red harms, white is 0; each panel has its own scale and unit, given in its title.
    Fields 1 to 15 are in foliage, the others in desert."""
    return style.captioned(drawn, caption)


def _heat_map(drawn: Figure, axes: Axes, title: str, one: dict[str, Any], order: list[int]) -> None:
    """Blue where i's data helps j, red where it harms, white at 0."""
    values = np.array(one["values"])[np.ix_(order, order)]
    reach = np.abs(values).max()
    shown = axes.imshow(values, cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto")
    style.set_type(axes)
    style.title(axes, title.replace("ug/m3", "µg/m³"))
    count = len(values)
    axes.set_xticks(range(count), [one["judges"][judge] for judge in order])
    for label in axes.get_xticklabels():
        label.set(rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), [one["players"][player] for player in order])
    axes.set_ylabel("data of")
    axes.set_xlabel("worth to")
    bar = drawn.colorbar(shown, ax=axes, pad=0.02)
    style.set_type(bar.ax)
    if count < 6:
        for (i, j), value in np.ndenumerate(values):
            ink = "white" if abs(value) > 0.6 * reach else "black"
            look: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
            axes.text(j, i, f"{value:.2f}", fontsize=style.SMALL, **look)


def show(record: Record, console: Console) -> None:
    """For each federation what its matrix says."""
    for name, one in record["federations"].items():
        columns = ("data of", "pooled", "to itself", "to the others", "helps most", "helps least")
        shown = table(f"{TITLES[name]}: {one['coalitions']} coalitions", columns)
        values = np.array(one["values"])
        errors = np.array(one["std_errors"])
        for i, player in enumerate(one["players"]):
            others = np.delete(values[i], i)
            best = int(values[i].argmax())
            worst = int(values[i].argmin())
            shown.add_row(
                player,
                f"{one['pooled'][i]:.4f}",
                f"{values[i, i]:.4f} ± {errors[i, i]:.4f}",
                f"{others.mean():.4f}",
                f"{one['judges'][best]} {values[i, best]:.4f}",
                f"{one['judges'][worst]} {values[i, worst]:.4f}",
            )
        console.print(shown)
        console.print(
            f"For {one['own_first']} of {len(values)} judges their own data is worth most. On "
            f"average own data is worth {one['own']:.4f}, others' {one['others']:.4f}; "
            f"{len(one['harmful'])} pairs do harm; correlation of phi[i, j] and phi[j, i] "
            f"{one['mutual']:+.2f}.",
            highlight=False,
            markup=False,
        )
        if name == "fields":
            console.print(f"Means by foliage and desert: {np.round(blocks(values, DESERT), 4)}.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    made = parser("who_helps_whom", __doc__, CONFIG)
    return run(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, repeats=2, budget=100, rounds=1, every=1, seed=0)
    found = measured(settings, options.data, FEDERATIONS, measure)
    return {"settings": settings, "federations": found}


if __name__ == "__main__":
    raise SystemExit(main())
