"""A plan: how many coalitions at once, in which layout, on how many workers and devices."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedjax_shap._validate import integer, one_of
from fedjax_shap.coalitions import Chunk, Coalition, chunk_of, gather
from fedjax_shap.typing import HostArray, Masks

UNPLANNED = 16  # coalitions in a chunk where neither the user nor `autoplan` chose


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the engine cuts its work; it may change speed and memory, never a number.

    Attributes:
        chunk: coalitions in one program call, >= 1; if None, `autoplan` chooses it for the game and
            the machine, with the layout.
        layout: "client" values a whole chunk client by client, where the game can; one program is
            compiled, and only members train, each for its own number of steps. "coalition" maps one
            coalition's program over the chunk, its members gathered into slots.
        buckets: with layout "coalition", how many slot widths, each compiled once: a coalition goes
            to the narrowest that holds its members, so that few empty slots train.
        workers: chunks valued at the same time, each by a thread of its own. If None, one a core on
            a CPU, whose cores the small matrix products of one chunk do not fill, and one
            elsewhere.
        devices: local devices over which chunks are spread; if None all there are, but one where
            they are CPUs.
        memory: bytes on one device that all chunks under way may take; if None 80 % of what is
            free. A chunk that takes more is halved until it fits, and so is one for which the
            device finds no room.

    Guarantees:
        Utilities are the same under every plan, up to float reassociation.
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
        """Coalitions in a chunk where `num_asked` are asked for: `chunk`, or fewer for few."""
        return _shrunk(self.chunk or UNPLANNED, num_asked)

    def cut(self, masks: Masks, among: Masks) -> Iterator[tuple[HostArray, Chunk | Coalition]]:
        """Cuts coalitions into chunks in the plan's layout, see `by_client`."""
        if self.layout == "client":
            return self.by_client(masks, among)
        return self.by_coalition(masks, among)

    def by_client(
        self, masks: Masks, among: Masks | None = None
    ) -> Iterator[tuple[HostArray, Chunk]]:
        """Cuts coalitions into chunks of one shape, for the layout "client".

        Complements stand next to each other, so that in full enumeration every client is in half of
        each chunk.

        Args:
            masks: bool[M, P].
            among: all coalitions that were asked for, where `masks` are those of them that are not
                known yet; `masks` if None. Chunks and shapes follow from these, so that a run that
                goes on repeats its chunks bit for bit.

        Returns:
            For each chunk, (the rows of `masks` in it, int[<= chunk]; the chunk).
        """
        if among is None:
            among = masks
        length = self.length(len(among))
        # the width: as many coalitions of a chunk as hold one client, but at most half a chunk
        starts = np.arange(0, len(among), length)
        of_client = np.add.reduceat(among[_paired(among)], starts, axis=0, dtype=np.int32)
        width = _shrunk(max(length // 2, 1), int(of_client.max()))
        for rows in _pieces(_paired(masks), length):
            # fill up the last chunk with empty coalitions
            filled = np.zeros((length, masks.shape[1]), bool)
            filled[: len(rows)] = masks[rows]
            yield rows, chunk_of(filled, width)

    def by_coalition(
        self, masks: Masks, among: Masks | None = None
    ) -> Iterator[tuple[HostArray, Coalition]]:
        """Cuts coalitions into chunks of one slot width each, for the layout "coalition".

        Arguments and what is returned are as for `by_client`.
        """
        if among is None:
            among = masks
        # the widths: quantiles of the coalitions' sizes
        quantiles = np.arange(1, self.buckets + 1) / self.buckets
        edges = np.quantile(among.sum(axis=1), quantiles, method="higher")
        widths = np.unique(np.maximum(edges.astype(int), 1))
        # each coalition goes to the narrowest bucket that holds it
        sizes = masks.sum(axis=1)
        order = np.argsort(sizes, kind="stable")
        bucket = np.searchsorted(widths, sizes[order])
        length = self.length(len(among))
        for index, width in enumerate(widths):
            for rows in _pieces(order[bucket == index], length):
                # fill up the last chunk of a bucket with repeats
                yield rows, gather(masks[rows[np.arange(length) % len(rows)]], int(width))


def useful_fraction(plan: Plan, masks: Masks, steps: HostArray) -> float:
    """The fraction of the local steps that a plan computes which are a member's own.

    Args:
        plan: the plan.
        masks: bool[M, P], the coalitions to train.
        steps: int[P], local steps K_i of each client in a round.

    Returns:
        Useful member-steps over computed member-steps. What is lost are empty slots, and in layout
        "coalition" slots that wait for the member with the most steps. Where a training stops
        early, its last rounds are not counted.
    """
    useful = int((masks * steps).sum())
    computed = 0
    if plan.layout == "client":
        # a client trains all slots of a visit, for its own number of steps
        for _, chunk in plan.by_client(masks):
            visited = chunk.player[: int(chunk.num_turns)]
            computed += int(steps[visited].sum()) * chunk.rows.shape[1]
    else:
        # all slots train for as long as the member with the most steps
        for _, coalitions in plan.by_coalition(masks):
            longest = np.where(coalitions.present, steps[coalitions.members], 0).max()
            computed += int(longest) * coalitions.members.size
    return useful / max(computed, 1)


def _paired(masks: Masks) -> HostArray:
    """An order of coalitions in which complements stand next to each other: int[M]."""
    # a coalition and its complement have one name: that of the one without player 0
    alike = np.where(masks[:, :1], ~masks, masks)
    return np.lexsort((masks[:, 0], *np.packbits(alike, axis=1).T[::-1]))


def _shrunk(most: int, needed: int) -> int:
    """`most`, quartered as long as `needed` still fits."""
    while most // 4 >= max(needed, 1):
        most //= 4
    return most


def _pieces(rows: HostArray, length: int) -> list[HostArray]:
    """Rows in pieces of at most `length`."""
    return [rows[start : start + length] for start in range(0, len(rows), length)]
