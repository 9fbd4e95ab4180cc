"""Studies as tables: every cell and member, means by groups, and mean ranks."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fedjax_shap._validate import how_many
from fedjax_shap.economics.money import written
from fedjax_shap.report.render import no_formula
from fedjax_shap.report.tables import Table, number, numbers, text
from fedjax_shap.studies.measures import MEASURES
from fedjax_shap.studies.ranks import Ranks
from fedjax_shap.studies.study import Study
from fedjax_shap.studies.summary import Spread, Summary

LABELS = {  # of measures, as headings and axes show them
    "grand": "V(N)",
    "empty": "V(empty)",
    "federated": "federated model",
    "pooled": "pooled model",
    "coalitions": "coalitions asked for",
    "trained": "coalitions valued",
    "seconds": "seconds",
    "examples": "examples",
    "value": "value",
    "std_error": "standard error",
    "cost": "cost",
    "payment": "payment",
    "profit": "profit",
    "spearman": "Spearman",
    "kendall": "Kendall",
    "relative_l2": "relative L2 distance",
    "euclidean": "Euclidean distance",
    "max_difference": "largest difference",
    "cosine_distance": "cosine distance",
}
assert set(LABELS) == set(MEASURES), "every measure has a label"


def study_table(study: Study) -> Table:
    """A cell and member a row, every number in full, for a file: `study.csv`.

    A text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    columns = study.columns()
    cells = [[_exact(entry) for entry in column] for column in columns.values()]
    return Table("", numbers(*columns), tuple(zip(*cells, strict=True)))


def summary_table(summary: Summary) -> Table:
    """A row for each group of rows, a column for each of columns; "mean ± deviation (n)", or the
    mean alone where there is one cell.
    """
    headings = [
        _key(key, summary.column_fields) or LABELS[summary.value] for key in summary.columns
    ]
    rows = []
    for place, key in enumerate(summary.rows):
        found = [summary.spreads.get((place, at)) for at in range(len(summary.columns))]
        rows.append((*_row_names(key), *map(_spread, found)))
    names = summary.row_fields or ("",)
    return Table(summary_title(summary), (*map(text, names), *numbers(*headings)), tuple(rows))


def summary_exact(summary: Summary) -> Table:
    """The same with every number in full, a group a row."""
    fields = (*summary.row_fields, *summary.column_fields)
    rows = [
        (
            *map(_exact, (*summary.rows[row], *summary.columns[column])),
            *map(_exact, found),
        )
        for (row, column), found in sorted(summary.spreads.items())
    ]
    return Table("", (*map(text, fields), *numbers(*Spread._fields)), tuple(rows))


def summary_title(summary: Summary) -> str:
    """What a table of means is of: the measure, and over what means are taken."""
    over = ", ".join(
        f"{how_many(count, 'value')} of {name}"
        for name, count in summary.pooled.items()
        if count > 1
    )
    title = LABELS[summary.value]
    if over:
        title += f", mean ± standard deviation over {over}"
    counts = sorted({found.size for found in summary.spreads.values()})
    if counts != [1]:
        said = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        title += f" ({said} a group)"
    return title


def ranks_table(ranks: Ranks) -> Table:
    """Methods by mean rank."""
    rows = tuple(
        (_shown(method), number(rank, 2), number(mean))
        for method, rank, mean in zip(ranks.methods, ranks.mean_ranks, ranks.means, strict=True)
    )
    columns = (text(ranks.field), *numbers("mean rank", f"mean {LABELS[ranks.value]}"))
    return Table(f"ranks by {LABELS[ranks.value]}", columns, rows)


def ranks_sentences(ranks: Ranks) -> list[str]:
    """What the tests say, in sentences."""
    best = "smallest" if ranks.smaller else "largest"
    said = [
        f"Ranked over {how_many(ranks.blocks, 'combination')} of the other fields, the {best} "
        f"first; mean ranks that are {ranks.critical_difference:.2f} or more apart differ at "
        f"{ranks.significance:.0%} (Nemenyi)."
    ]
    if math.isfinite(ranks.p_value):
        said.append(f"Friedman's test that all rank alike: p = {ranks.p_value:.2g}.")
    said += [
        f"Not told apart: {', '.join(map(_shown, ranks.methods[first : last + 1]))}."
        for first, last in ranks.groups()
    ]
    if ranks.left_out:
        count = how_many(ranks.left_out, "combination")
        said.append(f"Left out: {count} in which some {ranks.field} is missing.")
    return said


def label(key: Sequence[Any], fields: Sequence[str]) -> str:
    """What a group is called in a figure; "" for the group of all."""
    return _key(key, fields)


def _key(key: Sequence[Any], fields: Sequence[str]) -> str:
    """The values of a group's fields; numbers say which field they are of."""
    parts = []
    for value, field in zip(key, fields, strict=True):
        shown = _shown(value)
        if not isinstance(value, str):
            shown = f"{field.rpartition('.')[2]} {shown}"
        parts.append(shown)
    return ", ".join(parts)


def _row_names(key: Sequence[Any]) -> tuple[str, ...]:
    """The first cells of a row."""
    return tuple(map(_shown, key)) or ("all",)


def _shown(value: Any) -> str:
    """A setting as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _spread(found: Spread | None) -> str:
    """The cell of a group."""
    if found is None:
        return ""
    if found.size == 1:
        return number(found.mean)
    return f"{number(found.mean)} ± {number(found.deviation)}"


def _exact(entry: Any) -> str:
    """A cell in full precision; "" for what is not known."""
    if entry is None or (isinstance(entry, float) and math.isnan(entry)):
        return ""
    if isinstance(entry, Decimal):
        return written(entry)
    if isinstance(entry, str):
        return no_formula(entry)
    if isinstance(entry, bool):
        return str(entry).lower()
    return repr(entry)
