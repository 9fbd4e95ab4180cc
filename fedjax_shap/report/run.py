"""What a run leaves behind: result.json and its figures, each file whole or absent."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.atomic import replacing
from fedjax_shap.pipeline.result import Result
from fedjax_shap.report import run_figures, style
from fedjax_shap.report.run_sentences import spearman
from fedjax_shap.report.run_tables import Beside
from fedjax_shap.shapley.estimator import Attribution


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
    path = Path(folder)
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
    """Writes result.json and the figures.

    Args:
        result: what a run found out.
        folder: where to.
        beside: other values of the same members, shown next to the result's.

    Returns:
        The files written.
    """
    target = prepare(folder)
    record = result.to_json()
    record["beside"] = {name: _compared(result, other) for name, other in (beside or {}).items()}
    written = [target / "result.json"]
    with replacing(written[0]) as file:
        file.write((json.dumps(record, indent=1) + "\n").encode())
    values = run_figures.values(result, beside)
    payments = run_figures.payments(result)
    figures: list[tuple[Figure, tuple[str, ...]]] = [
        (values, ("values.png", "values.svg")),
        (payments, ("payments.png", "payments.svg")),
    ]
    if result.curve is not None:
        figures.append((run_figures.curve(result.curve, result.config.title), ("curve.png",)))
    for figure, names in figures:
        for name in names:
            written.append(target / name)
            style.save(figure, written[-1])
    return written


def _compared(result: Result, other: Attribution) -> dict[str, Any]:
    """Other values as result.json has them, and how they agree with the result's in rank."""
    return {
        "values": other.values.tolist(),
        "std_errors": other.std_errors.tolist(),
        "spearman": spearman(result.attribution, other),
    }
