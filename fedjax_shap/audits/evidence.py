"""Evidence: all that is known of a settlement when it is audited, and what an audit finds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from fedjax_shap._validate import finite, require
from fedjax_shap.coalitions import MOST_PLAYERS, ranks
from fedjax_shap.economics import money
from fedjax_shap.economics.revenue import RevenueCurve, proportional
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
        revenue: what a metric earns; if None, revenues are in proportion to what a coalition adds
            to the metric of the empty one, and everybody earns the settlement's revenue.
    """

    settlement: Settlement
    names: Sequence[str]
    values: HostArray
    std_errors: HostArray | None = None
    masks: Masks | None = None
    utilities: Utilities | None = None
    sizes: Any = None
    metered: Any = None
    revenue: RevenueCurve | None = None
    _keys: HostArray = field(init=False, repr=False, compare=False)
    _rows: HostArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Reads the evidence, and refuses what does not fit the settlement in a sentence."""
        players = self.settlement.players
        names = tuple(self.names)
        require(
            names == players, f"Expected names={names} to be those of the settlement, {players}."
        )
        # What is read takes the place of what was given; all of it is checked here once.
        fields: dict[str, Any] = {"names": names}
        fields["values"] = _numbers("values", self.values, players)
        if self.std_errors is not None:
            fields["std_errors"] = _errors(self.std_errors, players)
        if self.sizes is not None:
            fields["sizes"] = money.counts("sizes", self.sizes, players)
        if self.metered is not None:
            fields["metered"] = money.amounts("metered", self.metered, players)
        both = (self.masks is None) == (self.utilities is None)
        require(both, "Expected masks and utilities both, or neither.")
        if self.masks is not None:
            masks, utilities = _known(self.masks, self.utilities, len(players))
            # Where a coalition is known several times, the first utility counts.
            keys, rows = np.unique(_keys(masks), return_index=True)
            fields |= {"masks": masks, "utilities": utilities, "_keys": keys, "_rows": rows}
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def known(self, masks: Masks) -> HostArray:
        """float64[M], the utility of each coalition of bool[M, P]; NaN where it is not known."""
        if self.utilities is None or not len(self.utilities):
            return np.full(len(masks), np.nan)
        # Search each mask among the known ones, which are sorted.
        wanted = _keys(masks)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where(self._keys[at] == wanted, self.utilities[self._rows[at]], np.nan)

    @cached_property
    def table(self) -> HostArray | None:
        """float64[2^P], utilities in the order of `coalitions.ranks`; None where one is missing."""
        players = len(self.names)
        if self.masks is None or players > MOST_PLAYERS or len(self._rows) < 2**players:
            return None
        table = np.empty(2**players)
        table[ranks(self.masks[self._rows])] = np.asarray(self.utilities)[self._rows]
        return table

    @property
    def curve(self) -> RevenueCurve | None:
        """The revenue of a metric, as given or in proportion.

        None where that takes utilities that are not known, or V(N) does not exceed V(empty).
        """
        if self.revenue is not None or self.utilities is None or not len(self.utilities):
            return self.revenue
        ends = np.array([[False], [True]]).repeat(len(self.names), axis=1)
        nobody, everybody = self.known(ends)
        scale = np.abs(self.utilities).max()
        if not everybody - nobody > ROUNDING * scale:  # also where one is not known
            return None
        return proportional(
            self.settlement.revenue,
            nobody=float(nobody),
            everybody=float(everybody),
            most=float(self.utilities.max()),
        )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of an audit.

    Attributes:
        name: of the audit, its key in `registry.AUDITS`.
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


class Audit(Protocol):
    """A pure function that judges one property of a settlement."""

    def __call__(self, evidence: Evidence) -> Finding:
        """Judges the property.

        Args:
            evidence: a settlement and what is known of it.

        Returns:
            The finding; where the evidence does not suffice it says so, and nothing is raised.
        """


def shown(value: Fraction, evidence: Evidence) -> str:
    """An exact amount as a sentence shows it: rounded to the settlement's minor unit."""
    unit = evidence.settlement.minor_unit
    return money.written(money.EXACT.multiply(unit, round(value / Fraction(unit))))


def _known(masks: Any, utilities: Any, players: int) -> tuple[Masks, HostArray]:
    """(bool[M, P], float64[M]), or a refusal."""
    masks = np.asarray(masks)
    utilities = np.asarray(utilities, np.float64)
    fits = masks.shape == (len(masks), players) and utilities.shape == masks.shape[:1]
    require(
        masks.dtype == bool and fits,
        f"Expected masks bool[M, {players}] and utilities [M], got masks "
        f"{masks.dtype}{list(masks.shape)} and utilities {list(utilities.shape)}.",
    )
    finite("utilities", utilities)
    return masks, utilities


def _keys(masks: Masks) -> HostArray:
    """bytes[M]: each mask as one number to search for."""
    packed = np.packbits(masks, axis=1)
    return packed.view(f"S{packed.shape[1]}")[:, 0]


def _errors(values: Any, players: Sequence[str]) -> HostArray | None:
    """Standard errors float64[P]; None where one is not finite, which stands for unknown."""
    errors = np.asarray(money.items("std_errors", values, len(players)), np.float64)
    if not np.isfinite(errors).all():
        return None
    require(bool((errors >= 0).all()), f"Expected std_errors={errors.tolist()} to be >= 0.")
    return errors


def _numbers(name: str, values: Any, players: Sequence[str]) -> HostArray:
    """float64[P] of their own, or a refusal."""
    read = np.asarray(money.items(name, values, len(players)), np.float64)
    require(read.ndim == 1, f"Expected {name} to be one number a player, got shape {read.shape}.")
    finite(name, read)
    return read
