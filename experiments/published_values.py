"""Rows of docs/evidence.md on values: what others published, and what a record of ours says."""

import math

import numpy as np

from benchmarks.harness import Record
from experiments.published import Row

WIDE = 0.65  # P(gap > 0.5) between twins under FedSV
# Relative L2 errors of shapiq 1.8, its best estimator at each budget, in a run of our own.
SHAPIQ = {
    ("A", 32): 0.453,
    ("A", 64): 0.077,
    ("A", 128): 0.041,
    ("B", 50): 0.283,
    ("B", 100): 0.058,
    ("B", 200): 0.026,
    ("B", 500): 0.004,
}
CALLED = {"accuracy": "Adult, accuracy", "roc_auc": "Adult, ROC-AUC"}  # games of `estimators`
# Song et al., setting 5: largest difference of shares, per cent.
SONG = {"OR": 0.9, "MR": 1.7, "TMC": 6.7}
# Spearman of in-run and retrain values in flirds, MNIST: mean and deviation of three seeds.
FLIRDS = {
    "alike": (0.438, 0.083),
    "alike, noisy": (0.762, 0.070),
    "unequal": (0.632, 0.273),
    "unequal, noisy": (0.960, 0.057),
}


def twins(record: Record) -> list[Row]:
    """FedSV's gap between twins."""
    ours = record["wide"]["federated"]
    error = math.sqrt(WIDE * (1 - WIDE) / record["repeats"])
    rule = f"within two standard errors of {record['repeats']} runs, {2 * error:.2f}"
    met = abs(ours - WIDE) <= 2 * error
    closed = record["wide"]["completed"]
    why = "the first round gains most here; with such gains luck alone gives .79 (`twins`)"
    return [
        Row("P(gap between twins > .5), FedSV", f"{WIDE:.2f}", f"{ours:.2f}", rule, met, why),
        Row("the same, completed", "few", f"{closed:.2f}", "at most .05", closed <= 0.05),
    ]


def twins_by_rate(record: Record) -> list[Row]:
    """The same by learning rate, in the set-up of which the paper says most."""
    error = math.sqrt(WIDE * (1 - WIDE) / record["config"]["repeats"])
    why = "the paper's rate, batches and numbers of images are not known"
    rows = []
    for row in record["rows"]:
        if (row["split"], row["model"]) != ("two classes", "mlp"):
            continue
        for count, words in (("wide", "neither above 0 counts"), ("as_written", "as written")):
            ours = row[count]
            what = f"P(gap > .5), two classes, network, rate {row['learning_rate']:g}, {words}"
            rule = f"within {2 * error:.2f}"
            met = abs(ours - WIDE) <= 2 * error
            rows.append(Row(what, f"{WIDE:.2f}", f"{ours:.2f}", rule, met, why))
    return rows


def estimators(record: Record) -> list[Row]:
    """Other implementations' errors at equal numbers of coalitions."""
    rows = []
    for row in record["rows"]:
        if row["estimator"] != record["default"] or row["package"] != "fedjax_shap":
            continue
        best = record["best_of_peers"].get(row["game"], {}).get(str(row["budget"]))
        if best is not None:
            what = f"table {row['game']}, {row['budget']} coalitions, relative L2"
            ours = row["rel_l2"]
            rows.append(Row(what, f"{best:.3f}", f"{ours:.4f}", "lower", ours < best))
    return rows


def shapiq(record: Record) -> list[Row]:
    """The errors of shapiq's best estimator: 1.8 in another run, or the one of this record."""
    ours: dict[tuple[str, int], float] = {}
    theirs: dict[tuple[str, int], float] = {}
    for row in record["rows"]:
        at = (row["game"], row["budget"])
        if row["package"] == "shapiq" and row["game"] in CALLED:
            theirs[at] = min(row["rel_l2"], theirs.get(at, math.inf))
        if (row["package"], row["estimator"]) == ("fedjax_shap", record["default"]):
            ours[at] = row["rel_l2"]
    rows = []
    for (game, budget), best in (SHAPIQ | theirs).items():
        found = ours[game, budget]
        what = f"{CALLED.get(game, f'table {game}')}, {budget} coalitions, relative L2"
        rows.append(Row(what, f"{best:.3f}", f"{found:.4f}", "lower", found < best))
    return rows


def five_settings(record: Record) -> list[Row]:
    """Song's differences in setting 5, and what GTG-Shapley says of time and of noisy labels."""
    of = {row["setting"]: row for row in record["rows"]}
    rows = []
    floor = of[5]["noise_floor"]["max_difference"]
    for name, theirs in SONG.items():
        ours = 100 * of[5]["methods"][name]["max_difference"]
        what = f"noisy features, {name}, largest difference of shares, %"
        why = f"two trainings of everything differ by {100 * floor:.1f}; five clients there"
        rows.append(
            Row(what, f"{theirs:.1f}", f"{ours:.1f}", "at most theirs", ours <= theirs, why)
        )
    shares = np.array(of[1]["methods"]["exact"]["values"])
    low, high = (shares / shares.sum()).min(), (shares / shares.sum()).max()
    rows.append(
        Row(
            "same size and distribution, exact shares of the total",
            ".094 to .106",
            f"{low:.3f} to {high:.3f}",
            "inside theirs",
            bool(low >= 0.094 and high <= 0.106),
            "fewer images a client and to value them by",
        )
    )
    noisy = of[4]["methods"]
    worse = noisy["OR"]["max_difference"] / noisy["MR"]["max_difference"]
    seconds = {name: one["seconds"] for name, one in of[1]["methods"].items()}
    faster = min(seconds["MR"], seconds["in-run exact"]) / seconds["GTG"]
    exact = seconds["in-run exact"] / seconds["GTG"]
    return [
        *rows,
        Row(
            "noisy labels, largest difference of OR over that of MR",
            "3",
            f"{worse:.2f}",
            "above 1",
            worse > 1,
            "rounds that gain next to nothing dominate MR, which divides by their sums",
        ),
        Row(
            "setting 1, GTG faster than the next in-run way, times",
            "7.4",
            f"{faster:.2f}",
            "above 1",
            faster > 1,
            "all 1,024 mixtures of a round cost less here than GTG's orders",
        ),
        Row(
            "seconds of in-run exact over GTG's, ten clients a round",
            "0.77",
            f"{exact:.2f}",
            "below 1",
            exact < 1,
        ),
    ]


def agreement(record: Record) -> list[Row]:
    """How well in-run and retrain values agreed in flirds, on MNIST."""
    settings = record["config"]
    which = f"{settings['data']}, {settings['model']}, {settings['epochs']} epoch(s)"
    why = f"ours is {which}; theirs LeNet5, all images, five epochs"
    rows = []
    for row in record["rows"]:
        theirs, spread = FLIRDS[row["federation"]]
        each = np.array(row["spearman_per_training"])
        ours = float(each.mean())
        rows.append(
            Row(
                f"{row['federation']}, Spearman",
                f"{theirs:+.2f} ± {spread:.2f}",
                f"{ours:+.2f} ± {each.std(ddof=1):.2f}",
                "within two of their standard deviations",
                abs(ours - theirs) <= 2 * spread,
                why,
            )
        )
    return rows
