"""What a page shows of many runs: means by the fields in which they differ, and values by run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.comparison import Comparison
from fedjax_shap.report import page_tables
from fedjax_shap.report.names import distinct
from fedjax_shap.report.page_tables import PageTable
from fedjax_shap.report.study_tables import summary_table, summary_title
from fedjax_shap.report.tables import Table, number, numbers, text
from fedjax_shap.studies.study import study_of
from fedjax_shap.studies.summary import summarise

REPEATED = "seed"  # the field over whose values means are taken
MOST_MEMBERS = 16  # columns of a table with a row a run


def means(labels: Sequence[str], records: Sequence[Mapping[str, Any]]) -> list[PageTable]:
    """Means of the metric, and of each member's value, by the fields in which runs differ.

    Args:
        labels: what the runs are called; they differ.
        records: their result.json.

    Returns:
        No tables where runs differ in nothing but their seeds and titles, or where members are not
        the same in all of them.
    """
    study = study_of(dict(zip(labels, records, strict=True)))
    varied = [field for field in study.fields if field != REPEATED]
    if not varied:
        return []
    of_metric = ("federated", varied[:1], varied[1:2])
    of_members = ("value", ["member"], varied[:1])
    tables = []
    for key, (value, rows, columns) in (("means", of_metric), ("member-means", of_members)):
        try:
            summary = summarise(study, value, rows, columns)
        except InvalidInputError:
            continue  # its cells do not go together
        table = replace(summary_table(summary), title=summary_title(summary))
        tables.append(page_tables.plain(table, key))
    return tables


def values_by_run(compared: Comparison) -> list[PageTable]:
    """A row for each run with its members' values; no table where there are too many members."""
    if len(compared.members) > MOST_MEMBERS:
        return []
    columns = (text("run"), *numbers(*distinct(compared.members)))
    rows = tuple((run.label, *map(number, run.values.tolist())) for run in compared.runs)
    table = Table("Value of each member in each run", columns, rows)
    return [page_tables.plain(table, "compared")]
