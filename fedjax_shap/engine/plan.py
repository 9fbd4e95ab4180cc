"""A plan: how many coalitions are valued at once, and in which layout."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedjax_shap._validate import integer, one_of
from fedjax_shap.coalitions import Chunk, Coalition, chunk_of, gather, pack
from fedjax_shap.typing import HostArray, Masks


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the engine cuts its work. It may change speed and memory, never a number (up to float reassociation).

    Attributes:
        chunk: coalitions in one program call, >= 1.
        layout: "client" values a whole chunk client by client, where the game can; one program is compiled, and only
            members train, each for its own number of steps. "coalition" maps one coalition's program over the chunk,
            its members gathered into slots.
        buckets: with layout "coalition", how many slot widths, each compiled once: coalitions go to the narrowest that
            holds their members, so that little but members trains.
    """

    chunk: int = 16
    layout: Literal["client", "coalition"] = "client"
    buckets: int = 3

    def __post_init__(self) -> None:
        integer("chunk", self.chunk, least=1)
        one_of("layout", self.layout, ("client", "coalition"))
        integer("buckets", self.buckets, least=1)

    def by_client(self, masks: Masks) -> Iterator[tuple[HostArray, Chunk]]:
        """Cuts coalitions into chunks: (rows int[<= chunk], the chunk), each chunk of one shape.

        Complements stand next to each other, so that in full enumeration every client is in half of each chunk.
        """
        names = [min(pair) for pair in zip(pack(masks), pack(~masks))]
        order = np.array(sorted(range(len(masks)), key=names.__getitem__))
        parts = [(rows, masks[rows]) for rows in _parts(order, self.chunk)]
        slots = max(int(part.sum(axis=0).max()) for _, part in parts)
        length = min(self.chunk, len(masks))
        for rows, part in parts:
            filled = np.zeros((length, masks.shape[1]), bool)
            filled[: len(part)] = part
            yield rows, chunk_of(filled, max(slots, 1))

    def by_coalition(self, masks: Masks) -> Iterator[tuple[HostArray, Coalition]]:
        """Cuts coalitions into chunks of one slot width each: (rows int[<= chunk], the coalitions)."""
        sizes = masks.sum(axis=1)
        edges = np.quantile(sizes, np.arange(1, self.buckets + 1) / self.buckets, method="higher")
        widths = np.unique(np.maximum(edges.astype(int), 1))
        order = np.argsort(sizes, kind="stable")
        bucket = np.searchsorted(widths, sizes[order])
        length = min(self.chunk, len(masks))
        for index, width in enumerate(widths):
            for rows in _parts(order[bucket == index], self.chunk):
                yield rows, gather(masks[rows[np.arange(length) % len(rows)]], int(width))


def _parts(rows: HostArray, length: int) -> list[HostArray]:
    """Rows in parts of at most `length`."""
    return [rows[start : start + length] for start in range(0, len(rows), length)]
