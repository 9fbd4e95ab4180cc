"""Which of several methods is best over many cells: mean ranks, and which of them differ.

References:
    Demsar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import fraction, how_many, one_of, require
from fedjax_shap.studies.measures import Entry, entries_of, keywords_of_some, text_of
from fedjax_shap.studies.study import Study, simple
from fedjax_shap.typing import HostArray

SMALLER_IS_BETTER = (
    "relative_l2",
    "euclidean",
    "max_difference",
    "cosine_distance",
    "std_error",
    "seconds",
    "coalitions",
    "trained",
    "cost",
)


class Ranks(NamedTuple):
    """Methods in the order of their mean ranks.

    Attributes:
        field: what the methods differ in.
        value: the measure by which they are ranked.
        methods: K, the best first.
        mean_ranks: float64[K], 1 being the best.
        means: float64[K], of the measure.
        blocks: N, how many combinations of all other fields there are.
        left_out: how many more lack some method.
        p_value: of Friedman's test that all ranks are alike; NaN for two methods.
        critical_difference: mean ranks further apart differ (Nemenyi's test).
        significance: of that test.
        smaller: whether the smallest measure is the best.
    """

    field: str
    value: str
    methods: tuple[Any, ...]
    mean_ranks: HostArray
    means: HostArray
    blocks: int
    left_out: int
    p_value: float
    critical_difference: float
    significance: float
    smaller: bool

    def groups(self) -> list[tuple[int, int]]:
        """(first, last) of each largest run of methods whose mean ranks do not differ."""
        runs: list[tuple[int, int]] = []
        for first in range(len(self.methods)):
            within = self.mean_ranks - self.mean_ranks[first] <= self.critical_difference
            last = int(np.flatnonzero(within).max())
            if last > first and (not runs or last > runs[-1][1]):
                runs.append((first, last))
        return runs


def ranks_of(
    study: Study,
    field: str,
    value: str = "grand",
    *,
    reference: str | None = None,
    significance: float = 0.05,
) -> Ranks:
    """Ranks the values of one field over all combinations of the others.

    Args:
        study: see `load_study`.
        field: what the methods differ in, such as "algorithm.name".
        value: the measure, see `measures.MEASURES`; of distances, errors and effort the smallest
            is the best, of others the largest.
        reference: as in `measures.entries_of`.
        significance: of Nemenyi's test.

    Raises:
        InvalidInputError: an unknown field or measure, or fewer than two methods or combinations.
    """
    fraction("significance", significance)
    require(0 < significance < 1, f"Expected significance={significance} to lie between 0 and 1.")
    entries = entries_of(study, value, reference)
    one_of("ranks", field, list(entries[0].settings), "a field in which the cells differ")
    blocks = _blocks(entries, field)
    methods = list(dict.fromkeys(method for block in blocks.values() for method in block))
    whole = [block for block in blocks.values() if len(block) == len(methods)]
    require(
        len(methods) > 1 and len(whole) > 1,
        f"Expected at least two values of {field} in two combinations of the other fields, got "
        f"{how_many(len(methods), 'value')} in {how_many(len(whole), 'combination')}.",
    )
    table = np.array([[block[method] for method in methods] for block in whole])
    smaller = value in SMALLER_IS_BETTER
    mean_ranks = _mean_ranks(table, smaller=smaller)
    order = np.argsort(mean_ranks, kind="stable")
    return Ranks(
        field=field,
        value=value,
        methods=tuple(methods[place] for place in order),
        mean_ranks=mean_ranks[order],
        means=table.mean(axis=0)[order],
        blocks=len(whole),
        left_out=len(blocks) - len(whole),
        p_value=_friedman(table),
        critical_difference=critical_difference(len(methods), len(whole), significance),
        significance=significance,
        smaller=smaller,
    )


def critical_difference(methods: int, blocks: int, significance: float = 0.05) -> float:
    """How far apart mean ranks must be to differ, by Nemenyi's test (Demsar 2006, section 3.2.2).

    Args:
        methods: K >= 2.
        blocks: N >= 1, over which ranks are averaged.
        significance: of the test.

    Returns:
        q sqrt(K (K + 1) / (6 N)), with q the quantile of the studentised range over sqrt(2).
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - significance, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * blocks))


def _blocks(entries: Sequence[Entry], field: str) -> dict[str, dict[Any, float]]:
    """The number of each method, by the combination of the other fields."""
    left_out = {field} | keywords_of_some([entry.settings for entry in entries], field)
    blocks: dict[str, dict[Any, float]] = {}
    for entry in entries:
        block = blocks.setdefault(text_of(entry.settings, left_out), {})
        method = simple(entry.settings[field])
        require(
            method not in block,
            f"Expected {field}={method!r} to stand for one cell in each combination of the other "
            "fields, but cells with it differ in keywords of its own.",
        )
        block[method] = entry.number
    return blocks


def _mean_ranks(table: HostArray, *, smaller: bool) -> HostArray:
    """float64[K]: the mean rank of each column of float64[N, K]; ties share the mean of theirs."""
    from scipy.stats import rankdata

    signed = table if smaller else -table
    mean: HostArray = rankdata(signed, axis=1).mean(axis=0)
    return mean


def _friedman(table: HostArray) -> float:
    """The p-value of Friedman's test; NaN where there are two methods, or where all are tied."""
    from scipy.stats import friedmanchisquare

    columns: Sequence[HostArray] = list(table.T)
    if len(columns) < 3 or all(np.ptp(row) == 0 for row in table):
        return math.nan
    return float(friedmanchisquare(*columns).pvalue)
