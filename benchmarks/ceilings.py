"""What the machine can do at best, a matrix product and a copy, and the memory that a piece of work
took.
"""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from fedjax_shap._validate import integer

MIB = 2**20


def gemm_gflops(size: int | None = None, *, repeats: int = 7) -> float:
    """Rate of a large float32 matrix product, 10^9 floating-point operations a second, the best of
    several.

    Its factors are not rounded to fewer bits, as GPUs otherwise do: the engine's are not either.

    Args:
        size: the matrices are [size, size]; 2,048 on a CPU and 16,384 elsewhere if None.
        repeats: timed calls, >= 1.
    """
    size = (2048 if jax.default_backend() == "cpu" else 16384) if size is None else size
    integer("size", size, least=1)
    square = jax.random.normal(jax.random.key(0), (size, size), jnp.float32)
    product = jax.jit(partial(jnp.matmul, precision="float32"))
    return 2 * size**3 / _fastest(lambda: product(square, square), repeats) / 1e9


def copy_gbs(megabytes: int | None = None, *, repeats: int = 7) -> float:
    """Rate of a large copy in memory, 10^9 bytes a second read plus written, the best of several.

    The copy changes signs, so that no compiler can leave it out, and it is written over what was
    read, so that no time goes into the system's finding new pages.

    Args:
        megabytes: MiB copied; 256 on a CPU and 4,096 elsewhere if None.
        repeats: timed calls, >= 1.
    """
    megabytes = (
        (256 if jax.default_backend() == "cpu" else 4096) if megabytes is None else megabytes
    )
    integer("megabytes", megabytes, least=1)
    held = [jnp.ones(megabytes * MIB // 4, jnp.float32)]
    negate = jax.jit(jnp.negative, donate_argnums=0)

    def copy() -> jax.Array:
        held[0] = negate(held[0])
        return held[0]

    return 2 * held[0].nbytes / _fastest(copy, repeats) / 1e9


def _fastest(call: Callable[[], jax.Array], repeats: int) -> float:
    """Seconds of the fastest of several calls, the first, which compiles, left out."""
    integer("repeats", repeats, least=1)
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - began)
    return min(seconds)


class PeakMemory:
    """The most memory in use in a `with` block beyond that at its start.

    On a CPU it is the process's resident memory, whose mark Linux sets back at the start. Where
    nothing does, as on a GPU, whose own count of bytes is taken, a higher peak before the block
    hides the one in it: run a case a process.

    Attributes:
        megabytes: MiB, set at the end of the block.
    """

    megabytes = 0.0

    def __enter__(self) -> "PeakMemory":
        """Starts."""
        reset = Path("/proc/self/clear_refs")
        if reset.exists():
            reset.write_text("5")  # sets the mark of the resident peak back to what is resident now
        self._began = _in_use()[0]
        return self

    def __exit__(self, *error: Any) -> None:
        """Stops."""
        self.megabytes = max(_in_use()[1] - self._began, 0) / MIB


def _in_use() -> tuple[int, int]:
    """Bytes in use, and the most so far: of the device where it counts them, else resident ones of
    the process.
    """
    counted = jax.local_devices()[0].memory_stats()
    if counted:
        return counted["bytes_in_use"], counted["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if status.exists():
        marks = dict(
            line.split(":", 1) for line in status.read_text().splitlines() if line.startswith("Vm")
        )
        return int(marks["VmRSS"].split()[0]) * 1024, int(marks["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    return peak, peak
