"""`fedjax-shap settle`: payments from a file of values and costs, without training."""

import argparse
import io
import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from fedjax_shap._validate import require
from fedjax_shap.cli.output import require_figure, say, write, write_figure
from fedjax_shap.economics.intervals import Intervals, payment_intervals
from fedjax_shap.economics.policies import LOSS, NEGATIVE
from fedjax_shap.economics.record import KEYS, settle_record
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.report import render
from fedjax_shap.report.settlement_tables import as_json, exact, settlement_table

FORMATS = ("json", "csv", "table", "latex", "html")
_BY_SUFFIX = {".csv": "csv", ".txt": "table", ".tex": "latex", ".html": "html"}
_ONLY_IN_FILES = {"players", "values", "costs", "std_errors", "sizes", "permanent"}
SETTINGS = tuple(key for key in KEYS if key not in _ONLY_IN_FILES)
_HELP = {
    "revenue": "what the joint model earned",
    "efficient": "true where the errors of the values sum to zero",
    "minor_unit": "the smallest amount that is paid, such as 0.01",
    "rule": f"one of {', '.join(RULES)}",
    "negative": f"what becomes of negative values: {', '.join(NEGATIVE)}",
    "reimburse": "whether players that are excluded get their costs back: true or false",
    "loss": f"who bears a loss: {', '.join(LOSS)}",
}
WIDE = 160  # columns of a table that goes into a file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `settle` takes."""
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a JSON file with values, costs, revenue and more; a CSV file with the columns "
        "player (or member), value, cost, std_error, size (or examples); or a run's folder or "
        "result.json",
    )
    add_settings(parser, "settings, which replace those in the file and add what it does not say")
    parser.add_argument(
        "--intervals",
        type=float,
        metavar="LEVEL",
        help="intervals of the payments too, such as 0.95",
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="what to write (default: by the name of FILE, else json)"
    )
    parser.add_argument("--out", metavar="FILE", help="where to (default: standard output)")
    parser.add_argument("--figure", metavar="FILE", help="a page of figures: .png, .svg or .pdf")
    parser.set_defaults(call=_settle)


def add_settings(parser: argparse.ArgumentParser, title: str) -> None:
    """Adds the settings of a settlement as options, under a title; see `settings_of`."""
    settings = parser.add_argument_group(title)
    for key in SETTINGS:
        option = f"--{key.replace('_', '-')}"
        settings.add_argument(option, dest=f"set_{key}", metavar="X", help=_HELP.get(key))


def settings_of(known: argparse.Namespace) -> dict[str, Any]:
    """The settings that options give: true, false and numbers as such, others as text."""
    given = {key: getattr(known, f"set_{key}") for key in SETTINGS}
    return {key: _read(text) for key, text in given.items() if text is not None}


def _settle(known: argparse.Namespace, rest: list[str]) -> None:
    record = _record(known.input, settings_of(known))
    require(
        record.get("revenue") is not None,
        "Expected a revenue: give --revenue, or the key 'revenue' in a JSON file.",
    )
    require_figure(known.figure)
    settled = settle_record(record)
    intervals = None
    if known.intervals is not None:
        intervals = _intervals(settled, record, known.intervals)
    if known.figure is not None:
        _draw(settled, record, intervals, known.figure)
    suffix = Path(known.out or "").suffix.lower()
    kind = known.format or _BY_SUFFIX.get(suffix, "json")
    if known.out is None and kind == "table":
        _show(settled, intervals)
    else:
        write(_content(kind, settled, intervals).encode(), known.out)
    if kind not in ("json", "table"):  # which have no place for the notes
        for note in _notes(settled, intervals):
            say(note, sys.stderr)


def _record(path: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be settled: as a file says, or as a run left it, with settings in their place."""
    from fedjax_shap.pipeline.records import read_record, result_file
    from fedjax_shap.pipeline.resettle import is_run, to_settle

    file = Path(path)
    if file.is_dir():
        file = result_file(file)
    record = read_record(file)
    if is_run(record):
        return to_settle(record, settings)
    return {**record, **settings}


def _read(text: str) -> Any:
    """A text as JSON has it, or as it is; NaN and the like stay text, and are refused as such."""
    try:
        read = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    if isinstance(read, bool | int | Decimal):
        return read
    return text


def _content(kind: str, settled: Settlement, intervals: Intervals | None) -> str:
    """A settlement as the content of a file."""
    if kind == "json":
        return json.dumps(as_json(settled, intervals), indent=1) + "\n"
    if kind == "csv":
        return render.to_csv(exact(settled, intervals))
    if kind == "table":
        text = io.StringIO()
        _show(settled, intervals, text, WIDE)
        return text.getvalue()
    return render.RENDERERS[kind](settlement_table(settled, intervals))


def _show(
    settled: Settlement, intervals: Intervals | None, file: TextIO | None = None, least: int = 0
) -> None:
    """Prints the settlement as a table, and the notes on it."""
    render.to_terminal(settlement_table(settled, intervals), file, least=least)
    for note in _notes(settled, intervals):
        say(note, file)


def _notes(settled: Settlement, intervals: Intervals | None) -> tuple[str, ...]:
    """What a reader should know of a settlement and its intervals."""
    if intervals is None:
        return settled.notes
    return (*settled.notes, *intervals.notes)


def _intervals(settled: Settlement, record: Mapping[str, Any], level: float) -> Intervals:
    """Intervals of payments, by the standard errors that the record gives."""
    require(
        settled.std_errors is not None,
        "Expected every std_error to be given and known for --intervals.",
    )
    return payment_intervals(
        settled.values,
        settled.costs,
        settled.revenue,
        std_errors=_ordered(record["std_errors"], settled),
        level=level,
        efficient=bool(record.get("efficient")),
        players=settled.players,
        minor_unit=settled.minor_unit,
        **_pricing(settled, record),
    )


def _draw(
    settled: Settlement, record: Mapping[str, Any], intervals: Intervals | None, path: str
) -> None:
    """Writes the page of figures of a settlement."""
    from fedjax_shap.report import settlement_figures, sweeps

    pricing = _pricing(settled, record)
    at_other_prices = [
        sweeps.over_revenue(settled, **pricing),
        sweeps.over_costs(settled, **pricing),
    ]
    title = f"Settlement of {settled.revenue:,f}"
    write_figure(
        settlement_figures.page(title, settled, intervals=intervals, sweeps=at_other_prices), path
    )


def _pricing(settled: Settlement, record: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords with which `economics.settle` repeats the settlement at another price."""
    from fedjax_shap.pipeline.load import rule_from

    return {
        "rule": rule_from(settled.rule, record),
        "sizes": _ordered(record.get("sizes"), settled),
    }


def _ordered(column: Any, settled: Settlement) -> Any:
    """A column of a record in the order of the players; by name, a column may have any."""
    if isinstance(column, Mapping):
        return [column[name] for name in settled.players]
    return column
