"""How far values are from reference values, by the measures that the field reports."""

from collections.abc import Callable

import numpy as np

from fedjax_shap._validate import finite, require
from fedjax_shap.typing import HostArray


def agreement(
    values: HostArray, reference: HostArray, *, normalised: bool = False
) -> dict[str, float]:
    """Distances and rank correlations of two value vectors.

    Args:
        values: float64[P].
        reference: float64[P], such as exact values.
        normalised: whether both are divided by their sums first, as contribution indices are (Liu
            et al. 2022, equations 11 to 13).

    Returns:
        relative_l2: |values - reference| / |reference|; euclidean: |values - reference|;
            max_difference: the largest
        |difference| of a player; cosine_distance: 1 - cos; spearman, kendall: rank correlations, 1 where neither
        vector orders the players and 0 where only one does.

    Raises:
        InvalidInputError: other shapes, a number that is not finite, or a sum or norm of 0 to
            divide by.
    """
    from scipy.stats import kendalltau, spearmanr

    values, reference = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    require(
        values.shape == reference.shape and values.ndim == 1 and len(values) > 0,
        f"Expected values and reference to be float64[P] of one length, got shapes {values.shape}, "
        f"{reference.shape}.",
    )
    finite("values", values)
    finite("reference", reference)
    if normalised:
        for name, one in (("values", values), ("reference", reference)):
            require(
                one.sum() != 0,
                f"Expected {name} to have a sum other than 0 to be normalised by, got 0.",
            )
        values, reference = values / values.sum(), reference / reference.sum()
    norm, distance = float(np.linalg.norm(reference)), float(np.linalg.norm(values - reference))
    require(norm > 0, "Expected reference to differ from 0, but all its values are 0.")
    own = float(np.linalg.norm(values))
    return {
        "relative_l2": distance / norm,
        "euclidean": distance,
        "max_difference": float(np.abs(values - reference).max()),
        "cosine_distance": max(0.0, 1 - float(values @ reference) / (norm * own))
        if own > 0
        else 1.0,
        "spearman": _ranked(values, reference, lambda: spearmanr(values, reference).statistic),
        "kendall": _ranked(values, reference, lambda: kendalltau(values, reference).statistic),
    }


def _ranked(values: HostArray, reference: HostArray, correlation: Callable[[], float]) -> float:
    """A rank correlation, defined where a vector does not order the players, too."""
    flat = [bool(np.ptp(one) == 0) for one in (values, reference)]
    return float(all(flat)) if any(flat) else float(correlation())
