"""How often do 95 % intervals of payments cover what the exact values would pay?

Four cases are each simulated `--runs` times and settled by the rule `cost_aware`:

- `airport`, a closed form, valued by 256 random joining orders;
- `digits`, a stored table of utilities (the embedded digits among 10 clients, all 1,024 coalitions
  trained once and kept in `--store`), valued by 128 orders and their reverses;
- `additive`, values estimated from 32 normal draws each;
- `kink`, the same with members whose values are zero, just below it, and far below it.

`delta, independent` is the delta method without the knowledge that the values of an efficient
estimator always have the same sum.

    python -m benchmarks.interval_coverage --json interval_coverage.json

Twelve minutes on one core; --runs 200 takes one.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from benchmarks.estimator_games import game_b
from benchmarks.harness import Record, add_counts, parser_of, present, table
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

LEVEL = 0.95
AIM = (0.93, 0.97)
REVENUE = 1000
RUNWAYS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # that the users of the airport need
ADDITIVE = (5.0, 4.0, 3.0, 2.0, 1.5, 1.0)  # values
KINK = (5.0, 3.0, 0.3, 0.0, -0.1, -2.0)  # values, the third two standard errors above zero
SPREAD = 0.8  # standard deviation of one normal draw
DRAWS = 32  # normal draws of each value
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
    members = all_subsets(len(RUNWAYS))
    utilities = np.where(members, RUNWAYS, 0.0).max(axis=1)
    return Study(airport(RUNWAYS).values, partial(_marginals, utilities, "random"), True)


def _digits(store: str | None) -> Study:
    game, key = game_b()
    kept = UtilityStore(store, fingerprint=fingerprint(game, key))
    utilities = evaluate(game, key, all_subsets(game.num_players), store=kept)
    return Study(shapley_values(utilities), partial(_marginals, utilities, "antithetic"), True)


def _noisy(values: Sequence[float], store: str | None) -> Study:
    truth = np.array(values)

    def sample(seed: int) -> HostArray:
        return np.random.default_rng(seed).normal(truth, SPREAD, (DRAWS, len(truth)))

    return Study(truth, sample, False)


def _marginals(utilities: Utilities, orders: Any, seed: int) -> HostArray:
    """float64[U, P]: the package's permutation estimates, a mean for each unit of orders."""
    estimator = permutation(orders=orders, max_permutations=ORDERS)
    start = estimator.init(len(utilities).bit_length() - 1, len(utilities), None)
    masks, state = estimator.ask(jax.random.key(seed), start)
    draws = estimator.tell(state, masks, utilities[ranks(masks)]).draws
    each: HostArray = marginals(draws._replace(units=draws.units.orders)).mean(axis=1)
    return each


CASES: dict[str, Callable[[str | None], Study]] = {
    "airport": _airport,
    "digits": _digits,
    "additive": partial(_noisy, ADDITIVE),
    "kink": partial(_noisy, KINK),
}
COUNTS = {
    "runs": (2000, "simulated estimates of each case"),
    "replicates": (400, "bootstrap replicates of each"),
}


def measure(options: argparse.Namespace) -> Record:
    """A row for each case and method."""
    integer("runs", options.runs, least=2)
    rows = []
    for name, study in studies(options.store, options.cases).items():
        costs = list(range(1, len(study.truth) + 1))
        divided = cost_aware().divide(claims(study.truth, costs, REVENUE))
        owed = np.array([float(paid) for paid in divided.payments])
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
    draws = len(drawn)
    values = drawn.mean(axis=0)
    errors = drawn.std(axis=0, ddof=1) / np.sqrt(draws)
    replicates = resampled(drawn, count=count, seed=OTHER_SEEDS + run)
    intervals = partial(payment_intervals, values, costs, REVENUE, level=LEVEL, draws=draws)
    by_method = {
        "delta": intervals(std_errors=errors, efficient=study.efficient),
        "replicates": intervals(replicates=replicates),
    }
    if study.efficient:
        by_method["delta, independent"] = intervals(std_errors=errors)
    return {method: np.stack([one.low, one.high]) for method, one in by_method.items()}


def _row(name: str, method: str, owed: HostArray, ends: HostArray) -> dict[str, Any]:
    """Coverage by player with its own 95 % band, of intervals float64[runs, 2, P]."""
    runs = len(ends)
    below = owed < ends[:, 0] - 1e-9
    above = owed > ends[:, 1] + 1e-9
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
    """The 95 % band of a share that was observed in so many runs (Wilson 1927)."""
    scale = 1 + reach**2 / runs
    middle = (share + reach**2 / (2 * runs)) / scale
    half = reach / scale * np.sqrt(share * (1 - share) / runs + reach**2 / (4 * runs**2))
    return middle - half, middle + half


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    title = (
        f"Coverage of {LEVEL:.0%} intervals of payments, {record['runs']:,} runs; "
        f"aim {AIM[0]:.0%} to {AIM[1]:.0%}"
    )
    words = ("case", "method", "by player, percent")
    shown = table(title, ("case", "method", "mean", "within", "by player, percent"), left=words)
    for row in record["rows"]:
        by_player = " ".join(f"{100 * covered:5.1f}" for covered in row["coverage"])
        within = f"{row['within_aim']} of {len(row['coverage'])}"
        shown.add_row(row["case"], row["method"], f"{row['mean']:.1%}", within, by_player)
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, measure, show)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.interval_coverage", __doc__)
    add = parser.add_argument
    names = tuple(CASES)
    add("--cases", nargs="+", choices=names, default=names, help="which cases (default: all)")
    add_counts(parser, COUNTS)
    store = "the folder that keeps the utilities of the digits game (default: trained anew)"
    add("--store", help=store)
    return parser


if __name__ == "__main__":
    sys.exit(main())
