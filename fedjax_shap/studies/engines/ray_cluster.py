"""The cells as tasks of a Ray cluster."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from fedjax_shap._validate import InvalidInputError, not_installed
from fedjax_shap.studies.engines.engine import Engine, Job, Outcome, RunCell

RETRIES = 3  # of a task whose worker or machine was lost
ADDRESS = "address"  # the option that names a cluster; without it a local one is started


def ray_cluster(**options: Any) -> Engine:
    """Runs each cell as one task.

    Args:
        options: `address` of a cluster, such as "auto" (a new local one if not given), and what
            `ray.remote` takes for a task, such as `num_cpus` and `num_gpus`.

    Raises:
        InvalidInputError: Ray is not installed, there is no such cluster, or an unknown option.

    Guarantees:
        A task whose worker or machine is lost runs again elsewhere, up to three times, and goes on
        from its utility store where both machines share the folder; then it is reported as failed.
    """
    ray = _ray()
    own = dict(options)
    address = own.pop(ADDRESS, None)
    try:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        task = ray.remote(max_retries=RETRIES, **own)(_on_a_worker)
    except Exception as error:
        raise InvalidInputError(
            f"Expected Ray to begin with {ADDRESS}={address!r} and the options {own}: {error}"
        ) from error

    def engine(jobs: Sequence[Job], run: RunCell, /) -> Iterator[Outcome]:
        waiting = {task.remote(run, job): job.name for job in jobs}
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            yield _outcome(ray, waiting.pop(done), done)

    return engine


def _ray() -> Any:
    """Ray, imported when it is needed."""
    try:
        import ray
    except ImportError as error:
        raise not_installed("ray", "a Ray cluster", "install fedjax-shap[ray]") from error
    return ray


def _on_a_worker(run: RunCell, job: Job) -> Outcome:
    """Runs a cell on a worker, in the folder where the sweep was begun if that is there."""
    if os.path.isdir(job.cwd):  # noqa: PTH112
        os.chdir(job.cwd)
    return run(job)


def _outcome(ray: Any, name: str, task: Any) -> Outcome:
    """What became of a task."""
    try:
        outcome: Outcome = ray.get(task)
    except Exception as error:  # Ray's own: every try lost its worker
        said = " ".join(str(error).split())
        return Outcome(name, 0.0, failed=f"Its workers were lost: {said[:300]}")
    return outcome
