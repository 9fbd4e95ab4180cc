"""The hub of several processes: process 0 admits the others and relays what they hand in."""

import re
import socket
import time
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from threading import Thread

from fedjax_shap._validate import InvalidInputError
from fedjax_shap._version import version

# What a process says to the hub.
HAND_IN = b"hand in"  # bytes follow
DONE = b"done"
FAILED = b"failed"
SECONDS_OF_SILENCE = 12  # a host that is silent for so long is taken for dead
PROGRAM = "fedjax-shap"
WELCOME = "welcome"


def open_hub(address: tuple[str, int], count: int, deadline: float) -> tuple[Connection, Thread]:
    """Admits processes 1..count - 1, then relays in a thread until all are done.

    Args:
        address: host and port to listen at: on this host only where it is a loopback address, else
            on all interfaces.
        count: how many processes there are, this one included.
        deadline: when to give up, in `time.monotonic()` seconds.

    Returns:
        Process 0's own line to the hub, and the thread, which ends when all processes are gone or
        this one failed.

    Raises:
        InvalidInputError: it cannot listen there.
        TimeoutError: not all came.
    """
    mine, its = Pipe()
    peers = {0: its}
    with _listener(*address) as listener:
        while missing := set(range(count)) - set(peers):
            listener.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                caller, _ = listener.accept()
            except TimeoutError as error:
                absent = ", ".join(map(str, sorted(missing)))
                raise TimeoutError(
                    f"Process {absent} (of 0..{count - 1}) did not join in time."
                ) from error
            with caller:
                rank = _admit(caller, count, missing)
                if rank is not None:
                    peers[rank] = _line_over(caller)
    relay = Thread(target=_relay, args=(peers,), name="hub", daemon=True)
    relay.start()
    return mine, relay


def knock(address: tuple[str, int], rank: int, count: int, deadline: float) -> Connection:
    """Joins the hub at `address` as process `rank` of `count`, as soon as it is there.

    Raises:
        InvalidInputError: the host is unknown, or the hub refuses this process.
        TimeoutError: there was no hub until `deadline`.
    """
    while time.monotonic() < deadline:
        answer = ""
        try:
            with socket.create_connection(address, timeout=5) as caller:
                # where nobody listens yet, a socket may connect to itself
                if caller.getsockname() != caller.getpeername():
                    caller.settimeout(max(deadline - time.monotonic(), 0.01))
                    caller.sendall(f"{_greeting()}: {rank} of {count}\n".encode())
                    answer = _read_line(caller)
                    if answer == WELCOME:
                        return _line_over(caller)
        except socket.gaierror as error:
            raise InvalidInputError(
                f"Expected coordinator={address[0]!r} to be a known host: {error}."
            ) from error
        except OSError:  # it is not there yet
            answer = ""
        if answer:
            raise InvalidInputError(answer)
        time.sleep(0.2)
    raise TimeoutError(f"Process 0 was not found at {address[0]}:{address[1]} in time.")


def _listener(host: str, port: int) -> socket.socket:
    """A listening socket: on this host only for a loopback address, else on all interfaces."""
    try:
        if host == "::1":
            return socket.create_server((host, port), family=socket.AF_INET6)
        if host == "localhost" or host.startswith("127."):
            return socket.create_server((host, port))
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise InvalidInputError(
            f"Expected coordinator={host}:{port} to be free for process 0: {error}."
        ) from error


def _admit(caller: socket.socket, count: int, missing: set[int]) -> int | None:
    """The rank of a caller that fits; otherwise None.

    A process that does not fit learns why; a stranger gets no answer.
    """
    caller.settimeout(5)
    with suppress(OSError):
        greeting = _read_line(caller)
        match = re.fullmatch(re.escape(_greeting()) + r": (\d+) of (\d+)", greeting)
        if match is not None and int(match[1]) in missing and int(match[2]) == count:
            caller.sendall(f"{WELCOME}\n".encode())
            return int(match[1])
        if greeting.startswith(PROGRAM):
            awaited = " or ".join(map(str, sorted(missing)))
            expected = f"{_greeting()}: {awaited} of {count}"
            caller.sendall(f"Expected {expected}, got {greeting}.\n".encode())
    return None


def _greeting() -> str:
    """What a process says first; only those of one version work together."""
    return f"{PROGRAM} {version()}"


def _read_line(caller: socket.socket) -> str:
    """The line that a caller sends, read byte by byte: what comes after it is not for us."""
    line = b""
    while len(line) < 300 and (byte := caller.recv(1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace")


def _line_over(caller: socket.socket) -> Connection:
    """A line over a socket on which the kernel notices a host that died silently."""
    caller.settimeout(None)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    third = SECONDS_OF_SILENCE // 3
    options = {
        "KEEPIDLE": third,
        "KEEPINTVL": third,
        "KEEPCNT": 2,
        "USER_TIMEOUT": 1000 * SECONDS_OF_SILENCE,
    }
    for name, value in options.items():
        if hasattr(socket, f"TCP_{name}"):  # not every system has all of them
            caller.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"), value)
    return Connection(caller.detach())


def _relay(peers: dict[int, Connection]) -> None:
    """Answers each round of hand-ins once it is complete, or names the processes that are lost.

    Ends when no process is left, or process 0 failed.
    """
    everyone = set(peers)
    handed_in: dict[int, bytes] = {}
    lost: set[int] = set()
    announced = False
    try:
        while peers and 0 not in lost:
            # hear every process that has something to say
            ready = wait(list(peers.values()))
            for rank in [rank for rank, line in peers.items() if line in ready]:
                kind, content = _receive(peers[rank])
                if kind == HAND_IN:
                    handed_in[rank] = content
                    continue
                peers.pop(rank).close()
                if kind != DONE:
                    lost.add(rank)
            # a process that is done hands in nothing more, so the round can never be complete
            if handed_in and not lost:
                lost = everyone - set(peers)
            # answer once: the lost processes, or the whole round
            if lost and not announced:
                announced = True
                _send(peers, ", ".join(map(str, sorted(lost))).encode())
            elif not announced and len(handed_in) == len(everyone):
                _send(peers, b"", *(handed_in[rank] for rank in sorted(handed_in)))
                handed_in.clear()
    finally:
        for line in peers.values():
            line.close()


def _receive(line: Connection) -> tuple[bytes, bytes]:
    """(what a process says, the bytes that it hands in); a broken line says FAILED."""
    try:
        kind = line.recv_bytes()
        if kind == HAND_IN:
            return kind, line.recv_bytes()
        return kind, b""
    except (EOFError, OSError):
        return FAILED, b""


def _send(peers: dict[int, Connection], *messages: bytes) -> None:
    """Sends messages to all; a line that breaks meanwhile is noticed at the next `wait`."""
    for line in peers.values():
        with suppress(OSError):
            for message in messages:
                line.send_bytes(message)
