"""Where do the seconds of a short run go before and beside its training?

The quickstart, or a configuration of one's own, is run in fresh processes: first with an empty
cache of programs; a second time with the programs of the first, into another folder, so that all
is trained again; a third time into the same folder, where all utilities are known. In each process
JAX's own events say which programs were traced, lowered and compiled, and for how long. Time on
the clock counts once what several threads do at the same time; a function that is traced within
another counts with that one.

With `--seeds` the configuration is also run once for each seed in one process: what the runs after
the first compile, they compile because shapes differ. Last, commands that train nothing are timed
in fresh processes, with the number of modules that they import.

    python -m benchmarks.compilation --json compilation_cpu.json
    python -m benchmarks.compilation --config small.toml --seeds 4 --starts 0
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.harness import Record, add_counts, at_least, parser_of, present, table
from benchmarks.programs_watch import REPORT
from fedjax_shap._validate import require
from fedjax_shap.engine.cache import VARIABLE

OTHER_CACHES = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE")
COUNTS = {
    "seeds": (2, "runs in one process, one for each seed; 0 for none"),
    "starts": (3, "times each command that trains nothing is started; 0 for none"),
}
SMALL = '{"values": [2, 1], "costs": [0, 0], "revenue": 9}'
MISTAKE = '[model]\nname = "mpl"\n'
SHOWN = 12  # programs in the table


def runs_of(options: argparse.Namespace, folder: Path) -> dict[str, Record]:
    """The three runs: "first", "again" and "stored"."""
    words = ["quickstart"]
    if options.config is not None:
        words = ["run", str(Path(options.config).resolve())]
    places = {"first": "one", "again": "two", "stored": "two"}
    return {
        name: watched([*words, "--out", str(folder / place)], folder)
        for name, place in places.items()
    }


def watched(words: Sequence[str], folder: Path) -> Record:
    """One command in a fresh process: its seconds by the clock, and the programs of the process.

    Args:
        words: the command.
        folder: where the cache of programs lies.
    """
    report = folder / "report.json"
    began = time.perf_counter()
    _started(["-m", "benchmarks.programs_watch", *words], folder, {REPORT: str(report)})
    seconds = time.perf_counter() - began
    found: Record = json.loads(report.read_text())
    return {"seconds": round(seconds, 2), **found}


def _started(words: Sequence[str], folder: Path, more: Mapping[str, str]) -> None:
    """Runs this Python on `words` with a cache folder of its own; refuses where it fails."""
    surroundings = {**with_cache(folder / "cache"), **more}
    done = subprocess.run(
        [sys.executable, *words], env=surroundings, capture_output=True, text=True, check=False
    )
    said = done.stderr.strip().splitlines()[-1:]
    require(done.returncode in (0, 2, 3), f"Expected {' '.join(words)} to end well, got {said}.")


def with_cache(folder: Path) -> dict[str, str]:
    """The variables of a process whose compiled programs are kept in a folder, and nowhere else."""
    kept = {name: text for name, text in os.environ.items() if name not in OTHER_CACHES}
    return kept | {VARIABLE: str(folder)}


def starts_of(times: int, folder: Path) -> dict[str, Record]:
    """Seconds of commands that train nothing, the least of `times`, and what they import."""
    inputs = folder / "inputs.json"
    inputs.write_text(SMALL, encoding="utf-8")
    mistake = folder / "mistake.toml"
    mistake.write_text(MISTAKE, encoding="utf-8")
    commands = {
        "--version": ["--version"],
        "--help": ["--help"],
        "a refused configuration": ["run", str(mistake)],
        "settle": ["settle", str(inputs)],
        "ledger": ["ledger", "show", str(folder / "absent")],
        "store ls": ["store", "ls", str(folder / "one")],
    }
    found = {}
    for name, words in commands.items():
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            _started(["-m", "fedjax_shap", *words], folder, {})
            seconds.append(time.perf_counter() - began)
        report = folder / "report.json"
        _started(["-m", "benchmarks.programs_watch", *words], folder, {REPORT: str(report)})
        imported = json.loads(report.read_text())["imported"]
        found[name] = {"seconds": round(min(seconds), 3), **imported}
    return found


def sweep_of(options: argparse.Namespace, folder: Path) -> list[Record]:
    """What the run of each seed took, one after another in one process."""
    report = folder / "sweep.json"
    words = ["-m", "benchmarks.programs_watch", "sweep", str(options.seeds)]
    if options.config is not None:
        words.append(str(Path(options.config).resolve()))
    _started(words, folder / "sweep", {REPORT: str(report)})
    found: list[Record] = json.loads(report.read_text())
    return found


def measure(options: argparse.Namespace) -> Record:
    """All that is measured."""
    at_least(vars(options), seeds=0, starts=0)
    record: Record = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record["runs"] = runs_of(options, folder)
        if options.seeds:
            record["sweep"] = sweep_of(options, folder)
        if options.starts:
            record["starts"] = starts_of(options.starts, folder)
    return record


def show(record: Record, console: Console) -> None:
    """Prints the record."""
    columns = ["run", "s in all", "programs", "of these cached", "s compiling", "tracing", "XLA"]
    each = table("Runs in fresh processes", columns)
    for name, run in record["runs"].items():
        each.add_row(name, f"{run['seconds']:.1f}", *_totals(run))
    console.print(each)
    programs = table("The first run's programs", ["program", "n", "tracing", "lowering", "XLA"])
    for name, one in list(record["runs"]["first"]["programs"].items())[:SHOWN]:
        spent = [f"{one[part]:.2f}" for part in ("tracing", "lowering", "xla")]
        programs.add_row(name, str(one["count"]), *spent)
    console.print(programs)
    if "sweep" in record:
        each = table("One process, a run a seed", ["seed", *columns[1:]])
        for one in record["sweep"]:
            each.add_row(str(one["seed"]), f"{one['seconds']:.1f}", *_totals(one))
        console.print(each)
    if "starts" in record:
        each = table("Commands that train nothing", ["command", "s", "modules", "with JAX"])
        for name, one in record["starts"].items():
            each.add_row(name, f"{one['seconds']:.2f}", str(one["modules"]), str(one["jax"]))
        console.print(each)


def _totals(run: Record) -> list[str]:
    """What the tables of runs say of one."""
    total = run["total"]
    counts = [str(total["programs"]), str(total["cached"])]
    return counts + [f"{total[part]:.2f}" for part in ("compiling", "tracing", "xla")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, measure, show)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.compilation", __doc__)
    parser.add_argument("--config", help="a TOML file (default: the quickstart)")
    add_counts(parser, COUNTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
