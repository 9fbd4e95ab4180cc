"""The cells as jobs of Slurm, an array of them, by submitit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fedjax_shap._validate import InvalidInputError, not_installed
from fedjax_shap.studies.engines.engine import Engine, Job, Outcome, RunCell

POLLED = 2.0  # seconds between two looks at the jobs
CLUSTER = "cluster"  # the option that names submitit's executor: "slurm", "local", "debug"


def slurm(folder: str | Path, **options: Any) -> Engine:
    """Runs each cell as one job of an array and waits for all.

    Args:
        folder: where submitit keeps what goes to and comes from the jobs; all machines share it.
        options: what submitit's `AutoExecutor.update_parameters` takes, such as `timeout_min`,
            `slurm_partition`, `gpus_per_node`, `cpus_per_task`, `mem_gb` and
            `slurm_array_parallelism`; and `cluster`, "slurm" if not given.

    Raises:
        InvalidInputError: submitit or Slurm is not there, or an option that it does not know.

    Guarantees:
        A job that Slurm preempts or that runs out of time is queued again by submitit and goes on
        from its utility store; a job that is lost is reported as failed, and the same sweep runs
        it again.
    """
    executor = _executor(Path(folder), options)

    def engine(jobs: Sequence[Job], run: RunCell, /) -> Iterator[Outcome]:
        from submitit.helpers import as_completed

        with executor.batch():
            sent = [executor.submit(_Task(run, job)) for job in jobs]
        names = {job.job_id: one.name for job, one in zip(sent, jobs, strict=True)}
        for job in as_completed(sent, poll_frequency=POLLED):
            yield _outcome(names[job.job_id], job)

    return engine


class _Task(NamedTuple):
    """A cell as submitit runs it: called, and told to begin again where Slurm takes it away.

    Attributes:
        run: runs a cell.
        job: which.
    """

    run: RunCell
    job: Job

    def __call__(self) -> Outcome:
        """Runs the cell."""
        return self.run(self.job)

    def checkpoint(self) -> Any:
        """What submitit queues again: the same cell, whose store has what was valued."""
        from submitit.helpers import DelayedSubmission

        again: Any = self  # mypy takes no named tuple for a callable
        return DelayedSubmission(again)


def _executor(folder: Path, options: Mapping[str, Any]) -> Any:
    """The executor of submitit with its options."""
    try:
        import submitit
    except ImportError as error:
        raise not_installed("submitit", "Slurm", "install fedjax-shap[slurm]") from error
    own = dict(options)
    cluster = own.pop(CLUSTER, "slurm")
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    except Exception as error:
        raise InvalidInputError(
            f"Expected {CLUSTER}={cluster!r} to be one that submitit finds here: {error}"
        ) from error
    try:
        executor.update_parameters(**own)
    except (NameError, TypeError, ValueError, AssertionError) as error:
        raise InvalidInputError(
            f"Expected the options of the engine to be known to submitit: {error}"
        ) from error
    return executor


def _outcome(name: str, job: Any) -> Outcome:
    """What became of a job of submitit."""
    try:
        outcome = job.result()
    except Exception as error:  # submitit's own: the job was lost, or Slurm could not begin it
        said = " ".join(str(error).split())
        return Outcome(name, 0.0, failed=f"The job {job.job_id} was lost: {said[:300]}")
    if not isinstance(outcome, Outcome):
        return Outcome(name, 0.0, failed=f"The job {job.job_id} gave no outcome.")
    return outcome
