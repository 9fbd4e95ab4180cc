"""The table of who judges whom: what each member's data are worth to each judge."""

import numpy as np

from fedjax_shap.report.names import chosen, cut, distinct
from fedjax_shap.report.saved_run import AnyRun
from fedjax_shap.report.tables import Table, number, numbers, text

MOST_JUDGES = 6  # columns of judges; of more, those with the most test rows


def judges_tables(result: AnyRun) -> list[Table]:
    """What the data of each member (a row) are worth to each judge (a column).

    Args:
        result: what a run found out.

    Returns:
        One table, or none without judges. Its last row is the part of the test rows that each judge
        has, by which the judges' values are averaged. Of many judges it has those with the most
        test rows, of many members those of the highest and the lowest values.
    """
    judged = result.judged
    if judged is None:
        return []
    order = np.argsort(-judged.weights, kind="stable")[:MOST_JUDGES]
    shown = np.sort(order)
    names = distinct(result.players)
    heads = [name for place, name in enumerate(distinct(judged.names)) if place in shown]
    rows = [
        (
            names[member],
            *(number(float(judged.values[member, judge])) for judge in shown),
            number(float(result.attribution.values[member])),
        )
        for member in range(len(names))
    ]
    parts = ("part of the test rows", *(f"{judged.weights[judge]:.1%}" for judge in shown), "100%")
    title = "value to each judge"
    if len(shown) < len(judged.names):
        title += f" (the {len(shown)} with the most test rows, of {len(judged.names):,})"
    columns = (text("member"), *numbers(*heads, "all"))
    table = Table(title, columns, tuple(rows), (parts,))
    return [cut(table, chosen(result.attribution.values))]
