"""Which way to compute the convolutions of many models side by side is fastest on this device?

M LeNet5 take a few steps of gradient descent on one shared mini-batch: with XLA's own convolution,
which `vmap` over models turns into a grouped one; with patches and a matrix product, which it turns
into a batched one; and with XLA's own, one model after another (`lax.map`). The trained models are
held against each other before the clock starts. As in the engine, steps stand in a loop, which CPUs
compile to other code, and each core of a CPU works on models of its own.

    python -m benchmarks.convolutions --json convolutions.json
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import present
from fedjax_shap._validate import integer, require
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import in_flight, machine
from fedjax_shap.learning.metric import cross_entropy
from fedjax_shap.learning.model import cnn
from fedjax_shap.typing import Array, Params

IMAGE, CLASSES = (28, 28, 1), 10
STEPS, LEARNING_RATE = 5, 0.01
LARGEST_GAP = 1e-4  # of parameters, relative to the largest
Training = Callable[[Params], Params]  # leaves [M, ...] -> leaves [M, ...]


def ways(x: Array, y: Array) -> dict[str, Training]:
    """The training of M models on x[B, 28, 28, 1] and y[B], by each way."""

    def of_one(convolution: Any) -> Training:
        model = cnn(convolution=convolution)(IMAGE, CLASSES)
        gradient = jax.grad(lambda params: cross_entropy(model.apply(params, x), y).mean())

        def step(_: int, params: Params) -> Params:
            return jax.tree.map(
                lambda leaf, slope: leaf - LEARNING_RATE * slope, params, gradient(params)
            )

        return lambda params: jax.lax.fori_loop(0, STEPS, step, params)

    return {
        "grouped": jax.jit(jax.vmap(of_one("grouped"))),
        "patches": jax.jit(jax.vmap(of_one("patches"))),
        "mapped": jax.jit(lambda params: jax.lax.map(of_one("grouped"), params)),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a model-step by way and number of models, several batches of models in flight on
    a CPU.
    """
    draw, workers = np.random.default_rng(0), machine(Plan()).workers
    x = jnp.asarray(draw.normal(size=(options.batch_size, *IMAGE)), jnp.float32)
    y = jnp.asarray(draw.integers(0, CLASSES, options.batch_size))
    rows = []
    for count in options.models:
        keys = jax.random.split(jax.random.key(0), count)
        params = jax.vmap(cnn(initializer="torch")(IMAGE, CLASSES).init)(keys)
        expected = None
        for name, training in ways(x, y).items():
            found = jax.block_until_ready(training(params))
            expected = found if expected is None else expected
            gap = max(jax.tree.leaves(jax.tree.map(_gap, found, expected)))
            require(
                gap <= LARGEST_GAP,
                f"Expected {name} to give the models of the others, got a gap of {gap:.1e}.",
            )
            seconds = statistics.median(
                _seconds(training, params, workers) for _ in range(options.repeats)
            )
            rows.append(
                {
                    "models": count,
                    "way": name,
                    "ms_a_model_step": 1e3 * seconds / (count * workers * STEPS),
                    "gap": gap,
                }
            )
    return {"batch_size": options.batch_size, "workers": workers, "rows": rows}


def _gap(found: Array, expected: Array) -> float:
    return float(jnp.abs(found - expected).max() / jnp.abs(expected).max())


def _seconds(training: Training, params: Params, workers: int) -> float:
    """Seconds of one call by each worker at the same time."""
    began = time.perf_counter()
    list(in_flight(lambda one: jax.block_until_ready(training(one)), [params] * workers, workers))
    return time.perf_counter() - began


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal."""
    table = Table(
        title=f"Milliseconds a model-step, LeNet5, batch {record['batch_size']}",
        title_justify="left",
    )
    names = list(dict.fromkeys(row["way"] for row in record["rows"]))
    for column in ("models", *names):
        table.add_column(column, justify="right")
    for count in dict.fromkeys(row["models"] for row in record["rows"]):
        each = {
            row["way"]: row["ms_a_model_step"] for row in record["rows"] if row["models"] == count
        }
        table.add_row(str(count), *(f"{each[name]:.2f}" for name in names))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    for name in ("batch_size", "repeats", "models"):
        for number in np.atleast_1d(getattr(options, name)).tolist():
            integer(name, number, least=1)
    return measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.convolutions", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        type=int,
        default=[1, 4, 16],
        help="how many at once (default: %(default)s)",
    )
    add(
        "--batch-size", type=int, default=32, help="images in the mini-batch (default: %(default)s)"
    )
    add(
        "--repeats",
        type=int,
        default=7,
        help="timed calls, of which the median counts (default: %(default)s)",
    )
    add("--json", help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
