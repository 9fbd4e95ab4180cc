"""The cells in several processes of this machine, by joblib."""

import os
from collections.abc import Iterator, Sequence

from fedjax_shap._validate import how_many, integer, not_installed
from fedjax_shap.studies.engines.engine import Engine, Job, Outcome, RunCell

RESTARTS = 2  # of all processes, after one of them was lost
GPU_MEMORY = "XLA_PYTHON_CLIENT_MEM_FRACTION"
OF_GPU = 0.9  # of a GPU's memory that all processes together may take


def processes(jobs: int = 2) -> Engine:
    """Runs cells in local processes.

    Args:
        jobs: how many processes, at least two; each may use all cores, and an equal part of a
            GPU's memory.

    Raises:
        InvalidInputError: joblib is not installed, or not a number of processes.

    Guarantees:
        Where a process is lost, as when memory runs out, the cells without an outcome are run
        again; after the second restart they are reported as failed.
    """
    integer("jobs", jobs, least=2)
    require_joblib()

    def engine(all_jobs: Sequence[Job], run: RunCell, /) -> Iterator[Outcome]:
        left = {job.name: job for job in all_jobs}
        for _ in range(1 + RESTARTS):
            for outcome in _until_one_is_lost(list(left.values()), run, jobs):
                del left[outcome.name]
                yield outcome
            if not left:
                return
        lost = f"A process was lost {how_many(1 + RESTARTS, 'time')}, perhaps for want of memory."
        for name in left:
            yield Outcome(name, 0.0, failed=lost)

    return engine


def require_joblib() -> None:
    """Refuses where joblib is not installed."""
    try:
        import joblib  # noqa: F401
    except ImportError as error:
        raise not_installed("joblib", "several processes", "`pip install joblib`") from error


def _until_one_is_lost(jobs: Sequence[Job], run: RunCell, count: int) -> Iterator[Outcome]:
    """The outcomes of jobs, until all are done or a process is lost."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool

    parallel = Parallel(n_jobs=count, backend="loky", return_as="generator_unordered", batch_size=1)
    try:
        yield from parallel(delayed(_in_process)(run, job, count) for job in jobs)
    except BrokenProcessPool:  # a worker that was killed or left without an answer
        return


def _in_process(run: RunCell, job: Job, count: int) -> Outcome:
    """Runs a cell in a process that is one of several."""
    os.environ.setdefault(GPU_MEMORY, f"{OF_GPU / count:.2f}")  # JAX reads it at its first use
    return run(job)
