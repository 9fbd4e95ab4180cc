"""Figures of several values a member: who judges whom, and values over the rounds."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedjax_shap.report import style
from fedjax_shap.report.names import LONGEST_IN_FIGURES, chosen, distinct, shortened
from fedjax_shap.report.saved_run import AnyRun, AnySlices
from fedjax_shap.typing import HostArray

SLICES = ("judges", "by_round")
CHARACTERS = {style.ONE: 46, style.TWO: 100}  # of a title, by the width of the figure
CELL = 6  # characters of a number in a cell
MOST_CHARACTERS = 36  # of a name and its cells, that fit into one column of a paper
MOST_JUDGES = 40  # columns of a heat map; of more, those with the most test rows
MOST_WRITTEN = 10  # judges and members up to which numbers are written into the cells
MOST_LINES = len(style.COLORS)  # members with a line in a colour of its own


def figures(result: AnyRun) -> dict[str, Figure]:
    """The figures of a run's values by judge or by round, by the names of their files."""
    if result.judged is not None:
        return {SLICES[0]: judges(result, result.judged)}
    if result.by_round is not None:
        return {SLICES[1]: by_round(result, result.by_round)}
    return {}


def judges(result: AnyRun, judged: AnySlices) -> Figure:
    """A heat map: what the data of each member (a row) are worth to each judge (a column).

    Args:
        result: what a run found out; of many members those of the highest and the lowest values
            are shown.
        judged: their values by judge.
    """
    shown = chosen(result.attribution.values, most=style.MOST_NAMES)
    most = np.argsort(-judged.weights, kind="stable")[:MOST_JUDGES]
    columns = np.sort(most)
    cells = judged.values[shown.members][:, columns]
    members = distinct(result.players, LONGEST_IN_FIGURES)
    names = distinct(judged.names, LONGEST_IN_FIGURES)
    width = style.ONE
    longest = max(len(members[member]) for member in shown.members)
    if longest + CELL * len(columns) > MOST_CHARACTERS:
        width = style.TWO
    figure, [axes] = style.panels(width, max(style.ROW + 0.3, 0.18 * len(cells) + 1.5))
    axes.grid(visible=False)
    # colours are about 0: blue is worth something, red does harm
    reach = float(np.abs(cells).max()) or 1.0
    image = axes.imshow(cells, cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto")
    scale = figure.colorbar(image, ax=axes, pad=0.02)
    style.set_type(scale.ax)
    metric = result.label.replace("_", " ")
    scale.set_label(f"value to the judge ({style.plain(metric)})", fontsize=style.TYPE)
    axes.set_xticks(
        range(len(columns)),
        [style.plain(names[judge]) for judge in columns],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(cells)), [style.plain(members[member]) for member in shown.members])
    axes.set(xlabel="judge: whose test rows", ylabel="member: whose data")
    if max(cells.shape) <= MOST_WRITTEN:
        _write_numbers(axes, cells, reach)
    what = "what each member's data is worth to each judge"
    if shown.left_out:
        what += f" ({shown.left_out:,} members between are left out)"
    _title(figure, result, what)
    caption = f"{result.config.title}: {what}. Blue: worth something; red: does harm; white: 0."
    return style.captioned(figure, caption)


def by_round(result: AnyRun, values: AnySlices) -> Figure:
    """Each member's value after each round, a line a member; of many, the highest and the lowest
    in the end in colour and the others in grey.

    Args:
        result: what a run found out.
        values: its values by round.
    """
    figure, [axes] = style.panels(style.ONE, style.ROW + 0.3)
    half = MOST_LINES // 2
    shown = chosen(values.values[:, -1], highest=half, lowest=half, most=MOST_LINES)
    members = distinct(result.players, LONGEST_IN_FIGURES)
    rounds = [int(name.split()[-1]) for name in values.names]
    others = np.setdiff1d(np.arange(len(members)), shown.members)
    for member in others:
        axes.plot(rounds, values.values[member], color=style.GREY, linewidth=0.6, alpha=0.5)
    for member, color in zip(shown.members, style.COLORS, strict=False):
        label = style.plain(members[member])
        axes.plot(
            rounds,
            values.values[member],
            color=color,
            marker=".",
            markersize=4,
            linewidth=1.2,
            label=label,
        )
    style.zero_line(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="round", ylabel=f"value ({style.plain(result.label)})")
    _title(figure, result, "values after each round")
    style.legend_below(figure)
    caption = f"{result.config.title}: {result.value_label} of each member after each round"
    if len(others):
        caption += f"; the other {len(others):,} members in grey"
    return style.captioned(figure, f"{caption}.")


def _title(figure: Figure, result: AnyRun, what: str) -> None:
    """The run's title in one line, and below it what is shown."""
    room = CHARACTERS[figure.get_figwidth()]
    run = shortened(result.config.title, room)
    shown = "\n".join(textwrap.wrap(what, room))
    style.title_above(figure, f"{run}:\n{shown}")


def _write_numbers(axes: Axes, cells: HostArray, reach: float) -> None:
    """Writes each number into its cell, white where the cell is dark."""
    for (row, column), value in np.ndenumerate(cells):
        color = "black"
        if abs(value) > 0.6 * reach:
            color = "white"
        axes.text(
            column, row, f"{value:.2g}", ha="center", va="center", fontsize=style.SMALL, color=color
        )
