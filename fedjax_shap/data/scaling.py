"""Scales of features: by all training rows, by each member's own, to [0, 1], or as measured."""

from typing import Literal

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, listed, one_of
from fedjax_shap.data.pool import standardise
from fedjax_shap.data.splits import appearance
from fedjax_shap.typing import HostArray

Scale = Literal["pooled", "per_client", "unit", "none"]
SCALES = ("pooled", "per_client", "unit", "none")


def scaled(
    name: str, x: HostArray, train: HostArray, scale: str, members: HostArray | None = None
) -> HostArray:
    """Features on one scale, whose statistics are those of training rows.

    Args:
        name: what the features are called in a refusal.
        x: [T, ...], as measured.
        train: bool[T], the training rows.
        scale: "pooled" makes the mean 0 and the standard deviation 1 over all training rows,
            "per_client" over each member's own (a member without training rows is scaled as in
            "pooled"), "unit" makes the least training row 0 and the largest 1, "none" changes
            nothing.
        members: str[T], whose row it is; needed for "per_client".

    Returns:
        float32[T, ...].

    Raises:
        InvalidInputError: an unknown scale, no members where they are needed, or numbers that
            float32 cannot hold.
    """
    one_of("scale", scale, SCALES)
    # what float32 cannot hold is refused below
    with np.errstate(over="ignore", invalid="ignore"):
        if scale == "none":
            values = x.astype(np.float32)
        elif scale == "unit":
            values = _unit(x, train)
        elif scale == "pooled":
            values = standardise(x[train], x)[1]
        else:
            values = _per_client(x, train, members)
    if not np.isfinite(values).all():
        row = np.argwhere(~np.isfinite(values))[0][0]
        worst = x[row].reshape(-1)[0]
        raise InvalidInputError(
            f"Expected {name} to be finite numbers that float32 can hold on scale={scale!r}, but "
            f"row {row + 1} holds {worst}."
        )
    return values


def say_alone(name: str, scale: str, train: HostArray, members: HostArray | None) -> None:
    """A caution where the scale leaves nothing of the features of members with one training row.

    Args:
        name: what the features are called.
        scale: of them.
        train: bool[T], the training rows.
        members: str[T], whose row it is.
    """
    if scale != "per_client" or members is None:
        return
    names, counts = np.unique(members[train], return_counts=True)
    alone = names[counts == 1].tolist()
    if alone:
        caution(
            f"{name}: {listed(alone)} with one training row each have features of 0 alone on scale="
            "'per_client'; write scale = \"pooled\" to keep what they hold."
        )


def _unit(x: HostArray, train: HostArray) -> HostArray:
    """Features of which the least training row is 0 and the largest 1; a constant becomes 0."""
    low = x[train].min(axis=0).astype(np.float64)
    width = x[train].max(axis=0).astype(np.float64) - low
    return np.asarray(((x - low) / np.where(width > 0, width, 1.0)).astype(np.float32))


def _per_client(x: HostArray, train: HostArray, members: HostArray | None) -> HostArray:
    """Features standardised by each member's own training rows."""
    if members is None:
        raise InvalidInputError(
            "Expected scale='per_client' to come with members; write client = ... to say whose a "
            "row is."
        )
    values = standardise(x[train], x)[1]
    codes = appearance(members)
    for code in range(codes.max() + 1):
        own = codes == code
        if train[own].any():
            values[own] = standardise(x[train & own], x[own])[1]
    return values
