"""Figures of a page: SVG inside HTML, in the colours of the page's theme, with a title and a
description for screen readers.
"""

import base64
import io
import re
from collections.abc import Callable
from html import escape
from typing import NamedTuple

from matplotlib.figure import Figure

from fedjax_shap.pipeline.comparison import Comparison
from fedjax_shap.report import figure_files, run_figures, slice_figures
from fedjax_shap.report.comparison_figures import compared_figure
from fedjax_shap.report.saved_run import SavedRun
from fedjax_shap.report.study_figures import summary_figure
from fedjax_shap.report.study_tables import summary_title
from fedjax_shap.studies.summary import Summary

MOST_SVG = 120_000  # characters; a figure with more is drawn as an image of points
DPI = 110  # of such an image
REM = 6  # of the page's units in an inch
_TAG = re.compile(r"<[^>]*>")
_LEFT_OUT = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_NAMED = re.compile(r'(\bid="|href="#|url\(#)')


class PageFigure(NamedTuple):
    """A figure of a page.

    Attributes:
        key: its name in the page.
        html: an svg or img element.
        caption: what it shows.
        width: at which its type has the size that it was drawn with, as a style sheet says it.
        paper: whether it keeps a white ground in every theme, as colours with numbers on them need.
    """

    key: str
    html: str
    caption: str
    width: str
    paper: bool = False


def figures_of(run: SavedRun, key: str) -> dict[str, PageFigure]:
    """The figures of a run by what they show: values, payments, judges, by_round, curve.

    Args:
        run: what is shown.
        key: the run's name in the page, with which the names in its figures begin.
    """
    made = {
        "values": _inline(
            run_figures.values(run, run.beside),
            f"{key}-values",
            f"{run.value_label} of each member",
            "Bars from zero; whiskers are 95 % intervals. The table of members has the numbers.",
        )
    }
    settled = run.settlement
    if settled is not None:
        rule = settled.rule.replace("_", " ")
        made["payments"] = _inline(
            run_figures.payments(run, settled),
            f"{key}-payments",
            f"Payments of {settled.revenue:,f} by the rule '{rule}', each split into the member's "
            "cost and its profit",
            "Stacked bars; a loss hangs below zero. The table of members has the numbers.",
        )
    slices = {"judges": run.judged, "by_round": run.by_round}
    captions = {
        "judges": "What each member's data are worth to each judge",
        "by_round": "Values after each round",
    }
    draw: dict[str, Callable[..., Figure]] = {
        "judges": slice_figures.judges,
        "by_round": slice_figures.by_round,
    }
    for name, one in slices.items():
        if one is not None:
            figure = draw[name](run, one)
            described = f"{captions[name]}: members are {', '.join(run.players[:8])[:300]}."
            made[name] = _inline(figure, f"{key}-{name}", captions[name], described)
    if "judges" in made:  # numbers are black or white by the colour of their cell
        made["judges"] = made["judges"]._replace(paper=True)
    if run.curve is not None:
        across = "round" if run.curve.examples is None else "training examples seen"
        made["curve"] = _inline(
            run_figures.curve(run.curve, run.config.title, run.players),
            f"{key}-curve",
            f"{run.curve.label} on the test set by {across}",
            f"Lines by {across}: the federation, pooled data, and each member alone.",
        )
    return made


def compared(comparison: Comparison) -> PageFigure:
    """The figure of runs side by side."""
    return _inline(
        compared_figure(comparison),
        "compared",
        "Values and payments of the same members in each run",
        "Dots with 95 % intervals where they are known. The table has the numbers.",
    )


def means(summary: Summary) -> PageFigure:
    """The figure of a study: the means of its metric by the fields in which runs differ."""
    return _inline(
        summary_figure(summary),
        "means",
        f"{summary_title(summary)}; whiskers are {100 * summary.confidence:g} % bootstrap "
        "intervals of the mean",
        "Dots with intervals; the first table has the means and standard deviations.",
    )


def _inline(figure: Figure, key: str, caption: str, described: str) -> PageFigure:
    """A figure as an element of the page; as an image where it has very many points."""
    figure.suptitle("")  # the page's heading and the caption say it, in any width
    caption = caption[:1].upper() + caption[1:]
    svg = figure_files.as_svg(figure)
    width = f"{REM * figure.get_figwidth():g}rem"
    if len(svg) <= MOST_SVG:
        return PageFigure(key, themed(svg, key, caption, described), caption, width)
    content = io.BytesIO()
    figure_files.write_png(figure, content, dpi=DPI)
    data = base64.b64encode(content.getvalue()).decode()
    alt = escape(f"{caption}. {described}")
    image = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
    return PageFigure(key, image, caption, width, paper=True)


def themed(svg: str, key: str, title: str, described: str) -> str:
    """An SVG file as an element of a page.

    Args:
        svg: the text of the file, as `figure_files.as_svg` gives it.
        key: the figure's name in the page, with which the names inside it begin.
        title: what a screen reader calls it.
        described: what it says of it.

    Returns:
        The element. What was black takes the colour of the page's text.
    """

    def of_page(match: re.Match[str]) -> str:
        named = _NAMED.sub(rf"\g<1>{key}-", match[0])
        return named.replace("#000000", "currentColor")

    drawing = svg[svg.index("<svg") :]
    drawing = _TAG.sub(of_page, _LEFT_OUT.sub("", drawing))
    opened, _, rest = drawing.partition(">")
    return (
        f'{opened} class="figure" role="img" aria-labelledby="{key}-title {key}-described">'
        f'<title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-described">{escape(described)}</desc>{rest.strip()}'
    )
