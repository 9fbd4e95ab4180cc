"""A plan: how many coalitions are valued at once, and in how many slot widths."""

from dataclasses import dataclass

import numpy as np

from fedjax_shap._validate import integer
from fedjax_shap.typing import HostArray


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the engine cuts its work. It may change speed and memory, never a number (up to float reassociation).

    Attributes:
        chunk: coalitions in one program call, >= 1.
        buckets: how many slot widths, each compiled once: coalitions go to the narrowest that holds their members,
            so that little but members trains.
    """

    chunk: int = 16
    buckets: int = 3

    def __post_init__(self) -> None:
        integer("chunk", self.chunk, least=1)
        integer("buckets", self.buckets, least=1)

    def widths(self, sizes: HostArray) -> list[int]:
        """The slot widths for coalitions of these sizes int[M]: ascending, the last holds the largest."""
        edges = np.quantile(sizes, np.arange(1, self.buckets + 1) / self.buckets, method="higher")
        return sorted({max(int(edge), 1) for edge in edges})

    def cut(self, sizes: HostArray) -> list[tuple[int, HostArray]]:
        """Cuts coalitions into (slot width, rows int[<= chunk]), widest last, rows of one size kept together."""
        widths = np.asarray(self.widths(sizes))
        order = np.argsort(sizes, kind="stable")
        bucket = np.searchsorted(widths, sizes[order])
        return [
            (int(width), rows[start : start + self.chunk])
            for index, width in enumerate(widths)
            for rows in [order[bucket == index]]
            for start in range(0, len(rows), self.chunk)
        ]
