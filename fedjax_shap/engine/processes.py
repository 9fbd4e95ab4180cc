"""Several processes, on one host or on many, that value the coalitions of one run together.

Every process runs the same program with the same configuration, so all of them meet the same masks
in the same order; the engine divides the chunks among them and passes the utilities on with
`exchange`.

Messages go through plain sockets, by way of process 0 (`engine/hub.py`), and not through
`jax.distributed`: its client ends the process by abort() the moment that its coordinator is gone,
before anything can be flushed, and its callback for that case cannot be written in Python
(std::bad_cast; JAX 0.10.2). JAX sees the devices of its own process only, so programs, and the
numbers that they give, are those of a single process.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import jax
import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, require
from fedjax_shap.engine import hub
from fedjax_shap.typing import HostArray


class PeerLostError(RuntimeError):
    """Another process of the run died, failed, left early or never came."""


@contextmanager
def together(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    join_within: float = 300.0,
) -> Iterator[None]:
    """Joins the other processes of a run for as long as the block lasts; alone where nothing is
    given.

    An error in the block stops the others too. Process 0 leaves the block last, so that all get
    their answers.

    Args:
        coordinator: HOST:PORT at which process 0 listens and which the others can reach; or
            "slurm", inside `srun`, to read everything from Slurm's variables. Whoever reaches the
            port can join: use it inside a cluster.
        num_processes: how many there are, >= 1.
        process_id: which one this is, 0..num_processes - 1.
        join_within: seconds to wait for the others to come.

    Raises:
        InvalidInputError: options that are incomplete or not understood, or a process that does
            not fit the others.
        PeerLostError: not all came in time.
    """
    global _link
    place = _place(coordinator, num_processes, process_id)
    if place is None or place[2] == 1:
        yield
        return
    require(_link is None, "Expected processes to join once, but they are together already.")
    _link = _Link(*place, deadline=time.monotonic() + join_within)
    last = hub.FAILED
    try:
        yield
        last = hub.DONE
    finally:
        _link.leave(last)
        _link = None


def rank() -> int:
    """Which process this is; 0 where there is only one."""
    if _link is None:
        return 0
    return _link.rank


def count() -> int:
    """How many processes work together; 1 where none joined."""
    if _link is None:
        return 1
    return _link.count


def exchange(mine: bytes) -> list[bytes]:
    """Hands `mine` to all others and waits for theirs; every process must call it equally often.

    Returns:
        What each process handed in, in order of rank; [mine] where there is only one.

    Raises:
        PeerLostError: another process died, failed or left.
    """
    if _link is None:
        return [mine]
    return _link.exchange(mine)


def exchange_arrays(mine: Mapping[str, HostArray]) -> list[dict[str, HostArray]]:
    """As `exchange`, for arrays by name."""
    if _link is None:
        return [dict(mine)]
    arrays: dict[str, Any] = dict(mine)
    packed = BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    unpacked = []
    for one in exchange(packed.getvalue()):
        with np.load(BytesIO(one), allow_pickle=False) as content:
            unpacked.append(dict(content))
    return unpacked


def check() -> None:
    """Refuses to go on where another process is known to be lost.

    It waits for nothing, so that it can be called between chunks.

    Raises:
        PeerLostError: another process died, failed or left.
    """
    if _link is not None:
        _link.check()


class _Link:
    """This process's line to the hub."""

    def __init__(self, address: tuple[str, int], rank: int, count: int, *, deadline: float) -> None:
        self.rank = rank
        self.count = count
        self._lost: str | None = None
        self._relay: Thread | None = None
        try:
            if rank:
                self._line: Connection = hub.knock(address, rank, count, deadline)
            else:
                self._line, self._relay = hub.open_hub(address, count, deadline)
        except TimeoutError as error:
            raise PeerLostError(str(error)) from error

    def exchange(self, mine: bytes) -> list[bytes]:
        if self._lost is None:
            with suppress(OSError):  # where the hub is gone, its silence is the answer
                self._line.send_bytes(hub.HAND_IN)
                self._line.send_bytes(mine)
        self._read_header()
        try:
            return [self._line.recv_bytes() for _ in range(self.count)]
        except (EOFError, OSError):
            self._lost = "0"
        raise self._error()

    def check(self) -> None:
        if self._lost is not None or self._line.poll():
            self._read_header()

    def leave(self, last: bytes) -> None:
        with suppress(OSError):
            self._line.send_bytes(last)
        if self._relay is not None:
            self._relay.join(None if last == hub.DONE else 5)
        self._line.close()

    def _read_header(self) -> None:
        """Reads what comes before an answer: nothing, or the processes that are lost."""
        if self._lost is None:
            try:
                self._lost = self._line.recv_bytes().decode() or None
            except (EOFError, OSError):
                self._lost = "0"  # the hub is process 0's
        if self._lost is not None:
            raise self._error()

    def _error(self) -> PeerLostError:
        return PeerLostError(
            f"Process {self._lost} (of 0..{self.count - 1}) died, failed or left; what was valued "
            "is kept, and the same command goes on from there, with as many processes as are left."
        )


# What this process has joined: a fact of the whole process, like its devices.
_link: _Link | None = None


def _place(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> tuple[tuple[str, int], int, int] | None:
    """((host, port), rank, count), or None for a process alone."""
    options = (coordinator, num_processes, process_id)
    if options == (None, None, None):
        return None
    if options == ("slurm", None, None):
        return _slurm()
    if coordinator is None or num_processes is None or process_id is None or coordinator == "slurm":
        raise InvalidInputError(
            "Expected coordinator, num_processes and process_id together, or coordinator='slurm' "
            f"alone, got coordinator={coordinator!r}, num_processes={num_processes}, "
            f"process_id={process_id}."
        )
    integer("num_processes", num_processes, least=1)
    integer("process_id", process_id, least=0, most=num_processes - 1)
    host, _, port = coordinator.rpartition(":")
    require(
        bool(host) and re.fullmatch(r"\d{1,5}", port) is not None and 0 < int(port) < 65536,
        f"Expected coordinator={coordinator!r} to be HOST:PORT, such as node1:12345, or slurm.",
    )
    return (host.strip("[]"), int(port)), process_id, num_processes


def _slurm() -> tuple[tuple[str, int], int, int]:
    """The same from the variables of a Slurm step.

    The step's first host listens, at a port that follows from the step.
    """
    names = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
    absent = [name for name in names if not os.environ.get(name)]
    require(
        not absent,
        f"Expected coordinator='slurm' inside a Slurm step (srun), but {', '.join(absent)} is not "
        "set.",
    )
    job, hosts, count, rank, local = (os.environ[name] for name in names)
    first = re.match(r"([^,\[]+)(?:\[(\d+))?", hosts)  # node1 | node1,x | node[001-015],x
    if first is None:
        raise InvalidInputError(
            f"Expected SLURM_STEP_NODELIST={hosts!r} to begin with a host's name."
        )
    port = 61440 + (int(job) + 97 * int(os.environ.get("SLURM_STEP_ID", 0))) % 4096
    # several processes a host that see several GPUs take one each
    several_a_host = int(count) > int(os.environ.get("SLURM_STEP_NUM_NODES", 1))
    if several_a_host and "," in os.environ.get("CUDA_VISIBLE_DEVICES", ","):
        jax.config.update("jax_cuda_visible_devices", local)
    return ("".join(filter(None, first.groups())), port), int(rank), int(count)
