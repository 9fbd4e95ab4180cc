"""How often do 95 % intervals of payments cover what the exact values would pay?

Four cases, each simulated `--runs` times and settled by Spec 5.2: `airport`, a closed form, valued
by 256 random joining orders; `digits`, a stored table of utilities (the embedded digits among 10
clients, all 1,024 coalitions trained once and kept in `--store`), valued by 128 orders and their
reverses; `additive`, values seen through 32 normal draws each; and `kink`, the same with members
whose values are zero, just below it, and far below it. `delta, independent` is the delta method
where it is not told that the values of an efficient estimator always have the same sum.

    python -m benchmarks.interval_coverage --json interval_coverage.json
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.estimator_games import game_b
from benchmarks.harness import present
from fedjax_shap._validate import integer
from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.economics.claims import claims
from fedjax_shap.economics.intervals import payment_intervals, resampled
from fedjax_shap.economics.rules import cost_aware
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.closed_form import airport
from fedjax_shap.shapley.estimators.permutation import marginals, permutation
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Utilities

LEVEL, AIM, REVENUE = 0.95, (0.93, 0.97), 1000
LONGEST = (
    1.0,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
)  # the runways that the users of the airport need
WORTH, SPREAD, SEEN = (
    (5.0, 4.0, 3.0, 2.0, 1.5, 1.0),
    0.8,
    32,
)  # values, one draw's standard deviation, draws
BENT = (
    5.0,
    3.0,
    0.3,
    0.0,
    -0.1,
    -2.0,
)  # values, of which the third lies two standard errors above zero
ORDERS = 256
OTHER_SEEDS = 10**6  # of the bootstrap, so that it shares no random numbers with the draws


class Study(NamedTuple):
    """A case.

    Attributes:
        truth: float64[P], the exact values.
        sample: seed -> float64[U, P], U independent draws of which the estimate is the mean.
        efficient: whether each draw has the same sum.
    """

    truth: HostArray
    sample: Callable[[int], HostArray]
    efficient: bool


def studies(store: str | None, names: Sequence[str]) -> dict[str, Study]:
    """The cases asked for.

    Args:
        store: the folder of trained utilities, or None.
        names: of `CASES`.
    """
    return {name: CASES[name](store) for name in names}


def _airport(store: str | None) -> Study:
    members = all_subsets(len(LONGEST))
    table = np.where(members, LONGEST, 0.0).max(axis=1)
    return Study(airport(LONGEST).values, partial(_marginals, table, "random"), True)


def _digits(store: str | None) -> Study:
    game, key = game_b()
    kept = UtilityStore(store, fingerprint=fingerprint(game, key))
    table = evaluate(game, key, all_subsets(game.num_players), store=kept)
    return Study(shapley_values(table), partial(_marginals, table, "antithetic"), True)


def _noisy(values: Sequence[float], store: str | None) -> Study:
    truth = np.array(values)
    return Study(
        truth,
        lambda seed: np.random.default_rng(seed).normal(truth, SPREAD, (SEEN, len(truth))),
        False,
    )


def _marginals(table: Utilities, orders: Any, seed: int) -> HostArray:
    """float64[U, P]: what the package's permutation estimator drew, the mean over the orders of
    each unit.
    """
    estimator = permutation(orders=orders, max_permutations=ORDERS)
    masks, state = estimator.ask(
        jax.random.key(seed), estimator.init(len(table).bit_length() - 1, len(table), None)
    )
    draws = estimator.tell(state, masks, table[ranks(masks)]).draws
    return marginals(draws._replace(units=draws.units.orders)).mean(axis=1)


CASES: dict[str, Callable[[str | None], Study]] = {
    "airport": _airport,
    "digits": _digits,
    "additive": partial(_noisy, WORTH),
    "kink": partial(_noisy, BENT),
}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """A row for each case and method."""
    integer("runs", options.runs, least=2)
    rows = []
    for name, study in studies(options.store, options.cases).items():
        costs = list(range(1, len(study.truth) + 1))
        owed = np.array(
            [
                float(paid)
                for paid in cost_aware().divide(claims(study.truth, costs, REVENUE)).payments
            ]
        )
        ends: dict[str, list[HostArray]] = {}
        for run in range(options.runs):
            for method, bounds in _intervals(study, costs, run, options.replicates).items():
                ends.setdefault(method, []).append(bounds)
        rows += [_row(name, method, owed, np.stack(bounds)) for method, bounds in ends.items()]
    return {
        "level": LEVEL,
        "aim": AIM,
        "runs": options.runs,
        "replicates": options.replicates,
        "rows": rows,
    }


def _intervals(study: Study, costs: list[int], run: int, count: int) -> dict[str, HostArray]:
    """float64[2, P] by method: where the intervals of one run begin and end."""
    drawn = study.sample(run)
    values, draws = drawn.mean(axis=0), len(drawn)
    errors = drawn.std(axis=0, ddof=1) / np.sqrt(draws)
    told = partial(payment_intervals, values, costs, REVENUE, level=LEVEL, draws=draws)
    found = {
        "delta": told(std_errors=errors, efficient=study.efficient),
        "replicates": told(replicates=resampled(drawn, count=count, seed=OTHER_SEEDS + run)),
    }
    if study.efficient:
        found["delta, independent"] = told(std_errors=errors)
    return {method: np.stack([one.low, one.high]) for method, one in found.items()}


def _row(name: str, method: str, owed: HostArray, ends: HostArray) -> dict[str, Any]:
    """Coverage by player with its own 95 % band, of intervals float64[runs, 2, P]."""
    runs = len(ends)
    below, above = (owed < ends[:, 0] - 1e-9), (owed > ends[:, 1] + 1e-9)
    covered = 1 - (below | above).mean(axis=0)
    low, high = wilson(covered, runs)
    return {
        "case": name,
        "method": method,
        "coverage": covered.round(4).tolist(),
        "band": np.stack([low, high], axis=1).round(4).tolist(),
        "mean": round(float(covered.mean()), 4),
        "within_aim": int(((covered >= AIM[0]) & (covered <= AIM[1])).sum()),
        "owed_below": below.mean(axis=0).round(4).tolist(),
        "owed_above": above.mean(axis=0).round(4).tolist(),
        "owed": owed.round(2).tolist(),
        "width": np.diff(ends, axis=1)[:, 0].mean(axis=0).round(2).tolist(),
    }


def wilson(share: HostArray, runs: int, reach: float = 1.96) -> tuple[HostArray, HostArray]:
    """The 95 % band of a share seen in so many runs (Wilson 1927)."""
    middle = (share + reach**2 / (2 * runs)) / (1 + reach**2 / runs)
    half = (
        reach
        / (1 + reach**2 / runs)
        * np.sqrt(share * (1 - share) / runs + reach**2 / (4 * runs**2))
    )
    return middle - half, middle + half


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal."""
    title = f"Coverage of {LEVEL:.0%} intervals of payments, {record['runs']:,} runs; aim {AIM[0]:.0%} to {AIM[1]:.0%}"
    table = Table(title=title, title_justify="left")
    for column in ("case", "method", "mean", "within", "by player, percent"):
        table.add_column(
            column,
            justify="left" if column in ("case", "method", "by player, percent") else "right",
        )
    for row in record["rows"]:
        by_player = " ".join(f"{100 * covered:5.1f}" for covered in row["coverage"])
        within = f"{row['within_aim']} of {len(row['coverage'])}"
        table.add_row(row["case"], row["method"], f"{row['mean']:.1%}", within, by_player)
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, measure, show)


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.interval_coverage", description=summary
    )
    add = parser.add_argument
    add(
        "--cases",
        nargs="+",
        choices=tuple(CASES),
        default=list(CASES),
        help="which cases (default: all)",
    )
    add(
        "--runs",
        type=int,
        default=2000,
        help="simulated estimates of each case (default: %(default)s)",
    )
    add(
        "--replicates",
        type=int,
        default=400,
        help="bootstrap replicates of each (default: %(default)s)",
    )
    add(
        "--store",
        help="the folder in which the utilities of the digits game are kept (default: trained anew)",
    )
    add("--json", help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
