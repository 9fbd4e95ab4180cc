"""How long does a study take, by each engine of sweeps, and what does a kill cost?

`fedjax-shap sweep` runs a study in fresh processes: in one process, in two, and as tasks of a local
Ray cluster, each with an empty cache of programs and a folder of its own. Their values are the same
to 1e-4 of V(N) - V(empty), or the benchmark stops: engines plan their chunks by what they have, and
float additions change their order. Beside them stand the first cells by a shell's loop, a process
each, which share the cache of programs; the others are extrapolated by their number.

Then the study is begun again in one process and killed when half of its cells are done. The same
command goes on: what was done stays as it was, and the cell that was interrupted reads from its
store what it had trained.

    python -m benchmarks.study --json study_cpu.json
    python -m benchmarks.study --config my_study.toml --engines here jobs
"""

import argparse
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.compilation import with_cache
from benchmarks.harness import ROOT, Record, add_counts, at_least, parser_of, present, table
from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.pipeline.records import RESULT
from fedjax_shap.studies.axes import axes_of
from fedjax_shap.studies.cells import cells_of

STUDY = ROOT / "examples" / "study.toml"
ENGINES = {
    "here": [],
    "jobs": ["--jobs", "2"],
    "ray": ["--engine", "ray", "--option", "num_cpus=1"],
}
QUICK = ["--set", "seed=0,1", "--set", "partition.alpha=1", "--set", "partition.num_clients=3"]
QUICK += ["--set", "algorithm={name='fedavg', max_rounds=1}"]
COUNTS = {"loop": (3, "cells by a shell's loop; 0 for none")}
SAME = 1e-4  # largest difference of a value between engines, of V(N) - V(empty)
SWEEP = re.compile(r"^\[\[?sweep\b.*?(?=^\[(?!\[?sweep\b)|\Z)", re.M | re.S)  # its tables
LOOK = 0.1  # seconds between two looks at what is done


def by_engine(name: str, options: argparse.Namespace, folder: Path) -> tuple[Record, Record]:
    """One engine's record, and the rows of its table by cell and member."""
    out = folder / name
    began = time.perf_counter()
    process = _begun(_sweep(options, out, ENGINES[name]), folder / f"cache-{name}")
    _ended(process)
    seconds = time.perf_counter() - began
    rows = _rows(out)
    cells = {row["cell"]: float(row["seconds"]) for row in rows.values()}
    return {"seconds": round(seconds, 1), "cells": len(cells)}, rows


def by_loop(options: argparse.Namespace, folder: Path) -> Record:
    """The first cells, a process each; the seconds of all by their number."""
    text = Path(options.config).read_text()
    raw = tomllib.loads(text)
    cells = cells_of(raw, axes_of(raw["sweep"]))
    base = folder / "base.toml"
    base.write_text(SWEEP.sub("", text))
    seconds = []
    for cell in cells[: options.loop]:
        began = time.perf_counter()
        words = ["run", str(base), "--out", str(folder / "loop" / cell.name)]
        _ended(_begun(words + _assigned(cell.settings), folder / "cache-loop"))
        seconds.append(time.perf_counter() - began)
    later = seconds[1:] or seconds  # the first compiles for the others
    whole = sum(seconds) + (len(cells) - len(seconds)) * sum(later) / len(later)
    each = [round(one, 1) for one in seconds]
    return {"cells": each, "share": len(each) / len(cells), "seconds": round(whole, 1)}


def killed(options: argparse.Namespace, folder: Path) -> Record:
    """What a kill in the middle costs."""
    out, cache = folder / "killed", folder / "cache-here"  # programs of the first engine
    process = _begun(_sweep(options, out, []), cache)
    total = options.total
    while len(_done(out)) < total // 2:
        require(process.poll() is None, "Expected the study to run until it is killed.")
        time.sleep(LOOK)
    time.sleep(LOOK)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()  # which closes its pipe
    done = _done(out)
    _ended(_begun(_sweep(options, out, []), cache))
    again = [name for name, changed in done.items() if _done(out)[name] != changed]
    rows = {row["cell"]: row for row in _rows(out).values()}
    from_store = {
        name: int(row["coalitions"]) - int(row["trained"])
        for name, row in rows.items()
        if name not in done
    }
    return {
        "done_at_the_kill": len(done),
        "done_and_run_again": len(again),
        "cells_in_all": len(rows),
        "coalitions_it_had_stored": max(from_store.values(), default=0),
    }


def _sweep(options: argparse.Namespace, out: Path, engine: Sequence[str]) -> list[str]:
    """The words of one sweep."""
    return ["sweep", str(options.config), *options.axes, "--out", str(out), *engine]


def _begun(words: Sequence[str], cache: Path) -> "subprocess.Popen[bytes]":
    """The command in a process of its own, whose programs are kept in `cache`."""
    return subprocess.Popen(
        [sys.executable, "-m", "fedjax_shap", *words],
        env=with_cache(cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _ended(process: "subprocess.Popen[bytes]") -> None:
    """Waits for a command; refuses where it fails."""
    _, said = process.communicate()
    last = said.decode(errors="replace").strip().splitlines()[-1:]
    require(process.returncode == 0, f"Expected {process.args} to end well, got {last}.")


def _done(out: Path) -> dict[str, int]:
    """{cell: when its result was written}, in nanoseconds."""
    return {file.parent.name: file.stat().st_mtime_ns for file in out.glob(f"*/{RESULT}")}


def _rows(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The study's table by cell and member."""
    with (out / "study.csv").open(newline="") as file:
        return {(row["cell"], row["member"]): row for row in csv.DictReader(file)}


def _assigned(settings: Mapping[str, Any], prefix: str = "--") -> list[str]:
    """What a cell sets, as words of a command line."""
    words = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            words += _assigned(value, f"{prefix}{name}.")
        else:
            words += [f"{prefix}{name}", json.dumps(value)]
    return words


def furthest(rows: Record, others: Record) -> float:
    """The largest difference of a value between two engines, of V(N) - V(empty)."""
    require(rows.keys() == others.keys(), "Expected all engines to run the same cells.")
    return max(
        abs(float(row["value"]) - float(others[key]["value"]))
        / abs(float(row["grand"]) - float(row["empty"]))
        for key, row in rows.items()
    )


def measure(options: argparse.Namespace) -> Record:
    """All that is measured."""
    at_least(vars(options), loop=0)
    options.axes = QUICK if options.quick else []
    record: Record = {"engines": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = {}
        for engine in options.engines:
            record["engines"][engine], tables[engine] = by_engine(engine, options, folder)
        first, *others = tables.values()
        record["largest_difference"] = max((furthest(first, one) for one in others), default=0.0)
        if record["largest_difference"] > SAME:
            raise InvalidInputError(f"Expected engines to agree, got {record}.")
        options.total = record["engines"][options.engines[0]]["cells"]
        if options.loop:
            record["loop"] = by_loop(options, folder)
        if "here" in options.engines:
            record["killed"] = killed(options, folder)
    return record


def show(record: Record, console: Console) -> None:
    """Prints the record."""
    each = table("A study by each engine, with nothing compiled before", ["engine", "cells", "s"])
    for name, one in record["engines"].items():
        each.add_row(name, str(one["cells"]), f"{one['seconds']:.0f}")
    if "loop" in record:
        shown = len(record["loop"]["cells"])
        each.add_row(f"a shell's loop ({shown} run)", "", f"{record['loop']['seconds']:.0f}")
    console.print(each)
    for name, number in record.get("killed", {}).items():
        console.print(f"{name.replace('_', ' ')}: {number}", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, measure, show)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.study", __doc__)
    add = parser.add_argument
    add("--config", default=STUDY, help="a TOML file with a section [sweep] (default: examples/)")
    add("--engines", nargs="+", choices=ENGINES, default=list(ENGINES), help="which (default: all)")
    add("--quick", action="store_true", help="two cells of three members")
    add_counts(parser, COUNTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
