"""Joining orders, plain or in blocks that spread over all orders.

References:
    Castro, Gomez, Tejada 2009, "Polynomial calculation of the Shapley value based on sampling".
    Mitchell, Cooper, Frank, Holmes 2022, "Sampling permutations for Shapley value estimation".
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from fedjax_shap.typing import HostArray, Masks

# Blocks filled side by side: a standard error needs several, a small budget cannot fill many.
ABREAST = 8
# Points of a low-discrepancy block; new blocks follow, so that the budget makes errors surer.
SOBOL_POINTS = 16
DIGITS = 40  # of a joining time; two players join at the same time once in 2^40


class Times(Protocol):
    """Draws when players join."""

    def __call__(self, rng: np.random.Generator, count: int, num_players: int, /) -> HostArray:
        """float64[U, P]: the joining times of each unit, the first `count` that `rng` stands for.

        In blocks, `count` is a power of two or the whole block.
        """

    def __hash__(self) -> int:
        """A function's own hash: blocks are cached by it."""


class Orders(NamedTuple):
    """A way to draw joining orders, in units of G orders.

    Attributes:
        times: draws when each player joins in each unit.
        reverse: whether a unit is an order and its reverse (G = 2), or the order alone (G = 1).
        block_size: P -> how many units are drawn together as a block; None where all are
            independent.
    """

    times: Times
    reverse: bool
    block_size: Callable[[int], int] | None = None

    @property
    def group(self) -> int:
        """G, the orders of a unit."""
        return 2 if self.reverse else 1

    def draw(
        self, rng: np.random.Generator, seed: int, units: HostArray, num_players: int
    ) -> HostArray:
        """int[U, G, P]: the joining orders of units int[U].

        Independent ones come from `rng`; those in blocks are the same whenever the same `seed` is
        asked for them.
        """
        if self.block_size is None:
            times = self.times(rng, len(units), num_players)
        else:
            times = self._block_times(seed, units, num_players, self.block_size(num_players))
        order = np.argsort(times, axis=-1)
        return np.stack([order, order[:, ::-1]][: self.group], axis=1)

    def block_of(self, units: HostArray, num_players: int) -> HostArray:
        """int[U]: the block of each of units int[U]; each its own where they are independent."""
        if self.block_size is None:
            return units
        block, _ = _places(units, self.block_size(num_players))
        return block

    def _block_times(self, seed: int, units: HostArray, num_players: int, size: int) -> HostArray:
        """float64[U, P]: the joining times of units int[U] of blocks of `size` units."""
        times = np.empty((len(units), num_players))
        block, place = _places(units, size)
        for index in np.unique(block):
            own = block == index
            # draw as much of the block as is needed, to a power of two
            count = min(1 << int(place[own].max()).bit_length(), size)
            times[own] = _block(self.times, seed, int(index), count, num_players)[place[own]]
        return times


def prefixes(orders: HostArray) -> Masks:
    """bool[..., P + 1, P]: along each joining order int[..., P], the empty coalition, then one
    player more a row.
    """
    place = np.argsort(orders, axis=-1)
    return np.asarray(place[..., None, :] < np.arange(orders.shape[-1] + 1)[:, None])


def independent(rng: np.random.Generator, count: int, num_players: int) -> HostArray:
    """Every order as likely as any other (Castro, Gomez, Tejada 2009)."""
    return np.argsort(rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1), axis=-1)


def orthogonal(rng: np.random.Generator, count: int, num_players: int) -> HostArray:
    """The first `count` directions of a randomly rotated orthonormal basis, where times sum to 0.

    These are the "orthogonal spherical codes" of Mitchell et al. (2022): a direction is an order,
    the opposite direction its reverse.
    """
    rows = rng.normal(size=(count, num_players))
    basis, mixed = np.linalg.qr((rows - rows.mean(axis=1, keepdims=True)).T)
    # Point each direction as its row does: otherwise the first player is seldom the last.
    return np.asarray((basis * np.sign(np.diag(mixed))).T)


def low_discrepancy(rng: np.random.Generator, count: int, num_players: int) -> HostArray:
    """A scrambled Sobol sequence of joining times in [0, 1)^P; every single time is uniform.

    Mitchell et al. (2022) map the sequence to the sphere. Here times stay in the cube, so that the
    positions of every player, and of every two players, are spread as evenly as the sequence is.
    The scrambling is a random lower triangular matrix on each player's digits and a random shift of
    them (Matousek 1998, "On the L2-discrepancy for anchored boxes").
    """
    digits = _sobol_digits(num_players)[:count]
    # draw the triangular matrices, with ones on the diagonal
    mix = np.tril(rng.integers(2, size=(num_players, DIGITS, digits.shape[-1])))
    leading = np.arange(digits.shape[-1])
    mix[:, leading, leading] = 1
    # mix and shift the digits, and read them as numbers
    scrambled = np.einsum("upk,pdk->upd", digits, mix) + rng.integers(2, size=(num_players, DIGITS))
    return np.asarray(scrambled % 2 @ 0.5 ** np.arange(1, DIGITS + 1))


def _places(units: HostArray, size: int) -> tuple[HostArray, HostArray]:
    """(the block of each unit, its place there) for blocks of `size` units.

    `ABREAST` blocks fill in turn, then the next ones.
    """
    sweep, within = np.divmod(units, ABREAST * size)
    return sweep * ABREAST + within % ABREAST, within // ABREAST


@lru_cache(maxsize=8)
def _sobol_digits(num_players: int) -> HostArray:
    """int[U, P, 4]: the binary digits of the first `SOBOL_POINTS` Sobol points, highest first."""
    from scipy.stats import qmc

    points = qmc.Sobol(num_players, scramble=False).random(SOBOL_POINTS)
    numbers = (points * SOBOL_POINTS).astype(np.int64)
    digits: HostArray = numbers[..., None] >> np.arange(SOBOL_POINTS.bit_length() - 1)[::-1] & 1
    return digits


@lru_cache(maxsize=4 * ABREAST)  # a block that is asked for a few orders at a time is drawn once
def _block(times: Times, seed: int, index: int, count: int, num_players: int) -> HostArray:
    """float64[U, P]: the first `count` units of block `index`."""
    return times(np.random.default_rng([seed, index]), count, num_players)


ORDERS = {
    "random": Orders(independent, reverse=False),
    "antithetic": Orders(independent, reverse=True),
    "orthogonal": Orders(
        orthogonal, reverse=True, block_size=lambda num_players: max(num_players - 1, 1)
    ),
    "low_discrepancy": Orders(
        low_discrepancy, reverse=False, block_size=lambda num_players: SOBOL_POINTS
    ),
}
