"""Studies: many runs of one configuration, and what they say together.

`axes_of` and `cells_of` make the cells of a sweep and `sweep` runs those that are not done, each
into a folder of its own, on an engine: `here`, `processes`, `slurm` or `ray_cluster`.
`read_study` reads such a folder as a data frame, `load_study` without pandas. Of the latter,
`summarise` gives means, deviations and bootstrap intervals, and `ranks_of` mean ranks with their
critical difference.
"""

from fedjax_shap.studies.axes import Axis, axes_of, drawn, zipped
from fedjax_shap.studies.cells import Cell, cells_of
from fedjax_shap.studies.engines.here import here
from fedjax_shap.studies.engines.processes import processes
from fedjax_shap.studies.engines.ray_cluster import ray_cluster
from fedjax_shap.studies.engines.slurm import slurm
from fedjax_shap.studies.frames import read_study
from fedjax_shap.studies.measures import MEASURES
from fedjax_shap.studies.ranks import Ranks, critical_difference, ranks_of
from fedjax_shap.studies.study import Study, load_study
from fedjax_shap.studies.summary import Spread, Summary, spread, summarise
from fedjax_shap.studies.sweep import sweep

__all__ = [
    "MEASURES",
    "Axis",
    "Cell",
    "Ranks",
    "Spread",
    "Study",
    "Summary",
    "axes_of",
    "cells_of",
    "critical_difference",
    "drawn",
    "here",
    "load_study",
    "processes",
    "ranks_of",
    "ray_cluster",
    "read_study",
    "slurm",
    "spread",
    "summarise",
    "sweep",
    "zipped",
]
