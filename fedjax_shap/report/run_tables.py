"""The tables of a run: its members, and what the run took of their devices."""

from collections.abc import Mapping

from fedjax_shap.pipeline.result import Result
from fedjax_shap.report.tables import Table, amount, numbers, text, total
from fedjax_shap.shapley.estimator import Attribution

Beside = Mapping[str, Attribution]  # other values of the same members, by what they are called
_MEGABYTE = 1e6  # bytes


def members_table(result: Result, beside: Beside | None = None) -> Table:
    """The members, one a row: data, value, cost, payment and profit; their sums below.

    Args:
        result: what a run found out.
        beside: other values of the same members, a column each.
    """
    attributions = {"value": result.attribution, **(beside or {})}
    settled = result.settlement
    money = [settled.costs, settled.payments, settled.profits]
    sizes = result.sizes
    rows = [
        (
            name,
            str(int(sizes[player])),
            *(_with_error(attribution, player) for attribution in attributions.values()),
            *(amount(column[player], settled.minor_unit) for column in money),
        )
        for player, name in enumerate(settled.players)
    ]
    totals = (
        "together",
        str(int(sizes.sum())),
        *(f"{attribution.values.sum():.4f}" for attribution in attributions.values()),
        *(amount(total(column), settled.minor_unit) for column in money),
    )
    columns = (text("member"), *numbers("examples", *attributions, "cost", "payment", "profit"))
    return Table(result.config.title, columns, tuple(rows), (totals,))


def device_tables(result: Result) -> list[Table]:
    """What the run took of each member's device, and the parts of what that cost.

    Returns:
        Two tables with a row for each member; none where the devices are not known.
    """
    if result.metered is None:
        return []
    return [_usage_table(result), _bill_table(result)]


def _usage_table(result: Result) -> Table:
    """Steps, seconds, joules and megabytes over the whole run."""
    assert result.metered is not None
    used = result.metered.used.totals()
    traffic = (used["uploaded"] + used["downloaded"]) / _MEGABYTE
    measured = [used["training"], used["communication"], used["idle"], used["joules"], traffic]
    rows = [
        (name, str(used["steps"][member]), *(f"{column[member]:.3g}" for column in measured))
        for member, name in enumerate(result.players)
    ]
    units = numbers("steps", "training s", "messages s", "idle s", "energy J", "MB")
    return Table("use of the devices", (text("member"), *units), tuple(rows))


def _bill_table(result: Result) -> Table:
    """What energy, time, traffic and taking part at all cost each member."""
    assert result.metered is not None
    bill = result.metered.bill
    parts = [bill.energy, bill.time, bill.communication, bill.fixed]
    profiles = result.metered.profiles
    rows = [
        (name, profile.name, *(amount(part[member]) for part in parts))
        for member, (name, profile) in enumerate(zip(result.players, profiles))
    ]
    columns = (text("member"), text("device"), *numbers("energy", "time", "traffic", "fixed"))
    return Table("costs of the devices", columns, tuple(rows))


def _with_error(attribution: Attribution, player: int) -> str:
    """A value, with its standard error where it has one above zero."""
    value = f"{attribution.values[player]:.4f}"
    error = attribution.std_errors[player]
    if error > 0:
        return f"{value} ± {error:.4f}"
    return value
