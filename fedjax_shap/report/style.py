"""How all figures look: colours, sizes, names under bars, text as it is, and files."""

import io
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fedjax_shap.atomic import replacing
from fedjax_shap.report.names import LONGEST_IN_FIGURES, distinct
from fedjax_shap.typing import HostArray

BLUE = "#3b6ea5"  # values and payments
ORANGE = "#d9822b"  # losses, and what is compared
GREY = "#9aa0a6"  # costs, and what is in the background
GREEN = "#4f9d69"  # profits, and what holds
RED = "#b0483f"  # what does not hold
COLORS = (BLUE, ORANGE, GREEN, "#8a6bb1", RED, "#5aa7b8", "#c2a83e", "#6b6b6b")  # of several lines
DPI = 160
NORMAL = 1.96  # standard errors on either side of a value: a 95 % interval
HEIGHT = 4.2  # inches, of a figure with one row of panels
BAR = 0.62  # of the distance between two bars
SMALL = 8  # points, of numbers above bars and of notes
MOST_NAMES = 30  # members named on an axis; beyond, they are numbered
NARROW = 48  # characters that fit under the bars of a panel
WIDE = 80  # characters that fit under the bars of a whole figure
_SETTINGS = threading.Lock()  # matplotlib's are those of the process
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


def bar_figure(bars: int) -> tuple[Figure, Axes]:
    """A figure of one panel, wide enough for so many bars."""
    width = min(max(7.0, 0.75 * bars), 16.0)
    figure = Figure(figsize=(width, HEIGHT), layout="constrained")
    axes = figure.subplots()
    open_frame(axes)
    return figure, axes


def open_frame(axes: Axes) -> None:
    """Takes away the frame's top and right, and draws faint lines at the ticks of the y axis."""
    axes.grid(axis="y", alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


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
    axes.errorbar(
        places, centres, reach, fmt="none", ecolor="black", capsize=3, zorder=3, label=label
    )


def numbers_above(
    axes: Axes,
    tops: HostArray,
    texts: Sequence[str],
    span: float,
    places: HostArray | None = None,
) -> None:
    """Writes a number above each bar.

    Args:
        axes: where to.
        tops: float[P], how high the bars and what is drawn on them reach.
        texts: P numbers as they are shown.
        span: the height of the whole panel, in its unit.
        places: float[P], where the bars stand; at 0, 1, ... if None.
    """
    above = np.maximum(tops, 0) + 0.015 * span
    if places is None:
        places = np.arange(len(above))
    for place, height, shown in zip(places, above, texts, strict=True):
        axes.text(place, height, plain(shown), ha="center", va="bottom", fontsize=SMALL)


def zero_line(axes: Axes) -> None:
    """Draws the line from which bars rise or hang."""
    axes.axhline(0, color="black", linewidth=0.8)


def name_members(
    axes: Axes, names: Sequence[str], room: int = WIDE, places: HostArray | None = None
) -> None:
    """Members' names under their bars; where they are many, the axis numbers them.

    Args:
        axes: where to; bars stand at 0, 1, ....
        names: of the members.
        room: how many characters fit side by side; beyond, names are slanted.
        places: where the bars stand, if not at 0, 1, ....
    """
    if len(names) > MOST_NAMES:
        axes.set_xlabel("member")
        return
    if places is None:
        places = np.arange(len(names))
    shown = [plain(name) for name in distinct(names, LONGEST_IN_FIGURES)]
    if max(map(len, shown)) * len(shown) > room:
        axes.set_xticks(places, shown, rotation=30, ha="right")
    else:
        axes.set_xticks(places, shown)


def amounts_on_y(axes: Axes) -> None:
    """Shows the numbers of the y axis as amounts, with separators of thousands."""
    axes.yaxis.set_major_formatter(_AMOUNTS)


def amounts_on_x(axes: Axes) -> None:
    """Shows the numbers of the x axis as amounts, with separators of thousands."""
    axes.xaxis.set_major_formatter(_AMOUNTS)


def as_svg(figure: Figure) -> str:
    """A figure as the text of an SVG file: texts are texts, nothing behind them, no date.

    The font is whatever the reader's machine has.
    """
    content = io.StringIO()
    with (
        _SETTINGS,
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "fedjax_shap"}),
    ):
        _draw(figure, content, "svg", transparent=True, metadata={"Date": None})
    return content.getvalue()


def write_png(figure: Figure, file: IO[bytes], *, dpi: int = DPI) -> None:
    """Draws a figure as points into an open file.

    Args:
        figure: what to draw.
        file: where to.
        dpi: dots an inch.
    """
    _draw(figure, file, "png", dpi=dpi)


def save(figure: Figure, path: Path, *, dpi: int = DPI) -> None:
    """Writes a figure in the format that its name ends in; the file is whole or absent.

    Args:
        figure: what to write.
        path: where to, ending in .png, .svg or another format of matplotlib.
        dpi: dots an inch, of png files.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as file:
        _draw(figure, file, path.suffix.removeprefix(".").lower(), dpi=dpi)


def _draw(figure: Figure, file: IO[Any], kind: str, **how: Any) -> None:
    """Draws a figure into an open file of a format."""
    with warnings.catch_warnings():
        # a letter that no font has is drawn as a box; names are in full in the tables
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(file, format=kind, **how)
