"""The cells one after another in this process, which share what is imported and compiled."""

from collections.abc import Iterator, Sequence

from fedjax_shap.studies.engines.engine import Engine, Job, Outcome, RunCell


def here() -> Engine:
    """Runs cells in this process, each on all cores."""

    def engine(jobs: Sequence[Job], run: RunCell, /) -> Iterator[Outcome]:
        for job in jobs:
            yield run(job)

    return engine
