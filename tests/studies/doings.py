"""Cells that need no training, for tests of engines: what each does stands in its configuration."""

import os
import time
from pathlib import Path

from fedjax_shap.studies.engines.engine import Job, Outcome

MACHINE = "MACHINE"  # the variable that names the machine, where there are several
LOST = "lost"  # the machine on which cells stay until it is lost
PATIENCE = 120  # seconds after which a cell that waits gives up


def job(folder: Path, name: str, what: str = "", times: int = 1) -> Job:
    """A cell that does something `times` times before it is done."""
    return Job(name, {"what": what, "times": times}, str(folder / name), False, str(folder))


def do(one: Job) -> Outcome:
    """Runs such a cell: each try leaves a mark in its folder."""
    folder = Path(one.folder)
    folder.mkdir(parents=True, exist_ok=True)
    tries = len(list(folder.glob("try-*")))
    (folder / f"try-{tries}").write_text(os.environ.get(MACHINE, ""))
    if one.raw["what"] == "die" and tries < one.raw["times"]:
        os._exit(1)
    if one.raw["what"] == "stay":
        return _stay(one, folder.parent)
    if one.raw["what"] == "fail":
        return Outcome(one.name, 0.0, failed="Expected alpha=-1 > 0.")
    return Outcome(one.name, 0.1)


def _stay(one: Job, root: Path) -> Outcome:
    """Waits on one machine for its end, and on others until a cell waits there."""
    if os.environ[MACHINE] == LOST:
        time.sleep(PATIENCE)
        return Outcome(one.name, 0.0, failed="The machine was not lost.")
    end = time.monotonic() + PATIENCE
    while LOST not in [mark.read_text() for mark in root.glob("*/try-*")]:
        if time.monotonic() > end:
            return Outcome(one.name, 0.0, failed="No cell was begun on the other machine.")
        time.sleep(0.05)
    return Outcome(one.name, 0.1)


def tries(folder: Path, name: str) -> int:
    """How many times a cell was begun."""
    return len(list((folder / name).glob("try-*")))


def machines(folder: Path, name: str) -> list[str]:
    """The machines on which a cell was begun, in order."""
    marks = sorted((folder / name).glob("try-*"))
    return [mark.read_text() for mark in marks]
