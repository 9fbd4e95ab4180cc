"""How far values are from reference values, by the measures that the field reports."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, described, finite, require
from fedjax_shap.typing import HostArray


def agreement(
    values: HostArray, reference: HostArray, *, normalised: bool = False
) -> dict[str, float]:
    """Distances and rank correlations of two value vectors.

    Args:
        values: float64[P], or a record with `values`, such as an attribution.
        reference: float64[P], such as exact values.
        normalised: whether both are divided by their sums first, as contribution indices are (Liu,
            Chen, Zhang, Lu 2022, "GTG-Shapley", equations 11 to 13).

    Returns:
        `relative_l2`: |values - reference| / |reference|; `euclidean`: |values - reference|;
        `max_difference`: the largest |difference| of a player; `cosine_distance`: 1 - cos;
        `spearman`, `kendall`: rank correlations, 1 if neither vector orders the players and 0 if
        only one does.

    Raises:
        InvalidInputError: the shapes differ, a number is not finite, or a sum or norm to divide by
            is 0.
    """
    from scipy.stats import kendalltau, spearmanr

    values = vector_of("values", values)
    reference = vector_of("reference", reference)
    _check(values, reference)
    if normalised:
        values = _normalised("values", values)
        reference = _normalised("reference", reference)
    norm = float(np.linalg.norm(reference))
    distance = float(np.linalg.norm(values - reference))
    require(norm > 0, "Expected reference to differ from 0, but all its values are 0.")
    return {
        "relative_l2": distance / norm,
        "euclidean": distance,
        "max_difference": float(np.abs(values - reference).max()),
        "cosine_distance": _cosine_distance(values, reference),
        "spearman": _ranked(values, reference, spearmanr),
        "kendall": _ranked(values, reference, kendalltau),
    }


def vector_of(name: str, values: Any) -> HostArray:
    """Values as float64[...]: numbers, or those of a record such as an attribution."""
    if isinstance(values, Mapping):
        values = list(values.values())
    try:
        return np.asarray(getattr(values, "values", values), np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"Expected {name}={described(values)} to be numbers, one a player: {error}."
        ) from error


def _check(values: HostArray, reference: HostArray) -> None:
    """Refuses vectors of different lengths and what is not finite."""
    require(
        values.shape == reference.shape and values.ndim == 1 and len(values) > 0,
        f"Expected values and reference to be float64[P] of one length, got shapes {values.shape}, "
        f"{reference.shape}.",
    )
    finite("values", values)
    finite("reference", reference)


def _normalised(name: str, vector: HostArray) -> HostArray:
    """float64[P]: the vector divided by its sum."""
    require(
        vector.sum() != 0,
        f"Expected {name} to have a sum other than 0 to be normalised by, got 0.",
    )
    normalised: HostArray = vector / vector.sum()
    return normalised


def _cosine_distance(values: HostArray, reference: HostArray) -> float:
    """1 - cos of the angle between the vectors; 1 where `values` are all 0."""
    own = float(np.linalg.norm(values))
    if own == 0:
        return 1.0
    norm = float(np.linalg.norm(reference))
    return max(0.0, 1 - float(values @ reference) / (norm * own))


def _ranked(values: HostArray, reference: HostArray, correlation: Any) -> float:
    """SciPy's rank correlation; 1 if neither vector orders the players, 0 if only one does."""
    flat = [bool(np.ptp(vector) == 0) for vector in (values, reference)]
    if any(flat):
        return float(all(flat))
    return float(correlation(values, reference).statistic)
