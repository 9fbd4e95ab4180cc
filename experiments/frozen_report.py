"""The tables and the figure of the comparison of estimators on the frozen games."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.estimator_contest import errors_of, label
from benchmarks.harness import Record
from experiments.harness import dress
from fedjax_shap.report.style import COLORS, GREY

SMALL = 7  # points of type, in a figure as wide as two columns
LARGEST = 10.0  # relative L2 that is written out
NONE = "–"
NAMED = {  # those with a colour of their own, the same in all panels
    "gaussian_process": "Gaussian process",
    "regression_msr": "RegressionMSR",
    "complementary": "complementary contributions",
    "svarm": "stratified SVARM",
    "leverage": "Leverage SHAP",
    "kernelshap": "KernelSHAP",
    "permutation": "permutations",
    "tmc": "truncated Monte Carlo",
}
Part = dict[str, Any]  # columns and rows of text


def tables(record: Record) -> dict[str, Part]:
    """The tables of a record by name: `games`, `default`, `all` and `errors`."""
    return {
        "games": _games(record),
        "default": _default(record),
        "all": _all(record),
        "errors": _stated(record),
    }


def _games(record: Record) -> Part:
    """The games, as far as numbers say what they are."""
    columns = ("game", "players", "coalitions", "V(nobody)", "V(everybody)", "noise floor")
    rows = [
        (
            name,
            str(about["players"]),
            f"{2 ** about['players']:,}",
            f"{about['empty']:.4g}",
            f"{about['grand']:.4g}",
            _error(about["noise_floor"]),
        )
        for name, about in record["games"].items()
    ]
    return {"columns": columns, "rows": rows}


def _default(record: Record) -> Part:
    """The default beside the best other of ours and the best of shapiq's, game by game."""
    columns = (
        "game",
        "coalitions",
        "default",
        "Spearman",
        "z",
        "best other of ours",
        "its error",
        "best of shapiq's",
        "its error",
        "default is best",
    )
    rows = []
    for game, about in record["games"].items():
        for budget in about["budgets"]:
            rows.append((game, str(budget), *_beside(record, game, budget)))
    return {"columns": columns, "rows": rows}


def _beside(record: Record, game: str, budget: int) -> tuple[str, ...]:
    """The cells of one game and budget."""
    there = [row for row in record["rows"] if (row["game"], row["budget"]) == (game, budget)]
    default = [row for row in there if label(row) == record["default"]]
    others = [row for row in there if label(row) != record["default"]]
    ours = _best([row for row in others if row["package"] == "fedjax_shap"])
    theirs = _best([row for row in others if row["package"] != "fedjax_shap"])
    if not default:
        return (NONE, NONE, NONE, *ours, *theirs, "not drawn")
    row = default[0]
    best = row["rel_l2"] <= min((one["rel_l2"] for one in others), default=math.inf)
    said = "yes" if best else "**no**"
    cells = (_error(row["rel_l2"]), f"{row['spearman']:.2f}", _number(row["z"]))
    return (*cells, *ours, *theirs, said)


def _best(rows: Sequence[Record]) -> tuple[str, str]:
    """The name and the error of the row of the lowest error."""
    if not rows:
        return NONE, NONE
    row = min(rows, key=lambda one: one["rel_l2"])
    return row["estimator"], _error(row["rel_l2"])


def _all(record: Record) -> Part:
    """Every estimator's error on each game at the largest budget at which all of ours are drawn."""
    budgets = {game: _common(record, game) for game in record["games"]}
    columns = ("estimator", *(f"{game}, {budget}" for game, budget in budgets.items()))
    each = {game: errors_of(record, game) for game in budgets}
    rows = [
        (name, *(_error(each[game].get(name, {}).get(at)) for game, at in budgets.items()))
        for name in record["ranking"]
    ]
    return {"columns": columns, "rows": rows}


def _common(record: Record, game: str) -> int:
    """The largest budget at which the default is drawn as often as at the smallest."""
    rows = [row for row in record["rows"] if (row["game"], label(row)) == (game, record["default"])]
    most = max(row["seeds"] for row in rows)
    return max(int(row["budget"]) for row in rows if row["seeds"] == most)


def _stated(record: Record) -> Part:
    """The z of each estimator that states errors, at the budgets of `_all`."""
    budgets = {game: _common(record, game) for game in record["games"]}
    scores = {(row["game"], row["budget"], label(row)): row["z"] for row in record["rows"]}
    columns = ("estimator", *(f"{game}, {budget}" for game, budget in budgets.items()))
    each = {
        name: [scores.get((game, at, name)) for game, at in budgets.items()]
        for name in record["ranking"]
    }
    rows = [(name, *map(_number, known)) for name, known in each.items() if any(known)]
    return {"columns": columns, "rows": rows}


def _error(error: float | None) -> str:
    """A relative error in a cell."""
    if error is None:
        return NONE
    if error >= LARGEST:
        return f"> {LARGEST:g}"
    return f"{error:.4f}"


def _number(score: float | None) -> str:
    """A z in a cell."""
    if score is None:
        return NONE
    if score >= LARGEST:
        return f"> {LARGEST:g}"
    return f"{score:.2f}"


# ------------------------------------------------------------------ the figure


def figure(record: Record) -> Figure:
    """Relative L2 error against the number of coalitions, a panel a game, two columns wide."""
    games = list(record["games"])
    across = min(4, len(games) + 1)
    down = math.ceil((len(games) + 1) / across)
    drawn = Figure(figsize=(7.0, 1.9 * down + 0.1), layout="constrained")
    panels = drawn.subplots(down, across, squeeze=False).ravel()
    for place, game in enumerate(games):
        _panel(panels[place], record, game)
        if place % across == 0:
            panels[place].set_ylabel("relative L2 error", fontsize=SMALL)
        if place >= len(games) - across:
            panels[place].set_xlabel("coalitions trained", fontsize=SMALL)
    for spare in panels[len(games) :]:
        spare.set_axis_off()
    named: dict[str, Any] = {}
    for axes in panels[: len(games)]:
        named |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    legend: dict[str, Any] = {"loc": "center left", "frameon": False, "fontsize": SMALL}
    panels[len(games)].legend(list(named.values()), list(named), **legend)
    return drawn


def _panel(axes: Axes, record: Record, game: str) -> None:
    """One game: those that are named in colour, all others in grey, and the noise floor."""
    about = record["games"][game]
    for name, errors in errors_of(record, game).items():
        budgets = sorted(errors)
        heights = [errors[budget] for budget in budgets]
        axes.plot(budgets, heights, **_line(name, record["default"]))
    if about["noise_floor"] is not None:
        floor: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 0.9}
        axes.axhline(about["noise_floor"], label="noise floor of training", **floor)
    axes.set(xscale="log", yscale="log", ylim=(None, LARGEST))
    axes.set_xticks(about["budgets"], [str(one) for one in about["budgets"]], minor=False)
    axes.minorticks_off()
    axes.tick_params(labelsize=SMALL)
    axes.tick_params(axis="x", labelrotation=60)
    dress(axes, f"{game.replace('_', ' ')}, n = {about['players']}", size=SMALL + 1)


def _line(name: str, default: str) -> dict[str, Any]:
    """How the line of an estimator looks."""
    if name == default:
        words = f"{NAMED.get(name, name)} (default)"
        return {"color": "black", "marker": "o", "markersize": 3, "zorder": 5, "label": words}
    if name in NAMED:
        color = COLORS[list(NAMED).index(name)]
        style: dict[str, Any] = {"color": color, "marker": "o", "markersize": 2, "linewidth": 1}
        return {**style, "label": NAMED[name]}
    label_of = "others of ours"
    dashes = "-"
    if name.endswith(", shapiq"):
        label_of = "shapiq's"
        dashes = "--"
    return {
        "color": GREY,
        "linestyle": dashes,
        "linewidth": 0.6,
        "alpha": 0.6,
        "zorder": 1,
        "label": label_of,
    }
