"""Semivalues: the weight of a marginal contribution, by the size of the coalition that is joined.

References:
    Dubey, Neyman, Weber 1981, "Value theory without efficiency".
"""

import re
from collections.abc import Collection, Mapping
from math import comb
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy

from fedjax_shap._validate import InvalidInputError, number, require
from fedjax_shap.typing import HostArray, Utilities


@runtime_checkable  # configurations check their values by it
class Coefficients(Protocol):
    """The weights that make up a semivalue."""

    def __call__(self, num_players: int, /) -> HostArray:
        """float64[P]: the weight of V(S + i) - V(S), by the size 0..P-1 of S."""


def shapley(num_players: int) -> HostArray:
    """float64[P]: s! (P - s - 1)! / P!, every size as likely as any other (Shapley 1953)."""
    counts = [num_players * comb(num_players - 1, size) for size in range(num_players)]
    return np.array([1 / count for count in counts])


def banzhaf(num_players: int) -> HostArray:
    """float64[P]: 2^(1 - P), every coalition as likely as any other.

    References:
        Banzhaf 1965, "Weighted voting doesn't work"; Wang and Jia 2023, "Data Banzhaf".
    """
    return np.full(num_players, 0.5 ** (num_players - 1))


def weighted_banzhaf(p: float) -> Coefficients:
    """p^s (1 - p)^(P - s - 1): every other player joins with probability p, independently.

    References:
        Li and Yu 2023, "Robust data valuation with weighted Banzhaf values".
    """
    number("p", p, above=0)
    require(p < 1, f"Expected p={p!r} to be < 1.")

    def coefficients(num_players: int) -> HostArray:
        size = np.arange(num_players)
        return np.asarray(p**size * (1 - p) ** (num_players - size - 1))

    return coefficients


def beta(alpha: float, beta: float) -> Coefficients:
    """Beta(alpha, beta) Shapley: B(s + beta, P - s - 1 + alpha) / B(alpha, beta).

    A large `alpha` counts small coalitions more; Beta(1, 1) is the Shapley value.

    References:
        Kwon and Zou 2022, "Beta Shapley: a unified and noise-reduced data valuation framework",
        equation 5.
    """
    number("alpha", alpha, above=0)
    number("beta", beta, above=0)

    def coefficients(num_players: int) -> HostArray:
        size = np.arange(num_players)
        log_beta = scipy.special.betaln
        logarithms = log_beta(size + beta, num_players - size - 1 + alpha) - log_beta(alpha, beta)
        return np.asarray(np.exp(logarithms))

    return coefficients


def coefficients_of(semivalue: str | Coefficients) -> Coefficients:
    """The coefficients of a name: "shapley", "banzhaf", "banzhaf(0.3)", "beta(4, 1)".

    A function is returned as it is.

    Raises:
        InvalidInputError: the name is unknown.
    """
    if not isinstance(semivalue, str):
        require(callable(semivalue), _unknown(semivalue))
        return semivalue
    if semivalue == "shapley":
        return shapley
    if semivalue == "banzhaf":
        return banzhaf
    match = re.fullmatch(r"(banzhaf|beta)\(([^,]+)(?:,([^,]+))?\)", semivalue)
    if match is None:
        raise InvalidInputError(_unknown(semivalue))
    name, *texts = match.groups()
    try:
        numbers = [float(text) for text in texts if text is not None]
    except ValueError:
        raise InvalidInputError(_unknown(semivalue)) from None
    if name == "banzhaf" and len(numbers) == 1:
        return weighted_banzhaf(*numbers)
    if name == "beta" and len(numbers) == 2:
        return beta(*numbers)
    raise InvalidInputError(_unknown(semivalue))


def _unknown(semivalue: object) -> str:
    """The sentence that refuses what is not a semivalue."""
    return (
        f"Expected semivalue={semivalue!r} to be 'shapley', 'banzhaf', 'banzhaf(P)', 'beta(ALPHA, "
        "BETA)' or a function of the number of players."
    )


def name_of(semivalue: str | Coefficients) -> str:
    """What `Guarantees.target` calls it."""
    if isinstance(semivalue, str):
        return semivalue
    return str(getattr(semivalue, "__name__", "semivalue"))


def semivalues(
    table: Utilities | Mapping[Collection[int], Any], coefficients: str | Coefficients = "shapley"
) -> HostArray:
    """The semivalues of a game given as a table.

    Args:
        table: float64[2^P, ...], the utility of every coalition; row r holds player i where bit i
            of r is set. A mapping from coalitions, tuples or frozensets of ids, is taken as well.
        coefficients: the weight of a marginal contribution, by the size of the coalition joined; or
            a name, see `coefficients_of`.

    Returns:
        float64[P, ...]: sum over S without i of coefficients[|S|] [V(S + i) - V(S)].

    Raises:
        InvalidInputError: the table's length is not a power of two, or one of its numbers is not
            finite.

    Guarantees:
        Symmetry and additivity hold to float64 rounding, the value of a null player is exactly 0;
        efficiency holds to rounding with Shapley's coefficients, and with no others.
    """
    table = checked_table(table)
    num_players = len(table).bit_length() - 1
    weights = coefficients_of(coefficients)(num_players)[_sizes(num_players - 1)]
    values = np.empty((num_players, *table.shape[1:]))
    for player in range(num_players):
        # split the rows by the player's bit, and subtract those without from those with
        halves = table.reshape(2 ** (num_players - 1 - player), 2, 2**player, *table.shape[1:])
        marginals = (halves[:, 1] - halves[:, 0]).reshape(len(weights), *table.shape[1:])
        values[player] = np.tensordot(weights, marginals, axes=1)
    return values


def checked_table(table: Any) -> HostArray:
    """float64[2^P, ...]: the table, P >= 1; refuses another length and what is not finite."""
    table = as_numbers(table)
    length = len(table) if table.ndim else 0
    require(
        length >= 2 and length & (length - 1) == 0,
        f"Expected table to have 2^P rows for some P >= 1, got shape {table.shape}.",
    )
    require(
        bool(np.isfinite(table).all()),
        "Expected table to be finite, but it contains NaN or infinity.",
    )
    return table


def as_numbers(table: Any) -> HostArray:
    """float64[...]: the table, also where it was given as a mapping from coalitions."""
    if isinstance(table, Mapping):
        table = _listed(table)
    try:
        return np.asarray(table, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            "Expected table to be numbers float[2^P, ...], the utility of every coalition, or a "
            f"mapping from coalitions to them: {error}."
        ) from error


def _listed(table: Mapping[Collection[int], Any]) -> list[Any]:
    """The utilities of a mapping {(): 0.0, (0,): 1.0, ...} in the order of `all_subsets`."""
    num_players = max((len(table) - 1).bit_length(), 1)
    example = "such as {(): 0.0, (0,): 1.0, (1,): 2.0, (0, 1): 4.0}"
    rows: dict[int, Any] = {}
    for coalition, worth in table.items():
        members = coalition if isinstance(coalition, tuple | frozenset) else ()
        known = [index for index in members if index in range(num_players)]
        require(
            isinstance(coalition, tuple | frozenset) and len(known) == len(members),
            f"Expected table to go by coalitions of players 0..{num_players - 1}, {example}, got "
            f"{coalition!r}.",
        )
        rows[sum(1 << int(index) for index in set(known))] = worth
    missing = [row for row in range(2**num_players) if row not in rows]
    if missing:
        absent = tuple(index for index in range(num_players) if missing[0] >> index & 1)
        raise InvalidInputError(
            f"Expected table to hold the utility of each of the {2**num_players} coalitions of "
            f"{num_players} players, but {absent} is missing."
        )
    return [rows[row] for row in range(2**num_players)]


def _sizes(num_players: int) -> HostArray:
    """int[2^P]: the number of members of each row of `all_subsets`."""
    sizes = np.zeros(1, np.int64)
    for _ in range(num_players):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes
