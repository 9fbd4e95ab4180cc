"""Each engine has one outcome for each cell, and what loses its process is run again."""

import os
import sys
from pathlib import Path

import doings
import pytest

import fedjax_shap.studies.engines.slurm as slurm_engine
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.studies.engines.engine import Outcome
from fedjax_shap.studies.engines.here import here
from fedjax_shap.studies.engines.processes import RESTARTS, processes
from fedjax_shap.studies.engines.ray_cluster import ray_cluster
from fedjax_shap.studies.engines.registry import engine_of
from fedjax_shap.studies.engines.slurm import slurm


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
        engine_of(engine, tmp_path, jobs=2)


def test_an_engine_without_options_refuses_them(tmp_path):
    with pytest.raises(InvalidInputError, match="no options with engine='here', got 'a'"):
        engine_of("here", tmp_path, options={"a": 1})
    with pytest.raises(InvalidInputError, match="did you mean 'slurm'"):
        engine_of("slrum", tmp_path)


SBATCH = """#!/usr/bin/env bash
# a Slurm of one machine: an array's tasks run one after another, in the background
script="${@: -1}"
range=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
echo "$@" > "$FAKE_SLURM/asked"
cp "$script" "$FAKE_SLURM/script"
(
  for task in $(seq 0 "${range:-0}"); do
    SLURM_JOB_ID=$((77 + task)) SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID=$task \\
      SLURM_NTASKS=1 SLURM_NNODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 \\
      SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=here bash "$script"
  done
) > /dev/null 2>&1 &
echo "Submitted batch job 77"
"""
SRUN = """#!/usr/bin/env bash
while [[ "$1" == --* ]]; do
  if [[ "$1" == --output || "$1" == --error ]]; then shift; fi
  shift
done
exec "$@"
"""
SACCT = """#!/usr/bin/env bash
echo "JobID|State|NodeList"
for task in 0 1 2 3; do echo "77_$task|RUNNING|here"; done
"""


@pytest.fixture
def on_the_path(tmp_path, monkeypatch):
    """A fake Slurm, and the tests' own modules for the jobs' processes."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    (commands / "scancel").write_text("#!/bin/sh\n")
    (commands / "scancel").chmod(0o755)
    here = [str(Path(doings.__file__).parent), str(Path(__file__).parents[2])]
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(here))
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_slurm_runs_cells_as_an_array_of_jobs(on_the_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm_engine, "POLLED", 0.2)
    jobs = [doings.job(on_the_path, "a"), doings.job(on_the_path, "b", "fail")]
    a, b = outcomes(slurm(on_the_path / "sent", timeout_min=1), jobs)
    assert a.failed == "" and b.failed == "Expected alpha=-1 > 0."
    script = (on_the_path / "script").read_text()
    assert "#SBATCH --array=0-1" in script and "#SBATCH --time=1" in script


@pytest.mark.slow
def test_a_job_that_is_lost_is_reported_and_runs_when_it_is_sent_again(on_the_path, monkeypatch):
    submitit = pytest.importorskip("submitit")
    # how long the outcome of an ended job may take to be seen, on file systems of several machines
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 1)
    monkeypatch.setattr(slurm_engine, "POLLED", 0.2)
    jobs = [doings.job(on_the_path, "a"), doings.job(on_the_path, "b", "die")]
    folder = on_the_path / "sent"
    a, b = outcomes(slurm(folder, cluster="local", timeout_min=1), jobs)
    assert a.failed == "" and b.failed.startswith("The job ") and "was lost" in b.failed
    (b,) = outcomes(slurm(folder, cluster="local", timeout_min=1), jobs[1:])
    assert b.failed == "" and doings.tries(on_the_path, "b") == 2


def test_slurm_refuses_what_submitit_does_not_know(tmp_path):
    pytest.importorskip("submitit")
    with pytest.raises(InvalidInputError, match="options of the engine to be known"):
        slurm(tmp_path, cluster="local", timeout_minutes=1)
    with pytest.raises(InvalidInputError, match="cluster='lsf'"):
        slurm(tmp_path, cluster="lsf")


# Ray's own processes are other programs: what JAX warns of does not concern them
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
@pytest.mark.slow
def test_the_cells_of_a_ray_machine_that_is_lost_run_elsewhere(tmp_path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(doings)
    # a machine that is lost is noticed after 5 seconds, in which a busy one answers
    noticed = {"health_check_period_ms": 500, "health_check_failure_threshold": 10}
    kept = {"num_cpus": 1, "include_dashboard": False, "_system_config": noticed}
    kept["env_vars"] = {doings.MACHINE: "kept"}
    cluster = Cluster(initialize_head=True, head_node_args=kept)
    lost = cluster.add_node(num_cpus=1, env_vars={doings.MACHINE: doings.LOST})
    try:
        engine = ray_cluster(address=cluster.address, num_cpus=1)
        jobs = [doings.job(tmp_path, name, "stay") for name in "abcd"]
        found = engine(jobs, doings.do)
        # the machine that stays does three cells while the other one is at the fourth
        done = [next(found) for _ in range(3)]
        (left,) = set("abcd") - {one.name for one in done}
        assert doings.machines(tmp_path, left) == [doings.LOST]
        cluster.remove_node(lost, allow_graceful=False)
        done += list(found)
        assert sorted(done) == [Outcome(name, 0.1) for name in "abcd"]
        assert doings.machines(tmp_path, left) == [doings.LOST, "kept"]
        assert [doings.machines(tmp_path, one.name) for one in done[:3]] == [["kept"]] * 3
        # a cell whose process is killed is begun once more
        (killed,) = engine([doings.job(tmp_path, "g", "die")], doings.do)
        assert killed == Outcome("g", 0.1) and doings.machines(tmp_path, "g") == ["kept"] * 2
    finally:
        ray.shutdown()
        cluster.shutdown()
