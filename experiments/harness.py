"""What the experiments share: settings on the command line, progress, spreads over seeds, axes."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from rich.console import Console

from benchmarks.harness import DATA, Draw, Record, parser_of, present, write_json
from fedjax_shap._validate import InvalidInputError, one_of
from fedjax_shap.report import style
from fedjax_shap.typing import HostArray

Settings = dict[str, Any]  # of an experiment, by name; `--set NAME=VALUE` changes one
Done = Callable[[str], None]  # takes a few words on what is done
Measure = Callable[[Settings, str | None, Any], Any]  # (settings, folder of data, name) -> found


# ------------------------------------------------------------------ the command line


def parser(name: str, about: str | None, settings: Mapping[str, Any]) -> argparse.ArgumentParser:
    """The command line of an experiment.

    Args:
        name: of its file.
        about: its docstring.
        settings: what `--set` may change, with the values that hold otherwise.
    """
    made = parser_of(f"experiments.{name}", about)
    add = made.add_argument
    add("--data", help=DATA)
    names = f"one of {', '.join(settings)}"
    add("--set", action="append", default=[], metavar="NAME=VALUE", help=names)
    add("--figure", help="where the figure goes")
    return made


def overridden(settings: Mapping[str, Any], texts: Sequence[str]) -> Settings:
    """Settings, some of them changed.

    Args:
        settings: all of them.
        texts: NAME=VALUE each; a value is read as the type of the one that it replaces.

    Raises:
        InvalidInputError: no such setting, or a value of another type.
    """
    changed = dict(settings)
    for text in texts:
        name, _, value = text.partition("=")
        one_of("--set", name, settings)
        kind = type(settings[name])
        try:
            changed[name] = kind(value)
        except ValueError:
            raise InvalidInputError(
                f"Expected --set {text!r} to give {name} as {kind.__name__}."
            ) from None
    return changed


def run(
    made: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    measure: Callable[[argparse.Namespace], Record],
    show: Callable[[Record, Console], None],
    draw: Draw,
) -> int:
    """Runs an experiment; says so where the command line keeps neither record nor figure.

    Args and return value are those of `benchmarks.harness.present`.
    """
    code = present(made, arguments, measure, show, draw)
    options = made.parse_args(arguments)
    if code == 0 and options.json is None and options.figure is None:
        print("Nothing was kept: --json FILE keeps the record, --figure FILE the figure.")
    return code


def progress() -> Done:
    """A function that writes to the error stream what is done, after how many seconds."""
    began = time.perf_counter()

    def done(words: str) -> None:
        seconds = time.perf_counter() - began
        print(f"{seconds:7.1f} s  {words}", file=sys.stderr, flush=True)

    return done


def measured(
    settings: Settings,
    folder: str | None,
    names: Sequence[Any],
    measure: Measure,
    called: str = "{}",
) -> dict[Any, Any]:
    """What `measure` finds of each name, with a line of progress each.

    Args:
        settings: of the experiment.
        folder: of data sets.
        names: what is measured, such as federations, one after another.
        measure: measures one.
        called: what progress calls one, whose name goes into the braces.
    """
    done = progress()
    found = {}
    for name in names:
        found[name] = measure(settings, folder, name)
        done(called.format(name))
    return found


# ------------------------------------------------------------------ parts that are kept


def add_store(made: argparse.ArgumentParser) -> None:
    """Adds `--store` to a command line: the folder of `kept`."""
    made.add_argument("--store", metavar="DIR", help="a folder that keeps what is done")


def kept(
    store: str | None, asked: Mapping[str, Any], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """A part of a record: from the store, or made and put there, so that a long run resumes.

    Args:
        store: a folder; None to keep nothing.
        asked: all that decides the part. A file of the store counts only where it has the same.
        make: measures the part, as JSON holds it.
    """
    if store is None:
        return make()
    words = "-".join(str(value) for value in asked.values())
    file = Path(store) / f"{words.replace(' ', '_').replace('/', '_')}.json"
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if found["asked"] == dict(asked):
            part: dict[str, Any] = found["part"]
            return part
    part = make()
    write_json({"asked": dict(asked), "part": part}, file)
    return part


# ------------------------------------------------------------------ numbers over seeds


def deviation(each: Any) -> HostArray:
    """The standard deviation over the first axis, one a seed; 0 of a single seed."""
    values = np.asarray(each, float)
    spread: HostArray = values.std(axis=0, ddof=min(1, len(values) - 1))
    return spread


def mean_and_deviation(each: Any, form: str) -> str:
    """Mean and standard deviation of one number a seed, both written in `form`."""
    return f"{np.mean(each):{form}} ± {deviation(each):{form.lstrip('+')}}"


def ranked(values: Any) -> list[int]:
    """The players from the most valuable to the least."""
    return [int(player) for player in np.argsort(-np.asarray(values), kind="stable")]


# ------------------------------------------------------------------ panels of a figure


def dress(axes: Axes, title: str, *, grid: style.Grid = "both") -> None:
    """Gives a panel its title, faint lines, and an open frame.

    Args:
        axes: the panel.
        title: on its left.
        grid: at whose ticks lines are drawn.
    """
    style.title(axes, title)
    style.open_frame(axes, grid)
