"""Room for the rows of the largest client, in few sizes: partitions of one data set share programs.

A program draws orders as long as the largest client's rows. Of an order only the rows that a client
has are read, and these do not depend on its length (`local.shuffle`), so no number does.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

from fedjax_shap.learning.world import World

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def room_for(largest: int, rows: int, at_once: int) -> int:
    """For how many rows of a client a program has room.

    Args:
        largest: the rows of the largest client.
        rows: those of all clients.
        at_once: rows that a local step takes at most. A program computes no fewer in a step, so
            where the largest client has fewer rows there is room for no more.

    Returns:
        A power of two, or `rows` where that is less; `largest` where steps would become longer.
    """
    if largest < at_once:
        return largest
    return min(1 << (largest - 1).bit_length(), rows)


def with_room(
    function: Callable[Concatenate[World, Rest], Result], at_once: int
) -> Callable[Concatenate[World, Rest], Result]:
    """A function of a world, traced with room for the largest client's rows.

    Args:
        function: (world, ...) -> what does not depend on how long orders are.
        at_once: as in `room_for`.
    """

    def roomy(world: World, /, *rest: Rest.args, **named: Rest.kwargs) -> Result:
        data = world.data
        room = room_for(data.largest, len(data.y), at_once)
        return function(replace(world, data=replace(data, largest=room)), *rest, **named)

    return roomy
