"""What is to be learned from the rows of a user's own files: classes, where these are few, or
quantities.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, one_of, require
from fedjax_shap.data.targets import class_order, classes, flat, quantities
from fedjax_shap.typing import HostArray

Kind = Literal["classes", "quantities"]
KINDS = ("classes", "quantities")
FEW = 10  # so many numbers as classes raise no question
EXACT = 2**53  # float64 holds every whole number up to this


class RowTargets(NamedTuple):
    """What is to be learned from each row.

    Attributes:
        y: int32[T] in 0..L-1, or float32[T] or [T, D].
        num_classes: L; None where y are quantities.
        labels: the classes' names; () where y are quantities.
    """

    y: HostArray
    num_classes: int | None
    labels: tuple[str, ...] = ()

    @property
    def order(self) -> HostArray | None:
        """int[L], the order in which classes first appear; None where y are quantities."""
        if self.num_classes is None:
            return None
        return class_order(self.y, self.num_classes)


def targets_of(cells: HostArray, name: str, kind: str) -> RowTargets:
    """The targets that a column or an array holds.

    Args:
        cells: [T] or [T, D].
        name: how they are called in a refusal.
        kind: "classes" or "quantities".

    Raises:
        InvalidInputError: quantities where classes are meant, or what is neither.
    """
    one_of("targets", kind, KINDS)
    if kind == "quantities":
        return RowTargets(quantities(cells, name), None)
    require(
        cells.dtype.kind in "biufU",
        f"Expected {name} to be classes (words or whole numbers), got {cells.dtype}.",
    )
    cells = flat(name, cells)
    if cells.dtype == bool:
        cells = cells.astype(str)
    y, labels = classes(cells, name)
    _question_numbers(cells, name, len(labels))
    say_similar(labels, name, "classes")
    return RowTargets(y, len(labels), labels)


def decoded(cells: HostArray, name: str) -> HostArray:
    """Bytes as text, or a refusal of what is not UTF-8."""
    try:
        return np.asarray(np.char.decode(cells, "utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"Expected {name} to be UTF-8 text, but: {error.reason}."
        ) from error


def _question_numbers(cells: HostArray, name: str, count: int) -> None:
    """A caution where classes are many numbers; a refusal of numbers that float64 cannot hold."""
    try:
        values = cells.astype(np.float64)
    except ValueError:
        return
    largest = np.abs(values).max()
    require(
        bool(largest < EXACT),
        f"Expected {name} to be classes, but the number {largest:g} is too large to be told from "
        "its neighbours; write classes as words.",
    )
    if count > FEW:
        caution(
            f"{name} holds {count} different numbers, which were taken as classes; if they are "
            'quantities, write [task] name = "regression" (targets="quantities" in Python).'
        )


def say_similar(names: Sequence[str], name: str, kind: str) -> None:
    """A caution about names that differ so little that they may be one.

    Args:
        names: they.
        name: the column or array that they are from.
        kind: what they are the names of, such as "members".
    """
    similar = defaultdict(list)
    for one in names:
        similar[_essence(one)].append(one)
    pairs = [" and ".join(map(repr, alike)) for alike in similar.values() if len(alike) > 1]
    if pairs:
        caution(
            f"{name}: {', '.join(pairs[:5])} are different {kind}, although their names differ "
            "in capitals, blanks or the form of a number only."
        )


def _essence(name: str) -> str:
    """What is left of a name without capitals, repeated blanks and a number's form."""
    plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    try:
        return repr(float(plain))
    except ValueError:
        return plain
