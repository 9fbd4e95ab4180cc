"""Cells that need no training, for tests of engines: what each does stands in its configuration."""

import os
import time
from pathlib import Path

from fedjax_shap.studies.engines.engine import Job, Outcome


def job(folder: Path, name: str, what: str = "", times: int = 1) -> Job:
    """A cell that does something `times` times before it is done."""
    return Job(name, {"what": what, "times": times}, str(folder / name), False, str(folder))


def do(one: Job) -> Outcome:
    """Runs such a cell: each try leaves a mark in its folder."""
    folder = Path(one.folder)
    folder.mkdir(parents=True, exist_ok=True)
    tries = len(list(folder.glob("try-*")))
    (folder / f"try-{tries}").write_text(str(os.getpid()))
    if one.raw["what"] == "die" and tries < one.raw["times"]:
        os._exit(1)
    if one.raw["what"] == "wait":
        time.sleep(2)
    if one.raw["what"] == "fail":
        return Outcome(one.name, 0.0, failed="Expected alpha=-1 > 0.")
    return Outcome(one.name, 0.1)


def tries(folder: Path, name: str) -> int:
    """How many times a cell was begun."""
    return len(list((folder / name).glob("try-*")))
