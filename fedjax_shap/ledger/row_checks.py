"""Row checks: what the file of a ledger holds, judged row by row and against each other."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.ledger.entry import Entry, message, read_entry
from fedjax_shap.ledger.signing import is_signed


class Rows(NamedTuple):
    """The rows of a ledger, each judged by itself.

    Attributes:
        whole: row number -> the entry in it.
        corrupt: row number -> why there is none in it.
    """

    whole: dict[int, Entry]
    corrupt: dict[int, str]

    @property
    def numbered(self) -> dict[int, Entry]:
        """The whole entries by the number that they were written with, in its order."""
        return {number: self.whole[place] for number, place in sorted(_places(self).items())}


def judged(rows: Iterable[Sequence[Any]], key: str | None, *, signed: bool) -> Rows:
    """Judges each row by itself.

    It is whole if its hash is that of its body and its signature that of its hash.

    Args:
        rows: (row number, body, hash, signature), as they are in the file.
        key: the public key of the signatures; they are not checked if None.
        signed: False where there should be none.

    Raises:
        InvalidInputError: signatures are to be checked and `cryptography` is not installed.
    """
    result = Rows({}, {})
    for place, *columns in rows:
        # Hash first, then signature.
        try:
            entry = read_entry(*columns)
            if not signed and entry.signature is not None:
                raise ValueError("it is signed, and the ledger is not")
            if key is not None and not is_signed(message(entry.hash), entry.signature or "", key):
                raise ValueError("it is not signed by the key")
        except InvalidInputError:
            raise
        except ValueError as error:
            result.corrupt[place] = str(error)
        else:
            result.whole[place] = entry
    return result


def problems_with(rows: Rows, last: int | None) -> list[str]:
    """A sentence for all that is wrong with the rows, alone or against each other.

    Args:
        rows: the rows.
        last: the number of the last entry, as the checkpoint says; None if it does not.
    """
    return [
        *_corrupt(rows, last),
        *_misplaced(rows),
        *_missing(rows, last),
        *_unlinked(rows),
    ]


def listed(numbers: Iterable[int], noun: str = "Entry") -> str:
    """Numbers as a sentence begins with them: Entry 5, or: Each of entries 5 to 9, 12."""
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return _spans(spans, noun)


def _spans(spans: list[tuple[int, int]], noun: str = "Entry") -> str:
    """Numbers from ... to ..., both included; as `listed`."""
    parts = []
    for low, high in spans:
        if low == high:
            parts.append(f"{low}")
        else:
            parts.append(f"{low} to {high}")
    shown = ", ".join(parts)
    if shown == f"{spans[0][0]}":
        return f"{noun} {shown}"
    plural = {"Entry": "entries", "Row": "rows"}[noun]
    return f"Each of {plural} {shown}"


def _places(rows: Rows) -> dict[int, int]:
    """The row of each whole entry, by the entry's number; where it stands twice, its own row."""
    places = {entry.number: place for place, entry in rows.whole.items()}
    for place, entry in rows.whole.items():
        if entry.number == place:
            places[place] = place
    return places


def _corrupt(rows: Rows, last: int | None) -> list[str]:
    """The rows that hold no entry: altered ones, or forged ones between or behind the others."""
    numbered = rows.numbered
    altered: dict[str, list[int]] = {}
    inserted: dict[str, list[int]] = {}
    for place, reason in rows.corrupt.items():
        # A row beside that of a whole entry of its number, or beyond the end, is one too many.
        beyond = place < 0 or (last is not None and place > last)
        kind = altered
        if beyond or place in numbered:
            kind = inserted
        kind.setdefault(reason, []).append(place)
    return [
        *(f"{listed(places)} was altered: {reason}." for reason, places in altered.items()),
        *(f"{listed(places, 'Row')} was inserted: {why}." for why, places in inserted.items()),
    ]


def _misplaced(rows: Rows) -> list[str]:
    """Whole entries in other rows than their own."""
    places = _places(rows)
    problems = []
    shifted: dict[int, list[int]] = {}
    # A second copy was inserted; an only copy in another row was moved there.
    for place, entry in rows.whole.items():
        if places[entry.number] != place:
            problems.append(f"Row {place} was inserted: it is a copy of entry {entry.number}.")
        elif entry.number != place:
            shifted.setdefault(place - entry.number, []).append(entry.number)
    for by, numbers in shifted.items():
        problems.append(f"{listed(numbers)} was moved: it stands {_distance(by)} than written.")
    return problems


def _distance(by: int) -> str:
    """How far an entry was moved: 1 row later, 2 rows earlier."""
    rows = "1 row"
    if abs(by) != 1:
        rows = f"{abs(by)} rows"
    if by > 0:
        return f"{rows} later"
    return f"{rows} earlier"


def _missing(rows: Rows, last: int | None) -> list[str]:
    """Entries that were there once: a later one exists, or the checkpoint counts them."""
    numbered = rows.numbered
    end = max(numbered, default=-1)
    if last is not None:
        end = max(end, last)
    # The gaps between the rows that are there, up to the last entry.
    there = sorted(number for number in numbered.keys() | rows.corrupt if 0 <= number <= end)
    gaps = [
        (low + 1, high - 1) for low, high in zip([-1, *there], [*there, end + 1]) if high - low > 1
    ]
    if not gaps:
        return []
    return [f"{_spans(gaps)} was removed."]


def _unlinked(rows: Rows) -> list[str]:
    """Neighbours of which the later one does not name the hash of the earlier one."""
    numbered = rows.numbered
    return [
        f"Entry {number} does not follow on entry {number - 1}: one of the two was rewritten."
        for number, entry in numbered.items()
        if number - 1 in numbered and entry.previous != numbered[number - 1].hash
    ]
