"""The engines by name: what the command line reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedjax_shap._validate import listed, one_of, require
from fedjax_shap.studies.engines.engine import Engine
from fedjax_shap.studies.engines.here import here
from fedjax_shap.studies.engines.processes import processes
from fedjax_shap.studies.engines.ray_cluster import ray_cluster
from fedjax_shap.studies.engines.slurm import slurm

ENGINES = ("here", "processes", "slurm", "ray")
SUBMITTED = ".slurm"  # what submitit keeps, in the folder of a study


def engine_of(
    name: str, folder: Path, *, jobs: int = 1, options: Mapping[str, Any] | None = None
) -> Engine:
    """The engine of a name.

    Args:
        name: one of `ENGINES`.
        folder: of the study.
        jobs: how many local processes, for `processes`.
        options: further ones, of `slurm` and `ray`.

    Raises:
        InvalidInputError: no such engine, one whose package is not installed, or an option that it
            does not take.
    """
    one_of("engine", name, ENGINES)
    given = dict(options or {})
    if name == "slurm":
        return slurm(folder / SUBMITTED, **given)
    if name == "ray":
        return ray_cluster(**given)
    require(not given, f"Expected no options with engine={name!r}, got {listed(list(given))}.")
    if name == "processes":
        return processes(jobs)
    return here()
