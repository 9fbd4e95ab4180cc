"""What does privacy cost a joint model, and what does it do to the members' values?

Claim: with few members, noise that hides a member takes the model's accuracy and the order of the
values away together, at an epsilon that protects hardly anybody; clipping alone hardly changes
either. We first claimed that the order of values goes long before the accuracy, because V of a
small coalition rests on noisy sums of few updates. That did not hold: members' values differ by
more than the noise for as long as the model learns. It holds for noise on records.

Two federations, all coalitions trained anew at every epsilon: six members of digits with unequal
labels, and the four hospitals of FLamby's Fed-Heart-Disease. Protection of members: updates clipped
to C, noise z C on each sum, every member in every round, z by the Renyi accountant for (epsilon,
delta) of the model of everyone. The values are compared with those without privacy under the same
seed, by Spearman's rank correlation; two seeds without privacy say how much of it is luck.
Protection of records: Gaussian noise on the features at the hospitals, once (local privacy, of the
features of one record).

The clipping norms were chosen once, after a trial of one seed with twice these, in which nothing
was clipped; they were not swept, and no privacy was charged for the choice. Noise on records is one
draw.

Beside it FLamby's rows of DP-FedAvg on Fed-Heart-Disease (clipping 1.1, by Opacus in each
hospital), which protect single patients of a hospital, in the mean accuracy of the four hospitals:
another unit, and so not the same epsilon. What all trainings together cost is in the record
("charged").

Command: python -m experiments.private_values --data DIR --json private_values.json --figure
private_values.png
Minutes: 2 on two cores, most of it compiling.
Seen (2-core Intel Xeon, CPU, 2026-11-28; commit and all numbers in
experiments/results/private_values.json): mean +- standard deviation of 5 seeds; delta = 0.001;
"with values" is the epsilon of all trainings that values are computed from:

                  digits, 6 members, 10 rounds                hospitals, 4 members, 15 rounds
    epsilon       accuracy       Spearman     with values     accuracy       Spearman    with values
    no privacy    .881 +- .007   1                            .730 +- .003   1
    clipped       .865 +- .007   .99 +- .03                   .741 +- .006   1
    1000          .862 +- .009   .98 +- .03   29,960          .742 +- .009   1            7,540
    100           .821 +- .026   .93 +- .03    2,213          .741 +- .012   1              603
    30            .645 +- .046   .82 +- .11      517          .738 +- .016   .92 +- .11     154
    10            .330 +- .135   .52 +- .20      129          .729 +- .020   .88 +- .11      43
    3             .142 +- .081   .09 +- .36       29          .655 +- .066   .32 +- .59      11
    two seeds without privacy    .98 +- .03                                  1

    Noise on records, hospitals: epsilon 100: .748 and Spearman .80; 30: .716, .56; 10: .647, .68.
    FLamby, patients protected by noise in training, delta = 0.001: .712 without; epsilon 10: .698;
    1: .702; 0.1: .629 +- .086. Patients can be protected at epsilons at which hospitals cannot: a
    hospital holds many patients, this federation four hospitals.

References:
    McMahan, Ramage, Talwar, Zhang 2018, "Learning differentially private recurrent language
    models". Ogier du Terrail et al. 2022, "FLamby" (NeurIPS Datasets and Benchmarks), its results
    with differential privacy.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.flamby import ORIGIN
from experiments.harness import (
    Settings,
    deviation,
    dress,
    mean_and_deviation,
    measured,
    overridden,
    parser,
    run,
)
from fedjax_shap._validate import integer
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data import files
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.label_skew import dirichlet
from fedjax_shap.data.partition import by_column
from fedjax_shap.data.published import heart_disease
from fedjax_shap.data.sources import load
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.measure import OF_CLASSES
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.private import Privacy, private
from fedjax_shap.learning.private_records import records, with_noisy_records
from fedjax_shap.learning.protection import protection_of
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import Trace, World
from fedjax_shap.privacy.accounting import epsilon_of
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, GREEN, ORANGE
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import Array, HostArray, Params

CONFIG: Settings = {
    "seeds": 5,
    "members": 6,  # of digits
    "alpha": 0.5,
    "digits_rounds": 10,
    "digits_rate": 0.1,
    "digits_clip": 0.5,
    "hospital_rounds": 15,
    "hospital_updates": 100,
    "hospital_rate": 0.01,
    "hospital_clip": 0.2,
    "record_clip": 4.0,
    "delta": 1e-3,
}
EPSILONS = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0)
OF_RECORDS = (1000.0, 100.0, 30.0, 10.0, 3.0)
FEDERATIONS = ("digits", "hospitals")
PLAIN = "no privacy"
CLIPPED = "clipped"


class Found(dict[str, Any]):
    """Accuracies and values, one a seed."""


def measure(settings: Settings, folder: str | None, name: str) -> Record:
    """One federation without privacy, clipped, and at every epsilon."""
    data, centres, training, metric = _federation(settings, folder, name)
    clip = settings[{"digits": "digits_clip", "hospitals": "hospital_clip"}[name]]
    plain = _valued(settings, data, centres, training, metric)
    rows = {PLAIN: plain}
    ways: dict[str, Privacy] = {CLIPPED: private(clip=clip)}
    ways |= {
        f"{epsilon:g}": private(clip=clip, epsilon=epsilon, delta=settings["delta"])
        for epsilon in EPSILONS
    }
    for way, privacy in ways.items():
        protected = training._replace(privacy=privacy)
        rows[way] = _valued(settings, data, centres, protected, metric)
        rows[way] |= _accounted(data, protected)
    record = {"players": list(data.names), "metric": metric, "clip": clip, "members": rows}
    if name == FEDERATIONS[1]:
        record["records"] = _of_records(settings, data, centres, training, metric)
        record["flamby"] = _flamby(folder)
    for row in (*rows.values(), *record.get("records", {}).values()):
        row["spearman"] = [
            agreement(one, other)["spearman"]
            for one, other in zip(row["values"], plain["values"], strict=True)
        ]
    others = np.roll(plain["values"], 1, axis=0)
    record["spearman_of_seeds"] = [
        agreement(one, other)["spearman"] for one, other in zip(plain["values"], others)
    ]
    return record


def _federation(
    settings: Settings, folder: str | None, name: str
) -> tuple[FederatedData, HostArray, Training, str]:
    """(the federation, float[groups, T] which test row is whose, its training, the metric)."""
    if name == FEDERATIONS[0]:
        partition = dirichlet(num_clients=settings["members"], alpha=settings["alpha"])
        data = federate(load("digits"), partition, seed=0)
        steps = local(learning_rate=settings["digits_rate"], batch_size=32)
        algorithm = fedavg(weights="uniform", max_rounds=settings["digits_rounds"])
        groups = np.ones((1, len(data.test[1])))
        return data, groups, Training(linear(), steps, algorithm), "accuracy"
    pool = heart_disease(folder=folder, normalise="per_client")
    data = federate(pool, by_column(), seed=0)
    steps = local(
        learning_rate=settings["hospital_rate"], batch_size=4, steps=settings["hospital_updates"]
    )
    algorithm = fedavg(weights="uniform", max_rounds=settings["hospital_rounds"])
    centres = np.asarray(pool.notes["test_center"])
    groups = np.stack([centres == centre for centre in np.unique(centres)]).astype(float)
    model = linear(initializer="torch", output="sigmoid")
    return data, groups, Training(model, steps, algorithm), "roc_auc"


def _valued(
    settings: Settings, data: FederatedData, groups: HostArray, training: Training, metric: str
) -> Record:
    """Accuracy of everyone, the mean over groups of test rows, and exact values, for each seed."""
    learning = learner(data, training)
    of_group = jnp.asarray(groups / groups.sum(axis=1, keepdims=True), jnp.float32)
    score = OF_CLASSES[metric].score

    def read(world: World, params: Params, trace: Trace, mask: Array) -> Array:
        x, y = world.data.test
        outputs = learning.model.apply(params, x)
        right = (outputs.argmax(-1) == y).astype(jnp.float32)
        return jnp.stack([score(outputs, y), (of_group @ right).mean()])

    game = trained(learning, read)
    masks = all_subsets(data.num_clients)
    found = Found(accuracy=[], values=[])
    for seed in range(settings["seeds"]):
        initial = learning.model.init(jax.random.key(seed))
        one = replace(game, world=replace(learning.world, initial=initial))
        utilities = evaluate(one, jax.random.key(1000 + seed), masks, on_nonfinite="floor")
        found["accuracy"].append(float(utilities[-1, 1]))
        found["values"].append(shapley_values(utilities[:, 0]).tolist())
    return found


def _accounted(data: FederatedData, training: Training) -> Record:
    """The noise, and what all trainings with a member in them come to together."""
    protection = protection_of(data, training)
    assert protection is not None
    privacy, mechanism, _ = protection
    if not privacy.noise:
        return {"noise": 0.0, "charged": None}
    together = mechanism._replace(noise=mechanism.noise / 2 ** ((data.num_clients - 1) / 2))
    return {"noise": privacy.noise, "charged": epsilon_of(together, privacy.delta)}


def _of_records(
    settings: Settings, data: FederatedData, groups: HostArray, training: Training, metric: str
) -> Record:
    """The hospitals with noise on their patients' features, at every epsilon."""
    rows = {}
    for epsilon in OF_RECORDS:
        noise = records({"law": "gaussian", "clip": settings["record_clip"], "epsilon": epsilon})
        noisy = with_noisy_records(data, noise, seed=0)
        rows[f"{epsilon:g}"] = _valued(settings, noisy, groups, training, metric)
        rows[f"{epsilon:g}"]["scale"] = noise.scale
    return rows


def _flamby(folder: str | None) -> list[Record]:
    """FLamby's rows: mean accuracy of the hospitals, one for each (epsilon, delta) and seed."""
    path = files.locate(folder, "flamby_results", ["dp_fed_heart_disease.csv"], origin=ORIGIN)
    rows: dict[tuple[float, float], list[float]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            at = (float(row["e"] or "inf"), float(row["d"] or 0))
            rows.setdefault(at, []).append(float(row["perf"]))
    return [
        {"epsilon": None if np.isinf(e) else e, "delta": d, "accuracy": found}
        for (e, d), found in sorted(rows.items(), key=lambda one: (-one[0][0], -one[0][1]))
    ]


def figure(record: Record) -> Figure:
    """Accuracy and Spearman of values against epsilon, a column a federation."""
    count = len(FEDERATIONS)
    drawn, panels = style.panels(style.ONE, 4.0, 2, count)
    for place, name in enumerate(FEDERATIONS):
        found = record["federations"][name]
        above, below = panels[place], panels[count + place]
        for axes, what in ((above, "accuracy"), (below, "spearman")):
            _curve(axes, found["members"], what, BLUE, "members protected")
            if "records" in found:
                _curve(axes, found["records"], what, GREEN, "records' features protected")
            axes.set_xscale("log")
        level = np.mean(found["members"][PLAIN]["accuracy"])
        above.axhline(level, color="black", linewidth=0.8, label="no privacy")
        two = np.mean(found["spearman_of_seeds"])
        below.axhline(two, color="black", linewidth=0.8, linestyle="--", label="two seeds")
        for row in found.get("flamby", []):
            if row["epsilon"] is not None:
                mark = {"color": ORANGE, "marker": "x", "s": 12, "linewidth": 0.9}
                label = "FLamby, patients protected"
                above.scatter(row["epsilon"], np.mean(row["accuracy"]), label=label, **mark)
        dress(above, name)
        below.set_xlim(above.get_xlim())
        below.set_xlabel("privacy budget ε")
    panels[0].set_ylabel("accuracy (share)")
    panels[count].set_ylabel("Spearman with values\nwithout privacy")
    style.legend_below(drawn, columns=2)
    caption = f"""Privacy against accuracy (above) and against the order of the members' values
    (below). Dots are means over {record["config"]["seeds"]} seeds, bars standard deviations over
    them. Solid line: accuracy without privacy; dashed: Spearman of the values of two seeds without
    privacy. A smaller ε protects more; crosses are FLamby's published means."""
    return style.captioned(drawn, caption)


def _curve(axes: Axes, rows: Record, what: str, color: str, label: str) -> None:
    """Mean and standard deviation over seeds at every epsilon."""
    epsilons = [way for way in rows if way not in (PLAIN, CLIPPED)]
    at = np.array([float(way) for way in epsilons])
    each = np.array([rows[way][what] for way in epsilons])
    bars: dict[str, Any] = {"color": color, "marker": "o", "markersize": 3, "capsize": style.CAP}
    axes.errorbar(
        at, each.mean(axis=1), deviation(each.T), label=label, linewidth=1, elinewidth=0.8, **bars
    )


def show(record: Record, console: Console) -> None:
    """One row an epsilon: noise, accuracy, Spearman, and what all trainings come to together."""
    for name, found in record["federations"].items():
        title = f"{name}: mean ± standard deviation of {record['config']['seeds']} seeds"
        columns = ("epsilon", "z", "accuracy", "Spearman of values", "epsilon with values")
        shown = table(title, columns)
        for way, row in found["members"].items():
            charged = row.get("charged")
            shown.add_row(
                way,
                f"{row.get('noise', 0):.3g}",
                mean_and_deviation(row["accuracy"], ".3f"),
                mean_and_deviation(row["spearman"], ".2f"),
                "" if charged is None else f"{charged:.4g}",
            )
        for way, row in found.get("records", {}).items():
            accuracy = mean_and_deviation(row["accuracy"], ".3f")
            spearman = mean_and_deviation(row["spearman"], ".2f")
            shown.add_row(f"{way}, records", f"{row['scale']:.3g}", accuracy, spearman, "")
        for row in found.get("flamby", []):
            way = "none" if row["epsilon"] is None else f"{row['epsilon']:g}, {row['delta']:g}"
            accuracy = mean_and_deviation(row["accuracy"], ".3f")
            shown.add_row(f"FLamby {way}", "", accuracy, "", "")
        console.print(shown)
        luck = mean_and_deviation(found["spearman_of_seeds"], ".2f")
        console.print(f"Two seeds without privacy: Spearman {luck}.", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("private_values", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, seeds=1)
    integer("members", settings["members"], least=2, most=10)
    found = measured(settings, options.data, FEDERATIONS, measure)
    return {"config": settings, "epsilons": list(EPSILONS), "federations": found}


if __name__ == "__main__":
    sys.exit(main())
