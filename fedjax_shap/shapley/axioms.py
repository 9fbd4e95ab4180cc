"""The Shapley axioms as checks of values against the table of all utilities (Shapley 1953)."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.agreement import vector_of
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.semivalue import as_numbers
from fedjax_shap.typing import HostArray, Utilities


@dataclass(frozen=True, kw_only=True)
class AxiomReport:
    """By how much values violate each axiom; all are 0, up to rounding, for exact Shapley values.

    Attributes:
        efficiency: |sum of values - (V(N) - V(empty))|.
        symmetry: the largest difference between the values of two interchangeable players.
        null_player: the largest |value| of a player who adds nothing to any coalition.
        additivity: the largest |value - Shapley value of the table|. The Shapley value alone
            satisfies all four axioms, so this number shows a rule that satisfies the other three.
        twins: pairs of interchangeable players.
        nulls: players who add nothing.
        holds: whether each number is within the tolerance.
    """

    efficiency: float
    symmetry: float
    null_player: float
    additivity: float
    twins: tuple[tuple[int, int], ...]
    nulls: tuple[int, ...]
    holds: bool


def check(values: HostArray, table: Utilities, *, tolerance: float = 1e-9) -> AxiomReport:
    """Checks values against the table of all utilities.

    Args:
        values: float[P].
        table: float[2^P] in the order of `coalitions.all_subsets`.
        tolerance: relative to the spread of the table, for what counts as equal.

    Raises:
        InvalidInputError: the table does not have 2^P rows.
    """
    values = vector_of("values", values)
    table = as_numbers(table)
    require(
        values.ndim == 1 and table.shape == (2 ** len(values),),
        f"Expected table to have 2^{len(values)} rows for {len(values)} values, got shape "
        f"{table.shape}.",
    )
    allowed = tolerance * max(float(np.ptp(table)), np.finfo(float).tiny)
    twins = twin_players(table, allowed)
    nulls = null_players(table, allowed)
    efficiency = abs(float(values.sum() - (table[-1] - table[0])))
    symmetry = max((abs(float(values[i] - values[j])) for i, j in twins), default=0.0)
    null_player = max((abs(float(values[i])) for i in nulls), default=0.0)
    additivity = float(np.abs(values - shapley_values(table)).max())
    gaps = (efficiency, symmetry, null_player, additivity)
    return AxiomReport(
        efficiency=efficiency,
        symmetry=symmetry,
        null_player=null_player,
        additivity=additivity,
        twins=twins,
        nulls=nulls,
        holds=all(gap <= allowed * len(values) for gap in gaps),
    )


def null_players(table: Utilities, tolerance: float = 0.0) -> tuple[int, ...]:
    """Players whose joining changes no coalition's utility by more than `tolerance`."""
    rows = np.arange(len(table))
    nulls = []
    for player in range(len(table).bit_length() - 1):
        marginals = table[rows | (1 << player)] - table[rows & ~(1 << player)]
        if np.abs(marginals).max() <= tolerance:
            nulls.append(player)
    return tuple(nulls)


def twin_players(table: Utilities, tolerance: float = 0.0) -> tuple[tuple[int, int], ...]:
    """Pairs of players who can be exchanged in every coalition without changing its utility."""
    masks = all_subsets(len(table).bit_length() - 1)
    rows = np.arange(len(table))
    pairs = []
    for i, j in combinations(range(masks.shape[1]), 2):
        # compare each coalition with i and without j with the one in which they are exchanged
        with_i = rows[masks[:, i] & ~masks[:, j]]
        exchanged = with_i ^ (1 << i) ^ (1 << j)
        if np.abs(table[with_i] - table[exchanged]).max() <= tolerance:
            pairs.append((i, j))
    return tuple(pairs)
