"""What runs the cells of a sweep: jobs go in, outcomes come out as they are done."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class Job(NamedTuple):
    """One cell to run, as it can be sent to another process or machine.

    Attributes:
        name: of the cell.
        raw: its configuration as nested mappings.
        folder: where its results go, an absolute path that all machines share.
        fresh: whether every coalition is trained anew.
        cwd: the folder in which relative paths of the configuration begin.
    """

    name: str
    raw: dict[str, Any]
    folder: str
    fresh: bool
    cwd: str


class Outcome(NamedTuple):
    """What became of a cell.

    Attributes:
        name: of the cell.
        seconds: how long it took.
        failed: why it has no result, in one sentence; "" where it has one.
        unpaid: why nobody was paid, in one sentence; "" where everybody was.
    """

    name: str
    seconds: float
    failed: str = ""
    unpaid: str = ""


class RunCell(Protocol):
    """Runs one cell; a function that another process finds by its name."""

    def __call__(self, job: Job, /) -> Outcome:
        """Runs one cell into its folder.

        Args:
            job: which.

        Returns:
            What became of it; a cell that fails is an outcome, not an error.
        """
        ...


class Engine(Protocol):
    """Runs cells somewhere."""

    def __call__(self, jobs: Sequence[Job], run: RunCell, /) -> Iterator[Outcome]:
        """Runs all cells.

        Args:
            jobs: which; their order is that of their beginning, where there is one.
            run: runs one of them.

        Returns:
            The outcome of each job, once each, as soon as it is known. A job whose process or
            machine is lost is run again or has an outcome that says so.
        """
        ...
