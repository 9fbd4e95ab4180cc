"""What every benchmark shares: on what it ran, how a call is timed, and how its JSON is kept."""

import datetime
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import jax

from fedjax_shap._validate import InvalidInputError, integer
from fedjax_shap.experiment import Stopwatch

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("fedjax-shap", "jax", "jaxlib", "flax", "optax", "numpy", "scipy")
T = TypeVar("T")


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
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average_1min": None if load is None else round(load, 2),
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
    }


def commit(folder: Path = ROOT) -> str:
    """The commit of `folder`, "+" behind it where tracked files differ from it; "unknown" outside a repository."""
    done = [
        subprocess.run(["git", *what], cwd=folder, capture_output=True, text=True, check=False)
        for what in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
    ]
    if any(one.returncode for one in done):
        return "unknown"
    return done[0].stdout.strip() + ("+" if done[1].stdout.strip() else "")


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        told = [
            line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
        ]
    except OSError:
        told = []
    return told[0].strip() if told else platform.processor() or platform.machine()


def command_line(module: str, arguments: Sequence[str], *folders: str | None) -> str:
    """The command to print beside a number, with DIR for each of this machine's `folders`, however it is given."""
    named = [str(folder) for folder in folders if folder]
    written = list(arguments)
    for folder in sorted(named, key=len, reverse=True):
        written = [part.replace(folder, "DIR") for part in written]
    return " ".join(["python -m", module, *written])


def timed(
    call: Callable[[], T], *, repeats: int = 5, check: Callable[[T], None] = lambda result: None
) -> tuple[T, dict[str, Any]]:
    """Calls once to warm up, has the result checked, then calls `repeats` times with everything compiled.

    Args:
        call: what is measured; its result must be on the host, so that nothing is still running when it returns.
        repeats: how often it is called after the first time, >= 0.
        check: raises where the first result is not the expected one.

    Returns:
        (result of the first call, seconds): `first` with compilation, `compile` of these in XLA's compiler, `warm`
        the median of `repeats` further calls (of the first call less its compilation where repeats is 0), `runs` each.
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
    warm = statistics.median(runs) if runs else watch.seconds - watch.compiling
    seconds = {"first": watch.seconds, "compile": watch.compiling, "warm": warm}
    return result, {name: round(s, 4) for name, s in seconds.items()} | {"runs": [round(s, 4) for s in runs]}


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
        raise InvalidInputError(f"Expected json={str(path)!r} to be a file that can be written: {error}.") from error
    return target
