"""Whose a row is: names of members that look alike are one name."""

from collections import defaultdict

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, listed, require
from fedjax_shap.data.csv_dialect import tidy
from fedjax_shap.data.own_targets import decoded, say_similar
from fedjax_shap.typing import HostArray


def texts_of(cells: HostArray, name: str) -> HostArray:
    """Names [T] or [T, 1] as str[T]: bytes decoded, whole numbers without a fraction."""
    if cells.ndim == 2 and cells.shape[1] == 1:
        cells = cells[:, 0]
    require(
        cells.ndim == 1 and cells.dtype.kind in "biufSUO",
        f"Expected {name} to be names or numbers, [T], got {cells.dtype} of shape {cells.shape}.",
    )
    if cells.dtype.kind == "S":
        return decoded(cells, name)
    if cells.dtype.kind == "f":
        if not np.isfinite(cells).all():
            raise InvalidInputError(f"Expected {name} to say whose each row is, but it holds NaN.")
        return np.array([f"{value:.17g}".removesuffix(".0") for value in cells])
    return cells.astype(str)


def member_names(cells: HostArray, name: str) -> HostArray:
    """Names of members without surrounding blanks, in Unicode's composed form.

    Args:
        cells: [T], whose row it is: words, or numbers, of which whole ones lose their fraction.
        name: how the column or array is called.

    Returns:
        str[T].

    Raises:
        InvalidInputError: a row of nobody, or what is neither text nor numbers.
    """
    texts = texts_of(cells, name)
    raw, codes = np.unique(texts, return_inverse=True)
    tidied = [tidy(str(one)) for one in raw]
    require(
        all(tidied),
        f"Expected {name} to say whose each row is, but that of row "
        f"{int(np.argmax([not tidied[code] for code in codes])) + 1} is empty.",
    )
    merged = defaultdict(list)
    for before, after in zip(raw, tidied):
        merged[after].append(str(before))
    alike = [after for after, before in merged.items() if len(before) > 1]
    if alike:
        caution(
            f"{name}: names that differ in surrounding blanks or in how letters are composed are "
            f"one member: {listed(alike)}."
        )
    say_similar(list(merged), name, "members")
    return np.asarray(np.array(tidied)[codes])
