"""The runs of a page, read from their folders, with what audits say of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.pipeline.records import RESULT, read_json, result_file
from fedjax_shap.pipeline.resettle import is_run
from fedjax_shap.report.page import MOST_IN_FULL, Audited, PageRun

QUICK_MEMBERS = 60  # audits of as many take a second at the most
QUICK_COALITIONS = 2**14  # likewise


def page_runs(paths: Sequence[str | Path]) -> list[PageRun]:
    """Reads runs for a page.

    Args:
        paths: folders of runs, their result.json, or folders whose subfolders are runs.

    Returns:
        The runs, those of a folder in the order of their names. Each is called by what its path
        has that the others' have not.

    Raises:
        InvalidInputError: no such run, one given twice, or a file that is no result of a run.
    """
    files = [file for path in paths for file in _files(path)]
    twice = sorted({str(file) for file in files if files.count(file) > 1})
    require(not twice, f"Expected different runs for a page, got {' and '.join(twice)} twice.")
    in_full = len(files) <= MOST_IN_FULL
    return [
        _page_run(label, file, audited=in_full)
        for label, file in zip(_labels(files), files, strict=True)
    ]


def page_run(folder: Path) -> PageRun:
    """The run in a folder, with what audits say of it where that takes about a second or less.

    Args:
        folder: that a run left.
    """
    file = folder / RESULT
    record = read_json(file, "result")
    if len(record["players"]) > QUICK_MEMBERS or record["num_coalitions"] > QUICK_COALITIONS:
        why = "Audits of so many members or coalitions take long; `fedjax-shap report` makes them."
        return PageRun(folder.name, record, (), why)
    return _page_run(folder.name, file, audited=True)


def _files(path: str | Path) -> list[Path]:
    """The result of a run, or of all runs in the folders of a folder."""
    place = Path(path)
    if place.is_dir() and not (place / RESULT).is_file():
        inside = sorted(place.glob(f"*/{RESULT}"))
        if inside:
            return [file.resolve() for file in inside]
    return [result_file(path).resolve()]


def _labels(files: Sequence[Path]) -> list[str]:
    """What runs are called: their folders, from where their paths begin to differ."""
    folders = [file.parent if file.name == RESULT else file for file in files]
    parts = [folder.parts for folder in folders]
    if len(files) == 1:
        return [folders[0].name]
    shared = 0
    while len({part[: shared + 1] for part in parts}) == 1:
        shared += 1
    return ["/".join(part[shared:]) or folder.name for part, folder in zip(parts, folders)]


def _page_run(label: str, file: Path, *, audited: bool) -> PageRun:
    """A run from its result, with its audits where they are asked for."""
    record = read_json(file, "result")
    require(
        is_run(record),
        f"Expected result={str(file)!r} to be the result of a run, for a page of it.",
    )
    if not audited:
        return PageRun(label, record)
    try:
        return PageRun(label, record, *_audits(record, file.parent))
    except InvalidInputError as error:
        return PageRun(label, record, (), f"No audit was made: {error}")


def _audits(record: Mapping[str, Any], folder: Path) -> tuple[tuple[Audited, ...], str]:
    """What audits say of a run; no audits, and why, where it paid nobody."""
    if record["settlement"] is None:
        return (), "Nobody was paid, so there is nothing to audit."
    # utilities are read, and values taken of them, by rooms that need JAX
    from fedjax_shap.audits.registry import audit
    from fedjax_shap.pipeline.load import UTILITIES, saved

    found = audit(saved(record, folder / UTILITIES, title=str(folder)).case)
    return tuple(Audited(one.name, one.holds, one.sentence) for one in found), ""
