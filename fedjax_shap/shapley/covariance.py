"""A covariance of utilities that is a product over players, with Shapley values in closed form.

The covariance of V(S) and V(T) is, up to a scale,

    c + a |S and T| + e |S and T| (|S and T| - 1) / 2 + b exp(-2 |x_s - x_t|)
      + prod_i k_i(S_i, T_i) + d [S = T] prod_i exp(-2 g_i S_i) + h [S = T = {}],

where k_i(S_i, T_i) = exp(-g_i (S_i + T_i) - l_i [S_i != T_i]), and x_s = log(1 + s) / log(1 + P)
with the size s of S. A player with a large l_i changes utilities much; after one with a large g_i
has joined, others change them little, as utilities saturate. The empty coalition has a model that
was not trained, far from all others: h lets it say little about them.

References:
    Rasmussen and Williams 2006, "Gaussian processes for machine learning", chapter 4. Owen 1972,
    "Multilinear extensions of games": the Shapley value of a product over players is an integral of
    products over q in [0, 1].
"""

from typing import NamedTuple

import numpy as np
import scipy

from fedjax_shap._validate import require
from fedjax_shap.shapley.semivalue import shapley
from fedjax_shap.typing import HostArray, Masks

CONSTANT = 100.0  # c, the prior variance of the level: large, so that the level is learnt
JITTER = 1e-8  # keeps the covariance of distinct coalitions invertible in float64
# Gauss-Legendre nodes: exact up to P = 64, and beyond it to rounding, as the integrand is smooth.
MOST_NODES = 32


class Kernel(NamedTuple):
    """The hyperparameters of the covariance, for P players.

    Attributes:
        lengths: float64[P], l_i.
        decays: float64[P], g_i >= 0.
        white: d.
        linear: a.
        pairs: e.
        size: b.
        empty: h.
    """

    lengths: HostArray
    decays: HostArray
    white: float
    linear: float
    pairs: float
    size: float
    empty: float = 0.0

    @property
    def num_settings(self) -> int:
        """How many numbers are fitted: l_i, the mean g_i (the priors keep all g_i near it), a, b,
        d, e, h and two more.
        """
        return len(self.lengths) + 8

    def covariance(self, masks: Masks) -> HostArray:
        """float64[M, M]: of the utilities of the distinct coalitions bool[M, P]."""
        total = self.between(masks, masks)
        total[np.diag_indices(len(total))] += (
            self.white * np.exp(-2 * (masks @ self.decays)) + JITTER
        )
        total[np.diag_indices(len(total))] += self.empty * ~masks.any(axis=1)
        return total

    def variances(self, masks: Masks) -> HostArray:
        """float64[M]: the diagonal of `covariance`, without the rest of it."""
        sizes = masks.sum(axis=1).astype(np.float64)
        product = np.exp(-2 * (masks @ self.decays)) * (1 + self.white)
        polynomial = self.linear * sizes + self.pairs * sizes * (sizes - 1) / 2
        together = product + polynomial + CONSTANT + self.size + JITTER
        return np.asarray(together + self.empty * (sizes == 0))

    def between(self, masks: Masks, others: Masks) -> HostArray:
        """float64[M, N]: of the coalitions bool[M, P] with different ones, bool[N, P]."""
        one = masks.astype(np.float64)
        other = others.astype(np.float64)
        # the product over players
        total = smooth_part(self, one, other)
        # the polynomial: common members and common pairs
        shared = one @ other.T
        total += (self.linear - self.pairs / 2 + self.pairs / 2 * shared) * shared
        # the level and the sizes
        by_size = CONSTANT + self.size * nearness(masks.shape[1])
        total += by_size[masks.sum(axis=1)][:, others.sum(axis=1)]
        return total

    def shapley(self, masks: Masks) -> HostArray:
        """float64[P, M]: the covariance of each player's Shapley value with each utility, exact."""
        member = masks.astype(np.float64)
        sizes = masks.sum(axis=1)
        num_players = masks.shape[1]
        inside = _product_shapley(self, masks)
        inside += (self.linear + self.pairs * (sizes - 1) / 2) * member.T
        # by size alone, every player gets the same: the difference of the ends over P
        first, *_, last = nearness(num_players)[:, sizes]
        inside += self.size * (last - first) / num_players
        # what each coalition has alone
        alone = self.white * np.exp(-2 * member @ self.decays) + self.empty * (sizes == 0)
        covariance: HostArray = inside + alone * weights_of(masks)
        return covariance

    def shapley_variance(self) -> HostArray:
        """float64[P]: the prior variance of each player's Shapley value."""
        num_players = len(self.lengths)
        by_size = self.size * (2 - 2 * np.exp(-2.0)) / num_players**2
        polynomial = self.linear + self.pairs * (num_players - 1) / 4
        white = self.white * _white_variance(self)
        white += self.empty / num_players**2
        variance: HostArray = _product_variance(self) + polynomial + by_size + white
        return variance


def weights_of(masks: Masks) -> HostArray:
    """float64[P, M]: how much each utility counts in each player's Shapley value."""
    counts = shapley(masks.shape[1])
    sizes = masks.sum(axis=1)
    with_player = np.concatenate([[0.0], counts])[sizes]
    without = np.concatenate([counts, [0.0]])[sizes]
    signed: HostArray = np.where(masks.T, with_player, -without)
    return signed


def inverse_root(covariance: HostArray) -> HostArray:
    """float64[M, M]: R with R'R the inverse of the covariance, from its Cholesky factor."""
    factor, failed = scipy.linalg.lapack.dpotrf(covariance.T, lower=1)
    require(
        failed == 0,
        "Expected utilities whose covariance can be inverted, got coalitions that are all but "
        "equal.",
    )
    return np.asarray(scipy.linalg.lapack.dtrtri(factor, lower=1, overwrite_c=1)[0])


def smooth_part(kernel: Kernel, one: HostArray, other: HostArray) -> HostArray:
    """float64[M, N]: the product over players, of members float64[M, P] and [N, P]."""
    alone = kernel.lengths + kernel.decays
    total = (2 * one * kernel.lengths) @ other.T
    total -= (one @ alone)[:, None]
    total -= other @ alone
    return np.asarray(np.exp(total, out=total))


def nearness(num_players: int) -> HostArray:
    """float64[P + 1, P + 1]: exp(-2 |x_s - x_t|) of the sizes s and t."""
    places = np.log1p(np.arange(num_players + 1)) / np.log1p(num_players)
    return np.asarray(np.exp(-2 * np.abs(places[:, None] - places)))


def _product_shapley(kernel: Kernel, masks: Masks) -> HostArray:
    """float64[P, M]: the Shapley values of S -> prod_j k_j(S_j, T_j), for each T of bool[M, P].

    If everyone joins S with probability q, the expectation of the product is a product of
    expectations; a player's marginal replaces that player's factor, and is integrated over q.
    """
    q, weights = _quadrature(masks.shape[1])
    member = masks.astype(np.float64)
    # k_j where one of both has j, and where both have
    one_has = np.exp(-kernel.decays - kernel.lengths)
    both_have = np.exp(-2 * kernel.decays)
    # the expected factor of each player, [P, nodes]: not in T, and in T
    outside = (1 - q) + q * one_has[:, None]
    inside = (1 - q) * one_has[:, None] + q * both_have[:, None]
    products = np.exp(member @ np.log(inside) + (1 - member) @ np.log(outside)) * weights
    joins = ((both_have - one_has)[:, None] / inside) @ products.T
    misses = ((one_has - 1)[:, None] / outside) @ products.T
    covariances: HostArray = np.where(masks.T, joins, misses)
    return covariances


def _quadrature(num_players: int) -> tuple[HostArray, HostArray]:
    """Nodes in [0, 1] and weights, exact for polynomials of degree P - 1 up to P = 64."""
    nodes, weights = np.polynomial.legendre.leggauss(min((num_players + 1) // 2, MOST_NODES))
    return (nodes + 1) / 2, weights / 2


def _product_variance(kernel: Kernel) -> HostArray:
    """float64[P]: the variance of the Shapley values of the product over players.

    Both coalitions are random now: the integral is over the q of either.
    """
    q, weights = _quadrature(len(kernel.lengths))
    one_has = np.exp(-kernel.decays - kernel.lengths)[:, None, None]
    both_have = np.exp(-2 * kernel.decays)[:, None, None]
    first = q[:, None]
    second = q[None]
    one = first * (1 - second) + second * (1 - first)
    # the expected factor of each player, [P, nodes, nodes]
    factors = (1 - first) * (1 - second) + one * one_has + first * second * both_have
    products = np.exp(np.log(factors).sum(axis=0)) * weights[:, None] * weights
    second_difference = (both_have - 2 * one_has + 1)[:, 0, 0]
    return np.asarray(second_difference * (products / factors).sum(axis=(1, 2)))


def _white_variance(kernel: Kernel) -> HostArray:
    """float64[P]: the variance of the Shapley values of the white part.

    It sums over the coalitions of the others by size: elementary symmetric sums without each
    player.
    """
    num_players = len(kernel.decays)
    shrunk = np.exp(-2 * kernel.decays)
    sums = np.zeros((num_players, num_players))  # [player left out, size]
    sums[:, 0] = 1.0
    for player in range(num_players):
        others = np.where(np.arange(num_players) == player, 0.0, shrunk[player])[:, None]
        sums[:, 1:] += others * sums[:, :-1].copy()
    return np.asarray((sums @ shapley(num_players) ** 2) * (1 + shrunk))
