"""Each engine has one outcome for each cell, and what loses its process is run again."""

import contextlib
import sys

import doings
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.studies.engines.engine import Outcome
from fedjax_shap.studies.engines.here import here
from fedjax_shap.studies.engines.processes import RESTARTS, processes
from fedjax_shap.studies.engines.registry import engine_of


def outcomes(engine, jobs):
    return sorted(engine(jobs, doings.do))


def test_in_this_process_cells_run_in_their_order(tmp_path):
    jobs = [doings.job(tmp_path, "b"), doings.job(tmp_path, "a", "fail")]
    first, second = here()(jobs, doings.do)
    assert first == Outcome("b", 0.1)
    assert second == Outcome("a", 0.0, failed="Expected alpha=-1 > 0.")


@pytest.mark.slow
def test_a_cell_that_kills_its_process_is_run_again_and_the_rest_goes_on(tmp_path):
    jobs = [
        doings.job(tmp_path, "a"),
        doings.job(tmp_path, "b", "die"),
        doings.job(tmp_path, "c", "fail"),
        doings.job(tmp_path, "d"),
    ]
    a, b, c, d = outcomes(processes(2), jobs)
    assert (a.failed, b.failed, d.failed) == ("", "", "") and c.failed
    assert doings.tries(tmp_path, "b") == 2


@pytest.mark.slow
def test_a_cell_that_always_kills_its_process_is_reported(tmp_path):
    jobs = [doings.job(tmp_path, "a", "die", times=99)]
    (a,) = outcomes(processes(2), jobs)
    assert "A process was lost 3 times" in a.failed
    assert doings.tries(tmp_path, "a") == 1 + RESTARTS


@pytest.mark.parametrize(
    ("engine", "package"), [("processes", "joblib"), ("slurm", "submitit"), ("ray", "ray")]
)
def test_an_engine_whose_package_is_not_there_says_what_to_install(
    engine, package, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidInputError, match=rf"Expected the package {package} .*install"):
        engine_of(engine, tmp_path)


def test_an_engine_without_options_refuses_them(tmp_path):
    with pytest.raises(InvalidInputError, match="no options with engine='here', got 'a'"):
        engine_of("here", tmp_path, options={"a": 1})
    with pytest.raises(InvalidInputError, match="did you mean 'slurm'"):
        engine_of("slrum", tmp_path)
    with contextlib.suppress(ImportError):
        engine_of("processes", tmp_path, jobs=3)
