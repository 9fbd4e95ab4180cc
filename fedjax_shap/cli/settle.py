"""`fedjax-shap settle` and `fedjax-shap audit`: payments from a file, and what can be said for and
against them.
"""

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from fedjax_shap._validate import require
from fedjax_shap.atomic import replacing, writable
from fedjax_shap.audits.registry import audit
from fedjax_shap.cli.store import to_standard_output
from fedjax_shap.economics.intervals import Intervals, payment_intervals
from fedjax_shap.economics.policies import LOSS, NEGATIVE
from fedjax_shap.economics.record import KEYS, settle_record
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline import records
from fedjax_shap.pipeline.load import LoadedRun, read_run, rule_from
from fedjax_shap.report import settlement_figures, tables

FORMATS = ("json", "csv", "table")
_BY_SUFFIX = {".csv": "csv", ".txt": "table"}
_IN_FILES = {"players", "values", "costs", "std_errors", "sizes"}  # what only a file can say
SETTINGS = tuple(key for key in KEYS if key not in _IN_FILES)
_SAID = {
    "revenue": "what the joint model earned",
    "efficient": "true where the errors of the values sum to zero",
    "minor_unit": "the smallest amount that is paid, such as 0.01",
    "rule": f"one of {', '.join(RULES)}",
    "negative": f"what becomes of negative values: {', '.join(NEGATIVE)}",
    "reimburse": "whether players that are excluded get their costs back: true or false",
    "loss": f"who bears a loss: {', '.join(LOSS)}",
}
FIGURES = (".png", ".svg", ".pdf")
LEVEL = 0.95  # of the intervals in the figure of an audit
WIDE = 160  # columns of a table that goes into a file
_ANY_WIDTH = 10_000


def add_to(commands: Any) -> None:
    """Adds the commands `settle` and `audit` to the subparsers `commands`; `call` returns None for
    success.
    """
    one = commands.add_parser(
        "settle", help="payments from values, costs and a revenue, without training"
    )
    one.add_argument(
        "input",
        metavar="INPUT",
        help="a JSON file with values, costs, revenue and more, or a CSV file with the columns player, value, cost, "
        "std_error, size",
    )
    says = one.add_argument_group("in place of what the file says, or of what a CSV file lacks")
    for key in SETTINGS:
        says.add_argument(
            f"--{key.replace('_', '-')}", dest=f"set_{key}", metavar="X", help=_SAID.get(key)
        )
    one.add_argument(
        "--intervals",
        type=float,
        metavar="LEVEL",
        help="intervals of the payments too, such as 0.95",
    )
    one.add_argument(
        "--format", choices=FORMATS, help="what to write (default: by the name of FILE, else json)"
    )
    one.add_argument("--out", metavar="FILE", help="where to (default: standard output)")
    one.add_argument("--figure", metavar="FILE", help="a page of figures, as .png, .svg or .pdf")
    one.set_defaults(call=_settle)
    one = commands.add_parser(
        "audit", help="what can be said for and against the payments of a run"
    )
    one.add_argument(
        "result", metavar="RESULT", help="a run's folder or its result.json, or what `settle` wrote"
    )
    one.add_argument("--json", metavar="FILE", help="the findings with their numbers")
    one.add_argument("--figure", metavar="FILE", help="a page of figures, as .png, .svg or .pdf")
    one.set_defaults(call=_audit)


def _settle(known: argparse.Namespace, rest: list[str]) -> None:
    record = records.read_record(known.input) | _given(known)
    require(
        record.get("revenue") is not None,
        "Expected a revenue: give --revenue, or the key 'revenue' in a JSON file.",
    )
    kind = known.format or _BY_SUFFIX.get(Path(known.out or "").suffix.lower(), "json")
    _require_figure(known.figure)
    settled = settle_record(record)
    intervals = None if known.intervals is None else _intervals(settled, record, known.intervals)
    if known.figure is not None:
        given = _pricing(settled, record)
        sweeps = [
            settlement_figures.over_revenue(settled, **given),
            settlement_figures.over_costs(settled, **given),
        ]
        title = f"Settlement of {settled.revenue:,f}"
        _draw(
            settlement_figures.page(title, settled, intervals=intervals, sweeps=sweeps),
            known.figure,
        )
    if known.out is None and kind == "table":
        _print([tables.as_table(settled, intervals)], _notes(settled, intervals))
    else:
        _write(_written(kind, settled, intervals), known.out)
    if kind == "csv":
        _print([], _notes(settled, intervals), sys.stderr)  # which a CSV file has no place for


def _audit(known: argparse.Namespace, rest: list[str]) -> None:
    _require_figure(known.figure)
    run = read_run(known.result)
    findings = audit(run.case)
    if known.json is not None:
        record = {
            "title": run.title,
            "utilities": run.said,
            "findings": [_plain(found.to_json()) for found in findings],
        }
        _write(json.dumps(record, indent=1, allow_nan=False) + "\n", known.json, "json")
    if known.figure is not None:
        settled = run.case.settlement
        drawn = settlement_figures.page(
            run.title, settled, intervals=_of_run(run), sweeps=_sweeps(run), findings=findings
        )
        _draw(drawn, known.figure)
    _print(
        [tables.findings_table(findings, f"Audits of {run.title}")],
        [run.said, *run.case.settlement.notes],
    )


def _given(known: argparse.Namespace) -> dict[str, Any]:
    """What options say in place of the record: true, false and numbers as such, all else as
    text.
    """
    given = {key: getattr(known, f"set_{key}") for key in SETTINGS}
    return {key: _read(text) for key, text in given.items() if text is not None}


def _read(text: str) -> Any:
    """A text as JSON has it, or as it is; NaN and the like stay text, and are refused as such."""
    try:
        read = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return read if isinstance(read, bool | int | Decimal) else text


def _pricing(settled: Settlement, record: Mapping[str, Any]) -> dict[str, Any]:
    """The rule of a record that was settled, and its sizes in the order of the players: keywords of
    `settle`.
    """
    sizes = record.get("sizes")
    ordered = [sizes[name] for name in settled.players] if isinstance(sizes, Mapping) else sizes
    return {"rule": rule_from(settled.rule, record), "sizes": ordered}


def _intervals(settled: Settlement, record: Mapping[str, Any], level: float) -> Intervals:
    """Intervals of payments, by the standard errors that the record gives."""
    require(
        settled.std_errors is not None,
        "Expected every std_error to be given and known for --intervals.",
    )
    errors = record["std_errors"]
    ordered = [errors[name] for name in settled.players] if isinstance(errors, Mapping) else errors
    efficient = bool(record.get("efficient"))
    return _interval(
        settled, ordered, level=level, efficient=efficient, **_pricing(settled, record)
    )


def _of_run(run: LoadedRun) -> Intervals | None:
    """Intervals of a run's payments; None where the errors of its values are not known, or are
    none.
    """
    errors = run.case.std_errors
    if errors is None or run.rule is None or not np.any(errors > 0):
        return None
    return _interval(run.case.settlement, errors, level=LEVEL, rule=run.rule, sizes=run.case.sizes)


def _interval(settled: Settlement, std_errors: Any, **keywords: Any) -> Intervals:
    given = {"players": settled.players, "minor_unit": settled.minor_unit, **keywords}
    return payment_intervals(
        settled.values, settled.costs, settled.revenue, std_errors=std_errors, **given
    )


def _sweeps(run: LoadedRun) -> list[settlement_figures.Sweep]:
    """The run at other revenues, and at other prices of energy where its devices' bill is its
    costs.
    """
    if run.rule is None:
        return []
    settled, given = run.case.settlement, {"rule": run.rule, "sizes": run.case.sizes}
    by_revenue = settlement_figures.over_revenue(settled, **given)
    if run.bill is not None and run.bill.total == settled.costs:
        return [by_revenue, settlement_figures.over_energy(settled, run.bill, **given)]
    return [by_revenue, settlement_figures.over_costs(settled, **given)]


def _written(kind: str, settled: Settlement, intervals: Intervals | None) -> str:
    """A settlement as the content of a file."""
    if kind == "json":
        return json.dumps(tables.as_json(settled, intervals), indent=1) + "\n"
    if kind == "csv":
        return tables.as_csv(settled, intervals)
    text = io.StringIO()
    _print([tables.as_table(settled, intervals)], _notes(settled, intervals), text, WIDE)
    return text.getvalue()


def _notes(settled: Settlement, intervals: Intervals | None) -> tuple[str, ...]:
    return (*settled.notes, *(() if intervals is None else intervals.notes))


def _print(
    shown: Sequence[Table], sentences: Sequence[str], file: TextIO | None = None, least: int = 0
) -> None:
    """Tables, and what they do not say; a table is at least as wide as what may not be broken in
    it.
    """
    for table in shown:
        console = Console(file=file)
        needed = console.measure(
            table, options=console.options.update(max_width=_ANY_WIDTH)
        ).minimum
        Console(file=file, width=max(console.width, needed, least)).print(table)
    for sentence in sentences:
        Console(file=file).print(sentence, markup=False, highlight=False, soft_wrap=True)


def _write(text: str, path: str | None, argument: str = "out") -> None:
    """Writes to standard output, or to a file that is whole or absent."""
    if path is None:
        to_standard_output(text)
        return
    with writable(argument, Path(path)), replacing(Path(path)) as file:
        file.write(text.encode())


def _require_figure(path: str | None) -> None:
    """Refuses a figure of an unknown kind before any work is done."""
    fits = path is None or Path(path).suffix.lower() in FIGURES
    require(fits, f"Expected figure={path!r} to end in {', '.join(FIGURES[:-1])} or {FIGURES[-1]}.")


def _draw(figure: Figure, path: str) -> None:
    with writable("figure", Path(path)), replacing(Path(path)) as file:
        figure.savefig(file, format=Path(path).suffix[1:].lower(), dpi=150)


def _plain(value: Any) -> Any:
    """A finding's numbers as JSON has them: None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
