"""What a run leaves behind: result.json, its figures and its page, each file whole or absent."""

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fedjax_shap._validate import InvalidInputError, a_path
from fedjax_shap.atomic import alone_in, replacing
from fedjax_shap.pipeline.joint_model import MODEL
from fedjax_shap.pipeline.records import RESULT
from fedjax_shap.pipeline.result import Result
from fedjax_shap.report import figure_files, run_figures, slice_figures
from fedjax_shap.report.page import PAGE, page
from fedjax_shap.report.page_runs import page_run
from fedjax_shap.report.render import no_formula
from fedjax_shap.report.run_sentences import spearman
from fedjax_shap.report.run_tables import Beside
from fedjax_shap.report.saved_run import AnyValues
from fedjax_shap.report.slice_figures import SLICES

VALUES = "values.csv"
FORMATS = (".png", ".svg")  # of figures; a PDF takes longer than both, and is made when asked for
FIGURES = tuple(
    f"{name}{ending}" for name in ("values", "payments", "curve", *SLICES) for ending in FORMATS
)


@contextmanager
def output(folder: str | Path) -> Iterator[Path]:
    """The folder for results, made and probed before any work; removed again if it stays empty.

    Raises:
        InvalidInputError: it cannot be made or written.
    """
    path = prepare(folder)
    try:
        yield path
    finally:
        with suppress(OSError):  # it is not empty, or another process took it away
            path.rmdir()


def prepare(folder: str | Path) -> Path:
    """Makes a folder, or refuses it.

    Raises:
        InvalidInputError: it cannot be made or written.
    """
    path = a_path("out", folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"Expected out={str(folder)!r} to be a folder that can be written: {error}."
        ) from error
    return path


def write(result: Result, folder: str | Path, beside: Beside | None = None) -> list[Path]:
    """Writes result.json, values.csv, model.npz, the figures and the page, report.html.

    Args:
        result: what a run found out.
        folder: where to.
        beside: other values of the same members, shown next to the result's.

    Returns:
        The files written.

    Guarantees:
        Each file is whole. Where several runs write into one folder at once, all files are those
        of one of them, where the file system has locks.
    """
    target = prepare(folder)
    beside = beside or {}
    record = result.to_json()
    record["beside"] = {name: _compared(result, other) for name, other in beside.items()}
    figures = _figures(result, beside)
    with alone_in(target):
        _write(target / RESULT, json.dumps(record, indent=1) + "\n")
        _write(target / VALUES, values_csv(result, beside))
        written = [target / RESULT, target / VALUES]
        if result.curve is not None and result.curve.joint is not None:
            written.append(target / MODEL)
            result.curve.joint.save(written[-1])
        for name, figure in figures.items():
            written.append(target / name)
            figure_files.save(figure, written[-1])
        for name in {MODEL, *FIGURES} - {path.name for path in written}:
            # of an earlier run in this folder, which paid or learned in rounds
            (target / name).unlink(missing_ok=True)
        written.append(target / PAGE)
        _write(written[-1], page([page_run(target)]))
    return written


def values_csv(result: Result, beside: Beside | None = None) -> str:
    """The members as CSV: a line of headings, then one a member, in full precision.

    Args:
        result: what a run found out.
        beside: other values of the same members, a column each.

    Returns:
        The columns of `Result.columns`, then those of `beside`; a cell is empty where nothing was
        paid. A name that a spreadsheet would run as a formula (it begins with =, +, -, @ or a tab)
        has an apostrophe before it; result.json has it as it is.
    """
    columns = result.columns()
    columns["member"] = [no_formula(name) for name in columns["member"]]
    for name, other in (beside or {}).items():
        columns[name] = other.values.tolist()
    content = io.StringIO(newline="")
    lines = csv.writer(content)  # ends lines by CR and LF, so that both are quoted in names
    lines.writerow(map(no_formula, columns))
    lines.writerows(zip(*columns.values(), strict=True))
    return content.getvalue()


def _write(path: Path, content: str) -> None:
    """Writes a text file that is whole or absent."""
    with replacing(path) as file:
        file.write(content.encode())


def _figures(result: Result, beside: Beside) -> dict[str, Figure]:
    """The figures of a run by the names of their files."""
    drawn = run_figures.figures(result, beside) | slice_figures.figures(result)
    return {f"{name}{ending}": one for name, one in drawn.items() for ending in FORMATS}


def _compared(result: Result, other: AnyValues) -> dict[str, Any]:
    """Other values as result.json has them, and how they agree with the result's in rank."""
    return {
        "values": other.values.tolist(),
        "std_errors": other.std_errors.tolist(),
        "spearman": spearman(result.attribution, other),
    }
