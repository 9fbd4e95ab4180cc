"""Which way to compute the convolutions of many models side by side is fastest on this device?

M LeNet5 take a few steps of gradient descent on one shared mini-batch: with XLA's own convolution,
which `vmap` over models turns into a grouped one; with patches and a matrix product, which it turns
into a batched one; with one product for each square of outputs that is pooled; and with XLA's own,
one model after another (`lax.map`). The trained models are compared with each other before the
clock starts. As in the engine, steps stand in a loop, which CPUs compile to other code, and each
core of a CPU works on models of its own.

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

from benchmarks.harness import Record, add_counts, parser_of, present, table
from fedjax_shap._validate import integer, require
from fedjax_shap.engine.machine import machine
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import in_flight
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.model import cnn
from fedjax_shap.typing import Array, Params

IMAGE = (28, 28, 1)
CLASSES = 10
STEPS = 5
LEARNING_RATE = 0.01
LARGEST_GAP = 1e-4  # of parameters, relative to the largest
COUNTS = {
    "batch_size": (32, "images in the mini-batch"),
    "repeats": (7, "timed calls, of which the median counts"),
}
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
        "squares": jax.jit(jax.vmap(of_one("squares"))),
        "mapped": jax.jit(lambda params: jax.lax.map(of_one("grouped"), params)),
    }


def measure(options: argparse.Namespace) -> Record:
    """Milliseconds a model-step by way and number of models; on a CPU every core is at work."""
    draw = np.random.default_rng(0)
    workers = machine(Plan()).workers
    x = jnp.asarray(draw.normal(size=(options.batch_size, *IMAGE)), jnp.float32)
    y = jnp.asarray(draw.integers(0, CLASSES, options.batch_size))
    rows = []
    for count in options.models:
        keys = jax.random.split(jax.random.key(0), count)
        params = jax.vmap(cnn(initializer="torch")(IMAGE, CLASSES).init)(keys)
        expected: Params = {}
        for name, training in ways(x, y).items():
            # compile, and compare with the models of the first way
            models = jax.block_until_ready(training(params))
            expected = expected or models
            gap = max(jax.tree.leaves(jax.tree.map(_gap, models, expected)))
            require(
                gap <= LARGEST_GAP,
                f"Expected {name} to give the models of the others, got a gap of {gap:.1e}.",
            )
            # time
            runs = [_seconds(training, params, workers) for _ in range(options.repeats)]
            each = statistics.median(runs) / (count * workers * STEPS)
            row = {"models": count, "way": name, "ms_a_model_step": 1e3 * each, "gap": gap}
            rows.append(row)
    return {"batch_size": options.batch_size, "workers": workers, "rows": rows}


def _gap(leaf: Array, expected: Array) -> float:
    return float(jnp.abs(leaf - expected).max() / jnp.abs(expected).max())


def _seconds(training: Training, params: Params, workers: int) -> float:
    """Seconds of one call by each worker at the same time."""
    began = time.perf_counter()
    list(in_flight(lambda one: jax.block_until_ready(training(one)), [params] * workers, workers))
    return time.perf_counter() - began


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    names = list(dict.fromkeys(row["way"] for row in record["rows"]))
    title = f"Milliseconds a model-step, LeNet5, batch {record['batch_size']}"
    shown = table(title, ("models", *names), left=())
    for count in dict.fromkeys(row["models"] for row in record["rows"]):
        each = {
            row["way"]: row["ms_a_model_step"] for row in record["rows"] if row["models"] == count
        }
        shown.add_row(str(count), *(f"{each[name]:.2f}" for name in names))
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    for name in ("batch_size", "repeats", "models"):
        for number in np.atleast_1d(getattr(options, name)).tolist():
            integer(name, number, least=1)
    return measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.convolutions", __doc__)
    models = "how many at once (default: %(default)s)"
    parser.add_argument("--models", nargs="+", type=int, default=[1, 4, 16], help=models)
    add_counts(parser, COUNTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
