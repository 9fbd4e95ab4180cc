"""`fedjax-shap compare`: runs over the same members, side by side."""

import argparse
import io
import sys
from typing import TextIO

from fedjax_shap.cli.output import require_figure, say, write, write_figure
from fedjax_shap.pipeline.comparison import Comparison, compare_files
from fedjax_shap.report import render
from fedjax_shap.report.comparison import agreement_table, compared_exact, compared_table
from fedjax_shap.report.tables import Table

FORMATS = ("table", "csv", "latex", "html")
WIDE = 160  # columns of a table that goes into a file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `compare` takes."""
    parser.description = (
        "Values, ranks and payments side by side, and how far the values are from those of the "
        "first run. Members are matched by their names."
    )
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RUN",
        help="two runs or more: folders, result.json files, or what `settle` wrote as JSON",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="what to write (default: %(default)s)"
    )
    parser.add_argument("--out", metavar="FILE", help="where to (default: standard output)")
    parser.add_argument(
        "--figure", metavar="FILE", help="a figure of values and payments: .png, .svg or .pdf"
    )
    parser.set_defaults(call=_compare)


def _compare(known: argparse.Namespace, rest: list[str]) -> None:
    require_figure(known.figure)
    compared = compare_files(known.results)
    if known.figure is not None:
        from fedjax_shap.report.comparison_figures import compared_figure

        write_figure(compared_figure(compared), known.figure)
    if known.out is None and known.format == "table":
        _show(compared)
        return
    write(_content(known.format, compared).encode(), known.out)
    if known.format != "table":  # which alone has a place for the notes
        for note in compared.notes:
            say(note, sys.stderr)


def _content(kind: str, compared: Comparison) -> str:
    """The comparison as the content of a file."""
    if kind == "csv":
        return render.to_csv(compared_exact(compared))
    if kind == "table":
        text = io.StringIO()
        _show(compared, text, WIDE)
        return text.getvalue()
    return "\n".join(render.RENDERERS[kind](table) for table in _tables(compared))


def _show(compared: Comparison, file: TextIO | None = None, least: int = 0) -> None:
    """Prints the tables and the notes."""
    for table in _tables(compared):
        render.to_terminal(table, file, least=least)
    for note in compared.notes:
        say(note, file)


def _tables(compared: Comparison) -> list[Table]:
    """What is shown of a comparison."""
    return [compared_table(compared), agreement_table(compared)]
