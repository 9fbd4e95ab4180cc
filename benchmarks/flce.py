"""How long do the exact Shapley values of FLCE's tic-tac-toe federations take, and are they the
published ones?

Both are answered for the protocol of `benchmarks.flce_protocol`: 256 coalitions of 8 clients, 80
rounds each. The rival is the same training, jitted, one coalition at a time, in both layouts; the
faster of them counts. It runs on the first seed only, and its utilities are held against ours
before its clock starts.

    python -m benchmarks.flce --data DIR --seeds 6694 6695 --json flce.json
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.flce_protocol import PUBLISHED_SECONDS, ROUNDS, SEEDS, federation, game_of
from benchmarks.games import loops
from benchmarks.harness import present, timed
from fedjax_shap._validate import integer, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan, useful_fraction
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import Utilities

LOOPS = loops(8)
AGREEMENT = ("cosine_distance", "spearman", "max_difference")  # with the published values
NEAR_TIES = (
    3  # test examples by which best accuracies may differ, as float reassociation tips near-ties
)
SMOOTH_ROUNDS, SMOOTH_GAP = (
    5,
    1e-4,
)  # the log-loss after so few rounds may differ by no more, in nats
SMOOTH: dict[str, Any] = {
    "metric": "negative_loss",
    "report": "final",
    "skip_rounds": 0,
    "empty": None,
}


def measure(options: argparse.Namespace, seed: int, *, against_loops: bool) -> dict[str, Any]:
    """One federation: its values against the published ones, the seconds of our engine, and those
    of the loops.
    """
    data, published = federation(options.data, options.partition, seed, options.draws)
    key, masks, ours = (
        jax.random.key(options.key),
        all_subsets(data.num_clients),
        Plan(chunk=options.chunk),
    )
    repeats = options.repeats if against_loops else 0
    game = game_of(data, seed, options.draws, key, rounds=options.rounds)
    utilities, seconds = timed(lambda: evaluate(game, key, masks, ours), repeats=repeats)
    loops = (
        {name: _loop(options, seed, data, name, utilities) for name in LOOPS}
        if against_loops
        else {}
    )
    values = shapley_values(utilities)
    agreed = agreement(values, published)
    found = {
        "seed": seed,
        "sizes": np.asarray(data.sizes).tolist(),
        **{name: agreed[name] for name in AGREEMENT},
    }
    found |= {"values": values.tolist(), "published": published.tolist()}
    found["useful_fraction"] = useful_fraction(
        ours, masks, np.asarray(game.effort.steps(game.world))
    )
    return found | {"seconds_exact": seconds, "seconds_jitted_loop": loops}


def _loop(
    options: argparse.Namespace, seed: int, data: FederatedData, name: str, expected: Utilities
) -> dict[str, Any]:
    """Seconds of one loop, whose utilities are refused where they are not ours.

    Eighty rounds amplify every float error, and accuracy moves in steps: so log-losses after a few
    rounds are held to a tight bound, for every 15th coalition, and the accuracies of all coalitions
    to `NEAR_TIES` test examples.
    """
    key, masks, plan = jax.random.key(options.key), all_subsets(data.num_clients), LOOPS[name]
    smooth = game_of(
        data, seed, options.draws, key, rounds=min(SMOOTH_ROUNDS, options.rounds), **SMOOTH
    )
    some = [evaluate(smooth, key, masks[::15], how) for how in (plan, Plan(chunk=options.chunk))]
    gap = float(np.abs(some[0] - some[1]).max())
    require(
        gap <= SMOOTH_GAP,
        f"Expected the loop by {name} to give our log-losses within {SMOOTH_GAP} nats, got "
        f"{gap:.1e}.",
    )
    game, differs = (
        game_of(data, seed, options.draws, key, rounds=options.rounds),
        {"log_loss": gap},
    )

    def check(utilities: Utilities) -> None:
        examples = len(data.validation[1]) * np.abs(utilities - expected)
        differs.update(
            examples=float(examples.max().round(3)), coalitions=int((examples > 0.5).sum())
        )
        require(
            examples.max() < NEAR_TIES + 0.5,
            f"Expected the loop by {name} to give our accuracies within {NEAR_TIES} test examples, "
            "got "
            f"{examples.max():.0f}.",
        )

    _, seconds = timed(
        lambda: evaluate(game, key, masks, plan), repeats=options.repeats, check=check
    )
    return seconds | {"differs": differs}


def summary(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> dict[str, Any]:
    """The record without its surroundings: settings, means over the seeds, the first seed's
    seconds, and the rows.

    `seconds_*` are those of a first call, compilation included; `parts` has the compilation and
    later calls apart.
    """
    loops = rows[0]["seconds_jitted_loop"]
    fastest = min(loops, key=lambda name: loops[name]["first"]) if loops else None
    return {
        **{
            name: getattr(options, name)
            for name in ("partition", "draws", "key", "chunk", "rounds")
        },
        "cosine_distance_mean": float(np.mean([row["cosine_distance"] for row in rows])),
        "spearman_mean": float(np.mean([row["spearman"] for row in rows])),
        "seconds_exact": rows[0]["seconds_exact"]["first"],
        "seconds_jitted_loop": None if fastest is None else loops[fastest]["first"],
        "published_seconds": PUBLISHED_SECONDS,
        "parts": {
            "exact": rows[0]["seconds_exact"],
            "jitted_loop": None if fastest is None else {"layout": fastest, **loops[fastest]},
        },
        "per_seed": list(rows),
    }


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal, and what it does not say."""
    title = f"FLCE tic-tac-toe, {record['partition']} skew, initial weights and batch orders: {record['draws']}"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("seed", "cosine dist.", "Spearman", "max diff.", "ours, s", "one at a time, s"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in record["per_seed"]:
        loops = "\n".join(
            f"{s['warm']:.1f} {name}" for name, s in row["seconds_jitted_loop"].items()
        )
        figures = (
            f"{row['cosine_distance']:.2e}",
            f"{row['spearman']:.3f}",
            f"{row['max_difference']:.4f}",
        )
        table.add_row(
            str(row["seed"]), *figures, f"{row['seconds_exact']['warm']:.2f}", loops or "-"
        )
    table.add_section()
    table.add_row(
        "mean",
        f"{record['cosine_distance_mean']:.2e}",
        f"{record['spearman_mean']:.3f}",
        "",
        "",
        "",
    )
    console.print(table)
    ours, loop = record["parts"]["exact"], record["parts"]["jitted_loop"]
    said = f"Ours: {ours['first']:.2f} s with {ours['compile']:.2f} s of compilation, {ours['warm']:.2f} s once compiled"
    if loop:
        said += f"; the same training one coalition at a time: {loop['first']:.1f} s and {loop['warm']:.1f} s, "
        said += f"{loop['first'] / ours['first']:.1f} and {loop['warm'] / ours['warm']:.1f} times as long"
    console.print(
        f"{said}; published: {record['published_seconds']} s.", highlight=False, soft_wrap=True
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    integer("rounds", options.rounds, least=2)
    integer("repeats", options.repeats, least=0)
    integer("key", options.key, least=0)
    first = 0 if not options.no_loop else None
    rows = [
        measure(options, seed, against_loops=index == first)
        for index, seed in enumerate(options.seeds)
    ]
    return summary(rows, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flce", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--data", help="the folder of data sets (default: the variable FEDJAX_SHAP_DATA)")
    add("--seeds", nargs="+", type=int, default=SEEDS, help="FLCE's seeds (default: all six)")
    add(
        "--partition",
        choices=("quantity", "label"),
        default="quantity",
        help="how FLCE split the rows",
    )
    draws = "initial weights and batch orders: FLCE's or our own (default: %(default)s)"
    add("--draws", choices=("published", "own"), default="published", help=draws)
    add("--key", type=int, default=0, help="seeds our own draws (default: %(default)s)")
    add("--chunk", type=int, default=128, help="coalitions at once (default: %(default)s)")
    add("--rounds", type=int, default=ROUNDS, help="fewer for a trial (default: %(default)s)")
    add("--repeats", type=int, default=5, help="timed calls once compiled (default: %(default)s)")
    add("--no-loop", action="store_true", help="leave out the slow loops")
    add("--json", help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
