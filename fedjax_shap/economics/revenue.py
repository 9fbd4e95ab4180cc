"""Revenue: what a model of a given metric earns, and settlements re-priced without training (Spec
5.1, 5.8).
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fedjax_shap._validate import one_of, require
from fedjax_shap.economics import money
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement


@dataclass(frozen=True)
class Curve:
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
        value = money.exact("metric", metric)
        above = bisect_right(self.metrics, value)
        if above in (0, len(self.metrics)):
            return self.revenues[0 if above == 0 else -1]
        (low, high), (least, most) = (
            self.metrics[above - 1 : above + 1],
            self.revenues[above - 1 : above + 1],
        )
        return least + (most - least) * (value - low) / (high - low)

    def amount(self, metric: Any, minor_unit: Any = "0.01") -> Decimal:
        """The revenue in whole minor units, rounded down so that no more is divided than came in;
        see `settle`.
        """
        unit = money.amount("minor_unit", minor_unit)
        require(unit > 0, f"Expected minor_unit={minor_unit!r} to be > 0.")
        return money.EXACT.multiply(unit, math.floor(self(metric) / Fraction(unit)))

    def of(self, utilities: Iterable[Any]) -> tuple[Fraction, ...]:
        """R(S) for each V(S) of M coalitions, exactly."""
        return tuple(map(self, utilities))


def curve(points: Sequence[tuple[Any, Any]]) -> Curve:
    """Revenue by metric, piecewise linear through points, the end points' beyond them.

    Args:
        points: (metric, revenue) pairs, at least one, metrics ascending, each revenue an amount >=
            0; see `money.amount`. A metric that is a float stands for its binary value, as a
            measured one does.

    Returns:
        The curve; it computes exactly.

    Raises:
        InvalidInputError: no points, a point that is no such pair, or metrics that do not ascend.
    """
    listed = isinstance(points, Sequence) and not isinstance(points, str) and len(points) > 0
    require(
        listed, f"Expected points={points!r} to be a list of (metric, revenue) pairs, at least one."
    )
    for i, point in enumerate(points):
        pair = isinstance(point, Sequence) and not isinstance(point, str) and len(point) == 2
        require(pair, f"Expected points[{i}]={point!r} to be a pair (metric, revenue).")
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
    return Curve(metrics, revenues)


def fixed(revenue: Any) -> Curve:
    """A revenue, an amount, whatever the metric."""
    return curve(((0, revenue),))


def proportional(
    revenue: Any, *, nobody: float, everybody: float, most: float | None = None
) -> Curve:
    """Revenue in proportion to what a coalition adds to nobody's metric; nothing for less than
    that.

    Args:
        revenue: an amount, earned with everybody's metric.
        nobody: V of the model without training.
        everybody: V of the model of all, > nobody.
        most: the highest metric to which the line is drawn out, where some coalition does better
            than everybody.

    Returns:
        The curve R(S) = R (V(S) - V(nobody)) / (V(N) - V(nobody)), exact, not below 0, and level
        above `most`.

    Raises:
        InvalidInputError: everybody's metric is no better than nobody's.
    """
    low, high = money.exact("nobody", nobody), money.exact("everybody", everybody)
    require(low < high, f"Expected everybody={everybody:g} to be > nobody={nobody:g}.")
    earned = Fraction(money.amount("revenue", revenue))
    top = high if most is None else max(high, money.exact("most", most))
    return Curve((low, top), (Fraction(0), earned * (top - low) / (high - low)))


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
        """A line of a table: the scenario, the revenue, and each player's payment as decimal
        text.
        """
        paid = zip(self.settlement.players, map(money.written, self.settlement.payments))
        return {"scenario": self.name, "revenue": money.written(self.settlement.revenue)} | {
            f"payment of {player}": text for player, text in paid
        }


def what_if(
    values: Any,
    costs: Any,
    revenue: Any,
    *,
    revenues: Sequence[Any] = (),
    metrics: Sequence[Any] = (),
    earned: Curve | None = None,
    energy: Sequence[Any] = (),
    bill: Bill | None = None,
    scaled: Sequence[Any] = (),
    member_costs: Mapping[str, Sequence[Any]] | None = None,
    **keywords: Any,
) -> tuple[Scenario, ...]:
    """Re-prices a settlement: other revenues, metrics, prices of energy or costs, one at a time,
    and no training.

    Args:
        values: phi[P], as `settle` takes them; the same in every scenario.
        costs: c[P] >= 0, in money; with `bill`, None stands for its total.
        revenue: R >= 0, in money.
        revenues: other amounts of R.
        metrics: other metrics of the model, whose revenues are read off `earned`, rounded down to
            the minor unit.
        earned: revenue by metric, for `metrics`.
        energy: factors >= 0 on the price of energy; only the energy in `bill` changes.
        bill: the parts of the costs, which must sum to `costs`; for `energy`.
        scaled: factors >= 0 on all costs.
        member_costs: other amounts of c_i by player's name.
        keywords: of `settle`: `rule`, `players`, `sizes`, `std_errors`, `minor_unit`.

    Returns:
        A scenario each, in the order of these arguments, the settlement as it is first. Every
        amount is exact until payments are rounded.

    Raises:
        InvalidInputError: an unknown name, `energy` without a bill of these costs, `metrics`
            without `earned`, or what `settle` refuses.
    """
    claimed = bill.total if costs is None and bill is not None else costs
    first = settle(values, claimed, revenue, **keywords)
    require(
        not metrics or earned is not None,
        "Expected earned, revenue by metric, to be given for metrics.",
    )
    read = money.amounts("costs", claimed, first.players)
    unit = first.minor_unit
    changes: list[tuple[str, Any, Any]] = [(f"revenue {other}", read, other) for other in revenues]
    if earned is not None:
        changes += [(f"metric {metric}", read, earned.amount(metric, unit)) for metric in metrics]
    changes += [(f"energy x {factor}", _energy(bill, read, factor), revenue) for factor in energy]
    changes += [(f"costs x {factor}", _times(read, "scaled", factor), revenue) for factor in scaled]
    for member, amounts in (member_costs or {}).items():
        one_of("member_costs", member, first.players, "a player")
        at = first.players.index(member)
        changes += [
            (f"cost of {member} {other}", (*read[:at], other, *read[at + 1 :]), revenue)
            for other in amounts
        ]
    as_it_is = Scenario(name="as it is", settlement=first)
    return as_it_is, *(
        Scenario(name=n, settlement=settle(values, c, r, **keywords)) for n, c, r in changes
    )


def _energy(bill: Bill | None, costs: tuple[Decimal, ...], factor: Any) -> tuple[Decimal, ...]:
    """The costs at another price of energy."""
    require(
        bill is not None and bill.total == costs,
        "Expected a bill whose parts sum to costs, for energy.",
    )
    parts = () if bill is None else bill.energy
    return tuple(
        money.EXACT.add(money.EXACT.subtract(cost, old), new)
        for cost, old, new in zip(costs, parts, _times(parts, "energy", factor))
    )


def _times(amounts: tuple[Decimal, ...], name: str, factor: Any) -> tuple[Decimal, ...]:
    """Amounts times a factor >= 0, exactly."""
    read = money.amount(name, factor)
    return tuple(money.EXACT.multiply(amount, read) for amount in amounts)
