"""How all figures look: widths of columns, sizes of type, colours, legends, names under bars.

Every figure is as wide as one column of a paper or as two, and is shown at that width.
"""

import textwrap
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer, Container
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fedjax_shap.report.names import LONGEST_IN_FIGURES, distinct
from fedjax_shap.typing import HostArray

Grid: TypeAlias = Literal["x", "y", "both"]
ONE = 3.4  # inches, the width of one column of a paper
TWO = 7.0  # inches, of two
ROW = 2.5  # inches, the height of a row of panels
LINE = 0.15  # inches, of a legend
SLANTED = 0.6  # inches, of names that are slanted
TYPE = 8.0  # points, of labels and titles
SMALL = 7.0  # points, of everything else; no figure has smaller type
BLUE = "#3b6ea5"  # values and payments
ORANGE = "#d9822b"  # losses, and what is compared
GREY = "#9aa0a6"  # costs, and what is in the background
GREEN = "#4f9d69"  # profits, and what holds
RED = "#b0483f"  # what does not hold
PURPLE = "#8a6bb1"
TEAL = "#5aa7b8"
OLIVE = "#c2a83e"
PINK = "#d98cb3"
BROWN = "#8c6d4f"
DARK = "#555555"
BLACK = "#000000"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, RED, TEAL, OLIVE, DARK)  # of several lines
NORMAL = 1.96  # standard errors on either side of a value: a 95 % interval
BAR = 0.62  # of the distance between two bars
CAP = 2  # points, of the ends of intervals
MANY_BARS = 7  # a figure of one panel with more bars is two columns wide
MOST_NAMES = 30  # members named on an axis; beyond, they are numbered
NARROW = 48  # characters of type that fit under a panel of one column's width
WIDE = 96  # and under one of two columns' width
_AMOUNTS = FuncFormatter(lambda amount, _: f"{amount:,.10g}")


def plain(words: str) -> str:
    """Text that matplotlib shows as it is.

    Matplotlib reads what stands between two dollar signs as mathematics, and leaves out of legends
    what begins with an underscore.
    """
    shown = words.replace("$", r"\$")
    if shown.startswith("_"):
        return f" {shown}"
    return shown


def panels(
    width: float, height: float = ROW, rows: int = 1, columns: int = 1, **how: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with panels whose type has the sizes of a paper.

    Args:
        width: `ONE` or `TWO`.
        height: of the whole figure, in inches.
        rows: of panels.
        columns: of panels.
        **how: what `Figure.subplots` takes, such as sharey.

    Returns:
        (the figure, its panels row by row).
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    every = np.atleast_1d(figure.subplots(rows, columns, **how)).ravel().tolist()
    for axes in every:
        open_frame(axes)
    return figure, every


def bar_figure(names: Sequence[str]) -> tuple[Figure, Axes]:
    """A figure of one panel, as large as bars with these names below them need."""
    width, room = ONE, NARROW
    if len(names) > MANY_BARS:
        width, room = TWO, WIDE
    height = ROW
    if not _fits(names, room):
        height += SLANTED
    figure, [axes] = panels(width, height)
    return figure, axes


def width_of(figure: Any) -> float:
    """The width of a figure in inches."""
    return float(figure.get_figwidth())


def captioned(figure: Figure, caption: str) -> Figure:
    """Gives a figure the caption that its files say: what is shown, and what bars and bands are."""
    figure.set_label(" ".join(caption.split()))
    return figure


def open_frame(axes: Axes, grid: Grid = "y") -> None:
    """Takes away the frame's top and right, draws faint lines at the ticks, and sets the type.

    Args:
        axes: the panel.
        grid: at whose ticks: "x", "y" or "both".
    """
    axes.grid(visible=False)
    axes.grid(axis=grid, alpha=0.3, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    set_type(axes)


def set_type(axes: Axes) -> None:
    """Gives the ticks and labels of a panel the sizes of type of a paper."""
    axes.tick_params(labelsize=SMALL, which="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(TYPE)
        axis.get_offset_text().set_fontsize(SMALL)


def title(axes: Axes, words: str, *, characters: int | None = None) -> None:
    """Writes a panel's title on its left.

    Args:
        axes: the panel.
        words: any text.
        characters: after which a line ends; None for lines as they are.
    """
    if characters is not None:
        words = "\n".join(textwrap.wrap(words, characters))
    axes.set_title(plain(words), loc="left", fontsize=TYPE)


def title_above(figure: Figure, words: str) -> None:
    """Writes a figure's title from its left edge on, whatever room the names on its left take."""
    figure.suptitle(plain(words), x=0.01, ha="left", fontsize=TYPE)


def legend(axes: Axes, **place: Any) -> None:
    """The legend of a panel, inside it."""
    axes.legend(fontsize=SMALL, **{"frameon": False, "handlelength": 1.6, **place})


def legend_below(figure: Figure, *named: Axes, columns: int = 4) -> None:
    """One legend below all panels, if anything has a name; the figure grows with its lines.

    Args:
        figure: with the panels.
        *named: the panels whose labels it has; all if none are given.
        columns: how many it has, or as many as fit into the figure where those are fewer.
    """
    found: dict[str, Any] = {}
    for axes in named or figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if not found:
        return
    # what is filled or has intervals is named before lines and marks
    found = dict(sorted(found.items(), key=lambda one: not isinstance(one[1], Container)))
    place: dict[str, Any] = {
        "frameon": False,
        "loc": "outside lower center",
        "fontsize": SMALL,
        "handlelength": 1.6,
        "columnspacing": 1.2,
    }
    lines = -(-len(found) // columns)
    for height in range(lines, len(found) + 1):
        across = -(-len(found) // height)
        drawn = figure.legend(list(found.values()), list(found), ncols=across, **place)
        if across == 1 or drawn.get_window_extent().width <= figure.bbox.width:
            figure.set_figheight(figure.get_figheight() + (height - 1) * LINE)
            return
        drawn.remove()


def bars(
    axes: Axes,
    places: HostArray,
    heights: HostArray,
    color: str,
    label: str | None = None,
    *,
    width: float = BAR,
    bottom: HostArray | float = 0.0,
) -> BarContainer:
    """Draws bars.

    Args:
        axes: where to.
        places: float[P], their centres.
        heights: float[P], below zero for bars that hang down.
        color: of all of them.
        label: in the legend; None to be left out.
        width: of a bar.
        bottom: float[P] or one number, where they begin.
    """
    return axes.bar(places, heights, width, bottom=bottom, color=color, label=label, zorder=2)


def error_bars(
    axes: Axes, places: HostArray, centres: HostArray, reach: HostArray, label: str | None = None
) -> None:
    """Draws intervals in front of bars.

    Args:
        axes: where to.
        places: float[P].
        centres: float[P], what the intervals are about.
        reach: float[P], or float[2, P] below and above, how far they extend from the centres.
        label: in the legend; None to be left out.
    """
    look: dict[str, Any] = {"fmt": "none", "ecolor": "black", "elinewidth": 0.9, "capsize": CAP}
    axes.errorbar(places, centres, reach, zorder=3, label=label, **look)


def numbers_above(
    axes: Axes, tops: HostArray, texts: Sequence[str], places: HostArray | None = None
) -> None:
    """Writes a number above each bar, upright where there is no room beside the next, and makes
    room for it.

    Args:
        axes: where to; all else is drawn already.
        tops: float[P], how high the bars and what is drawn on them reach.
        texts: P numbers as they are shown.
        places: float[P], where the bars stand; at 0, 1, ... if None.
    """
    if places is None:
        places = np.arange(len(tops))
    points = 72 * width_of(axes.figure) * axes.get_position().width
    room = points / max(np.ptp(places) + 1, 1)
    upright = max(map(len, texts)) * 0.62 * SMALL > room
    for place, height, text in zip(places, np.maximum(tops, 0), texts, strict=True):
        where: dict[str, Any] = {"xytext": (0, 2), "textcoords": "offset points"}
        how: dict[str, Any] = {"ha": "center", "va": "bottom", "rotation": 90 * upright}
        axes.annotate(plain(text), (place, height), fontsize=SMALL, **where, **how)
    axes.margins(y=0.12 + 0.05 * upright * max(map(len, texts)))


def zero_line(axes: Axes) -> None:
    """Draws the line from which bars rise or hang."""
    axes.axhline(0, color="black", linewidth=0.8)


def _fits(names: Sequence[str], room: int) -> bool:
    """Whether names stand side by side in so many characters, or are numbers as they are many."""
    longest = max(map(len, distinct(names, LONGEST_IN_FIGURES)))
    return len(names) > MOST_NAMES or (longest + 1) * len(names) <= room


def name_members(
    axes: Axes, names: Sequence[str], room: int | None = None, places: HostArray | None = None
) -> None:
    """Members' names under their bars; where they are many, the axis numbers them.

    Args:
        axes: where to; bars stand at 0, 1, ....
        names: of the members.
        room: how many characters fit side by side; beyond, names are slanted; by the width of the
            figure if None.
        places: where the bars stand, if not at 0, 1, ....
    """
    if len(names) > MOST_NAMES:
        axes.set_xlabel("member")
        return
    if room is None:
        room = WIDE if width_of(axes.figure) > ONE else NARROW
    if places is None:
        places = np.arange(len(names))
    shown = [plain(name) for name in distinct(names, LONGEST_IN_FIGURES)]
    if _fits(names, room):
        axes.set_xticks(places, shown)
    else:
        axes.set_xticks(places, shown, rotation=40, ha="right", rotation_mode="anchor")


def amounts_on_y(axes: Axes) -> None:
    """Shows the numbers of the y axis as amounts, with separators of thousands."""
    axes.yaxis.set_major_formatter(_AMOUNTS)


def amounts_on_x(axes: Axes) -> None:
    """Shows the numbers of the x axis as amounts, with separators of thousands."""
    axes.xaxis.set_major_formatter(_AMOUNTS)
