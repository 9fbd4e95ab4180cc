"""What does a game of many coalitions cost beside its training: the hub, the store, the reducer?

Hub: so many processes on this machine join over loopback and do what the engine does when it values
a batch of coalitions together, with nothing to train: each says what it knows, process 0 hands out
the plan, and each hands in the coalitions that it valued and reads what all others valued
(`engine/distribute.py`). What each reads is compared with what was handed in. Bytes are counted as
they are handed in and read. Loopback has no wire, so the seconds are those of packing, copying and
waking up; processes beyond the number of cores also wait for one another.

Store: utilities are added chunk by chunk, written to disk, and read by a second store. Reducer: the
exact Shapley values of 2^n utilities.

    python -m benchmarks.overheads --json overheads.json

Two minutes on two cores.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from benchmarks.harness import ROOT, Record, add_counts, at_least, parser_of, present, table
from fedjax_shap._validate import require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine import processes
from fedjax_shap.engine.distribute import agreed_plan, exchange_known, exchange_valued
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Masks, Utilities

PROCESSES = (2, 4, 8)
BATCHES = (64, 1024, 16384)
REDUCED = (10, 16, 20)
NAME = b"0" * 32  # as long as a fingerprint
COUNTS = {
    "players": (20, "n, bits of a coalition"),
    "rounds": (10, "batches of each size, after one that warms up"),
    "stored": (2**17, "coalitions that the store takes"),
    "chunk": (4096, "of them at once"),
}
QUICK = {"processes": (2,), "batches": (64,), "rounds": 2, "stored": 128, "reduced": (4,)}
HUB = ("processes", "coalitions a batch", "us a batch", "coalitions/s", "bytes a coalition", "MB/s")


class Traffic(NamedTuple):
    """What one process measured of batches of one size.

    Attributes:
        seconds: of each batch after the first.
        messages: it sent and received in a batch.
        sent: bytes that it handed in in a batch.
        received: bytes that it read in a batch.
    """

    seconds: list[float]
    messages: int
    sent: int
    received: int


# ------------------------------------------------------------------ the hub


def through_hub(options: argparse.Namespace, count: int) -> list[Record]:
    """A row for each size of a batch: `count` processes exchange."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    settings = [address, count, options.players, options.rounds, *options.batches]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.overheads", "--peer", *map(str, [rank, *settings])],
            cwd=ROOT,
            env=environment,
        )
        for rank in range(1, count)
    ]
    try:
        measured = peer(0, address, count, options.players, options.rounds, options.batches)
    finally:
        codes = [one.wait() for one in others]
    require(not any(codes), "Expected all processes to exchange and to leave.")
    return [_row(count, *each) for each in zip(options.batches, measured, strict=True)]


def _row(count: int, batch: int, mine: Traffic) -> Record:
    """A batch as the hub sees it; what process 0 reads is what all handed in."""
    each = statistics.median(mine.seconds)
    handed_in = mine.received
    return {
        "processes": count,
        "batch": batch,
        "seconds": each,
        "runs": mine.seconds,
        "messages": mine.messages * count,
        # process 0's own line is inside its host; the others' cross the network
        "bytes_in": handed_in - mine.sent,
        "bytes_out": handed_in * (count - 1),
        "bytes_a_coalition": (handed_in * count - mine.sent) / batch,
        "coalitions_per_second": batch / each,
    }


def peer(
    rank: int, address: str, count: int, players: int, rounds: int, batches: Sequence[int]
) -> list[Traffic]:
    """One process: exchanges batches of each size, and checks what it reads."""
    with processes.together(address, count, rank):
        return [_exchanged(rank, count, players, rounds, batch) for batch in batches]


def _exchanged(rank: int, count: int, players: int, rounds: int, batch: int) -> Traffic:
    """Batches of one size."""
    plain = processes.exchange
    sent: list[int] = []
    received: list[int] = []

    def counted(mine: bytes) -> list[bytes]:
        answers = plain(mine)
        sent.append(len(mine))
        received.extend(map(len, answers))
        return answers

    taken = []
    processes.exchange = counted
    try:
        for round_ in range(rounds + 1):
            masks = _masks(round_, batch, players)
            store = UtilityStore()
            mine = masks[rank::count]
            store.remember(mine, _utilities(mine))
            plain(b"")  # all begin at once
            sent.clear()
            received.clear()
            began = time.perf_counter()
            _as_evaluate_does(store, masks, mine)
            taken.append(time.perf_counter() - began)
            require(
                bool((store.read(masks) == _utilities(masks)).all()),
                "Expected each process to read what the others handed in.",
            )
    finally:
        processes.exchange = plain
    # a hand-in is two messages, an answer one and one for each process
    messages = len(sent) * 3 + len(received)
    return Traffic(taken[1:], messages, sum(sent), sum(received))


def _as_evaluate_does(store: UtilityStore, masks: Masks, mine: Masks) -> None:
    """The exchanges of one call of `engine.evaluate.evaluate`."""
    processes.exchange(NAME)
    exchange_known(UtilityStore(), masks)
    agreed_plan(Plan(), lambda plan: Plan(chunk=len(masks), buckets=1))
    exchange_valued(store, mine)
    exchange_valued(UtilityStore(), mine)  # those that are not finite


def _masks(round_: int, batch: int, players: int) -> Masks:
    """bool[batch, players]: distinct coalitions, other ones in each round."""
    numbers = np.arange(batch) + round_ * batch
    return (numbers[:, None] >> np.arange(players) & 1).astype(bool)


def _utilities(masks: Masks) -> Utilities:
    return masks @ np.sqrt(np.arange(1.0, masks.shape[1] + 1))


# ------------------------------------------------------------------ the store and the reducer


def stored(options: argparse.Namespace) -> Record:
    """Coalitions a second that the store takes, writes, and reads from disk."""
    masks = _masks(0, options.stored, options.players)
    utilities = _utilities(masks)
    with tempfile.TemporaryDirectory() as folder:
        store = UtilityStore(folder, fingerprint=NAME.decode())
        began = time.perf_counter()
        for start in range(0, len(masks), options.chunk):
            rows = slice(start, start + options.chunk)
            store.add(masks[rows], utilities[rows])
        added = time.perf_counter()
        store.flush()
        written = time.perf_counter()
        again = UtilityStore(folder, fingerprint=NAME.decode())
        read = time.perf_counter()
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        require(
            bool((again.read(masks) == utilities).all()),
            "Expected the store to read what it wrote.",
        )
    return {
        "coalitions": len(masks),
        "added_per_second": len(masks) / (added - began),
        "written_per_second": len(masks) / (written - added),
        "read_per_second": len(masks) / (read - written),
        "bytes_a_coalition": size / len(masks),
    }


def reduced(num_players: int) -> Record:
    """Seconds of the exact values of 2^n utilities, and of the list of the coalitions."""
    began = time.perf_counter()
    masks = all_subsets(num_players)
    listed = time.perf_counter()
    worth: HostArray = masks.sum(axis=1) ** 2.0
    start = time.perf_counter()
    values = shapley_values(worth)
    taken = time.perf_counter() - start
    require(
        bool(np.allclose(values, num_players)), "Expected equal players of n^2 to be worth n each."
    )
    return {"n": num_players, "seconds": taken, "seconds_of_the_list": listed - began}


def show(record: Record, console: Console) -> None:
    """The tables on the terminal."""
    shown = table(f"What goes through the hub, n = {record['players']}, loopback", HUB, left=())
    for row in record["hub"]:
        shown.add_row(
            str(row["processes"]),
            f"{row['batch']:,}",
            f"{1e6 * row['seconds']:,.0f}",
            f"{row['coalitions_per_second']:,.0f}",
            f"{row['bytes_a_coalition']:.1f}",
            f"{(row['bytes_in'] + row['bytes_out']) / row['seconds'] / 1e6:,.0f}",
        )
    console.print(shown)
    kept = record["store"]
    console.print(
        f"Store: {kept['added_per_second']:,.0f} coalitions a second taken in, "
        f"{kept['written_per_second']:,.0f} written, {kept['read_per_second']:,.0f} read, "
        f"{kept['bytes_a_coalition']:.0f} bytes each.",
        highlight=False,
    )
    for row in record["reducer"]:
        console.print(
            f"Values of 2^{row['n']} utilities: {row['seconds']:.3g} s, and "
            f"{row['seconds_of_the_list']:.3g} s to list the coalitions.",
            highlight=False,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    given = list(arguments if arguments is not None else sys.argv[1:])
    if given[:1] == ["--peer"]:
        rank, address, count, players, rounds, *batches = given[1:]
        peer(int(rank), address, int(count), int(players), int(rounds), list(map(int, batches)))
        return 0
    return present(_parser(), given, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    if options.quick:
        vars(options).update(QUICK)
    at_least(vars(options), players=1, rounds=1, stored=1, chunk=1)
    for name, lowest in (("processes", 2), ("batches", 1), ("reduced", 1)):
        for each in getattr(options, name):
            at_least({name: each}, **{name: lowest})
    most = max(max(options.batches) * (options.rounds + 1), options.stored)
    require(
        most <= 2**options.players,
        f"Expected players={options.players} to have {most:,} distinct coalitions.",
    )
    rows: list[dict[str, Any]] = []
    for count in options.processes:
        rows += through_hub(options, count)
    return {
        "players": options.players,
        "rounds": options.rounds,
        "hub": rows,
        "store": stored(options),
        "reducer": [reduced(count) for count in options.reduced],
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.overheads", __doc__)
    add = parser.add_argument
    together = "numbers of processes (default: %(default)s)"
    add("--processes", nargs="+", type=int, default=PROCESSES, help=together)
    many = "coalitions in a batch (default: %(default)s)"
    add("--batches", nargs="+", type=int, default=BATCHES, help=many)
    players = "numbers of players whose utilities are reduced (default: %(default)s)"
    add("--reduced", nargs="+", type=int, default=REDUCED, help=players)
    add_counts(parser, COUNTS)
    quick = "sizes at which it takes seconds and says nothing of speed"
    add("--quick", action="store_true", help=quick)
    return parser


if __name__ == "__main__":
    sys.exit(main())
