"""What callers give to protocols: arrays of real numbers, and settings that are on or off."""

from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, described, finite, require
from fedjax_shap.typing import HostArray


def on_or_off(**settings: Any) -> None:
    """Refuses what is neither True nor False: a text such as 'no' would count as True.

    Args:
        **settings: values by the names of their arguments.
    """
    for name, value in settings.items():
        require(
            isinstance(value, bool | np.bool_),
            f"Expected {name}={described(value)} to be True or False.",
        )


def real_numbers(values: Any) -> HostArray | None:
    """An array of real numbers as it was given; None where `values` are something else.

    Args:
        values: what was given.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # rows of several lengths
        return None
    if array.dtype.kind not in "biuf":
        return None
    return array


def shown(values: Any) -> str:
    """What a refusal calls an array: its type and shape, or what it is where it is none."""
    if values is None or isinstance(values, str):
        return repr(values)
    try:
        array = np.asarray(values)
    except ValueError:
        return f"{described(values)} with rows of several lengths"
    if array.dtype.kind in "US":
        return f"texts{list(array.shape)}"
    if array.dtype.kind == "O":
        return described(values)
    return f"{array.dtype}{list(array.shape)}"


def real(name: str, values: Any, axes: str) -> HostArray:
    """Finite numbers as float64.

    Args:
        name: what they are for.
        values: what was given.
        axes: their shape in words, such as "[N, F]".

    Raises:
        InvalidInputError: other numbers of axes, rows of several lengths, what is no real number,
            a NaN or an infinity.
    """
    array = real_numbers(values)
    if array is None or array.ndim != axes.count(",") + 1:
        raise InvalidInputError(f"Expected {name} to be real numbers {axes}, got {shown(values)}.")
    array = array.astype(float)
    finite(name, array)
    return array
