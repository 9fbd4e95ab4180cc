"""How long do exact Shapley values of FLCE's federations take, and are they the published ones?

Both are answered for the protocol of `benchmarks.flce_protocol`: 256 coalitions of 8 clients of
tic-tac-toe, 80 rounds each. The rival is the same training, jitted, one coalition at a time, in
both layouts; the faster of them counts. It runs on the first seed only, and its utilities are
compared with ours before its clock starts. Where it would take more than --rival-seconds, it plays
a part of the coalitions, and its seconds are an extrapolation by member-steps
(`share_of_the_work`); after --seconds no further seed is begun (`seeds_left_out`).

    python -m benchmarks.flce --data DIR --seeds 6694 6695 --json flce.json
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks.flce_protocol import PUBLISHED_SECONDS, ROUNDS, SEEDS, federation, game_of
from benchmarks.games import loops
from benchmarks.harness import (
    DATA,
    Limit,
    Record,
    add_counts,
    add_seconds,
    at_least,
    on_device,
    parser_of,
    present,
    table,
)
from benchmarks.timing import timed, timed_in_part
from fedjax_shap._validate import number, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan, useful_fraction
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Utilities

LOOPS = loops(8)
AGREEMENT = ("cosine_distance", "spearman", "max_difference")  # with the published values
# Test examples by which best accuracies may differ, as float reassociation tips near-ties.
NEAR_TIES = 3
# After so few rounds log-losses may differ by no more, in nats.
SMOOTH_ROUNDS = 5
SMOOTH_GAP = 1e-4
# Of the coalitions every so many-th is compared: of sizes 0, 4 and 8 only where programs take long
# to compile.
SMOOTH_STRIDE = {"cpu": 15, "elsewhere": 85}
RIVAL_SECONDS = {"cpu": 300.0, "elsewhere": 4.0}
COLUMNS = ("seed", "cosine dist.", "Spearman", "max diff.", "ours, s", "one at a time, s")
COUNTS = {
    "key": (0, "seeds our own draws"),
    "chunk": (128, "coalitions at once"),
    "rounds": (ROUNDS, "fewer for a trial"),
    "repeats": (5, "timed calls once compiled"),
}
SMOOTH: dict[str, Any] = {
    "metric": "negative_loss",
    "report": "final",
    "skip_rounds": 0,
    "empty": None,
}


def measure(options: argparse.Namespace, seed: int, *, against_loops: bool) -> dict[str, Any]:
    """One federation: how near its values are to the published ones, and the seconds they took.

    Args:
        options: the command line.
        seed: FLCE's.
        against_loops: whether the loops are timed too, and ours more than once.
    """
    data, published = federation(options.data, options.partition, seed, options.draws)
    key = jax.random.key(options.key)
    masks = all_subsets(data.num_clients)
    ours = Plan(chunk=options.chunk)
    game = game_of(data, seed, options.draws, key, rounds=options.rounds)
    repeats = 0
    if against_loops:
        repeats = options.repeats
    utilities, seconds = timed(lambda: evaluate(game, key, masks, ours), repeats=repeats)
    loops = {}
    if against_loops:
        loops = {name: _loop(options, seed, data, name, utilities) for name in LOOPS}
    values = shapley_values(utilities)
    agreed = agreement(values, published)
    steps = np.asarray(game.effort.steps(game.world))
    return {
        "seed": seed,
        "sizes": np.asarray(data.sizes).tolist(),
        **{name: agreed[name] for name in AGREEMENT},
        "values": values.tolist(),
        "published": published.tolist(),
        "useful_fraction": useful_fraction(ours, masks, steps),
        "seconds_exact": seconds,
        "seconds_jitted_loop": loops,
    }


def _loop(
    options: argparse.Namespace, seed: int, data: FederatedData, name: str, expected: Utilities
) -> dict[str, Any]:
    """Seconds of one loop, whose utilities are refused where they are not ours.

    Eighty rounds amplify every float error, and accuracy moves in steps. So log-losses after a few
    rounds must be within a tight bound, for every 15th coalition, and the accuracies of all
    coalitions that it plays within `NEAR_TIES` test examples.
    """
    key = jax.random.key(options.key)
    masks = all_subsets(data.num_clients)
    plan = LOOPS[name]
    # log-losses after a few rounds
    smooth = game_of(
        data, seed, options.draws, key, rounds=min(SMOOTH_ROUNDS, options.rounds), **SMOOTH
    )
    some = masks[:: on_device(SMOOTH_STRIDE)]
    theirs = evaluate(smooth, key, some, plan)
    ours = evaluate(smooth, key, some, Plan(chunk=options.chunk))
    gap = float(np.abs(theirs - ours).max())
    require(
        gap <= SMOOTH_GAP,
        f"Expected the loop by {name} to give our log-losses within {SMOOTH_GAP} nats, got "
        f"{gap:.1e}.",
    )
    # best accuracies after all rounds
    game = game_of(data, seed, options.draws, key, rounds=options.rounds)
    differs: dict[str, Any] = {"log_loss": gap}

    def check(rows: HostArray, utilities: Utilities) -> None:
        examples = len(data.validation[1]) * np.abs(utilities - expected[rows])
        differs["examples"] = float(examples.max().round(3))
        differs["coalitions"] = int((examples > 0.5).sum())
        require(
            examples.max() < NEAR_TIES + 0.5,
            f"Expected the loop by {name} to give our accuracies within {NEAR_TIES} test examples, "
            f"got {examples.max():.0f}.",
        )

    programs = masks.sum(axis=1)  # one for each number of members
    if plan.layout == "client":
        programs = np.zeros_like(programs)
    seconds = timed_in_part(
        lambda some: evaluate(game, key, some, plan),
        masks,
        options.rounds * masks @ np.asarray(game.effort.steps(game.world)),
        seconds=options.rival_seconds,
        repeats=options.repeats,
        programs=programs,
        check=check,
    )
    return seconds | {"differs": differs}


def summary(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> Record:
    """The record: settings, means over the seeds, the first seed's seconds, and the rows.

    `seconds_*` are those of a first call, compilation included; `parts` has the compilation and
    later calls apart, and which share of the work the loop did.
    """
    loops = rows[0]["seconds_jitted_loop"]
    seconds = None
    part = None
    if loops:
        fastest = min(loops, key=lambda name: loops[name]["first"])
        seconds = loops[fastest]["first"]
        part = {"layout": fastest, **loops[fastest]}
    named = ("partition", "draws", "key", "chunk", "rounds")
    return {
        **{name: getattr(options, name) for name in named},
        "cosine_distance_mean": float(np.mean([row["cosine_distance"] for row in rows])),
        "spearman_mean": float(np.mean([row["spearman"] for row in rows])),
        "seconds_exact": rows[0]["seconds_exact"]["first"],
        "seconds_jitted_loop": seconds,
        "published_seconds": PUBLISHED_SECONDS,
        "parts": {"exact": rows[0]["seconds_exact"], "jitted_loop": part},
        "seeds_left_out": options.seeds[len(rows) :],
        "per_seed": list(rows),
    }


def show(record: Record, console: Console) -> None:
    """The table on the terminal, and the seconds in a sentence."""
    title = (
        f"FLCE tic-tac-toe, {record['partition']} skew, "
        f"initial weights and batch orders: {record['draws']}"
    )
    shown = table(title, COLUMNS, left=())
    for row in record["per_seed"]:
        clocks = row["seconds_jitted_loop"].items()
        loops = "\n".join(f"{clock['warm']:.1f} {name}" for name, clock in clocks)
        shown.add_row(
            str(row["seed"]),
            f"{row['cosine_distance']:.2e}",
            f"{row['spearman']:.3f}",
            f"{row['max_difference']:.4f}",
            f"{row['seconds_exact']['warm']:.2f}",
            loops or "-",
        )
    shown.add_section()
    means = (f"{record['cosine_distance_mean']:.2e}", f"{record['spearman_mean']:.3f}")
    shown.add_row("mean", *means)
    console.print(shown)
    console.print(_sentence(record), highlight=False, soft_wrap=True)


def _sentence(record: Record) -> str:
    """The seconds of ours, of the loop, and the published ones."""
    ours = record["parts"]["exact"]
    loop = record["parts"]["jitted_loop"]
    clauses = [
        f"Ours: {ours['first']:.2f} s with {ours['compile']:.2f} s of compilation, "
        f"{ours['warm']:.2f} s once compiled"
    ]
    if loop:
        first = loop["first"] / ours["first"]
        warm = loop["warm"] / ours["warm"]
        share = ""
        if loop["share_of_the_work"] < 1:
            share = f" (extrapolated from {100 * loop['share_of_the_work']:.2g} % of the work)"
        clauses.append(
            f"the same training one coalition at a time{share}: {loop['first']:.1f} s and "
            f"{loop['warm']:.1f} s, {first:.1f} and {warm:.1f} times as long"
        )
    clauses.append(f"published: {record['published_seconds']} s.")
    return "; ".join(clauses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    at_least(vars(options), rounds=2, repeats=0, key=0)
    limit = Limit(options)
    if options.rival_seconds is None:
        options.rival_seconds = on_device(RIVAL_SECONDS)
    number("rival_seconds", options.rival_seconds, above=0)
    rows = []
    for index, seed in enumerate(options.seeds):
        if index and limit.is_over():
            break
        against_loops = index == 0 and not options.no_loop
        rows.append(measure(options, seed, against_loops=against_loops))
    return summary(rows, options)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.flce", __doc__)
    add = parser.add_argument
    add("--data", help=DATA)
    add("--seeds", nargs="+", type=int, default=SEEDS, help="FLCE's seeds (default: all six)")
    skews = ("quantity", "label")
    add("--partition", choices=skews, default="quantity", help="how FLCE split the rows")
    draws = "initial weights and batch orders: FLCE's or our own (default: %(default)s)"
    add("--draws", choices=("published", "own"), default="published", help=draws)
    add_counts(parser, COUNTS)
    rival = "of a loop, beyond which it plays a part (default: 300; 4 on a GPU)"
    add("--rival-seconds", type=float, help=rival)
    add_seconds(add)
    add("--no-loop", action="store_true", help="leave out the slow loops")
    return parser


if __name__ == "__main__":
    sys.exit(main())
