"""How many seconds does an epoch of encrypted training take, by rows and columns, and for what?

A host and a label holder train a logistic model with a coordinator: Paillier, keys of 2,048 bits,
one step an epoch over all rows. The encrypted model is first compared with that of the plain
protocol. Seconds are those in which a party computes, on one core, added up over the parties; no
network is simulated. A first epoch, in which parties read the key, is left out.

    python -m benchmarks.encrypted_training --json encrypted_training.json
    python -m benchmarks.encrypted_training --quick

What is spent on encryption is made of ciphertexts (two a row, one by each party), products of an
encrypted residual and a feature, and the decryption of one number a column.

Beside them stand FATE's published minutes for its coordinated logistic regression (its repository,
the table of times beside version 2.0: 100,000 rows, 30 columns at the guest and 300 at the host,
16 cores; the length of keys is not named). Seconds here grow with the rows: they are to be divided
by the rows, and FATE's multiplied by its cores, before they are compared.

Measured (2-core Intel Xeon with others on the cores, 2026-11-28, commit and all numbers in
benchmarks/results/encrypted_training_cpu.json; 3 minutes): 5.7 seconds an epoch of 1,000 rows and
30 + 20 columns, 30.2 of 30 + 300 columns, 99 % of it encryption; FATE's are 26 and 22 ms a row.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from benchmarks.harness import Record, add_counts, at_least, on_device, parser_of, present, table
from fedjax_shap._validate import require
from fedjax_shap.privacy.paillier import PrivateKey, generate
from fedjax_shap.protocols.coordinated import Coordinated, coordinated
from fedjax_shap.protocols.coordinated_steps import Steps

COUNTS = {
    "label_holder": (30, "columns of the label holder"),
    "epochs": (2, "epochs, of which the first is not counted and the others are averaged"),
    "key_bits": (2048, "bits of the key"),
    "key": (0, "seeds the rows"),
}
# Where there is a GPU, of which nothing here makes use, without the size that takes minutes.
ROWS = {"cpu": (250, 1000), "elsewhere": (250,)}
QUICK = {"rows": [20], "hosts": [3], "label_holder": 2, "epochs": 2, "key_bits": 512}
# (version, minutes an epoch, rows, columns of the guest, columns of the host, cores)
PUBLISHED = (
    ("FATE 1.11.4", 2 + 41 / 60, 100_000, 30, 300, 16),
    ("FATE 2.0", 2 + 16 / 60, 100_000, 30, 300, 16),
)
STEPS: Steps = {"optimizer": "sgd", "learning_rate": 0.1}
TOLERANCE = 1e-7  # of weights, between the encrypted and the plain protocol


def measure(options: argparse.Namespace) -> list[Record]:
    """A row for each number of rows and of the host's columns."""
    _, private = generate(options.key_bits, allow_short_keys=options.quick)
    rows = []
    for columns in options.hosts:
        for count in options.rows:
            rows.append(_row(options, private, count, columns))
            print(f"{count:,} rows, {columns} columns: done", file=sys.stderr, flush=True)
    return rows


def _row(options: argparse.Namespace, private: PrivateKey, count: int, columns: int) -> Record:
    """Seconds of an epoch: of all epochs without those of one, by as many epochs."""
    one = _trained(options, private, count, columns, 1)
    several = _trained(options, private, count, columns, options.epochs)
    more = options.epochs - 1
    parties = several.seconds
    seconds = {name: (parties[name] - one.seconds[name]) / more for name in parties}
    work = {
        name: {
            kind: (getattr(several.work[name], kind) - getattr(one.work[name], kind)) / more
            for kind in ("encryptions", "products", "decryptions", "seconds")
        }
        for name in parties
    }
    whole = sum(seconds.values())
    traffic = {name: (several.traffic[name] - one.traffic[name]) // more for name in parties}
    return {
        "rows": count,
        "label_holder_columns": options.label_holder,
        "host_columns": columns,
        "seconds_by_party": seconds,
        "seconds": whole,
        "encryption_share": several.encryption_share,
        "work": work,
        "bytes": traffic,
    }


def _trained(
    options: argparse.Namespace, private: PrivateKey, count: int, columns: int, epochs: int
) -> Coordinated:
    """An encrypted training whose model is that of the plain protocol."""
    random = np.random.default_rng(options.key)
    blocks = [random.normal(size=(count, width)) for width in (columns, options.label_holder)]
    y = np.arange(count) % 2
    secret = coordinated(
        blocks, y, epochs=epochs, private=private, allow_short_keys=options.quick, **STEPS
    )
    plain = coordinated(blocks, y, epochs=epochs, encryption="none", **STEPS)
    gap = max(
        float(np.abs(secret.weights[name] - plain.weights[name]).max()) for name in plain.weights
    )
    require(gap < TOLERANCE, f"Expected both protocols to give one model, they differ by {gap:g}.")
    return secret


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    title = f"An epoch of encrypted training, keys of {record['key_bits']:,} bits, measured"
    columns = (
        "what",
        "rows",
        "columns",
        "core seconds",
        "ms a row",
        "encryption",
        "host, MB",
    )
    shown = table(title, columns)
    for row in record["rows"]:
        shown.add_row(
            "measured",
            f"{row['rows']:,}",
            f"{row['label_holder_columns']} + {row['host_columns']}",
            f"{row['seconds']:.2f}",
            f"{1000 * row['seconds'] / row['rows']:.2f}",
            f"{row['encryption_share']:.0%}",
            f"{row['bytes']['host 1'] / 1e6:.2f}",
        )
    for row in record["published"]:
        seconds = 60 * row["minutes"] * row["cores"]
        shown.add_row(
            f"{row['version']}, published",
            f"{row['rows']:,}",
            f"{row['label_holder_columns']} + {row['host_columns']}",
            f"{seconds:.0f}",
            f"{1000 * seconds / row['rows']:.2f}",
            "",
            "",
        )
    console.print(shown)
    console.print("Published: minutes an epoch times 16 cores; the length of keys is not named.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    if options.quick:
        vars(options).update(QUICK)
    if options.rows is None:
        options.rows = on_device(ROWS)
    at_least(vars(options), label_holder=0, epochs=2, key_bits=2, key=0)
    for name in ("rows", "hosts"):
        for count in getattr(options, name):
            at_least({name: count}, **{name: 2 if name == "rows" else 1})
    names = ("version", "minutes", "rows", "label_holder_columns", "host_columns", "cores")
    return {
        "label_holder": options.label_holder,
        "epochs": options.epochs,
        "key_bits": options.key_bits,
        "rows": measure(options),
        "published": [dict(zip(names, row, strict=True)) for row in PUBLISHED],
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.encrypted_training", __doc__)
    add_counts(parser, COUNTS)
    add = parser.add_argument
    rows = "rows of a federation (default: 250 1000)"
    add("--rows", nargs="+", type=int, help=rows)
    hosts = "columns of the host"
    add("--hosts", nargs="+", type=int, metavar="COLUMNS", default=[20, 300], help=hosts)
    quick = "sizes and a key at which it takes seconds and says nothing of speed"
    add("--quick", action="store_true", help=quick)
    return parser


if __name__ == "__main__":
    sys.exit(main())
