"""What do games of many players and long runs cost on one card, on eight, and on 64 hosts?

Nothing is trained here: the numbers follow from rates that were measured, by the arithmetic below.

- One card: an H200, measured on 2026-11-27 on commit 09cd5a5 with JAX 0.11.2 (digits MLP 64-200-10,
  and LeNet5 in batches of 64, float32). A local step of m models side by side is taken to cost
  a + b m seconds: for the MLP the line through the two measured games, for LeNet5 the one through
  the measured game with the same a.
- Two CPU cores: the records of `coalition_engine`, `mnist_exact` and of the experiment
  `flute_mnist`.
- The hub, the store and the reducer: the record of `overheads`. A batch is taken to cost
  a + b N + c N M seconds on the hub for N processes and M coalitions, fitted to its rows.

Several cards or hosts divide the chunks among them, so a game takes as long as the card with the
most chunks. None of the numbers for eight cards or 64 hosts was measured.

    python -m benchmarks.scale_on_paper --json benchmarks/results/scale_on_paper.json
    python -m benchmarks --pages

Seconds on any machine.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.harness import ROOT, Record, parser_of, present, table
from benchmarks.pages import RESULTS
from benchmarks.rates import LENET5, SMALL, Hub, Kind, hub_of
from fedjax_shap._validate import InvalidInputError

FLUTE = ROOT / "experiments" / "results" / "flute_mnist.json"
CARDS = (1, 8, 512)  # one, a host of eight, 64 hosts of eight
MACHINES = ("two cores", "one card", "eight cards", "64 hosts of eight")
HOSTS = (2, 4, 8, 16, 64)
NETWORK = 1.25e9  # bytes a second of a link of 10 Gbit/s
LONG = 10_000  # rounds of the run of a thousand phones


GAMES = ((SMALL, 12), (SMALL, 16), (SMALL, 20), (LENET5, 10), (LENET5, 16), (LENET5, 20))


# ------------------------------------------------------------------ tables


def games(cores: dict[str, float]) -> Record:
    """All coalitions of a cross-silo game.

    Args:
        cores: member-steps a second on two cores, by the name of a kind.
    """
    rows = [
        [f"{kind.name}, n = {n}", *_costs(kind, n, 2**n, cores[kind.name])] for kind, n in GAMES
    ]
    return {"columns": ["all coalitions of", "member-steps", *MACHINES], "rows": rows}


def sampled(cores: dict[str, float]) -> Record:
    """A budget of coalitions of LeNet5 and 20 clients, in one batch."""
    rows = [
        [f"{budget:,}", *_costs(LENET5, 20, budget, cores[LENET5.name])]
        for budget in (200, 2_000, 20_000)
    ]
    columns = ["coalitions of MNIST, LeNet5, n = 20", "member-steps", *MACHINES]
    return {"columns": columns, "rows": rows}


def _costs(kind: Kind, n: int, coalitions: int, rate: float) -> list[str]:
    """Member-steps, and the time on each of `MACHINES`."""
    steps = kind.member_steps(n, coalitions)
    cells = [f"{steps:.2g}", duration(steps / rate)]
    return cells + [duration(kind.seconds(n, coalitions, cards)) for cards in CARDS]


def phones(flute: Record) -> Record:
    """A run of a thousand phones, by the measured run of a hundred a round."""
    run = flute["runs"]["large"]
    rows = []
    ways = {"training alone": run["seconds_alone"]}
    ways |= {f"with values, {name}": way["seconds"] for name, way in run["ways"].items()}
    for name, seconds in ways.items():
        each = (seconds["first"] - seconds["compile"]) / run["rounds"]
        rows.append([name, f"{1e3 * each:,.0f} ms", duration(LONG * each)])
    columns = ["1,000 phones, 100 a round", "a round", f"{LONG:,} rounds"]
    return {"columns": columns, "rows": rows}


def traffic(hub: Hub, rows: Sequence[Record]) -> Record:
    """Batches on the hub: those measured, and by the fit for more processes."""
    known = {(row["processes"], row["batch"]): row for row in rows}
    batches = sorted({row["batch"] for row in rows})
    largest = rows[-1]
    handed_in = largest["bytes_a_coalition"] / (largest["processes"] - 1 / largest["processes"])
    lines = []
    for count in HOSTS:
        cells = []
        for batch in batches:
            row = known.get((count, batch))
            fitted = f"({milliseconds(hub.seconds(count, batch))})"
            cells.append(fitted if row is None else f"{milliseconds(row['seconds'])} {fitted}")
        # in from all but process 0, and out to all but process 0
        out = handed_in * (count - 1 / count)
        lines.append([str(count), *cells, f"{out:,.0f}", f"{duration(2**20 * out / NETWORK)}"])
    heads = [f"batch of {batch:,}" for batch in batches]
    columns = ["processes", *heads, "bytes a coalition", "2^20 coalitions at 10 Gbit/s"]
    return {"columns": columns, "rows": lines}


def limits(hub: Hub) -> Record:
    """Up to how many hosts of eight cards a batch is trained for longer than the hub takes."""
    rows = []
    for kind in (SMALL, LENET5):
        for batch in (64, 4096, 2**20):
            hosts = 1
            # hosts beyond a coalition a card would have nothing to train
            while 8 * hosts < batch and kind.seconds(20, batch, 16 * hosts) > hub.seconds(
                2 * hosts, batch
            ):
                hosts *= 2
            ends = "the hub"
            if 8 * hosts >= batch:
                ends = "a coalition a card"
            trained = [duration(kind.seconds(20, batch, 8 * many)) for many in (1, hosts)]
            cells = [
                trained[0],
                f"{hosts:,}",
                trained[1],
                duration(hub.seconds(hosts, batch)),
                ends,
            ]
            rows.append([f"{kind.name}, {batch:,}", *cells])
    heads = ["by one host", "hosts", "by all of them", "hub", "what ends it"]
    return {"columns": ["batch, n = 20", *heads], "rows": rows}


def beside(overheads: Record) -> Record:
    """What the store and the reducer take for all coalitions of 16 and 20 players."""
    kept = overheads["store"]
    reduced = {row["n"]: row for row in overheads["reducer"]}
    rows = []
    for n in (16, 20):
        count = 2**n
        writes = duration(count * (1 / kept["added_per_second"] + 1 / kept["written_per_second"]))
        cells = [writes, duration(count / kept["read_per_second"])]
        size = f"{count * kept['bytes_a_coalition'] / 1e6:,.1f} MB"
        rows.append([f"n = {n}", *cells, size, duration(reduced[n]["seconds"])])
    columns = ["all coalitions", "store: taken in, written", "read again", "on disk", "values"]
    return {"columns": columns, "rows": rows}


# ------------------------------------------------------------------ words


def duration(seconds: float) -> str:
    """Seconds, minutes, hours, days or years, to two or three digits."""
    for name, size in (("years", 365 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{_digits(seconds / size)} {name}"
    if seconds < 0.1:
        return milliseconds(seconds)
    return f"{_digits(seconds)} s"


def milliseconds(seconds: float) -> str:
    return f"{_digits(1e3 * seconds)} ms"


def _digits(number: float) -> str:
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.2g}"


# ------------------------------------------------------------------ the record


def measure(options: argparse.Namespace) -> Record:
    """The tables, and the rates from which they follow."""
    results = Path(options.results)
    engine = _record_of(results / "coalition_engine_cpu.json")
    exact = _record_of(results / "mnist_exact_cpu.json")
    overheads = _record_of(results / "overheads_cpu.json")
    flute = _record_of(Path(options.flute))
    cores = {
        SMALL.name: engine["member_steps"] / engine["seconds_engine"],
        LENET5.name: exact["member_steps_per_second"],
    }
    hub = hub_of(overheads["hub"])
    records = {"coalition_engine": engine, "mnist_exact": exact}
    records |= {"overheads": overheads, "flute_mnist": flute}
    return {
        "rates": {
            "seconds_of_a_step": {kind.name: kind.step._asdict() for kind in (SMALL, LENET5)},
            "two_cores": cores,
            "hub": hub._asdict(),
        },
        "from": {
            name: {part: record[part] for part in ("date", "commit", "processor")}
            for name, record in records.items()
        },
        "tables": {
            "games": games(cores),
            "sampled": sampled(cores),
            "phones": phones(flute),
            "hub": traffic(hub, overheads["hub"]),
            "limits": limits(hub),
            "beside": beside(overheads),
        },
    }


def _record_of(path: Path) -> Record:
    try:
        record: Record = json.loads(path.read_text())
    except OSError as error:
        raise InvalidInputError(f"Expected a record in {path.name}: {error.strerror}.") from None
    return record


def show(record: Record, console: Console) -> None:
    """The tables on the terminal."""
    for name, part in record["tables"].items():
        shown = table(name, part["columns"])
        for row in part["rows"]:
            shown.add_row(*row)
        console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Computes the tables; 0 for success, 2 for records that are missing."""
    return present(_parser(), arguments, measure, show)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.scale_on_paper", __doc__)
    add = parser.add_argument
    add("--results", default=str(RESULTS), help="the folder of the benchmarks' records")
    add("--flute", default=str(FLUTE), help="the record of the experiment flute_mnist")
    return parser


if __name__ == "__main__":
    sys.exit(main())
