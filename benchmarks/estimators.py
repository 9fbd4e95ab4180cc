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
from collections.abc import Sequence

from rich.console import Console

from benchmarks.estimator_contest import errors_of, label, measure, measures, ranking
from benchmarks.estimator_figure import figure
from benchmarks.estimator_tables import MADE, Table, keep, kept, trained
from benchmarks.harness import Record, add_counts, at_least, parser_of, present, table
from fedjax_shap._validate import require
from fedjax_shap.shapley.covariance_fit import one_thread
from fedjax_shap.shapley.estimators.registry import DEFAULT
from fedjax_shap.shapley.exact import shapley_values

BUDGETS = {
    "A": (32, 64, 128),
    "B": (50, 100, 200, 500),
    "accuracy": (50, 100, 200),
    "roc_auc": (50, 100, 200),
    "round": (50, 100, 200),
    "voting": (50, 100, 200),
}
QUICK = 5  # draws of each estimator
# The lowest relative L2 error that other implementations reached on such games, by budget.
OTHERS = {
    "A": dict(zip(BUDGETS["A"], (0.15, 0.034, 0.008))),
    "B": dict(zip(BUDGETS["B"], (0.43, 0.16, 0.107, 0.028))),
}
COUNTS = {
    "seeds": (40, "draws of each estimator"),
    "trainings": (3, "trainings for the noise floor"),
}


def tables(options: argparse.Namespace) -> dict[str, Table]:
    """The utilities of all coalitions of each game: trained, or those kept if `quick`."""
    if options.quick:
        return {name: Table(kept(name)) for name in options.games}
    return {
        name: trained(name, options.data, options.store, options.trainings)
        for name in options.games
    }


def show(record: Record, console: Console) -> None:
    """A table for each game on the terminal, best estimator first."""
    for game, about in record["games"].items():
        budgets = BUDGETS[game]
        title = f"Game {game}: relative L2 error, mean over seeds"
        shown = table(title, ("estimator", *map(str, budgets)))
        cells = errors_of(record, game)
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
            if (row["game"], label(row)) == (game, record["default"])
        }
        shown.add_row(f"{record['default']}: z", *(f"{scores[b]:.2f}" for b in budgets))
        if game in OTHERS:
            shown.add_row("other packages' best", *(f"{OTHERS[game][b]:.3f}" for b in budgets))
        if about["noise_floor"] is not None:
            floor = f"{about['noise_floor']['rel_l2']:.3f}"
            shown.add_row("noise floor of training", *(floor for _ in budgets))
        console.print(shown)


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
            rows += measure(name, whole.utilities, BUDGETS[name], lambda who, budget: options.seeds)
        floor = whole.floor
        games[name] = {
            "noise_floor": floor and measures(floor),
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
