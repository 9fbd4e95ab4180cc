"""Cases: all that is known of a settlement when it is audited, and what an audit finds (Spec 5,
9).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from fedjax_shap._validate import finite, require
from fedjax_shap.coalitions import MOST_PLAYERS, ranks
from fedjax_shap.economics import money
from fedjax_shap.economics.revenue import Curve, proportional
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.typing import HostArray, Masks, Utilities

ROUNDING = 1e-9  # of the largest utility or value: what float64 arithmetic may leave of 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A settlement and the evidence that it was made from.

    Attributes:
        settlement: who is paid what.
        names: the P names, those of the settlement in its order.
        values: float[P], the values that the settlement was made from.
        std_errors: float[P] >= 0 of the values, in their unit; None where unknown, also where one
            is not finite.
        masks: bool[M, P], the coalitions whose utilities are known, in any order; None where there
            are none.
        utilities: float[M], theirs.
        sizes: training examples int[P], or None.
        metered: money[P], the costs that the device profiles and the recorded work imply; None
            where unknown.
        revenue: what a metric earns; None for in proportion to what a coalition adds to nobody's
            metric, all of the settlement's revenue for everybody's.
    """

    settlement: Settlement
    names: Sequence[str]
    values: HostArray
    std_errors: HostArray | None = None
    masks: Masks | None = None
    utilities: Utilities | None = None
    sizes: Any = None
    metered: Any = None
    revenue: Curve | None = None
    _keys: HostArray = field(init=False, repr=False, compare=False)
    _rows: HostArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Reads the evidence, and refuses what does not fit the settlement in a sentence."""
        players = self.settlement.players
        held: dict[str, Any] = {
            "names": tuple(self.names),
            "values": _numbers("values", self.values, players),
        }
        require(
            held["names"] == players,
            f"Expected names={held['names']} to be those of the settlement, {players}.",
        )
        if self.std_errors is not None:
            held["std_errors"] = _errors(self.std_errors, players)
        if self.sizes is not None:
            held["sizes"] = money.counts("sizes", self.sizes, players)
        if self.metered is not None:
            held["metered"] = money.amounts("metered", self.metered, players)
        both = (self.masks is None) == (self.utilities is None)
        require(both, "Expected masks and utilities both, or neither.")
        if self.masks is not None:
            masks, utilities = np.asarray(self.masks), np.asarray(self.utilities, np.float64)
            shapes = (
                masks.shape == (len(masks), len(players)) and utilities.shape == masks.shape[:1]
            )
            told = f"masks {masks.dtype}{list(masks.shape)} and utilities {list(utilities.shape)}"
            expected = f"Expected masks bool[M, {len(players)}] and utilities [M], got {told}."
            require(masks.dtype == bool and shapes, expected)
            finite("utilities", utilities)
            held |= {"masks": masks, "utilities": utilities}
            held["_keys"], held["_rows"] = np.unique(
                _keys(masks), return_index=True
            )  # of several the first
        for name, value in held.items():
            object.__setattr__(self, name, value)

    def known(self, masks: Masks) -> HostArray:
        """float64[M], the utility of each coalition of bool[M, P]; NaN where it is not known."""
        if self.utilities is None or not len(self.utilities):
            return np.full(len(masks), np.nan)
        wanted = _keys(masks)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where(self._keys[at] == wanted, self.utilities[self._rows[at]], np.nan)

    @cached_property
    def table(self) -> HostArray | None:
        """float64[2^P], all utilities in the order of `coalitions.ranks`; None where one is
        missing.
        """
        players = len(self.names)
        if self.masks is None or players > MOST_PLAYERS or len(self._rows) < 2**players:
            return None
        table = np.empty(2**players)
        table[ranks(self.masks[self._rows])] = np.asarray(self.utilities)[self._rows]
        return table

    @property
    def curve(self) -> Curve | None:
        """The revenue of a metric: as given, or in proportion; None where that needs utilities that
        are not known.
        """
        if self.revenue is not None or self.utilities is None or not len(self.utilities):
            return self.revenue
        nobody, everybody = self.known(np.array([[False], [True]]).repeat(len(self.names), axis=1))
        most, scale = self.utilities.max(), np.abs(self.utilities).max()
        if not everybody - nobody > ROUNDING * scale:  # also where one is not known
            return None
        return proportional(
            self.settlement.revenue,
            nobody=float(nobody),
            everybody=float(everybody),
            most=float(most),
        )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an audit found.

    Attributes:
        name: of the audit, its key in `audits.AUDITS`.
        holds: whether the property holds; None where it cannot be judged.
        sentence: the result for a reader, in one or two sentences; where it cannot be judged, why.
        numbers: what it was judged by, as JSON can hold it. Money is rounded to a float here, and
            exact in sentences to the minor unit.
    """

    name: str
    holds: bool | None
    sentence: str
    numbers: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The finding as a dict that JSON can hold."""
        return {
            "name": self.name,
            "holds": self.holds,
            "sentence": self.sentence,
            "numbers": self.numbers,
        }


def shown(value: Fraction, case: Evidence) -> str:
    """An exact amount as a sentence shows it: rounded to the settlement's minor unit."""
    unit = case.settlement.minor_unit
    return money.written(money.EXACT.multiply(unit, round(value / Fraction(unit))))


def _keys(masks: Masks) -> HostArray:
    """bytes[M]: each mask as one number to search for."""
    packed = np.packbits(masks, axis=1)
    return packed.view(f"S{packed.shape[1]}")[:, 0]


def _errors(values: Any, players: Sequence[str]) -> HostArray | None:
    """Standard errors float64[P]; None where one of them is not finite, which is how an estimator
    says unknown.
    """
    listed = np.asarray(money.items("std_errors", values, len(players)), np.float64)
    if not np.isfinite(listed).all():
        return None
    require(bool((listed >= 0).all()), f"Expected std_errors={listed.tolist()} to be >= 0.")
    return listed


def _numbers(name: str, values: Any, players: Sequence[str]) -> HostArray:
    """float64[P] of their own, or a refusal."""
    read = np.asarray(money.items(name, values, len(players)), np.float64)
    require(read.ndim == 1, f"Expected {name} to be one number a player, got shape {read.shape}.")
    finite(name, read)
    return read
