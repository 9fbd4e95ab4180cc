"""Ids as people have them: integers or texts, read once, refused where two could be taken for one.

Ids of parties are equal where they are the same integer, or the same text character by character:
`7` and `"7"` are of two kinds, and parties whose ids are of different kinds are refused.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, described, how_many, require
from fedjax_shap.typing import HostArray

Kind: TypeAlias = Literal["integers", "texts"]


class Ids(NamedTuple):
    """The ids of a party.

    Attributes:
        kind: what all of them are.
        ids: themselves, each once, in the order of the party's rows.
    """

    kind: Kind
    ids: tuple[int, ...] | tuple[str, ...]

    def encoded(self) -> list[bytes]:
        """Each as bytes, different for different ids."""
        return [f"{self.kind}:{one}".encode() for one in self.ids]

    def in_order(self, rows: Sequence[int]) -> HostArray:
        """int[n], rows by their ids: integers by size, texts by the characters' code points."""
        return np.array(sorted(rows, key=self.ids.__getitem__), dtype=int)


def read_ids(owner: str, ids: Any) -> Ids:
    """The ids of a party.

    Args:
        owner: the party's name.
        ids: an array or sequence of integers, or of texts.

    Raises:
        InvalidInputError: there are none; one is neither an integer nor a text, or not of the kind
            of the first; one is there twice; a text is empty, or not in Unicode's normal form C, in
            which equal texts have equal characters.
    """
    values = _listed(owner, ids)
    kind = _kind(owner, values[0], 0)
    for row, value in enumerate(values):
        if _kind(owner, value, row) != kind:
            raise InvalidInputError(
                f"Expected all ids of {owner} to be {kind}, as the first is, but ids[{row}]="
                f"{value!r}: write all of them as texts, or all as integers."
            )
    if kind == "integers":
        read = Ids("integers", tuple(map(int, values)))
    else:
        read = Ids("texts", tuple(map(str, values)))
        _require_plain_texts(owner, read.ids)
    _require_once(owner, read.ids)
    return read


def require_one_kind(kinds: Mapping[str, str]) -> None:
    """Refuses parties whose ids are of different kinds, by {party: kind}."""
    said = ", ".join(f"{name} has {kind}" for name, kind in kinds.items())
    require(
        len(set(kinds.values())) == 1,
        f"Expected the ids of all parties to be of one kind, but {said}: 7 and '7' are two ids.",
    )


def _listed(owner: str, ids: Any) -> list[Any]:
    """The ids one by one."""
    expected = f"Expected the ids of {owner} to be one row of integers or of texts"
    require(not isinstance(ids, str | bytes | Mapping | set), f"{expected}, got {described(ids)}.")
    if isinstance(ids, list | tuple):
        values = list(ids)
    else:
        array = np.asarray(ids)
        require(array.ndim == 1, f"{expected}, got {described(ids)} of shape {array.shape}.")
        values = array.tolist()
    require(len(values) > 0, f"{expected}, got none: a party without ids is left out.")
    return values


def _kind(owner: str, value: Any, row: int) -> Kind:
    """What an id is."""
    if isinstance(value, str):
        return "texts"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return "integers"
    raise InvalidInputError(
        f"Expected the ids of {owner} to be integers or texts, but ids[{row}] is "
        f"{described(value)}, of type {type(value).__name__}: leave out rows without an id, and "
        "write numbers with a decimal point as integers or texts."
    )


def _require_plain_texts(owner: str, ids: Sequence[Any]) -> None:
    """Refuses texts that could be equal to the eye and differ; says where blanks may matter."""
    for row, one in enumerate(ids):
        if not one:
            raise InvalidInputError(
                f"Expected every row of {owner} to have an id, but ids[{row}] is an empty text."
            )
        expected = (
            f"Expected the ids of {owner} to be printable texts in Unicode's normal form C, but "
            f"ids[{row}]={one!a}"
        )
        require(
            one.isprintable(),
            f"{expected}: leave out characters that are not printed, such as line breaks.",
        )
        require(
            unicodedata.is_normalized("NFC", one),
            f"{expected}; unicodedata.normalize('NFC', id) gives that form.",
        )
    blanks = [one for one in ids if one != one.strip()]
    if blanks:
        begins = "begin or end"
        if len(blanks) == 1:
            begins = "begins or ends"
        caution(
            f"{how_many(len(blanks), 'id')} of {owner} {begins} with a blank, such as "
            f"{blanks[0]!r}; blanks count: such an id equals only one with the same blanks."
        )


def _require_once(owner: str, ids: Sequence[Any]) -> None:
    """Refuses an id that is there twice."""
    if len(set(ids)) == len(ids):
        return
    first: dict[Any, int] = {}
    for row, one in enumerate(ids):
        if one in first:
            raise InvalidInputError(
                f"Expected each id of {owner} once, but ids[{row}]={one!r} is also ids"
                f"[{first[one]}]: join its rows, or keep one of them."
            )
        first[one] = row
