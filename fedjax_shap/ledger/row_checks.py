"""Rows: what the file of a ledger holds, judged row by row and against each other (Spec 9.2)."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.ledger.entry import Entry, message, read_entry
from fedjax_shap.ledger.signing import is_signed


class Rows(NamedTuple):
    """The rows of a ledger, each judged by itself.

    Attributes:
        whole: row number -> the entry in it.
        spoilt: row number -> why there is none in it.
    """

    whole: dict[int, Entry]
    spoilt: dict[int, str]

    @property
    def numbered(self) -> dict[int, Entry]:
        """The whole entries by the number that they were written with, in its order."""
        return {number: self.whole[place] for number, place in sorted(_places(self).items())}


def judged(rows: Iterable[Sequence[Any]], key: str | None, *, signed: bool) -> Rows:
    """Judges each row by itself: it is whole if its hash is that of its body and its signature that
    of its hash.

    Args:
        rows: (row number, body, hash, signature), as they are in the file.
        key: the public key of the signatures; they are not checked if None.
        signed: False where there should be none.

    Raises:
        InvalidInputError: signatures are to be checked and `cryptography` is not installed.
    """
    found = Rows({}, {})
    for place, *held in rows:
        try:
            entry = read_entry(*held)
            if not signed and entry.signature is not None:
                raise ValueError("it is signed, and the ledger is not")
            if key is not None and not is_signed(message(entry.hash), entry.signature or "", key):
                raise ValueError("it is not signed by the key")
        except InvalidInputError:
            raise
        except ValueError as error:
            found.spoilt[place] = str(error)
        else:
            found.whole[place] = entry
    return found


def complaints(found: Rows, last: int | None) -> list[str]:
    """A sentence for all that is wrong with the rows, alone or against each other.

    Args:
        found: the rows.
        last: the number of the last entry, as the checkpoint says; None if it does not.
    """
    return [*_spoilt(found, last), *_misplaced(found), *_missing(found, last), *_unlinked(found)]


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
    shown = ", ".join(f"{low}" if low == high else f"{low} to {high}" for low, high in spans)
    one = len(spans) == 1 and spans[0][0] == spans[0][1]
    return (
        f"{noun} {shown}" if one else f"Each of {'entries' if noun == 'Entry' else 'rows'} {shown}"
    )


def _places(found: Rows) -> dict[int, int]:
    """The row of each whole entry, by the entry's number; where it stands twice, its own row."""
    places = {entry.number: place for place, entry in found.whole.items()}
    return places | {place: place for place, entry in found.whole.items() if entry.number == place}


def _spoilt(found: Rows, last: int | None) -> list[str]:
    """The rows that hold no entry: altered ones, or forged ones that were put between or behind the
    others.
    """
    numbered = found.numbered
    by_reason: dict[tuple[bool, str], list[int]] = {}
    for place, reason in found.spoilt.items():
        beyond = place < 0 or (last is not None and place > last)
        by_reason.setdefault((place in numbered or beyond, reason), []).append(place)
    return [
        f"{listed(places, 'Row' if inserted else 'Entry')} was "
        f"{'inserted' if inserted else 'altered'}: {reason}."
        for (inserted, reason), places in by_reason.items()
    ]


def _misplaced(found: Rows) -> list[str]:
    """Whole entries in other rows than their own."""
    places, problems = _places(found), []
    shifted: dict[int, list[int]] = {}
    for place, entry in found.whole.items():
        if places[entry.number] != place:
            problems.append(f"Row {place} was inserted: it is a copy of entry {entry.number}.")
        elif entry.number != place:
            shifted.setdefault(place - entry.number, []).append(entry.number)
    for by, numbers in shifted.items():
        rows = f"{abs(by)} row{'' if abs(by) == 1 else 's'} {'later' if by > 0 else 'earlier'}"
        problems.append(f"{listed(numbers)} was moved: it stands {rows} than it was written.")
    return problems


def _missing(found: Rows, last: int | None) -> list[str]:
    """Entries that were there once: a later one exists, or the checkpoint counts them."""
    numbered = found.numbered
    end = max([*numbered, -1 if last is None else last])
    there = sorted(number for number in numbered.keys() | found.spoilt.keys() if 0 <= number <= end)
    gaps = [
        (low + 1, high - 1) for low, high in zip([-1, *there], [*there, end + 1]) if high - low > 1
    ]
    return [f"{_spans(gaps)} was removed."] if gaps else []


def _unlinked(found: Rows) -> list[str]:
    """Neighbours of which the later one does not name the hash of the earlier one."""
    numbered = found.numbered
    return [
        f"Entry {number} does not follow on entry {number - 1}: one of the two was rewritten."
        for number, entry in numbered.items()
        if number - 1 in numbered and entry.previous != numbered[number - 1].hash
    ]
