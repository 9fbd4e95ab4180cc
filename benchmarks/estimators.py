"""How near do estimators come to exact Shapley values when each may train equally many coalitions?

Two federations are trained in full, once (kept in `--store`): A, FLCE's tic-tac-toe game of 8
clients, and B, digits among 10 clients of unequal size, of which each has more wrong labels than
the one before. Each estimator then gets budgets of distinct coalitions, the empty and the grand one
among them, under many seeds; so do shapiq's, where it is installed. `noise floor` is the difference
between the exact values of two trainings of the same game: no estimator can be expected to come
nearer to the truth.

    python -m benchmarks.estimators --data DIR --json estimators.json --figure estimators.png
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks.estimator_figure import figure
from benchmarks.estimator_games import game_a, game_b
from benchmarks.harness import Record, add_counts, at_least, parser_of, present, table
from benchmarks.rivals import rivals
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.game import Game
from fedjax_shap.games.repeated import repeated
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Key, Utilities
from fedjax_shap.valuation.repeats import noise_floor

BUDGETS = {"A": (32, 64, 128), "B": (50, 100, 200, 500)}
MEASURES = {
    "rel_l2": "relative_l2",
    "max_diff": "max_difference",
    "spearman": "spearman",
    "kendall": "kendall",
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "permutation, random": ("permutation", {"orders": "random"}),
    "permutation, orthogonal": ("permutation", {"orders": "orthogonal"}),
    "kernelshap, unbiased": ("kernelshap", {"unbiased": True}),
    "stratified, neyman": ("stratified", {"allocation": "neyman"}),
    "complementary, neyman": ("complementary", {"allocation": "neyman"}),
    "svarm, plain": ("svarm", {"stratified": False}),
    "regression_msr, gaussian": ("regression_msr", {"surrogate": "gaussian_process"}),
}
# The lowest relative L2 error that other implementations reached on such games, by budget.
OTHERS = {
    "A": dict(zip(BUDGETS["A"], (0.15, 0.034, 0.008))),
    "B": dict(zip(BUDGETS["B"], (0.43, 0.16, 0.107, 0.028))),
}
COUNTS = {
    "seeds": (40, "draws of each estimator"),
    "trainings": (3, "trainings for the noise floor"),
}
# (table, budget, seed) -> values, None where the budget is refused
Values = Callable[[Utilities, int, int], HostArray | None]


def contestants() -> dict[tuple[str, str], Values]:
    """(package, estimator) -> its values; ours are those that aim at the Shapley value."""
    named: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in ESTIMATORS}
    named |= VARIANTS
    ours = {
        ("fedjax_shap", name): partial(_values, kind, options)
        for name, (kind, options) in named.items()
        if (promised := ESTIMATORS[kind](**options).guarantees).target == "shapley"
        and promised.errors != "none"
    }
    return ours | {("shapiq", name): values for name, values in rivals().items()}


def _values(
    kind: str, options: dict[str, Any], table: Utilities, budget: int, seed: int
) -> HostArray | None:
    """What one of our estimators reads off a table; None where the budget is too small for it."""
    estimator = ESTIMATORS[kind](**options)
    key = jax.random.key(seed)
    batch = 0
    try:
        state = estimator.init(len(table).bit_length() - 1, budget, None)
    except InvalidInputError:
        return None
    while True:
        masks, state = estimator.ask(jax.random.fold_in(key, batch), state)
        if not len(masks):
            return estimator.read(state).values
        state = estimator.tell(state, masks, table[ranks(masks)])
        batch += 1


def tables(options: argparse.Namespace) -> dict[str, tuple[Utilities, dict[str, Any]]]:
    """The utilities of all coalitions of each game, and by how much two trainings of it differ."""
    trained = {}
    for name in options.games:
        if name == "A":
            game, key = game_a(options.data)
            again, again_key = game_a(options.data, draws="own")
        else:
            game, key = game_b()
            again = game
            again_key = key
        utilities = _trained(game, key, options.store, name)
        every = repeated(again, options.trainings)
        several = _trained(every, again_key, options.store, f"{name}-repeated")
        floor = _measures(noise_floor(shapley_values(several)) or {})
        trained[name] = (utilities, {"noise_floor": floor})
    return trained


def _trained(game: Game, key: Key, folder: str | None, name: str) -> Utilities:
    """All utilities of a game, from the store as far as they are there."""
    where = None
    if folder is not None:
        where = Path(folder) / name
    store = UtilityStore(where, fingerprint=fingerprint(game, key))
    return evaluate(game, key, all_subsets(game.num_players), store=store)


def _measures(agreed: dict[str, float]) -> dict[str, float]:
    """Those of the measures of agreement that the record keeps, under their short names."""
    return {short: agreed[long] for short, long in MEASURES.items() if long in agreed}


def measure(name: str, table: Utilities, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each estimator and budget: means over the seeds, and a band of rel_l2.

    The band goes from the 10th to the 90th percentile.
    """
    exact = shapley_values(table)
    rows = []
    for (package, estimator), values in contestants().items():
        for budget in BUDGETS[name]:
            began = time.perf_counter()
            runs = [values(table, budget, seed) for seed in range(options.seeds)]
            seconds = (time.perf_counter() - began) / options.seeds
            each = [_measures(agreement(run, exact)) for run in runs if run is not None]
            if not each:
                continue
            row = {"game": name, "package": package, "estimator": estimator, "budget": budget}
            for short in MEASURES:
                row[short] = float(np.mean([one[short] for one in each]))
            row["rel_l2_band"] = np.quantile([one["rel_l2"] for one in each], [0.1, 0.9]).tolist()
            row["seeds"] = len(each)
            row["seconds"] = round(seconds, 5)
            rows.append(row)
    return rows


def show(record: Record, console: Console) -> None:
    """A table for each game on the terminal, best estimator first."""
    for game, about in record["games"].items():
        budgets = BUDGETS[game]
        title = f"Game {game}: relative L2 error, mean over seeds"
        shown = table(title, ("estimator", *map(str, budgets)))
        cells = _errors(record, game)
        for name in sorted(cells, key=lambda name: cells[name][max(cells[name])]):
            errors = {budget: f"{error:.3f}" for budget, error in cells[name].items()}
            style = ""
            if name == record["default"]:
                style = "bold"
            shown.add_row(name, *(errors.get(budget, "-") for budget in budgets), style=style)
        shown.add_section()
        shown.add_row("other packages' best", *(f"{OTHERS[game][b]:.3f}" for b in budgets))
        floor = f"{about['noise_floor']['rel_l2']:.3f}"
        shown.add_row("noise floor of training", *(floor for _ in budgets))
        console.print(shown)


def _errors(record: Record, game: str) -> dict[str, dict[int, float]]:
    """{estimator: {budget: relative L2 error}} on one game; other packages' name the package."""
    errors: dict[str, dict[int, float]] = {}
    for row in record["rows"]:
        if row["game"] == game:
            name = row["estimator"]
            if row["package"] != "fedjax_shap":
                name += f", {row['package']}"
            errors.setdefault(name, {})[row["budget"]] = row["rel_l2"]
    return errors


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    at_least(vars(options), seeds=1, trainings=2)
    rows = []
    games = {}
    for name, (utilities, about) in tables(options).items():
        rows += measure(name, utilities, options)
        players = len(utilities).bit_length() - 1
        games[name] = {**about, "players": players, "exact": shapley_values(utilities).tolist()}
    return {
        "default": DEFAULT,
        "games": games,
        "best_of_peers": OTHERS,
        "rows": rows,
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.estimators", __doc__)
    add = parser.add_argument
    data = "the folder of data sets, for game A (default: the variable FEDJAX_SHAP_DATA)"
    add("--data", help=data)
    both = ("A", "B")
    add("--games", nargs="+", choices=both, default=both, help="which games (default: both)")
    add_counts(parser, COUNTS)
    add("--store", help="a folder in which the trained utilities are kept")
    add("--figure", help="where the figure goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
