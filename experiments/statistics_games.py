"""Models whose members send sums: equal to a model of the union, and what a mean of models costs.

Claim: where members send sums, the model of every coalition is that of its members' rows together,
and a million coalitions take less than a minute. The mean of the members' own models is another
model, the more so the more their classes differ.

- Newton steps of logistic regression on the four hospitals of Fed-Heart-Disease, as NVFlare's
  `hello-lr`: four steps from zero, 1 added to the diagonal of the summed Hessian, each hospital's
  features standardised by its own training patients; accuracies on the hospitals' own test
  patients.
- An SVM on the union of members' support vectors, as NVFlare's `sklearn-svm`: breast cancer in
  scikit-learn's order and units, the first 114 rows to test, the others cut in order into three;
  ROC-AUC of its hard labels.
- Gaussian naive Bayes of all 2^8 coalitions on breast cancer in units of measurement, beside
  scikit-learn's `GaussianNB` on their unions: the largest difference of a probability.
- Exact Shapley values of 20 members, 2^20 coalitions, of naive Bayes on breast cancer: seconds of
  `estimate`, compiling included.
- Two phones: three samples of a class on one and one on the other. The mean of the two means gives
  the one sample the weight of three.
- Digits among members by Dirichlet proportions of classes, from hardly any skew to hardly any class
  in common: accuracy of everyone's model by sums and by the mean of models, and how far the values
  of members agree (Spearman).

Command: python -m experiments.statistics_games --data DIR --json statistics_games.json
        --figure statistics_games.png
Minutes: 1 on two cores.
Expected: the published numbers to the digit; no difference from scikit-learn beyond rounding; less
    than a minute; means of models that lose the more, the more the members' classes differ.
Seen (2-core Intel Xeon, CPU, 2026-11-28, commit and all numbers in
experiments/results/statistics_games.json; 5 seeds, mean +- standard deviation):
    As expected. Newton steps .75, .752809, .75, .6; SVM .8088; largest difference 1.6e-14; 26 s
    (45 s with other work on the cores). Linear discriminants lose half of the accuracy (.955 by
    sums; .938 +- .007 at alpha 100, .822 +- .041 at 1, .399 +- .178 at 0.1 by the mean of models).
    Naive Bayes loses little (.900; .871 +- .029 at 0.03), as a class that a member lacks is left
    out of the mean.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

from benchmarks.harness import Record, at_least, table
from experiments.harness import (
    Settings,
    deviation,
    dress,
    overridden,
    parser,
    progress,
)
from experiments.harness import run as run_experiment
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.label_skew import dirichlet
from fedjax_shap.data.partition import by_column, iid
from fedjax_shap.data.published import heart_disease
from fedjax_shap.data.sources import breast_cancer, digits
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.statistics import (
    discriminant,
    gaussian_naive_bayes,
    merged,
    newton_logistic,
    support_vectors,
)
from fedjax_shap.learning.statistics.merging import fitting, last
from fedjax_shap.learning.statistics.model import Merge, StatisticsModel
from fedjax_shap.learning.tasks import classification
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, ORANGE
from fedjax_shap.shapley.exact import exact, shapley_values
from fedjax_shap.typing import Array
from fedjax_shap.valuation.estimate import estimate

SETTINGS: Settings = {"members": 20, "seeds": 5, "clients": 8}
HOSPITALS = ("Cleveland", "Hungary", "Switzerland", "VA")
TEST_ROWS = 114  # of breast cancer
UNION_MEMBERS = 8
ALPHAS = (100.0, 10.0, 1.0, 0.3, 0.1, 0.03)
MERGES: tuple[Merge, ...] = ("sums", "average")
MODELS: dict[str, StatisticsModel] = {
    "naive Bayes": gaussian_naive_bayes(smoothing=1e-2),
    "linear discriminant": discriminant(),
}
PHONES = (
    ([[1.0], [2.0], [3.0], [9.0]], ["A", "A", "A", "B"]),
    ([[6.0], [11.0]], ["A", "B"]),
)


# ------------------------------------------------------------------ published numbers


def newton_accuracies(folder: str | None) -> dict[str, float]:
    """Each hospital's accuracy after four steps."""
    pool = heart_disease(folder=folder, normalise="per_client")
    data = federate(pool, by_column(column="center"), seed=0)
    game = merged(data, newton_logistic(rounds=4, damping=1.0), judges="members")
    [[_, *own]] = evaluate(game, 0, np.ones((1, len(HOSPITALS)), bool))
    assert game.trailing is not None
    return dict(zip(game.trailing.names, map(float, own), strict=True))


def svm_auc() -> float:
    """ROC-AUC of the hard labels of the SVM of all three members."""
    x, y = load_breast_cancer(return_X_y=True)
    cuts = np.array_split(np.arange(TEST_ROWS, len(y)), 3)
    test = (x[:TEST_ROWS], y[:TEST_ROWS])
    data = from_arrays([(x[own], y[own]) for own in cuts], test, num_classes=2)
    game = support_vectors(data, outputs="labels", metric="roc_auc")
    return float(evaluate(game, 0, np.ones((1, 3), bool))[0])


# ------------------------------------------------------------------ equal to the union


def naive_bayes_max_diff() -> float:
    """The largest difference of a class's probability from scikit-learn's on a union's rows."""
    x, y = load_breast_cancer(return_X_y=True)
    cuts = np.array_split(np.argsort(y[TEST_ROWS:], kind="stable") + TEST_ROWS, UNION_MEMBERS)
    test = (x[:TEST_ROWS], y[:TEST_ROWS])
    data = from_arrays([(x[own], y[own]) for own in cuts], test, num_classes=2)
    masks = all_subsets(UNION_MEMBERS)[1:]
    game = merged(data, gaussian_naive_bayes(), metric=_flat)
    given = evaluate(game, 0, masks).reshape(len(masks), TEST_ROWS, 2)
    held_out = np.asarray(data.test[0], float)
    largest = 0.0
    for mask, ours in zip(masks, given):
        own = [data.client(member) for member in np.flatnonzero(mask).tolist()]
        rows, labels = (np.concatenate(some) for some in zip(*own))
        theirs = GaussianNB().fit(rows.astype(float), labels)
        expected = np.zeros((TEST_ROWS, 2))
        expected[:, theirs.classes_] = theirs.predict_proba(held_out)
        largest = max(largest, float(np.abs(np.exp(ours) - expected).max()))
    return largest


def _flat(outputs: Array, y: Array) -> Array:
    """All outputs of a model, as a metric of many numbers."""
    return outputs.ravel()


def two_phones() -> dict[str, dict[str, float]]:
    """The mean of class A by both ways of merging, and the weight of the single sample in it."""
    data = from_arrays(list(PHONES), PHONES[0])
    centre = float(np.asarray(data.x, float).mean())
    single = PHONES[1][0][0][0]
    others = float(np.mean([x for [x] in PHONES[0][0][:3]]))
    found: dict[str, dict[str, float]] = {}
    for merge in MERGES:
        fitted = fitting(data, gaussian_naive_bayes(), classification(), merge, (data.test,))
        with jax.enable_x64(True):
            models = fitted.models(fitted.world, jnp.ones(len(PHONES), bool))
            mean = float(last(models).mean[0, 0]) + centre
        found[merge] = {"mean": mean, "weight": (mean - others) / (single - others)}
    return found


def seconds_of(members: int) -> dict[str, Any]:
    """Seconds of the exact values of so many members; their sum, and the surplus."""
    data = federate(breast_cancer(), iid(num_clients=members), seed=0)
    began = time.perf_counter()
    found = estimate(merged(data, gaussian_naive_bayes()), exact())
    return {
        "seconds": time.perf_counter() - began,
        "members": members,
        "values": found.values.tolist(),
        "grand": float(found.grand),
        "empty": float(found.empty),
    }


# ------------------------------------------------------------------ what a mean of models costs


def skew(settings: Settings) -> list[dict[str, Any]]:
    """For each model and skew: accuracies by both ways of merging, and how values agree."""
    done = progress()
    rows = []
    for name, model in MODELS.items():
        for alpha in ALPHAS:
            seeds = [_both(settings, model, alpha, seed) for seed in range(settings["seeds"])]
            rows.append(
                {
                    "model": name,
                    "alpha": alpha,
                    "sums": [one["sums"] for one in seeds],
                    "average": [one["average"] for one in seeds],
                    "spearman": [one["spearman"] for one in seeds],
                }
            )
            done(f"{name}, alpha {alpha:g}")
    return rows


def _both(settings: Settings, model: StatisticsModel, alpha: float, seed: int) -> dict[str, float]:
    """Both ways of merging on one federation."""
    data = _digits(settings["clients"], alpha, seed)
    masks = all_subsets(settings["clients"])
    utilities = {merge: evaluate(merged(data, model, merge=merge), 0, masks) for merge in MERGES}
    values = [shapley_values(utilities[merge]) for merge in MERGES]
    return {
        **{merge: float(utilities[merge][-1]) for merge in MERGES},
        "spearman": float(spearmanr(*values).statistic),
    }


def _digits(clients: int, alpha: float, seed: int) -> FederatedData:
    """Digits by Dirichlet proportions; every client has some rows."""
    return federate(digits(), dirichlet(num_clients=clients, alpha=alpha, min_size=2), seed=seed)


# ------------------------------------------------------------------ the record


def show(record: Record, console: Console) -> None:
    """The published numbers, the two phones, and a table over skew."""
    console.print(f"Newton steps, accuracies by hospital: {record['newton_accuracies']}")
    console.print(f"SVM on support vectors, ROC-AUC: {record['svm_auc']:.4f}")
    console.print(f"Naive Bayes, largest difference: {record['naive_bayes_max_diff']:.1e}")
    exactly = record["exact"]
    console.print(f"Exact values of {exactly['members']} members: {record['seconds_n20']:.1f} s")
    for merge, one in record["two_phones"].items():
        console.print(f"Two phones by {merge}: mean {one['mean']:g}, weight {one['weight']:g}")
    columns = ("model", "alpha", "accuracy by sums", "by the mean of models", "Spearman of values")
    shown = table("Digits, by skew of classes", columns)
    for row in record["skew"]:
        cells = [f"{np.mean(row[key]):.3f} ± {deviation(row[key]):.3f}" for key in CURVES]
        shown.add_row(row["model"], f"{row['alpha']:g}", *cells)
    console.print(shown)


CURVES = ("sums", "average", "spearman")


def figure(record: Record) -> Figure:
    """A panel a model: accuracy over skew by both ways of merging."""
    drawn, panels = style.panels(style.TWO, 2.5, 1, len(MODELS), sharey=True)
    for axes, name in zip(panels, MODELS, strict=True):
        rows = [row for row in record["skew"] if row["model"] == name]
        alphas = [row["alpha"] for row in rows]
        for merge, color, label in zip(MERGES, (BLUE, ORANGE), ("sums", "mean of models")):
            each = np.array([row[merge] for row in rows])
            errors = [deviation(one) for one in each]
            looks: dict[str, Any] = {"color": color, "marker": "o", "markersize": 3}
            sizes: dict[str, Any] = {"capsize": style.CAP, "linewidth": 1.2, "elinewidth": 0.8}
            axes.errorbar(alphas, each.mean(axis=1), errors, label=label, **looks, **sizes)
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.set_xlabel("Dirichlet α (more skew to the right)")
        dress(axes, name.replace("_", " "))
    panels[0].set_ylabel("accuracy of\neveryone's model (share)")
    style.legend_below(drawn, panels[0], columns=2)
    caption = f"""Accuracy of everyone's model of digits where members send sums and where the mean
    of their models is taken, by how their classes differ: the smaller α, the more. Dots are means
    over {record["settings"]["seeds"]} seeds, bars standard deviations over them."""
    return style.captioned(drawn, caption)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    keep_programs()
    made = parser("statistics_games", __doc__, SETTINGS)
    return run_experiment(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    """All that is measured."""
    settings = overridden(SETTINGS, options.set)
    at_least(settings, members=1, seeds=1, clients=2)
    done = progress()
    hospitals = newton_accuracies(options.data)
    done("hospitals")
    found: Record = {
        "settings": settings,
        "newton_accuracies": [hospitals[name] for name in hospitals],
        "hospitals": list(hospitals),
        "svm_auc": svm_auc(),
        "naive_bayes_max_diff": naive_bayes_max_diff(),
        "two_phones": two_phones(),
    }
    done("scikit-learn")
    exactly = seconds_of(settings["members"])
    done(f"{settings['members']} members")
    found |= {"seconds_n20": exactly["seconds"], "exact": exactly}
    return found | {"skew": skew(settings)}


if __name__ == "__main__":
    sys.exit(main())
