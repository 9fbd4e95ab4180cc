"""The distinct coalitions that an estimator has asked for, and the utilities observed of them."""

from dataclasses import dataclass, replace

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.estimator import MOST_IN_A_TABLE
from fedjax_shap.typing import HostArray, Masks, Utilities


@dataclass(frozen=True)
class Evaluations:
    """Distinct coalitions in the order in which they were asked for.

    Attributes:
        masks: bool[M, P], all that were asked for.
        utilities: float64[K, ...], of the first K of them; None until the first are observed.
        row: the row of each mask, by its packed name.
    """

    masks: Masks
    utilities: Utilities | None
    row: dict[bytes, int]

    def __len__(self) -> int:
        """How many distinct coalitions were asked for."""
        return len(self.masks)

    @property
    def num_observed(self) -> int:
        """K, of how many coalitions the utility is known."""
        if self.utilities is None:
            return 0
        return len(self.utilities)

    @property
    def observed(self) -> Utilities:
        """float64[K, ...]: the utilities.

        Raises:
            InvalidInputError: none were observed yet.
        """
        require(
            self.utilities is not None,
            "Expected utilities to be given to tell before values are read, got none.",
        )
        return np.asarray(self.utilities)

    @property
    def complete(self) -> bool:
        """Whether every coalition of these players was asked for."""
        num_players: int = self.masks.shape[1]
        return num_players < MOST_IN_A_TABLE and len(self.masks) == 2**num_players

    def ask(self, masks: Masks) -> tuple[Masks, "Evaluations"]:
        """(those of `masks` bool[A, P] that are new, each once; the evaluations with them)."""
        row = dict(self.row)
        new = []
        for index, name in enumerate(pack(masks)):
            if name not in row:
                row[name] = len(row)
                new.append(index)
        together = np.concatenate([self.masks, masks[new]])
        return masks[new], replace(self, masks=together, row=row)

    def tell(self, utilities: Utilities) -> "Evaluations":
        """With the utilities float[A, ...] of what was asked for last, in that order."""
        utilities = np.asarray(utilities, np.float64)
        if self.utilities is not None:
            utilities = np.concatenate([self.utilities, utilities])
        return replace(self, utilities=utilities)

    def rows(self, masks: Masks) -> HostArray:
        """int[...]: the row of each mask of bool[..., P], -1 for one that was never asked for."""
        flat = [self.row.get(name, -1) for name in pack(masks.reshape(-1, masks.shape[-1]))]
        return np.array(flat, np.int64).reshape(masks.shape[:-1])

    def read(self, masks: Masks) -> Utilities:
        """float64[..., *trailing]: the utilities of masks bool[..., P], all of them observed."""
        return np.asarray(self.observed[self.rows(masks)])

    def num_affordable(self, masks: Masks, room: int) -> int:
        """How many of the groups of coalitions, from the first on, fit into a budget.

        Args:
            masks: bool[U, G, P], U groups.
            room: how many new coalitions the budget still allows.
        """
        names = pack(masks.reshape(-1, masks.shape[-1]))
        size = masks.shape[1]
        new = set[bytes]()
        for group in range(len(masks)):
            own = names[group * size : (group + 1) * size]
            new.update(name for name in own if name not in self.row)
            if len(new) > room:
                return group
        return len(masks)


def no_evaluations(num_players: int) -> Evaluations:
    """The evaluations before any coalition of `num_players` players was asked for."""
    return Evaluations(np.zeros((0, num_players), bool), None, {})
