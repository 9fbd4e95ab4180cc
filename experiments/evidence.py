"""The tables of docs/evidence.md: what others published, and our numbers, read from the records.

What stands there between `<!-- evidence: NAME -->` and `<!-- end of evidence -->` is the table of
`SOURCES[NAME]`, or of all experiments. Whether a number is met is computed by the rule beside it.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import ROOT, Record
from benchmarks.pages import caption, markdown
from experiments import published, published_values
from experiments.claims import RESULTS, claims, records_of
from experiments.published import Row
from fedjax_shap._validate import one_of

PAGE = ROOT / "docs" / "evidence.md"
BENCHMARKS = ROOT / "benchmarks" / "results"
COLUMNS = ("what", "theirs", "ours", "met if", "met")

ALL = "all"
COUNTS = "counts"
BLOCK = re.compile(r"(<!-- evidence: (\w+) -->\n)(.*?)(<!-- end of evidence -->)", re.S)


class Source(NamedTuple):
    """A record that stands beside published numbers.

    Attributes:
        path: of the record.
        rows: reads the rows from the record.
    """

    path: Path
    rows: Callable[[Record], list[Row]]


def filled_in(text: str) -> str:
    """The text of the page with its tables as the records have them.

    Raises:
        InvalidInputError: it names a table that is not known.
    """
    return BLOCK.sub(lambda block: f"{block[1]}\n{_table(block[2])}\n{block[4]}", text)


def _table(name: str) -> str:
    """One table in Markdown, with the command and the surroundings of its record."""
    one_of("evidence", name, (ALL, COUNTS, *SOURCES))
    if name == ALL:
        return _all_experiments()
    if name == COUNTS:
        return _counts()
    source = SOURCES[name]
    if not source.path.exists():
        return "No record of it yet.\n"
    record: Record = json.loads(source.path.read_text(encoding="utf-8"))
    rows = [(*row[:4], _met(row)) for row in source.rows(record)]
    return f"{markdown(COLUMNS, rows)}\n`{record['command']}`\n{caption(record)}"


def _met(row: Row) -> str:
    """Whether a number is met, and if not, why as far as we know."""
    if row.met:
        return "yes"
    return f"**no**: {row.why}".removesuffix(": ")


def _counts() -> str:
    """How many numbers of each table are met."""
    rows = []
    for name, source in SOURCES.items():
        if source.path.exists():
            found = source.rows(json.loads(source.path.read_text(encoding="utf-8")))
            met = sum(row.met for row in found)
            rows.append((f"`{name}`", str(len(found)), str(met), str(len(found) - met)))
    total = [str(sum(int(row[at]) for row in rows)) for at in (1, 2, 3)]
    return markdown(("table", "numbers", "met", "not met"), [*rows, ("all", *total)])


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


SOURCES = {
    "flce_quantity_cpu": Source(BENCHMARKS / "flce_quantity_cpu.json", published.flce),
    "flce_label_cpu": Source(BENCHMARKS / "flce_label_cpu.json", published.flce),
    "mnist_exact_cpu": Source(BENCHMARKS / "mnist_exact_cpu.json", published.whole_game),
    "agreement": Source(RESULTS / "agreement.json", published_values.agreement),
    "agreement_mnist": Source(RESULTS / "agreement_mnist.json", published_values.agreement),
    "five_settings_digits": Source(
        RESULTS / "five_settings_digits.json", published_values.five_settings
    ),
    "five_settings_mnist": Source(
        RESULTS / "five_settings_mnist.json", published_values.five_settings
    ),
    "partial_participation": Source(RESULTS / "partial_participation.json", published_values.twins),
    "twins": Source(RESULTS / "twins.json", published_values.twins_by_rate),
    "estimators_cpu": Source(BENCHMARKS / "estimators_cpu.json", published_values.estimators),
    "shapiq": Source(BENCHMARKS / "estimators_cpu.json", published_values.shapiq),
    "step_asynchronism": Source(RESULTS / "step_asynchronism.json", published.calibration),
    "heart_disease": Source(RESULTS / "heart_disease.json", published.heart_disease),
    "fate_vertical": Source(RESULTS / "fate_vertical.json", published.fate),
    "privacy_accounts": Source(RESULTS / "privacy_accounts.json", published.privacy_accounts),
    "secure_sum_500_cpu": Source(BENCHMARKS / "secure_sum_500_cpu.json", published.secure_sum),
    "statistics_games": Source(RESULTS / "statistics_games.json", published.statistics),
    "fedvalue": Source(RESULTS / "fedvalue.json", published.fedvalue),
    "flute_mnist": Source(RESULTS / "flute_mnist.json", published.flute),
    "niid_bench": Source(RESULTS / "niid_bench.json", published.niid_bench),
    "transfer": Source(RESULTS / "transfer.json", published.transfer),
}
