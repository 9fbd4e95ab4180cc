"""Several values of each player: what a trailing axis of the utilities holds, and the one of them
that is the value proper.
"""

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.shapley.estimator import Attribution, Slices
from fedjax_shap.typing import HostArray


class Trailing(NamedTuple):
    """What the trailing axis of a game's utilities holds.

    Attributes:
        kind: "judges", of whom each has test rows of its own, after what all rows say; or "rounds",
            V after each round.
        names: of the J slices.
        weights: float64[J], what each slice counts in the mean over judges: its part of the test
            rows; () for rounds, which have none.
    """

    kind: Literal["judges", "rounds"]
    names: tuple[str, ...]
    weights: tuple[float, ...] = ()

    @property
    def length(self) -> int:
        """How long the axis is."""
        return len(self.names) + (self.kind == "judges")

    @property
    def main(self) -> int:
        """Where the value proper is: all test rows come first, the last round last."""
        return 0 if self.kind == "judges" else -1


def round_names(numbers: HostArray) -> tuple[str, ...]:
    """What rounds are called, whose numbers int[R] count from 0: "round 1", ...."""
    return tuple(f"round {number + 1}" for number in numbers)


def at(attribution: Attribution, place: int) -> Attribution:
    """The values of one place of the trailing axis that comes first."""
    return replace(
        attribution,
        values=attribution.values[:, place],
        std_errors=attribution.std_errors[:, place],
        empty=np.asarray(attribution.empty[place]),
        grand=np.asarray(attribution.grand[place]),
    )


def split(attribution: Attribution, trailing: Trailing) -> Attribution:
    """Values float64[P] of the slice that is the value proper, with those of all slices beside it.

    Args:
        attribution: of utilities with one trailing axis.
        trailing: what the axis holds.
    """
    require(
        attribution.values.shape[1:] == (trailing.length,),
        f"Expected utilities with a trailing axis of {trailing.length} {trailing.kind}, got "
        f"{attribution.values.shape[1:]}.",
    )
    first = trailing.length - len(trailing.names)
    slices = Slices(
        kind=trailing.kind,
        names=trailing.names,
        weights=np.asarray(trailing.weights, np.float64),
        values=attribution.values[:, first:],
        std_errors=attribution.std_errors[:, first:],
        empty=attribution.empty[first:],
        grand=attribution.grand[first:],
    )
    return replace(at(attribution, trailing.main), slices=slices)
