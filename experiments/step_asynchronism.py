"""Which algorithms reach the common optimum where members take different numbers of local steps?

Claim: FedAvg with unequal K_i converges to another point than the optimum. Both forms of
calibration reach the optimum:
the published one (FedaGrac) at lambda = 1 only, the patented one at its default lambda too, and at
any other below 1.

Softmax regression on a9a, f(x) = mean cross-entropy + 1e-4 |x|^2, 20 clients of unequal labels, K_i
= |N(50, 30^2)| between 2 and 100, fixed, full-batch gradients, eta = 0.5. f* is found by L-BFGS in
float64, apart from the package, and f of each round's model is computed in float64 too.

Why, at a fixed point x of full-batch rounds; y_i is the model that member i ends its round with,
x_ik those on the way, g_i its gradient, nu_i the mean of its g_i(x_ik), and x = sum_i w_i y_i:

    FedAvg       0 = sum_i w_i K_i nu_i: another objective's condition, as it weighs members by w_i K_i, at other points
                 than x. FedAdam and its kin stop where the mean update vanishes: the same condition.
    FedNova      0 = sum_i w_i nu_i: the weights are right, the points x_ik still are not; at eta K = 25 that is much.
    published    with c_i = lambda (nu - nu_i), 0 = sum_i w_i K_i [(1 - lambda) nu_i + lambda nu]: FedAvg's condition
                 for lambda = 0, and in part for any lambda below 1. At lambda = 1 it is nu = 0; the optimum solves it,
                 with every x_ik = x.
    patented     with c_i = v - v_i + lambda / (eta K_i) (x - y_i), v_i = g_i(x), v = grad f(x),
                 (1 - lambda) (y_i - x) = -eta sum_k [g_i(x_ik) - g_i(x) + grad f(x)].
                 At the optimum y_i = x_ik = x solves it for every i, whatever lambda and K_i: v - v_i takes out the
                 bias in full. By the term with lambda a member repeats lambda times its last deviation from the mean;
                 as sum_i w_i (x - y_i) = 0, that cancels in the mean to first order, and changes little by curvature.
                 At lambda = 1 deviations do not fade by themselves.

Command: python -m experiments.step_asynchronism --data DIR --json step_asynchronism.json --figure step_asynchronism.png
    python -m experiments.step_asynchronism --data DIR --seed 1 --algorithms fedavg fedagrac_lam1.0 patent_lam0.1
    python -m experiments.step_asynchronism --set data=breast_cancer --rounds 20     (a small stand-in, embedded)
Minutes: 20 on one core shared with other work.
Seen (AMD EPYC, CPU, shared with other work, 2026-11-21; commit and all curves in
experiments/results/step_asynchronism.json): f - f*, f* = 0.324483, where accuracy on the test set
is 0.8499:

                              round 10    round 100   accuracy
    patented, 0.1             1.31e-3     7.74e-5     0.8501       (lambda 0: 7.74e-5, 0.5: 7.76e-5, 1: 9.69e-5)
    published, 1              5.52e-3     8.53e-5     0.8501
    SCAFFOLD                  3.13e-2     2.90e-4     0.8506
    FedSGD                    6.65e-2     9.48e-3     0.8474
    patented, eta = 0.01      7.26e-2     1.00e-2     0.8471       (its default eta: unbiased, but slow)
    published, 0.5            6.21e-2     2.85e-2     0.8341       (0.1: 1.06e-1, 0.03: 1.64e-1)
    FedProx, mu = 0.1         1.32e-1     1.02e-1     0.8011
    FedNova                   1.64e-1     1.54e-1     0.7962
    FedAvg                    2.20e-1     2.10e-1     0.7886       (FedAdam, FedYogi, FedAdagrad the same: 2.10e-1)

    So the patented form at its default lambda does what the published one does at lambda = 1, and
    sooner: the published one overshoots at first (f - f* = 6.7 in round 2). Seeds 1 and 2: FedAvg
    1.90e-1 and 1.51e-1, published at 1 9.3e-5 and 9.7e-5, patented at 0.1 6.2e-5 and 9.7e-5. With
    partition=dirichlet a few large clients outweigh the others: FedAvg 2.98e-2, published at 1
    1.27e-4, patented at 0.1 1.25e-4. With batch_size=32 and learning_rate=0.05 (seed 0): FedAvg
    4.8e-2, FedNova 2.9e-2, published at 1 2.2e-3 (at 0.03 4.4e-2), patented at 0.1 2.1e-3, SCAFFOLD
    1.5e-3.

References: Wu et al. 2023, "FedaGrac", arXiv 2112.09355, and the authors' code, of which the
    partition and the K_i are; Spec 4 for the patented form; Wang et al. 2020, "FedNova", for
    FedAvg's fixed point.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.methods import overrides, parser, progress, run
from experiments.regression import balanced, objective
from fedjax_shap._validate import integer, number, one_of
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.label_skew import dirichlet
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.published import a9a
from fedjax_shap.data.shares import Partition
from fedjax_shap.data.sources import breast_cancer
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.steps import gaussian
from fedjax_shap.learning.train import Learner, learner
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import World
from fedjax_shap.report.run_figures import GREY
from fedjax_shap.typing import Array, HostArray, Params

CONFIG: dict[str, Any] = {
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
PATENT_RATE = 0.01  # the patented form's own default eta
PUBLISHED, PATENTED = (0.03, 0.1, 0.5, 1.0), (0.0, 0.1, 0.5, 1.0)  # lambdas


class Contestant(NamedTuple):
    """An algorithm, and the learning rate of its local steps."""

    algorithm: Algorithm
    learning_rate: float


def contestants(settings: dict[str, Any]) -> dict[str, Contestant]:
    """All that are compared, by name."""
    rounds, rate = {"max_rounds": settings["rounds"]}, settings["learning_rate"]
    plain = {
        name: ALGORITHMS[name](**rounds) for name in ("fedavg", "fedprox", "fednova", "scaffold")
    }
    published = {
        f"fedagrac_lam{lam}": ALGORITHMS["fedagrac"](lam=lam, **rounds) for lam in PUBLISHED
    }
    patented = {f"patent_lam{lam}": ALGORITHMS["calibrated"](lam=lam, **rounds) for lam in PATENTED}
    adaptive = {name: ALGORITHMS[name](**rounds) for name in ("fedadam", "fedyogi", "fedadagrad")}
    adaptive["fedsgd"] = ALGORITHMS["fedsgd"](learning_rate=rate, **rounds)
    every = {
        name: Contestant(one, rate)
        for name, one in (plain | published | patented | adaptive).items()
    }
    slowly = {
        f"{name}_eta{PATENT_RATE}": every[name]
        for name in ("patent_lam0.1", "fedagrac_lam1.0", "fedavg")
    }
    return every | {name: one._replace(learning_rate=PATENT_RATE) for name, one in slowly.items()}


PARTITIONS: dict[str, Callable[..., Partition]] = {"balanced": balanced, "dirichlet": dirichlet}


def pool_of(settings: dict[str, Any], folder: str | None) -> Pool:
    """The rows that are dealt out."""
    one_of("data", settings["data"], ("a9a", "breast_cancer"))
    return a9a(folder=folder) if settings["data"] == "a9a" else breast_cancer()


def bound(settings: dict[str, Any], data: FederatedData, one: Contestant) -> Learner:
    """A contestant on the federation; the numbers of steps are the same for all but FedSGD."""
    steps = gaussian(
        mean=settings["mean_steps"],
        variance=settings["deviation"] ** 2,
        least=settings["fewest"],
        most=settings["most"],
    )
    training = local(
        learning_rate=one.learning_rate,
        batch_size=settings["batch_size"] or None,
        l2=2 * settings["l2"],
    )
    return learner(
        data,
        Training(
            linear(), training, one.algorithm, key=jax.random.key(settings["seed"]), steps=steps
        ),
    )


def followed(settings: dict[str, Any], learning: Learner) -> HostArray:
    """The parameters after each round, as `Objective` takes them: float64[R, (D + 1) L]."""

    def flat(world: World, params: Params) -> Array:
        (layer,) = params.values()
        return jnp.concatenate([layer["kernel"].ravel(), layer["bias"]])

    game = trained(learning, lambda world, params, trace, mask: trace.observed, flat)
    everyone, plan = (
        np.ones((1, game.num_players), bool),
        Plan(chunk=1, layout="client", workers=1, devices=1),
    )
    found = evaluate(game, jax.random.key(settings["seed"]), everyone, plan, on_nonfinite="keep")
    return np.asarray(found[0], np.float64)


def measure(
    settings: dict[str, Any], pool: Pool, names: Sequence[str], done: Callable[[str], None]
) -> dict[str, Any]:
    """F - f* by round and the test accuracy at the end, of each of `names`."""
    partition = PARTITIONS[settings["partition"]](
        num_clients=settings["clients"], alpha=settings["alpha"]
    )
    data, f = federate(pool, partition, seed=settings["seed"]), objective(pool, settings["l2"])
    best, lowest, error = f.optimum()
    done("the optimum")
    every, curves, accuracies = contestants(settings), {}, {}
    for name in names:
        models = followed(settings, bound(settings, data, every[name]))
        curves[name] = [f(flat)[0] - lowest if np.isfinite(flat).all() else None for flat in models]
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


def figure(record: dict[str, Any]) -> Figure:
    """F - f* by round on a logarithmic scale: the algorithms beside each other, and both forms at
    several lambdas.
    """
    drawn = Figure(figsize=(13.0, 5.4), layout="constrained")
    panels = algorithms, published, patented = drawn.subplots(1, 3, sharey=True)
    named, lams = list(record["curves"]), {"fedagrac": published, "patent": patented}
    for name in named:
        form, _, lam = name.partition("_lam")
        if name in ("fedagrac_lam1.0", "patent_lam0.1") or (form not in lams and "eta" not in name):
            style = "--" if name == "fedyogi" else "-"  # it lies upon fedadam
            _line(algorithms, record, name, name, linestyle=style)
        if form in lams:
            _line(lams[form], record, name, "λ = " + lam.replace("_eta", ", η = "))
    for axes, title in zip(
        panels, ("algorithms", "published form (FedaGrac)", "patented form"), strict=True
    ):
        for name, color in (("fedavg", GREY), ("fedavg_eta0.01", "black")):
            if axes is not algorithms and name in named:
                _line(
                    axes, record, name, name.replace("_eta", ", η = "), color=color, linestyle=":"
                )
        axes.set_title(title, loc="left")
        axes.set_xlabel("round")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(
            frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.13)
        )
    algorithms.set_ylabel("f - f*")
    return drawn


def _line(axes: Axes, record: dict[str, Any], name: str, label: str, **style: Any) -> None:
    curve = [np.nan if gap is None else gap for gap in record["curves"][name]]
    axes.semilogy(np.arange(1, len(curve) + 1), curve, label=label, **style)


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal."""
    settings = record["config"]
    title = f"f - f* on {settings['data']} by round, f* = {record['f_star']:.6f}"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    at = sorted({min(round_, settings["rounds"]) for round_ in (1, 10, 25, 50, settings["rounds"])})
    for column in ("algorithm", *map(str, at), "test accuracy"):
        table.add_column(column, justify="left" if column == "algorithm" else "right", no_wrap=True)
    for name, curve in record["curves"].items():
        gaps = ["diverged" if curve[r - 1] is None else f"{curve[r - 1]:.2e}" for r in at]
        table.add_row(name, *gaps, f"{record['test_accuracy'][name]:.4f}")
    console.print(table)
    console.print(f"Accuracy at the optimum: {record['accuracy_at_optimum']:.4f}", highlight=False)
    if record["stand_in"]:
        console.print(
            f"This is {settings['data']}, a small stand-in; the claim is about a9a.",
            highlight=False,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    made = parser("step_asynchronism", __doc__, CONFIG)
    made.add_argument(
        "--rounds", type=int, help=f"the setting of this name (default: {CONFIG['rounds']})"
    )
    made.add_argument(
        "--seed", type=int, help=f"the setting of this name (default: {CONFIG['seed']})"
    )
    made.add_argument("--algorithms", nargs="+", metavar="NAME", help="those to run (default: all)")
    return run(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    settings = overrides(CONFIG, options.set)
    settings |= {
        name: value for name in ("rounds", "seed") if (value := getattr(options, name)) is not None
    }
    one_of("partition", settings["partition"], PARTITIONS)
    integer("batch_size", settings["batch_size"], least=0)
    number("deviation", settings["deviation"], least=0)
    number("l2", settings["l2"], above=0)  # without it f* may lie at infinity
    every = contestants(settings)
    for name in options.algorithms or ():
        one_of("algorithms", name, every)
    pool, names = pool_of(settings, options.data), options.algorithms or list(every)
    return {"config": settings} | measure(settings, pool, names, progress())


if __name__ == "__main__":
    sys.exit(main())
