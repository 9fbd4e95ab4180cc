"""Settlements as tables, and as records."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from fedjax_shap.economics.intervals import Intervals
from fedjax_shap.economics.money import written
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.report.tables import Column, Table, amount, numbers, text, total


def as_json(settled: Settlement, intervals: Intervals | None = None) -> dict[str, Any]:
    """A settlement as `Settlement.to_json` has it, with its intervals, if any, as one more key."""
    record = settled.to_json()
    if intervals is not None:
        record["intervals"] = intervals.to_json()
    return record


def exact(settled: Settlement, intervals: Intervals | None = None) -> Table:
    """A settlement with every number in full, for a spreadsheet.

    Args:
        settled: who is paid what.
        intervals: of the payments, as the columns `low` and `high`; left out if None.

    Returns:
        A row for each player: player, value, share, cost, payment and profit. `std_error` is that
        of the payment, and left out where it is not known. A permanent member has the last row,
        without a value and a share. A table has no place for the rule and the notes.
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
        columns["low"] = map(float, intervals.low)
        columns["high"] = map(float, intervals.high)
    player, *others = columns
    rows = [tuple(map(str, row)) for row in zip(*columns.values(), strict=True)]
    paid = settled.permanent
    if paid is not None:
        known = {"player": paid.name, "cost": paid.cost, "payment": paid.payment}
        known["profit"] = paid.profit
        rows.append(tuple(str(known.get(name, "")) for name in columns))
    return Table("", (text(player), *numbers(*others)), tuple(rows))


def settlement_table(settled: Settlement, intervals: Intervals | None = None) -> Table:
    """A settlement to look at: a row for each player, and their sums.

    Args:
        settled: who is paid what.
        intervals: of the payments, as a column; left out if None.
    """
    level = []
    if intervals is not None:
        level.append(Column(f"{100 * intervals.level:g} % interval"))
    rows = [
        _row(name, settled.values[player], [column[player] for column in _money(settled)], cells)
        for player, (name, cells) in enumerate(
            zip(settled.players, _interval_cells(settled, intervals), strict=True)
        )
    ]
    sums = [total(column) for column in _money(settled)]
    last = [_row("together", sum(settled.values), sums, [""] * len(level))]
    paid = settled.permanent
    if paid is not None:
        amounts = (paid.cost, paid.payment, paid.profit)
        name, _, *cells = _row(f"{paid.name} (in all coalitions)", 0, amounts, [""] * len(level))
        last.append((name, "", *cells))
    return Table(
        _title(settled),
        (text("member"), *numbers("value", "cost", "payment"), *level, Column("profit")),
        tuple(rows),
        tuple(last),
    )


def _title(settled: Settlement) -> str:
    """What is divided, by which rule, and what becomes of negative values."""
    rule = settled.rule.replace("_", " ")
    policy = settled.policy
    if policy != "values not used":
        policy = f"negative values: {policy}"
    return f"{amount(settled.revenue)} by the rule '{rule}' ({policy})"


def _money(settled: Settlement) -> tuple[tuple[Decimal, ...], ...]:
    """Costs, payments and profits."""
    return settled.costs, settled.payments, settled.profits


def _row(
    name: str, value: float, money: Sequence[Decimal], interval: Sequence[str]
) -> tuple[str, ...]:
    """The cells of a row; where there are intervals, they stand beside the payment."""
    cost, payment, profit = map(amount, money)
    return (name, f"{value:.6g}", cost, payment, *interval, profit)


def _interval_cells(settled: Settlement, intervals: Intervals | None) -> list[list[str]]:
    """For each player one cell with the interval of its payment; no cell without intervals."""
    if intervals is None:
        return [[] for _ in settled.players]
    decimals = max(0, -int(settled.minor_unit.as_tuple().exponent))
    ends = zip(intervals.low, intervals.high, strict=True)
    return [[f"{low:,.{decimals}f} to {high:,.{decimals}f}"] for low, high in ends]
