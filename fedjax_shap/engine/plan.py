"""A plan: how many coalitions are valued at once, in which layout, by how many workers and
devices.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedjax_shap._validate import integer, one_of
from fedjax_shap.coalitions import Chunk, Coalition, chunk_of, gather
from fedjax_shap.typing import HostArray, Masks

UNPLANNED = 16  # coalitions in a chunk where nobody chose


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the engine cuts its work. It may change speed and memory, never a number (up to float
    reassociation).

    Attributes:
        chunk: coalitions in one program call, >= 1; chosen for game and machine by `autoplan` if
            None, with the layout.
        layout: "client" values a whole chunk client by client, where the game can; one program is
            compiled, and only members train, each for its own number of steps. "coalition" maps one
            coalition's program over the chunk, its members gathered into slots.
        buckets: with layout "coalition", how many slot widths, each compiled once: coalitions go to
            the narrowest that holds their members, so that little but members trains.
        workers: chunks valued at the same time, each by a thread of its own; if None one a core on
            CPUs, whose cores small matrix products keep busy only so, and one elsewhere.
        devices: local devices over which chunks are spread; if None all there are, but one where
            they are CPUs.
        memory: bytes on one device that all chunks in play may take; if None 80 % of what is free.
            A chunk that takes more is halved until it fits, and so is one for which the device
            finds no room.
    """

    chunk: int | None = None
    layout: Literal["client", "coalition"] = "client"
    buckets: int = 3
    workers: int | None = None
    devices: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        one_of("layout", self.layout, ("client", "coalition"))
        for name in ("chunk", "buckets", "workers", "devices", "memory"):
            if (count := getattr(self, name)) is not None:
                integer(name, count, least=1)

    def length(self, num_asked: int) -> int:
        """Coalitions in a chunk where so many are asked for: fewer than `chunk` where these are
        few.
        """
        return _shrunk(self.chunk or UNPLANNED, num_asked)

    def cut(self, masks: Masks, among: Masks) -> Iterator[tuple[HostArray, Chunk | Coalition]]:
        """Cuts coalitions into chunks in the plan's layout, see `by_client`."""
        return (
            self.by_client(masks, among)
            if self.layout == "client"
            else self.by_coalition(masks, among)
        )

    def by_client(
        self, masks: Masks, among: Masks | None = None
    ) -> Iterator[tuple[HostArray, Chunk]]:
        """Cuts coalitions into chunks: (rows int[<= chunk], the chunk), all chunks of one shape.

        Complements stand next to each other, so that in full enumeration every client is in half of
        each chunk.

        Args:
            masks: bool[M, P].
            among: all coalitions that were asked for, where `masks` are those of them that are not
                known yet. Chunks and shapes follow from these, so that a run that goes on repeats
                its chunks bit for bit.
        """
        among = masks if among is None else among
        length = self.length(len(among))
        together = np.add.reduceat(
            among[_paired(among)], np.arange(0, len(among), length), axis=0, dtype=np.int32
        )
        width = _shrunk(max(length // 2, 1), int(together.max()))
        for rows in _parts(_paired(masks), length):
            filled = np.zeros((length, masks.shape[1]), bool)
            filled[: len(rows)] = masks[rows]
            yield rows, chunk_of(filled, width)

    def by_coalition(
        self, masks: Masks, among: Masks | None = None
    ) -> Iterator[tuple[HostArray, Coalition]]:
        """Cuts coalitions into chunks of one slot width each: (rows int[<= chunk], the coalitions);
        as `by_client`.
        """
        among = masks if among is None else among
        edges = np.quantile(
            among.sum(axis=1), np.arange(1, self.buckets + 1) / self.buckets, method="higher"
        )
        widths = np.unique(np.maximum(edges.astype(int), 1))
        sizes = masks.sum(axis=1)
        order = np.argsort(sizes, kind="stable")
        bucket = np.searchsorted(widths, sizes[order])
        length = self.length(len(among))
        for index, width in enumerate(widths):
            for rows in _parts(order[bucket == index], length):
                yield rows, gather(masks[rows[np.arange(length) % len(rows)]], int(width))


def useful_fraction(plan: Plan, masks: Masks, steps: HostArray) -> float:
    """Which share of the local steps that a plan computes are a member's own.

    Args:
        plan: the plan.
        masks: bool[M, P], the coalitions to train.
        steps: int[P], local steps K_i of each client in a round.

    Returns:
        Useful member-steps over computed member-steps: what is lost are empty slots, and in layout
        "coalition" slots that wait for the member with the most steps. Where a training stops
        early, its last rounds are not counted.
    """
    useful, computed = int((masks * steps).sum()), 0
    if plan.layout == "client":
        for _, chunk in plan.by_client(masks):
            turns = chunk.player[: int(chunk.num_turns)]
            computed += int(steps[turns].sum()) * chunk.rows.shape[1]
    else:
        for _, coalitions in plan.by_coalition(masks):
            longest = np.where(coalitions.present, steps[coalitions.members], 0).max()
            computed += int(longest) * coalitions.members.size
    return useful / max(computed, 1)


def _paired(masks: Masks) -> HostArray:
    """An order of coalitions in which complements stand next to each other: int[M]."""
    alike = np.where(masks[:, :1], ~masks, masks)
    return np.lexsort((masks[:, 0], *np.packbits(alike, axis=1).T[::-1]))


def _shrunk(most: int, needed: int) -> int:
    """`most` where it is needed, else the least of its quarters, quarters of quarters, ... that is
    enough.
    """
    while most // 4 >= max(needed, 1):
        most //= 4
    return most


def _parts(rows: HostArray, length: int) -> list[HostArray]:
    """Rows in parts of at most `length`."""
    return [rows[start : start + length] for start in range(0, len(rows), length)]
