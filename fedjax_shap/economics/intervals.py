"""Intervals of payments, from standard errors or replicates of the values, and who is not told
apart (Spec 5.9).

From standard errors: payment_i +- q * its standard error, by the delta method
(`errors.payment_std_errors`). That is wrong where a value lies within q errors of zero and the
policy counts no negative one: there the interval is cut where the policy cuts, the player's own
error counts as if its value did, and a note says so. From replicates: the percentiles of the
payments that the rule makes of each replicate (Efron 1979). They are percentiles, and not
differences reflected about the estimate, since payments are bent: no percentile lies where the
policy lets no payment lie.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtr

from fedjax_shap._validate import integer, number, require
from fedjax_shap.economics import money
from fedjax_shap.economics.bounds import matrix, normal_bounds, percentile_bounds, quantile
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.settle import Read, read
from fedjax_shap.typing import HostArray


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Intervals of the payments of P players, one for each, not for all at once unless
    `simultaneous`.

    Attributes:
        low: money[P], whole minor units, rounded down.
        high: money[P], whole minor units, rounded up.
        std_errors: money[P], of the payments before rounding; with "delta", for who is near zero,
            as if it counted.
        level: the chance with which such an interval covers its player's payment, aimed at.
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
        """The intervals as a dict that JSON can hold: `low` and `high` in the order of the
        players.
        """
        how = {"level": float(self.level), "method": self.method, "simultaneous": self.simultaneous}
        return {
            **how,
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
        replicates: float[B, P], estimates of the values that spread as the estimate itself does:
            bootstrap resamples of joining orders or of the test set, or what `resampled` makes of
            repeated trainings. Chosen where given.
        level: of the intervals, in (0, 1).
        draws: the number of independent draws that the errors were estimated from, or the
            replicates resampled from. Then q is Student's with one degree of freedom less, and
            percentiles move outward alike (Hesterberg 2015, "What teachers should know about the
            bootstrap"); if None, q is the normal one.
        simultaneous: whether all P shall hold at once: each is then of level 1 - (1 - level) / P
            (Bonferroni).
        efficient: as in `settle`, for "delta".
        settings: what else `settle` takes: `players`, `sizes`, `minor_unit`.

    Returns:
        The intervals, rounded outward to minor units.

    Raises:
        InvalidInputError: neither standard errors nor replicates, too few replicates for the level,
            a replicate that the rule refuses, or what `settle` refuses.

    Guarantees:
        Those of "delta" hold the payment of `settle`. Both kinds lie where the policy lets payments
        lie.
    """
    _check(level, draws, simultaneous=simultaneous, efficient=efficient)
    given = read(values, costs, revenue, rule=rule, std_errors=std_errors, **settings)
    tail = (1 - level) / 2 / (len(given.claim.players) if simultaneous else 1)
    if replicates is not None:
        rows = matrix("replicates", replicates, len(given.claim.players))
        method, bounds = "replicates", percentile_bounds(given, rows, tail, draws)
    else:
        method, bounds = (
            "delta",
            normal_bounds(given, _errors(given), quantile(tail, draws), efficient),
        )
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
    """The pairs of players whose values the errors do not tell apart.

    Of each pair the difference of the values is held against its standard error, by a two-sided
    z-test. All pairs are tested together by Holm's step-down method (1979): where some pairs are
    truly equal, the chance that any of these is told apart is at most 1 - level. To be on the list
    is not to be shown equal: it is not to be shown different.

    Args:
        values: phi[P], or a record with `values` and `std_errors`.
        std_errors: float[P] >= 0 of the values, taken as independent between players; those of the
            record if None.
        replicates: float[B, P] as in `payment_intervals`: the error of a difference is then that of
            the pair, whatever the two have in common. Chosen where given.
        level: 1 - the chance of telling any equals apart, in (0, 1).
        draws: as in `payment_intervals`: a t-test with draws - 1 degrees of freedom.
        efficient: whether errors sum to zero, so that those of two players are correlated by -1 /
            (P - 1), as they are exactly where all are equally large: s_i^2 + s_j^2 is then
            multiplied by P / (P - 1).

    Returns:
        Pairs (i, j) with i < j, in order.

    Raises:
        InvalidInputError: neither standard errors nor replicates, or numbers that are not finite.
    """
    _check(level, draws, efficient=efficient)
    players = len(money.items("values", getattr(values, "values", values)))
    given = read(values, (0,) * players, 0, std_errors=std_errors)
    found = np.array(given.claim.values, np.float64)
    pairs = np.array(list(combinations(range(len(found)), 2)), int).reshape(-1, 2)
    one, two = pairs.T
    if replicates is not None:
        rows = matrix(
            "replicates", replicates, players
        )  # player by player: all pairs at once would not fit
        each = [(rows[:, [i]] - rows[:, i + 1 :]).std(axis=0, ddof=1) for i in range(players)]
        spread = np.concatenate(each)
    else:
        errors = np.array(_errors(given), np.float64)
        common = players / (players - 1) if efficient and players > 1 else 1.0
        spread = np.hypot(errors[one], errors[two]) * math.sqrt(common)
    away = np.abs(found[one] - found[two])
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(
            away == 0, 0.0, away / spread
        )  # without any error, what differs at all is told apart
    chance = 2 * (ndtr(-score) if draws is None else stdtr(draws - 1, -score))
    order = np.argsort(chance, kind="stable")
    refuted = np.cumprod(
        chance[order] <= (1 - level) / (len(pairs) - np.arange(len(pairs)))
    ).astype(bool)
    return tuple((int(i), int(j)) for i, j in pairs[np.sort(order[~refuted])])


def resampled(rows: Any, *, count: int = 2000, seed: int = 0) -> HostArray:
    """Replicates of a mean: the means of rows drawn with replacement (the bootstrap of Efron 1979).

    Args:
        rows: float[U, P], U >= 2 independent draws whose mean the values are: what each joining
            order says of each player, or the values of each of U trainings. With fewer than about
            ten, standard errors of the mean and `draws=U` are the better choice.
        count: B, how many replicates.
        seed: decides what is drawn.

    Returns:
        float64[B, P], for `payment_intervals` and `indistinguishable`, with `draws=U`.

    Raises:
        InvalidInputError: fewer than two rows, or a number that is not finite.
    """
    integer("count", count, least=2)
    integer("seed", seed, least=0)
    held = matrix("rows", rows)
    drawn = np.random.default_rng(seed).multinomial(
        len(held), np.full(len(held), 1 / len(held)), size=count
    )
    return np.asarray(drawn @ held / len(held))


def _errors(given: Read) -> tuple[Fraction, ...]:
    """The standard errors of the values, or a refusal where there are none."""
    told = f" {given.notes[0]}" if given.notes else ""
    require(
        given.errors is not None,
        f"Expected std_errors or replicates of the values, got neither.{told}",
    )
    return given.errors or ()


def _check(level: float, draws: int | None, **flags: bool) -> None:
    """Refuses what is no level, no number of draws, or neither True nor False."""
    number("level", level, above=0)
    require(level < 1, f"Expected level={level} to lie between 0 and 1.")
    if draws is not None:
        integer("draws", draws, least=2)
    for name, flag in flags.items():
        require(isinstance(flag, bool), f"Expected {name}={flag!r} to be True or False.")
