"""Fits the covariance of utilities to those observed, by marginal likelihood with weak priors.

References:
    Rasmussen and Williams 2006, "Gaussian processes for machine learning", section 5.4.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import NamedTuple

import numpy as np
import scipy
from threadpoolctl import ThreadpoolController

from fedjax_shap.shapley.covariance import (
    CONSTANT,
    JITTER,
    Kernel,
    inverse_root,
    nearness,
    smooth_part,
)
from fedjax_shap.typing import HostArray, Masks

# Coalitions that are fitted to: enough for it, and each step takes time in proportion to their
# cube.
FITTED_TO = 160
GRID = 0.05  # of coarse settings; those of decays are rounded to a P-th of it
# Bounds of the settings, kind by kind, as in `_repeats`.
LOWEST = (-5.0, -8.0, 0.0, 0.0, -12.0, -12.0, -16.0, -6.0, -9.0)
HIGHEST = (5.0, 2.0, 2.0, 2.0, 2.0, 4.0, 4.0, 5.0, 9.0)


class Fixed(NamedTuple):
    """What the covariance of M coalitions is made of, whatever the hyperparameters.

    Attributes:
        member: float64[M, P], 1 for members.
        shared: float64[M, M], how many members two coalitions have in common.
        pairs: float64[M, M], how many pairs.
        nearness: float64[M, M], exp(-2 |x_s - x_t|).
        empty: float64[M], 1 for the empty coalition.
    """

    member: HostArray
    shared: HostArray
    pairs: HostArray
    nearness: HostArray
    empty: HostArray


def fitted(masks: Masks, utilities: HostArray, *, steps: int, coarse: bool = False) -> Kernel:
    """The kernel under which the utilities are most plausible, given weak priors.

    Args:
        masks: bool[M, P].
        utilities: float64[M]; their mean is subtracted.
        steps: the most L-BFGS steps.
        coarse: whether its settings are rounded to multiples of `GRID`, so that utilities that
            differ by float rounding all but always have the same kernel.
    """
    # fit to the first two and to others evenly spread, if there are too many
    stride = max((len(masks) - 2) / (FITTED_TO - 2), 1)
    chosen = np.r_[:2, 2 : len(masks) : stride].astype(int)[: len(masks)]
    masks = masks[chosen]
    utilities = utilities[chosen] - utilities[chosen].mean()
    num_players = masks.shape[1]
    fixed = fixed_of(masks)
    mean, width = _prior(num_players)
    bounds = np.repeat(np.array([LOWEST, HIGHEST]), _repeats(num_players), axis=1)

    def objective(settings: HostArray) -> tuple[float, HostArray]:
        value, slope = negative_log_likelihood(settings, fixed, utilities)
        away = (settings - mean) / width
        return value + 0.5 * float(away @ away), slope + away / width

    options = {"maxiter": steps}
    with one_thread():
        best = scipy.optimize.minimize(
            objective, mean, jac=True, method="L-BFGS-B", bounds=bounds.T, options=options
        )
    settings = best.x
    if coarse:
        grid = np.full(len(settings), GRID)
        grid[num_players + 1 : 2 * num_players + 2] /= num_players
        settings = np.round(settings / grid) * grid
    return _kernel(settings, num_players)


def one_thread() -> AbstractContextManager[object]:
    """While it is open, linear algebra in NumPy and SciPy takes one thread.

    For matrices as small as these, threads that wait for each other cost more than they gain, and
    hundreds of times as much where other programs take the cores.
    """
    limit: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limit


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of linear algebra in this process, looked for once."""
    return ThreadpoolController()


def fixed_of(masks: Masks) -> Fixed:
    """`Fixed` of the coalitions bool[M, P]."""
    member = masks.astype(np.float64)
    shared = member @ member.T
    sizes = masks.sum(axis=1)
    near = nearness(masks.shape[1])[sizes][:, sizes]
    return Fixed(member, shared, shared * (shared - 1) / 2, near, 1.0 * (sizes == 0))


def negative_log_likelihood(
    settings: HostArray, fixed: Fixed, utilities: HostArray
) -> tuple[float, HostArray]:
    """Minus the log marginal likelihood at the most likely scale, and its gradient.

    Args:
        settings: float64[2 P + 7], in the order of `_repeats`.
        fixed: the coalitions.
        utilities: float64[M], centred.
    """
    member = fixed.member
    count = len(member)
    kernel = _kernel(settings, member.shape[1])
    # the covariance, part by part
    smooth = smooth_part(kernel, member, member)
    white = np.exp(-2 * (member @ kernel.decays))
    total = (
        smooth
        + kernel.size * fixed.nearness
        + kernel.linear * fixed.shared
        + kernel.pairs * fixed.pairs
        + CONSTANT
    )
    total[np.diag_indices(count)] += kernel.white * white + kernel.empty * fixed.empty + JITTER
    # the likelihood, the scale being fit / count
    root = inverse_root(total)
    dual = root.T @ (root @ utilities)
    fit = max(float(utilities @ dual), 1e-300)
    value = 0.5 * count * np.log(fit / count) - np.log(np.diag(root)).sum()
    # its slope by the covariance, float64[M, M]
    slope = 0.5 * (root.T @ root - np.outer(dual, dual) * (count / fit))
    return float(value), _gradient(kernel, fixed, slope, smooth, white)


def _gradient(
    kernel: Kernel, fixed: Fixed, slope: HostArray, smooth: HostArray, white: HostArray
) -> HostArray:
    """float64[2 P + 7]: the slope by the settings, from that by the covariance (chain rule)."""
    member = fixed.member
    steep = slope * smooth
    alone = np.diag(slope) * kernel.white * white
    # by log l_i: pairs of coalitions of which one has player i
    pulled = member.T @ steep
    both_have = np.einsum("pm,mp->p", pulled, member)
    lengths = -2 * (pulled.sum(axis=1) - both_have) * kernel.lengths
    # by g_i: coalitions that have player i
    decays = -2 * member.T @ (steep.sum(axis=1) + alone)
    # by the logarithms of the scales d, a, e, b and h
    scales = [
        alone.sum(),
        kernel.linear * np.vdot(slope, fixed.shared),
        kernel.pairs * np.vdot(slope, fixed.pairs),
        kernel.size * np.vdot(slope, fixed.nearness),
        kernel.empty * np.vdot(np.diag(slope), fixed.empty),
    ]
    return np.concatenate([lengths, [lengths.sum()], decays, [decays.sum()], scales])


def _repeats(num_players: int) -> list[int]:
    """How many settings of each kind there are, in their order.

    They are deviations of log l_i and their mean, deviations of g_i and their mean, and the
    logarithms of d, a, e, b, h.
    """
    return [num_players, 1, num_players, 1, 1, 1, 1, 1, 1]


def _prior(num_players: int) -> tuple[HostArray, HostArray]:
    """(means, standard deviations) of the settings, float64[2 P + 7] each.

    At the means, gains fall by e^-2 from the first player who joins to the last.
    """
    one = 2 / num_players
    mean = (0.0, np.log(one), 0.0, one, np.log(0.03), np.log(0.01), np.log(0.001), 0.0, 0.0)
    width = (1.0, 1.0, 3 / num_players, 5 / num_players, 2.0, 3.0, 3.0, 1.5, 3.0)
    repeats = _repeats(num_players)
    return np.repeat(np.array(mean), repeats), np.repeat(np.array(width), repeats)


def _kernel(settings: HostArray, num_players: int) -> Kernel:
    """The kernel of the settings float64[2 P + 7]."""
    lengths = np.exp(settings[:num_players] + settings[num_players])
    decays = settings[num_players + 1 : 2 * num_players + 1] + settings[2 * num_players + 1]
    white, linear, pairs, size, empty = np.exp(settings[-5:]).tolist()
    return Kernel(lengths, decays, white, linear, pairs, size, empty)
