"""Shapley values of the Gaussian process that best fits the utilities observed; the default where
not all coalitions are evaluated.

The process predicts the utilities of all coalitions from the utilities v observed. The values are
those of the predicted game. They are linear in v, values = B v with B = C K^-1, where K is the
covariance of the utilities observed and C that of the Shapley values with them; both have closed
forms (`shapley/covariance.py`). The first 2 P coalitions are drawn by size. The process then says
which further ones tell most about the values, and they are asked for in batches.

References:
    ShaplEIG 2026, ICML (arXiv 2606.02247) is the nearest relative: a Gaussian process with a
    Hamming product kernel, values in closed form, and the next coalition chosen by its expected
    information gain, one at a time. Here the kernel also knows how utilities saturate with size,
    and coalitions come in batches, which the engine values side by side.
    Rasmussen and Williams 2006, "Gaussian processes for machine learning", section 5.4.2: utilities
    left out one at a time.
"""

from functools import partial
from typing import Any

import numpy as np

from fedjax_shap._validate import integer, number, of_kind
from fedjax_shap.coalitions import all_subsets, pack
from fedjax_shap.shapley.covariance import inverse_root
from fedjax_shap.shapley.covariance_fit import FITTED_TO, fitted
from fedjax_shap.shapley.design import MANY_PLAYERS, Design, Draws, Propose, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.informative import most_informative
from fedjax_shap.shapley.quotas import SizeDistribution
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.strata import propose_by_size, size_counts
from fedjax_shap.typing import HostArray, Masks

FLAT = 1e-12  # utilities that vary by less than this part of the largest do not vary at all
LARGEST_CORRECTION = 2  # of a standard error, for the settings fitted to the same utilities
FIRST = 2  # coalitions a player that are drawn by size before the process chooses
GROWTH = 8  # a later batch has one coalition for so many that are known
FEW_PLAYERS = 10  # all their coalitions are candidates; of more players as many are drawn


def gaussian_process(
    *, small_first: float = 1.0, steps: int = 20, chosen: bool = True, batch: int = 8
) -> Estimator:
    """The values of the game that a Gaussian process predicts from the utilities observed.

    Args:
        small_first: how strongly small coalitions are favoured where they are drawn. Size s gets a
            share of the draws in proportion to s^-small_first sqrt(1/s + 1/(P - s)), where the root
            is how much utilities of that size count in the values; 0 favours neither small nor
            large ones. Utilities of federations saturate, so that small coalitions are the most
            informative.
        steps: the most steps in which the kernel is fitted.
        chosen: whether the process chooses the coalitions after the first 2 P, so that the variance
            of the values falls most; if not, all are drawn by size, and asked for at once.
        batch: the fewest coalitions chosen at a time; later batches have an eighth of those known.
            The larger it is, the more the engine values side by side, and the less is known when
            they are chosen.

    Guarantees:
        Biased towards smooth games, with an error far below that of unbiased estimators where
        utilities are smooth in who takes part. Efficient to rounding; exact where the budget covers
        every coalition; the budget is never exceeded. Standard errors are those of the process,
        scaled by how utilities left out one at a time differ from what it expects of them, and by
        M / (M - p), as p settings were fitted to the same M utilities (at most 160 where the
        process chose them). They measure the whole error, bias included, as far as the process is
        right. On six games, with 4 P to 50 P coalitions, errors were 0.75 to 1.8 times what they
        say, and 0.9 to 1.2 times over the games together. The errors of one game are alike in all
        draws and have two to five independent parts, so that chance alone moves this by a fifth or
        more. Scales by likelihoods or by later residuals, averages over settings, and less free
        settings came no nearer in every game. Among a hundred players, and in rough games
        (airports, votes), errors were 0.25 to 1.25 times what they say, and with fewer coalitions
        they are rough.
        Where utilities take two values alone, such as won and lost, they also hold what no residual
        tells. What is chosen follows from utilities, whose kernel is rounded for it: runs that
        differ by float rounding nearly always ask for the same coalitions.
    """
    number("small_first", small_first, least=0)
    integer("steps", steps, least=0)
    of_kind("chosen", chosen, bool, "True")
    integer("batch", batch, least=1)
    by_size = propose_by_size(SizeDistribution(partial(_size_shares, small_first)))
    propose = by_size
    stage_size = None
    most_counted = np.inf
    if chosen:
        most_counted = FITTED_TO
        propose = _propose(by_size, steps)
        stage_size = partial(_stage_size, batch)
    design = Design(
        name="gaussian_process",
        propose=propose,
        reduce=partial(_reduce, steps, most_counted),
        unit_size=lambda num_players: 1,
        stage_size=stage_size,
        most_players=MANY_PLAYERS,
    )
    bias = "the kernel assumes that utilities change smoothly with who takes part"
    return sampling_estimator(
        design,
        Guarantees(
            unbiased=False, bias=bias, efficient=True, slicewise=not chosen, errors="analytic"
        ),
    )


def _stage_size(batch: int, state: SamplingState) -> int:
    """The most coalitions of the next batch: of those drawn at first, then of those chosen."""
    known = state.evaluations.num_observed
    if known < FIRST * state.num_players:
        return FIRST * state.num_players - known
    return max(batch, known // GROWTH)


def _propose(by_size: Propose, steps: int) -> Propose:
    """A `propose` that draws the first coalitions by size, and chooses the others."""

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[Any, Masks]:
        evaluations = state.evaluations
        if evaluations.num_observed < FIRST * state.num_players:
            return by_size(rng, state, count)
        utilities = _summary(evaluations.observed)
        if not np.any(utilities):
            return by_size(rng, state, count)
        observed = evaluations.masks[: len(utilities)]
        kernel = fitted(observed, utilities, steps=steps, coarse=True)
        candidates = _candidates(by_size, rng, state)
        masks = most_informative(kernel, evaluations.masks, candidates, count)
        return np.zeros(len(masks)), masks[:, None]

    return propose


def _candidates(by_size: Propose, rng: np.random.Generator, state: SamplingState) -> Masks:
    """bool[N, P]: coalitions that were not asked for, all of them or as many as a few players
    have.
    """
    if state.num_players > FEW_PLAYERS:
        _, units = by_size(rng, state, 2**FEW_PLAYERS)
        return units[:, 0]
    every = all_subsets(state.num_players)
    new = [name not in state.evaluations.row for name in pack(every)]
    unasked: Masks = every[np.array(new)]
    return unasked


def _summary(utilities: HostArray) -> HostArray:
    """float64[M]: the utilities float64[M, ...], centred and scaled; of several slices what they
    have most in common. Zeros where nothing varies.
    """
    columns = utilities.reshape(len(utilities), -1)
    spread = columns.std(axis=0)
    varies = spread > FLAT * np.abs(columns).max(axis=0)
    if not varies.any():
        return np.zeros(len(columns))
    scaled = (columns - columns.mean(axis=0))[:, varies] / spread[varies]
    if scaled.shape[1] == 1:
        return np.asarray(scaled[:, 0])
    # the first principal component
    directions = np.linalg.svd(scaled, full_matrices=False)[2]
    common = scaled @ directions[0]
    return np.asarray(common / common.std())


def _size_shares(small_first: float, num_players: int) -> HostArray:
    """float64[P - 1]: the shares of the sizes 1..P - 1 in the draws, up to a factor."""
    size = np.arange(1, num_players)
    return np.asarray(np.sqrt(1 / size + 1 / (num_players - size)) * size ** -float(small_first))


def _reduce(steps: int, most_counted: float, draws: Draws) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...], each trailing entry by a process of its own."""
    masks = draws.evaluations.masks
    utilities = np.asarray(draws.evaluations.utilities)
    columns = utilities.reshape(len(utilities), -1).T
    results = [_values_and_errors(masks, column, steps, most_counted) for column in columns]
    shape = (masks.shape[1], *utilities.shape[1:])
    values = np.stack([values for values, _ in results], axis=1)
    errors = np.stack([errors for _, errors in results], axis=1)
    return values.reshape(shape), errors.reshape(shape)


def _values_and_errors(
    masks: Masks, utilities: HostArray, steps: int, most_counted: float
) -> tuple[HostArray, HostArray]:
    """Values and standard errors, float64[P] both, of one process.

    Args:
        masks: bool[M, P], the coalitions observed: the empty one, the grand one, then the others.
        utilities: float64[M], theirs.
        steps: as in `gaussian_process`.
        most_counted: the most coalitions that count as evidence of the settings. The kernel is
            fitted to `FITTED_TO`. Further ones that were drawn confirm or refute it; those that it
            chose lie where it looked.
    """
    num_players = masks.shape[1]
    scale = utilities.std()
    if scale <= FLAT * np.abs(utilities).max():
        return np.zeros(num_players), np.zeros(num_players)
    # fit the kernel to the centred and scaled utilities
    centred = (utilities - utilities.mean()) / scale
    kernel = fitted(masks, centred, steps=steps)
    # predict the values, B v
    root = inverse_root(kernel.covariance(masks))
    covariance = kernel.shapley(masks)
    weights = (covariance @ root.T) @ root
    values = scale * (weights @ centred)
    # share what is missing to V(N) - V(empty) equally
    values += (utilities[1] - utilities[0] - values.sum()) / num_players
    # leave out each utility: the variance that the process expects of it, and the actual residual
    expected = 1 / (root**2).sum(axis=0)
    residuals = root.T @ (root @ centred) * expected
    # the posterior variance of the values, scaled by actual over expected squared errors
    posterior = kernel.shapley_variance() - (weights * covariance).sum(axis=1)
    variance = np.maximum(posterior, 0.0) * np.mean(residuals[2:] ** 2 / expected[2:])
    # corrected for the settings fitted: residuals are too small, and the settings have errors
    count = min(len(masks), most_counted)
    free = max(count - kernel.num_settings, count / LARGEST_CORRECTION)
    errors = scale * np.sqrt(variance) * count / free
    return values, np.hypot(errors, _unseen_error(masks, utilities))


def _unseen_error(masks: Masks, utilities: HostArray) -> HostArray | float:
    """float64[P]: what no residual tells where utilities take two values, such as won and lost.

    All utilities observed of one size may be alike then, and others not. By the rule of succession
    the part of the others is beta distributed, that among coalitions with a player apart from that
    among those without; in the value of the player, the mean of either counts 1 / P.
    """
    outcomes = np.unique(utilities)
    if len(outcomes) > 2:
        return 0.0
    num_players = masks.shape[1]
    sizes = masks.sum(axis=1)
    observed, existing = size_counts(masks)
    total = np.zeros(num_players)
    for size in range(1, num_players):
        alike = sizes == size
        differ = len(np.unique(utilities[alike])) > 1
        if differ or observed[size] == existing[size]:
            continue
        inside = masks[alike].sum(axis=0)
        # the variance of each mean, as far as it is of coalitions that were not observed
        part = 1 - alike.sum() / existing[size]
        total += part**2 * (_beta_variance(inside) + _beta_variance(alike.sum() - inside))
    return np.asarray((outcomes[-1] - outcomes[0]) * np.sqrt(total) / num_players)


def _beta_variance(alike: HostArray) -> HostArray:
    """float64[P]: the variance of a frequency, uniform before, after so many draws all alike."""
    return np.asarray((alike + 1) / ((alike + 2) ** 2 * (alike + 3)))
