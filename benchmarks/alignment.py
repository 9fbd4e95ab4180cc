"""How many ids a second do parties align, by ids a side and by the number of parties?

Every party has as many ids, texts such as "client 00012345", of which all parties have half. The
rows are first compared with those of a table of all ids. Seconds are those in which a party
computes, on one core; no network is simulated: parties on machines of their own wait for one
another three times, and take about the sum of two parties' seconds at most.

    python -m benchmarks.alignment --json alignment.json
    python -m benchmarks.alignment --quick

Measured (2-core Intel Xeon with others on the cores, 2026-11-28, commit and all numbers in
benchmarks/results/alignment_cpu.json; 4 minutes): two parties of 100,000 ids compute 34 s each and
move 44 bytes an id; of three, none computes more than 53 s.

Beside them stands FATE's own table (100 million ids, 16 cores; 92 minutes in version 1.11.4, 51 in
2.0), whose machines and number of sides are not said more precisely: it is to be read by order of
magnitude.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console

from benchmarks.harness import Record, add_counts, at_least, on_device, parser_of, present, table
from fedjax_shap._validate import require
from fedjax_shap.privacy.curve import hash_to_curve
from fedjax_shap.privacy.psi import secret_scalar
from fedjax_shap.protocols.align import Alignment, align

COUNTS = {
    "repeats": (3, "times that each alignment is made; sides of more than 20,000 ids once"),
    "key": (0, "seeds the ids and their order"),
}
# Where there is a GPU, of which nothing here makes use, without the size that takes minutes.
SIZES = {"cpu": (1_000, 10_000, 100_000), "elsewhere": (1_000, 10_000)}
PARTIES = (2, 3)
LARGE = 20_000
SAMPLE = 2_000  # ids whose steps are timed one by one
QUICK = {"repeats": 1, "sizes": [50], "parties": [2, 3]}
# (version of FATE, ids, cores, minutes)
PUBLISHED = (("1.11.4", 100_000_000, 16, 92.0), ("2.0", 100_000_000, 16, 51.0))


def measure(options: argparse.Namespace) -> list[Record]:
    """A row for each number of parties and size."""
    rows = []
    for count in options.parties:
        for size in options.sizes:
            ids = drawn(size, count, options.key)
            repeats = 1
            if size <= LARGE:
                repeats = options.repeats
            done = [_checked(ids) for _ in range(repeats)]
            rows.append(_row(done, size))
            print(f"{count} parties, {size:,} ids: done", file=sys.stderr, flush=True)
    return rows


def drawn(size: int, count: int, key: int) -> list[np.ndarray]:
    """Ids of `count` parties, of which all have the first half, each in an order of its own."""
    rng = np.random.default_rng(key)
    numbers = np.arange(size // 2 + count * (size - size // 2))
    names = np.array([f"client {number:08d}" for number in numbers])
    common = names[: size // 2]
    own = names[size // 2 :].reshape(count, -1)
    return [rng.permutation(np.concatenate([common, one])) for one in own]


def _checked(ids: Sequence[np.ndarray]) -> Alignment:
    """An alignment whose rows are those of the ids that all have, in their order."""
    done = align(ids)
    expected = sorted(set.intersection(*(set(own.tolist()) for own in ids)))
    require(
        all(own[rows].tolist() == expected for own, rows in zip(ids, done.rows, strict=True)),
        "Expected the aligned rows to be those of the common ids.",
    )
    return done


def _row(done: Sequence[Alignment], size: int) -> Record:
    """Medians over repetitions of the leader's seconds and of the slowest other party's."""
    first = done[0]
    leaders = [one.seconds[one.leader] for one in done]
    others = [
        max(seconds for name, seconds in one.seconds.items() if name != one.leader) for one in done
    ]
    slowest = max(float(np.median(leaders)), float(np.median(others)))
    sent = sum(part.num_bytes for part in first.transcript)
    return {
        "parties": len(first.names),
        "ids": size,
        "common": first.num_common,
        "leader_seconds": float(np.median(leaders)),
        "other_seconds": float(np.median(others)),
        "runs": [sum(one.seconds.values()) for one in done],
        "ids_per_second": size / slowest,
        "bytes_per_id": sent / (size * len(first.names)),
        "messages": first.transcript.to_json(),
    }


def steps() -> dict[str, float]:
    """Microseconds an id of the two steps that take the most."""
    ids = [b"client %08d" % number for number in range(SAMPLE)]
    scalar = secret_scalar(os.urandom)
    points = hash_to_curve(ids)
    return {
        "hash_to_curve": _microseconds(lambda: hash_to_curve(ids)),
        "multiply": _microseconds(lambda: scalar.multiply(points)),
    }


def _microseconds(step: Callable[[], object]) -> float:
    """The median of five runs, an id."""
    runs = []
    for _ in range(5):
        began = time.perf_counter()
        step()
        runs.append(time.perf_counter() - began)
    return float(np.median(runs)) / SAMPLE * 1e6


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    columns = ("parties", "ids a side", "leader, s", "another, s", "ids/s a party", "bytes an id")
    shown = table("Alignment by private set intersection, measured", columns, left=())
    for row in record["rows"]:
        shown.add_row(
            str(row["parties"]),
            f"{row['ids']:,}",
            f"{row['leader_seconds']:.2f}",
            f"{row['other_seconds']:.2f}",
            f"{row['ids_per_second']:,.0f}",
            f"{row['bytes_per_id']:.0f}",
        )
    console.print(shown)
    steps_of = record["microseconds"]
    console.print(
        f"An id's point takes {steps_of['hash_to_curve']:.0f} microseconds, a multiplication "
        f"{steps_of['multiply']:.0f}."
    )
    for row in record["published"]:
        console.print(
            f"Published: FATE {row['version']}, {row['ids']:,} ids in {row['minutes']:.0f} minutes "
            f"on {row['cores']} cores."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    if options.quick:
        vars(options).update(QUICK)
    if options.sizes is None:
        options.sizes = on_device(SIZES)
    at_least(vars(options), repeats=1, key=0)
    for size in options.sizes:
        at_least({"sizes": size}, sizes=2)
    for count in options.parties:
        at_least({"parties": count}, parties=2)
    names = ("version", "ids", "cores", "minutes")
    published = [dict(zip(names, row, strict=True)) for row in PUBLISHED]
    rows = measure(options)
    return {
        "repeats": options.repeats,
        "key": options.key,
        "rows": rows,
        "microseconds": steps(),
        "published": published,
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.alignment", __doc__)
    add_counts(parser, COUNTS)
    add = parser.add_argument
    add("--sizes", nargs="+", type=int, metavar="N", help="ids a side (default: 1000 10000 100000)")
    add("--parties", nargs="+", type=int, metavar="N", default=PARTIES, help="how many align")
    quick = "sizes at which it takes seconds and says nothing of speed"
    add("--quick", action="store_true", help=quick)
    return parser


if __name__ == "__main__":
    sys.exit(main())
