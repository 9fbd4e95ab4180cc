"""What does a member gain by claiming more than its cost, by appearing as two, or by copying data?

Claim: every rule that pays costs back pays for overstating them, and costs capped at what the work
implies leave nothing to gain. Under Shapley values a member gains by appearing as two where half of
its data makes more than half of its contribution, which it does once training is long enough; equal
shares and shares by size pay for names and for copies whatever the data. We first claimed that
every rule pays for some misreport of data; that did not hold: leave-one-out values paid for none.

Five members of digits with unequal labels, every coalition trained, the revenue fixed at 1,000.
Honest costs are a price an example, which is also what the recorded work implies. A member that
claims more is valued as it was. One that splits has its rows divided at random between two, with
half of its cost each; one that copies appears a second time with all of its rows and bears its cost
twice, for both train; one that repeats holds each of its rows twice, at twice the cost. Each of
these federations is trained anew, all of its coalitions. A gain is the additional payment less the
additional cost, in thousandths of the revenue.

Command: python -m experiments.misreporting --json misreporting.json --figure misreporting.png
Minutes: 6 on two cores shared with other work.
Seen (Intel Xeon, CPU, shared with other work, 2026-11-28; commit and all numbers in
experiments/results/misreporting.json): gain, mean over the members and 5 trainings (that of the
member that gains most); honest payments are 141 to 301, their mean 200:

                   20 rounds                                5 rounds
                   cost + 100 %  split        copy          split        copy         repeat
    cost_aware     +64 (+78)     +30 (+40)    +26 (+44)     -32 (-17)    -11 (+5)     -6 (+30)
    costs_ignored    0           +50 (+67)     +2 (+36)     -54 (-29)    -70 (-41)   -59 (+4)
    equal            0          +133 (+133)   +53 (+72)    +133 (+133)   +53 (+72)   -81 (-62)
    by_size          0             0          +51 (+53)       0          +51 (+53)   +51 (+53)
    costs_only     +65 (+85)     +79 (+79)    +53 (+59)     +79 (+79)    +53 (+59)   -16 (-12)
    leave_one_out  +65 (+77)     -52 (-24)   -113 (-25)     -60 (-33)   -104 (-36)   -81 (-17)
    banzhaf        +64 (+75)     -10 (+8)      -5 (+19)     -47 (-37)    -36 (-16)    -4 (+51)
    least_core     +64 (+76)      +1 (+29)    +39 (+48)     -13 (+4)      -9 (+26)   +19 (+64)

    With costs capped at what the work implies nobody gains by claiming more, under any rule,
    exactly. Costs hardly change what misreported data gains; a cost that is paid back only makes
    copies cheap. After 20 rounds every one of the five members gains by a split and by a copy under
    cost_aware (standard deviation between trainings 2.6 and 1.4); rows repeated in place gain only
    under by_size. By the formula of `audits.manipulation` a split gains (2 q - 1) 55.2 there, so
    that half of the data makes q = 77 % of the contribution. A copy raises its member's part of the
    values by 8.3 points; under the model of a perfect copy it would be 9.3. After 5 rounds the sign
    changes, q = 3 %: half of the rows also take half of the steps. In a trial that was not kept, of
    5 rounds with 8 steps for everyone whatever its rows, a split gained +30 again. Leave-one-out
    values pay for no misreport of data, because a coalition loses nothing when one of two copies
    leaves. For the same reason a member whose data others hold too is paid nothing.

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
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.harness import Settings, dress, overridden, parser, progress, run
from experiments.misreports import OVERSTATED, WAYS, measure
from fedjax_shap._validate import integer
from fedjax_shap.economics.rules import RULES
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, GREEN, ORANGE
from fedjax_shap.typing import HostArray

CONFIG: Settings = {
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
SHADES = ("#d3d3d3", "#9aa0a6", "#555555")  # of costs overstated a little, more, and most
PER_CENT = 0.1  # of the revenue, of which gains are thousandths
COLORS = (BLUE, ORANGE, GREEN)  # of the ways of misreporting data


def figure(record: Record) -> Figure:
    """What overstated costs gain, and what misreported data gain after many and few rounds."""
    count = 1 + len(record["runs"])
    drawn, [first, *others] = style.panels(style.TWO, 3.7, 1, count, sharey=True)
    _costs(first, record["runs"][0]["overstated"])
    first.set_yticks(range(len(RULES)), [name.replace("_", " ") for name in RULES])
    first.invert_yaxis()
    for axes, each in zip(others, record["runs"], strict=True):
        for at, (way, color) in enumerate(zip(WAYS, COLORS, strict=True)):
            gains = np.array([np.mean(each["gains"][way][name], axis=1) for name in RULES])
            _gains(axes, gains, at, color, WAYS[way])
        _dress(axes, f"data misreported,\n{each['rounds']} rounds")
    others[-1].sharex(others[0])
    style.legend_below(drawn, first, others[0], columns=4)
    trainings = record["config"]["trainings"]
    caption = f"""What a member gains by a misreport under each rule, per cent of the revenue, means
    over {trainings} trainings. Left: claiming more than its cost; bars are means over the members,
    and the marks the same where costs are capped at what the work implies. Right: a dot a member, a
    mark at the members' mean."""
    return style.captioned(drawn, caption)


def _costs(axes: Axes, overstated: dict[str, Any]) -> None:
    """Bars of what each rule pays for overstated costs, and marks where costs are capped."""
    places = np.arange(len(RULES))
    for at, (more, color) in enumerate(zip(OVERSTATED, SHADES, strict=True)):
        across = places + 0.27 * (at - 1)
        claimed = [np.mean(overstated["as claimed"][name][at]) * PER_CENT for name in RULES]
        bar: dict[str, Any] = {"color": color, "height": 0.26, "zorder": 2}
        axes.barh(across, claimed, label=f"claims {more} % more", **bar)
        capped = [np.mean(overstated["capped"][name][at]) * PER_CENT for name in RULES]
        mark: dict[str, Any] = {"color": style.BLACK, "marker": "|", "s": 25, "zorder": 3}
        label = {"label": "the same, costs capped"} if at == len(OVERSTATED) - 1 else {}
        axes.scatter(capped, across, linewidth=1.4, **label, **mark)
    axes.set_xlim(left=-0.4)  # for the marks at 0
    _dress(axes, "cost overstated,\nmean over members")


def _gains(axes: Axes, gains: HostArray, at: int, color: str, label: str) -> None:
    """Gains [rules, members] by one misreport: a dot a member, a mark at the mean."""
    across = np.arange(len(RULES)) + 0.24 * (at - 1)
    rows = across[:, None].repeat(gains.shape[1], axis=1)
    axes.scatter(gains * PER_CENT, rows, color=color, s=5, alpha=0.6, zorder=2, linewidth=0)
    mark: dict[str, Any] = {"color": color, "marker": "|", "s": 45, "linewidth": 1.6, "zorder": 3}
    axes.scatter(gains.mean(axis=1) * PER_CENT, across, label=label, **mark)


def _dress(axes: Axes, title: str) -> None:
    dress(axes, title, grid="x")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("gain (% of the revenue)")


def show(record: Record, console: Console) -> None:
    """Mean gains over members and trainings, and those of the member that gains most."""
    costs = [f"cost + {more} %" for more in OVERSTATED]
    for each in record["runs"]:
        title = (
            f"{each['rounds']} rounds: gain in thousandths of the revenue, mean over members "
            "(largest of a member)"
        )
        shown = table(title, ("rule", *costs, "+ 100 %, capped", *WAYS))
        for name in RULES:
            costly = np.array(each["overstated"]["as claimed"][name]).mean(axis=1)
            capped = np.array(each["overstated"]["capped"][name]).mean(axis=1)[-1]
            ways = [np.mean(each["gains"][way][name], axis=1) for way in WAYS]
            gains = (*costly, capped, *ways)
            shown.add_row(name, *(f"{one.mean():+.1f} ({one.max():+.1f})" for one in gains))
        console.print(shown)
        for sentence in sentences(each):
            console.print(sentence, highlight=False)


def sentences(each: dict[str, Any]) -> list[str]:
    """The noise of training, and what the models of a split say it gains."""
    gains = {way: np.array(each["gains"][way]["cost_aware"]) for way in WAYS}  # [P, trainings]
    noise = ", ".join(
        f"{way} {values.std(axis=1, ddof=1).mean():.1f}" for way, values in gains.items()
    )
    models = ", ".join(
        f"{np.mean(modelled):+.1f} for {model}" for model, modelled in each["models"].items()
    )
    return [
        "Under cost_aware a member's gain varies between trainings by (standard deviation): "
        f"{noise}.",
        f"A split under cost_aware gains {gains['split'].mean():+.1f}; as modelled: {models}.",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("misreporting", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, trainings=2)
    integer("members", settings["members"], least=2, most=10)
    done = progress()
    lengths = (settings["rounds"], settings["fewer_rounds"])
    return {"config": settings, "runs": [measure(settings, rounds, done) for rounds in lengths]}


if __name__ == "__main__":
    sys.exit(main())
