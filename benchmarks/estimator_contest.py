"""Estimators at equal budgets of distinct coalitions, on games of which every utility is known.

Ours are those that aim at the Shapley value; shapiq's come along where it is installed.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.harness import Record
from benchmarks.rivals import Rival, rivals
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import ranks
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Utilities

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
# (table, budget, seed) -> (values, standard errors where it has them); None: the budget is refused
Valued = tuple[HostArray, HostArray | None]
Values = Callable[[Utilities, int, int], Valued | None]
Draws = Callable[[tuple[str, str], int], int]


def contestants() -> dict[tuple[str, str], Values]:
    """(package, estimator) -> its values; ours are those that aim at the Shapley value."""
    named: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in ESTIMATORS}
    named |= VARIANTS
    ours: dict[tuple[str, str], Values] = {
        ("fedjax_shap", name): partial(read_off, kind, options)
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


def read_off(
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


def measures(agreed: dict[str, float]) -> dict[str, float]:
    """Those of the measures of agreement that the record keeps, under their short names."""
    return {short: agreed[long] for short, long in MEASURES.items() if long in agreed}


def measure(
    name: str, table: Utilities, budgets: Sequence[int], draws: Draws
) -> list[dict[str, Any]]:
    """A row for each estimator and budget: means over the seeds, and a band of rel_l2.

    The band goes from the 10th to the 90th percentile.

    Args:
        name: of the game, in the rows.
        table: float64[2^P], its utilities.
        budgets: of distinct coalitions, the empty and the grand one among them.
        draws: ((package, estimator), budget) -> how often it is drawn; 0 leaves it out.
    """
    exact = shapley_values(table)
    rows = []
    for who, values in contestants().items():
        package, estimator = who
        for budget in budgets:
            seeds = draws(who, budget)
            if not seeds:
                continue
            began = time.perf_counter()
            every = [values(table, budget, seed) for seed in range(seeds)]
            seconds = (time.perf_counter() - began) / seeds
            runs = [run for run in every if run is not None]
            each = [measures(agreement(found, exact)) for found, _ in runs]
            if not each:
                continue
            row = {"game": name, "package": package, "estimator": estimator, "budget": budget}
            for short in MEASURES:
                row[short] = float(np.mean([one[short] for one in each]))
            row["rel_l2_band"] = np.quantile([one["rel_l2"] for one in each], [0.1, 0.9]).tolist()
            row["z"] = z_score(runs, exact)
            row["seeds"] = len(each)
            row["seconds"] = round(seconds, 5)
            rows.append(row)
    return rows


def z_score(runs: Sequence[Valued], exact: HostArray) -> float | None:
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
        errors.setdefault(label(row), []).append(max(row["rel_l2"], 1e-12))
    return sorted(errors, key=lambda name: (-len(errors[name]), np.mean(np.log(errors[name]))))


def label(row: Record) -> str:
    """The estimator's name; of another package, with the package's."""
    name: str = row["estimator"]
    if row["package"] != "fedjax_shap":
        name += f", {row['package']}"
    return name


def errors_of(record: Record, game: str) -> dict[str, dict[int, float]]:
    """{estimator: {budget: relative L2 error}} on one game; other packages' name the package."""
    errors: dict[str, dict[int, float]] = {}
    for row in record["rows"]:
        if row["game"] == game:
            errors.setdefault(label(row), {})[row["budget"]] = row["rel_l2"]
    return errors
