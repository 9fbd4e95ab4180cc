"""Games whose Shapley values have a closed form: what estimators are checked against."""

from collections.abc import Sequence
from math import comb, fsum
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import finite, integer, require
from fedjax_shap.coalitions import MOST_PLAYERS, Coalition
from fedjax_shap.games.game import Game
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import Array, HostArray, Key

MOST_CELLS = 2_000_000  # of the table of losing coalitions, by size and weight


class Solved(NamedTuple):
    """A game and its answer.

    Attributes:
        game: a game of P players whose utilities are in float32, or in float64 under
            `jax.enable_x64`.
        values: float64[P, ...], its Shapley values to float64 rounding, whatever the precision of
            the utilities.
    """

    game: Game
    values: HostArray


def additive(weights: Sequence[float] | HostArray) -> Solved:
    """V(S) is the sum of its members' weights; phi_i = weights[i].

    Args:
        weights: float[P].

    Raises:
        InvalidInputError: no weights, or one that is not a finite number.
    """
    weights = _numbers("weights", weights)
    return Solved(Game(weights, _sum_of_members, len(weights)), weights.copy())


def airport(costs: Sequence[float] | HostArray) -> Solved:
    """V(S) is the largest cost in S, as of a runway that serves all of S; V(empty) = 0.

    This is the cost game: values are what each player has to pay. The savings game -V has the
    values -phi.

    Args:
        costs: float[P], each >= 0.

    Returns:
        The game and its values: each stretch of the runway is paid in equal parts by the players
        who need it.

    Raises:
        InvalidInputError: no costs, or one that is negative or not a finite number.

    References:
        Littlechild, Owen 1973, "A simple expression for the Shapley value in a special case".
    """
    costs = _numbers("costs", costs)
    require(
        bool((costs >= 0).all()),
        f"Expected costs to be >= 0, but costs[{costs.argmin()}]={costs.min()}.",
    )
    order = np.argsort(costs)
    users = len(costs) - np.arange(len(costs))
    values = np.empty(len(costs))
    values[order] = np.cumsum(np.diff(costs[order], prepend=0.0) / users)
    return Solved(Game(costs, _largest_of_members, len(costs)), values)


def glove(*, left: int, right: int) -> Solved:
    """V(S) is the number of pairs of a left and a right glove in S.

    Args:
        left: players 0..left-1 own one left glove each.
        right: players left..left+right-1 own one right glove each.

    Raises:
        InvalidInputError: a number that is negative or not an integer, or no player at all.

    References:
        Shapley, Shubik 1969, "Pure competition, coalitional power, and fair division".
    """
    integer("left", left, least=0)
    integer("right", right, least=0)
    require(
        left + right > 0, f"Expected left={left} and right={right} to make at least one player."
    )
    owns_left = np.arange(left + right) < left
    values = np.where(owns_left, _glove_value(left, right), _glove_value(right, left))
    return Solved(Game(owns_left, _pairs_of_members, left + right), values)


def weighted_voting(weights: Sequence[int] | HostArray, quota: int) -> Solved:
    """V(S) is 1.0 if the members' weights reach the quota, else 0.0.

    Args:
        weights: int[P], each >= 0.
        quota: the weight that wins, between 1 and the sum of all.

    Returns:
        The game and its values, the Shapley-Shubik index, from counts of the losing coalitions by
        size and weight (a generating function) in integers without limit: exact up to the last
        division. Time grows with P * quota for each distinct weight.

    Raises:
        InvalidInputError: weights or a quota that are not integers or out of range, or P * quota >
            2,000,000.

    References:
        Shapley, Shubik 1954, "A method for evaluating the distribution of power in a committee
        system"; Mann, Shapley 1962, "Values of large games, VI: evaluating the electoral college
        exactly".
    """
    floats = _numbers("weights", weights)
    votes = [int(w) for w in floats]
    for player, weight in enumerate(floats):
        require(
            weight == votes[player] >= 0,
            f"Expected weights to be integers >= 0, but weights[{player}]={weight}.",
        )
    require(sum(votes) < 2**31, f"Expected weights to sum to less than 2**31, got {sum(votes)}.")
    integer("quota", quota, least=1, most=sum(votes))
    cells = len(votes) * int(quota)
    require(
        cells <= MOST_CELLS,
        f"Expected players * quota={cells} to be <= {MOST_CELLS}; use smaller weights.",
    )
    values = _shapley_shubik(votes, int(quota))
    return Solved(
        Game((np.array(votes, np.int32), np.int32(quota)), _majority_of_members, len(votes)), values
    )


def table(utilities: Sequence[float] | HostArray) -> Solved:
    """A game given by all its utilities.

    Args:
        utilities: float[2^P, ...] in the order of `coalitions.all_subsets`; trailing axes stay on
            the values.

    Returns:
        The game and its values, by the definition of the Shapley value (Shapley 1953).

    Raises:
        InvalidInputError: a length that is not a power of two, more than 24 players, or a number
            that is not finite.
    """
    utilities = _numbers("utilities", utilities, axes=None)
    num_players = len(utilities).bit_length() - 1
    require(
        len(utilities) == 2**num_players and 1 <= num_players <= MOST_PLAYERS,
        f"Expected utilities of 2^P coalitions with P in 1..{MOST_PLAYERS}, got {len(utilities)} "
        "of them.",
    )
    return Solved(Game(utilities, _entry_of_members, num_players), shapley_values(utilities))


def _sum_of_members(weights: Array, key: Key, coalition: Coalition) -> Array:
    return jnp.where(coalition.mask, weights, 0.0).sum()


def _largest_of_members(costs: Array, key: Key, coalition: Coalition) -> Array:
    return jnp.where(coalition.mask, costs, 0.0).max()


def _pairs_of_members(owns_left: Array, key: Key, coalition: Coalition) -> Array:
    lefts = (coalition.mask & owns_left).sum()
    return jnp.minimum(lefts, coalition.mask.sum() - lefts).astype(float)


def _majority_of_members(world: tuple[Array, Array], key: Key, coalition: Coalition) -> Array:
    votes, quota = world
    return (jnp.where(coalition.mask, votes, 0).sum() >= quota).astype(float)


def _entry_of_members(utilities: Array, key: Key, coalition: Coalition) -> Array:
    row = jnp.where(coalition.mask, 1 << jnp.arange(len(coalition.mask)), 0).sum()
    return jnp.asarray(utilities)[row]


def _glove_value(own: int, other: int) -> float:
    """The value of one of `own` owners: its chance to arrive when fewer owners of its kind than of
    the other are there.

    Of those before it, `mine` are among the own - 1 others of its kind and `theirs` of the other
    kind. Every number of arrivals before it has the chance 1 / P.
    """
    if own == 0:
        return 0.0
    players = own + other
    return fsum(
        comb(own - 1, mine) * comb(other, theirs) / (players * comb(players - 1, mine + theirs))
        for mine in range(own)
        for theirs in range(mine + 1, other + 1)
    )


def _shapley_shubik(votes: list[int], quota: int) -> HostArray:
    """float64[P]: the fraction of orders of arrival in which each player turns a losing coalition
    into a winning one.
    """
    players = len(votes)
    # [size, weight] -> how many losing coalitions, in Python integers; first without any player
    losing = np.zeros((players, quota), object)
    losing[0, 0] = 1
    # let one player after another join the coalitions of those before
    for weight in votes:
        if weight < quota:  # otherwise no coalition with this player loses
            joined = losing[:-1, : quota - weight].copy()
            losing[1:, weight:] += joined
    index = {weight: _pivots(losing, weight) for weight in set(votes)}
    return np.array([index[weight] for weight in votes])


def _pivots(losing: HostArray, weight: int) -> float:
    """The index of one player, from the losing coalitions of all players."""
    players, quota = losing.shape
    # take away the coalitions that the player is in, size by size
    without = losing.copy()
    if weight < quota:
        for size in range(1, players):
            without[size, weight:] -= without[size - 1, : quota - weight]
    # count those that lose alone and win with the player, and weight them by size
    swings = without[:, max(quota - weight, 0) :].sum(axis=1)
    return fsum(
        int(count) / (players * comb(players - 1, size)) for size, count in enumerate(swings)
    )


def _numbers(name: str, values: Any, axes: int | None = 1) -> HostArray:
    """A float64 copy of the values, or a refusal."""
    numbers = np.asarray(values)
    require(
        numbers.ndim >= 1 and axes in (None, numbers.ndim) and numbers.size > 0,
        f"Expected {name} to be a list of at least one number, got shape {numbers.shape}.",
    )
    require(numbers.dtype.kind in "biuf", f"Expected {name} to be numbers, got {numbers.dtype}.")
    numbers = numbers.astype(np.float64)
    finite(name, numbers)
    return numbers
