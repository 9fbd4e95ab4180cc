"""Runs side by side as tables: what each says the members are worth and are paid."""

import math
from collections.abc import Sequence

import numpy as np

from fedjax_shap.economics.money import written
from fedjax_shap.pipeline.comparison import ComparedRun, Comparison, ranks
from fedjax_shap.report.names import chosen, cut, distinct, shortened
from fedjax_shap.report.tables import Column, Table, amount, numbers, text, total, with_error

LONGEST = 24  # characters of a run's name in a heading
MEASURES = {  # of shapley.agreement -> a heading
    "spearman": "Spearman",
    "kendall": "Kendall",
    "relative_l2": "relative L2",
    "max_difference": "largest difference",
}
RANKED = ("spearman", "kendall")  # those that compare ranks alone


def compared_table(compared: Comparison) -> Table:
    """Values, ranks and payments of all runs, a row for each member, and their sums.

    Args:
        compared: the runs.

    Returns:
        The table; where members are many, with those of the highest and the lowest values in the
        first run.
    """
    names = distinct(compared.members)
    paid = [run for run in compared.runs if run.payments is not None]
    columns: list[Column] = [text("member")]
    cells: list[Sequence[str]] = [names]
    totals = ["together"]
    for run in compared.runs:
        columns += numbers(f"value, {shortened(run.label, LONGEST)}", "rank")
        cells += [_values(run), [str(rank) for rank in ranks(run.values)]]
        totals += [f"{run.values.sum():.4f}", ""]
    for run in paid:
        columns += numbers(f"payment, {shortened(run.label, LONGEST)}")
        cells.append([amount(one) for one in run.payments or ()])
        totals.append(amount(total(run.payments or ())))
    title = " and ".join(run.label for run in compared.runs)
    table = Table(title, tuple(columns), tuple(zip(*cells, strict=True)), (tuple(totals),))
    return cut(table, chosen(compared.runs[0].values), "({:,} more)")


def compared_exact(compared: Comparison) -> Table:
    """The same with every number in full, for a spreadsheet: all members, without the sums."""
    columns: list[Column] = [text("member")]
    cells: list[Sequence[str]] = [compared.members]
    for run in compared.runs:
        columns += numbers(*(f"{what} {run.label}" for what in ("value", "std_error", "rank")))
        cells.append([repr(float(value)) for value in run.values])
        cells.append(["" if math.isnan(error) else repr(float(error)) for error in run.std_errors])
        cells.append([str(rank) for rank in ranks(run.values)])
        if run.payments is not None:
            columns += numbers(f"payment {run.label}")
            cells.append([written(one) for one in run.payments])
    return Table("", tuple(columns), tuple(zip(*cells, strict=True)))


def agreement_table(compared: Comparison) -> Table:
    """How far the values of the other runs are from those of the first.

    Distances between values in different units mean nothing and are left out.
    """
    first, *others = compared.runs
    rows = []
    for run, measured in zip(others, compared.agreements, strict=True):
        cells = ["-"] * len(MEASURES)
        if measured is not None:
            shown = MEASURES
            if len({run.metric, first.metric} - {""}) > 1:
                shown = RANKED
            cells = [f"{measured[one]:.4f}" if one in shown else "-" for one in MEASURES]
        rows.append((run.label, *cells))
    title = f"agreement with {first.label}"
    return Table(title, (text("run"), *numbers(*MEASURES.values())), tuple(rows))


def _values(run: ComparedRun) -> list[str]:
    """The values of a run, with their standard errors where they have some above zero."""
    errors = np.nan_to_num(run.std_errors)
    return [with_error(float(value), float(error)) for value, error in zip(run.values, errors)]
