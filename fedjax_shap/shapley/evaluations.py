"""The coalitions that an estimator has asked for, each once, and what it was told of them."""

from dataclasses import dataclass, replace

import numpy as np

from fedjax_shap.coalitions import pack
from fedjax_shap.typing import HostArray, Masks, Utilities


@dataclass(frozen=True)
class Evaluations:
    """Distinct coalitions in the order in which they were asked for.

    Attributes:
        masks: bool[M, P], all that was asked for.
        utilities: float64[K, ...], of the first K of them; None until the first are told.
        row: the row of each mask, by its packed name.
    """

    masks: Masks
    utilities: Utilities | None
    row: dict[bytes, int]

    def __len__(self) -> int:
        """How many distinct coalitions were asked for."""
        return len(self.masks)

    @property
    def complete(self) -> bool:
        """Whether every coalition there is was asked for."""
        return self.masks.shape[1] < 62 and len(self.masks) == 2 ** self.masks.shape[1]

    def ask(self, masks: Masks) -> tuple[Masks, "Evaluations"]:
        """(those of `masks` bool[A, P] that are new, each once; what is asked for with them)."""
        row, fresh = dict(self.row), []
        for index, name in enumerate(pack(masks)):
            if name not in row:
                row[name] = len(row)
                fresh.append(index)
        return masks[fresh], replace(
            self, masks=np.concatenate([self.masks, masks[fresh]]), row=row
        )

    def tell(self, utilities: Utilities) -> "Evaluations":
        """Takes the utilities float64[A, ...] of what was asked for last, in that order."""
        known = utilities if self.utilities is None else np.concatenate([self.utilities, utilities])
        return replace(self, utilities=known)

    def rows(self, masks: Masks) -> HostArray:
        """int[...]: the row of each mask of bool[..., P], -1 for one that was never asked for."""
        flat = [self.row.get(name, -1) for name in pack(masks.reshape(-1, masks.shape[-1]))]
        return np.array(flat, np.int64).reshape(masks.shape[:-1])

    def read(self, masks: Masks) -> Utilities:
        """float64[..., *trailing]: the utilities of masks bool[..., P] that were told."""
        return np.asarray(self.utilities)[self.rows(masks)]

    def num_affordable(self, masks: Masks, room: int) -> int:
        """How many of the groups bool[U, G, P], from the first on, ask for no more than `room` new
        coalitions.
        """
        names, size, new = pack(masks.reshape(-1, masks.shape[-1])), masks.shape[1], set[bytes]()
        for group in range(len(masks)):
            new.update(
                name for name in names[group * size : (group + 1) * size] if name not in self.row
            )
            if len(new) > room:
                return group
        return len(masks)


def no_evaluations(num_players: int) -> Evaluations:
    """No coalition of `num_players` players, yet."""
    return Evaluations(np.zeros((0, num_players), bool), None, {})
