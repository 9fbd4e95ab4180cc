"""Two records of numbers held against each other: what differs, and by how much."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

CHECKSUM = "sha256"
NOT_COMPARED = "made with"
MISSING = "missing"
MONEY = {"costs", "payments", "profits", "amounts"}


class Difference(NamedTuple):
    """One number, text or verdict that is not what it was.

    Attributes:
        place: its keys, with slashes between them.
        old: what it was.
        new: what it is.
        by: the absolute difference of numbers; infinite for all else, and where one is not finite.
        share: by how much of the larger of the two.
    """

    place: str
    old: Any
    new: Any
    by: float
    share: float

    def matters(self, tolerance: float, cents: float = 0.0) -> bool:
        """Whether it is more than a tolerance, absolute and relative, or in money than `cents`."""
        keys = self.place.split("/")
        if keys[-1] == CHECKSUM:
            return False
        texts = isinstance(self.old, str) and isinstance(self.new, str)
        if MONEY & set(keys) and texts and MISSING not in (self.old, self.new):
            return abs(float(self.old) - float(self.new)) > cents
        return min(self.by, self.share) > tolerance


def differences(old: Any, new: Any, place: str = "") -> Iterator[Difference]:
    """Each leaf of two records that differs in a bit, or that only one of them has."""
    for kind, places in ((dict, lambda one: list(one)), (list, lambda one: list(range(len(one))))):
        if isinstance(old, kind) and isinstance(new, kind):
            for key in dict.fromkeys([*places(old), *places(new)]):
                if place or key != NOT_COMPARED:
                    pair = (one[key] if key in places(one) else MISSING for one in (old, new))
                    yield from differences(*pair, f"{place}/{key}" if place else str(key))
            return
    if same(old, new):
        return
    by = share = math.inf
    if number(old) and number(new) and math.isfinite(old) and math.isfinite(new):
        by = abs(old - new)
        share = by / max(abs(old), abs(new)) if by else 0.0
    yield Difference(place, old, new, by, share)


def same(old: Any, new: Any) -> bool:
    """Whether two leaves are equal bit for bit, as JSON tells them."""
    return repr(old) == repr(new)


def number(value: Any) -> bool:
    """Whether a leaf is a number, and no verdict."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def lines(old: dict[str, Any], new: dict[str, Any], tolerance: float) -> Iterator[str]:
    """A line for each part of the record, and below it one for each group that differs."""
    for part in dict.fromkeys([*old, *new]):
        if part == NOT_COMPARED:
            continue
        found = list(differences({part: old.get(part, MISSING)}, {part: new.get(part, MISSING)}))
        yield f"{part}: {'not equal' if found else 'equal bit for bit'}"
        groups: dict[str, list[Difference]] = {}
        for one in found:
            groups.setdefault(group_of(one.place), []).append(one)
        for group, members in groups.items():
            yield f"    {group}: {told(members, tolerance)}"


def group_of(place: str) -> str:
    """The keys of a leaf less its places in lists and the masks of coalitions."""
    return "/".join(key for key in place.split("/") if not key.isdecimal())


def told(found: list[Difference], tolerance: float) -> str:
    """What differs within one group, and whether it is too much."""
    numbers = [one for one in found if math.isfinite(one.by)]
    others = [one for one in found if not math.isfinite(one.by)]
    said = []
    if numbers:
        most = max(numbers, key=lambda one: one.by)
        share = max(one.share for one in numbers)
        said.append(f"{len(numbers)} numbers by up to {most.by:.3g}, relative {share:.3g}")
    said += [f"{one.old!r:.60} is now {one.new!r:.60}" for one in others[:3]]
    said += [f"{len(others) - 3} others besides"] if len(others) > 3 else []
    too_much = any(one.matters(tolerance) for one in found)
    return "; ".join(said) + (" -- TOO MUCH" if too_much else "")
