"""Columns that are hardly features: identifiers, names and dates, numbers written as text, numbers
that stand for a missing value.
"""

import re

import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, how_many, require
from fedjax_shap.data.cells import Notation, parse, readings
from fedjax_shap.data.tables import Table
from fedjax_shap.typing import HostArray

FEW = 10  # a column with no more categories may hold them all once
NAMED_LIKE_ID = re.compile(r"(?:.*[^a-z])?(id|ids|idx|index|key|no|nr|num|number|uuid)", re.I)
CAMEL_ID = re.compile(r".*[a-z](Id|ID|Key|No|Nr|Number)")
DATE = re.compile(  # 2024-01, 2024-01-31 12:30, 31/1/24, 31.01.2024, 12:30
    r"(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}([-/])\d{1,2}\3\d{2,4}|\d{1,2}\.\d{1,2}\.\d{4}|"
    r"\d{1,2}:\d{2}(:\d{2})?)([ T].*)?"
)
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
    if not stated:
        _refuse_other_text(table, name, kinds)
    many = len(kinds) > most_categories
    few_rows = len(kinds) > FEW and 2 * len(kinds) > len(cells) and not stated
    first = f"{str(cells[0])!r} ({table.place(0)})"
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


def _refuse_other_text(table: Table, name: str, kinds: HostArray) -> None:
    """Refuses numbers in another notation, numbers among words, and dates or times.

    Args:
        table: the table.
        name: the column.
        kinds: str[K], its different cells.
    """
    cells = table.columns[name]
    expected = f"Expected column {name!r} of {table.name} to hold numbers or categories, but"
    first = f"{str(cells[0])!r} ({table.place(0)})"
    otherwise = (
        f"drop = [{name!r}] to leave the column out, or categories = [{name!r}] to use it as it is."
    )
    _, is_number = parse(kinds, table.notation)
    if 2 * is_number.sum() > len(kinds):
        other = np.isin(cells, kinds[~is_number])
        row = int(np.argmax(other))
        mark = str(cells[row])
        raise InvalidInputError(
            f"{expected} most of its different cells are numbers and {other.sum()} are words such "
            f"as {mark!r} ({table.place(row)}); write na = [{mark!r}] and missing = ..., if it "
            f"marks a missing value, {otherwise}"
        )
    _, is_plain = parse(kinds, Notation())
    if 2 * is_plain.sum() > len(kinds):
        raise InvalidInputError(
            f"{expected} it holds numbers in another notation than other columns, such as {first}; "
            "write all columns in one notation, or give the table as a frame (sources.from_frame); "
            f"write {otherwise}"
        )
    written = readings(kinds)
    if written:
        raise InvalidInputError(
            f"{expected} it holds numbers written as text, such as {first}; write "
            f"{' or '.join(written)} to read them, {otherwise}"
        )
    dates = sum(bool(DATE.fullmatch(str(kind))) for kind in kinds)
    if 2 * dates > len(kinds):
        raise InvalidInputError(
            f"{expected} it holds dates or times, such as {first}; write {otherwise}"
        )


def say_suspicious(table: Table, name: str, values: HostArray) -> None:
    """Cautions about a column of numbers that may be no feature, or hold marks for missing values.

    Args:
        table: the table.
        name: the column.
        values: float64[T], its numbers.
    """
    _say_identifier(table, name, values)
    say_doubtful_numbers(table, name, values)


def say_doubtful_numbers(table: Table, name: str, values: HostArray) -> None:
    """Cautions about numbers that may mean something else.

    Args:
        table: the table.
        name: a column of features or of quantities to be learned.
        values: float64[T], its numbers.
    """
    _say_sentinel(table, name, values)
    _say_grouped(table, name)


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
                f"{table.name}: column {name!r} holds {value:g} in {how_many(int(count), 'row')}, "
                f"far from its other numbers ({low:g} to {high:g}), which is used as a number; "
                f"write na = ['{value:g}'] and missing = ..., if it marks a missing value."
            )


def _say_grouped(table: Table, name: str) -> None:
    """A caution about whole numbers of which only the large ones hold a mark: 987 and 1.234."""
    mark = table.notation.decimal
    grouped = re.compile(rf"[+-]?[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}")
    small = re.compile(r"[+-]?\d{1,3}")
    kinds = sorted(set(table.columns[name].tolist()))
    kinds = [kind for kind in kinds if any(letter.isdigit() for letter in kind)]
    large = [kind for kind in kinds if grouped.fullmatch(kind)]
    others = [kind for kind in kinds if small.fullmatch(kind)]
    other_mark = {".": ",", ",": "."}[mark]
    if len(large) > 1 and len(others) > 1 and len(large) + len(others) == len(kinds):
        caution(
            f"{table.name}: column {name!r} holds whole numbers below 1000 and numbers such as "
            f"{large[0]!r}, in which {mark!r} was taken for the mark of decimals; write thousands "
            f'= "{mark}" and decimal = "{other_mark}", if it stands between thousands.'
        )
