"""Which algorithms reach the common optimum where members take different numbers of local steps?

Claim: FedAvg with unequal K_i converges to another point than the optimum. Both forms of
calibration reach the optimum: the published one (FedaGrac) at lambda = 1 only, the patented one at
its default lambda too, and at any other below 1.

Softmax regression on a9a, f(x) = mean cross-entropy + 1e-4 |x|^2, 20 clients of unequal labels, K_i
= |N(50, 30^2)| between 2 and 100, fixed, full-batch gradients, eta = 0.5. f* is found by L-BFGS in
float64, apart from the package, and f of each round's model is computed in float64 too.

Why, at a fixed point x of full-batch rounds; y_i is the model that member i ends its round with,
x_ik those on the way, g_i its gradient, nu_i the mean of its g_i(x_ik), and x = sum_i w_i y_i:

    FedAvg     0 = sum_i w_i K_i nu_i: another objective's condition, as it weighs members by
               w_i K_i, at other points than x. FedAdam and its kin stop where the mean update
               vanishes: the same condition.
    FedNova    0 = sum_i w_i nu_i: the weights are right, the points x_ik still are not; at
               eta K = 25 that is much.
    published  with c_i = lambda (nu - nu_i), 0 = sum_i w_i K_i [(1 - lambda) nu_i + lambda nu]:
               FedAvg's condition for lambda = 0, and in part for any lambda below 1. At lambda = 1
               it is nu = 0; the optimum solves it, with every x_ik = x.
    patented   with c_i = v - v_i + lambda / (eta K_i) (x - y_i), v_i = g_i(x), v = grad f(x),
               (1 - lambda) (y_i - x) = -eta sum_k [g_i(x_ik) - g_i(x) + grad f(x)].
               At the optimum y_i = x_ik = x solves it for every i, whatever lambda and K_i:
               v - v_i removes the bias in full. By the term with lambda a member repeats lambda
               times its last deviation from the mean; as sum_i w_i (x - y_i) = 0, that cancels in
               the mean to first order, and changes little by curvature. At lambda = 1 deviations
               do not fade by themselves.

Command: python -m experiments.step_asynchronism --data DIR --json step_asynchronism.json
        --figure step_asynchronism.png
    python -m experiments.step_asynchronism --data DIR --set seed=1
        --algorithms fedavg fedagrac_lam1.0 patent_lam0.1
    python -m experiments.step_asynchronism --set data=breast_cancer --set rounds=20
        (a small stand-in, embedded)
Minutes: 11 of one core; 39 beside much other work.
Seen (Intel Xeon, CPU, shared with other work, 2026-11-28; commit and all curves in
experiments/results/step_asynchronism.json): f - f*, f* = 0.324483, where accuracy on the test set
is 0.8499:

                              round 10    round 100   accuracy
    patented, 0.1             1.31e-3     7.74e-5     0.8501    (lambda 0: 7.74e-5, 0.5: 7.76e-5,
                                                                 1: 9.69e-5)
    published, 1              5.52e-3     8.53e-5     0.8501
    SCAFFOLD                  3.13e-2     2.90e-4     0.8506
    FedSGD                    6.65e-2     9.48e-3     0.8474
    patented, eta = 0.01      7.26e-2     1.00e-2     0.8471    (its default eta: unbiased, slow)
    published, 0.5            6.21e-2     2.85e-2     0.8341    (0.1: 1.06e-1, 0.03: 1.64e-1)
    FedProx, mu = 0.1         1.32e-1     1.02e-1     0.8011
    FedNova                   1.64e-1     1.54e-1     0.7962
    FedAvg                    2.20e-1     2.10e-1     0.7886    (FedAdam, FedYogi, FedAdagrad the
                                                                 same: 2.10e-1)

    So the patented form at its default lambda does what the published one does at lambda = 1, and
    sooner: the published one overshoots at first (f - f* = 6.7 in round 2). Seeds 1 and 2: FedAvg
    1.90e-1 and 1.51e-1, published at 1 9.3e-5 and 9.7e-5, patented at 0.1 6.2e-5 and 9.7e-5. With
    partition=dirichlet a few large clients outweigh the others: FedAvg 2.98e-2, published at 1
    1.27e-4, patented at 0.1 1.25e-4. With batch_size=32 and learning_rate=0.05 (seed 0): FedAvg
    4.8e-2, FedNova 2.9e-2, published at 1 2.2e-3 (at 0.03 4.4e-2), patented at 0.1 2.1e-3, SCAFFOLD
    1.5e-3.

References:
    Wu et al. 2023, "FedaGrac", arXiv 2112.09355, for the published form; the partition and the K_i
    are those of the authors' code. Wang et al. 2020, "Tackling the objective inconsistency problem
    in heterogeneous federated optimization" (FedNova), for FedAvg's fixed point.
    `learning.algorithms.calibrated` for the patented form.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.contestants import bound, contestants, models_by_round
from experiments.harness import Done, Settings, dress, overridden, parser, progress, run
from experiments.regression import Objective, balanced, objective
from fedjax_shap._validate import number, one_of
from fedjax_shap.data.federate import federate
from fedjax_shap.data.label_skew import dirichlet
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.published import a9a
from fedjax_shap.data.shares import Partition
from fedjax_shap.data.sources import breast_cancer
from fedjax_shap.report import style
from fedjax_shap.report.looks import look
from fedjax_shap.typing import HostArray

CONFIG: Settings = {
    "data": "a9a",
    "partition": "balanced",
    "clients": 20,
    "alpha": 0.3,
    "mean_steps": 50.0,
    "deviation": 30.0,
    "fewest": 2,
    "most": 100,
    "batch_size": 0,  # 0 for the full batch
    "learning_rate": 0.5,
    "l2": 1e-4,
    "rounds": 100,
    "seed": 0,
}
PARTITIONS: dict[str, Callable[..., Partition]] = {"balanced": balanced, "dirichlet": dirichlet}
FORMS = ("fedagrac", "patent")  # of calibration
BEST = ("fedagrac_lam1.0", "patent_lam0.1")  # of each form
BESIDE = {"fedavg": "-", "fedavg_eta0.01": "--"}  # in the panels of both forms
ADAPTIVE = ("fedadam", "fedyogi", "fedadagrad")
SHADES = ("#d8b26e", "#8fb8a0", "#a99cc8", "#7f8c8d", "#555555")  # of other lambdas
SHOWN = (1, 10, 25, 50)  # rounds in the table, and the last


def pool_of(settings: Settings, folder: str | None) -> Pool:
    """The rows that are dealt out."""
    one_of("data", settings["data"], ("a9a", "breast_cancer"))
    if settings["data"] == "breast_cancer":
        return breast_cancer()
    return a9a(folder=folder)


def measure(settings: Settings, pool: Pool, names: Sequence[str], done: Done) -> Record:
    """By round f - f*, and the test accuracy at the end, of each of `names`."""
    partition = PARTITIONS[settings["partition"]](
        num_clients=settings["clients"], alpha=settings["alpha"]
    )
    data = federate(pool, partition, seed=settings["seed"])
    f = objective(pool, settings["l2"])
    best, lowest, error = f.optimum()
    done("the optimum")
    every = contestants(settings)
    curves = {}
    accuracies = {}
    for name in names:
        models = models_by_round(settings, bound(settings, data, every[name]))
        curves[name] = [_gap(f, model, lowest) for model in models]
        accuracies[name] = f.accuracy(models[-1], *pool.test)
        done(name)
    return {
        "stand_in": settings["data"] != "a9a",
        "sizes": np.asarray(data.sizes).tolist(),
        "num_steps": np.asarray(bound(settings, data, every["fedavg"]).world.num_steps)[0].tolist(),
        "f_star": lowest,
        "f_star_error": error,
        "accuracy_at_optimum": f.accuracy(best, *pool.test),
        "final_gap": {name: curve[-1] for name, curve in curves.items()},
        "test_accuracy": accuracies,
        "curves": curves,
    }


def _gap(f: Objective, model: HostArray, lowest: float) -> float | None:
    """By how much f is above its minimum; None where the model has diverged."""
    if not np.isfinite(model).all():
        return None
    value, _ = f(model)
    return value - lowest


def figure(record: Record) -> Figure:
    """By round f - f*: the algorithms beside each other, and both forms at several lambdas."""
    drawn, panels = style.panels(style.TWO, 4.4, 1, 3, sharey=True)
    _algorithms(panels[0], record)
    for axes, form in zip(panels[1:], FORMS, strict=True):
        _form(axes, record, form)
    titles = ("(a) algorithms", "(b) FedaGrac, published", "(c) calibration, patented")
    for axes, title in zip(panels, titles, strict=True):
        dress(axes, title)
        axes.set_xlabel("round")
        below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)}
        style.legend(axes, **below)
    panels[0].set_ylabel("f − f* (nats, log scale)")
    settings = record["config"]
    caption = f"""Distance of the objective from its optimum by round, softmax regression on
    {settings["data"]}, {settings["clients"]} members with different numbers of local steps; one run
    a line. (a) The algorithms, both forms of calibration at their best λ. (b), (c) both forms at
    other λ and η, beside FedAvg. Dots mark every tenth round."""
    return style.captioned(drawn, caption)


def _algorithms(axes: Axes, record: Record) -> None:
    """The algorithms at the common learning rate, both forms at their best lambda."""
    together = [name for name in ADAPTIVE if name in record["curves"]]
    for name in record["curves"]:
        form, _, _ = name.partition("_lam")
        if name in together[1:]:
            continue  # their lines lie upon that of the first
        if name in BEST or (form not in FORMS and "eta" not in name):
            label = look(name).name
            if name in together:
                label = "FedAdam, FedYogi, Adagrad"
            _line(axes, record, name, {**look(name).of_line, "label": label})


def _form(axes: Axes, record: Record, form: str) -> None:
    """One form of calibration at several lambdas, and FedAvg beside it."""
    own = [name for name in record["curves"] if name.partition("_lam")[0] == form]
    for name, color in zip(own, SHADES, strict=False):
        label = look(name).name.partition(", λ")[2]
        looks = {"color": color, "marker": look(name).marker, "label": f"λ{label}"}
        if name in BEST:
            looks["color"] = look(name).color
        if "eta" in name:
            looks |= {"color": look(name).color, "linestyle": "--"}
        _line(axes, record, name, looks)
    for name, line in BESIDE.items():
        if name in record["curves"]:
            _line(axes, record, name, {**look(name).of_line, "linestyle": line})


def _line(axes: Axes, record: Record, name: str, looks: dict[str, Any]) -> None:
    curve = np.array(record["curves"][name], float)  # NaN for None
    along = np.arange(1, len(curve) + 1)
    place = list(record["curves"]).index(name)
    marks: dict[str, Any] = {"markevery": (place % 10, 10), "markersize": 3, "linewidth": 1.1}
    axes.semilogy(along, curve, **marks, **looks)


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    settings = record["config"]
    last = settings["rounds"]
    rounds = sorted({min(shown, last) for shown in (*SHOWN, last)})
    title = f"f - f* on {settings['data']} by round, f* = {record['f_star']:.6f}"
    shown = table(title, ("algorithm", *map(str, rounds), "test accuracy"))
    for name, curve in record["curves"].items():
        gaps = [_written(curve[at - 1]) for at in rounds]
        shown.add_row(name, *gaps, f"{record['test_accuracy'][name]:.4f}")
    console.print(shown)
    console.print(f"Accuracy at the optimum: {record['accuracy_at_optimum']:.4f}", highlight=False)
    if record["stand_in"]:
        sentence = f"This is {settings['data']}, a small stand-in; the claim is about a9a."
        console.print(sentence, highlight=False)


def _written(gap: float | None) -> str:
    if gap is None:
        return "diverged"
    return f"{gap:.2e}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    made = parser("step_asynchronism", __doc__, CONFIG)
    made.add_argument("--algorithms", nargs="+", metavar="NAME", help="those to run (default: all)")
    return run(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    one_of("partition", settings["partition"], PARTITIONS)
    at_least(settings, batch_size=0)
    number("deviation", settings["deviation"], least=0)
    number("l2", settings["l2"], above=0)  # without it f* may lie at infinity
    every = contestants(settings)
    names = options.algorithms or list(every)
    for name in names:
        one_of("algorithms", name, every)
    pool = pool_of(settings, options.data)
    return {"config": settings, **measure(settings, pool, names, progress())}


if __name__ == "__main__":
    sys.exit(main())
