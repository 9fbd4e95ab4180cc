"""What benchmarks and experiments share: command lines, records of where they ran, and tables."""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import jax
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from fedjax_shap._validate import InvalidInputError, integer, number
from fedjax_shap.atomic import replacing, writable
from fedjax_shap.engine.machine import num_cores
from fedjax_shap.report import figure_files

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("fedjax-shap", "jax", "jaxlib", "flax", "optax", "numpy", "scipy")
DATA = "the folder of data sets (default: the variable FEDJAX_SHAP_DATA)"
SECONDS = {"cpu": float("inf"), "elsewhere": 35.0}  # see `Limit`
WIDTH = 140  # columns of a table where no terminal says how many it has
T = TypeVar("T")
Record = dict[str, Any]  # what a benchmark or an experiment measures, as JSON has it
Draw = Callable[[Record], Figure | Mapping[str, Figure]]  # by what is added to a file's name


# ------------------------------------------------------------------ where it was run


def surroundings(command: str) -> Record:
    """On what a number was measured, as JSON: command, date, commit, device, machine, versions.

    Args:
        command: the command line, with no folder of this machine in it.
    """
    kind = jax.devices()[0].device_kind
    versions = {name: version(name) for name in PACKAGES}
    versions["python"] = platform.python_version()
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "device": f"{kind} ({jax.default_backend()}), {jax.device_count()} device(s)",
        "processor": processor(),
        "cores": num_cores(),
        "load_average_1min": _load_average(),
        "versions": versions,
    }


def commit(folder: Path = ROOT) -> str:
    """The commit of `folder`, followed by "+" where tracked files differ from it.

    Returns:
        "unknown" outside a repository.
    """
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if head is None or changed is None:
        return "unknown"
    if changed:
        return f"{head}+"
    return head


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return None
    return done.stdout.strip()


def processor() -> str:
    """The processor's name, as far as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if "model name" in line:
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _load_average() -> float | None:
    """How many processes ran or waited on the machine in the last minute; None where unknown."""
    if not hasattr(os, "getloadavg"):
        return None
    return round(os.getloadavg()[0], 2)


# ------------------------------------------------------------------ the command line


def command_line(module: str, arguments: Sequence[str], *folders: str | None) -> str:
    """The command to print beside a number, with DIR for each of this machine's `folders`."""
    named = [str(folder) for folder in folders if folder]
    written = list(arguments)
    for folder in sorted(named, key=len, reverse=True):
        written = [part.replace(folder, "DIR") for part in written]
    return " ".join(["python -m", module, *written])


def parser_of(module: str, about: str | None) -> argparse.ArgumentParser:
    """A command line with `--json`.

    Args:
        module: what `python -m` runs.
        about: its docstring, of which the first paragraph is shown.
    """
    first = " ".join((about or "").split("\n\n")[0].split())
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=first)
    parser.add_argument("--json", help="where the record goes")
    return parser


def add_counts(parser: argparse.ArgumentParser, counts: Mapping[str, tuple[int, str]]) -> None:
    """Adds options that take whole numbers: {name: (default, what it counts)}."""
    for name, (default, counted) in counts.items():
        option = f"--{name.replace('_', '-')}"
        shown = f"{counted} (default: %(default)s)"
        parser.add_argument(option, type=int, default=default, help=shown)


class Limit:
    """Seconds after which a benchmark begins nothing more; endless on a CPU where none are given.

    So its time is bounded on a device on which nobody has run it yet.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        """Begins to count; `options` has what `add_seconds` added."""
        self._seconds = on_device(SECONDS)
        if options.seconds is not None:
            number("seconds", options.seconds, above=0)
            self._seconds = options.seconds
        self._began = time.monotonic()

    def is_over(self) -> bool:
        """Whether so many seconds have passed."""
        return time.monotonic() - self._began >= self._seconds


def add_seconds(add: Callable[..., Any]) -> None:
    """Adds the option of `Limit` to a command line by its `add_argument`."""
    after = f"after which nothing more is begun (default: none; {SECONDS['elsewhere']:g} on a GPU)"
    add("--seconds", type=float, help=after)


def on_device(settings: Mapping[str, T]) -> T:
    """What holds on the backend at hand: that of "cpu", or that of "elsewhere"."""
    if jax.default_backend() == "cpu":
        return settings["cpu"]
    return settings["elsewhere"]


def at_least(settings: Mapping[str, Any], **least: int) -> None:
    """Refuses settings that are not whole numbers of at least so much each."""
    for name, lowest in least.items():
        integer(name, settings[name], least=lowest)


def present(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    measure: Callable[[argparse.Namespace], Record],
    show: Callable[[Record, Console], None],
    draw: Draw | None = None,
) -> int:
    """Measures, prints the record, and writes it to `options.json` where that is given.

    Args:
        parser: of the command line, made by `parser_of`; has `data` where it reads one, and
            `figure` for `draw`.
        arguments: the command line; that of this process if None.
        measure: options -> the record without its surroundings.
        show: prints the record.
        draw: record -> the figure, or the figures by what is added to the name of their file, that
            go to `options.figure` where that is given.

    Returns:
        The exit code: 0 for success, 2 and a sentence on the error stream for input that cannot be
        used.
    """
    given = sys.argv[1:]
    if arguments is not None:
        given = list(arguments)
    options = parser.parse_args(given)
    console = _console()
    figure = getattr(options, "figure", None)
    try:
        command = command_line(parser.prog.removeprefix("python -m "), given, *_folders(options))
        record = surroundings(command) | measure(options)
        show(record, console)
        if draw is not None and figure is not None:
            for written in save(draw(record), Path(figure)):
                console.print(f"Wrote {written}", highlight=False)
        if options.json is not None:
            console.print(f"Wrote {write_json(record, options.json)}", highlight=False)
    except InvalidInputError as error:
        refusal = Console(stderr=True)
        refusal.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    return 0


def _console() -> Console:
    """The terminal; a wide page where there is none."""
    if sys.stdout.isatty():
        return Console()
    return Console(width=WIDTH)


def _folders(options: argparse.Namespace) -> list[str]:
    """The folders of this machine that a command line names."""
    files = [getattr(options, name, None) for name in ("json", "figure")]
    parents = [Path(file).parent for file in files if file is not None]
    folders = [str(folder) for folder in parents if folder != Path()]
    data = getattr(options, "data", None)
    if data is not None:
        folders.append(data)
    return folders


# ------------------------------------------------------------------ what is shown and written


def table(title: str, columns: Sequence[str], left: Sequence[str] | None = None) -> Table:
    """An empty table.

    Args:
        title: what stands above it.
        columns: their headings.
        left: those that are aligned to the left; the first if None.
    """
    if left is None:
        left = columns[:1]
    empty = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        if column in left:
            empty.add_column(column)
        else:
            empty.add_column(column, justify="right", no_wrap=True)
    return empty


def write_json(record: Mapping[str, Any], path: str | Path) -> Path:
    """Writes a record so that the file is whole or absent.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    target = Path(path)
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    with writable("json", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file:
            file.write(text.encode())
    return target


def save(
    drawn: Figure | Mapping[str, Figure], path: Path, formats: Sequence[str] = ()
) -> list[Path]:
    """Writes the figure or figures of a record.

    Args:
        drawn: a figure, or several by what is added to the name of the file.
        path: where to.
        formats: the endings of the files; none for all, and the caption beside them.

    Returns:
        The files written.

    Raises:
        InvalidInputError: a file cannot be written.
    """
    figures = {"": drawn} if isinstance(drawn, Figure) else drawn
    written = []
    with writable("figure", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for added, figure in figures.items():
            one = path.with_stem(path.stem + added)
            if not formats:
                written += figure_files.save_all(figure, one)
            for ending in formats:
                written.append(one.with_suffix(ending))
                figure_files.save(figure, written[-1])
    return written
