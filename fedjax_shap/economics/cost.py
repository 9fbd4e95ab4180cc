"""What taking part cost each player, as it reports it: c_i of the rules (Spec 5.1, 5.8).

A cost model turns the work of P players into P amounts: (sizes int[P], steps int[P]) -> amount[P], where sizes are
training examples and steps are local steps over all rounds.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from fedjax_shap._validate import require
from fedjax_shap.economics import money

CostModel: TypeAlias = Callable[[Any, Any], tuple[Decimal, ...]]  # (sizes int[P], steps int[P]) -> amount[P]


def free() -> CostModel:
    """No costs: c_i = 0."""
    return _per_unit("sizes", Decimal(0), Decimal(0))


def given(*, amounts: tuple[float | int | str | Decimal, ...]) -> CostModel:
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
        require(players == len(costs), f"Expected amounts to have {players} entries, one a player, got {len(costs)}.")
        return costs

    return cost


def per_example(*, price: float | int | str | Decimal, fixed: float | int | str | Decimal = 0) -> CostModel:
    """A price for each training example, collected once, and a fixed cost: c_i = fixed + price * N_i.

    Args:
        price: money an example, >= 0.
        fixed: money a player, >= 0.

    Returns:
        The cost model.
    """
    return _per_unit("sizes", money.amount("price", price), money.amount("fixed", fixed))


def per_step(*, price: float | int | str | Decimal, fixed: float | int | str | Decimal = 0) -> CostModel:
    """A price for each local step over all rounds, and a fixed cost: c_i = fixed + price * sum_t K_i(t).

    Args:
        price: money a step, >= 0.
        fixed: money a player, >= 0.

    Returns:
        The cost model.
    """
    return _per_unit("steps", money.amount("price", price), money.amount("fixed", fixed))


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
}
