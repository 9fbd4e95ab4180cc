"""Draws the figures of the documentation from the records, without training anything again."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Record, save
from benchmarks.headlines import module_of

FOLDERS = (ROOT / "experiments" / "results", ROOT / "benchmarks" / "results")
DOCS = ROOT / "docs"
IN_DOCS = (".png",)  # the other formats would make the repository large
_SUFFIXES = ("_cpu", "_digits")  # of records, left out of the names of their figures


def drawn(record: Record) -> Any:
    """The figure of a record, or its figures by what is added to the name of their file; None where
    the experiment or benchmark that wrote it draws none.
    """
    name = module_of(record)
    if "." not in name:
        name = f"benchmarks.{name}"
    module = import_module(name)
    for name in ("figures", "figure"):
        draw: Callable[[Record], Any] | None = getattr(module, name, None)
        if draw is not None:
            return draw(record)
    return None


def records() -> dict[str, Path]:
    """The files of all records, by what their figures are called."""
    files = {}
    for folder in FOLDERS:
        for file in sorted(folder.glob("*.json")):
            name = file.stem
            for suffix in _SUFFIXES:
                name = name.removesuffix(suffix)
            files[name] = file
    return files


def redraw(folder: Path = DOCS, formats: tuple[str, ...] = IN_DOCS) -> list[Path]:
    """Draws the figures of all records.

    Args:
        folder: where to.
        formats: the endings of the files; none for all, and the captions beside them.

    Returns:
        The files written.
    """
    written: list[Path] = []
    for name, file in records().items():
        found = drawn(json.loads(file.read_text(encoding="utf-8")))
        if found is not None:
            written += save(found, folder / f"{name}.png", formats)
    return written
