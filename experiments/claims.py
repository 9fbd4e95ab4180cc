"""The claims of the experiments, read from the docstrings of their files."""

import ast
import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import Record
from benchmarks.headlines import module_of

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DATA_FOLDER = "DIR"  # stands for the folder of data sets in the commands of docstrings
SHORT = 2.0  # minutes
_PARTS = re.compile(r"^(Claim|Command|Minutes): ", re.M)
_NEXT = re.compile(r"^[A-Z][\w ()',.-]*:|\n\n", re.M)


class Claim(NamedTuple):
    """One experiment.

    Attributes:
        name: of its file.
        asks: what it asks, in a sentence.
        claim: what it claims.
        arguments: those of the first command of its docstring.
        minutes: that the docstring says it takes; None where it does not say.
    """

    name: str
    asks: str
    claim: str
    arguments: tuple[str, ...]
    minutes: float | None

    @property
    def needs_data(self) -> bool:
        """Whether it reads the folder of data sets."""
        return DATA_FOLDER in self.arguments

    @property
    def short(self) -> bool:
        """Whether it takes less than two minutes."""
        return self.minutes is not None and self.minutes < SHORT


def claims(folder: Path = HERE) -> dict[str, Claim]:
    """Every experiment by its name: a file of this folder with a command line and a claim."""
    found = {}
    for file in sorted(folder.glob("[!_]*.py")):
        text = file.read_text(encoding="utf-8")
        said = ast.get_docstring(ast.parse(text)) or ""
        parts = _parts_of(said)
        if "\ndef main(" in text and "Claim" in parts:
            found[file.stem] = _claim(file.stem, said, parts)
    return found


def records_of(name: str, folder: Path = RESULTS) -> dict[str, Record]:
    """The records that an experiment or a benchmark wrote, by the names of their files."""
    records = {}
    for file in sorted(folder.glob("*.json")):
        record: Record = json.loads(file.read_text(encoding="utf-8"))
        if module_of(record).rpartition(".")[2] == name:
            records[file.stem] = record
    return records


def _parts_of(said: str) -> dict[str, str]:
    """The paragraphs of a docstring that begin with a word and a colon, each in one line."""
    parts = {}
    for begin in _PARTS.finditer(said):
        rest = said[begin.end() :]
        end = _NEXT.search(rest)
        text = rest[: end.start()] if end else rest
        parts[begin[1]] = " ".join(text.split())
    return parts


def _claim(name: str, said: str, parts: dict[str, str]) -> Claim:
    first, _, rest = parts.get("Command", "").removeprefix("python -m ").partition(" ")
    command = rest.partition(" python -m ")[0]
    minutes = re.search(r"\d+(\.\d+)?", parts.get("Minutes", ""))
    return Claim(
        name=name,
        asks=" ".join(said.partition("\n\n")[0].split()),
        claim=parts["Claim"],
        arguments=tuple(shlex.split(command)) if first == f"experiments.{name}" else (),
        minutes=float(minutes[0]) if minutes else None,
    )
