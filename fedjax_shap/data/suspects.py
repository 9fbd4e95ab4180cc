"""Columns that are hardly features: identifiers, names and dates, numbers written as text, numbers
that stand for a missing value.
"""

import re

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, require
from fedjax_shap.data.cells import readings
from fedjax_shap.data.tables import Table
from fedjax_shap.typing import HostArray

FEW = 10  # a column with no more categories may hold them all once
NAMED_LIKE_ID = re.compile(r"(?:.*[^a-z])?(id|ids|idx|index|key|no|nr|num|number|uuid)", re.I)
CAMEL_ID = re.compile(r".*[a-z](Id|ID|Key|No|Nr|Number)")
SENTINELS = (99.0, 999.0, 9999.0, 99999.0, 999999.0)  # with either sign


def refuse_words(table: Table, name: str, most_categories: int) -> None:
    """Refuses a column of text that holds numbers in another notation, or too many categories.

    A column that is stated to hold categories may hold as many as `most_categories`, whatever they
    look like.

    Args:
        table: the table.
        name: the column.
        most_categories: the largest number of categories.
    """
    cells = table.columns[name]
    kinds = np.unique(cells)
    stated = name in table.words
    many = len(kinds) > most_categories
    few_rows = len(kinds) > FEW and 2 * len(kinds) > len(cells) and not stated
    written = []
    if not stated:
        written = readings(kinds)
    first = f"{str(cells[0])!r} ({table.place(0)})"
    if written:
        raise InvalidInputError(
            f"Expected column {name!r} of {table.name} to hold numbers or categories, but it holds "
            f"numbers written as text, such as {first}; write {' or '.join(written)} to "
            f"read them, drop = [{name!r}] to leave the column out, or categories = [{name!r}] to "
            "use it as it is."
        )
    reason = ""
    if many:
        reason = f"more than most_categories={most_categories}"
    elif few_rows:
        reason = "nearly one each, as names, ids and dates have"
    require(
        not reason,
        f"Expected column {name!r} of {table.name} to hold categories with several rows each, but "
        f"its {len(cells)} rows hold {len(kinds)} different texts, {reason}, such as {first}; "
        f"write drop = [{name!r}] to leave it out.",
    )


def say_suspicious(table: Table, name: str, values: HostArray) -> None:
    """Cautions about a column of numbers that may be no feature, or hold marks for missing values.

    Args:
        table: the table.
        name: the column.
        values: float64[T], its numbers.
    """
    _say_identifier(table, name, values)
    _say_sentinel(table, name, values)


def looks_like_id(name: str) -> bool:
    """Whether a column is called as identifiers are: "id", "customer_id", "PassengerId"."""
    return bool(NAMED_LIKE_ID.fullmatch(name) or CAMEL_ID.fullmatch(name))


def _say_identifier(table: Table, name: str, values: HostArray) -> None:
    """A caution about whole numbers that number the rows."""
    distinct = len(np.unique(values)) == len(values) > FEW
    if not distinct or not (values == np.round(values)).all():
        return
    steps = np.diff(values)
    if looks_like_id(name) or (steps > 0).all() or (steps < 0).all():
        caution(
            f"{table.name}: column {name!r} holds a different whole number in each row, as ids do, "
            f"and is used as a feature; write drop = [{name!r}] to leave it out."
        )


def _say_sentinel(table: Table, name: str, values: HostArray) -> None:
    """A caution about a number such as -999 far from all others of its column."""
    kinds, counts = np.unique(values, return_counts=True)
    if len(kinds) < 3:
        return
    ends = (
        (kinds[0], counts[0], kinds[1], kinds[-1]),
        (kinds[-1], counts[-1], kinds[0], kinds[-2]),
    )
    for value, count, low, high in ends:
        with np.errstate(over="ignore"):
            away = max(low - value, value - high)
            far = away > high - low
        if abs(value) in SENTINELS and far:
            caution(
                f"{table.name}: column {name!r} holds {value:g} in {count} rows, far from its "
                f"other numbers ({low:g} to {high:g}), which is used as a number; write na = "
                f"['{value:g}'] and missing = ..., if it marks a missing value."
            )
