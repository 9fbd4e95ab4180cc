"""How a call is timed: compiled anew, its compilation apart, the median of calls once compiled.

A rival that would take minutes plays a part of the coalitions, and its seconds are scaled up.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from fedjax_shap._validate import integer, number
from fedjax_shap.engine import cache
from fedjax_shap.engine.stopwatch import Stopwatch
from fedjax_shap.typing import HostArray, Masks, Utilities

FEWEST = 2  # coalitions that a rival plays at least
T = TypeVar("T")
Seconds = dict[str, Any]  # what `timed` says of a call: first, compile, programs, warm, runs


@contextmanager
def compiled_anew() -> Iterator[None]:
    """Has everything in the block compiled and planned anew: no cache is read or written."""
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
    """Calls once to warm up, checks the result, then times `repeats` calls with all compiled.

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
    warm = max(watch.seconds - watch.compiling, 0.0)
    if runs:
        warm = statistics.median(runs)
    seconds: Seconds = {
        "first": _four_digits(watch.seconds),
        "compile": _four_digits(watch.compiling),
        "warm": _four_digits(warm),
        "programs": watch.programs,
        "runs": [_four_digits(run) for run in runs],
    }
    return result, seconds


def _four_digits(seconds: float) -> float:
    """Rounds to significant digits: what is divided by a short time must not be divided by 0."""
    return float(f"{seconds:.4g}")


def timed_in_part(
    play: Callable[[Masks], Utilities],
    masks: Masks,
    work: HostArray,
    *,
    seconds: float,
    repeats: int,
    at_once: int = 1,
    programs: HostArray | None = None,
    check: Callable[[HostArray, Utilities], None] = lambda rows, utilities: None,
) -> Seconds:
    """Times a rival on as many coalitions as its seconds allow, and scales up by their work.

    Those in the middle, by work, tell what a unit of work and a program take. Every k-th in the
    order of work is then played, so that the part has small and large coalitions as the whole has.

    Args:
        play: the rival, from coalitions to their utilities on the host.
        masks: bool[M, P], the whole.
        work: float[M], work in each coalition, such as member-steps.
        seconds: for all its calls together, beside its first program's compilation, > 0.
        repeats: calls once compiled, >= 0.
        at_once: how many coalitions the rival takes side by side.
        programs: int[M], which program each coalition needs; one for all if None.
        check: raises where the utilities of the coalitions in such rows are not the expected ones.

    Returns:
        What `timed` says, `first` and `warm` those of the whole; and `first_measured` and
        `warm_measured` of the part, `share_of_the_work` that it has (1: nothing is extrapolated),
        `coalitions` in it. Programs that the part does not need are not in `first`.
    """
    number("seconds", seconds, above=0)
    if programs is None:
        programs = np.zeros(len(masks), int)
    order = np.argsort(work, kind="stable")
    before = max((len(order) - at_once) // 2, 0)
    middle = order[before : before + at_once]
    _, probe = timed(lambda: play(masks[middle]), repeats=1)
    once = max(probe["first"] - probe["warm"], 0.0)
    pace = probe["warm"] / max(work[middle].sum(), 1)

    def cost(rows: HostArray) -> float:
        return pace * work[rows].sum() * (1 + repeats) + once * (len(set(programs[rows])) - 1)

    # the smallest stride that the seconds allow
    stride = 1
    fewest = max(at_once, FEWEST)
    while cost(order[stride // 2 :: stride]) > seconds and (stride + 1) * fewest <= len(order):
        stride += 1
    rows = order[stride // 2 :: stride]
    _, part = timed(
        lambda: play(masks[rows]), repeats=repeats, check=lambda found: check(rows, found)
    )
    share = float(work[rows].sum() / work.sum())
    running = max(part["first"] - part["compile"], 0.0)
    return part | {
        "first": _four_digits(once + part["compile"] + running / share),
        "first_measured": _four_digits(once + part["first"]),
        "compile": _four_digits(probe["compile"] + part["compile"]),
        "warm": _four_digits(part["warm"] / share),
        "warm_measured": part["warm"],
        "programs": probe["programs"] + part["programs"],
        "share_of_the_work": share,
        "coalitions": len(rows),
    }
