"""How near do estimators come to exact Shapley values when each may train equally many coalitions?

Six games are trained in full, once (kept in `--store`): see `benchmarks.estimator_games`. Each
estimator then gets budgets of distinct coalitions, the empty and the grand one among them, under
many seeds; so do shapiq's, where it is installed. `z` is by how many of its standard errors an
estimate is off, as a root mean square. `noise floor` is the difference between the exact values of
two trainings of the same game: no estimator can be expected to come nearer to the truth.

    python -m benchmarks.estimators --data DIR --json estimators.json --figure estimators.png

Nine minutes on one core once the games are trained, which takes six. With `--quick`, within five:
few seeds, and utilities that were trained before.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks.estimator_figure import figure
from benchmarks.estimator_tables import MADE, Table, keep, kept, trained
from benchmarks.harness import Record, add_counts, at_least, parser_of, present, table
from benchmarks.rivals import Rival, rivals
from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.coalitions import ranks
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.covariance_fit import one_thread
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Utilities

BUDGETS = {
    "A": (32, 64, 128),
    "B": (50, 100, 200, 500),
    "accuracy": (50, 100, 200),
    "roc_auc": (50, 100, 200),
    "round": (50, 100, 200),
    "voting": (50, 100, 200),
}
QUICK = 5  # draws of each estimator
LARGEST_Z = 1000.0  # of one value: no error at all where there should be one
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
# (table, budget, seed) -> (values, standard errors where it has them); None: the budget is refused
Valued = tuple[HostArray, HostArray | None]
Values = Callable[[Utilities, int, int], Valued | None]


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
    return ours | {("shapiq", name): partial(_theirs, rival) for name, rival in rivals().items()}


def _theirs(rival: Rival, table: Utilities, budget: int, seed: int) -> Valued | None:
    """What a rival reads off a table, which gives no errors."""
    values = rival(table, budget, seed)
    if values is None:
        return None
    return values, None


def _values(
    kind: str, options: dict[str, Any], table: Utilities, budget: int, seed: int
) -> Valued | None:
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
            read = estimator.read(state)
            return read.values, read.std_errors
        state = estimator.tell(state, masks, table[ranks(masks)])
        batch += 1


def tables(options: argparse.Namespace) -> dict[str, Table]:
    """The utilities of all coalitions of each game: trained, or those kept if `quick`."""
    if options.quick:
        return {name: Table(kept(name)) for name in options.games}
    return {
        name: trained(name, options.data, options.store, options.trainings)
        for name in options.games
    }


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
            every = [values(table, budget, seed) for seed in range(options.seeds)]
            seconds = (time.perf_counter() - began) / options.seeds
            runs = [run for run in every if run is not None]
            each = [_measures(agreement(found, exact)) for found, _ in runs]
            if not each:
                continue
            row = {"game": name, "package": package, "estimator": estimator, "budget": budget}
            for short in MEASURES:
                row[short] = float(np.mean([one[short] for one in each]))
            row["rel_l2_band"] = np.quantile([one["rel_l2"] for one in each], [0.1, 0.9]).tolist()
            row["z"] = _z_score(runs, exact)
            row["seeds"] = len(each)
            row["seconds"] = round(seconds, 5)
            rows.append(row)
    return rows


def _z_score(runs: Sequence[Valued], exact: HostArray) -> float | None:
    """The root mean square of errors over standard errors; None where there are none."""
    scores = []
    for values, errors in runs:
        if errors is None or not np.isfinite(errors).all():
            return None
        off = np.abs(values - exact)
        # an error of zero is right where the value is, to rounding
        floor = 1e-9 * np.abs(exact).max()
        scores.append(np.minimum(off / np.maximum(errors, floor), LARGEST_Z))
    return float(np.sqrt(np.mean(np.square(scores))))


def ranking(rows: Sequence[Record]) -> list[str]:
    """The estimators by the mean logarithm of their errors over all games and budgets, best first.

    Those that refuse a budget come last, those that refuse most at the end.
    """
    errors: dict[str, list[float]] = {}
    for row in rows:
        errors.setdefault(_label(row), []).append(max(row["rel_l2"], 1e-12))
    return sorted(errors, key=lambda name: (-len(errors[name]), np.mean(np.log(errors[name]))))


def _label(row: Record) -> str:
    """The estimator's name; of another package, with the package's."""
    label: str = row["estimator"]
    if row["package"] != "fedjax_shap":
        label += f", {row['package']}"
    return label


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
        scores = {
            row["budget"]: row["z"]
            for row in record["rows"]
            if (row["game"], _label(row)) == (game, record["default"])
        }
        shown.add_row(f"{record['default']}: z", *(f"{scores[b]:.2f}" for b in budgets))
        if game in OTHERS:
            shown.add_row("other packages' best", *(f"{OTHERS[game][b]:.3f}" for b in budgets))
        if about["noise_floor"] is not None:
            floor = f"{about['noise_floor']['rel_l2']:.3f}"
            shown.add_row("noise floor of training", *(floor for _ in budgets))
        console.print(shown)


def _errors(record: Record, game: str) -> dict[str, dict[int, float]]:
    """{estimator: {budget: relative L2 error}} on one game; other packages' name the package."""
    errors: dict[str, dict[int, float]] = {}
    for row in record["rows"]:
        if row["game"] == game:
            errors.setdefault(_label(row), {})[row["budget"]] = row["rel_l2"]
    return errors


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    at_least(vars(options), seeds=1, trainings=2)
    require(
        not options.keep or (not options.quick and set(options.games) == set(MADE)),
        "Expected --keep to come without --quick and with all games, as all are kept at once.",
    )
    if options.quick:
        options.seeds = min(options.seeds, QUICK)
    rows = []
    games = {}
    made = tables(options)
    if options.keep:
        keep({name: table.utilities for name, table in made.items()})
    for name, whole in made.items():
        # small matrices: threads would only wait for each other
        with one_thread():
            rows += measure(name, whole.utilities, options)
        floor = whole.floor
        games[name] = {
            "noise_floor": floor and _measures(floor),
            "kept_gap": whole.kept_gap,
            "players": len(whole.utilities).bit_length() - 1,
            "exact": shapley_values(whole.utilities).tolist(),
        }
    return {
        "default": DEFAULT,
        "quick": options.quick,
        "games": games,
        "best_of_peers": OTHERS,
        "ranking": ranking(rows),
        "rows": rows,
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.estimators", __doc__)
    add = parser.add_argument
    data = "the folder of data sets (default: the variable FEDJAX_SHAP_DATA)"
    add("--data", help=data)
    every = tuple(MADE)
    add("--games", nargs="+", choices=every, default=every, help="which games (default: all)")
    quick = f"{QUICK} draws of each, of the utilities kept in the repository"
    add("--quick", action="store_true", help=quick)
    add("--keep", action="store_true", help="keep the trained utilities for --quick")
    add_counts(parser, COUNTS)
    add("--store", help="a folder in which the trained utilities are kept")
    add("--figure", help="where the figure goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
