"""The pace of local steps: loops of known length, which a GPU runs without waiting for the host."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.learning.local import Local
from fedjax_shap.typing import Array, HostArray

Walk = TypeVar("Walk")
LEAST_USEFUL = 0.9  # the part of the steps of loops of known length that clients need, at least
LONGEST = 16  # steps in a loop of known length: in longer ones little more is gained
# What the start of a loop costs on a GPU, in steps: it waits until the host knows if it goes on.
START = 0.5
ROWS_DRAWN = 2**20  # rows of mini-batches that are drawn before the first step, at most
SPARE_ORDERS = 2  # orders are drawn all at once where no more than so many times those needed


class Pace(NamedTuple):
    """How the loop over a client's local steps is cut.

    Attributes:
        stretch: U, steps in a loop whose length the compiler knows. A client takes whole stretches,
            and what it does beyond its last step is dropped. 1 for a loop of as many steps as the
            client has.
        window: W, a multiple of U: the mini-batches of so many steps are drawn before the first.
        orders: E, orders of a client's rows that a window needs at most, drawn all at once; None
            where they are drawn one after another, as many as the client needs.

    Guarantees:
        No number depends on it, whatever the number of steps.
    """

    stretch: int = 1
    window: int = 1
    orders: int | None = None


def pace_of(
    local: Local, sizes: HostArray, num_steps: HostArray, backend: str | None = None
) -> Pace:
    """The pace of a federation's clients.

    Args:
        local: how clients train.
        sizes: int[C], numbers of examples.
        num_steps: int[R, C], local steps of each round and client.
        backend: where they train, `jax.default_backend()` if None.
    """
    taken = np.asarray(num_steps)
    taken = taken[taken > 0]
    if not len(taken):
        return Pace()
    on_cpu = (backend or jax.default_backend()) == "cpu"
    stretch = _common(taken)
    if not on_cpu:
        stretch = _cheapest(taken.astype(np.int64))
    # As many whole stretches as the busiest client takes, a power of two, so that partitions of one
    # data set share programs; within the memory for their rows.
    loops = _power_above(-(-int(taken.max()) // stretch))
    room = ROWS_DRAWN // ((local.batch_size or 1) * stretch)
    while loops > max(room, 1):
        loops //= 2
    window = loops * stretch
    orders = None
    if not on_cpu:
        orders = _orders(local, np.asarray(sizes), window)
    return Pace(stretch, window, orders)


def _power_above(number: int) -> int:
    """The least power of two that is at least `number`, which is at least 1."""
    return 1 << (number - 1).bit_length()


def _common(taken: HostArray) -> int:
    """U on a CPU: the steps that all clients take, 1 where they differ.

    It loses next to nothing at a loop's start and takes no step that nobody needs, and partitions
    share programs.
    """
    most = int(taken.max())
    if taken.min() < most or most > LONGEST:
        return 1
    return most


def _cheapest(taken: HostArray) -> int:
    """U on a GPU, by what the loops cost: the steps in them, and their starts."""
    costs = {}
    for stretch in range(1, min(int(taken.max()), LONGEST) + 1):
        loops = int((-(-taken // stretch)).sum())
        if taken.sum() >= LEAST_USEFUL * loops * stretch:
            costs[stretch] = loops * stretch + START * loops
    return min(costs, key=lambda stretch: costs[stretch])


def _orders(local: Local, sizes: HostArray, window: int) -> int | None:
    """E; None where it is far more than most clients need."""
    if not local.reshuffle:
        return 1  # all orders are alike
    passes = np.maximum(local.steps_per_epoch(sizes[sizes > 0]), 1)
    # a window may begin within a pass
    needed = (window - 1) // passes + 2
    if not len(needed) or needed.max() > SPARE_ORDERS * needed.mean():
        return None
    return int(needed.max())


def walk_on(
    step: Callable[[Array, Walk], Walk], first: Array, end: Array, pace: Pace, walk: Walk
) -> Walk:
    """Takes the steps `first` to `end - 1` of a window, at least one.

    Args:
        step: (k int[], walk) -> the walk after step k.
        first: int[], the first step of the window.
        end: int[], at most `pace.window` further.
        pace: how the loop is cut.
        walk: before the first step.
    """

    def within(k: Array, before: Walk) -> Walk:
        after = step(k, before)
        # drop what is beyond the last step, also where it is not finite
        kept: Walk = jax.tree.map(lambda new, old: jnp.where(k < end, new, old), after, before)
        return kept

    def stretch(index: Array | int, walk: Walk) -> Walk:
        begin = first + index * pace.stretch
        taken: Walk = jax.lax.fori_loop(
            0, pace.stretch, lambda j, walk: within(begin + j, walk), walk
        )
        return taken

    if pace.stretch == pace.window > 1:
        return stretch(0, walk)
    walked: Walk
    if pace.stretch == 1:
        walked = jax.lax.fori_loop(first, end, step, walk)
    else:
        walked = jax.lax.fori_loop(0, -(-(end - first) // pace.stretch), stretch, walk)
    return walked
