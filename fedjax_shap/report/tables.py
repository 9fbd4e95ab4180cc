"""Settlements and findings as CSV and as tables to look at."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fedjax_shap.audits.evidence import Finding
from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.money import written
from fedjax_shap.economics.settlement import Settlement

_HOLDS = {True: "yes", False: "no", None: "not judged"}


def as_json(settled: Settlement, intervals: Intervals | None = None) -> dict[str, Any]:
    """A settlement as `Settlement.to_json` has it; with intervals, these under one key more."""
    record = settled.to_json()
    if intervals is not None:
        record["intervals"] = intervals.to_json()
    return record


def as_csv(settled: Settlement, intervals: Intervals | None = None) -> str:
    """A settlement as CSV, a row for each player: player, value, share, cost, payment, profit.

    Where they are known, `std_error` is that of the payment, `low` and `high` its interval. The
    rule and the notes do not fit into a table.
    """
    columns: dict[str, Iterable[Any]] = {
        "player": settled.players,
        "value": settled.values,
        "share": settled.shares,
        "cost": map(written, settled.costs),
        "payment": map(written, settled.payments),
        "profit": map(written, settled.profits),
    }
    if settled.std_errors is not None:
        columns["std_error"] = settled.std_errors
    if intervals is not None:
        columns |= {"low": map(float, intervals.low), "high": map(float, intervals.high)}
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(
        [tuple(columns), *zip(*columns.values(), strict=True)]
    )
    return text.getvalue()


def as_table(settled: Settlement, intervals: Intervals | None = None) -> Table:
    """A settlement to look at: a row for each player, and their sums."""
    kept = (
        settled.policy
        if settled.policy == "values not used"
        else f"negative values: {settled.policy}"
    )
    title = f"{settled.revenue:,f} by the rule '{settled.rule.replace('_', ' ')}' ({kept})"
    between = () if intervals is None else (f"{100 * intervals.level:g} % interval",)
    shown = _empty(title, ("player", "value", "cost", "payment", *between, "profit"))
    places = max(0, -int(settled.minor_unit.as_tuple().exponent))
    for i, name in enumerate(settled.players):
        ends = (
            ()
            if intervals is None
            else (f"{intervals.low[i]:,.{places}f} to {intervals.high[i]:,.{places}f}",)
        )
        money = [f"{column[i]:,f}" for column in (settled.costs, settled.payments, settled.profits)]
        shown.add_row(escape(name), f"{settled.values[i]:.6g}", *money[:2], *ends, money[2])
    shown.add_section()
    sums = [
        f"{sum(column, Decimal(0)):,f}"
        for column in (settled.costs, settled.payments, settled.profits)
    ]
    shown.add_row(
        "together", f"{sum(settled.values):.6g}", *sums[:2], *("" for _ in between), sums[2]
    )
    return _unbroken(shown)


def findings_table(findings: Sequence[Finding], title: str) -> Table:
    """Audits to look at: what was asked, whether it holds, and the sentence that says why."""
    shown = _empty(title, ("audit", "holds", "finding"), left=("audit", "holds", "finding"))
    for found in findings:
        shown.add_row(
            escape(found.name.replace("_", " ")), _HOLDS[found.holds], escape(found.sentence)
        )
    return _unbroken(shown)


def _unbroken(shown: Table) -> Table:
    """The table with columns that are never narrower than what is in them: half an amount is a
    wrong one.
    """
    for column in shown.columns:
        if column.no_wrap:
            column.min_width = max(
                Text.from_markup(str(cell)).cell_len for cell in (column.header, *column.cells)
            )
    return shown


def _empty(title: str, columns: Sequence[str], left: Sequence[str] = ("player",)) -> Table:
    """A table without rows."""
    shown = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for column in columns:
        shown.add_column(
            column, justify="left" if column in left else "right", no_wrap=column != "finding"
        )
    return shown
