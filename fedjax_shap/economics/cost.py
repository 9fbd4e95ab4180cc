"""Costs: what taking part cost each player, the c_i of the rules, as the player reports it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

from fedjax_shap._validate import require
from fedjax_shap.economics import money

__all__ = [
    "COSTS",
    "Bill",
    "CostModel",
    "bill",
    "free",
    "given",
    "metered",
    "per_example",
    "per_step",
]


Price: TypeAlias = float | int | str | Decimal
JOULES_PER_KWH = 3_600_000
SECONDS_PER_HOUR = 3_600
BYTES_PER_GB = 10**9
# to which the parts of a bill are rounded: what is measured in joules is not exact to begin with
BILL_DECIMALS = 9


class CostModel(Protocol):
    """Turns the work of P players into what it cost them."""

    def __call__(self, sizes: Any, steps: Any) -> tuple[Decimal, ...]:
        """The costs of P players.

        Args:
            sizes: int[P], training examples.
            steps: int[P], local steps over all rounds.

        Returns:
            money[P], each >= 0, exact.

        Raises:
            InvalidInputError: what is not such a number, or costs for another number of players.
        """


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What each of P players' machines cost it, by parts, in the currency of the prices.

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
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: list(map(money.written, column)) for name, column in parts.items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], players: Sequence[str]) -> "Bill":
        """The bill that `to_json` wrote.

        Args:
            record: the parts.
            players: the P names.

        Raises:
            KeyError: a part is missing.
            InvalidInputError: a part of another length, or what is not an amount.
        """
        names = [part.name for part in fields(cls)]
        return cls(**{name: money.from_texts(name, record[name], players) for name in names})


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
    """Prices what P machines used.

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
        InvalidInputError: a quantity that is not a finite number >= 0, a price that is not an
            amount, or lengths that differ.
    """
    players = len(money.items("joules", joules))
    by_kwh = _amounts("energy_prices", energy_prices, players)
    by_hour = _amounts("time_prices", time_prices, players)
    by_gigabyte = _amounts("traffic_prices", traffic_prices, players)
    return Bill(
        energy=_charged("joules", joules, by_kwh, JOULES_PER_KWH),
        time=_charged("seconds", seconds, by_hour, SECONDS_PER_HOUR),
        communication=_charged("traffic", traffic, by_gigabyte, BYTES_PER_GB),
        fixed=_amounts("fixed", fixed, players),
    )


def metered(*, bill: Bill) -> CostModel:
    """The costs of the members' machines; a configuration gives these in its section [devices].

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
    costs = _amounts("amounts", amounts, len(money.items("amounts", amounts)))

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
    """A price for each training example, collected once: c_i = fixed + price * N_i.

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
    """A price for each local step over all rounds: c_i = fixed + price * sum_t K_i(t).

    Args:
        price: money a step, >= 0.
        fixed: money a player, >= 0.

    Returns:
        The cost model.
    """
    return _per_unit("steps", money.amount("price", price), money.amount("fixed", fixed))


def _amounts(name: str, values: Any, players: int) -> tuple[Decimal, ...]:
    """One amount for each player; see `money.amount`."""
    entries = money.items(name, values, players)
    return tuple(money.amount(f"{name}[{i}]", value) for i, value in enumerate(entries))


def _charged(
    name: str, quantities: Any, prices: tuple[Decimal, ...], unit: int
) -> tuple[Decimal, ...]:
    """Price x quantity for each player, where a price is for `unit` of them."""
    charged = []
    for i, (price, entry) in enumerate(zip(prices, money.items(name, quantities, len(prices)))):
        quantity = money.exact(f"{name}[{i}]", entry)
        require(quantity >= 0, f"Expected {name}[{i}]={float(quantity):g} to be >= 0.")
        rounded = round(Fraction(price) * quantity / unit * 10**BILL_DECIMALS)
        shifted = Decimal(rounded).scaleb(-BILL_DECIMALS, money.EXACT)
        charged.append(shifted.normalize(money.EXACT))
    return tuple(charged)


def _per_unit(counted: str, price: Decimal, fixed: Decimal) -> CostModel:
    """The cost model of `fixed` and a price for each unit of "sizes" or "steps"."""

    def cost(sizes: Any, steps: Any) -> tuple[Decimal, ...]:
        work = {"sizes": sizes, "steps": steps}[counted]
        units = money.counts(counted, work)
        return tuple(money.EXACT.fma(price, Decimal(count), fixed) for count in units)

    return cost


COSTS: dict[str, Callable[..., CostModel]] = {
    "free": free,
    "given": given,
    "per_example": per_example,
    "per_step": per_step,
    "devices": metered,
}
