"""A sweep: the cells that are not done yet go to an engine, each into a folder of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedjax_shap.pipeline.records import RESULT
from fedjax_shap.studies.cell_run import is_done, run_cell
from fedjax_shap.studies.cells import Cell
from fedjax_shap.studies.engines.engine import Engine, Job, Outcome
from fedjax_shap.studies.engines.here import here


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What a sweep has still to do.

    Attributes:
        done: the cells whose results are there.
        left: the cells to run.
        replaced: those of `left` in whose folders results of other configurations lie.
    """

    done: tuple[Cell, ...]
    left: tuple[Cell, ...]
    replaced: tuple[Cell, ...]


class Report(Protocol):
    """Is told of each cell that is run."""

    def __call__(self, outcome: Outcome, done: int, total: int, /) -> None:
        """Takes note of an outcome.

        Args:
            outcome: of one cell.
            done: how many cells have an outcome now.
            total: how many there are to run.
        """


def pending(cells: Sequence[Cell], folder: str | Path, *, fresh: bool = False) -> Pending:
    """Which cells have their results in a folder, and which are left.

    Args:
        cells: all.
        folder: of the study; a cell's own folder in it has the cell's name.
        fresh: whether all are run again.
    """
    root = Path(folder)
    done = [cell for cell in cells if not fresh and is_done(root / cell.name, cell.config)]
    names = {cell.name for cell in done}
    left = [cell for cell in cells if cell.name not in names]
    replaced = [cell for cell in left if (root / cell.name / RESULT).is_file()]
    return Pending(done=tuple(done), left=tuple(left), replaced=tuple(replaced))


def sweep(
    cells: Sequence[Cell],
    folder: str | Path,
    engine: Engine | None = None,
    *,
    fresh: bool = False,
    report: Report | None = None,
) -> list[Outcome]:
    """Runs the cells that are not done.

    Args:
        cells: all, see `cells_of`.
        folder: of the study; made if it is not there.
        engine: where they run; in this process if None.
        fresh: whether all are run again, and every coalition is trained anew.
        report: is told of each cell.

    Returns:
        The outcomes of the cells that were run, as they were done.

    Guarantees:
        A cell whose folder has the result of its configuration is not run. A cell that fails does
        not keep the others from running. A sweep that was interrupted is resumed by the same call:
        cells that were under way go on from their utility stores.
    """
    root = Path(folder).resolve()
    left = pending(cells, root, fresh=fresh).left
    cwd = str(Path.cwd())
    jobs = [Job(cell.name, cell.raw, str(root / cell.name), fresh, cwd) for cell in left]
    outcomes: list[Outcome] = []
    if not jobs:
        return outcomes
    for outcome in (engine or here())(jobs, run_cell):
        outcomes.append(outcome)
        if report is not None:
            report(outcome, len(outcomes), len(jobs))
    return outcomes
