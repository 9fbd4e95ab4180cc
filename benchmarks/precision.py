"""What do TF32 or bfloat16 products change about members' values, and how much faster are they?

One game of `benchmarks.games` is valued exactly in float32, and again with models that compute in
fewer bits; their parameters stay float32. The values are compared: Spearman's rank correlation and
the largest difference, beside the largest value. On CPUs "tf32" is float32: only GPUs have it.

    python -m benchmarks.precision --json precision.json
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_args

import jax
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.games import Case, add_plan, plan_of
from benchmarks.harness import present, timed
from fedjax_shap._validate import integer
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.learning.precision import Precision
from fedjax_shap.shapley.exact import shapley_values


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Values and seconds at each precision."""
    case = Case(
        **{
            field.name: getattr(options, field.name)
            for field in fields(Case)
            if hasattr(options, field.name)
        }
    )
    data, key, rows = case.data(options.data), jax.random.key(0), []
    for precision in get_args(Precision):
        game = case.game(data, key, precision=precision)
        utilities, seconds = timed(
            lambda game=game: evaluate(game, key, case.masks(), plan_of(options)),
            repeats=options.repeats,
        )
        values = shapley_values(utilities)
        full = rows[0]["values"] if rows else values
        rows.append(
            {
                "precision": precision,
                "spearman": float(spearmanr(values, full).statistic),
                "max_difference": float(np.abs(values - full).max()),
                "seconds": seconds,
                "values": np.asarray(values).tolist(),
            }
        )
    return {
        "n": case.n,
        "data_name": case.data_name,
        "model": case.model,
        "hidden": case.hidden,
        "rows": rows,
    }


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal."""
    largest = max(map(abs, record["rows"][0]["values"]))
    table = Table(title=f"Values in fewer bits; the largest is {largest:.3f}", title_justify="left")
    for column in ("precision", "Spearman", "largest difference", "seconds"):
        table.add_column(column, justify="left" if column == "precision" else "right")
    for row in record["rows"]:
        seconds = f"{row['seconds']['warm']:.2f}"
        table.add_row(
            row["precision"], f"{row['spearman']:.3f}", f"{row['max_difference']:.1e}", seconds
        )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    integer("repeats", options.repeats, least=0)
    return measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--data", help="the folder of data sets (default: the variable FEDJAX_SHAP_DATA)")
    add(
        "--data-name",
        choices=("digits", "mnist"),
        default="digits",
        help="whose images (default: %(default)s)",
    )
    add(
        "--model",
        choices=("mlp", "cnn"),
        default="mlp",
        help="one hidden layer, or LeNet5 (default: %(default)s)",
    )
    for name, told in (
        ("hidden", "width of the hidden layer"),
        ("n", "clients"),
        ("rounds", "rounds"),
        ("steps", "steps"),
    ):
        add(
            f"--{name}",
            type=int,
            default=getattr(Case(), name),
            help=f"{told} (default: %(default)s)",
        )
    add_plan(add)
    add("--repeats", type=int, default=3, help="timed calls once compiled (default: %(default)s)")
    add("--json", help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
