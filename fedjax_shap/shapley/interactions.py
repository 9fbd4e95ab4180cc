"""What players are worth together beyond what they are worth apart: interaction indices of singles
and pairs.

All read the whole table. The second difference of a pair, D_ij(S) = V(S+i+j) - V(S+i) - V(S+j) +
V(S), is averaged over the coalitions S of the others; indices differ in how much each size counts.
A negative index says that two players hold much the same (they are substitutes), a positive one
that they need each other.
"""

from math import comb
from typing import Literal, get_args

import numpy as np

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.shapley.semivalue import banzhaf, semivalues
from fedjax_shap.typing import HostArray, Utilities

Index = Literal["SII", "k-SII", "STII", "Banzhaf"]


def moebius(table: Utilities) -> HostArray:
    """The Moebius transform, or Harsanyi dividends: m(S) = sum over T in S of (-1)^(|S| - |T|) V(T)
    (Harsanyi 1963).

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i
            of r is set.

    Returns:
        float64[2^P, ...], in the same order. V(S) is the sum of m(T) over T in S.

    Raises:
        InvalidInputError: the table's length is no power of two, or one of its numbers is not
            finite.
    """
    table = np.array(_checked(table))
    for player in range(_players(table)):
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
            von Luxburg 2023): the pairs of SII; from each single half of its pairs is taken.
            "STII", Shapley-Taylor (Sundararajan et al. 2020): pairs weighted 2 |S|! (P-|S|-1)! /
            P!, singles V({i}) - V(nobody). "Banzhaf" (Grabisch and Roubens 1999): pairs weighted
            2^(2 - P), singles the Banzhaf values. Of order 1 the singles of all but "Banzhaf" are
            the Shapley values.

    Returns:
        float64[P, P, ...], symmetric: [i, j] the index of the pair, [i, i] that of the single.

    Raises:
        InvalidInputError: an unknown index or order, a table whose length is no power of two or
            that is not finite.

    Guarantees:
        A null player's row is exactly 0 with "SII", "STII" and "Banzhaf" and 0 to rounding with
        "k-SII". With "k-SII" and "STII" singles and pairs, each pair once, sum to V(N) - V(nobody),
        to rounding.
    """
    table = _checked(table)
    one_of("index", index, get_args(Index))
    integer("order", order, least=1, most=2)
    num_players = _players(table)
    values = semivalues(table, banzhaf) if index == "Banzhaf" else semivalues(table)
    found = np.zeros((num_players, num_players, *table.shape[1:]))
    if order == 2 and num_players > 1:
        weights = _pair_weights(index, num_players)
        for second in range(num_players):
            for first in range(second):
                found[first, second] = found[second, first] = _pair(table, first, second, weights)
        if index == "k-SII":
            values = values - found.sum(axis=1) / 2  # B_1 = -1/2, the first Bernoulli number
    if order == 2 and index == "STII":
        values = table[1 << np.arange(num_players)] - table[0]
    found[np.arange(num_players), np.arange(num_players)] = values
    return found


def _pair(table: HostArray, first: int, second: int, weights: HostArray) -> HostArray:
    """float64[...]: the second differences of players first < second, weighted by the size of the
    coalition joined.

    Args:
        table: float64[2^P, ...].
        first: a player.
        second: one with a higher number.
        weights: float64[2^(P - 2)], of the coalitions of the others in the order of `all_subsets`.
    """
    cube = table.reshape(-1, 2, 2 ** (second - first - 1), 2, 2**first, *table.shape[1:])
    differences = (cube[:, 1, :, 1] - cube[:, 1, :, 0]) - (cube[:, 0, :, 1] - cube[:, 0, :, 0])
    return np.asarray(
        np.tensordot(weights, differences.reshape(len(weights), *table.shape[1:]), axes=1)
    )


def _pair_weights(index: Index, num_players: int) -> HostArray:
    """float64[2^(P - 2)]: what a second difference counts, by the coalition of the others."""
    others = num_players - 2
    if index == "Banzhaf":
        by_size = [0.5**others for _ in range(others + 1)]
    elif index == "STII":
        by_size = [2 / (num_players * comb(num_players - 1, size)) for size in range(others + 1)]
    else:
        by_size = [1 / ((num_players - 1) * comb(others, size)) for size in range(others + 1)]
    return np.array(by_size)[np.bitwise_count(np.arange(2**others))]


def _checked(table: Utilities) -> HostArray:
    """The table as float64, or a refusal."""
    table = np.asarray(table, np.float64)
    length = len(table) if table.ndim else 0
    require(
        length >= 2 and length & (length - 1) == 0,
        f"Expected table to have 2^P rows for some P >= 1, got shape {table.shape}.",
    )
    require(
        bool(np.isfinite(table).all()), "Expected table to be finite, but it holds NaN or infinity."
    )
    return table


def _players(table: HostArray) -> int:
    return len(table).bit_length() - 1
