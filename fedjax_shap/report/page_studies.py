"""What a page shows of many runs: means by the fields in which they differ, and values by run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.comparison import Comparison
from fedjax_shap.report import page_tables
from fedjax_shap.report.names import distinct
from fedjax_shap.report.page_tables import PageTable
from fedjax_shap.report.saved_run import SavedRun
from fedjax_shap.report.study_tables import summary_table, summary_title
from fedjax_shap.report.tables import Column, Table, amount, number, numbers, text
from fedjax_shap.studies.study import study_of
from fedjax_shap.studies.summary import Summary, summarise

REPEATED = "seed"  # the field over whose values means are taken
WORDS = ("title", "federation", "metric")  # columns of words
MOST_MEMBERS = 16  # columns of a table with a row a run


def means(
    labels: Sequence[str], records: Sequence[Mapping[str, Any]]
) -> tuple[list[PageTable], Summary | None]:
    """Means of the metric, and of each member's value, by the fields in which runs differ.

    Args:
        labels: what the runs are called; they differ.
        records: their result.json.

    Returns:
        Tables, and what a figure of the metric shows. There are none where runs differ in nothing
        but their seeds and titles, and none of members where these are not the same in all runs.
    """
    study = study_of(dict(zip(labels, records, strict=True)))
    varied = [field for field in study.fields if field != REPEATED]
    if not varied:
        return [], None
    of_metric = ("federated", varied[:1], varied[1:2])
    of_members = ("value", ["member"], varied[:1])
    tables = []
    shown = None
    for key, (value, rows, columns) in (("means", of_metric), ("member-means", of_members)):
        try:
            summary = summarise(study, value, rows, columns)
        except InvalidInputError:
            continue  # its cells do not go together
        if key == "means":
            shown = summary
        table = replace(summary_table(summary), title=summary_title(summary))
        tables.append(page_tables.plain(page_tables.titled(table), key))
    return tables, shown


def overview(labels: Sequence[str], runs: Sequence[SavedRun]) -> PageTable:
    """A row for each run: what it measured, and what it paid; what is the same in all is a note.

    Args:
        labels: what the runs are called; they differ.
        runs: the runs, at least two.
    """
    columns = {
        "title": [own_title(run, label) for run, label in zip(runs, labels, strict=True)],
        "federation": [str(run.record["setting"]) for run in runs],
        "members": [f"{len(run.players):,}" for run in runs],
        "metric": [run.label for run in runs],
        "V(empty)": [number(float(run.attribution.empty)) for run in runs],
        "V(N)": [number(float(run.attribution.grand)) for run in runs],
        "coalitions": [f"{run.coalitions['asked']:,}" for run in runs],
        "revenue": [_revenue(run) for run in runs],
    }
    same = {name for name, cells in columns.items() if len(set(cells)) == 1} - {"V(N)"}
    heads = [text(name) if name in WORDS else Column(name) for name in columns if name not in same]
    rows = zip(labels, *(cells for name, cells in columns.items() if name not in same))
    table = page_tables.plain(Table("Runs", (text("run"), *heads), tuple(rows)), "runs")
    common = ", ".join(f"{name} {columns[name][0]}" for name in columns if name in same)
    return table._replace(note=f"In all of them: {common}." if common else "")


def own_title(run: SavedRun, label: str) -> str:
    """The title of a run without its name, which `sweep` puts behind it."""
    return run.config.title.removesuffix(f", {label}")


def _revenue(run: SavedRun) -> str:
    """What the members of a run divided; a dash where nobody was paid."""
    if run.settlement is None:
        return "–"
    return amount(run.settlement.revenue)


def values_by_run(compared: Comparison) -> list[PageTable]:
    """A row for each run with its members' values; no table where there are too many members."""
    if len(compared.members) > MOST_MEMBERS:
        return []
    columns = (text("run"), *numbers(*distinct(compared.members)))
    rows = tuple((run.label, *map(number, run.values.tolist())) for run in compared.runs)
    table = Table("Value of each member in each run", columns, rows)
    return [page_tables.plain(table, "compared")]
