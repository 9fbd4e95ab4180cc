"""How many members of a coalition train side by side: all, or few where their steps differ much.

Members that train side by side take as many steps as the busiest of them. Where few have very many,
as phones do, those with about equally many stand together, and group follows group.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.typing import Array, HostArray, PyTree

# What a step costs beside its models, in models: a GPU takes about as long for one as for hundreds.
OVERHEAD = {"cpu": 1.0}
OVERHEAD_ELSEWHERE = 400.0
LEAST_GAIN = 1.5  # below it all stand in one group, which needs no sorting


def width_of(num_steps: HostArray | None, slots: int, backend: str | None = None) -> int:
    """How many members stand in a group, a divisor of the number of slots.

    Args:
        num_steps: int[R, C], local steps of each round and client; all stand in one group if None.
        slots: S, members that train together.
        backend: where they train, `jax.default_backend()` if None.
    """
    if num_steps is None:
        return slots
    overhead = OVERHEAD.get(backend or jax.default_backend(), OVERHEAD_ELSEWHERE)
    taken = np.asarray(num_steps)
    taken = taken[taken > 0]
    if not len(taken):
        return slots
    # S members as the federation has them, from the fewest steps to the most
    usual = np.quantile(taken, np.arange(1, slots + 1) / slots)
    costs = {}
    for width in range(1, slots + 1):
        if slots % width == 0:
            costs[width] = usual[width - 1 :: width].sum() * (overhead + width)
    best = min(costs, key=lambda width: costs[width])
    if costs[best] * LEAST_GAIN > costs[slots]:
        return slots
    return best


def side_by_side(
    one: Callable[..., Any],
    num_steps: HostArray | None,
    steps: Array,
    arguments: tuple[PyTree, ...],
) -> Any:
    """`one(*arguments)` of each slot, leaves [S, ...].

    Args:
        one: what a member does.
        num_steps: as `width_of` takes them, by which the size of a group is chosen.
        steps: int32[S], by which members are grouped.
        arguments: leaves [S, ...].

    Guarantees:
        A member's slot and group have no influence on what it does.
    """
    slots = len(steps)
    width = width_of(num_steps, slots)
    if width == slots:
        return jax.vmap(one)(*arguments)
    order = jnp.argsort(steps)

    def grouped(leaf: Array) -> Array:
        return leaf[order].reshape(slots // width, width, *leaf.shape[1:])

    def back(leaf: Array) -> Array:
        return leaf.reshape(slots, *leaf.shape[2:])[jnp.argsort(order)]

    found = jax.lax.map(lambda group: jax.vmap(one)(*group), jax.tree.map(grouped, arguments))
    return jax.tree.map(back, found)
