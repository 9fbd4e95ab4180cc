"""A Gaussian process on coalitions whose kernel is a product over players, and its Shapley values
in closed form.

The covariance of V(S) and V(T) is, up to a scale,

    c + a |S and T| + e |S and T| (|S and T| - 1) / 2 + b exp(-2 |x_s - x_t|)
      + prod_i k_i(S_i, T_i) + d [S = T] prod_i exp(-2 g_i S_i),

where k_i(S_i, T_i) = exp(-g_i (S_i + T_i) - l_i [S_i != T_i]), and x_s = log(1 + s) / log(1 + P)
with the size s of S. A player with a large l_i changes utilities much; one with a large g_i leaves
others little to change, as utilities saturate.

References:
    Rasmussen and Williams 2006, "Gaussian processes for machine learning", section 5.4; Owen 1972,
    "Multilinear extensions of games": the Shapley value of a product over players is an integral of
    products over q in [0, 1].
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from fedjax_shap._validate import require
from fedjax_shap.shapley.semivalue import shapley
from fedjax_shap.typing import HostArray, Masks

CONSTANT = 100.0  # c, the prior variance of the level: large, so that the level is learnt
JITTER = 1e-8  # keeps the covariance of distinct coalitions invertible in float64
# coalitions that settings are fitted to: enough for them, and each step takes their cube in time
LEARNT_FROM = 160
# Gauss-Legendre nodes; exact to P = 64, and beyond it to rounding, as the integrand is smooth
MOST_NODES = 32
LOWEST, HIGHEST = (
    (-5.0, -8.0, 0.0, 0.0, -12.0, -12.0, -16.0, -6.0),
    (5.0, 2.0, 2.0, 2.0, 2.0, 4.0, 4.0, 5.0),
)


class Kernel(NamedTuple):
    """The settings of the covariance, for P players.

    Attributes:
        lengths: float64[P], l_i.
        decays: float64[P], g_i >= 0.
        white: d.
        linear: a.
        pairs: e.
        size: b.
    """

    lengths: HostArray
    decays: HostArray
    white: float
    linear: float
    pairs: float
    size: float

    @property
    def num_settings(self) -> int:
        """How many numbers are fitted: l_i, the mean g_i, from which priors keep the g_i near, a,
        b, d, e and two.
        """
        return len(self.lengths) + 7

    def covariance(self, masks: Masks) -> HostArray:
        """float64[M, M]: of the utilities of the coalitions bool[M, P]."""
        total = self.between(masks, masks)
        total[np.diag_indices(len(total))] += (
            self.white * np.exp(-2 * (masks @ self.decays)) + JITTER
        )
        return total

    def between(self, masks: Masks, others: Masks) -> HostArray:
        """float64[M, N]: of the coalitions bool[M, P] with others, bool[N, P], that are none of
        them.
        """
        one, other = masks.astype(np.float64), others.astype(np.float64)
        shared, total = one @ other.T, _smooth(self, one, other)
        total += (self.linear - self.pairs / 2 + self.pairs / 2 * shared) * shared
        total += (CONSTANT + self.size * _nearness(masks.shape[1]))[masks.sum(axis=1)][
            :, others.sum(axis=1)
        ]
        return total

    def shapley(self, masks: Masks) -> HostArray:
        """float64[P, M]: the covariance of each player's Shapley value with each utility,
        exactly.
        """
        member, sizes, num_players = masks.astype(np.float64), masks.sum(axis=1), masks.shape[1]
        inside = _product_shapley(self, masks)
        inside += (self.linear + self.pairs * (sizes - 1) / 2) * member.T
        first, *_, last = _nearness(num_players)[:, sizes]
        inside += self.size * (last - first) / num_players
        return inside + self.white * np.exp(-2 * member @ self.decays) * weights_of(masks)

    def shapley_variance(self) -> HostArray:
        """float64[P]: the prior variance of each player's Shapley value."""
        num_players = len(self.lengths)
        by_size = self.size * (2 - 2 * np.exp(-2.0)) / num_players**2
        polynomial = self.linear + self.pairs * (num_players - 1) / 4
        return _product_variance(self) + polynomial + by_size + self.white * _white_variance(self)


class Fixed(NamedTuple):
    """What the covariance of M coalitions is made of, whatever the settings.

    Attributes:
        member: float64[M, P], 1 for members.
        shared: float64[M, M], how many members two coalitions have in common.
        pairs: float64[M, M], how many pairs.
        nearness: float64[M, M], exp(-2 |x_s - x_t|).
    """

    member: HostArray
    shared: HostArray
    pairs: HostArray
    nearness: HostArray


def weights_of(masks: Masks) -> HostArray:
    """float64[P, M]: how much each utility counts in each player's Shapley value."""
    counts, sizes = shapley(masks.shape[1]), masks.sum(axis=1)
    joined = np.concatenate([[0.0], counts])[sizes]
    missed = np.concatenate([counts, [0.0]])[sizes]
    return np.where(masks.T, joined, -missed)


def fitted(masks: Masks, utilities: HostArray, *, steps: int) -> Kernel:
    """The kernel under which the utilities are most plausible, given weak priors.

    Args:
        masks: bool[M, P].
        utilities: float64[M]; their mean is taken off.
        steps: the most L-BFGS steps.
    """
    learnt = np.r_[:2, 2 : len(masks) : max((len(masks) - 2) / (LEARNT_FROM - 2), 1)].astype(int)[
        : len(masks)
    ]
    masks, utilities = masks[learnt], utilities[learnt] - utilities[learnt].mean()
    num_players, fixed = masks.shape[1], fixed_of(masks)
    mean, width = _prior(num_players)
    spans = np.repeat(np.array([LOWEST, HIGHEST]), _repeats(num_players), axis=1)

    def unlikeliness(found: HostArray) -> tuple[float, HostArray]:
        value, slope = _unlikeliness(found, fixed, utilities)
        away = (found - mean) / width
        return value + 0.5 * float(away @ away), slope + away / width

    found = minimize(
        unlikeliness, mean, jac=True, method="L-BFGS-B", bounds=spans.T, options={"maxiter": steps}
    )
    return _kernel(found.x, num_players)


def fixed_of(masks: Masks) -> Fixed:
    """`Fixed` of the coalitions bool[M, P]."""
    member, sizes = masks.astype(np.float64), masks.sum(axis=1)
    shared = member @ member.T
    return Fixed(
        member, shared, shared * (shared - 1) / 2, _nearness(masks.shape[1])[sizes][:, sizes]
    )


def inverse_root(covariance: HostArray) -> HostArray:
    """float64[M, M]: the inverse of the lower Cholesky factor, R with R'R the inverse of the
    covariance.
    """
    factor, failed = lapack.dpotrf(covariance.T, lower=1)
    require(
        failed == 0,
        "Expected utilities whose covariance can be inverted, got coalitions that are all but "
        "equal.",
    )
    return np.asarray(lapack.dtrtri(factor, lower=1, overwrite_c=1)[0])


def _repeats(num_players: int) -> list[int]:
    """How many of each kind of setting: deviations of log l_i, their mean, deviations of g_i,
    theirs; d, a, e, b.
    """
    return [num_players, 1, num_players, 1, 1, 1, 1, 1]


def _prior(num_players: int) -> tuple[HostArray, HostArray]:
    """(means, widths) of the settings; at the means, gains fall by e^-2 from the first who joins to
    the last.
    """
    mean = (
        0.0,
        np.log(2 / num_players),
        0.0,
        2 / num_players,
        np.log(0.03),
        np.log(0.01),
        np.log(0.001),
        0.0,
    )
    width = (1.0, 1.0, 3 / num_players, 5 / num_players, 2.0, 3.0, 3.0, 1.5)
    both = np.repeat(np.array([mean, width]), _repeats(num_players), axis=1)
    return both[0], both[1]


def _kernel(settings: HostArray, num_players: int) -> Kernel:
    lengths = np.exp(settings[:num_players] + settings[num_players])
    decays = settings[num_players + 1 : 2 * num_players + 1] + settings[2 * num_players + 1]
    white, linear, pairs, size = np.exp(settings[-4:]).tolist()
    return Kernel(lengths, decays, white, linear, pairs, size)


def _places(num_players: int) -> HostArray:
    """float64[P + 1]: x_s of each size."""
    return np.log1p(np.arange(num_players + 1)) / np.log1p(num_players)


def _smooth(kernel: Kernel, one: HostArray, other: HostArray) -> HostArray:
    """float64[M, N]: the product over players."""
    alone = kernel.lengths + kernel.decays
    total = (2 * one * kernel.lengths) @ other.T
    total -= (one @ alone)[:, None]
    total -= other @ alone
    return np.asarray(np.exp(total, out=total))


def _nearness(num_players: int) -> HostArray:
    """float64[P + 1, P + 1]: exp(-2 |x_s - x_t|) of the sizes s and t."""
    places = _places(num_players)
    return np.asarray(np.exp(-2 * np.abs(places[:, None] - places)))


def _unlikeliness(
    settings: HostArray, fixed: Fixed, utilities: HostArray
) -> tuple[float, HostArray]:
    """Minus the log marginal likelihood, the scale being the likeliest one, and its gradient."""
    member, count = fixed.member, len(fixed.member)
    kernel = _kernel(settings, member.shape[1])
    smooth, white = _smooth(kernel, member, member), np.exp(-2 * (member @ kernel.decays))
    total = (
        smooth
        + kernel.size * fixed.nearness
        + kernel.linear * fixed.shared
        + kernel.pairs * fixed.pairs
        + CONSTANT
    )
    total[np.diag_indices(count)] += kernel.white * white + JITTER
    root = inverse_root(total)
    dual = root.T @ (root @ utilities)
    fit = max(float(utilities @ dual), 1e-300)
    value = 0.5 * count * np.log(fit / count) - np.log(np.diag(root)).sum()
    slope = 0.5 * (root.T @ root - np.outer(dual, dual) * (count / fit))
    steep, alone = slope * smooth, np.diag(slope) * kernel.white * white
    pulled = member.T @ steep
    lengths = -2 * (pulled.sum(axis=1) - np.einsum("pm,mp->p", pulled, member)) * kernel.lengths
    decays = -2 * member.T @ (steep.sum(axis=1) + alone)
    parts = (
        (kernel.linear, fixed.shared),
        (kernel.pairs, fixed.pairs),
        (kernel.size, fixed.nearness),
    )
    rest = [alone.sum(), *(scale * np.vdot(slope, part) for scale, part in parts)]
    return float(value), np.concatenate([lengths, [lengths.sum()], decays, [decays.sum()], rest])


def _product_shapley(kernel: Kernel, masks: Masks) -> HostArray:
    """float64[P, M]: Shapley values of S -> prod_j k_j(S_j, T_j) for each T, by Gauss-Legendre over
    q.
    """
    q, weights = _quadrature(masks.shape[1])
    member = masks.astype(np.float64)
    other, both = np.exp(-kernel.decays - kernel.lengths), np.exp(-2 * kernel.decays)
    without = (1 - q) + q * other[:, None]  # [P, nodes]: the factor of a player who is not in T
    within = (1 - q) * other[:, None] + q * both[:, None]
    products = np.exp(member @ np.log(within) + (1 - member) @ np.log(without)) * weights
    joins = ((both - other)[:, None] / within) @ products.T
    misses = ((other - 1)[:, None] / without) @ products.T
    return np.where(masks.T, joins, misses)


def _quadrature(num_players: int) -> tuple[HostArray, HostArray]:
    """Nodes in [0, 1] and weights that integrate polynomials of degree P - 1 exactly, to P = 64."""
    nodes, weights = np.polynomial.legendre.leggauss(min((num_players + 1) // 2, MOST_NODES))
    return (nodes + 1) / 2, weights / 2


def _product_variance(kernel: Kernel) -> HostArray:
    """float64[P]: of the Shapley values of the part that is a product over players, by the same
    rule in both q.
    """
    q, weights = _quadrature(len(kernel.lengths))
    other, both = (
        np.exp(part)[:, None, None]
        for part in (-kernel.decays - kernel.lengths, -2 * kernel.decays)
    )
    first, second = q[:, None], q[None]
    one = first * (1 - second) + second * (1 - first)
    factors = (1 - first) * (1 - second) + one * other + first * second * both  # [P, nodes, nodes]
    products = np.exp(np.log(factors).sum(axis=0)) * weights[:, None] * weights
    return np.asarray((both - 2 * other + 1)[:, 0, 0] * (products / factors).sum(axis=(1, 2)))


def _white_variance(kernel: Kernel) -> HostArray:
    """float64[P]: of the Shapley values of the white part, by the elementary symmetric sums without
    each player.
    """
    num_players, shrunk = len(kernel.decays), np.exp(-2 * kernel.decays)
    sums = np.zeros((num_players, num_players))  # [player left out, size]
    sums[:, 0] = 1.0
    for player in range(num_players):
        others = np.where(np.arange(num_players) == player, 0.0, shrunk[player])[:, None]
        sums[:, 1:] += others * sums[:, :-1].copy()
    return np.asarray((sums @ shapley(num_players) ** 2) * (1 + shrunk))
