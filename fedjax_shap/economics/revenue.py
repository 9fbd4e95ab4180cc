"""Revenue: what a model of a given metric earns, and settlements under other prices."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.economics import money
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement

__all__ = [
    "RevenueCurve",
    "Scenario",
    "curve",
    "fixed",
    "proportional",
    "what_if",
]


@dataclass(frozen=True)
class RevenueCurve:
    """Revenue by the model's metric, linear between points.

    Below the first point the revenue is that of the first, above the last that of the last: nothing
    is promised for a model that the points do not cover. One point is a revenue whatever the
    metric.

    Attributes:
        metrics: the points' metrics, ascending, exact.
        revenues: money at the points, >= 0, exact.
    """

    metrics: tuple[Fraction, ...]
    revenues: tuple[Fraction, ...]

    def __call__(self, metric: Any) -> Fraction:
        """The revenue of a model, exactly.

        Args:
            metric: a finite number, such as an accuracy or the utility of a coalition.

        Raises:
            InvalidInputError: it is not.
        """
        # Find the points on either side; beyond the end points the revenue is theirs.
        value = money.exact("metric", metric)
        above = bisect_right(self.metrics, value)
        if above == 0:
            return self.revenues[0]
        if above == len(self.metrics):
            return self.revenues[-1]
        low, high = self.metrics[above - 1 : above + 1]
        least, most = self.revenues[above - 1 : above + 1]
        return least + (most - least) * (value - low) / (high - low)

    def amount(self, metric: Any, minor_unit: Any = "0.01") -> Decimal:
        """The revenue in whole minor units, rounded down: no more is divided than came in."""
        unit = money.amount("minor_unit", minor_unit)
        require(unit > 0, f"Expected minor_unit={minor_unit!r} to be > 0.")
        return money.EXACT.multiply(unit, math.floor(self(metric) / Fraction(unit)))

    def of(self, utilities: Iterable[Any]) -> tuple[Fraction, ...]:
        """R(S) for each V(S) of M coalitions, exactly."""
        return tuple(map(self, utilities))


def curve(points: Sequence[tuple[Any, Any]]) -> RevenueCurve:
    """Revenue by metric, piecewise linear through points, the end points' beyond them.

    Args:
        points: (metric, revenue) pairs, at least one, metrics ascending, each revenue an amount >=
            0; see `money.amount`. A metric that is a float stands for its binary value, as a
            measured one does.

    Returns:
        The curve; it computes exactly.

    Raises:
        InvalidInputError: no points, a point that is not such a pair, or metrics that do not
            ascend.
    """
    listed = isinstance(points, Sequence) and not isinstance(points, str) and len(points) > 0
    require(
        listed, f"Expected points={points!r} to be a list of (metric, revenue) pairs, at least one."
    )
    for i, point in enumerate(points):
        pair = isinstance(point, Sequence) and not isinstance(point, str) and len(point) == 2
        require(pair, f"Expected points[{i}]={point!r} to be a pair (metric, revenue).")
    # Read the points exactly, and see that they ascend.
    metrics = tuple(money.exact(f"points[{i}][0]", metric) for i, (metric, _) in enumerate(points))
    revenues = tuple(
        Fraction(money.amount(f"points[{i}][1]", revenue)) for i, (_, revenue) in enumerate(points)
    )
    for i in range(1, len(metrics)):
        ascending = metrics[i - 1] < metrics[i]
        require(
            ascending,
            f"Expected points[{i}][0]={points[i][0]} to be > the metric before it, "
            f"{points[i - 1][0]}.",
        )
    return RevenueCurve(metrics, revenues)


def fixed(revenue: Any) -> RevenueCurve:
    """A revenue, an amount, whatever the metric."""
    return curve(((0, revenue),))


def proportional(
    revenue: Any, *, nobody: float, everybody: float, most: float | None = None
) -> RevenueCurve:
    """Revenue in proportion to what a coalition adds to the metric of the empty one.

    Args:
        revenue: an amount, earned with everybody's metric.
        nobody: V(empty), the metric of the model without training.
        everybody: V(N), the metric of the model of all, > nobody.
        most: the highest metric to which the line is drawn out, where some coalition does better
            than everybody.

    Returns:
        The curve R(S) = R (V(S) - V(empty)) / (V(N) - V(empty)), exact, not below 0, and level
        above `most`.

    Raises:
        InvalidInputError: everybody's metric is no better than that of the empty coalition.
    """
    low = money.exact("nobody", nobody)
    high = money.exact("everybody", everybody)
    require(low < high, f"Expected everybody={everybody:g} to be > nobody={nobody:g}.")
    earned = Fraction(money.amount("revenue", revenue))
    top = high
    if most is not None:
        top = max(high, money.exact("most", most))
    return RevenueCurve((low, top), (Fraction(0), earned * (top - low) / (high - low)))


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A settlement under other prices.

    Attributes:
        name: what is other, such as "revenue 1200" or "energy x 1.5".
        settlement: what would then be paid, to the minor unit.
    """

    name: str
    settlement: Settlement

    def to_row(self) -> dict[str, str]:
        """A line of a table: the scenario, the revenue, each player's payment, as decimal texts."""
        row = {"scenario": self.name, "revenue": money.written(self.settlement.revenue)}
        for player, payment in zip(self.settlement.players, self.settlement.payments):
            row[f"payment of {player}"] = money.written(payment)
        return row


class _Change(NamedTuple):
    """The name of a scenario, and its costs and revenue."""

    name: str
    costs: tuple[Any, ...]
    revenue: Any


def what_if(
    values: Any,
    costs: Any,
    revenue: Any,
    *,
    revenues: Sequence[Any] = (),
    metrics: Sequence[Any] = (),
    earned: RevenueCurve | None = None,
    energy: Sequence[Any] = (),
    bill: Bill | None = None,
    scaled: Sequence[Any] = (),
    member_costs: Mapping[str, Sequence[Any]] | None = None,
    **keywords: Any,
) -> tuple[Scenario, ...]:
    """Settles under other revenues, metrics, prices of energy or costs, one at a time, exactly.

    Args:
        values: phi[P], as `settle` takes them.
        costs: c[P] >= 0, in money; with `bill`, None stands for its total.
        revenue: R >= 0, in money.
        revenues: other amounts of R.
        metrics: other metrics of the model, whose revenues `earned` gives in whole minor units.
        earned: revenue by metric.
        energy: factors >= 0 on the price of energy in `bill`.
        bill: the parts of the costs, which must sum to `costs`; for `energy`.
        scaled: factors >= 0 on all costs.
        member_costs: other amounts of c_i by player's name.
        keywords: of `settle`: `rule`, `players`, `sizes`, `std_errors`, `minor_unit`.

    Returns:
        A scenario each, in the order of these arguments; the settlement as it is comes first.

    Raises:
        InvalidInputError: an unknown name, no bill, no `earned`, or what `settle` refuses.
    """
    costs = _claimed(costs, bill)
    first = settle(values, costs, revenue, **keywords)
    read = money.amounts("costs", costs, first.players)
    changes = _by_revenue(read, revenues, metrics, earned, first.minor_unit)
    changes += [_Change(f"energy x {by}", _energy(bill, read, by), revenue) for by in energy]
    changes += [_Change(f"costs x {by}", _times(read, "scaled", by), revenue) for by in scaled]
    changes += _by_member(read, revenue, member_costs or {}, first.players)
    others = [settle(values, each.costs, each.revenue, **keywords) for each in changes]
    named = zip(("as it is", *(each.name for each in changes)), (first, *others))
    return tuple(Scenario(name=name, settlement=each) for name, each in named)


def _claimed(costs: Any, bill: Bill | None) -> Any:
    """The costs, those of the bill where they are not given."""
    if costs is None and bill is not None:
        return bill.total
    return costs


def _by_revenue(
    costs: tuple[Decimal, ...],
    revenues: Sequence[Any],
    metrics: Sequence[Any],
    earned: RevenueCurve | None,
    unit: Decimal,
) -> list[_Change]:
    """Other revenues, and those of other metrics."""
    changes = [_Change(f"revenue {revenue}", costs, revenue) for revenue in revenues]
    for metric in metrics:
        if earned is None:
            raise InvalidInputError("Expected earned, revenue by metric, to be given for metrics.")
        changes.append(_Change(f"metric {metric}", costs, earned.amount(metric, unit)))
    return changes


def _by_member(
    costs: tuple[Decimal, ...],
    revenue: Any,
    member_costs: Mapping[str, Sequence[Any]],
    players: tuple[str, ...],
) -> list[_Change]:
    """Other costs of single members."""
    changes = []
    for member, amounts in member_costs.items():
        one_of("member_costs", member, players, "a player")
        at = players.index(member)
        for other in amounts:
            changed = (*costs[:at], other, *costs[at + 1 :])
            changes.append(_Change(f"cost of {member} {other}", changed, revenue))
    return changes


def _energy(bill: Bill | None, costs: tuple[Decimal, ...], factor: Any) -> tuple[Decimal, ...]:
    """The costs at another price of energy."""
    if bill is None or bill.total != costs:
        raise InvalidInputError("Expected a bill whose parts sum to costs, for energy.")
    dearer = _times(bill.energy, "energy", factor)
    return tuple(
        money.EXACT.add(money.EXACT.subtract(cost, old), new)
        for cost, old, new in zip(costs, bill.energy, dearer)
    )


def _times(amounts: tuple[Decimal, ...], name: str, factor: Any) -> tuple[Decimal, ...]:
    """Amounts times a factor >= 0, exactly."""
    read = money.amount(name, factor)
    return tuple(money.EXACT.multiply(amount, read) for amount in amounts)
