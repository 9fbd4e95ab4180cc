"""How near do estimators come to exact Shapley values when each may train equally many coalitions?

Two federations are trained in full, once (kept in `--store`): A, FLCE's tic-tac-toe game of 8
clients, and B, digits among 10 clients of unequal size with a ladder of wrong labels. Each
estimator then gets budgets of distinct coalitions, nobody and everybody among them, under many
seeds; so do shapiq's, where it is installed. `noise floor` is what remains between the exact values
of two trainings of the same game: nobody can be expected to come nearer to the truth.

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
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.estimator_games import game_a, game_b
from benchmarks.harness import present
from benchmarks.rivals import rivals
from fedjax_shap._validate import InvalidInputError, integer
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
NAMED, FAMILIAR = (
    5,
    ("kernelshap", "tmc", "permutation"),
)  # the best so many are named in the figure, and these
# rows of the lowest error that other implementations reached on such games, relative L2
BEST_OF_PEERS = {
    "A": dict(zip(BUDGETS["A"], (0.15, 0.034, 0.008))),
    "B": dict(zip(BUDGETS["B"], (0.43, 0.16, 0.107, 0.028))),
}
Values = Callable[
    [Utilities, int, int], HostArray | None
]  # (table, budget, seed) -> values, None where refused


def contestants() -> dict[tuple[str, str], Values]:
    """(package, estimator) -> its values; ours are those registered whose target is the Shapley
    value.
    """
    named = {name: (name, {}) for name in ESTIMATORS} | VARIANTS
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
    """What one of our estimators makes of a table; None where the budget is too small for it."""
    estimator, key, turn = ESTIMATORS[kind](**options), jax.random.key(seed), 0
    try:
        state = estimator.init(len(table).bit_length() - 1, budget, None)
    except InvalidInputError:
        return None
    while True:
        masks, state = estimator.ask(jax.random.fold_in(key, turn), state)
        if not len(masks):
            return estimator.read(state).values
        state, turn = estimator.tell(state, masks, table[ranks(masks)]), turn + 1


def tables(options: argparse.Namespace) -> dict[str, tuple[Utilities, dict[str, Any]]]:
    """The utilities of all coalitions of each game, and what two trainings of it differ by."""
    found = {}
    for name in options.games:
        game, key = game_a(options.data) if name == "A" else game_b()
        fresh, own = game_a(options.data, draws="own") if name == "A" else (game, key)
        table = _trained(game, key, options.store, name)
        several = _trained(
            repeated(fresh, options.trainings), own, options.store, f"{name}-repeated"
        )
        found[name] = (
            table,
            {"noise_floor": _measures(noise_floor(shapley_values(several)) or {})},
        )
    return found


def _trained(game: Game, key: Key, folder: str | None, name: str) -> Utilities:
    """All utilities of a game, from the store as far as they are there."""
    where = None if folder is None else Path(folder) / name
    store = UtilityStore(where, fingerprint=fingerprint(game, key))
    return evaluate(game, key, all_subsets(game.num_players), store=store)


def _measures(found: dict[str, float]) -> dict[str, float]:
    return {short: found[long] for short, long in MEASURES.items() if long in found}


def measure(name: str, table: Utilities, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each estimator and budget: the means over the seeds, and the 10th and 90th
    percentile of rel_l2.
    """
    exact, rows = shapley_values(table), []
    for (package, estimator), values in contestants().items():
        for budget in BUDGETS[name]:
            began = time.perf_counter()
            runs = [values(table, budget, seed) for seed in range(options.seeds)]
            seconds = (time.perf_counter() - began) / options.seeds
            told = [_measures(agreement(run, exact)) for run in runs if run is not None]
            if not told:
                continue
            means = {short: float(np.mean([one[short] for one in told])) for short in MEASURES}
            band = np.quantile([one["rel_l2"] for one in told], [0.1, 0.9]).tolist()
            row = {"game": name, "package": package, "estimator": estimator, "budget": budget}
            rows.append(
                row
                | means
                | {"rel_l2_band": band, "seeds": len(told), "seconds": round(seconds, 5)}
            )
    return rows


def figure(record: dict[str, Any]) -> Figure:
    """Relative L2 error against the budget, on both games: ours, shapiq's, and the noise floor."""
    drawn = Figure(figsize=(12.0, 5.6), layout="constrained")
    games = list(record["games"])
    for axes, game in zip(np.atleast_1d(drawn.subplots(1, len(games))), games, strict=True):
        lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in record["rows"]:
            if row["game"] == game:
                lines.setdefault((row["package"], row["estimator"]), []).append(row)
        best = sorted(
            lines,
            key=lambda name: (-len(lines[name]), np.prod([row["rel_l2"] for row in lines[name]])),
        )
        ours, theirs = (
            [name for name in best if name[0] == package] for package in ("fedjax_shap", "shapiq")
        )
        named = [
            *ours[:NAMED],
            *(name for name in ours if name[1] in FAMILIAR),
            *theirs[: NAMED // 2],
        ]
        for name in [name for name in best if name not in named] + list(dict.fromkeys(named)):
            _line(
                axes,
                name,
                lines[name],
                record["default"],
                named.index(name) if name in named else None,
            )
        floor = record["games"][game]["noise_floor"]["rel_l2"]
        axes.axhline(
            floor, color="0.4", linestyle=":", linewidth=1.2, label="noise floor of training"
        )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="distinct coalitions trained",
            ylabel="relative L2 error",
        )
        axes.set_xticks(BUDGETS[game], [str(budget) for budget in BUDGETS[game]], minor=False)
        axes.minorticks_off()
        axes.set_title(f"game {game}: {record['games'][game]['players']} clients", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return drawn


def _line(
    axes: Any, name: tuple[str, str], rows: list[dict[str, Any]], default: str, rank: int | None
) -> None:
    """One estimator's line: the default stands out with its band, shapiq's are dashed, grey where
    there is no rank.
    """
    package, estimator = name
    budgets, errors = [row["budget"] for row in rows], [row["rel_l2"] for row in rows]
    style: dict[str, Any] = {"linestyle": "-" if package == "fedjax_shap" else "--"}
    if rank is None:
        axes.plot(budgets, errors, color="0.85", linewidth=0.8, zorder=1, **style)
    elif name == ("fedjax_shap", default):
        low, high = zip(*(row["rel_l2_band"] for row in rows), strict=True)
        axes.fill_between(budgets, low, high, color="black", alpha=0.15, linewidth=0)
        axes.plot(budgets, errors, "ko-", linewidth=2.4, zorder=5, label=f"{estimator} (default)")
    else:
        label = estimator if package == "fedjax_shap" else f"{estimator} (shapiq)"
        axes.plot(
            budgets, errors, color=f"C{rank % 10}", marker="o", markersize=3, label=label, **style
        )


def show(record: dict[str, Any], console: Console) -> None:
    """A table for each game on the terminal, best estimator first."""
    for game, about in record["games"].items():
        budgets = BUDGETS[game]
        table = Table(
            title=f"Game {game}: relative L2 error, mean over seeds", title_justify="left"
        )
        table.add_column("estimator", no_wrap=True)
        for budget in budgets:
            table.add_column(str(budget), justify="right")
        cells: dict[str, dict[int, float]] = {}
        for row in record["rows"]:
            if row["game"] == game:
                name = row["estimator"] + (", shapiq" if row["package"] == "shapiq" else "")
                cells.setdefault(name, {})[row["budget"]] = row["rel_l2"]
        for name in sorted(cells, key=lambda name: cells[name][max(cells[name])]):
            style = "bold" if name == record["default"] else None
            table.add_row(
                name,
                *(f"{cells[name][b]:.3f}" if b in cells[name] else "-" for b in budgets),
                style=style,
            )
        table.add_section()
        table.add_row("best of the peers", *(f"{BEST_OF_PEERS[game][b]:.3f}" for b in budgets))
        table.add_row(
            "noise floor of training", *(f"{about['noise_floor']['rel_l2']:.3f}" for _ in budgets)
        )
        console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    integer("seeds", options.seeds, least=1)
    integer("trainings", options.trainings, least=2)
    found, rows = tables(options), []
    for name, (table, _) in found.items():
        rows += measure(name, table, options)
    games = {
        name: about
        | {"players": len(table).bit_length() - 1, "exact": shapley_values(table).tolist()}
        for name, (table, about) in found.items()
    }
    return {"default": DEFAULT, "games": games, "best_of_peers": BEST_OF_PEERS, "rows": rows}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.estimators", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--data",
        help="the folder of data sets, for game A (default: the variable FEDJAX_SHAP_DATA)",
    )
    add(
        "--games",
        nargs="+",
        choices=("A", "B"),
        default=("A", "B"),
        help="which games (default: both)",
    )
    add("--seeds", type=int, default=40, help="draws of each estimator (default: %(default)s)")
    add(
        "--trainings",
        type=int,
        default=3,
        help="trainings for the noise floor (default: %(default)s)",
    )
    add("--store", help="a folder in which the trained utilities are kept")
    add("--json", help="where the record goes")
    add("--figure", help="where the figure goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
