"""Size coefficients: what a marginal contribution to a coalition of each size counts (Dubey,
Neyman, Weber 1981).
"""

import re
from collections.abc import Callable
from math import comb

import numpy as np
from scipy.special import betaln

from fedjax_shap._validate import InvalidInputError, number, require
from fedjax_shap.typing import HostArray, Utilities

Coefficients = Callable[
    [int], HostArray
]  # P -> float64[P], by the size 0..P-1 of a coalition that is joined


def shapley(num_players: int) -> HostArray:
    """float64[P]: s! (P - s - 1)! / P!, every size as likely as any other (Shapley 1953)."""
    return np.array(
        [1 / (num_players * comb(num_players - 1, size)) for size in range(num_players)]
    )


def banzhaf(num_players: int) -> HostArray:
    """float64[P]: 2^(1 - P), every coalition as likely as any other (Banzhaf 1965; Wang and Jia
    2023).
    """
    return np.full(num_players, 0.5 ** (num_players - 1))


def weighted_banzhaf(p: float) -> Coefficients:
    """p^s (1 - p)^(P - s - 1): everyone else joins with probability `p`, independently (Li and Yu
    2023).
    """
    number("p", p, above=0)
    require(p < 1, f"Expected p={p!r} to be < 1.")

    def coefficients(num_players: int) -> HostArray:
        size = np.arange(num_players)
        return np.asarray(p**size * (1 - p) ** (num_players - size - 1))

    return coefficients


def beta(alpha: float, beta: float) -> Coefficients:
    """Beta(alpha, beta) Shapley: B(s + beta, P - s - 1 + alpha) / B(alpha, beta) (Kwon and Zou
    2022, equation 5).

    A large `alpha` counts small coalitions more; Beta(1, 1) is the Shapley value.
    """
    number("alpha", alpha, above=0)
    number("beta", beta, above=0)

    def coefficients(num_players: int) -> HostArray:
        size = np.arange(num_players)
        return np.asarray(
            np.exp(betaln(size + beta, num_players - size - 1 + alpha) - betaln(alpha, beta))
        )

    return coefficients


def coefficients_of(semivalue: str | Coefficients) -> Coefficients:
    """The coefficients of a name: "shapley", "banzhaf", "banzhaf(0.3)", "beta(4, 1)"; a function
    stays as it is.

    Raises:
        InvalidInputError: no such name.
    """
    if callable(semivalue):
        return semivalue
    known = {"shapley": shapley, "banzhaf": banzhaf}
    if semivalue in known:
        return known[semivalue]
    found = re.fullmatch(r"(banzhaf|beta)\(([^,]+)(?:,([^,]+))?\)", str(semivalue))
    try:
        given = [float(text) for text in found.groups()[1:] if text is not None] if found else []
    except ValueError:
        given = []
    if found and (found[1], len(given)) in {("banzhaf", 1), ("beta", 2)}:
        return weighted_banzhaf(*given) if found[1] == "banzhaf" else beta(*given)
    raise InvalidInputError(
        f"Expected semivalue={semivalue!r} to be 'shapley', 'banzhaf', 'banzhaf(P)', 'beta(ALPHA, "
        "BETA)' or a "
        "function of the number of players."
    )


def name_of(semivalue: str | Coefficients) -> str:
    """What `Guarantees.target` calls it."""
    return semivalue if isinstance(semivalue, str) else getattr(semivalue, "__name__", "semivalue")


def semivalues(table: Utilities, coefficients: str | Coefficients = "shapley") -> HostArray:
    """The semivalues of a game given as a table.

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i
            of r is set.
        coefficients: what a marginal counts, by the size of the coalition joined; or a name, see
            `coefficients_of`.

    Returns:
        float64[P, ...]: sum over S without i of coefficients[|S|] [V(S + i) - V(S)].

    Raises:
        InvalidInputError: the table's length is no power of two, or one of its numbers is not
            finite.

    Guarantees:
        Symmetry and additivity hold to float64 rounding, a null player's value is exactly 0;
        efficiency holds to rounding with Shapley's coefficients, and with no other.
    """
    table = np.asarray(table, np.float64)
    num_players = (len(table) if table.ndim else 0).bit_length() - 1
    require(
        table.ndim >= 1 and len(table) == 2**num_players and num_players >= 1,
        f"Expected table to have 2^P rows for some P >= 1, got shape {table.shape}.",
    )
    require(
        bool(np.isfinite(table).all()), "Expected table to be finite, but it holds NaN or infinity."
    )
    weights = coefficients_of(coefficients)(num_players)[_sizes(num_players - 1)]
    values = np.empty((num_players, *table.shape[1:]))
    for player in range(num_players):
        halves = table.reshape(2 ** (num_players - 1 - player), 2, 2**player, *table.shape[1:])
        marginals = (halves[:, 1] - halves[:, 0]).reshape(len(weights), *table.shape[1:])
        values[player] = np.tensordot(weights, marginals, axes=1)
    return values


def _sizes(num_players: int) -> HostArray:
    """int[2^P]: the number of members of each row of `all_subsets`."""
    sizes = np.zeros(1, np.int64)
    for _ in range(num_players):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes
