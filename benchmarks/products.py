"""Where does a training step of small models spend its time on this device?

The matrix products of one step of G MLPs D-H-L on mini-batches of B are timed one by one, each in a
loop in a program of its own, and beside them the whole step as the engine does it. The rest of the
step is activations, losses and the update. On a CPU run it on one core, as each worker of the
engine has one: `taskset -c 0 python -m ...`.

    python -m benchmarks.products --json products.json
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from benchmarks.harness import Record, add_counts, at_least, parser_of, present, table
from benchmarks.timing import timed
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.model import mlp
from fedjax_shap.typing import Array, Params

LEARNING_RATE = 0.1
PRODUCTS = {  # name -> (einsum, the axes of its factors)
    "first layer": ("gbd,gdh->gbh", ("gbd", "gdh")),
    "its gradient": ("gbd,gbh->gdh", ("gbd", "gbh")),
    "last layer": ("gbh,ghl->gbl", ("gbh", "ghl")),
    "its gradient for weights": ("gbh,gbl->ghl", ("gbh", "gbl")),
    "its gradient for activations": ("gbl,ghl->gbh", ("gbl", "ghl")),
}


COUNTS = {
    "models": (8, "trained side by side"),
    "batch_size": (32, "rows a mini-batch"),
    "inputs": (64, "features"),
    "hidden": (200, "width of the hidden layer"),
    "classes": (10, "outputs"),
    "steps": (500, "in one timed call"),
    "repeats": (7, "timed calls, the fastest counts"),
}
Step = Callable[[Any], Any]  # what is repeated in a loop, from its carry to its carry


def measure(options: argparse.Namespace) -> Record:
    """Microseconds and GFLOP/s of each product and of the whole step."""
    axes = {
        "g": options.models,
        "b": options.batch_size,
        "d": options.inputs,
        "h": options.hidden,
        "l": options.classes,
    }
    draw = np.random.default_rng(0)
    rows = []
    for name, (formula, factors) in PRODUCTS.items():
        shapes = [[axes[axis] for axis in factor] for factor in factors]
        a, b = (jnp.asarray(draw.normal(size=shape), jnp.float32) for shape in shapes)
        flops = 2.0 * np.prod([axes[axis] for axis in set("".join(factors))])
        rows.append(_row(name, _product(formula, b), a, flops, options))
    step, params = _step(axes, draw)
    macs = axes["d"] * axes["h"] + axes["h"] * axes["l"]
    flops = axes["g"] * axes["b"] * (4.0 * macs + 2.0 * axes["h"] * axes["l"])
    rows.append(_row("whole step", step, params, flops, options))
    return {"axes": axes, "rows": rows}


def _product(formula: str, b: Array) -> Step:
    """A product whose result the next one depends on, so that no compiler leaves it out."""

    def step(a: Array) -> Array:
        product = jnp.einsum(formula, a, b, precision="highest")
        return a.at[0, 0, 0].add(1e-20 * product[0, 0, 0])

    return step


def _step(axes: dict[str, int], draw: np.random.Generator) -> tuple[Step, Any]:
    """A step of gradient descent of all models, and their parameters.

    Each model has its own copy of one mini-batch.
    """
    model = mlp(hidden=(axes["h"],))((axes["d"],), axes["l"])
    params = jax.vmap(model.init)(jax.random.split(jax.random.key(0), axes["g"]))
    rows = jnp.asarray(draw.normal(size=(axes["b"], axes["d"])), jnp.float32)
    x = jnp.broadcast_to(rows, (axes["g"], axes["b"], axes["d"]))
    y = jnp.asarray(draw.integers(0, axes["l"], axes["b"]))
    gradient = jax.vmap(jax.grad(lambda p, x: cross_entropy(model.apply(p, x), y).mean()))

    def step(params: Params) -> Params:
        slopes = gradient(params, x)
        return jax.tree.map(lambda leaf, slope: leaf - LEARNING_RATE * slope, params, slopes)

    return step, params


def _row(
    name: str, once: Step, start: Any, flops: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Times many steps in one loop."""
    loop = jax.jit(
        lambda start: jax.lax.fori_loop(0, options.steps, lambda _, carry: once(carry), start)
    )
    _, seconds = timed(lambda: jax.block_until_ready(loop(start)), repeats=options.repeats)
    each = min(seconds["runs"]) / options.steps
    return {"what": name, "us": 1e6 * each, "gflops": flops / each / 1e9}


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    axes = record["axes"]
    title = f"{axes['g']} MLPs {axes['d']}-{axes['h']}-{axes['l']}, batch {axes['b']}"
    shown = table(title, ("what", "microseconds", "GF/s"))
    for row in record["rows"]:
        shown.add_row(row["what"], f"{row['us']:.0f}", f"{row['gflops']:.0f}")
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    at_least(vars(options), **dict.fromkeys(COUNTS, 1))
    return measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.products", __doc__)
    add_counts(parser, COUNTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
