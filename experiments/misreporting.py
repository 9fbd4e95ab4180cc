"""What does a member gain by claiming more than its cost, by appearing as two, or by copying data?

Claim: every rule that pays costs back pays for overstating them, and costs capped at what the work
implies leave
nothing to gain. Under Shapley values a member gains by appearing as two where half of its data
makes more than half of its contribution, which it does once training is long enough; equal shares
and shares by size pay for names and for copies whatever the data. That every rule pays for some
misreport of data was claimed here first and did not hold: leave-one-out values paid for none.

Five members of digits with unequal labels, every coalition trained, the revenue fixed at 1,000.
Honest costs are a price an example, which is also what the recorded work implies. A member that
claims more is valued as it was. One that splits has its rows divided at random between two, with
half of its cost each; one that copies appears a second time with all of its rows and bears its cost
twice, for both train; one that repeats holds each of its rows twice, at twice the cost. Each of
these federations is trained anew, all of its coalitions. A gain is what is paid more, less what it
cost more, in thousandths of the revenue.

Command: python -m experiments.misreporting --json misreporting.json --figure misreporting.png
Minutes: 3 to 5 on four cores shared with other work.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21; commit and all numbers in
experiments/results/misreporting.json): gain, mean over the members and 5 trainings (that of the
member that gains most); honest payments are 141 to 301, their mean 200:

                      20 rounds                                           5 rounds
                      cost + 100 %   split          copy                  split           copy            repeat
    cost_aware        +64 (+78)      +30 (+40)      +26 (+44)             -32 (-17)       -11 (+5)        -6 (+30)
    costs_ignored       0            +50 (+67)       +2 (+36)             -53 (-28)       -70 (-40)      -59 (+4)
    equal               0           +133 (+133)     +53 (+72)            +133 (+133)      +53 (+72)      -81 (-62)
    by_size             0              0            +51 (+53)               0             +51 (+53)      +51 (+53)
    costs_only        +65 (+85)      +79 (+79)      +53 (+59)             +79 (+79)       +53 (+59)      -16 (-12)
    leave_one_out     +65 (+77)      -52 (-24)     -113 (-25)             -60 (-33)      -104 (-36)      -81 (-17)
    banzhaf           +64 (+75)      -10 (+8)        -5 (+19)             -47 (-37)       -36 (-16)       -4 (+51)
    least_core        +64 (+76)       +1 (+29)      +39 (+48)             -13 (+4)         -9 (+27)      +19 (+64)

    With costs capped at what the work implies nobody gains by claiming more, under any rule,
    exactly. Costs matter little to how data pays: only that a cost paid back makes copies cheap.
    After 20 rounds every one of the five members gains by a split and by a copy under cost_aware
    (standard deviation between trainings 2.6 and 1.4); rows repeated in place gain only under
    by_size. By the formula of `economics.manipulation` a split gains (2 q - 1) 55.3 there, so that
    half of the data makes q = 77 % of the contribution. A copy raises its member's share of the
    values by 8.3 points, where the model of a perfect copy has 9.3. After 5 rounds the sign turns,
    q = 3 %: half of the rows also take half of the steps. In a trial that was not kept, of 5 rounds
    with 8 steps for everyone whatever its rows, a split gained +30 again. Leave-one-out values pay
    for no misreport of data because who is doubled is missed by nobody. By the same token a member
    that others hold the data of is paid nothing.

References:
    Yokoo, Conitzer et al. 2005, "Coalitional games in open anonymous environments", for false
    names. Han et al. 2021, "Replication robust payoff allocation in submodular cooperative games",
    for copies.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.methods import overrides, parser, progress, run
from experiments.misreports import OVERSTATED, SAID, measure
from fedjax_shap._validate import integer
from fedjax_shap.economics.rules import RULES

CONFIG: dict[str, Any] = {
    "members": 5,
    "alpha": 0.5,
    "rounds": 20,
    "fewer_rounds": 5,  # of a training that is stopped early, to compare
    "epochs": 1,
    "batch_size": 32,
    "learning_rate": 0.1,
    "metric": "accuracy",
    "price": "0.3",
    "trainings": 5,
    "seed": 0,
}


def figure(record: dict[str, Any]) -> Figure:
    """What overstated costs gain, and what split, copied and repeated data gain by how long models
    are trained.
    """
    drawn = Figure(figsize=(13.0, 5.2), layout="constrained")
    first, *others = drawn.subplots(1, 1 + len(record["runs"]), sharey=True)
    places = np.arange(len(RULES))
    for at, (more, color) in enumerate(
        zip(OVERSTATED, ("#9bbbd9", "#5b8fc0", "#264f78"), strict=True)
    ):
        claimed, capped = (
            [np.mean(record["runs"][0]["overstated"][which][name][at]) for name in RULES]
            for which in ("as claimed", "capped")
        )
        across = places + 0.27 * (at - 1)
        first.barh(
            across, claimed, color=color, label=f"claims {more} % more", height=0.26, zorder=2
        )
        label = "the same, costs capped" if at == 0 else None
        first.scatter(
            capped, across, color="#d9822b", label=label, marker="|", s=90, linewidth=2.2, zorder=3
        )
    _dressed(first, "cost overstated, mean over members")
    first.set_yticks(places, [name.replace("_", " ") for name in RULES])
    first.invert_yaxis()
    for axes, each in zip(others, record["runs"], strict=True):
        for at, (way, color) in enumerate(
            zip(SAID, ("#3b6ea5", "#d9822b", "#4f9d69"), strict=True)
        ):
            gains = np.array([np.mean(each["gains"][way][name], axis=1) for name in RULES])
            across = places + 0.24 * (at - 1)
            axes.scatter(
                gains,
                across[:, None].repeat(gains.shape[1], axis=1),
                color=color,
                s=12,
                alpha=0.6,
                zorder=2,
            )
            mean = gains.mean(axis=1)
            axes.scatter(
                mean,
                across,
                color=color,
                marker="|",
                s=150,
                linewidth=2.2,
                label=SAID[way],
                zorder=3,
            )
        _dressed(axes, f"data misreported, {each['rounds']} rounds; a dot a member")
    others[-1].sharex(others[0])
    named = [
        pair
        for axes in drawn.axes[:2]
        for pair in zip(*axes.get_legend_handles_labels(), strict=True)
    ]
    drawn.legend(
        *zip(*named, strict=True),
        frameon=False,
        fontsize=9,
        loc="outside lower center",
        ncols=len(named),
    )
    return drawn


def _dressed(axes: Axes, title: str) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("gain, thousandths of the revenue")
    axes.grid(axis="x", alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def show(record: dict[str, Any], console: Console) -> None:
    """The tables on the terminal: mean gains over members and trainings, and those of the member
    that gains most.
    """
    for each in record["runs"]:
        title = f"{each['rounds']} rounds: gain in thousandths of the revenue, mean over members (largest of a member)"
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for column in (
            "rule",
            *(f"cost + {more} %" for more in OVERSTATED),
            "+ 100 %, capped",
            *SAID,
        ):
            table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
        for name in RULES:
            costly = np.array(each["overstated"]["as claimed"][name]).mean(axis=1)
            capped = np.array(each["overstated"]["capped"][name]).mean(axis=1)[-1]
            ways = [np.mean(each["gains"][way][name], axis=1) for way in SAID]
            table.add_row(
                name, *(f"{one.mean():+.1f} ({one.max():+.1f})" for one in (*costly, capped, *ways))
            )
        console.print(table)
        for sentence in said(each):
            console.print(sentence, highlight=False)


def said(each: dict[str, Any]) -> list[str]:
    """What the noise of training is, and what the models of a split would have said, in plain
    sentences.
    """
    gains = {way: np.array(each["gains"][way]["cost_aware"]) for way in SAID}  # [P, trainings]
    noise = ", ".join(
        f"{way} {found.std(axis=1, ddof=1).mean():.1f}" for way, found in gains.items()
    )
    models = ", ".join(
        f"{np.mean(found):+.1f} for {model}" for model, found in each["models"].items()
    )
    return [
        "Under cost_aware a member's gain varies between trainings by (standard deviation): "
        f"{noise}.",
        f"A split under cost_aware gains {gains['split'].mean():+.1f}; as modelled: {models}.",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("misreporting", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings, done = overrides(CONFIG, options.set), progress()
    integer("trainings", settings["trainings"], least=2)
    integer("members", settings["members"], least=2, most=10)
    lengths = (settings["rounds"], settings["fewer_rounds"])
    return {"config": settings, "runs": [measure(settings, rounds, done) for rounds in lengths]}


if __name__ == "__main__":
    sys.exit(main())
