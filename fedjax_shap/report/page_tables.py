"""Tables of a page: every cell as it is shown, and in full for sorting and for CSV files."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap.economics.money import written
from fedjax_shap.report import style
from fedjax_shap.report.names import chosen, distinct, shortened
from fedjax_shap.report.saved_run import SavedRun
from fedjax_shap.report.saved_values import SavedCurves
from fedjax_shap.report.tables import Table, amount, number, total

HIGHEST = 250  # members with a row where there are more than twice as many
MOST_CELLS = 2_000  # of a table of members by rounds
DECIMALS = 4  # of a column of numbers
SMALL = 0.01  # a column whose numbers are all below has more
MOST_DECIMALS = 12
LONGEST_SETTING = 300  # characters of a field of the configuration
_EMPTY = ""


class Cell(NamedTuple):
    """A cell.

    Attributes:
        text: as it is shown.
        value: in full: the number that `text` rounds, the name that it shortens.
    """

    text: str
    value: str


class Head(NamedTuple):
    """A column's heading; `number` where its cells are numbers."""

    name: str
    number: bool = True


class PageTable(NamedTuple):
    """A table of a page.

    Attributes:
        key: its name in the page, also of the CSV file that a reader can save.
        caption: what it shows.
        heads: the columns, the first of which names the rows.
        rows: the rows, in the order in which they are first shown.
        totals: rows at the end that are not sorted.
        note: what is left out, in a sentence; "" for nothing.
    """

    key: str
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[tuple[Cell, ...], ...] = ()
    note: str = ""


def members(run: SavedRun) -> PageTable:
    """The members with their values, 95 % intervals, costs, payments and profits."""
    found = run.attribution
    names = [Cell(short, name) for short, name in zip(distinct(run.players), run.players)]
    columns = [(Head("member", number=False), names)]
    columns.append((Head("examples"), [_whole(size) for size in run.sizes.tolist()]))
    columns.append((Head("value"), _numbers(found.values)))
    reach = style.NORMAL * found.std_errors
    if (found.std_errors > 0).any():
        columns.append((Head("standard error"), _numbers(found.std_errors)))
        columns.append((Head("95 % from"), _numbers(found.values - reach)))
        columns.append((Head("95 % to"), _numbers(found.values + reach)))
    for name, other in run.beside.items():
        columns.append((Head(name), _numbers(other.values)))
    columns += _money(run)
    shown = chosen(found.values, HIGHEST, HIGHEST, 2 * HIGHEST)
    rows = tuple(tuple(cells[member] for _, cells in columns) for member in shown.members)
    note = ""
    if shown.left_out:
        note = f"{shown.left_out:,} members between are left out; values.csv has all."
    heads = tuple(head for head, _ in columns)
    totals = (_together(run, heads), *_permanent(run, heads))
    return PageTable("members", "Members", heads, rows, totals, note)


def curve(curves: SavedCurves) -> PageTable:
    """What the models reach, round by round."""
    heads = (Head("round"), Head("federated"), Head("pooled data"))
    rounds = max(len(curves.federated), len(curves.pooled))
    columns = [_padded(_numbers(one), rounds) for one in (curves.federated, curves.pooled)]
    rows = [(_whole(at + 1), *(column[at] for column in columns)) for at in range(rounds)]
    return PageTable("curve", f"{curves.label} on the test set by round", heads, tuple(rows))


def by_round(run: SavedRun) -> list[PageTable]:
    """Each member's value after each round; no table where it would have too many cells."""
    slices = run.by_round
    if slices is None or slices.values.size > MOST_CELLS:
        return []
    heads = (Head("member", number=False), *map(Head, slices.names))
    names = map(Cell, distinct(run.players), run.players)
    rows = tuple((name, *_numbers(row)) for name, row in zip(names, slices.values))
    return [PageTable("by-round", "Values after each round", heads, rows)]


def configuration(record: Mapping[str, Any]) -> PageTable:
    """The fields of the run's configuration by their dotted names."""
    rows = tuple(
        (Cell(name, name), Cell(shortened(value, LONGEST_SETTING), value))
        for name, value in _fields(record)
    )
    heads = (Head("field", number=False), Head("value", number=False))
    return PageTable("configuration", "Configuration", heads, rows)


def titled(table: Table) -> Table:
    """A table whose title begins with a capital, as a page's captions do."""
    return replace(table, title=table.title[:1].upper() + table.title[1:])


def plain(table: Table, key: str) -> PageTable:
    """A table of text, whose columns that are flush right are numbers.

    Args:
        table: what to show.
        key: its name in the page.
    """
    heads = tuple(Head(column.name, column.align == "right") for column in table.columns)

    def row(cells: Sequence[str]) -> tuple[Cell, ...]:
        return tuple(
            Cell(text, text.replace(",", "") if head.number else text)
            for text, head in zip(cells, heads, strict=True)
        )

    return PageTable(
        key,
        table.title,
        heads,
        tuple(map(row, table.rows)),
        tuple(map(row, table.totals)),
    )


def _money(run: SavedRun) -> list[tuple[Head, list[Cell]]]:
    """The columns of money: cost, and where members were paid payment, its interval and profit."""
    settled = run.settlement
    if settled is None:
        return [(Head("cost"), _amounts(run, run.costs))]
    columns = [(Head("cost"), _amounts(run, settled.costs))]
    columns.append((Head("payment"), _amounts(run, settled.payments)))
    if run.intervals is not None:
        level = f"{100 * run.intervals.level:g} %"
        for end, side in ((run.intervals.low, "from"), (run.intervals.high, "to")):
            bounds = [Decimal(str(one)) for one in end.tolist()]
            columns.append((Head(f"payment, {level} {side}"), _amounts(run, bounds)))
    columns.append((Head("profit"), _amounts(run, settled.profits)))
    return columns


def _together(run: SavedRun, heads: Sequence[Head]) -> tuple[Cell, ...]:
    """The sums of values and amounts."""
    values = run.attribution.values
    sums = {"value": Cell(number(float(values.sum()), _decimals(values)), "")}
    settled = run.settlement
    columns: dict[str, Iterable[Decimal]] = {"cost": run.costs}
    if settled is not None:
        columns = {"cost": settled.costs, "payment": settled.payments, "profit": settled.profits}
    for name, column in columns.items():
        sums[name] = Cell(_amount(run, total(column)), "")
    return _named_row("together", sums, heads)


def _permanent(run: SavedRun, heads: Sequence[Head]) -> list[tuple[Cell, ...]]:
    """The row of a permanent member, which has no value; none where it is not paid."""
    if run.settlement is None or run.settlement.permanent is None:
        return []
    paid = run.settlement.permanent
    known = {name: getattr(paid, name) for name in ("cost", "payment", "profit")}
    cells = {name: Cell(_amount(run, one), "") for name, one in known.items()}
    return [_named_row(f"{shortened(paid.name)} (in all coalitions)", cells, heads)]


def _named_row(name: str, cells: Mapping[str, Cell], heads: Sequence[Head]) -> tuple[Cell, ...]:
    """A row whose cells are given by the names of their columns."""
    _, *others = heads
    empty = Cell(_EMPTY, _EMPTY)
    return (Cell(name, name), *(cells.get(head.name, empty) for head in others))


def _numbers(column: Any) -> list[Cell]:
    """Numbers to as many decimals as the largest needs; nothing for what is not known."""
    decimals = _decimals(column)
    cells = []
    for value in np.asarray(column, float).tolist():
        known = bool(np.isfinite(value))
        cells.append(Cell(number(value, decimals), repr(value)) if known else Cell("–", _EMPTY))
    return cells


def _decimals(column: Any) -> int:
    """Four decimals, or those that show three digits of the largest number of a column."""
    sizes = np.abs(np.asarray(column, float))
    largest = float(sizes.max(initial=0.0, where=np.isfinite(sizes)))
    if not 0 < largest < SMALL:
        return DECIMALS
    return min(2 - math.floor(math.log10(largest)), MOST_DECIMALS)


def _padded(cells: list[Cell], length: int) -> list[Cell]:
    """A column of at least so many cells."""
    return cells + [Cell(_EMPTY, _EMPTY)] * (length - len(cells))


def _amounts(run: SavedRun, column: Iterable[Decimal]) -> list[Cell]:
    """Amounts of money, to the decimals of the minor unit."""
    return [Cell(_amount(run, one), written(one)) for one in column]


def _amount(run: SavedRun, value: Decimal) -> str:
    """An amount with at least the decimals of the minor unit, as all others of the page."""
    cent = Decimal(1).scaleb(min(_exponent(run.minor_unit), 0))
    if _exponent(value) > _exponent(cent):
        value = value.quantize(cent)
    return amount(value, run.minor_unit)


def _exponent(value: Decimal) -> int:
    """The power of ten of a number's last digit."""
    return int(value.as_tuple().exponent)


def _whole(count: int) -> Cell:
    """A whole number."""
    return Cell(f"{count:,}", str(count))


def _fields(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """The fields of nested mappings and lists of mappings, by their dotted names."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _fields(one, f"{name}.{key}".removeprefix("."))
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        for place, one in enumerate(value):
            yield from _fields(one, f"{name}.{place}")
    elif value != []:
        yield name, _shown(value)


def _shown(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return str(value)
