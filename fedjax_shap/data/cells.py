"""What a cell of a table of text means: a number in some notation, or nothing at all."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedjax_shap._validate import one_of, require
from fedjax_shap.typing import HostArray

MISSING = frozenset({"", "nan", "na", "n/a", "null"})  # a cell without a value, in lower case
SPACES = " \u00a0\u202f"  # the plain, the unbreakable and the narrow space between thousands
DECIMALS = (".", ",")
THOUSANDS = (",", ".", " ", "'", "_")
MANY = 10  # a column of more different cells may hold a word such as "km" behind its numbers
ENDED = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*?([^\W\d_]\S*)")
LOOKED_AT = 1000  # so many different cells of a column are tried in other notations


@dataclass(frozen=True, kw_only=True)
class Notation:
    """How numbers are written.

    Attributes:
        decimal: what stands before the fraction, "." or ",".
        thousands: what may stand between groups of digits, see `THOUSANDS`; None for nothing. A
            space stands for the unbreakable ones too.
        units: what may stand before or after a number and says nothing: ("%", "$").
    """

    decimal: str = "."
    thousands: str | None = None
    units: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuses what is not a notation."""
        one_of("decimal", self.decimal, DECIMALS)
        if self.thousands is not None:
            one_of("thousands", self.thousands, THOUSANDS)
        require(
            self.thousands != self.decimal,
            f"Expected thousands={self.thousands!r} to differ from decimal={self.decimal!r}.",
        )
        require(
            all(unit.strip() for unit in self.units),
            f"Expected units={self.units!r} to be texts that are not empty.",
        )

    @property
    def plain(self) -> bool:
        """Whether numbers are written as in Python."""
        return self == Notation()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """A number without its units: sign, digits in groups, fraction, exponent."""
        whole = r"\d+"
        if self.thousands is not None:
            mark = "[" + re.escape(self._marks) + "]"
            whole = rf"[1-9]\d{{0,2}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|\d+"
        point = re.escape(self.decimal)
        return re.compile(rf"([+-]?)({whole}|)(?:{point}(\d*))?([eE][+-]?\d+)?")

    @property
    def _marks(self) -> str:
        """Every character that may stand between groups of digits."""
        if self.thousands == " ":
            return SPACES
        return self.thousands or ""

    def python(self, cell: str) -> str:
        """The cell's number as Python writes it; "" if it holds none."""
        match = self._pattern.fullmatch(self._bare(cell))
        if match is None:
            return ""
        sign, whole, fraction, exponent = (part or "" for part in match.groups())
        if not whole + fraction:
            return ""
        digits = "".join(letter for letter in whole if letter not in self._marks)
        return f"{sign}{digits or '0'}.{fraction or '0'}{exponent}"

    def units_of(self, cell: str) -> tuple[str, ...]:
        """Which of the units stand before or after a cell's number."""
        _, found = self._split(cell)
        return found

    def _bare(self, cell: str) -> str:
        """The cell without its units."""
        bare, _ = self._split(cell)
        return bare

    def _split(self, cell: str) -> tuple[str, tuple[str, ...]]:
        """(The cell without its units, these): the sign may stand before or behind the first."""
        if not self.units:
            return cell, ()
        sign = ""
        if cell[:1] in ("+", "-"):
            sign = cell[0]
        rest = cell[len(sign) :]
        found = []
        for unit in self.units:
            before = rest.strip(SPACES)
            rest = before.removeprefix(unit).removesuffix(unit)
            if rest != before:
                found.append(unit)
        return sign + rest.strip(SPACES), tuple(found)


def parse(cells: HostArray, notation: Notation) -> tuple[HostArray, HostArray]:
    """Cells as numbers.

    Args:
        cells: str[T].
        notation: how numbers are written.

    Returns:
        (float64[T], bool[T]): the numbers, and which cells are finite ones. The others are NaN.
    """
    texts = cells
    if not notation.plain:
        texts = np.array([notation.python(cell) for cell in cells])
    if "_" not in "".join(texts):  # Python reads 1_000, but nobody writes it into a table
        try:
            values = np.asarray(texts.astype(np.float64))
        except (ValueError, OverflowError):
            pass
        else:
            return values, np.isfinite(values)
    values = np.array([_number(text) for text in texts], np.float64)
    return values, np.isfinite(values)


def _number(text: str) -> float:
    """The number that a text holds in Python's notation, NaN if it holds none."""
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    return float("nan")


def readings(cells: HostArray) -> list[str]:
    """Notations in which most cells of a column are numbers, as keywords that say so.

    The plain notation, in which they are not, is not tried again.

    Args:
        cells: str[T].

    Returns:
        For instance ['decimal = ","'], or ['units = ["%"]'], the simplest first.
    """
    sample = np.unique(cells)[:LOOKED_AT]
    units = _units(sample)
    found = []
    for decimal, thousands in _NOTATIONS:
        for kept in dict.fromkeys([(), units]):
            notation = Notation(decimal=decimal, thousands=thousands, units=kept)
            good = sum(bool(notation.python(str(cell))) for cell in sample)
            if not notation.plain and 2 * good > len(sample):
                found.append((good, _said(notation)))
    most = max((good for good, _ in found), default=0)
    best = [said for good, said in found if good == most]
    # those that say more than others that do as well are left out
    simplest = [said for said in best if not any(set(other) < set(said) for other in best)]
    return [", ".join(said) for said in simplest]


_NOTATIONS = (
    (".", None),
    (",", None),
    (".", ","),
    (",", "."),
    (".", " "),
    (",", " "),
    (".", "'"),
)


def _said(notation: Notation) -> list[str]:
    """A notation as the keywords that differ from the plain one."""
    words = []
    if notation.decimal != ".":
        words.append(f'decimal = "{notation.decimal}"')
    if notation.thousands is not None:
        words.append(f'thousands = "{notation.thousands}"')
    if notation.units:
        words.append("units = [" + ", ".join(f'"{unit}"' for unit in notation.units) + "]")
    return words


def _units(cells: Iterable[str]) -> tuple[str, ...]:
    """What cells hold beside numbers: signs of currencies and parts, a word behind most of them."""
    cells = [str(cell) for cell in cells]
    letters = sorted(set("".join(cells)))
    signs = [one for one in letters if one in "%‰°" or unicodedata.category(one) == "Sc"]
    ends = Counter(match[1] for cell in cells if (match := ENDED.fullmatch(cell)))
    words = [word for word, count in ends.items() if 2 * count > len(cells) > MANY]
    return (*signs, *words)


def absent(cells: Sequence[str] | HostArray, marks: frozenset[str]) -> HostArray:
    """Which cells hold nothing or a mark of a missing value, bool[T].

    Args:
        cells: without surrounding blanks.
        marks: further texts that stand for a missing value, as they are written. One that is a
            number stands for every way to write it: -999 for -999.0.
    """
    kinds = set(cells)
    numbers = {float(mark) for mark in marks if not math.isnan(_number(mark))}
    missing = {cell for cell in kinds if cell.lower() in MISSING or cell in marks}
    if numbers:
        missing |= {cell for cell in kinds if _number(cell) in numbers}
    if not missing:
        return np.zeros(len(cells), bool)
    return np.array([cell in missing for cell in cells])
