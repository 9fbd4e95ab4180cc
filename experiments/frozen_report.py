"""The tables and the figure of the comparison of estimators on the frozen games."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks.estimator_contest import errors_of, label
from benchmarks.harness import Record
from experiments.harness import dress
from fedjax_shap.report import style
from fedjax_shap.report.looks import look

LARGEST = 10.0  # relative L2 that is written out
NONE = "–"
NAMED = (  # those with a colour of their own, the same in all figures
    "gaussian_process",
    "regression_msr",
    "complementary",
    "svarm",
    "kernelshap",
    "permutation",
    "tmc",
)
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
            _cell(about["noise_floor"]),
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
    cells = (_cell(row["rel_l2"]), f"{row['spearman']:.2f}", _cell(row["z"], 2))
    return (*cells, *ours, *theirs, said)


def _best(rows: Sequence[Record]) -> tuple[str, str]:
    """The name and the error of the row of the lowest error."""
    if not rows:
        return NONE, NONE
    row = min(rows, key=lambda one: one["rel_l2"])
    return row["estimator"], _cell(row["rel_l2"])


def _all(record: Record) -> Part:
    """Every estimator's error on each game at the largest budget at which all of ours are drawn."""
    budgets = {game: _common(record, game) for game in record["games"]}
    columns = ("estimator", *(f"{game}, {budget}" for game, budget in budgets.items()))
    each = {game: errors_of(record, game) for game in budgets}
    rows = [
        (name, *(_cell(each[game].get(name, {}).get(at)) for game, at in budgets.items()))
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
    rows = [(name, *(_cell(one, 2) for one in known)) for name, known in each.items() if any(known)]
    return {"columns": columns, "rows": rows}


def _cell(number: float | None, digits: int = 4) -> str:
    """A number in a cell; a relative error unless `digits` says otherwise."""
    if number is None:
        return NONE
    if number >= LARGEST:
        return f"> {LARGEST:g}"
    return f"{number:.{digits}f}"


# ------------------------------------------------------------------ the figure


def figure(record: Record) -> Figure:
    """Relative L2 error against the number of coalitions, a panel a game, two columns wide."""
    games = list(record["games"])
    across = min(4, len(games))
    down = math.ceil(len(games) / across)
    drawn, panels = style.panels(style.TWO, 1.9 * down + 0.5, down, across)
    for axes, game in zip(panels, games, strict=False):
        _panel(axes, record, game)
    for spare in panels[len(games) :]:
        spare.set_axis_off()
    for axes in panels[::across]:
        axes.set_ylabel("relative L2 error")
    for axes in panels[: len(games)][-across:]:
        axes.set_xlabel("coalitions trained")
    style.legend_below(drawn, columns=4)
    caption = """Relative L2 error of Shapley values against the number of distinct coalitions
    trained, on seven federations all of whose coalitions are trained. Lines are means over draws;
    thick: the default estimator. Grey: other estimators of this package, dashed grey: those of the
    package shapiq. Dotted: the noise floor, exact values of another training."""
    return style.captioned(drawn, caption)


def _panel(axes: Axes, record: Record, game: str) -> None:
    """One game: those that are named in colour, all others in grey, and the noise floor."""
    about = record["games"][game]
    for name, errors in errors_of(record, game).items():
        budgets = sorted(errors)
        heights = [errors[budget] for budget in budgets]
        axes.plot(budgets, heights, **_line(name, record["default"]))
    if about["noise_floor"] is not None:
        floor: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1}
        axes.axhline(about["noise_floor"], label="noise floor", **floor)
    axes.set(xscale="log", yscale="log", ylim=(None, LARGEST))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(about["budgets"], [str(one) for one in about["budgets"]], rotation=60)
    dress(axes, f"{game.replace('_', ' ')}, n = {about['players']}")


def _line(name: str, default: str) -> dict[str, Any]:
    """How the line of an estimator looks."""
    if name in NAMED:
        looks: dict[str, Any] = {"markersize": 2.5, "linewidth": 1.1, **look(name).of_line}
        if name == default:
            looks |= {"linewidth": 2, "zorder": 5, "label": f"{looks['label']} (default)"}
        return looks
    label_of, dashes = "others of ours", "-"
    if name.endswith(", shapiq"):
        label_of, dashes = "shapiq's", "--"
    faint = {"color": style.GREY, "linewidth": 0.6, "alpha": 0.6, "zorder": 1}
    return {**faint, "linestyle": dashes, "label": label_of}
