"""The tables of docs/evidence.md: what others published, and our numbers, read from the records.

What stands there between `<!-- evidence: NAME -->` and `<!-- end of evidence -->` is the table of
`SOURCES[NAME]`, or of all experiments. Whether a number is met is computed by the rule beside it.
"""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness import ROOT, Record
from benchmarks.pages import caption, markdown
from experiments.claims import RESULTS, claims, records_of
from fedjax_shap._validate import one_of

PAGE = ROOT / "docs" / "evidence.md"
BENCHMARKS = ROOT / "benchmarks" / "results"
COLUMNS = ("what", "theirs", "ours", "met if", "met")
NEWTON = (0.75, 0.752809, 0.75, 0.6)  # test accuracies of NVFlare's example hello-lr
VECTORS = 0.8088  # ROC-AUC of NVFlare's example sklearn-svm
WIDE = 0.65  # P(gap > 0.5) between twins under FedSV
ACCURACY = 0.80  # of FLUTE's example, "about"

ALL = "all"
BLOCK = re.compile(r"(<!-- evidence: (\w+) -->\n)(.*?)(<!-- end of evidence -->)", re.S)


class Row(NamedTuple):
    """One published number and ours.

    Attributes:
        what: was measured.
        theirs: as published.
        ours: from the record.
        rule: when ours meets theirs, in words.
        met: whether it does.
    """

    what: str
    theirs: str
    ours: str
    rule: str
    met: bool


class Source(NamedTuple):
    """A record that stands beside published numbers.

    Attributes:
        folder: of the record.
        rows: reads the rows from the record.
    """

    folder: Path
    rows: Callable[[Record], list[Row]]


def filled_in(text: str) -> str:
    """The text of the page with its tables as the records have them.

    Raises:
        InvalidInputError: it names a table that is not known.
    """
    return BLOCK.sub(lambda block: f"{block[1]}\n{_table(block[2])}\n{block[4]}", text)


def _table(name: str) -> str:
    """One table in Markdown, with the command and the surroundings of its record."""
    one_of("evidence", name, (ALL, *SOURCES))
    if name == ALL:
        return _all_experiments()
    source = SOURCES[name]
    record: Record = json.loads((source.folder / f"{name}.json").read_text(encoding="utf-8"))
    rows = [(*row[:-1], "yes" if row.met else "**no**") for row in source.rows(record)]
    return f"{markdown(COLUMNS, rows)}\n`{record['command']}`\n{caption(record)}"


def _all_experiments() -> str:
    """What each experiment asks, how long it takes, and what it wrote last."""
    rows = []
    for claim in claims().values():
        minutes = "not known" if claim.minutes is None else f"{claim.minutes:g}"
        last = [
            f"{stem}.json: {record['date'][:10]}, {record['commit']}"
            for stem, record in records_of(claim.name, RESULTS).items()
        ]
        rows.append((f"`{claim.name}`", claim.asks, minutes, "; ".join(last) or "none"))
    return markdown(("experiment", "asks", "minutes", "records"), rows)


def _exact(what: str, theirs: float, ours: float, digits: int) -> Row:
    """A number that should be the published one to its last digit."""
    rule = f"equal to {digits} decimals"
    met = abs(ours - theirs) <= 0.5 * 10**-digits
    return Row(what, f"{theirs:.{digits}f}", f"{ours:.{digits + 2}f}", rule, met)


def _heart_disease(record: Record) -> list[Row]:
    rows = []
    for method, published in record["published"].items():
        theirs = np.mean(published, axis=1)  # float[seeds], over four hospitals and the pooled test
        first = {kind: np.asarray(each)[0] for kind, each in record["ours"][method].items()}
        ours = np.concatenate([first["per_client"][:, :-1], first["pooled"][:, -1:]], axis=1)
        off = abs(ours.mean() - theirs.mean())
        spread = theirs.std(ddof=1)
        rows.append(
            Row(
                f"{method}, accuracy, 5 seeds",
                f"{theirs.mean():.4f} ± {spread:.4f}",
                f"{ours.mean():.4f} ± {ours.mean(axis=1).std(ddof=1):.4f}",
                "within half a standard deviation of theirs",
                bool(off <= spread / 2),
            )
        )
    return rows


def _fate(record: Record) -> list[Row]:
    published = record["published"]
    rows = [_exact("breast, train ROC-AUC", published["breast_auc"], record["breast_auc"], 6)]
    credit = {"guest": "guest alone", "host": "host alone", "joint": "together"}
    for name, words in credit.items():
        theirs = published["default_credit"][name]
        rows.append(
            _exact(f"default credit, {words}, AUC", theirs, record["default_credit"][name], 3)
        )
    return rows


def _statistics(record: Record) -> list[Row]:
    hospitals = zip(record["hospitals"], NEWTON, record["newton_accuracies"], strict=True)
    rows = [
        _exact(f"four Newton steps, accuracy in {hospital}", theirs, ours, 6)
        for hospital, theirs, ours in hospitals
    ]
    return [*rows, _exact("union of support vectors, ROC-AUC", VECTORS, record["svm_auc"], 4)]


def _fedvalue(record: Record) -> list[Row]:
    return [
        Row(
            f"{row['law']}, {row['method']}, {row['federation']}",
            f"{row['published']:.3f}",
            f"{row['mean']:.3f}",
            "as high, to .01",
            row["mean"] >= row["published"] - 0.01,
        )
        for row in record["summary"]
        if row["way"] == "permanent"
    ]


def _flute(record: Record) -> list[Row]:
    run = record["runs"]["flute"]
    ours = run["seconds_alone"]["first"]
    rows = [
        Row(f"seconds, {name}", f"{theirs:,}", f"{ours:.1f}", "fewer", ours < theirs)
        for name, theirs in record["published_seconds"].items()
    ]
    reached = run["accuracy"][-1]
    met = reached >= ACCURACY
    return [
        *rows,
        Row("accuracy", f"about {ACCURACY:.2f}", f"{reached:.3f}", "at least as high", met),
    ]


def _twins(record: Record) -> list[Row]:
    ours = record["wide"]["federated"]
    error = math.sqrt(WIDE * (1 - WIDE) / record["repeats"])
    rule = f"within two standard errors of {record['repeats']} runs, {2 * error:.2f}"
    met = abs(ours - WIDE) <= 2 * error
    closed = record["wide"]["completed"]
    return [
        Row("P(gap between twins > .5), FedSV", f"{WIDE:.2f}", f"{ours:.2f}", rule, met),
        Row("the same, completed", "few", f"{closed:.2f}", "at most .05", closed <= 0.05),
    ]


def _flce(record: Record) -> list[Row]:
    cosine = record["cosine_distance_mean"]
    rank = record["spearman_mean"]
    seconds = record["seconds_exact"]
    published = record["published_seconds"]
    return [
        Row(
            "exact values, cosine distance to theirs", "0", f"{cosine:.1e}", "< 2e-3", cosine < 2e-3
        ),
        Row("the same, Spearman", "1", f"{rank:.3f}", "> .95", rank > 0.95),
        Row(
            "seconds, 255 coalitions",
            f"{published:,}",
            f"{seconds:.1f}",
            "fewer",
            seconds < published,
        ),
    ]


def _estimators(record: Record) -> list[Row]:
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


SOURCES = {
    "flce_quantity_cpu": Source(BENCHMARKS, _flce),
    "heart_disease": Source(RESULTS, _heart_disease),
    "fate_vertical": Source(RESULTS, _fate),
    "statistics_games": Source(RESULTS, _statistics),
    "fedvalue": Source(RESULTS, _fedvalue),
    "flute_mnist": Source(RESULTS, _flute),
    "partial_participation": Source(RESULTS, _twins),
    "estimators_cpu": Source(BENCHMARKS, _estimators),
}
