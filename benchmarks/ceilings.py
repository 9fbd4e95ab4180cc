"""What the machine can do at best (a matrix product, a copy), and the memory that work took."""

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
PRODUCT = {"cpu": 2048}  # rows of the matrices by backend; LARGE_PRODUCT elsewhere
LARGE_PRODUCT = 16384
COPY = {"cpu": 256}  # MiB by backend; LARGE_COPY elsewhere
LARGE_COPY = 4096
BYTES_A_UNIT = {"darwin": 1}  # in which a system gives resident memory; 1,024 elsewhere


def gemm_gflops(size: int | None = None, *, repeats: int = 7) -> float:
    """Rate of the fastest of several large float32 matrix products, in 10^9 FLOP a second.

    Its factors are not rounded to fewer bits, as GPUs otherwise do: the engine's are not either.

    Args:
        size: the matrices are [size, size]; 2,048 on a CPU and 16,384 elsewhere if None.
        repeats: timed calls, >= 1.
    """
    if size is None:
        size = PRODUCT.get(jax.default_backend(), LARGE_PRODUCT)
    integer("size", size, least=1)
    square = jax.random.normal(jax.random.key(0), (size, size), jnp.float32)
    product = jax.jit(partial(jnp.matmul, precision="float32"))
    return 2 * size**3 / _fastest(lambda: product(square, square), repeats) / 1e9


def copy_gbs(megabytes: int | None = None, *, repeats: int = 7) -> float:
    """Rate of the fastest of several large copies, in 10^9 bytes a second, read plus written.

    The copy changes signs, so that no compiler can leave it out, and it is written over what was
    read, so that no time goes into the system's finding new pages.

    Args:
        megabytes: MiB copied; 256 on a CPU and 4,096 elsewhere if None.
        repeats: timed calls, >= 1.
    """
    if megabytes is None:
        megabytes = COPY.get(jax.default_backend(), LARGE_COPY)
    integer("megabytes", megabytes, least=1)
    block = jnp.ones(megabytes * MIB // 4, jnp.float32)
    negate = jax.jit(jnp.negative, donate_argnums=0)

    def copy() -> jax.Array:
        nonlocal block
        block = negate(block)
        return block

    return 2 * block.nbytes / _fastest(copy, repeats) / 1e9


def _fastest(call: Callable[[], jax.Array], repeats: int) -> float:
    """Seconds of the fastest of several calls, not counting a first one, which compiles."""
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

    On a CPU it is the process's resident memory, whose highest mark Linux resets at the start. A
    GPU's own count of bytes cannot be reset: there a higher peak before the block hides the one in
    it, so run each case in a process of its own.

    Attributes:
        megabytes: MiB, set at the end of the block.
    """

    megabytes = 0.0

    def __enter__(self) -> "PeakMemory":
        """Starts."""
        reset = Path("/proc/self/clear_refs")
        if reset.exists():
            reset.write_text("5")  # resets the highest mark to what is resident now
        self._began = _in_use()[0]
        return self

    def __exit__(self, *error: Any) -> None:
        """Stops."""
        self.megabytes = max(_in_use()[1] - self._began, 0) / MIB


def _in_use() -> tuple[int, int]:
    """Bytes in use, and the most so far: the device's where it counts them, else the process's."""
    counted = jax.local_devices()[0].memory_stats()
    if counted:
        return counted["bytes_in_use"], counted["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if status.exists():
        lines = [line for line in status.read_text().splitlines() if line.startswith("Vm")]
        marks = dict(line.split(":", 1) for line in lines)
        resident, highest = (int(marks[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return resident, highest
    unit = BYTES_A_UNIT.get(sys.platform, 1024)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak, peak
