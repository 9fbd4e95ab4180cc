"""Settlements at other prices: what members would be paid at another revenue, or at other costs."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.revenue import what_if
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.typing import HostArray

FACTORS = (0, 0.5, 1, 1.5, 2, 3, 4, 5)  # on the price of energy, or on all costs
_POINTS = 24  # revenues in a sweep


class Sweep(NamedTuple):
    """Settlements at several prices, with everything else unchanged.

    Attributes:
        label: what differs, with its unit, as an axis shows it.
        at: float[K], the prices, ascending.
        payments: float[K, P], what the members would be paid, in money; NaN where the rule refuses.
        now: the price of the present settlement.
        mark: another place worth a line, and what it is called; None for none.
    """

    label: str
    at: HostArray
    payments: HostArray
    now: float
    mark: tuple[float, str] | None = None


def over_revenue(settled: Settlement, **keywords: Any) -> Sweep:
    """The settlement at revenues from 0 to twice the present one, or twice the costs if larger.

    Args:
        settled: the present settlement.
        keywords: of `settle`: its rule, and the sizes where that needs them.
    """
    costs = sum(map(Fraction, settled.costs), Fraction(0))
    units = 2 * max(Fraction(settled.revenue), costs) / Fraction(settled.minor_unit)
    steps = {math.floor(units * point / _POINTS) for point in range(_POINTS + 1)}
    revenues = sorted(settled.minor_unit * step for step in steps)
    mark = None
    if costs > 0:
        mark = (float(costs), "covers the costs")
    payments = _payments(settled, "revenues", revenues, keywords)
    return Sweep("revenue", _floats(revenues), payments, float(settled.revenue), mark)


def over_energy(
    settled: Settlement, bill: Bill, factors: Sequence[Any] = FACTORS, **keywords: Any
) -> Sweep:
    """The settlement at multiples of the price of energy.

    Args:
        settled: the present settlement.
        bill: the parts of its costs.
        factors: on the present price.
        keywords: as in `over_revenue`.
    """
    payments = _payments(settled, "energy", factors, {"bill": bill, **keywords})
    return Sweep(
        "price of energy, as a multiple of the present one", _floats(factors), payments, 1.0
    )


def over_costs(settled: Settlement, factors: Sequence[Any] = FACTORS, **keywords: Any) -> Sweep:
    """The settlement at multiples of all costs.

    Args:
        settled: the present settlement.
        factors: on the present costs.
        keywords: as in `over_revenue`.
    """
    payments = _payments(settled, "scaled", factors, keywords)
    return Sweep("costs, as a multiple of the present ones", _floats(factors), payments, 1.0)


def _payments(
    settled: Settlement, changed: str, prices: Sequence[Any], keywords: dict[str, Any]
) -> HostArray:
    """float[K, P], the payments at each price; NaN where the rule refuses it."""
    given: dict[str, Any] = {
        "players": settled.players,
        "minor_unit": settled.minor_unit,
        **keywords,
    }

    def paid(prices: Sequence[Any]) -> list[HostArray]:
        given[changed] = tuple(prices)
        try:
            _, *others = what_if(settled.values, settled.costs, settled.revenue, **given)
        except InvalidInputError:  # the rule refuses one of them: find out which
            if len(prices) == 1:
                return [np.full(len(settled.players), np.nan)]
            return [row for price in prices for row in paid([price])]
        return [_floats(other.settlement.payments) for other in others]

    return np.stack(paid(prices))


def _floats(amounts: Sequence[Any]) -> HostArray:
    return np.array([float(amount) for amount in amounts])
