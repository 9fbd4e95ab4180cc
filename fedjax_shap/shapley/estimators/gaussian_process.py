"""Shapley values of the Gaussian process that fits the utilities told best; the default where not
all are valued.

The utilities of all coalitions are predicted from those told, and the values are those of the
predicted game: linear in what was told, values = B v, in closed form (see `surrogate`). Coalitions
of each size are drawn without replacement.
"""

import numpy as np

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.covariance import fitted, inverse_root, weights_of
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.sampling import MANY_PLAYERS, Design, Draws, sampling_estimator
from fedjax_shap.shapley.strata import SizeDistribution, propose_by_size, size_counts
from fedjax_shap.typing import HostArray, Masks


def gaussian_process(*, small_first: float = 1.0, steps: int = 20) -> Estimator:
    """The values of the game that a Gaussian process predicts from the utilities told.

    Args:
        small_first: how much rather small coalitions are drawn: size s gets a share of the draws
            that falls like s^-small_first, besides the factor sqrt(1/s + 1/(P - s)) by which
            utilities count; 0 treats small and large alike. Utilities of federations saturate, so
            that small coalitions tell most.
        steps: the most steps in which the kernel is fitted.

    Guarantees:
        Biased towards smooth games, with an error far below that of unbiased estimators where
        utilities are smooth in who takes part. Efficiency holds to rounding; exact where the budget
        covers every coalition; the budget is never exceeded. Standard errors are those of the
        process, scaled by how wrong it is about utilities left out one at a time, compared with how
        wrong it expects to be, and by M / (M - p), as p settings were fitted to the same M
        utilities. They speak of the whole error, bias included, as far as the coalitions told are
        like the others: on six games of federations, 4 P coalitions or more, errors were 0.8 to
        1.35 times what they say. With fewer than 2 P coalitions they are rough.

    References:
        Royall and Cumberland 1978, "Variance estimation in finite population sampling": what is
        compared is their variance of a predicted total, with residuals left out one at a time.
    """
    number("small_first", small_first, least=0)
    integer("steps", steps, least=0)

    def law(num_players: int) -> HostArray:
        size = np.arange(1, num_players)
        return np.asarray(
            np.sqrt(1 / size + 1 / (num_players - size)) * size ** -float(small_first)
        )

    design = Design(
        name="gaussian_process",
        propose=propose_by_size(SizeDistribution(law)),
        reduce=lambda draws: _reduce(draws, steps),
        unit_size=lambda num_players: 1,
        most_players=MANY_PLAYERS,
    )
    biased = "the kernel assumes that utilities change smoothly with who takes part"
    return sampling_estimator(
        design, Guarantees(unbiased=False, bias=biased, efficient=True, errors="analytic")
    )


def _reduce(draws: Draws, steps: int) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...], each trailing entry by a process of its own."""
    masks, told = draws.evaluations.masks, np.asarray(draws.evaluations.utilities)
    found = [_valued(masks, column, steps) for column in told.reshape(len(told), -1).T]
    shape = (masks.shape[1], *told.shape[1:])
    return tuple(np.stack(part, axis=1).reshape(shape) for part in zip(*found, strict=True))  # type: ignore[return-value]


def _valued(masks: Masks, utilities: HostArray, steps: int) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P] from the utilities float64[M], the first two of nobody
    and everybody.
    """
    num_players = masks.shape[1]
    scale = utilities.std()
    if scale <= 1e-12 * np.abs(utilities).max():
        return np.zeros(num_players), np.zeros(num_players)
    centred = (utilities - utilities.mean()) / scale
    kernel = fitted(masks, centred, steps=steps)
    root = inverse_root(kernel.covariance(masks))
    covariance = kernel.shapley(masks)
    weights = (covariance @ root.T) @ root  # B
    alone = 1 / (root**2).sum(axis=0)  # the variance expected of each utility, the others told
    left_out = root.T @ (root @ centred) * alone
    values = scale * (weights @ centred)
    values += (utilities[1] - utilities[0] - values.sum()) / num_players
    posterior = np.maximum(kernel.shapley_variance() - (weights * covariance).sum(axis=1), 0.0)
    found, expected = _spread(masks, weights, np.stack([left_out**2, alone], axis=1)).T
    found *= len(masks) / max(
        len(masks) - kernel.num_settings, len(masks) / 4
    )  # at most twice the error
    return values, scale * np.sqrt(posterior * found / np.maximum(expected, 1e-300))


def _spread(masks: Masks, weights: HostArray, squares: HostArray) -> HostArray:
    """float64[P, 2]: of B v about the game's own values, were residuals of these squares float64[M,
    2] independent.

    A coalition told counts with what B gives it too much; those of its size that were not told with
    their full weight, their residuals taken to be like those told.
    """
    own = weights_of(masks)
    told, there = size_counts(masks)
    untold = (there / told - 1)[masks.sum(axis=1)]
    return np.asarray(((weights - own) ** 2 + untold * own**2) @ squares)
