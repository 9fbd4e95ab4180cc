"""What players add together beyond what they add apart: interaction indices of singles and pairs.

All are read off the table of all utilities. The second difference of a pair,

    D_ij(S) = V(S + i + j) - V(S + i) - V(S + j) + V(S),

is averaged over the coalitions S of the others; the indices differ in the weight of each size. A
negative index says that two players contribute much the same (they are substitutes), a positive one
that they need each other.
"""

from itertools import combinations
from math import comb
from typing import Literal, get_args

import numpy as np

from fedjax_shap._validate import integer, one_of
from fedjax_shap.shapley.semivalue import banzhaf, checked_table, semivalues
from fedjax_shap.typing import HostArray, Utilities

Index = Literal["SII", "k-SII", "STII", "Banzhaf"]


def moebius(table: Utilities) -> HostArray:
    """The Moebius transform, or Harsanyi dividends: sum over T in S of (-1)^(|S| - |T|) V(T).

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i
            of r is set.

    Returns:
        m float64[2^P, ...], in the same order. V(S) is the sum of m(T) over T in S.

    Raises:
        InvalidInputError: the table's length is not a power of two, or one of its numbers is not
            finite.

    References:
        Harsanyi 1963, "A simplified bargaining model for the n-person cooperative game".
    """
    table = np.array(checked_table(table))
    for player in range(_num_players(table)):
        # subtract from each coalition with the player the one without
        halves = table.reshape(-1, 2, 2**player, *table.shape[1:])
        halves[:, 1] -= halves[:, 0]
    return table


def interactions(table: Utilities, *, order: int = 2, index: Index = "k-SII") -> HostArray:
    """An interaction index of all singles and pairs.

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i
            of r is set.
        order: 2, or 1 for singles alone, with pairs left at 0.
        index: "SII", Shapley interactions (Grabisch and Roubens 1999): pairs weighted |S|!
            (P-|S|-2)! / (P-1)!, singles the Shapley values. "k-SII", n-Shapley values (Bordt and
            von Luxburg 2023): the pairs of SII; half of its pairs is subtracted from each single.
            "STII", Shapley-Taylor (Sundararajan et al. 2020): pairs weighted 2 |S|! (P-|S|-1)! /
            P!, singles V({i}) - V(empty). "Banzhaf" (Grabisch and Roubens 1999): pairs weighted
            2^(2 - P), singles the Banzhaf values. Of order 1 the singles of all but "Banzhaf" are
            the Shapley values.

    Returns:
        float64[P, P, ...], symmetric: [i, j] the index of the pair, [i, i] that of the single.

    Raises:
        InvalidInputError: the index or the order is unknown, the table's length is not a power of
            two, or one of its numbers is not finite.

    Guarantees:
        A null player's row is exactly 0 with "SII", "STII" and "Banzhaf", and 0 to rounding with
        "k-SII". With "k-SII" and "STII" singles and pairs, each pair once, sum to V(N) - V(empty),
        to rounding.
    """
    table = checked_table(table)
    one_of("index", index, get_args(Index))
    integer("order", order, least=1, most=2)
    num_players = _num_players(table)
    indices = np.zeros((num_players, num_players, *table.shape[1:]))
    if order == 2 and num_players > 1:
        weights = _pair_weights(index, num_players)
        for first, second in combinations(range(num_players), 2):
            indices[first, second] = _pair(table, first, second, weights)
            indices[second, first] = indices[first, second]
    indices[np.arange(num_players), np.arange(num_players)] = _singles(table, indices, order, index)
    return indices


def _singles(table: HostArray, pairs: HostArray, order: int, index: Index) -> HostArray:
    """float64[P, ...]: the index of each single, given those of pairs float64[P, P, ...]."""
    if index == "Banzhaf":
        return semivalues(table, banzhaf)
    if order == 1 or index == "SII":
        return semivalues(table)
    if index == "STII":
        return np.asarray(table[1 << np.arange(_num_players(table))] - table[0])
    single: HostArray = semivalues(table) - pairs.sum(axis=1) / 2  # B_1 = -1/2 (Bernoulli)
    return single


def _pair(table: HostArray, first: int, second: int, weights: HostArray) -> HostArray:
    """float64[...]: the weighted sum of the second differences of players first < second.

    Args:
        table: float64[2^P, ...].
        first: a player.
        second: one with a higher number.
        weights: float64[2^(P - 2)], of the coalitions of the others in the order of `all_subsets`.
    """
    # split the rows by the bits of both players
    cube = table.reshape(-1, 2, 2 ** (second - first - 1), 2, 2**first, *table.shape[1:])
    differences = (cube[:, 1, :, 1] - cube[:, 1, :, 0]) - (cube[:, 0, :, 1] - cube[:, 0, :, 0])
    flat = differences.reshape(len(weights), *table.shape[1:])
    return np.asarray(np.tensordot(weights, flat, axes=1))


def _pair_weights(index: Index, num_players: int) -> HostArray:
    """float64[2^(P - 2)]: the weight of each second difference, by the coalition of the others."""
    others = num_players - 2
    if index == "Banzhaf":
        by_size = [0.5**others for _ in range(others + 1)]
    elif index == "STII":
        by_size = [2 / (num_players * comb(num_players - 1, size)) for size in range(others + 1)]
    else:
        by_size = [1 / ((num_players - 1) * comb(others, size)) for size in range(others + 1)]
    return np.array(by_size)[np.bitwise_count(np.arange(2**others))]


def _num_players(table: HostArray) -> int:
    """P of a table of 2^P rows."""
    return len(table).bit_length() - 1
