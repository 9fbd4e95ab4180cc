"""What parties of a transfer bring, read once: their names, rows of features, and labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedjax_shap._validate import (
    InvalidInputError,
    a_text,
    described,
    finite,
    listed,
    require,
    texts,
)
from fedjax_shap.data.examples import pair_of
from fedjax_shap.data.targets import Targets, class_targets
from fedjax_shap.typing import HostArray

NUMBERS = "numbers"
TEXTS = "texts"
TRUTH = "truth values"
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((bool, np.bool_), TRUTH),  # first, as a truth value is an integer too
    ((int, float, np.integer, np.floating), NUMBERS),
    ((str, bytes), TEXTS),
)


def party_names(sources: Iterable[Any], target: Any) -> tuple[str, ...]:
    """The names of the sources, or a refusal: no text, an empty one, or one of two parties.

    Args:
        sources: their names.
        target: the target's.
    """
    names = texts("names of sources", tuple(sources))
    parties = (*names, a_text("name of the target", target))
    for one in parties:
        require(bool(one.strip()), f"Expected each party to have a name, got {one!r}.")
    require(
        len(set(parties)) == len(parties),
        f"Expected the names of sources and of the target to differ, got {list(parties)}.",
    )
    return names


def parts_of(name: str, given: Any, wanted: Sequence[str]) -> tuple[Any, ...]:
    """The parts of one argument, or a refusal of another number of them.

    Args:
        name: the argument.
        given: a tuple or list of the parts.
        wanted: what each part is.
    """
    expected = f"Expected {name} to be ({', '.join(wanted)}), got"
    require(isinstance(given, tuple | list), f"{expected} {described(given)}.")
    require(len(given) == len(wanted), f"{expected} {len(given)} parts.")
    return tuple(given)


def features(name: str, x: Any) -> HostArray:
    """float32[N, ...]: rows of features, at least one row of at least one.

    Args:
        name: whose they are, in a refusal.
        x: numbers [N, ...].

    Raises:
        InvalidInputError: what is no array of numbers, holds nothing, or is not finite in float32.
    """
    rows, _ = pair_of(name, (x, ()))
    require(
        rows.dtype.kind in "iufb",
        f"Expected {name}.x to be numbers, got {rows.dtype}.",
    )
    require(
        rows.ndim >= 2 and rows.size > 0,
        f"Expected {name}.x to have rows of features, x[N, ...], got shape {list(rows.shape)}.",
    )
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused
        made: HostArray = rows.astype(np.float32)
    finite(f"{name}.x", made)
    return made


def coded(
    given: Mapping[str, tuple[Any, int]],
    *,
    num_classes: int | None = None,
    classes: Sequence[str] = (),
) -> Targets:
    """The labels of several sets of rows by one code.

    Args:
        given: (labels, how many rows they are of) by what a refusal calls them.
        num_classes: L; what occurs if None.
        classes: names of the L classes in order, where rows hold these.

    Raises:
        InvalidInputError: too many labels or too few, none at all, a row without one, texts beside
            numbers or truth values, class ids that leave gaps, or what `class_targets` refuses.
    """
    kinds: dict[str, str] = {}
    for name, (y, count) in given.items():
        held = cells(name, y)
        require(len(held) > 0, f"Expected {name} to hold at least one label, got none.")
        require(
            len(held) == count,
            f"Expected {name} to hold a label for each of {count} rows, got {len(held)}.",
        )
        kinds[name] = kind_of(name, held)
    said = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    require(
        len(set(kinds.values())) == 1,
        f"Expected labels of one kind, as 1 and 'yes' are two classes, but they are: {said}.",
    )
    arrays = {name: np.asarray(y) for name, (y, _) in given.items()}
    if num_classes is None and NUMBERS in kinds.values():
        _require_no_gaps(arrays)
    return class_targets(arrays, num_classes=num_classes, classes=classes)


def _require_no_gaps(arrays: Mapping[str, HostArray]) -> None:
    """Refuses whole numbers that are not 0..L-1: a class that occurs nowhere is a tie to win."""
    present = np.unique(np.concatenate([y.reshape(-1) for y in arrays.values()]).astype(float))
    if np.array_equal(present, np.round(present)):
        require(
            np.array_equal(present, np.arange(len(present))),
            f"Expected class ids to be 0..L-1 and each to occur, got "
            f"{listed(present.astype(int).tolist(), quoted=False)}; number the classes anew, or "
            "write them as texts.",
        )


def cells(name: str, values: Any) -> HostArray:
    """The cells of an array or list one by one, as they are: object[N] or object[N, L].

    Args:
        name: what a refusal calls them.
        values: what was given. An array of a list of mixed kinds would make texts of all.
    """
    expected = f"Expected {name} to be a list or an array of one entry a row"
    if hasattr(values, "dtype"):
        values = np.asarray(values)
    try:
        array = np.asarray(values, dtype=object)
    except ValueError as error:
        raise InvalidInputError(f"{expected}: {error}.") from error
    require(array.ndim > 0, f"{expected}, got {described(values)}.")
    return array


def kind_of(name: str, held: HostArray) -> str:
    """What all labels of a set are: numbers, texts or truth values, or a refusal.

    Args:
        name: what a refusal calls the set.
        held: object[N] or [N, L], its cells.
    """
    found: dict[str, Any] = {}
    for place, one in enumerate(held.reshape(-1).tolist()):
        row = place * len(held) // held.size
        require(
            one is not None and one == one,
            f"Expected {name} to hold a class in each row, but row {row} holds {one!r}.",
        )
        kind = next((kind for types, kind in _KINDS if isinstance(one, types)), "")
        require(
            bool(kind),
            f"Expected {name} to be classes, as whole numbers, texts or truth values, but row "
            f"{row} holds {described(one)}.",
        )
        found.setdefault(kind, one)
    require(
        len(found) == 1,
        f"Expected {name} to hold labels of one kind, got {' and '.join(map(repr, found.values()))}"
        ".",
    )
    return next(iter(found))


def column_places(name: str, given: Any, count: int) -> HostArray:
    """int[n]: the columns of a party, each once, at least one.

    Args:
        name: what a refusal calls them.
        given: numbers of columns.
        count: how many columns there are.
    """
    held = cells(name, given)
    whole = [
        isinstance(one, int | np.integer) and not isinstance(one, bool) and 0 <= one < count
        for one in held.reshape(-1).tolist()
    ]
    require(
        held.ndim == 1 and len(held) > 0 and all(whole) and len(set(held.tolist())) == len(held),
        f"Expected {name}={held.tolist()!r} to be different column numbers in 0..{count - 1}, at "
        "least one.",
    )
    return held.astype(np.int64)
