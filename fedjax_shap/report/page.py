"""A run, or several side by side, as one page: a single HTML file that needs no network.

The templates, the style sheet and the scripts are in `page_files`.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.economics.money import written
from fedjax_shap.pipeline.comparison import compare, compared_run
from fedjax_shap.report import page_figures, page_tables
from fedjax_shap.report.comparison import agreement_table, compared_table
from fedjax_shap.report.names import distinct
from fedjax_shap.report.page_figures import PageFigure, figures_of
from fedjax_shap.report.page_studies import means, overview, own_title, values_by_run
from fedjax_shap.report.page_tables import PageTable, titled
from fedjax_shap.report.page_what_if import WhatIf, what_if_of
from fedjax_shap.report.render import FORMULAS
from fedjax_shap.report.run_sentences import sentences
from fedjax_shap.report.run_tables import device_tables
from fedjax_shap.report.saved_run import SavedRun, saved_run
from fedjax_shap.report.slice_tables import judges_tables
from fedjax_shap.report.tables import amount

PAGE = "report.html"  # of a run, in its folder
MOST_IN_FULL = 6  # runs that a page shows one by one; of more it has what stands side by side
# sections of a configuration, and the names by which some of them add nothing
SECTIONS = {
    "data": "",
    "partition": "natural",
    "model": "",
    "task": "natural",
    "local": "",
    "algorithm": "",
    "steps": "local",
    "participation": "always",
    "devices": "unknown",
    "privacy": "none",
    "game": "",
    "estimator": "",
    "costs": "",
}
_FILES = Path(__file__).parent / "page_files"


class Audited(NamedTuple):
    """What an audit said.

    Attributes:
        name: of the audit.
        holds: whether the property holds; None where it was not judged.
        sentence: the finding.
    """

    name: str
    holds: bool | None
    sentence: str


class PageRun(NamedTuple):
    """A run that a page shows.

    Attributes:
        label: what it is called beside others, such as its folder.
        record: its result.json.
        audits: what audits said of its payments.
        unaudited: why there are none, in a sentence; "" where there are.
    """

    label: str
    record: Mapping[str, Any]
    audits: tuple[Audited, ...] = ()
    unaudited: str = ""


class _Shown(NamedTuple):
    """One run as the template reads it."""

    key: str
    title: str
    label: str
    facts: list[tuple[str, str]]
    said: list[str]
    figures: dict[str, PageFigure]
    tables: dict[str, list[PageTable]]
    what_if: WhatIf | None
    no_what_if: str
    paid: list[str]
    unpaid: str
    audits: tuple[Audited, ...]
    unaudited: str


def page(runs: Sequence[PageRun]) -> str:
    """Runs as one HTML file.

    Args:
        runs: at least one; the first is what the others are compared with.

    Returns:
        The file's text. It names no other file and no address, runs no script but its own, and
        names of members are text wherever they stand.

    Raises:
        InvalidInputError: no run, or a record that is not that of a run.
    """
    require(len(runs) > 0, "Expected at least one run for a page, got none.")
    read = [saved_run(run.record, run.label) for run in runs]
    shown = []
    if len(runs) <= MOST_IN_FULL:
        shown = [_shown(f"r{at}", run, one) for at, (run, one) in enumerate(zip(runs, read))]
    title = read[0].config.title
    if len(runs) > 1:
        title = f"{len(runs)} runs"
        (common, *others) = {own_title(one, run.label) for run, one in zip(runs, read)}
        if not others:
            title = f"{common}: {title}"
    script = _file("settle.js") + _file("page.js")
    script = f"(() => {{\n{script}}})();\n"
    tables, figure, notes = _side_by_side(runs, read)
    made: str = (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            runs=shown,
            tables=tables,
            compared=figure,
            notes=notes,
            formulas=FORMULAS,
            style=Markup(_file("page.css")),
            script=Markup(script),
            allowed=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )
    return made


def _environment() -> Environment:
    """Templates in which everything is text that does not say otherwise."""
    made = Environment(
        loader=FileSystemLoader(_FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["element"] = Markup  # of a figure that `page_figures` made
    return made


def _file(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


def _shown(key: str, run: PageRun, read: SavedRun) -> _Shown:
    """One run with everything that the page says of it."""
    offered = what_if_of(run.record)
    settled = read.settlement
    return _Shown(
        key=key,
        title=read.config.title,
        label=run.label,
        facts=_facts(read),
        said=sentences(read, read.beside),
        figures=figures_of(read, key),
        tables=_tables(read),
        what_if=None if isinstance(offered, str) else offered,
        no_what_if=offered if isinstance(offered, str) else "",
        paid=[] if settled is None else list(map(written, settled.payments)),
        unpaid=read.unpaid,
        audits=run.audits,
        unaudited=run.unaudited,
    )


def _tables(read: SavedRun) -> dict[str, list[PageTable]]:
    """The tables of a run by the part of the page in which they stand."""
    tables = {
        "values": [page_tables.members(read)],
        "judges": [page_tables.plain(titled(one), "judges") for one in judges_tables(read)],
        "costs": [
            page_tables.plain(titled(one), key)
            for one, key in zip(device_tables(read), ("devices", "device-costs"))
        ],
        "configuration": [page_tables.configuration(read.record["config"])],
        "curve": [],
        "by_round": page_tables.by_round(read),
    }
    if read.curve is not None:
        tables["curve"].append(page_tables.curve(read.curve))
    return tables


def _facts(read: SavedRun) -> list[tuple[str, str]]:
    """What was run, as terms and descriptions."""
    record = read.record
    facts = [("federation", f"{record['setting']}, {len(read.players):,} members")]
    for name, usual in SECTIONS.items():
        section = record["config"].get(name)
        if isinstance(section, Mapping) and section.get("name") != usual:
            facts.append((name, str(section.get("name", "")).replace("_", " ")))
    facts.append(("measured by", read.label))
    facts.append(("values", f"{read.value_label}; {read.attribution.stopped}"))
    settled = read.settlement
    if settled is not None:
        rule = settled.rule.replace("_", " ")
        facts.append(("paid", f"{amount(settled.revenue)} by the rule '{rule}'"))
    versions = ", ".join(f"{name} {one}" for name, one in record.get("versions", {}).items())
    facts.append(("computed with", f"{versions}; {record.get('device', '')}"))
    return facts


def _side_by_side(
    runs: Sequence[PageRun], read: Sequence[SavedRun]
) -> tuple[list[PageTable], PageFigure | None, list[str]]:
    """(tables, figure, notes) of several runs; nothing for one."""
    if len(runs) < 2:
        return [], None, []
    labels = distinct([run.label for run in runs])
    tables = [overview(labels, read)]
    notes = []
    figure = None
    if len(runs) > MOST_IN_FULL:
        by_field, summary = means(labels, [run.record for run in runs])
        tables = by_field + tables
        if summary is not None:
            figure = page_figures.means(summary)
        notes.append(
            f"Of more than {MOST_IN_FULL} runs, a page has what stands side by side; "
            "`fedjax-shap report RUN` shows one in full."
        )
    try:
        rows = zip(runs, labels, strict=True)
        compared = compare([compared_run(run.record, label=label) for run, label in rows])
    except InvalidInputError as error:
        return tables, figure, [*notes, str(error)]
    agreement = page_tables.plain(agreement_table(compared), "agreement")
    if len(runs) <= MOST_IN_FULL:
        figure = page_figures.compared(compared)
        tables += [page_tables.plain(compared_table(compared), "compared"), agreement]
    else:
        tables += [*values_by_run(compared), agreement]
    return tables, figure, [*notes, *compared.notes]
