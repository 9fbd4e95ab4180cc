"""The programs of this process: a command is run, and JAX's events say what it compiled.

Used by `benchmarks.compilation`, which starts it in fresh processes.
"""

import json
import os
import sys
import threading
import time
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

REPORT = "PROGRAMS_REPORT"  # the variable that names the file into which the report goes
PARTS = {  # JAX's events, and what they are called here
    "/jax/core/compile/jaxpr_trace_duration": "tracing",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering",
    "/jax/core/compile/backend_compile_duration": "xla",
}
CACHE_HIT = "/jax/compilation_cache/cache_hits"


class Span(NamedTuple):
    """One stretch of time that a thread spent on a program.

    Attributes:
        part: "tracing", "lowering" or "xla"; the last includes reading from the cache.
        program: its name.
        thread: which thread it was.
        began: when, in seconds.
        ended: likewise.
        cached: whether it was read from the cache.
    """

    part: str
    program: str
    thread: int
    began: float
    ended: float
    cached: bool


class Watched:
    """What JAX traced, lowered and compiled while this was listening."""

    def __init__(self) -> None:
        """Listens from now on."""
        import jax

        self.spans: list[Span] = []
        self._hits: set[int] = set()  # threads whose compilation was found in the cache
        jax.monitoring.register_event_duration_secs_listener(self._spent)
        jax.monitoring.register_event_listener(self._happened)

    def _spent(self, event: str, duration: float, **named: Any) -> None:
        if event not in PARTS:
            return
        thread = threading.get_ident()
        name = str(named.get("fun_name", "")).removeprefix("jit(").removesuffix(")")
        now = time.perf_counter()
        part = PARTS[event]
        cached = part == "xla" and thread in self._hits
        if cached:
            self._hits.discard(thread)
        self.spans.append(Span(part, name, thread, now - duration, now, cached))

    def _happened(self, event: str, **_: Any) -> None:
        if event == CACHE_HIT:
            self._hits.add(threading.get_ident())


def totals(spans: Sequence[Span]) -> dict[str, Any]:
    """Counts and seconds of all programs: `compiling` by the clock, the parts thread by thread."""
    compiled = [one for one in spans if one.part == "xla"]
    seconds = {part: _summed([one for one in spans if one.part == part]) for part in PARTS.values()}
    return {
        "programs": len(compiled),
        "cached": sum(one.cached for one in compiled),
        "compiling": round(_covered([one for one in spans if one.part != "tracing"]), 3),
        **{part: round(spent, 3) for part, spent in seconds.items()},
    }


def programs(spans: Sequence[Span]) -> dict[str, dict[str, Any]]:
    """Each program by its name, the slowest first."""
    named: dict[str, list[Span]] = defaultdict(list)
    for one in spans:
        named[one.program].append(one)
    found = {}
    for name, own in named.items():
        parts = {part: [one for one in own if one.part == part] for part in PARTS.values()}
        seconds = {part: round(_summed(some), 3) for part, some in parts.items()}
        found[name] = {"count": len(parts["xla"]), "traced": len(parts["tracing"]), **seconds}
    order = sorted(found, key=lambda name: -sum(found[name][part] for part in PARTS.values()))
    return {name: found[name] for name in order}


def _summed(spans: Sequence[Span]) -> float:
    """Seconds of each thread, summed; what lies within another span counts with that one."""
    threads: dict[int, list[Span]] = defaultdict(list)
    for one in spans:
        threads[one.thread].append(one)
    return sum(_covered(own) for own in threads.values())


def _covered(spans: Sequence[Span]) -> float:
    """Seconds on the clock that at least one of the spans covers."""
    covered = 0.0
    until = -float("inf")
    for one in sorted(spans, key=lambda one: one.began):
        covered += max(one.ended - max(one.began, until), 0.0)
        until = max(until, one.ended)
    return covered


def imported() -> dict[str, Any]:
    """How many modules this process has, and whether JAX is among them."""
    return {"modules": len(sys.modules), "jax": "jax" in sys.modules}


def command(words: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """(exit code of a command, the report on it).

    Where a command needs no JAX, none is imported here either.
    """
    from fedjax_shap.cli.main import main

    watched = None
    if words[0] in ("quickstart", "run") and not words[-1].endswith("mistake.toml"):
        watched = Watched()
    try:
        code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    report: dict[str, Any] = {"imported": imported()}
    if watched is not None:
        report |= {"total": totals(watched.spans), "programs": programs(watched.spans)}
    return code, report


def sweep(num_seeds: int, path: str | None) -> list[dict[str, Any]]:
    """A run for each seed in this process, and what each compiled."""
    from fedjax_shap.pipeline.config import parse
    from fedjax_shap.pipeline.quickstart import toml
    from fedjax_shap.pipeline.run import run

    raw = tomllib.loads(toml())
    if path is not None:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    watched = Watched()
    found = []
    for seed in range(num_seeds):
        watched.spans.clear()
        began = time.perf_counter()
        result = run(parse(raw | {"seed": seed}))
        seconds = round(time.perf_counter() - began, 2)
        one = {"seed": seed, "seconds": seconds, "training": result.timing["train_s"]}
        found.append({**one, "total": totals(watched.spans), "programs": programs(watched.spans)})
    return found


def watch(words: Sequence[str]) -> int:
    """Does what `words` say and writes the report."""
    code = 0
    report: Any
    if words[0] == "sweep":
        report = sweep(int(words[1]), next(iter(words[2:]), None))
    else:
        code, report = command(words)
    Path(os.environ[REPORT]).write_text(json.dumps(report), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(watch(sys.argv[1:]))
