"""`fedjax-shap study`: the results of many runs as one table, means by groups, or mean ranks."""

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fedjax_shap._validate import require
from fedjax_shap.cli.output import require_figure, say, write, write_figure

if TYPE_CHECKING:
    from fedjax_shap.report.tables import Table
    from fedjax_shap.studies.study import Study

FORMATS = ("table", "latex", "csv", "figure")
WIDE = 160  # columns of a table that goes into a file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `study` takes."""
    parser.description = (
        "Means of a measure over the runs in the folders of DIR, by the fields in which they "
        "differ: rows and columns are fields such as partition.alpha, or `member`. Over all other "
        "fields, such as seed, means and standard deviations are taken; csv has bootstrap "
        "intervals as well, and figures show them."
    )
    parser.epilog = (
        "Measures of cells: grand, empty, federated, pooled, coalitions, trained, seconds; of "
        "members, with `member` in rows or columns: value, std_error, cost, payment, profit, "
        "examples; of two cells' values, with --reference: spearman, kendall, relative_l2, "
        "euclidean, max_difference, cosine_distance."
    )
    add = parser.add_argument
    add("study", metavar="DIR", help="whose folders are those of runs, as `sweep` writes them")
    add("--rows", default="", metavar="FIELD[,FIELD]", help="what a row is (default: one row)")
    add("--columns", default="", metavar="FIELD[,FIELD]", help="what a column is")
    add("--value", default="grand", metavar="MEASURE", help="what is averaged (default: grand)")
    add(
        "--reference",
        metavar="FIELD=VALUE",
        help="the cells with which others are compared that differ in this field alone",
    )
    add(
        "--ranks",
        metavar="FIELD",
        help="instead: mean ranks of the values of FIELD over all other fields, with the critical "
        "difference",
    )
    add("--confidence", type=float, default=0.95, help="of intervals (default: %(default)s)")
    add("--format", choices=FORMATS, default="table", help="what to write (default: %(default)s)")
    add("--out", metavar="FILE", help="where to (default: standard output)")
    parser.set_defaults(call=_study)


def _study(known: argparse.Namespace, rest: list[str]) -> None:
    if known.format == "figure":
        require(known.out is not None, "Expected --out FILE with --format figure.")
        require_figure(known.out)
    from fedjax_shap.studies.study import load_study

    study = load_study(known.study)
    if known.ranks is not None:
        _ranks(study, known)
    else:
        _summary(study, known)
    for note in study.notes:
        say(note, sys.stderr)


def _summary(study: "Study", known: argparse.Namespace) -> None:
    """Means by groups."""
    from fedjax_shap.report import study_tables
    from fedjax_shap.studies.summary import summarise

    summary = summarise(
        study,
        known.value,
        _fields(known.rows),
        _fields(known.columns),
        reference=known.reference,
        confidence=known.confidence,
    )
    if known.format == "figure":
        from fedjax_shap.report.study_figures import summary_figure

        write_figure(summary_figure(summary), known.out)
        say(study_tables.summary_title(summary), sys.stderr)
    elif known.format == "csv":
        _write("csv", study_tables.summary_exact(summary), known.out)
    elif known.format == "latex":
        _write("latex", study_tables.summary_table(summary), known.out)
    else:
        # the title is a sentence, and may be longer than the table is wide
        table = study_tables.summary_table(summary)
        if known.out is None:
            say(table.title)
        _write("table", replace(table, title=table.title * bool(known.out)), known.out)


def _ranks(study: "Study", known: argparse.Namespace) -> None:
    """Mean ranks."""
    from fedjax_shap.report import study_tables
    from fedjax_shap.studies.ranks import ranks_of

    require(
        not (known.rows or known.columns),
        "Expected --rows and --columns to be left out with --ranks.",
    )
    ranks = ranks_of(
        study,
        known.ranks,
        known.value,
        reference=known.reference,
        significance=1 - known.confidence,
    )
    if known.format == "figure":
        from fedjax_shap.report.study_figures import ranks_figure

        write_figure(ranks_figure(ranks), known.out)
    else:
        _write(known.format, study_tables.ranks_table(ranks), known.out)
    for sentence in study_tables.ranks_sentences(ranks):
        say(sentence, sys.stderr if known.format != "table" or known.out else None)


def _write(kind: str, table: "Table", path: str | None) -> None:
    """Writes a table, to a terminal as wide as that is."""
    from fedjax_shap.report import render

    if kind != "table":
        write(render.RENDERERS[kind](table).encode(), path)
    elif path is None:
        render.to_terminal(table)
    else:
        text = io.StringIO()
        render.to_terminal(table, text, least=WIDE)
        write(text.getvalue().encode(), path)


def _fields(text: str) -> Sequence[str]:
    """The fields that an option names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
