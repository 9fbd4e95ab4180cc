"""What do several processes send through the hub, and how many of their rounds does it relay?

So many processes on this machine join over loopback and do what the engine does when it values a
batch of coalitions together: each says what it knows, then hands in the coalitions that it valued
and their utilities, and reads what all others valued (`engine/distribute.py`). Nothing is trained,
so that the clock has the traffic alone; what each process reads is compared with what was handed
in. Each row is of one number of processes and of coalitions in a batch.

    python -m benchmarks.hub_traffic --json hub_traffic.json

Bytes are those on the hub's lines, by its own messages (a hand-in from each process, all hand-ins
to each); loopback has no wire, so the seconds are those of copying, packing and waking up. With
more processes than cores they also wait for one another. One minute on two cores.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.harness import ROOT, Record, add_counts, at_least, parser_of, present, table
from fedjax_shap._validate import require
from fedjax_shap.engine import processes
from fedjax_shap.engine.distribute import exchange_known, exchange_valued
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.typing import Masks

PROCESSES = (2, 4, 8)
BATCHES = (64, 1024, 16384)
COUNTS = {
    "players": (20, "n, bits of a coalition"),
    "rounds": (20, "batches of each size, after one that warms up"),
}
QUICK = {"processes": (2,), "batches": (64,), "rounds": 2}
COLUMNS = (
    "processes",
    "coalitions a batch",
    "us a batch",
    "coalitions/s",
    "bytes a coalition",
    "MB/s",
)


def measure(options: argparse.Namespace, count: int, batch: int) -> Record:
    """One row: `count` processes exchange batches of `batch` coalitions."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    settings = [address, count, batch, options.players, options.rounds]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hub_traffic", "--peer", *map(str, [rank, *settings])],
            cwd=ROOT,
            env=environment,
        )
        for rank in range(1, count)
    ]
    try:
        seconds, sent = peer(0, address, count, batch, options.players, options.rounds)
    finally:
        for one in others:
            one.wait()
    require(
        not any(one.returncode for one in others), "Expected all processes to exchange and to leave."
    )
    # a hand-in goes to the hub once and from there to every process, the sender among them
    through = sum(sent) * (1 + count)
    each = statistics.median(seconds)
    return {
        "processes": count,
        "batch": batch,
        "seconds_a_round": each,
        "runs": seconds,
        "messages_a_round": 2 * (2 * count + count * (1 + count)),
        "bytes_a_round": through,
        "bytes_a_coalition": through / batch,
        "coalitions_per_second": batch / each,
    }


def peer(
    rank: int, address: str, count: int, batch: int, players: int, rounds: int
) -> tuple[list[float], list[int]]:
    """One process: exchanges batches, checks them, and says how long each round took.

    Returns:
        Seconds of each round after the first, and the bytes that each process hands in in one.
    """
    taken = []
    sent: list[int] = []
    with processes.together(address, count, rank):
        for round_ in range(rounds + 1):
            masks = _masks(round_, batch, players)
            store = UtilityStore()
            mine = masks[rank::count]
            store.remember(mine, _utilities(mine))
            processes.exchange(b"")  # all begin at once
            began = time.perf_counter()
            exchange_known(store, masks[:0])
            exchange_valued(store, mine)
            taken.append(time.perf_counter() - began)
            require(
                bool((store.read(masks) == _utilities(masks)).all()),
                "Expected each process to read what the others handed in.",
            )
        for one in range(count):
            sent.append(_bytes_of(_masks(0, batch, players)[one::count]))
    return taken[1:], sent


def _masks(round_: int, batch: int, players: int) -> Masks:
    """bool[batch, players]: distinct coalitions, other ones in each round."""
    numbers = np.arange(batch) + round_ * batch
    return (numbers[:, None] >> np.arange(players) & 1).astype(bool)


def _utilities(masks: Masks) -> np.ndarray:
    return (masks @ np.sqrt(np.arange(1.0, masks.shape[1] + 1))).astype(float)


def _bytes_of(masks: Masks) -> int:
    """What a process hands in for its coalitions, packed as `exchange_arrays` packs it."""
    handed_in: list[int] = []
    known = {"known": np.zeros(0, bool)}
    for arrays in (known, {"masks": masks, "utilities": _utilities(masks)}):
        handed_in.append(len(processes.packed(arrays)))
    return sum(handed_in)


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    title = f"What goes through the hub, n = {record['players']}, loopback"
    shown = table(title, COLUMNS, left=())
    for row in record["rows"]:
        shown.add_row(
            str(row["processes"]),
            f"{row['batch']:,}",
            f"{1e6 * row['seconds_a_round']:,.0f}",
            f"{row['coalitions_per_second']:,.0f}",
            f"{row['bytes_a_coalition']:.1f}",
            f"{row['bytes_a_round'] / row['seconds_a_round'] / 1e6:,.0f}",
        )
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--peer"]:
        rank, address, *rest = given[1:]
        count, batch, players, rounds = map(int, rest)
        peer(int(rank), address, count, batch, players, rounds)
        return 0
    return present(_parser(), given, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    if options.quick:
        vars(options).update(QUICK)
    at_least(vars(options), players=1, rounds=1)
    for count in options.processes:
        at_least({"processes": count}, processes=2)
    for batch in options.batches:
        at_least({"batches": batch}, batches=1)
    largest = max(options.batches) * (options.rounds + 1)
    require(
        largest <= 2**options.players,
        f"Expected players={options.players} to have {largest:,} distinct coalitions.",
    )
    rows: list[dict[str, Any]] = [
        measure(options, count, batch) for count in options.processes for batch in options.batches
    ]
    return {"players": options.players, "rounds": options.rounds, "rows": rows}


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.hub_traffic", __doc__)
    add = parser.add_argument
    together = "numbers of processes (default: %(default)s)"
    add("--processes", nargs="+", type=int, default=PROCESSES, help=together)
    many = "coalitions in a batch (default: %(default)s)"
    add("--batches", nargs="+", type=int, default=BATCHES, help=many)
    add_counts(parser, COUNTS)
    quick = "sizes at which it takes seconds and says nothing of speed"
    add("--quick", action="store_true", help=quick)
    return parser


if __name__ == "__main__":
    sys.exit(main())
