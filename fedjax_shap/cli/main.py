"""The command line: `fedjax-shap quickstart | run | sweep | list | settle | audit | ...`."""

import argparse
import gc
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap._version import version
from fedjax_shap.cli.output import complain


class Command(NamedTuple):
    """A command.

    Attributes:
        module: of this room, with its `add_arguments`; imported when the command is meant.
        help: what the command does, in one line.
    """

    module: str
    help: str


COMMANDS = {
    "quickstart": Command("quickstart", "value and pay the members of an embedded federation"),
    "run": Command("run", "run a configuration"),
    "sweep": Command("sweep", "run a configuration for every combination of settings"),
    "study": Command("study", "the results of many runs as one table: means, spreads, ranks"),
    "list": Command("list", "the names that a configuration may use, with their keywords"),
    "settle": Command("settle", "payments from values, costs and a revenue, without training"),
    "audit": Command("audit", "what can be said for and against the payments of a run"),
    "compare": Command("compare", "runs over the same members, side by side"),
    "report": Command("report", "a run, or several side by side, as one page for a browser"),
    "ledger": Command("ledger", "the permanent record of runs, contributions, costs and payments"),
    "store": Command(
        "store", "list, check, merge or export what runs keep in their utilities/ folder"
    ),
}
# objects between two searches for cycles: imports and the tracing of programs make very many, and
# hardly any cycle among them
OBJECTS = 50_000
LONGEST_START = 60.0  # seconds from the start of Python to the first line of a command


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: the words after `fedjax-shap`; those of this process if None.

    Returns:
        The exit code: 0 for success, 1 for a damaged store or ledger, 2 for bad input, 3 for a run
        whose members could not be paid or that lost a process and for a sweep in which cells
        failed, 130 for an interrupt.
    """
    warnings.formatwarning = _warning
    began = time.monotonic()
    if arguments is None:
        began -= _starting()
        arguments = sys.argv[1:]
    try:
        known, rest = _parser(arguments).parse_known_args(arguments)
        require(
            not rest or known.command == "run",
            f"Expected no further arguments, got {' '.join(rest)!r}.",
        )
        known.waited = lambda: time.monotonic() - began
        with _few_searches():
            return int(known.call(known, rest) or 0)
    except InvalidInputError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(
            "\ninterrupted; the utilities computed so far are kept, and the same command goes on "
            "from there\n"
        )
        return 130


def _starting(stat: str = "/proc/self/stat") -> float:
    """Seconds that this process has been starting; 0 where the system does not say.

    Args:
        stat: a file of Linux whose 22nd field is the process's beginning, in ticks since the
            machine's.
    """
    try:
        # the second field is a name in brackets, in which anything may stand
        fields = Path(stat).read_text().rpartition(")")[2].split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    # an older process did other things before
    return seconds if 0 < seconds < LONGEST_START else 0.0


@contextmanager
def _few_searches() -> Iterator[None]:
    """Has Python search for cycles of objects less often."""
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, and whose options are written out."""

    def __init__(self, *given: Any, **named: Any) -> None:
        named.setdefault("allow_abbrev", False)
        super().__init__(*given, **named)

    def error(self, message: str) -> NoReturn:
        complain(f"{message}; see {self.prog} --help")
        raise SystemExit(2)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command that `words` name; of the others it knows that they exist."""
    parser = _Parser(
        prog="fedjax-shap",
        description="What each member of a federation is worth, and what it is paid.",
    )
    asked = "--version" in words and version()  # which takes git a moment in a checkout
    parser.add_argument("--version", action="version", version=str(asked))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    meant = next((word for word in words if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.help)
        if name == meant:
            import_module(f"fedjax_shap.cli.{command.module}").add_arguments(one)
    return parser


def _warning(message: Warning | str, *_: Any, **__: Any) -> str:
    """A warning as a sentence, without its place in the source."""
    return f"warning: {message}\n"
