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
from functools import partial
from typing import Any, get_args

import jax
import numpy as np
from rich.console import Console
from scipy.stats import spearmanr

from benchmarks.games import Case, add_models, add_plan, plan_of
from benchmarks.harness import DATA, Record, add_counts, parser_of, present, table
from benchmarks.timing import timed
from fedjax_shap._validate import integer
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.learning.precision import Precision
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray

COUNTS = {
    "hidden": (Case().hidden, "width of the hidden layer"),
    "n": (Case().n, "clients"),
    "rounds": (Case().rounds, "rounds"),
    "steps": (Case().steps, "steps"),
    "repeats": (3, "timed calls once compiled"),
}


def measure(options: argparse.Namespace) -> Record:
    """Values and seconds at each precision."""
    known = [field.name for field in fields(Case) if hasattr(options, field.name)]
    case = Case(**{name: getattr(options, name) for name in known})
    data = case.data(options.data)
    key = jax.random.key(0)
    rows: list[dict[str, Any]] = []
    full: HostArray = np.zeros(0)
    for precision in get_args(Precision):
        game = case.game(data, key, precision=precision)
        utilities, seconds = timed(
            partial(evaluate, game, key, case.masks(), plan_of(options)), repeats=options.repeats
        )
        values = shapley_values(utilities)
        if not rows:
            full = values
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


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    largest = max(map(abs, record["rows"][0]["values"]))
    title = f"Values in fewer bits; the largest is {largest:.3f}"
    shown = table(title, ("precision", "Spearman", "largest difference", "seconds"))
    for row in record["rows"]:
        seconds = f"{row['seconds']['warm']:.2f}"
        shown.add_row(
            row["precision"], f"{row['spearman']:.3f}", f"{row['max_difference']:.1e}", seconds
        )
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    integer("repeats", options.repeats, least=0)
    return measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.precision", __doc__)
    parser.add_argument("--data", help=DATA)
    add_models(parser.add_argument)
    add_counts(parser, COUNTS)
    add_plan(parser.add_argument)
    return parser


if __name__ == "__main__":
    sys.exit(main())
