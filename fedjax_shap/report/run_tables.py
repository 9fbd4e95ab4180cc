"""The tables of a run: its members, and what the run took of their devices."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fedjax_shap.report.names import chosen, cut, distinct
from fedjax_shap.report.saved_run import AnyRun, AnyValues
from fedjax_shap.report.tables import (
    Table,
    amount,
    number,
    numbers,
    small_amounts,
    text,
    time_unit,
    total,
    with_error,
)
from fedjax_shap.typing import HostArray

if TYPE_CHECKING:  # it needs JAX, which the tables of a saved run do without
    from fedjax_shap.pipeline.result import Result

Beside = Mapping[str, AnyValues]  # other values of the same members, by what they are called
_MEGABYTE = 1e6  # bytes
_FEW = 3  # members at either end of the devices' tables where there are many


def members_table(result: "Result", beside: Beside | None = None) -> Table:
    """The members, one a row: data, value, cost, payment and profit; the sums of all below.

    Args:
        result: what a run found out.
        beside: other values of the same members, a column each.

    Returns:
        The table. Where members are many, only those of the highest and the lowest values have a
        row. Without a settlement there are no columns of payments and profits. A permanent member
        has a row below the sums, in which it is not.
    """
    attributions = {"value": result.attribution, **(beside or {})}
    columns_of_money = ("cost", "payment", "profit")
    if result.settlement is None:
        columns_of_money = ("cost",)
    columns = result.columns()
    money = {name: columns[name] for name in columns_of_money}
    sizes = result.sizes
    names = distinct(result.players)
    rows = [
        (
            names[player],
            str(int(sizes[player])),
            *(
                with_error(float(one.values[player]), float(one.std_errors[player]))
                for one in attributions.values()
            ),
            *(amount(column[player], result.minor_unit) for column in money.values()),
        )
        for player in range(len(names))
    ]
    examples = str(int(sizes.sum()))
    if result.same_rows:
        examples = ""
    totals = (
        "together",
        examples,
        *(number(float(attribution.values.sum())) for attribution in attributions.values()),
        *(amount(total(column), result.minor_unit) for column in money.values()),
    )
    last = [totals, *_permanent(result, len(attributions))]
    heads = (text("member"), *numbers("examples", *attributions, *money))
    return cut(
        Table(result.config.title, heads, tuple(rows), tuple(last)),
        chosen(result.attribution.values),
    )


def _permanent(result: "Result", attributions: int) -> list[tuple[str, ...]]:
    """The row of a permanent member, which has no value; none where it is not paid."""
    if result.settlement is None or result.settlement.permanent is None:
        return []
    paid = result.settlement.permanent
    # in full: its cost is as it was said, and rounded cells would not add up
    money = (amount(one) for one in (paid.cost, paid.payment, paid.profit))
    return [(f"{paid.name} (in all coalitions)", "", *[""] * attributions, *money)]


def device_tables(result: AnyRun) -> list[Table]:
    """What the run took of each member's device, and the parts of what that cost.

    Returns:
        Two tables with a row for each member, or for those of the highest and the lowest values
        where members are many; none where the devices are not known.
    """
    if result.metered is None:
        return []
    shown = chosen(result.attribution.values, highest=_FEW, lowest=_FEW)
    names = distinct(result.players)
    return [
        cut(table, shown) for table in (_usage_table(result, names), _bill_table(result, names))
    ]


def _usage_table(result: AnyRun, names: Sequence[str]) -> Table:
    """Steps, times, joules and megabytes over the whole run."""
    assert result.metered is not None
    used = result.metered.used.totals()
    times = [used["training"], used["communication"], used["idle"]]
    # each time in a unit of its own: messages take milliseconds where training takes hours
    units = [time_unit(float(column.max())) for column in times]
    traffic = (used["uploaded"] + used["downloaded"]) / _MEGABYTE
    measured = [
        *(column / length for column, (_, length) in zip(times, units)),
        used["joules"],
        traffic,
    ]
    rows = [
        (name, str(used["steps"][member]), *(_figure(column, member) for column in measured))
        for member, name in enumerate(names)
    ]
    spent = [f"{what} {unit}" for what, (unit, _) in zip(("training", "messages", "idle"), units)]
    heads = ("steps", *spent, "energy J", "MB")
    return Table("use of the devices", (text("member"), *numbers(*heads)), tuple(rows))


def _bill_table(result: AnyRun, names: Sequence[str]) -> Table:
    """What energy, time, traffic and taking part at all cost each member."""
    assert result.metered is not None
    bill = result.metered.bill
    parts = [bill.energy, bill.time, bill.communication, bill.fixed]
    columns = [small_amounts(part, result.minor_unit) for part in parts]
    profiles = result.metered.profiles
    rows = [
        (name, profiles[member].name, *(column[member] for column in columns))
        for member, name in enumerate(names)
    ]
    heads = (text("member"), text("device"), *numbers("energy", "time", "traffic", "fixed"))
    return Table("costs of the devices, in the currency of the prices", heads, tuple(rows))


def _figure(column: HostArray, member: int) -> str:
    """A measured quantity in three digits, without an exponent where it is not small."""
    value = float(column[member])
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
