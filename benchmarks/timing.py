"""How a call is timed: compiled anew, its compilation apart, the median of calls once compiled."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import jax
from jax.experimental.compilation_cache import compilation_cache

from fedjax_shap._validate import integer
from fedjax_shap.engine import cache
from fedjax_shap.pipeline.run import Stopwatch

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
