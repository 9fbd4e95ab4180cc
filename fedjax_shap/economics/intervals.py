"""Intervals of payments, and pairs of players whose values do not differ significantly.

Intervals come from standard errors or from replicates of the values. From standard errors: payment
+- q * its standard error, by the delta method (`errors`). That is wrong where a value lies within q
errors of zero and the policy counts no negative one: there the interval is cut where the policy
cuts, the player's own error counts as if its value did, and a note says so. From replicates: the
percentiles of the payments that the rule makes of each replicate (Efron 1979). They are
percentiles, and not differences reflected about the estimate, so that an interval ends at a payment
that the policy can make.

With few independent draws behind the errors or the replicates, q is Student's with one degree of
freedom less than draws, and percentiles move outward alike (Hesterberg 2015, "What teachers should
know about the bootstrap").
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy

from fedjax_shap._validate import InvalidInputError, caution, integer, number, require
from fedjax_shap.economics import money
from fedjax_shap.economics.bounds import matrix, normal_bounds, percentile_bounds, quantile
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.settle import Read, read
from fedjax_shap.typing import HostArray


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Intervals of the payments of P players, each at `level` unless `simultaneous`.

    Attributes:
        low: money[P], whole minor units, rounded down.
        high: money[P], whole minor units, rounded up.
        std_errors: money[P], of the payments before rounding; with "delta", for who is near zero,
            as if it counted.
        level: the chance, aimed at, with which such an interval covers its player's payment.
        method: "delta" or "replicates".
        simultaneous: whether `level` is the chance that all P intervals cover theirs at once.
        notes: where the intervals are rough, one sentence each.
    """

    low: HostArray
    high: HostArray
    std_errors: HostArray
    level: float
    method: str
    simultaneous: bool = False
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A dict that JSON can hold; `low` and `high` are lists in the order of the players."""
        return {
            "level": float(self.level),
            "method": self.method,
            "simultaneous": self.simultaneous,
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "notes": list(self.notes),
        }


def payment_intervals(
    values: Any,
    costs: Any,
    revenue: Any,
    *,
    rule: Rule | None = None,
    std_errors: Any = None,
    replicates: Any = None,
    level: float = 0.95,
    draws: int | None = None,
    simultaneous: bool = False,
    efficient: bool = False,
    **settings: Any,
) -> Intervals:
    """Intervals for what the rule would pay if the values were known without error.

    Args:
        values: phi[P], or a record with `values` and `std_errors`; as in `settle`.
        costs: c[P] >= 0, in money.
        revenue: R >= 0, in money.
        rule: `cost_aware()` if None.
        std_errors: float[P] >= 0 of the values, for "delta"; those of the record if None.
        replicates: float[B, P], estimates of the values that spread as the estimate itself does,
            such as those of `resampled`. Chosen where given.
        level: of the intervals, in (0, 1).
        draws: the number of independent draws behind the errors or replicates; None for many.
        simultaneous: whether all P shall hold at once: each is then of level 1 - (1 - level) / P
            (Bonferroni).
        efficient: as in `settle`, for "delta".
        settings: what else `settle` takes: `players`, `sizes`, `minor_unit`, `permanent`.

    Returns:
        The intervals, rounded outward to minor units. Those of "delta" hold the payment of
        `settle`. Both kinds lie where the policy lets payments lie.

    Raises:
        InvalidInputError: neither standard errors nor replicates, too few replicates for the level,
            a replicate that the rule refuses, or what `settle` refuses.
    """
    _check(level, draws, simultaneous=simultaneous, efficient=efficient)
    given = read(values, costs, revenue, rule=rule, std_errors=std_errors, **settings)
    if given.unclaimed:
        caution(given.unclaimed)
    return _intervals(given, replicates, level, draws, simultaneous, efficient)


def _intervals(
    given: Read,
    replicates: Any,
    level: float,
    draws: int | None,
    simultaneous: bool,
    efficient: bool,
) -> Intervals:
    """The intervals of claims that are read; see `payment_intervals`."""
    # Split what is left of the level between the two ends, and between all players if need be.
    players = len(given.claim.players)
    tail = (1 - level) / 2
    if simultaneous:
        tail = tail / players
    if replicates is None:
        method = "delta"
        bounds = normal_bounds(given, _errors(given), quantile(tail, draws), efficient)
    else:
        method = "replicates"
        rows = matrix("replicates", replicates, players)
        bounds = percentile_bounds(given, rows, tail, draws)
    return Intervals(
        low=np.array(bounds.low, np.float64),
        high=np.array(bounds.high, np.float64),
        std_errors=np.array(bounds.std_errors, np.float64),
        level=level,
        method=method,
        simultaneous=simultaneous,
        notes=bounds.notes,
    )


def indistinguishable(
    values: Any,
    *,
    std_errors: Any = None,
    replicates: Any = None,
    level: float = 0.95,
    draws: int | None = None,
    efficient: bool = False,
) -> tuple[tuple[int, int], ...]:
    """The pairs of players whose values do not differ significantly.

    The difference of each pair is compared with its standard error, in a two-sided z-test, or a
    t-test with draws - 1 degrees of freedom. All pairs are tested together by Holm's step-down
    method (1979): where some pairs are truly equal, the chance that any of these is said to differ
    is at most 1 - level. A pair on the list is not shown to be equal: it is not shown to differ.

    Args:
        values: phi[P], or a record with `values` and `std_errors`.
        std_errors: float[P] >= 0 of the values, taken as independent between players; those of the
            record if None.
        replicates: float[B, P] as in `payment_intervals`: the error of a difference is then that of
            the pair, whatever the two have in common. Chosen where given.
        level: 1 - the chance to call any equal pair different, in (0, 1).
        draws: as in `payment_intervals`.
        efficient: whether errors sum to zero, so that those of two players are correlated by -1 /
            (P - 1), as they are exactly where all are equally large.

    Returns:
        Pairs (i, j) with i < j, in order.

    Raises:
        InvalidInputError: neither standard errors nor replicates, or numbers that are not finite.
    """
    _check(level, draws, efficient=efficient)
    if isinstance(values, Mapping):
        values = list(values.values())
    players = len(money.items("values", getattr(values, "values", values)))
    given = read(values, (0,) * players, 0, std_errors=std_errors)
    if replicates is None:
        spread = _spread_of_errors(np.array(_errors(given), np.float64), efficient)
    else:
        spread = _spread_of_replicates(matrix("replicates", replicates, players))
    chance = _chance_if_equal(np.array(given.claim.values, np.float64), spread, draws)
    return _not_refuted(chance, players, 1 - level)


def resampled(rows: Any, *, count: int = 2000, seed: int = 0) -> HostArray:
    """Replicates of a mean: the means of rows drawn with replacement (the bootstrap of Efron 1979).

    Args:
        rows: float[U, P], U >= 2 independent draws whose mean the values are: the marginal
            contributions in each joining order, or the values of each of U trainings. With fewer
            than about ten, standard errors of the mean and `draws=U` are the better choice.
        count: B, how many replicates.
        seed: decides what is drawn.

    Returns:
        float64[B, P], for `payment_intervals` and `indistinguishable`, with `draws=U`.

    Raises:
        InvalidInputError: fewer than two rows, or a number that is not finite.
    """
    integer("count", count, least=2)
    integer("seed", seed, least=0)
    array = matrix("rows", rows)
    uniform = np.full(len(array), 1 / len(array))
    drawn = np.random.default_rng(seed).multinomial(len(array), uniform, size=count)
    return np.asarray(drawn @ array / len(array))


def _pairs(players: int) -> HostArray:
    """int[P (P - 1) / 2, 2]: all pairs i < j, in order."""
    return np.stack(np.triu_indices(players, 1), axis=1)


def _spread_of_errors(errors: HostArray, efficient: bool) -> HostArray:
    """float64[pairs]: the standard errors of the differences, from those of the values.

    Errors that sum to zero multiply s_i^2 + s_j^2 by P / (P - 1).
    """
    one, two = _pairs(len(errors)).T
    common = 1.0
    if efficient and len(errors) > 1:
        common = len(errors) / (len(errors) - 1)
    return np.asarray(np.hypot(errors[one], errors[two]) * math.sqrt(common))


def _spread_of_replicates(rows: HostArray) -> HostArray:
    """float64[pairs]: the standard deviations of the differences, over replicates [B, P]."""
    # player by player: all pairs at once would not fit
    each = [(rows[:, [i]] - rows[:, i + 1 :]).std(axis=0, ddof=1) for i in range(rows.shape[1])]
    return np.concatenate(each)


def _chance_if_equal(values: HostArray, spread: HostArray, draws: int | None) -> HostArray:
    """float64[pairs]: the two-sided p-values of the differences."""
    one, two = _pairs(len(values)).T
    difference = np.abs(values[one] - values[two])
    # In units of the standard error; without any error, whatever differs at all is different.
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(difference == 0, 0.0, difference / spread)
    if draws is None:
        return np.asarray(2 * scipy.special.ndtr(-score))
    return np.asarray(2 * scipy.special.stdtr(draws - 1, -score))


def _not_refuted(chance: HostArray, players: int, risk: float) -> tuple[tuple[int, int], ...]:
    """The pairs that Holm's step-down method does not call different.

    The smallest p-value is compared with risk / M, the next with risk / (M - 1), and so on; the
    first that is too large ends the refutations.
    """
    # Refute from the smallest p-value on, as long as none is too large.
    order = np.argsort(chance, kind="stable")
    limits = risk / (len(chance) - np.arange(len(chance)))
    refuted = np.cumprod(chance[order] <= limits).astype(bool)
    return tuple((int(i), int(j)) for i, j in _pairs(players)[np.sort(order[~refuted])])


def _errors(given: Read) -> tuple[Fraction, ...]:
    """The standard errors of the values, or a refusal where there are none."""
    if given.errors is not None:
        return given.errors
    sentences = ("Expected std_errors or replicates of the values, got neither.", *given.notes)
    raise InvalidInputError(" ".join(sentences))


def _check(level: float, draws: int | None, **flags: bool) -> None:
    """Refuses what is not a level, a number of draws, or a flag."""
    number("level", level, above=0)
    require(level < 1, f"Expected level={level} to lie between 0 and 1.")
    if draws is not None:
        integer("draws", draws, least=2)
    for name, flag in flags.items():
        require(isinstance(flag, bool), f"Expected {name}={flag!r} to be True or False.")
