"""How near to the machine's limit does the engine train coalitions, and how far ahead of a loop?

One game (or, with --suite, a table of them) is played

- by the engine;
- by the same jitted training, one coalition at a time (in both layouts, of which the one with the
  shorter first call counts; in the suite client by client);
- by one vmap over all coalitions, in which outsiders train along with members;
- by PyTorch, where it is installed.

Their utilities, minus the log-losses of the coalitions' models, may differ by 1e-4 nats at most. A
rival's are compared with the engine's after its first call, before the clock of its later calls
starts; nothing is written where they differ by more. A first call plans and compiles everything
anew.

The useful work is counted by hand, see `benchmarks.games.useful_flops`; gemm_gflops and copy_gbs
are the machine's own ceilings in the same run. seconds_* are medians once compiled, seconds_*_cold
are those of a first call. A rival of one coalition at a time that would take more than
--rival-seconds plays a part of the coalitions, and its seconds are an extrapolation by
member-steps: `seconds_*_measured` are those of its calls once compiled, `share_of_the_work` says
which part of the member-steps they took, and seconds of a first call lack the programs that the
part does not need.

    python -m benchmarks.coalition_engine --json coalition_engine.json
    python -m benchmarks.coalition_engine --data-name mnist --model cnn --batch-size 0 --data DIR
    python -m benchmarks.coalition_engine --suite --data DIR --json suite.json
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from itertools import product
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks import torch_loop
from benchmarks.ceilings import PeakMemory, copy_gbs, gemm_gflops
from benchmarks.contest import Contest
from benchmarks.games import (
    Case,
    add_models,
    add_plan,
    loops,
    member_steps,
    plan_of,
    useful_flops,
)
from benchmarks.harness import DATA, Record, add_counts, parser_of, present, table
from benchmarks.timing import Seconds
from fedjax_shap._validate import integer, number
from fedjax_shap.engine.plan import Plan, useful_fraction

ALONE = {"repeats": 5, "rival_seconds": 60.0}
IN_SUITE = {"repeats": 2, "rival_seconds": 10.0}
ON_A_GPU = 4.0  # the seconds of a rival there, of which compilation leaves few
MODELS = (
    Case(hidden=32),
    Case(hidden=200),
    Case(data_name="mnist", hidden=200),
    Case(data_name="mnist", model="cnn"),
)
SUITE = tuple(
    replace(model, n=n, batch_size=batch)
    for model, n, batch in product(MODELS, (6, 8, 10), (32, 0))
)
RIVALS = ("jitted_loop", "vmap_all", "torch_loop")
IN_PART = ("jitted_loop", "torch_loop")  # rivals of one coalition at a time
COLUMNS = ("engine", "GF/s", "of GEMM", "one at a time", "one vmap", "PyTorch", "gap")
COUNTS = {
    "hidden": "width of the MLP's hidden layer",
    "n": "clients",
    "batch_size": "rows a mini-batch, 0 for the full batch",
    "rounds": "rounds a coalition",
    "steps": "local steps a client and round",
    "coalitions": "how many are valued, 0 for all",
}


def measure(options: argparse.Namespace, case: Case, ceilings: dict[str, float]) -> dict[str, Any]:
    """One case: the engine, its rivals, and how near to the machine's ceilings it came."""
    contest = Contest(case, options.data, options.repeats)
    with PeakMemory() as memory:
        engine, plan = contest.engine(plan_of(options))
    steps = np.full(case.n, case.steps)
    flops = useful_flops(case, contest.data, contest.masks)
    rate = flops / engine["warm"] / 1e9
    return {
        **asdict(case),
        "num_coalitions": len(contest.masks),
        "plan": asdict(plan),
        **ceilings,
        "useful_gflop": flops / 1e9,
        "member_steps": member_steps(contest.masks, steps, case.rounds),
        "engine_gflops": rate,
        "fraction_of_gemm": rate / ceilings["gemm_gflops"],
        "seconds_engine": engine["warm"],
        "seconds_engine_cold": engine["first"],
        "compile_s": engine["compile"],
        "num_programs": engine["programs"],
        "useful_fraction": useful_fraction(plan, contest.masks, steps),
        "peak_memory_mb": memory.megabytes,
        **_rivals(options, contest, engine),
        "max_abs_diff": max(contest.gaps.values(), default=None),
        "max_abs_diffs": contest.gaps,
    }


def _rivals(options: argparse.Namespace, contest: Contest, engine: Seconds) -> dict[str, Any]:
    """Seconds of the rivals, None for those left out; `parts` has all clocks in detail."""
    measured: dict[str, Any] = {"jitted_loop_layout": None}
    clocks: dict[str, Seconds] = {"engine": engine}
    if not options.no_loop:
        plans = loops(contest.case.n)
        if options.suite:
            # it has a program for each size: its first call takes longer, most of it compilation
            del plans["coalition"]
        each = {
            name: contest.loop(f"the loop by {name}", plan, options.rival_seconds)
            for name, plan in plans.items()
        }
        fastest = min(each, key=lambda name: each[name]["first"])
        measured["jitted_loop_layout"] = fastest
        clocks["jitted_loop"] = each[fastest]
        clocks |= {f"jitted_loop_by_{name}": clock for name, clock in each.items()}
    if not options.no_vmap:
        naive = Plan(chunk=len(contest.masks), layout="coalition", buckets=1, workers=1, devices=1)
        clocks["vmap_all"] = contest.rival("one vmap over all", naive)
    if not options.no_torch and torch_loop.available():
        clocks["torch_loop"] = contest.in_torch(options.rival_seconds)
    for name in RIVALS:
        clock = clocks.get(name, {})
        measured[f"seconds_{name}"] = clock.get("warm")
        measured[f"seconds_{name}_cold"] = clock.get("first")
    for name in IN_PART:
        measured[f"seconds_{name}_measured"] = clocks.get(name, {}).get("warm_measured")
    shares = {name: clocks[name]["share_of_the_work"] for name in IN_PART if name in clocks}
    measured["share_of_the_work"] = shares
    return measured | {"parts": clocks}


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    first = record["rows"][0]
    title = (
        f"Ceilings: {first['gemm_gflops']:.0f} GF/s matrix product (GEMM), "
        f"{first['copy_gbs']:.0f} GB/s copy.\n"
        "Seconds once compiled / of a first call; gap: the largest difference of utilities, in nats"
    )
    shown = table(title, ("game", *COLUMNS))
    for row in record["rows"]:
        engine = f"{row['seconds_engine']:.2f} / {row['seconds_engine_cold']:.2f}"
        rates = (f"{row['engine_gflops']:.1f}", f"{100 * row['fraction_of_gemm']:.0f} %")
        rivals = [_against(row, name) for name in RIVALS]
        gap = "-"
        if row["max_abs_diff"] is not None:
            gap = f"{row['max_abs_diff']:.0e}"
        shown.add_row(_named(row), engine, *rates, *rivals, gap)
    console.print(shown)
    if any(share < 1 for row in record["rows"] for share in row["share_of_the_work"].values()):
        console.print(
            "* extrapolated by member-steps from a part of the coalitions", highlight=False
        )


def _named(row: dict[str, Any]) -> str:
    """A game in a few words."""
    model = f"MLP {row['hidden']}"
    if row["model"] == "cnn":
        model = "LeNet5"
    batch = "full batch"
    if row["batch_size"]:
        batch = f"batch {row['batch_size']}"
    work = f"{row['rounds']} x {row['steps']}"
    named = f"{row['data_name']} {model}, n = {row['n']}, {batch}, {work}"
    if row["num_coalitions"] < 2 ** row["n"]:
        named += f", {row['num_coalitions']} coalitions"
    return named


def _against(row: dict[str, Any], name: str) -> str:
    """A rival's seconds, and how many times the engine's they are."""
    warm = row[f"seconds_{name}"]
    cold = row[f"seconds_{name}_cold"]
    if warm is None:
        return "-"
    star = ""
    if row["share_of_the_work"].get(name, 1) < 1:
        star = "*"
    times = f"{warm / row['seconds_engine']:.1f}x / {cold / row['seconds_engine_cold']:.1f}x"
    return f"{warm:.2f}{star} / {cold:.2f}{star}\n{times}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    defaults = ALONE
    if options.suite:
        defaults = IN_SUITE
    if jax.default_backend() != "cpu":
        defaults = defaults | {"rival_seconds": ON_A_GPU}
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    integer("repeats", options.repeats, least=0)
    number("gflop", options.gflop, above=0)
    number("rival_seconds", options.rival_seconds, above=0)
    cases = [_asked(options)]
    if options.suite:
        cases = [_cut(case, options) for case in SUITE]
    ceilings = {"gemm_gflops": gemm_gflops(), "copy_gbs": copy_gbs()}
    rows = [measure(options, case, ceilings) for case in cases]
    if len(rows) == 1:
        return rows[0] | {"rows": rows}
    return {"rows": rows}


def _asked(options: argparse.Namespace) -> Case:
    """The single case that the options describe."""
    return Case(**{field.name: getattr(options, field.name) for field in fields(Case)})


def _cut(case: Case, options: argparse.Namespace) -> Case:
    """The case, on a CPU with no more than so much useful work."""
    if jax.default_backend() != "cpu":
        return case
    flops = useful_flops(case, case.data(options.data), case.masks())
    return case.within(flops, options.gflop * 1e9)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.coalition_engine", __doc__)
    add = parser.add_argument
    add("--data", help=DATA)
    add_models(add)
    add_counts(parser, {name: (getattr(Case(), name), said) for name, said in COUNTS.items()})
    add("--suite", action="store_true", help="the table of cases, on a CPU each cut to --gflop")
    gflop = "useful work of a case of the suite on a CPU (default: %(default)s)"
    add("--gflop", type=float, default=5.0, help=gflop)
    add_plan(add)
    add("--repeats", type=int, help="timed calls once compiled (default: 5; 2 in the suite)")
    seconds = (
        "of a rival that takes one coalition at a time, beyond which it plays a part "
        "(default: 60; 10 in the suite; 4 on a GPU)"
    )
    add("--rival-seconds", type=float, help=seconds)
    for name in ("loop", "vmap", "torch"):
        add(f"--no-{name}", action="store_true", help="leave this rival out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
