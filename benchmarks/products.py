"""Where does a training step of small models spend its time on this device?

The matrix products of one step of G MLPs D-H-L on mini-batches of B are timed one by one, each in a
loop in a program of its own, and beside them the whole step as the engine does it. What the
products leave of the step is activations, losses and the update. On a CPU run it on one core, as
each worker of the engine has one: `taskset -c 0 python -m ...`.

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
from rich.table import Table

from benchmarks.harness import present, timed
from fedjax_shap._validate import integer
from fedjax_shap.learning.metric import cross_entropy
from fedjax_shap.learning.model import mlp

LEARNING_RATE = 0.1
PRODUCTS = {  # name -> (einsum, the axes of its factors)
    "first layer": ("gbd,gdh->gbh", ("gbd", "gdh")),
    "its gradient": ("gbd,gbh->gdh", ("gbd", "gbh")),
    "last layer": ("gbh,ghl->gbl", ("gbh", "ghl")),
    "its gradient for weights": ("gbh,gbl->ghl", ("gbh", "gbl")),
    "its gradient for activations": ("gbl,ghl->gbh", ("gbl", "ghl")),
}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Microseconds and GFLOP/s of each product and of the whole step."""
    axes = {
        "g": options.models,
        "b": options.batch_size,
        "d": options.inputs,
        "h": options.hidden,
        "l": options.classes,
    }
    draw, rows = np.random.default_rng(0), []
    for name, (formula, factors) in PRODUCTS.items():
        a, b = (
            jnp.asarray(draw.normal(size=[axes[axis] for axis in one]), jnp.float32)
            for one in factors
        )
        flops = 2.0 * np.prod([axes[axis] for axis in set("".join(factors))])
        product = lambda a, formula=formula, b=b: jnp.einsum(formula, a, b, precision="highest")  # noqa: E731
        rows.append(
            _row(
                name,
                lambda a, f=product: a.at[0, 0, 0].add(1e-20 * f(a)[0, 0, 0]),
                a,
                flops,
                options,
            )
        )
    step, params = _step(axes, draw)
    macs = axes["d"] * axes["h"] + axes["h"] * axes["l"]
    flops = axes["g"] * axes["b"] * (4.0 * macs + 2.0 * axes["h"] * axes["l"])
    rows.append(_row("whole step", step, params, flops, options))
    return {"axes": axes, "rows": rows}


def _step(axes: dict[str, int], draw: np.random.Generator) -> tuple[Callable[[Any], Any], Any]:
    """A step of gradient descent of all models, each on its own copy of one mini-batch, and their
    parameters.
    """
    model = mlp(hidden=(axes["h"],))((axes["d"],), axes["l"])
    params = jax.vmap(model.init)(jax.random.split(jax.random.key(0), axes["g"]))
    x = jnp.broadcast_to(
        jnp.asarray(draw.normal(size=(axes["b"], axes["d"])), jnp.float32),
        (axes["g"], axes["b"], axes["d"]),
    )
    y = jnp.asarray(draw.integers(0, axes["l"], axes["b"]))
    gradient = jax.vmap(jax.grad(lambda p, x: cross_entropy(model.apply(p, x), y).mean()))
    return lambda p: jax.tree.map(
        lambda leaf, slope: leaf - LEARNING_RATE * slope, p, gradient(p, x)
    ), params


def _row(
    name: str, once: Callable[[Any], Any], start: Any, flops: float, options: argparse.Namespace
) -> dict[str, Any]:
    loop = jax.jit(
        lambda start: jax.lax.fori_loop(0, options.steps, lambda _, carry: once(carry), start)
    )
    _, seconds = timed(lambda: jax.block_until_ready(loop(start)), repeats=options.repeats)
    each = min(seconds["runs"]) / options.steps
    return {"what": name, "us": 1e6 * each, "gflops": flops / each / 1e9}


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal."""
    axes = record["axes"]
    title = f"{axes['g']} MLPs {axes['d']}-{axes['h']}-{axes['l']}, batch {axes['b']}"
    table = Table(title=title, title_justify="left")
    for column in ("what", "microseconds", "GF/s"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in record["rows"]:
        table.add_row(row["what"], f"{row['us']:.0f}", f"{row['gflops']:.0f}")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    for name in ("models", "batch_size", "inputs", "hidden", "classes", "steps", "repeats"):
        integer(name, getattr(options, name), least=1)
    return measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.products", description=(__doc__ or "").split("\n")[0]
    )
    for name, default in (
        ("models", 8),
        ("batch-size", 32),
        ("inputs", 64),
        ("hidden", 200),
        ("classes", 10),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help="(default: %(default)s)")
    parser.add_argument(
        "--steps", type=int, default=500, help="in one timed call (default: %(default)s)"
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=7,
        help="timed calls, the fastest counts (default: %(default)s)",
    )
    parser.add_argument("--json", help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
