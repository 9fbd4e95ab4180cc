"""What taking part cost each player, as it reports it: c_i of the rules (Spec 5.1, 5.8).

A cost model turns the work of P players into P amounts: (sizes int[P], steps int[P]) -> amount[P],
where sizes are training examples and steps are local steps over all rounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from fedjax_shap._validate import require
from fedjax_shap.economics import money

CostModel: TypeAlias = Callable[
    [Any, Any], tuple[Decimal, ...]
]  # (sizes int[P], steps int[P]) -> amount[P]
Price: TypeAlias = float | int | str | Decimal
JOULES_PER_KWH, SECONDS_PER_HOUR, BYTES_PER_GB = 3_600_000, 3_600, 10**9
# to which the parts of a bill are rounded: what is measured in joules is not exact to begin with
BILL_DECIMALS = 9


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What each of P players' machines cost it, the parts apart (Spec 5.8), in the currency of the
    prices.

    Attributes:
        energy: money[P], power draw x training time x price.
        time: money[P], time in use x price.
        communication: money[P], bytes up and down x price.
        fixed: money[P], whatever was done.
    """

    energy: tuple[Decimal, ...]
    time: tuple[Decimal, ...]
    communication: tuple[Decimal, ...]
    fixed: tuple[Decimal, ...]

    @property
    def total(self) -> tuple[Decimal, ...]:
        """money[P]: c_i, the sum of the parts, exactly."""
        parts = zip(self.energy, self.time, self.communication, self.fixed)
        return tuple(sum(part, Decimal(0)) for part in parts)

    def to_json(self) -> dict[str, list[str]]:
        """The parts as lists of decimal texts, one entry a player."""
        parts = {
            "energy": self.energy,
            "time": self.time,
            "communication": self.communication,
            "fixed": self.fixed,
        }
        return {name: list(map(money.written, part)) for name, part in parts.items()}


def bill(
    *,
    joules: Any,
    seconds: Any,
    traffic: Any,
    energy_prices: Sequence[Price],
    time_prices: Sequence[Price],
    traffic_prices: Sequence[Price],
    fixed: Sequence[Price],
) -> Bill:
    """Prices what P machines used (Spec 5.8).

    Args:
        joules: number[P] >= 0, the energy used.
        seconds: number[P] >= 0, the time to be paid for.
        traffic: number[P] >= 0, bytes sent and received.
        energy_prices: money a kWh [P], >= 0.
        time_prices: money an hour [P], >= 0.
        traffic_prices: money a GB of 10^9 bytes [P], >= 0.
        fixed: money[P], >= 0.

    Returns:
        The bill; each part is computed exactly and rounded once, to BILL_DECIMALS decimals.

    Raises:
        InvalidInputError: a quantity that is no finite number >= 0, a price that is no amount, or
            lengths that differ.
    """
    players = len(money.items("joules", joules))
    read = {
        "energy_prices": energy_prices,
        "time_prices": time_prices,
        "traffic_prices": traffic_prices,
    }
    prices = {name: _amounts(name, values, players) for name, values in read.items()}
    return Bill(
        energy=_charged("joules", joules, prices["energy_prices"], JOULES_PER_KWH),
        time=_charged("seconds", seconds, prices["time_prices"], SECONDS_PER_HOUR),
        communication=_charged("traffic", traffic, prices["traffic_prices"], BYTES_PER_GB),
        fixed=_amounts("fixed", fixed, players),
    )


def metered(*, bill: Bill) -> CostModel:
    """The costs of the members' machines (Spec 5.8); a configuration gives these in its section
    [devices].

    Args:
        bill: what each of P players' machines cost it.

    Returns:
        The cost model; it refuses a federation of another number of players.
    """
    return given(amounts=bill.total)


def free() -> CostModel:
    """No costs: c_i = 0."""
    return _per_unit("sizes", Decimal(0), Decimal(0))


def given(*, amounts: tuple[Price, ...]) -> CostModel:
    """Costs as the players reported them, whatever work they did.

    Args:
        amounts: money[P], each >= 0.

    Returns:
        The cost model; it refuses a federation of another number of players.
    """
    names = range(len(money.items("amounts", amounts)))
    costs = tuple(money.amount(f"amounts[{i}]", value) for i, value in zip(names, amounts))

    def cost(sizes: Any, steps: Any) -> tuple[Decimal, ...]:
        players = len(money.items("sizes", sizes))
        require(
            players == len(costs),
            f"Expected amounts to have {players} entries, one a player, got {len(costs)}.",
        )
        return costs

    return cost


def per_example(
    *, price: float | int | str | Decimal, fixed: float | int | str | Decimal = 0
) -> CostModel:
    """A price for each training example, collected once, and a fixed cost: c_i = fixed + price *
    N_i.

    Args:
        price: money an example, >= 0.
        fixed: money a player, >= 0.

    Returns:
        The cost model.
    """
    return _per_unit("sizes", money.amount("price", price), money.amount("fixed", fixed))


def per_step(
    *, price: float | int | str | Decimal, fixed: float | int | str | Decimal = 0
) -> CostModel:
    """A price for each local step over all rounds, and a fixed cost: c_i = fixed + price * sum_t
    K_i(t).

    Args:
        price: money a step, >= 0.
        fixed: money a player, >= 0.

    Returns:
        The cost model.
    """
    return _per_unit("steps", money.amount("price", price), money.amount("fixed", fixed))


def _amounts(name: str, values: Any, players: int) -> tuple[Decimal, ...]:
    """One amount for each player; see `money.amount`."""
    return tuple(
        money.amount(f"{name}[{i}]", value)
        for i, value in enumerate(money.items(name, values, players))
    )


def _charged(
    name: str, quantities: Any, prices: tuple[Decimal, ...], unit: int
) -> tuple[Decimal, ...]:
    """Price x quantity for each player, where a price is for `unit` of them."""
    listed = money.items(name, quantities, len(prices))
    exact = [money.exact(f"{name}[{i}]", quantity) for i, quantity in enumerate(listed)]
    for i, quantity in enumerate(exact):
        require(quantity >= 0, f"Expected {name}[{i}]={float(quantity):g} to be >= 0.")
    scale = 10**BILL_DECIMALS
    charged = [
        round(Fraction(price) * quantity / unit * scale) for price, quantity in zip(prices, exact)
    ]
    return tuple(
        Decimal(amount).scaleb(-BILL_DECIMALS, money.EXACT).normalize(money.EXACT)
        for amount in charged
    )


def _per_unit(counted: str, price: Decimal, fixed: Decimal) -> CostModel:
    """The cost model of `fixed` and a price for each unit of "sizes" or "steps"."""

    def cost(sizes: Any, steps: Any) -> tuple[Decimal, ...]:
        units = money.counts(counted, sizes if counted == "sizes" else steps)
        return tuple(money.EXACT.fma(price, Decimal(count), fixed) for count in units)

    return cost


COSTS: dict[str, Callable[..., CostModel]] = {
    "free": free,
    "given": given,
    "per_example": per_example,
    "per_step": per_step,
    "devices": metered,
}
