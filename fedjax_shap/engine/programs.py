"""The program that values a chunk of coalitions: compiled once a shape, fitted into memory, run by
several workers.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fedjax_shap._validate import require
from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.game import Game
from fedjax_shap.typing import Array, HostArray, Key, PyTree

CGROUP = Path("/sys/fs/cgroup")
FREE_SHARE = 0.8  # of a device's free memory that coalitions may take where no budget is given
Coalitions = (
    Chunk | Coalition
)  # of one chunk; on a mesh, of as many chunks as it has devices, stacked
KEPT_AS = "_fedjax_shap_valuing"
A = TypeVar("A")
B = TypeVar("B")


class NoRoomError(Exception):
    """A chunk does not fit into the memory of the device, or into the plan's budget."""


class Machine(NamedTuple):
    """Where a plan is carried out.

    Attributes:
        devices: the local devices, each of which values chunks of its own.
        workers: threads that have a program running at the same time.
        memory: bytes that the chunks in play may take on one device.
    """

    devices: tuple[jax.Device, ...]
    workers: int
    memory: int

    @property
    def mesh(self) -> Mesh | None:
        """One axis, "coalition", over the devices; None for one device, which needs none."""
        return Mesh(np.array(self.devices), ("coalition",)) if len(self.devices) > 1 else None


def machine(plan: Plan) -> Machine:
    """The devices, workers and memory of a plan on this machine.

    Raises:
        InvalidInputError: more devices than there are.
    """
    local, on_cpu = jax.local_devices(), jax.default_backend() == "cpu"
    count = plan.devices or (1 if on_cpu else len(local))
    require(
        count <= len(local),
        f"Expected devices={count} to be at most the {len(local)} of this machine.",
    )
    workers = plan.workers or (num_cores() if on_cpu and count == 1 else 1)
    memory = plan.memory or int(FREE_SHARE * _free_bytes(local[0]) / (count if on_cpu else 1))
    return Machine(tuple(local[:count]), workers, memory)


def num_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Program:
    """A game on a machine, ready to value chunks."""

    def __init__(self, game: Game, key: Key, on: Machine) -> None:
        """Puts the game's arrays on every device of the machine."""
        where = on.devices[0] if on.mesh is None else NamedSharding(on.mesh, PartitionSpec())
        world, self._key = jax.device_put((game.world, key), where)
        self._game, self.on = game.replace(world=world), on  # type: ignore[attr-defined]
        self._compiled: dict[Any, Any] = {}

    def prepare(self, coalitions: Coalitions) -> None:
        """Compiles for chunks of this shape, if that has not been done.

        Raises:
            NoRoomError: as many as there are workers would take more than the machine's memory.
        """
        if shapes(coalitions) in self._compiled:
            return
        with _room():
            compiled = (
                _valuing(self._game)
                .lower(self._game.world, self._key, coalitions, self.on.mesh)
                .compile()
            )
        analysis = compiled.memory_analysis()
        taken = (
            0 if analysis is None else analysis.temp_size_in_bytes + analysis.output_size_in_bytes
        )
        if taken * self.on.workers > self.on.memory:
            raise NoRoomError(
                f"{taken} bytes a chunk for {self.on.workers} workers, of {self.on.memory}"
            )
        self._compiled[shapes(coalitions)] = compiled

    def __call__(self, coalitions: Coalitions) -> HostArray:
        """float64[M, ...], the utilities of a chunk that was prepared for, or of stacked chunks one
        after another.

        Raises:
            NoRoomError: the device has no room for them.
        """
        with _room():
            found = self._compiled[shapes(coalitions)](self._game.world, self._key, coalitions)
            utilities = np.asarray(found, np.float64)
        return utilities if self.on.mesh is None else utilities.reshape(-1, *utilities.shape[2:])


@contextmanager
def _room() -> Iterator[None]:
    """Tells a device without room from other errors."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise NoRoomError(str(error)) from error
        raise


def shapes(coalitions: Coalitions) -> Any:
    """What a program is compiled for: the layout, and the shapes of a chunk's arrays."""
    return type(coalitions), tuple(leaf.shape for leaf in jax.tree.leaves(coalitions))


def abreast(
    cut: Iterable[tuple[HostArray, Coalitions]], devices: int
) -> Iterator[tuple[list[HostArray], Coalitions]]:
    """Chunks of one shape stacked, one for each device; the first once more where there are too
    few.

    Args:
        cut: (rows, chunk), as a plan cuts them.
        devices: D; where it is 1 a chunk is given as it is.

    Returns:
        (the rows of each chunk, the repeats left out; the chunks).
    """
    for _, alike in groupby(cut, key=lambda part: shapes(part[1])):
        while together := list(islice(alike, devices)):
            rows, chunks = [list(parts) for parts in zip(*together)]
            chunks += chunks[:1] * (devices - len(chunks))
            yield (
                rows,
                chunks[0]
                if devices == 1
                else jax.tree.map(lambda *leaves: np.stack(leaves), *chunks),
            )


def _valuing(game: Game) -> Any:
    """A jitted (world, key, chunk, mesh) -> float[M, ...] on one device, float[D, M, ...] on a
    mesh.

    Games with the same `value` share it, and it goes with that function, on which it is kept: JAX
    keeps what a jitted function compiled for as long as the function, and a process that plays
    thousands of games has no room for all.
    """
    kept = getattr(game.value, KEPT_AS, None)
    if kept is None or kept[0] is not game.values:
        kept = game.values, jax.jit(_value_of(game.value, game.values), static_argnums=3)
        setattr(game.value, KEPT_AS, kept)
    return kept[1]


def _value_of(
    value: Callable[..., Array], values: Callable[..., Array] | None
) -> Callable[..., Array]:
    """What `_valuing` jits; no device of a mesh waits for another."""

    def on_one(world: PyTree, key: Key, coalitions: Coalitions) -> Array:
        if isinstance(coalitions, Chunk):
            assert values is not None
            return values(world, key, coalitions)  # the game's own program for many
        return jax.vmap(value, in_axes=(None, None, 0))(world, key, coalitions)

    def on_each(world: PyTree, key: Key, stacked: Coalitions) -> Array:
        return on_one(world, key, jax.tree.map(lambda leaf: leaf[0], stacked))[None]

    def valued(world: PyTree, key: Key, coalitions: Coalitions, mesh: Mesh | None) -> Array:
        with jax.default_matmul_precision(
            "float32"
        ):  # GPUs round matrix products to fewer bits unless told
            if mesh is None:
                return on_one(world, key, coalitions)
            own, everywhere = PartitionSpec("coalition"), PartitionSpec()
            specs = (everywhere, everywhere, own)
            return jax.shard_map(
                on_each, mesh=mesh, in_specs=specs, out_specs=own, check_vma=False
            )(world, key, coalitions)

    return valued


def in_flight(call: Callable[[A], B], items: Iterable[A], workers: int) -> Iterator[tuple[A, B]]:
    """(item, call(item)) in the order of `items`, as many calls at a time as there are workers."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(call, item)))
                if len(waiting) > workers:
                    item, future = waiting.popleft()
                    yield item, future.result()
            while waiting:
                item, future = waiting.popleft()
                yield item, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _free_bytes(device: jax.Device) -> int:
    """Memory that is free on a device: as it reports it, or for a CPU as the system does."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    try:
        told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        free = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) // 2
    try:  # a container or a batch job may be allowed less
        allowed, used = (
            int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current")
        )
    except (OSError, ValueError):
        return free
    return min(free, max(allowed - used, 1))
