"""What every benchmark shares: on what it ran, how a call is timed, and how its JSON is kept."""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import jax
from jax.experimental.compilation_cache import compilation_cache
from matplotlib.figure import Figure
from rich.console import Console

from fedjax_shap._validate import InvalidInputError, integer
from fedjax_shap.engine import cache
from fedjax_shap.pipeline.run import Stopwatch

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("fedjax-shap", "jax", "jaxlib", "flax", "optax", "numpy", "scipy")
T = TypeVar("T")
Seconds = dict[str, Any]  # what `timed` says of a call: first, compile, programs, warm, runs


def surroundings(command: str) -> dict[str, Any]:
    """On what a number was measured, as JSON: command, date, commit, device, machine, versions.

    Args:
        command: the command line, with no folder of this machine in it.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()}), {jax.device_count()} device(s)",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load_average_1min": None if load is None else round(load, 2),
        "versions": {name: version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
    }


def commit(folder: Path = ROOT) -> str:
    """The commit of `folder`, "+" behind it where tracked files differ from it; "unknown" outside a
    repository.
    """
    done = [
        subprocess.run(["git", *what], cwd=folder, capture_output=True, text=True, check=False)
        for what in (
            ("rev-parse", "--short=12", "HEAD"),
            ("status", "--porcelain", "--untracked-files=no"),
        )
    ]
    if any(one.returncode for one in done):
        return "unknown"
    return done[0].stdout.strip() + ("+" if done[1].stdout.strip() else "")


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        told = [
            line.partition(":")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ]
    except OSError:
        told = []
    return told[0].strip() if told else platform.processor() or platform.machine()


def command_line(module: str, arguments: Sequence[str], *folders: str | None) -> str:
    """The command to print beside a number, with DIR for each of this machine's `folders`, however
    it is given.
    """
    named = [str(folder) for folder in folders if folder]
    written = list(arguments)
    for folder in sorted(named, key=len, reverse=True):
        written = [part.replace(folder, "DIR") for part in written]
    return " ".join(["python -m", module, *written])


def present(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    show: Callable[[dict[str, Any], Console], None],
    draw: Callable[[dict[str, Any]], Figure] | None = None,
) -> int:
    """Runs a benchmark, shows its record, and writes it to `options.json` where that is given.

    Args:
        parser: of its command line, called "python -m MODULE"; has `json`, `data` where it reads
            one, `figure` for `draw`.
        arguments: the command line; that of this process if None.
        measure: options -> the record without its surroundings.
        show: prints the record.
        draw: record -> the figure that goes to `options.figure` where that is given.

    Returns:
        The exit code: 0 for success, 2 and a sentence on the error stream for input that cannot be
        used.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    options, console = (
        parser.parse_args(given),
        Console(width=None if sys.stdout.isatty() else 140),
    )  # no 80 columns
    drawn = getattr(options, "figure", None)
    named = [Path(path).parent for path in (options.json, drawn) if path is not None]
    folders = [
        getattr(options, "data", None),
        *(str(folder) for folder in named if folder != Path()),
    ]
    try:
        command = command_line(parser.prog.removeprefix("python -m "), given, *folders)
        record = surroundings(command) | measure(options)
        show(record, console)
        if draw is not None and drawn is not None:
            _save(draw(record), drawn)
            console.print(f"Wrote {drawn}", highlight=False)
        if options.json is not None:
            console.print(f"Wrote {write_json(record, options.json)}", highlight=False)
    except InvalidInputError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        return 2
    return 0


def _save(figure: Figure, path: str) -> None:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise InvalidInputError(
            f"Expected figure={path!r} to be a file to write: {error}."
        ) from error


@contextmanager
def compiled_anew() -> Iterator[None]:
    """What is compiled or planned inside is really so: nothing that other processes kept is read,
    nothing is kept.
    """
    before = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    named = os.environ.get(cache.VARIABLE)
    _persistent_cache(False)
    os.environ[cache.VARIABLE] = ""
    try:
        yield
    finally:
        _persistent_cache(before)
        os.environ.pop(cache.VARIABLE)
        if named is not None:
            os.environ[cache.VARIABLE] = named


def _persistent_cache(enabled: bool) -> None:
    jax.config.update("jax_enable_compilation_cache", enabled)
    compilation_cache.reset_cache()  # or JAX stays with what it chose at the first compilation


def timed(
    call: Callable[[], T], *, repeats: int = 5, check: Callable[[T], None] = lambda result: None
) -> tuple[T, Seconds]:
    """Calls once to warm up, has the result checked, then calls `repeats` times with everything
    compiled.

    Args:
        call: what is measured; its result must be on the host, so that nothing is still running
            when it returns.
        repeats: how often it is called after the first time, >= 0.
        check: raises where the first result is not the expected one.

    Returns:
        (result of the first call, seconds): `first` with compilation, `compile` of these in XLA's
        compiler, for so many `programs`, `warm` the median of `repeats` further calls (of the first
        call less its compilation where repeats is 0), `runs` each.
    """
    integer("repeats", repeats, least=0)
    with Stopwatch() as watch:
        result = call()
    check(result)
    runs = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        runs.append(time.perf_counter() - began)
    warm = statistics.median(runs) if runs else max(watch.seconds - watch.compiling, 0.0)
    seconds = {"first": watch.seconds, "compile": watch.compiling, "warm": warm}
    counts = {"programs": watch.programs, "runs": [_four_digits(s) for s in runs]}
    return result, {name: _four_digits(s) for name, s in seconds.items()} | counts


def _four_digits(seconds: float) -> float:
    """Significant ones: what is divided by a short time must not be divided by 0."""
    return float(f"{seconds:.4g}")


def write_json(record: Mapping[str, Any], path: str | Path) -> Path:
    """Writes a record aside and renames it, so that the file is whole or absent.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    target = Path(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        aside.rename(target)
    except OSError as error:
        raise InvalidInputError(
            f"Expected json={str(path)!r} to be a file that can be written: {error}."
        ) from error
    return target
