"""Ids of rows as parties hold them: whole numbers or texts, of one kind at all parties."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, described, require
from fedjax_shap.typing import HostArray

WHOLE = "whole numbers"
TEXTS = "texts"


def row_ids(owner: str, given: Any) -> HostArray:
    """The ids of a party's rows, int64[N] or str[N]; that each is there once is checked elsewhere.

    Args:
        owner: what the party is called.
        given: an array or list of whole numbers, or of texts.

    Raises:
        InvalidInputError: what is given is not one row of ids, or one of them is missing, empty, of
            another kind than the first, or too large for 64 bits.
    """
    expected = f"Expected the ids of {owner} to be one row of whole numbers or of texts"
    require(
        not isinstance(given, str | bytes | Mapping | set) and given is not None,
        f"{expected}, got {described(given)}.",
    )
    array = np.asarray(given)
    require(array.ndim == 1, f"{expected}, got {described(given)} of shape {array.shape}.")
    values: Sequence[Any] = array.tolist()
    if isinstance(given, list | tuple):
        values = given  # an array of mixed ids would have made texts of all
    kinds = [_kind(owner, value, row) for row, value in enumerate(values)]
    if not kinds:
        return np.zeros(0, np.int64)
    other = next((row for row, kind in enumerate(kinds) if kind != kinds[0]), None)
    if other is not None:
        raise InvalidInputError(
            f"Expected all ids of {owner} to be {kinds[0]}, as the first is, but ids[{other}]="
            f"{values[other]!r}: write all of them as texts, or all as whole numbers."
        )
    if kinds[0] == TEXTS:
        return np.array([str(value) for value in values])
    bounds = np.iinfo(np.int64)
    require(
        bounds.min <= min(values) and max(values) <= bounds.max,
        f"Expected the ids of {owner} to be whole numbers of 64 bits; write them as texts.",
    )
    return np.array(values, np.int64)


def places_of(wanted: HostArray, ids: HostArray) -> HostArray:
    """Where each wanted id stands among ids, int[N]; all of them must be there."""
    order = np.argsort(ids, kind="stable")
    return np.asarray(order[np.searchsorted(ids[order], wanted)])


def require_one_kind(ids: Mapping[str, HostArray]) -> None:
    """Refuses parties whose ids are of different kinds, by {party: ids}: 7 and "7" are two ids."""
    kinds = {}
    for name, own in ids.items():
        kinds[name] = WHOLE
        if own.dtype.kind == "U":
            kinds[name] = TEXTS
    said = ", ".join(f"{name!r} has {kind}" for name, kind in kinds.items())
    require(
        len(set(kinds.values())) <= 1,
        f"Expected the ids of all parties to be of one kind, but {said}: 7 and '7' are two ids.",
    )


def _kind(owner: str, value: Any, row: int) -> str:
    """What an id is."""
    if isinstance(value, str) and value:
        return TEXTS
    if isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_):
        return WHOLE
    raise InvalidInputError(
        f"Expected the ids of {owner} to be whole numbers or texts, but ids[{row}] is {value!r}: "
        "leave out rows without an id, and write numbers with a decimal point as whole numbers or "
        "texts."
    )
