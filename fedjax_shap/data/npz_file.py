"""The arrays of an npz file, or a refusal that says what the file holds instead."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.typing import HostArray


def read_npz(path: Path, needed: Sequence[str]) -> dict[str, HostArray]:
    """The arrays of an npz file.

    Args:
        path: the file.
        needed: names of arrays that it must hold.

    Returns:
        Every array by its name.

    Raises:
        InvalidInputError: not an npz file, a damaged or pickled array, or a missing one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
            }
    except Exception as error:  # no list names all the ways in which foreign bytes can fail
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if "allow_pickle" in said:
            said = "one of them holds Python objects; save names as text, by names.astype(str)"
        raise InvalidInputError(
            f"Expected {path} to be an npz file of plain arrays, but: {said}."
        ) from error
    missing = [name for name in needed if name not in arrays]
    near = "".join(_like(name, arrays) for name in missing)
    require(
        not missing,
        f"Expected {path} to hold the arrays {list(needed)}, but {missing} are not in it; it holds "
        f"{list(arrays)}{near}.",
    )
    return arrays


def _like(name: str, known: Iterable[str]) -> str:
    """A remark on the first of the known names that is called like `name`; "" if none is."""
    for one in known:
        if one.lower() == name or one.lower().startswith(f"{name}_"):
            return f", where {one!r} may be {name}"
    return ""
