"""The machine that carries out a plan: its devices, its workers, and the memory that is free."""

import os
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from fedjax_shap._validate import require
from fedjax_shap.engine.plan import Plan

CGROUP = Path("/sys/fs/cgroup")
FREE_FRACTION = 0.8  # of a device's free memory that coalitions may take without a given budget


class Machine(NamedTuple):
    """Where a plan is carried out.

    Attributes:
        devices: the local devices, each of which values chunks of its own.
        workers: threads that have a program running at the same time.
        memory: bytes that all chunks under way may take on one device.
    """

    devices: tuple[jax.Device, ...]
    workers: int
    memory: int

    @property
    def mesh(self) -> Mesh | None:
        """One axis, "coalition", over the devices; None for one device, which needs none."""
        if len(self.devices) == 1:
            return None
        return Mesh(np.array(self.devices), ("coalition",))


def machine(plan: Plan) -> Machine:
    """The devices, workers and memory of a plan on this machine.

    Raises:
        InvalidInputError: more devices than there are.
    """
    local = jax.local_devices()
    on_cpu = jax.default_backend() == "cpu"
    usual = 1 if on_cpu else len(local)
    count = plan.devices or usual
    require(
        count <= len(local),
        f"Expected devices={count} to be at most the {len(local)} of this machine.",
    )
    # one worker keeps a GPU busy, and the devices of a mesh; a CPU needs one a core
    workers = 1
    if on_cpu and count == 1:
        workers = num_cores()
    # the devices of a CPU have their memory in common
    sharing = 1
    if on_cpu:
        sharing = count
    return Machine(
        devices=tuple(local[:count]),
        workers=plan.workers or workers,
        memory=plan.memory or int(FREE_FRACTION * _free_bytes(local[0]) / sharing),
    )


def num_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _free_bytes(device: jax.Device) -> int:
    """Memory that is free on a device: as it reports it, or for a CPU as the system does."""
    if device.platform == "cpu":
        return _free_bytes_of_host()
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    return _free_bytes_of_host()


def _free_bytes_of_host() -> int:
    """Memory that is free on the host, at most what the process's control group allows."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = dict(line.split(":") for line in lines)
        free = int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        free = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) // 2
    try:  # a container or a batch job may be allowed less
        allowed = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, max(allowed - used, 1))
