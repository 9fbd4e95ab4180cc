"""Where few take part in a round, are equal clients equally valued, and noisy ones the lowest?

Claim: the federated value (rounds summed, the absent get nothing) sets two clients with the same
data apart by more than half in most runs, by the luck of who took part when (published: 65 %).
Completing the utilities of those who were absent brings the two together.

Twins: 10 clients, client 9 a copy of client 0, 3 a round, 10 rounds; the relative gap |phi_0 -
phi_9| / max(phi_0, phi_9), infinite where neither is worth more than 0. The federated value is read
off runs as published, and off the runs with a first round of everyone that completion needs. Noise:
100 clients, 10 of them with 30 % wrong labels, 10 a round; the Jaccard index of the noisy ten and
the bottom ten by value. Random values would give 0.05.

Command: python -m experiments.partial_participation --data DIR --json partial.json
        --figure partial.png
    python -m experiments.partial_participation --set repeats=5 --set rounds=20
        (embedded digits, a trial)
Minutes: 10 on four cores shared with other work.
Expected: the federated value sets the twins apart by more than half in about 65 % of the runs,
    completion in few; by both the noisy have the lowest values.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21, MNIST; commit and all numbers in
experiments/results/partial_participation.json): 50 runs with twins; Jaccard index, mean and range
of seeds 0, 1, 2:

    method                       P(gap > 0.5)   median gap   Jaccard of the bottom ten
    federated                    80 %           0.852        0.88 (0.82 to 1.00)
    federated, everyone first     0 %           0.200        1.00 (1.00 to 1.00)
    completed                     0 %           0.029        0.94 (0.82 to 1.00)
    completed, unweighted         0 %           0.044        0.83 (0.67 to 1.00)
    first order                  74 %           0.797        0.37 (0.25 to 0.43)

    The claim holds, with a wider gap than published (80 %, not 65 %; the paper's learning rate,
    batches and split are not known to us). But most of the improvement comes from the first round
    of everyone, without any completion: with it alone no run has a wide gap, and it identifies the
    noisy better than completion does. Completion narrows the gap further. At first we completed the
    noisy federation from 20 orders (2,048 coalitions), with indices of 0.18, 0.82, 0.18; then we
    took 464 orders, the N log N of the paper. On seed 0 rank 1 identified none of the noisy, with
    20, 100 or 464 orders. We did not study why the first order identifies few.

References:
    Fan, Fang, Zhou, Pei, Friedlander, Liu, Zhang 2022, "Improving fairness for data valuation in
    horizontal federated learning", example 1 and section on noisy labels. Wang, Rausch, Zhang, Jia,
    Song 2020, "A principled approach to data valuation for federated learning".
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.few_participants import (
    BUDGET,
    COMPLETED_BUDGET,
    NOISE,
    TRAINING,
    TWINS,
    WAYS,
    noise,
    twins,
)
from experiments.harness import Settings, dress, overridden, parser, run
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.report import style
from fedjax_shap.typing import HostArray

CONFIG: Settings = {
    "repeats": 50,  # runs with twins
    "seeds": 3,  # runs with noisy clients
    "rounds": 100,  # of a run with noisy clients
}
PUBLISHED = 0.65  # P(gap > 0.5) of the federated value
WIDE = 0.5


def figure(record: Record) -> Figure:
    """The gaps of the twins, and beside them how many of the noisy have the lowest values."""
    drawn, (left, right) = style.panels(style.TWO, 2.9, 1, 2)
    _gaps(left, record["twins"])
    _indices(right, record["noise"])
    style.legend_below(drawn, left, columns=3)
    caption = f"""Left: two clients with the same data; the share of {record["repeats"]} runs whose
    relative gap of values is no more than so much; dotted: the gap of {WIDE} that the paper looks
    at. Right: ten noisy clients of a hundred, Jaccard index of them and the ten lowest values; bars
    are means, dots the {record["seeds"]} seeds."""
    return style.captioned(drawn, caption)


def _gaps(axes: Axes, twins: dict[str, list[float | None]]) -> None:
    """How gaps are distributed; one of None is infinite, and drawn beyond the right edge."""
    for way in WAYS:
        gaps = np.minimum(np.sort(finite(twins[way.name])), 1.5)
        part = np.arange(1, len(gaps) + 1) / len(gaps)
        looks: dict[str, Any] = {"color": way.color, "label": way.name, "linewidth": 1.4}
        axes.step(gaps, part, where="post", **looks)
    label = f"gap of {WIDE}"
    axes.axvline(WIDE, color="black", linewidth=0.8, linestyle=":", label=label)
    axes.set(xlim=(0, 1.4), xlabel="relative gap of the two values (share)")
    axes.set(ylim=(0, 1.04), ylabel="share of the runs with no more")
    dress(axes, "two clients with the same data")


def _indices(axes: Axes, noise: dict[str, list[float]]) -> None:
    """Bars of the mean index of each way, a dot a seed."""
    for place, way in enumerate(WAYS):
        indices = noise[way.name]
        axes.bar(place, np.mean(indices), color=way.color, width=style.BAR, zorder=2)
        dots: dict[str, Any] = {"color": "black", "alpha": 0.6, "markersize": 4}
        axes.plot([place] * len(indices), indices, ".", clip_on=False, zorder=3, **dots)
    names = [way.name.replace(", ", ",\n").replace(" ", "\n") for way in WAYS]
    axes.set_xticks(range(len(WAYS)), names)
    axes.set(ylabel="Jaccard index of the lowest ten", ylim=(0, 1.04))
    dress(axes, "ten noisy clients of a hundred", grid="y")


def finite(gaps: Sequence[float | None]) -> HostArray:
    """The gaps of a record, in which None stands for an infinite one."""
    numbers = np.array(gaps, float)  # NaN for None
    return np.where(np.isnan(numbers), np.inf, numbers)


def show(record: Record, console: Console) -> None:
    """A table of both experiments."""
    title = (
        f"{record['data']}: {record['repeats']} runs with twins, "
        f"{record['seeds']} with noisy clients"
    )
    columns = ("method", f"P(gap > {WIDE:g})", "median gap", "Jaccard of the bottom ten")
    shown = table(title, columns)
    for name, recorded in record["twins"].items():
        gaps = finite(recorded)
        indices = record["noise"][name]
        jaccards = f"{np.mean(indices):.2f} ({min(indices):.2f} to {max(indices):.2f})"
        shown.add_row(name, f"{(gaps > WIDE).mean():.0%}", f"{np.median(gaps):.3f}", jaccards)
    console.print(shown)
    published = f"Published P(gap > {WIDE:g}) of the federated value: {PUBLISHED:.0%}."
    console.print(published, highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    made = parser("partial_participation", __doc__, CONFIG)
    return run(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, repeats=1, seeds=1, rounds=1)
    gaps = twins(settings, options.data)
    data = "MNIST"
    if options.data is None:
        data = "digits"
    fixed = {
        "twins": TWINS,
        "noise": NOISE,
        "training": TRAINING,
        "budgets": [BUDGET, COMPLETED_BUDGET],
    }
    return {
        "data": data,
        **settings,
        "settings": fixed,
        "twins": {name: [_or_none(one) for one in each] for name, each in gaps.items()},
        "wide": {name: float(np.mean(np.array(each) > WIDE)) for name, each in gaps.items()},
        "noise": noise(settings, options.data),
    }


def _or_none(gap: float) -> float | None:
    """A gap as JSON has it, without infinity."""
    if np.isfinite(gap):
        return gap
    return None


if __name__ == "__main__":
    sys.exit(main())
