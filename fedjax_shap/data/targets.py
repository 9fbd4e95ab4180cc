"""What the target y of a row may be: a class, by number or by name, or a quantity."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, finite, integer, require
from fedjax_shap.typing import HostArray

FEW_CLASSES = 20  # so many whole numbers are taken for classes, however few the rows are
ROWS_A_CLASS = 5  # more of them only where a class has at least so many rows on average
MOST_SHOWN = 8  # class ids written out in a refusal
_SAY_SO = (
    "where these are quantities, say quantities=True of from_arrays, targets='quantities' of a "
    "source, or [task] name = 'regression' in a configuration"
)


class Targets(NamedTuple):
    """The targets of several sets of rows, by one code.

    Attributes:
        sets: int32[N], classes 0..L-1, of each set by name; float32[N] or [N, D] where rows have
            quantities.
        num_classes: L; None for quantities.
        class_names: the L classes' names where the rows gave names, else ().
    """

    sets: Mapping[str, HostArray]
    num_classes: int | None
    class_names: tuple[str, ...] = ()


def classes(cells: HostArray, name: str) -> tuple[HostArray, tuple[str, ...]]:
    """Labels 0..L-1 for classes sorted by name, or by number where every name is a number.

    Args:
        cells: [T], each row's class: words, truth values or whole numbers.
        name: how the labels are called in a refusal.

    Returns:
        int32[T] labels, and the L classes' names in the order of the labels.

    Raises:
        InvalidInputError: fewer than two classes, a row without one, numbers that are not whole, or
            nearly as many of them as rows (quantities, not classes).
    """
    labels, names = _by_name(np.asarray(cells), name)
    require(
        len(names) >= 2,
        f"Expected {name} to hold at least two classes, but it holds {list(names)}.",
    )
    _require_few(name, len(names), len(labels))
    return labels, names


def class_targets(
    given: Mapping[str, Any], *, num_classes: int | None = None, classes: Sequence[Any] = ()
) -> Targets:
    """The classes of several sets of rows.

    Rows may hold integer labels 0..L-1, of which each must occur somewhere unless `num_classes` or
    `classes` says what there is; names, truth values or other words, which become 0..L-1 in sorted
    order; or one-hot rows [N, L].

    Args:
        given: the targets of each set, by the set's name.
        num_classes: L; read off the rows if None.
        classes: the L classes' ids or names in order, as rows hold them; () if rows say it all.

    Raises:
        InvalidInputError: rows that hold no class, or not one of `classes`; class ids that leave
            gaps where neither keyword is given; numbers that look like quantities.
    """
    sets = {name: flat(name, np.asarray(y)) for name, y in given.items()}
    if len(classes):
        return _as_listed(sets, classes, num_classes)
    kinds = {y.dtype.kind for y in sets.values()}
    if kinds <= set("iuf"):
        return _as_numbered(sets, num_classes)
    # names: one code for all sets
    labels, names = _by_name(np.concatenate([_words(y) for y in sets.values()]), "y")
    if kinds == {"b"}:
        labels = np.concatenate(list(sets.values())).astype(np.int32)
        names = ("False", "True")
    if num_classes is None:
        _require_few("y", len(names), len(labels))
    require(
        num_classes in (None, len(names)),
        f"Expected num_classes={num_classes} to be the number of names in y, {len(names)}; write "
        "classes=[...] with all names.",
    )
    ends = np.cumsum([len(y) for y in sets.values()])[:-1]
    return Targets(dict(zip(sets, np.split(labels, ends))), len(names), names)


def quantity_targets(given: Mapping[str, Any]) -> Targets:
    """The quantities of several sets of rows, float32[N] or [N, D].

    Args:
        given: the targets of each set, by the set's name; [N, 1] becomes [N].

    Raises:
        InvalidInputError: what is not numbers, not finite in float32, or of other axes.
    """
    return Targets({name: quantities(y, name) for name, y in given.items()}, None)


def quantities(values: Any, name: str) -> HostArray:
    """Quantities as float32[N] or [N, D], or a refusal.

    Args:
        values: numbers [N], [N, 1] (which becomes [N]) or [N, D].
        name: how they are called in a refusal.
    """
    y = np.asarray(values)
    require(
        y.dtype.kind in "iufb",
        f"Expected {name} to be numbers, as quantities are, got {y.dtype}.",
    )
    require(
        y.ndim in (1, 2) and y.shape[-1] > 0,
        f"Expected {name} to have one quantity a row, y[N], or several, y[N, D], got {y.shape}.",
    )
    if y.shape[1:] == (1,):
        y = y[:, 0]
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused
        y = y.astype(np.float32)
    finite(name, y)
    return y


def bins(values: HostArray, count: int) -> HostArray:
    """Which of `count` bins of nearly equal numbers of rows each quantity is in, int32[T].

    Bins are numbered from 0 in the order of the quantities, and each holds a row. Equal quantities
    are in one bin, so there may be fewer bins than asked for.

    Args:
        values: float[T]; of [T, D] the first column counts.
        count: >= 1.
    """
    first = values.reshape(len(values), -1)[:, 0].astype(np.float64)
    borders = np.quantile(first, np.arange(1, count) / count)
    above = np.searchsorted(borders, first, side="right")
    return np.unique(above, return_inverse=True)[1].reshape(-1).astype(np.int32)


def flat(name: str, y: HostArray) -> HostArray:
    """Targets [N]: of one-hot rows their classes, of [N, 1] the one column."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "iufb" and y.shape[1] > 1:
        one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
        require(
            bool(one_hot),
            f"Expected {name} to be one label a row or one-hot rows of a single 1 each, got rows "
            f"of {y.shape[1]} numbers; several labels a row cannot be learned, and {_SAY_SO}.",
        )
        y = y.argmax(axis=1)
    require(y.ndim == 1, f"Expected {name} to be y[N], or one-hot y[N, L], got {y.shape}.")
    return y


def _as_numbered(sets: Mapping[str, HostArray], num_classes: int | None) -> Targets:
    """Targets whose rows hold numbers: the classes' own ids."""
    for name, y in sets.items():
        finite(name, y)
        odd = y[(y != np.round(y)) | (np.abs(y) > np.iinfo(np.int32).max)]
        require(
            not odd.size,
            f"Expected {name} to be integer labels, names or one-hot rows, got "
            f"{odd[:1].tolist()}; {_SAY_SO}.",
        )
    labels = {name: y.astype(np.int32) for name, y in sets.items()}
    present = np.unique(np.concatenate(list(labels.values())))
    if num_classes is None:
        _require_few("y", len(present), sum(map(len, labels.values())))
        num_classes = _without_gaps(present)
    integer("num_classes", num_classes, least=1)
    for name, y in labels.items():
        require(
            bool(y.min() >= 0 and y.max() < num_classes),
            f"Expected labels of {name} in 0..{num_classes - 1} (num_classes={num_classes}), got "
            f"{y.min()}..{y.max()}.",
        )
    return Targets(labels, num_classes)


def _without_gaps(present: HostArray) -> int:
    """L where class ids are 0..L-1, or a refusal: a class that occurs nowhere is a tie to win."""
    most = int(present[-1])
    whole = len(present) == most + 1 and present[0] == 0
    shown = "[...] with all ids"
    if len(present) <= MOST_SHOWN:
        shown = str(present.tolist())
    hint = f"write classes={shown}"
    if present[0] >= 0:
        hint += f", or num_classes={most + 1} if the others are classes that occur nowhere"
    require(
        bool(whole),
        f"Expected class ids to be 0..L-1 and each to occur, got {len(present)} ids from "
        f"{present[0]} to {most}; {hint}.",
    )
    return most + 1


def _as_listed(
    sets: Mapping[str, HostArray], listed: Sequence[Any], num_classes: int | None
) -> Targets:
    """Targets whose rows hold what `listed` names in order."""
    require(
        num_classes in (None, len(listed)),
        f"Expected num_classes={num_classes} to be left out or the length of classes, "
        f"{len(listed)}.",
    )
    words = [_word(one) for one in listed]
    require(len(set(words)) == len(words), f"Expected classes={listed!r} to differ.")
    place = {word: index for index, word in enumerate(words)}
    labels = {}
    for name, y in sets.items():
        kinds, inverse = np.unique(_words(y), return_inverse=True)
        unknown = [str(kind) for kind in kinds if kind not in place]
        require(
            not unknown,
            f"Expected {name} to hold only classes={words[:MOST_SHOWN]}, got "
            f"{unknown[:MOST_SHOWN]}.",
        )
        code = np.array([place[str(kind)] for kind in kinds], np.int32)
        labels[name] = code[inverse.reshape(-1)]
    return Targets(labels, len(words), tuple(words))


def _by_name(cells: HostArray, name: str) -> tuple[HostArray, tuple[str, ...]]:
    """int32[T] labels and their names, sorted by number where every name is a number."""
    # numbers if all are numbers, else words
    try:
        values = cells.astype(np.float64)
    except (TypeError, ValueError):
        kinds, labels = np.unique(_words(cells), return_inverse=True)
        return labels.astype(np.int32), tuple(str(kind) for kind in kinds)
    odd = values[~(np.isfinite(values) & (values == np.round(values)))]
    if odd.size:
        raise InvalidInputError(
            f"Expected {name} to be classes (words or whole numbers), but it holds {odd[0]}; "
            f"{_SAY_SO}."
        )
    kinds, labels = np.unique(values, return_inverse=True)
    return labels.astype(np.int32), tuple(str(int(kind)) for kind in kinds)


def _words(y: HostArray) -> HostArray:
    """Each row's class as text, whole numbers without a point; a row without one is refused."""
    if y.dtype.kind in "SU":
        return y.astype(str)
    missing = [row for row, one in enumerate(y.tolist()) if one is None or one != one]
    require(
        not missing, f"Expected y to hold a class in each row, but row {missing[:1]} holds none."
    )
    return np.array([_word(one) for one in y.tolist()], dtype=str)


def _word(one: Any) -> str:
    """A class as text: 3 and 3.0 are one class."""
    if isinstance(one, float | np.floating) and one == np.round(one):
        return str(int(one))
    return str(one)


def _require_few(name: str, num_classes: int, num_rows: int) -> None:
    """Refuses classes of which there are nearly as many as rows."""
    require(
        num_classes <= FEW_CLASSES or num_rows >= ROWS_A_CLASS * num_classes,
        f"Expected {name} to be classes, but its {num_rows} rows hold {num_classes} different "
        f"values; {_SAY_SO}.",
    )


def class_order(y: HostArray, num_classes: int) -> HostArray:
    """The place of each class among all, by its first row: int[L] from int[T] in 0..L-1."""
    first = np.full(num_classes, len(y))
    np.minimum.at(first, y, np.arange(len(y)))
    return np.asarray(np.argsort(np.argsort(first, kind="stable")))
