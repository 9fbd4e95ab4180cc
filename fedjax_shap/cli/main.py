"""The command line: `fedjax-shap quickstart | run | list | settle | audit | ledger | store`."""

import argparse
import inspect
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import jax
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.cli import ledger, settle, store
from fedjax_shap.engine import processes
from fedjax_shap.pipeline import config as configuration
from fedjax_shap.pipeline.quickstart import quickstart, toml
from fedjax_shap.pipeline.result import Result
from fedjax_shap.pipeline.run import Watch, run
from fedjax_shap.pipeline.schema import SECTIONS, type_name
from fedjax_shap.report import run as run_report

OUT = Console()
ERR = Console(stderr=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0: success, 1: a spoilt store or ledger, 2: bad input, 3: a lost process,
    130: an interrupt.
    """
    warnings.formatwarning = lambda message, *_: (
        f"warning: {message}\n"
    )  # a sentence, not a place in the source
    parser = _parser()
    known, rest = parser.parse_known_args(arguments)
    try:
        require(
            not rest or known.command == "run",
            f"Expected no further arguments, got {' '.join(rest)!r}.",
        )
        return int(known.call(known, rest) or 0)
    except InvalidInputError as error:
        _complain(str(error))
        return 2
    except processes.PeerLostError as error:
        _complain(str(error))
        return 3
    except KeyboardInterrupt:
        ERR.print(
            "\ninterrupted; what was valued is kept, the same command goes on from there",
            markup=False,
        )
        return 130


def _complain(sentence: str) -> None:
    ERR.print(f"error: {sentence}", style="red", markup=False, highlight=False, soft_wrap=True)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, and whose options are written out."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{"allow_abbrev": False, **named})

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}; see {self.prog} --help")
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fedjax-shap",
        description="What each member of a federation is worth, and what it is paid.",
    )
    parser.add_argument("--version", action="version", version=version("fedjax-shap"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    first = commands.add_parser(
        "quickstart", help="value and pay the members of an embedded federation"
    )
    first.add_argument(
        "--out", default="runs/quickstart", help="where results go (default: %(default)s)"
    )
    first.set_defaults(call=_quickstart)
    own = commands.add_parser(
        "run",
        help="run a configuration",
        description="Every field of the configuration can be set on the command line by its dotted name, such as "
        "--partition.alpha 0.3, --seed 1 or --corrupt.0.rate 0.5; `fedjax-shap list` shows what "
        "there is.",
    )
    own.add_argument("config", help="a TOML file")
    own.add_argument(
        "--data", help="the folder of data sets (default: the variable FEDJAX_SHAP_DATA)"
    )
    own.add_argument("--out", help="where results go (default: runs/NAME_OF_THE_FILE)")
    own.add_argument(
        "--plan",
        metavar="CHUNK[,LAYOUT]",
        help="so many coalitions at once, client- or coalition-major",
    )
    own.add_argument(
        "--on-nonfinite",
        choices=("error", "floor"),
        help="a coalition whose training diverged: an error once all others are valued, or worth V(nobody)",
    )
    own.add_argument(
        "--profile", metavar="DIR", help="write a JAX trace of the run, for TensorBoard or Perfetto"
    )
    _several(
        own.add_argument_group("several processes, on one host or many, each with the same command")
    )
    own.set_defaults(call=_run)
    what = commands.add_parser(
        "list", help="the names that a configuration may use, with their keywords"
    )
    what.add_argument("room", nargs="?", help="one section only")
    what.set_defaults(call=_list)
    settle.add_to(commands)
    ledger.add_to(commands)
    store.add_to(commands)
    return parser


def _several(options: argparse._ArgumentGroup) -> None:
    options.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="where process 0 listens, reachable by all and open to whoever is: use it inside a cluster; or `slurm`, "
        "under srun, which needs no other option and gives each process on a host its own GPU "
        "(else set "
        "CUDA_VISIBLE_DEVICES)",
    )
    options.add_argument("--num-processes", type=int, metavar="N", help="how many there are")
    options.add_argument(
        "--process-id",
        type=int,
        metavar="I",
        help="which one this is, 0..N-1; 0 writes the results",
    )


def _quickstart(known: argparse.Namespace, rest: list[str]) -> None:
    with run_report.output(known.out) as folder:
        with _bars() as bars:
            result, beside = quickstart(watch=_watch(bars))
        (folder / "quickstart.toml").write_text(toml(), encoding="utf-8")
        _show(result, folder, beside)
    OUT.print(
        f"Its configuration is {folder / 'quickstart.toml'}; copy it, change it, and `fedjax-shap "
        "run` the copy."
    )


def _run(known: argparse.Namespace, rest: list[str]) -> None:
    with processes.together(known.coordinator, known.num_processes, known.process_id):
        _run_together(known, rest)


def _run_together(known: argparse.Namespace, rest: list[str]) -> None:
    raw = configuration.override(configuration.read_toml(known.config), _assignments(rest))
    if known.data is not None:
        _data_folder(raw, known.data)
    _shorthands(raw, known)
    config = configuration.parse(raw)
    with (
        _tracing(known.profile),
        run_report.output(known.out or Path("runs") / Path(known.config).stem) as folder,
    ):
        with _bars() as bars:
            result = run(config, store=folder / "utilities", watch=_watch(bars))
        if processes.rank() == 0:
            _show(result, folder)


def _list(known: argparse.Namespace, rest: list[str]) -> None:
    if known.room is not None:
        one_of("room", known.room, SECTIONS)
    for name, room in SECTIONS.items():
        if known.room in (None, name):
            shown = Table(
                title=escape(f"[{name}]"),
                title_justify="left",
                box=None,
                pad_edge=False,
                title_style="bold",
            )
            for column in ("name", "keywords", "what it is"):
                shown.add_column(column, overflow="fold", no_wrap=column == "name")
            for entry, factory in sorted(room.entries.items()):
                marked = f"{entry} (default)" if entry == room.default else entry
                shown.add_row(marked, _keywords(room.own(entry)), escape(_first_line(factory)))
            if room.shared:
                shown.add_row(
                    "all of them", _keywords(room.shared), escape(_first_line(room.common))
                )
            OUT.print(shown, "")


def _show(result: Result, folder: Path, beside: run_report.Beside | None = None) -> None:
    """Writes what the run leaves behind and says it on the terminal."""
    run_report.write(result, folder, beside)
    OUT.print(run_report.table(result, beside), *run_report.devices(result))
    for sentence in run_report.sentences(result, beside):
        OUT.print(sentence, markup=False, highlight=False)
    OUT.print(f"Wrote result.json, values, payments and curve to {folder}/")


def _assignments(rest: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (dotted name, text) from `--a.b text` and `--a.b=text`."""
    pairs, waiting = [], list(rest)
    while waiting:
        option, equals, text = waiting.pop(0).partition("=")
        require(
            bool(re.fullmatch(r"--[\w.]+", option)),
            f"Expected an option such as --partition.alpha, got {option!r}.",
        )
        require(bool(equals or waiting), f"Expected a value after {option}.")
        pairs.append((option[2:], text if equals else waiting.pop(0)))
    return pairs


def _data_folder(raw: dict[str, Any], folder: str) -> None:
    """Hands the folder of data sets to a source that reads from one."""
    section = raw.setdefault("data", {})
    source = SECTIONS["data"].entries.get(
        section.get("name", "") if isinstance(section, dict) else ""
    )
    if source is not None and "folder" in inspect.signature(source).parameters:
        section.setdefault("folder", folder)


def _tracing(folder: str | None) -> AbstractContextManager[None]:
    """A JAX trace of what the devices do; Python's own calls would make it a hundred times as
    long.
    """
    if folder is None:
        return nullcontext()
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    return jax.profiler.trace(folder, profiler_options=options)


def _shorthands(raw: dict[str, Any], known: argparse.Namespace) -> None:
    """Options that stand for fields: --plan 64,coalition and --on-nonfinite floor."""
    given: dict[str, dict[str, Any]] = {}
    if known.plan is not None:
        chunk, _, layout = known.plan.partition(",")
        require(
            chunk.isdecimal(),
            f"Expected --plan {known.plan} to be CHUNK or CHUNK,LAYOUT, such as 64,client.",
        )
        given["plan"] = {"chunk": int(chunk)} | ({"layout": layout} if layout else {})
    if known.on_nonfinite is not None:
        given["estimator"] = {"on_nonfinite": known.on_nonfinite}
    for room, fields in given.items():
        section = raw.setdefault(room, {})
        if isinstance(section, dict):  # what else it may be is refused in `parse`
            section.update(fields)


def _keywords(parameters: Mapping[str, inspect.Parameter]) -> str:
    """Keywords with their types and defaults, a line each."""
    described = []
    for name, parameter in parameters.items():
        kind = type_name(parameter.annotation)
        default = (
            "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        )
        described.append(f"{name}: {kind}{default}")
    return "\n".join(described)


def _first_line(factory: Any) -> str:
    """The first sentence of a factory's docstring."""
    text = inspect.getdoc(getattr(factory, "func", factory)) or ""
    return " ".join(text.split("\n\n")[0].split())


def _bars() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    columns = (*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(
        *columns, console=ERR, transient=True, disable=not ERR.is_terminal or processes.rank() > 0
    )


def _watch(bars: Progress) -> Watch:
    """One bar a stage, with coalitions done, their rate, and the time left."""

    def stage(name: str) -> Any:
        task = bars.add_task(name, total=None, rate="")

        def progress(done: int, total: int) -> None:
            elapsed = bars.tasks[task].elapsed or 0.0
            bars.update(
                task,
                completed=done,
                total=total,
                rate=f"{done / elapsed:.1f}/s" if done and elapsed else "",
            )

        return progress

    return stage
