"""How near to the machine's limit does the engine train coalitions, and how much faster than one at
a time?

One game (or, with --suite, a table of them) is played by the engine; by the same jitted training
one coalition at a time (in both layouts, of which the one with the shorter first call counts; in
the suite client by client); by one vmap over all coalitions in which outsiders train along with
members; and by PyTorch where it is installed. Their utilities, minus the log-losses of the
coalitions' models, may differ by 1e-4 nats at most: a rival's are held against the engine's after
its first call, before the clock of its later calls starts, and nothing is written where they differ
by more. A first call plans and compiles everything anew.

The useful work is counted by hand, see `benchmarks.games.useful_flops`; gemm_gflops and copy_gbs
are the machine's own ceilings in the same run. seconds_* are medians once compiled, seconds_*_cold
are those of a first call, and `torch_loop_fraction` is the share of the member-steps that PyTorch
took: below 1, its seconds are an extrapolation.

    python -m benchmarks.coalition_engine --json coalition_engine.json
    python -m benchmarks.coalition_engine --data-name mnist --model cnn --batch-size 0 --data DIR
    python -m benchmarks.coalition_engine --suite --data DIR --json suite.json
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import product
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import torch_loop
from benchmarks.ceilings import PeakMemory, copy_gbs, gemm_gflops
from benchmarks.contest import Contest
from benchmarks.games import Case, add_plan, loops, member_steps, plan_of, useful_flops
from benchmarks.harness import Seconds, present
from fedjax_shap._validate import integer, number
from fedjax_shap.engine.plan import Plan, useful_fraction

ALONE, IN_SUITE = {"repeats": 5, "torch_seconds": 60.0}, {"repeats": 2, "torch_seconds": 5.0}
MODELS = (("digits", "mlp", 32), ("digits", "mlp", 200), ("mnist", "mlp", 200), ("mnist", "cnn", 0))
SUITE = tuple(
    Case(data_name=data, model=model, hidden=hidden or 200, n=n, batch_size=batch)  # type: ignore[arg-type]
    for (data, model, hidden), n, batch in product(MODELS, (6, 8, 10), (32, 0))
)


def measure(options: argparse.Namespace, case: Case, ceilings: dict[str, float]) -> dict[str, Any]:
    """One case: the engine, its rivals, and how near to the machine's ceilings it came."""
    contest = Contest(case, options.data, options.repeats)
    with PeakMemory() as memory:
        engine, plan = contest.engine(plan_of(options))
    steps = np.full(case.n, case.steps)
    flops = useful_flops(case, contest.data, contest.masks)
    rate = flops / engine["warm"] / 1e9
    found = asdict(case) | {"num_coalitions": len(contest.masks), "plan": asdict(plan), **ceilings}
    found |= {
        "useful_gflop": flops / 1e9,
        "member_steps": member_steps(contest.masks, steps, case.rounds),
    }
    found |= {"engine_gflops": rate, "fraction_of_gemm": rate / ceilings["gemm_gflops"]}
    found |= {
        "seconds_engine": engine["warm"],
        "seconds_engine_cold": engine["first"],
        "compile_s": engine["compile"],
    }
    found |= {
        "num_programs": engine["programs"],
        "useful_fraction": useful_fraction(plan, contest.masks, steps),
    }
    found |= {"peak_memory_mb": memory.megabytes, **_rivals(options, contest, engine)}
    return found | {
        "max_abs_diff": max(contest.gaps.values(), default=None),
        "max_abs_diffs": contest.gaps,
    }


def _rivals(options: argparse.Namespace, contest: Contest, engine: Seconds) -> dict[str, Any]:
    """Seconds of the rivals, None for those left out; `parts` has all clocks in detail."""
    found: dict[str, Any] = dict.fromkeys(("jitted_loop_layout", "torch_loop_fraction"))
    clocks: dict[str, Seconds] = {"engine": engine}
    if not options.no_loop:
        plans = loops(contest.case.n)
        if options.suite:
            del plans[
                "coalition"
            ]  # a program for each size: its first call takes longer, most of it compilation
        each = {name: contest.rival(f"the loop by {name}", plan) for name, plan in plans.items()}
        found["jitted_loop_layout"] = min(each, key=lambda name: each[name]["first"])
        clocks["jitted_loop"] = each[found["jitted_loop_layout"]]
        clocks |= {f"jitted_loop_by_{name}": clock for name, clock in each.items()}
    if not options.no_vmap:
        naive = Plan(chunk=len(contest.masks), layout="coalition", buckets=1, workers=1, devices=1)
        clocks["vmap_all"] = contest.rival("one vmap over all", naive)
    if not options.no_torch and torch_loop.available():
        clocks["torch_loop"], found["torch_loop_fraction"] = contest.in_torch(options.torch_seconds)
    for name in ("jitted_loop", "vmap_all", "torch_loop"):
        found[f"seconds_{name}"] = clocks[name]["warm"] if name in clocks else None
        found[f"seconds_{name}_cold"] = clocks[name]["first"] if name in clocks else None
    return found | {"parts": clocks}


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal."""
    first = record["rows"][0]
    title = f"Ceilings: {first['gemm_gflops']:.0f} GF/s matrix product (GEMM), {first['copy_gbs']:.0f} GB/s copy.\n"
    title += (
        "Seconds once compiled / of a first call; gap: the largest difference of utilities, in nats"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in (
        "game",
        "engine",
        "GF/s",
        "of GEMM",
        "one at a time",
        "one vmap",
        "PyTorch",
        "gap",
    ):
        table.add_column(column, justify="left" if column == "game" else "right")
    for row in record["rows"]:
        model = "LeNet5" if row["model"] == "cnn" else f"MLP {row['hidden']}"
        batch = f"batch {row['batch_size']}" if row["batch_size"] else "full batch"
        game = (
            f"{row['data_name']} {model}, n = {row['n']}, {batch}, {row['rounds']} x {row['steps']}"
        )
        if row["num_coalitions"] < 2 ** row["n"]:
            game += f", {row['num_coalitions']} coalitions"
        engine = f"{row['seconds_engine']:.2f} / {row['seconds_engine_cold']:.2f}"
        rates = (f"{row['engine_gflops']:.1f}", f"{100 * row['fraction_of_gemm']:.0f} %")
        rivals = [_against(row, name) for name in ("jitted_loop", "vmap_all", "torch_loop")]
        gap = "-" if row["max_abs_diff"] is None else f"{row['max_abs_diff']:.0e}"
        table.add_row(game, engine, *rates, *rivals, gap)
    console.print(table)
    if any((row["torch_loop_fraction"] or 1) < 1 for row in record["rows"]):
        console.print(
            "* extrapolated by member-steps from a part of the coalitions", highlight=False
        )


def _against(row: dict[str, Any], name: str) -> str:
    warm, cold = row[f"seconds_{name}"], row[f"seconds_{name}_cold"]
    if warm is None:
        return "-"
    star = "*" if name == "torch_loop" and row["torch_loop_fraction"] < 1 else ""
    times = f"{warm / row['seconds_engine']:.1f}x / {cold / row['seconds_engine_cold']:.1f}x"
    return f"{warm:.2f}{star} / {cold:.2f}{star}\n{times}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    for name, value in (IN_SUITE if options.suite else ALONE).items():
        setattr(options, name, value if getattr(options, name) is None else getattr(options, name))
    integer("repeats", options.repeats, least=0)
    number("gflop", options.gflop, above=0)
    number("torch_seconds", options.torch_seconds, above=0)
    cases = [_cut(case, options) for case in SUITE] if options.suite else [_asked(options)]
    ceilings = {"gemm_gflops": gemm_gflops(), "copy_gbs": copy_gbs()}
    rows = [measure(options, case, ceilings) for case in cases]
    return (rows[0] if len(rows) == 1 else {}) | {"rows": rows}


def _asked(options: argparse.Namespace) -> Case:
    """The single case that the options describe."""
    return Case(**{field.name: getattr(options, field.name) for field in fields(Case)})


def _cut(case: Case, options: argparse.Namespace) -> Case:
    """The case, on a CPU with no more than so much useful work."""
    if jax.default_backend() != "cpu":
        return case
    return case.within(
        useful_flops(case, case.data(options.data), case.masks()), options.gflop * 1e9
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coalition_engine", description=(__doc__ or "").split("\n")[0]
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
        ("hidden", "width of the MLP's hidden layer"),
        ("n", "clients"),
        ("batch_size", "rows a mini-batch, 0 for the full batch"),
        ("rounds", "rounds a coalition"),
        ("steps", "local steps a client and round"),
        ("coalitions", "how many are valued, 0 for all"),
    ):
        add(
            f"--{name.replace('_', '-')}",
            type=int,
            default=getattr(Case(), name),
            help=f"{told} (default: %(default)s)",
        )
    add("--suite", action="store_true", help="the table of cases, on a CPU each cut to --gflop")
    add(
        "--gflop",
        type=float,
        default=5.0,
        help="useful work of a case of the suite on a CPU (default: %(default)s)",
    )
    add_plan(add)
    add("--repeats", type=int, help="timed calls once compiled (default: 5; 2 in the suite)")
    add(
        "--torch-seconds",
        type=float,
        help="beyond which PyTorch is extrapolated (default: 60; 5 in the suite)",
    )
    for name in ("loop", "vmap", "torch"):
        add(f"--no-{name}", action="store_true", help="leave this rival out")
    add("--json", help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
