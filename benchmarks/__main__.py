"""Runs all benchmarks, one after another, into one record and one table.

Each runs in a process of its own; one that fails is named, and the rest goes on. The record is
written after each of them: the same command again skips what is done on the same commit with the
same arguments, and goes on. A file of this folder that has a command line is a benchmark.

    python -m benchmarks --data DIR --json all.json
    python -m benchmarks --quick --json all.json
    python -m benchmarks --only coalition_engine flce --data DIR --json all.json
    python -m benchmarks --full --data DIR --json all.json --records benchmarks/results
    python -m benchmarks --table all.json
    python -m benchmarks --pages

Usually each ends within a minute on a GPU, or is ended after two (--limit), and within the minutes
of its docstring on two cores, 25 minutes in all; --full plays the whole games, which takes hours
there. --quick plays games of a few seconds and says nothing of speed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape

from benchmarks.harness import DATA, ROOT, WIDTH, Record, commit, table, write_json
from benchmarks.headlines import headlines
from benchmarks.pages import fill
from fedjax_shap._validate import InvalidInputError, number, one_of, require

HERE = Path(__file__).parent
SIZES = ("quick", "usual", "full")
LIMIT = 1800.0  # seconds after which a benchmark is ended
TINY = ("--n", "3", "--hidden", "4", "--rounds", "1", "--steps", "2", "--repeats", "1")
LENET5 = ("--data-name", "mnist", "--model", "cnn", "--n", "6", "--batch-size", "64")
BRIEF = ("--rounds", "1", "--steps", "10", "--coalitions", "32")
WITHOUT_RIVALS = ("--no-loop", "--no-vmap", "--no-torch")


class Run(NamedTuple):
    """How a benchmark is run.

    Attributes:
        module: in this folder.
        quick, usual, full: its arguments at each size; not run at that size if None.
    """

    module: str
    quick: tuple[str, ...] | None = ()
    usual: tuple[str, ...] | None = ()
    full: tuple[str, ...] | None = ()


NAMED = {
    "coalition_engine": Run("coalition_engine", (*TINY, "--chunk", "4")),
    "coalition_engine_lenet5": Run("coalition_engine", None, (*LENET5, *BRIEF), (*LENET5, *BRIEF)),
    "coalition_engine_suite": Run("coalition_engine", None, None, ("--suite",)),
    "rounds_game": Run("rounds_game", ("--participants", "3", "--train", "300", "--repeats", "1")),
    "flce_quantity": Run("flce", ("--seeds", "6694", "--rounds", "2", "--repeats", "0")),
    "flce_label": Run("flce", None, None, ("--partition", "label")),
    "mnist_exact": Run(
        "mnist_exact",
        ("--images", "1000", "--coalitions", "4", "--chunk", "4", "--no-settings"),
        (),
        ("--whole",),
    ),
    "convolutions": Run("convolutions", ("--models", "2", "--batch-size", "2", "--repeats", "1")),
    "products": Run("products", ("--steps", "5", "--repeats", "1")),
    "precision": Run("precision", TINY),
    "algorithms": Run("algorithms", ("--quick", "--algorithms", "fedavg", "fedsgd")),
    "scaling": Run("scaling", ("--clients", "3", "--devices", "--repeats", "1")),
    "estimators": Run("estimators", None, ("--quick",)),
    "interval_coverage": Run(
        "interval_coverage", ("--cases", "airport", "--runs", "20"), ("--runs", "200")
    ),
    "secure_sum": Run("secure_sum", ("--quick",)),
    "alignment": Run("alignment", ("--quick",)),
    "encrypted_training": Run("encrypted_training", ("--quick",)),
    "overheads": Run("overheads", ("--quick",)),
    "study": Run("study", ("--quick", "--loop", "0")),
}


def benchmarks() -> dict[str, Run]:
    """The named ones, and every other file of this folder that has a command line."""
    known = {run.module for run in NAMED.values()}
    others = [
        file.stem
        for file in sorted(HERE.glob("*.py"))
        if file.stem not in known and file.stem != "__main__" and _has_command_line(file)
    ]
    return NAMED | {name: Run(name) for name in others}


def _has_command_line(file: Path) -> bool:
    return "\ndef main(" in file.read_text()


# ------------------------------------------------------------------ one after another


def run_all(options: argparse.Namespace, size: str) -> Record:
    """Runs what is not done, and returns the record of all.

    Args:
        options: the command line.
        size: one of `SIZES`.
    """
    at = commit()
    rows = _done_before(options.json)
    known = benchmarks()
    for name in options.only or known:
        run = known[name]
        given = getattr(run, size)
        if given is None and not options.only:
            continue
        arguments = [*(given or ())]
        before = rows.get(name, {})
        same = (before.get("commit"), before.get("arguments")) == (at, arguments)
        if same and "record" in before and not at.endswith("+"):
            _say(f"{name}: done before")
            continue
        began = time.monotonic()
        row: Record = {"module": run.module, "arguments": arguments, "commit": at}
        row |= _one(run.module, arguments, options)
        rows[name] = row | {"seconds": round(time.monotonic() - began, 1)}
        _say(f"{name}: {rows[name].get('failed', 'done')}, {rows[name]['seconds']:.0f} s")
        _keep(rows, name, size, options)
    return _whole(rows, size)


def _one(module: str, arguments: Sequence[str], options: argparse.Namespace) -> Record:
    """{"record": what one process wrote}, or {"failed": its last words}."""
    environment = dict(os.environ)
    if options.data is not None:
        environment["FEDJAX_SHAP_DATA"] = str(Path(options.data).resolve())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments, f"--json={out}"]
        errors = Path(folder) / "errors"
        with errors.open("wb") as heard:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=heard,
                start_new_session=True,
            )
            try:
                code = process.wait(options.limit)
            except BaseException as error:
                # its own processes too
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    return {"failed": f"ended after {options.limit:g} s"}
                raise
        words = errors.read_text(errors="replace").strip().splitlines()
        if code or not out.exists():
            return {"failed": (words or [f"exit code {code}"])[-1].strip()}
        return {"record": json.loads(out.read_text())}


def _done_before(path: str | None) -> dict[str, Record]:
    """The rows of an earlier run's record; none where there is no such file."""
    if path is None or not Path(path).exists():
        return {}
    return _read(path)["benchmarks"]


def _read(path: str) -> Record:
    """A record that this command wrote.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        record = json.loads(Path(path).read_text())
        record["benchmarks"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInputError(
            f"Expected {path} to be a record of python -m benchmarks."
        ) from None
    return record


def _keep(rows: dict[str, Record], name: str, size: str, options: argparse.Namespace) -> None:
    """Writes what is known so far, and the one record to a file of its own."""
    if options.json is not None:
        write_json(_whole(rows, size), options.json)
    record = rows[name].get("record")
    if options.records is not None and record is not None:
        kind = record["device"].split("(")[1].split(")")[0]
        write_json(record, Path(options.records) / f"{name}_{kind}.json")


def _whole(rows: dict[str, Record], size: str) -> Record:
    """The record of all, with the surroundings of the last."""
    shared: Record = {"command": f"python -m benchmarks ({size})"}
    for row in rows.values():
        for part in ("date", "commit", "device", "processor", "cores", "versions"):
            if "record" in row:
                shared[part] = row["record"].get(part)
    return shared | {"size": size, "benchmarks": rows}


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


# ------------------------------------------------------------------ what is shown


def show(record: Record, console: Console) -> None:
    """One table of all headline numbers."""
    columns = ("benchmark", "what", "number", "beside")
    title = f"{record.get('device')}, {record.get('processor')}, commit {record.get('commit')}"
    shown = table(title, (), left=())
    for column in columns:
        shown.add_column(column, overflow="fold")
    for name, row in record["benchmarks"].items():
        lines = [("failed", row.get("failed", ""), "")]
        if "record" in row:
            lines = [tuple(line) for line in headlines(row["record"])] or [("no headline", "", "")]
        for place, line in enumerate(lines):
            first = ""
            if not place:
                first = f"{name}, {row['seconds']:.0f} s"
            shown.add_row(first, *(escape(cell) for cell in line))
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs them; 0 if all succeeded, 1 if one failed, 2 for input that cannot be used."""
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        if options.pages:
            changed = fill()
            console.print(f"Changed: {', '.join(changed) or 'nothing'}", highlight=False)
            return 0
        record = _asked(options)
    except InvalidInputError as error:
        refusal = Console(stderr=True)
        refusal.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    show(record, console)
    failed = [name for name, row in record["benchmarks"].items() if "failed" in row]
    if failed:
        console.print(f"Failed: {', '.join(failed)}", highlight=False)
    return int(bool(failed))


def _asked(options: argparse.Namespace) -> Record:
    """A record that was written before, or that of a run."""
    if options.table is not None:
        return _read(options.table)
    known = benchmarks()
    for name in options.only or ():
        one_of("--only", name, known)
    number("limit", options.limit, above=0)
    require(not (options.quick and options.full), "Expected one of --quick and --full, got both.")
    size = "usual"
    if options.quick:
        size = "quick"
    elif options.full:
        size = "full"
    return run_all(options, size)


def _parser() -> argparse.ArgumentParser:
    first = " ".join((__doc__ or "").split("\n\n")[0].split())
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=first)
    add = parser.add_argument
    add("--data", help=DATA)
    add("--only", nargs="+", metavar="NAME", help=f"some of {', '.join(benchmarks())}")
    add("--quick", action="store_true", help="games of seconds, which say nothing of speed")
    add("--full", action="store_true", help="the whole games and more of them")
    limit = "seconds after which a benchmark is ended (default: %(default)g)"
    add("--limit", type=float, default=LIMIT, help=limit)
    add("--json", help="where the record of all goes; what it has is not run again")
    add("--records", metavar="DIR", help="where each record goes as well")
    add("--table", metavar="JSON", help="shows such a record and runs nothing")
    add("--pages", action="store_true", help="writes the tables of docs/ from benchmarks/results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
