"""What do TF32 or bfloat16 products change about members' values, and how much faster are they?

One game of `benchmarks.games` is valued exactly in float32, and again with models that compute in
fewer bits; their parameters stay float32. Utilities and values are compared: the largest
differences and Spearman's rank correlation. On CPUs "tf32" and "tf32x3" are float32: only GPUs have
them. Their arithmetic is emulated for MLPs on any device, forwards and backwards: factors are
rounded to 10 bits, or split into two parts of 10 bits of which three products are summed.

    python -m benchmarks.precision --json precision.json
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from scipy.stats import spearmanr

from benchmarks.games import Case, add_models, add_plan, plan_of
from benchmarks.harness import DATA, Record, add_counts, parser_of, present, table
from benchmarks.timing import timed
from fedjax_shap._validate import integer
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.learning.model import Architecture, Model
from fedjax_shap.learning.precision import Precision
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import Array, HostArray, Params

Product = Callable[[Array, Array], Array]  # of two matrices

COUNTS = {
    "hidden": (Case().hidden, "width of the hidden layer"),
    "n": (Case().n, "clients"),
    "rounds": (Case().rounds, "rounds"),
    "steps": (Case().steps, "steps"),
    "repeats": (3, "timed calls once compiled"),
}


def rounded(x: Array) -> Array:
    """Rounds to the 10 bits of TF32."""
    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=10)


def once(a: Array, b: Array) -> Array:
    """A product in TF32."""
    return jnp.matmul(rounded(a), rounded(b), precision="highest")


def thrice(a: Array, b: Array) -> Array:
    """A product as TF32_TF32_F32_X3 has it: the small parts first, that of both left out."""
    small = once(a - rounded(a), b) + once(a, b - rounded(b))
    return small + once(a, b)


EMULATED: dict[str, Product] = {"tf32x3": thrice, "tf32": once}


def emulated(case: Case, product: Product) -> Architecture:
    """The case's MLP, whose products are computed by `product`, forwards and backwards."""

    @jax.custom_vjp
    def multiply(a: Array, b: Array) -> Array:
        return product(a, b)

    def forward(a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
        return product(a, b), (a, b)

    def backward(kept: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
        a, b = kept
        return product(slope, b.T), product(a.T, slope)

    multiply.defvjp(forward, backward)

    def apply(params: Params, x: Array) -> Array:
        last = len(params) - 1
        for depth in range(last + 1):
            layer = params[f"Dense_{depth}"]
            bias = jnp.broadcast_to(layer["bias"], (len(x), len(layer["bias"])))
            x = multiply(x, layer["kernel"]) + bias
            if depth < last:
                x = jax.nn.relu(x)
        return x

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        return Model(case.architecture()(shape, num_outputs).init, apply)

    return architecture


def measure(options: argparse.Namespace) -> Record:
    """Values and seconds at each precision."""
    known = [field.name for field in fields(Case) if hasattr(options, field.name)]
    case = Case(**{name: getattr(options, name) for name in known})
    data = case.data(options.data)
    key = jax.random.key(0)
    games = {name: case.game(data, key, precision=name) for name in get_args(Precision)}
    if case.model == "mlp":
        games |= {
            f"{name}, emulated": case.game(data, key, architecture=emulated(case, product))
            for name, product in EMULATED.items()
        }
    rows: list[dict[str, Any]] = []
    full: HostArray = np.zeros(0)
    for precision, game in games.items():
        utilities, seconds = timed(
            partial(evaluate, game, key, case.masks(), plan_of(options)), repeats=options.repeats
        )
        values = shapley_values(utilities)
        if not rows:
            full = utilities
        exact = shapley_values(full)
        rows.append(
            {
                "precision": precision,
                "spearman": float(spearmanr(values, exact).statistic),
                "max_utility_difference": float(np.abs(utilities - full).max()),
                "max_difference": float(np.abs(values - exact).max()),
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
    columns = ("Spearman", "largest difference of values", "of utilities", "seconds")
    shown = table(title, ("precision", *columns))
    for row in record["rows"]:
        seconds = f"{row['seconds']['warm']:.2f}"
        differences = (f"{row[name]:.1e}" for name in ("max_difference", "max_utility_difference"))
        shown.add_row(row["precision"], f"{row['spearman']:.3f}", *differences, seconds)
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
