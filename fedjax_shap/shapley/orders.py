"""Joining orders, plain or in blocks that spread over all orders (Mitchell, Cooper, Frank, Holmes
2022).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fedjax_shap.typing import HostArray

ABREAST = (
    8  # blocks filled side by side: a standard error needs several, a small budget cannot fill many
)
# of a low-discrepancy block; new blocks follow, so that standard errors get surer with the budget
SOBOL_POINTS = 16
DIGITS = 40  # of a joining time; two players join at the same time once in 2^40

Times = Callable[[np.random.Generator, int, int], HostArray]


class Orders(NamedTuple):
    """A way to draw joining orders, in units of G orders.

    Attributes:
        times: (rng, U, P) -> float64[U, P], when each player joins in each of U units: the first U
            of those that `rng` stands for. In blocks, U is a power of two or the whole block.
        reverse: whether a unit is an order and its reverse (G = 2), or the order alone (G = 1).
        block_size: P -> how many units are drawn together as a block; None where all are independent.
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
            times, (block, place) = (
                np.empty((len(units), num_players)),
                self._places(units, num_players),
            )
            for index in np.unique(block):
                own = block == index
                most = min(1 << int(place[own].max()).bit_length(), self.block_size(num_players))
                times[own] = _block(self.times, seed, int(index), most, num_players)[place[own]]
        order = np.argsort(times, axis=-1)
        return np.stack([order, order[:, ::-1]][: self.group], axis=1)

    def block_of(self, units: HostArray, num_players: int) -> HostArray:
        """int[U]: the block of each of units int[U]; each its own where they are independent."""
        return units if self.block_size is None else self._places(units, num_players)[0]

    def _places(self, units: HostArray, num_players: int) -> tuple[HostArray, HostArray]:
        """(the block of each unit, its place there): `ABREAST` blocks fill in turn, then the next
        ones.
        """
        full = 1 if self.block_size is None else self.block_size(num_players)
        sweep, within = np.divmod(units, ABREAST * full)
        return sweep * ABREAST + within % ABREAST, within // ABREAST


def independent(rng: np.random.Generator, count: int, num_players: int) -> HostArray:
    """Every order as likely as any other (Castro, Gomez, Tejada 2009)."""
    return np.argsort(rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1), axis=-1)


def orthogonal(rng: np.random.Generator, count: int, num_players: int) -> HostArray:
    """A randomly rotated orthonormal basis of the P - 1 dimensions where times sum to 0, as far as
    it is needed.

    The "orthogonal spherical codes" of Mitchell et al. (2022): a direction is an order, the
    opposite one its reverse.
    """
    rows = rng.normal(size=(count, num_players))
    basis, mixed = np.linalg.qr((rows - rows.mean(axis=1, keepdims=True)).T)
    return (
        basis * np.sign(np.diag(mixed))
    ).T  # as the rows point, or else the first player is seldom the last


def low_discrepancy(rng: np.random.Generator, count: int, num_players: int) -> HostArray:
    """A scrambled Sobol sequence of joining times in [0, 1)^P, which makes every single time
    uniform.

    Mitchell et al. (2022) map the sequence to the sphere; times keep it in the cube, so that every
    player's positions, and every two players', are spread as evenly as the sequence is. The
    scrambling is a random lower triangular matrix on each player's digits and a random shift of
    them (Matousek 1998).
    """
    digits = _sobol_digits(num_players)[:count]
    mix = np.tril(rng.integers(2, size=(num_players, DIGITS, digits.shape[-1])))
    leading = np.arange(digits.shape[-1])
    mix[:, leading, leading] = 1
    scrambled = np.einsum("upk,pdk->upd", digits, mix) + rng.integers(2, size=(num_players, DIGITS))
    return np.asarray(scrambled % 2 @ 0.5 ** np.arange(1, DIGITS + 1))


@lru_cache(maxsize=8)
def _sobol_digits(num_players: int) -> HostArray:
    """int[U, P, 4]: the binary digits of the first `SOBOL_POINTS` Sobol points in P dimensions, the
    highest first.
    """
    from scipy.stats import qmc

    points = (qmc.Sobol(num_players, scramble=False).random(SOBOL_POINTS) * SOBOL_POINTS).astype(
        np.int64
    )
    return points[..., None] >> np.arange(SOBOL_POINTS.bit_length() - 1)[::-1] & 1


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
