"""How fast are the federated algorithms against FedAvg, in one run and over 2^8 coalitions?

Digits, an MLP 64-64-10, mini-batches of SGD. In one run all 100 clients train together; then every
coalition of 8 clients is trained alone, all under the plan that the package chooses for FedAvg.
Each algorithm's utilities (minus the log-losses of the models) are first compared with the
one-coalition training, `Learner.train`, which is another program; its clock starts after that.
Algorithms are timed one after another, several times over, so that other work on the machine slows
all of them alike. `ratio` is the median over these passes of an algorithm's seconds to FedAvg's in
the same pass. FedSGD takes one step a round, whatever the others take. `peak_bytes` is the memory
of the compiled program as XLA plans it, data included.

    python -m benchmarks.algorithms --json algorithms.json
    python -m benchmarks.algorithms --quick

On a GPU, where programs take long to compile, fewer algorithms are timed, and after --seconds none
is begun. Eight minutes on two cores.

On a CPU shared with other work (load 8 to 14 on 4 virtual cores;
benchmarks/results/algorithms_cpu.json) algorithms without a state for each member took 0.8 to 1.2
times FedAvg's seconds, which is the noise of that machine (FedSGD, of one step a round, 0.2 and 0.3
times). SCAFFOLD took 1.6 times as long in one run and 1.4 for coalitions, FedaGrac 1.8 and 1.5, the
patented calibration 1.7 and 1.6. For coalitions these three took 3.4 to 4.3 times its memory.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks.games import add_plan, plan_of
from benchmarks.harness import (
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
from benchmarks.timing import compiled_anew, timed
from fedjax_shap._validate import one_of, require
from fedjax_shap.coalitions import all_subsets, chunk_of
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.partition import iid
from fedjax_shap.data.sources import digits
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import mlp
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import Masks, Utilities

# All but the general one, of which FedAdam, FedYogi and FedAdagrad are cases.
NAMES = tuple(name for name in ALGORITHMS if name != "fedopt")
TIMED = {"cpu": NAMES, "elsewhere": ("fedavg", "scaffold", "calibrated", "fedsgd")}
LEARNING_RATE = 0.05
# At their default rate 0.1 float32 rounding grows: FedAdagrad's log-losses differ by 8e-4 nats, in
# float64 by 1e-15.
SETTINGS = {name: {"server_learning_rate": 0.01} for name in ("fedadam", "fedyogi", "fedadagrad")}
GAP = 1e-4  # nats by which the one-coalition training may differ
CHECKED = 8  # coalitions that are trained one at a time as well
TOGETHER = Plan(chunk=1, layout="client", workers=1, devices=1)  # of the one run
COLUMNS = ("rounds/s", "ratio", "compile, s", "MB")  # of each half of the table
COUNTS = {
    "clients": (100, "clients of the one run"),
    "players": (8, "clients of which every coalition is trained"),
    "rounds": (20, "rounds of each training"),
    "steps": (10, "local steps a client and round"),
    "hidden": (64, "width of the hidden layer"),
    "batch_size": (16, "rows a mini-batch"),
    "repeats": (5, "times that each algorithm is timed"),
    "key": (0, "seeds the split and the training"),
}
QUICK = {"clients": 6, "players": 3, "rounds": 2, "steps": 2, "hidden": 4, "repeats": 1}
ONE_AT_A_TIME = Plan(chunk=1, layout="coalition", buckets=1, workers=1, devices=1)


class Work:
    """Coalitions of one federation, trained under every algorithm.

    Attributes:
        masks: bool[M, P], the coalitions.
        plan: how they are trained, the same under every algorithm.
        key: seeds the training.
    """

    def __init__(
        self, options: argparse.Namespace, num_clients: int, masks: Masks, plan: Plan
    ) -> None:
        """Deals out the rows, and completes the plan for FedAvg where it is left open."""
        self._options = options
        self.masks = masks
        self.key = jax.random.key(options.key)
        self._data: FederatedData = federate(
            digits(), iid(num_clients=num_clients), seed=options.key
        )
        self.plan = autoplan(self.game("fedavg"), self.key, masks, plan)

    def game(self, name: str) -> Game:
        """The game under an algorithm, of which nothing is compiled yet."""
        asked = self._options
        training = local(
            learning_rate=LEARNING_RATE, batch_size=asked.batch_size, steps=asked.steps
        )
        algorithm = ALGORITHMS[name](max_rounds=asked.rounds, **SETTINGS.get(name, {}))
        return silo(
            self._data,
            Training(mlp(hidden=(asked.hidden,)), training, algorithm, key=self.key),
            metric="negative_loss",
        )

    def first(self, name: str) -> tuple[Game, dict[str, Any]]:
        """The game, compared with the one-coalition training; its first seconds and its memory."""
        game = self.game(name)
        gaps: list[float] = []

        def check(utilities: Utilities) -> None:
            some = np.linspace(0, len(self.masks) - 1, min(CHECKED, len(self.masks))).astype(int)
            alone = evaluate(game, self.key, self.masks[some], ONE_AT_A_TIME)
            gaps.append(float(np.abs(utilities[some] - alone).max()))
            require(
                gaps[0] <= GAP,
                f"Expected {name} to give the utilities of the one-coalition training within "
                f"{GAP}, got {gaps[0]:.1e}.",
            )

        _, seconds = timed(
            lambda: evaluate(game, self.key, self.masks, self.plan), repeats=0, check=check
        )
        measured = {
            "first": seconds["first"],
            "compile": seconds["compile"],
            "max_abs_diff": gaps[0],
            "peak_bytes": self._memory(game),
        }
        return game, measured

    def seconds(self, game: Game) -> float:
        """Of one call, everything compiled."""
        began = time.perf_counter()
        evaluate(game, self.key, self.masks, self.plan)
        return time.perf_counter() - began

    def _memory(self, game: Game) -> int:
        """Bytes that the program of one chunk takes at most, its arguments included."""
        count = min(int(self.plan.chunk or 1), len(self.masks))
        chunk: Any = chunk_of(self.masks[:count], count)
        lowered = jax.jit(game.values).lower(game.world, self.key, chunk)
        analysis: Any = lowered.compile().memory_analysis()
        kept = (
            analysis.argument_size_in_bytes
            + analysis.output_size_in_bytes
            - analysis.alias_size_in_bytes
        )
        return int(kept + analysis.temp_size_in_bytes)


def measure(
    options: argparse.Namespace, work: Work, names: Sequence[str], limit: Limit
) -> dict[str, dict[str, Any]]:
    """{algorithm: its seconds, rounds a second, ratio to FedAvg, and memory}.

    Args:
        options: the command line.
        work: the coalitions.
        names: of the algorithms, FedAvg first.
        limit: after which no further algorithm is begun.
    """
    games: dict[str, Game] = {}
    measured: dict[str, dict[str, Any]] = {}
    with compiled_anew():
        for name in names:
            if games and limit.is_over():
                break
            games[name], measured[name] = work.first(name)
            print(f"{name}: compiled and checked", file=sys.stderr, flush=True)
        names = list(games)
        runs = np.array(
            [[work.seconds(games[name]) for name in names] for _ in range(options.repeats)]
        )
    trained = int(work.masks.any(axis=1).sum())  # the empty coalition trains nothing
    ratios = np.median(runs / runs[:, [names.index("fedavg")]], axis=0)
    warm = np.median(runs, axis=0)
    for at, name in enumerate(names):
        measured[name] |= {
            "warm": float(warm[at]),
            "runs": runs[:, at].tolist(),
            "rounds_per_second": trained * options.rounds / float(warm[at]),
            "ratio": float(ratios[at]),
        }
    return measured


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    one = record["one_run"]
    many = record["coalitions"]
    title = (
        f"Left: one run of {one['clients']} clients. Right: {many['num_coalitions']} coalitions of "
        f"{many['clients']} clients.\nRounds a second, seconds as a ratio to FedAvg, MB of the "
        "program"
    )
    shown = table(title, ("algorithm", *COLUMNS, *COLUMNS))
    for name in one["algorithms"]:
        cells = []
        for part in (one, many):
            row = part["algorithms"].get(name)
            if row is None:
                cells += ["-"] * len(COLUMNS)
                continue
            cells += [
                f"{row['rounds_per_second']:,.0f}",
                f"{row['ratio']:.2f}",
                f"{row['compile']:.1f}",
                f"{row['peak_bytes'] / 1e6:.1f}",
            ]
        shown.add_row(name, *cells)
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    if options.quick:
        vars(options).update(QUICK)
    at_least(vars(options), clients=1, players=1, rounds=1, steps=1, hidden=1, repeats=1, key=0)
    asked = options.algorithms or on_device(TIMED)
    for name in asked:
        one_of("algorithms", name, NAMES)
    names = [name for name in NAMES if name in {"fedavg", *asked}]
    limit = Limit(options)
    # one run of all clients
    everyone = np.ones((1, options.clients), bool)
    alone = Work(options, options.clients, everyone, TOGETHER)
    one_run = {"clients": options.clients, "algorithms": measure(options, alone, names, limit)}
    # every coalition of fewer clients
    masks = all_subsets(options.players)
    many = Work(options, options.players, masks, plan_of(options))
    coalitions = {
        "clients": options.players,
        "num_coalitions": len(masks),
        "plan": asdict(many.plan),
        "algorithms": measure(options, many, names, limit),
    }
    named = ("rounds", "steps", "hidden", "batch_size", "repeats", "key")
    record = {name: getattr(options, name) for name in named}
    return record | {"one_run": one_run, "coalitions": coalitions}


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.algorithms", __doc__)
    add_counts(parser, COUNTS)
    add = parser.add_argument
    those = "those to time beside FedAvg (default: all; a few on a GPU)"
    add("--algorithms", nargs="+", metavar="NAME", help=those)
    add_seconds(add)
    add_plan(add)
    quick = "sizes at which it takes seconds and says nothing of speed"
    add("--quick", action="store_true", help=quick)
    return parser


if __name__ == "__main__":
    sys.exit(main())
