"""The machine of a plan: what the plan leaves open follows from the devices and the free memory."""

import jax
import pytest
from several_devices import needs_devices, on_a_cpu

from fedjax_shap.engine import machine as module
from fedjax_shap.engine.machine import machine, num_cores
from fedjax_shap.engine.plan import Plan


@pytest.fixture
def allowed(tmp_path, monkeypatch):
    """Sets how many bytes the process's control group may take; it takes a million of them."""
    monkeypatch.setattr(module, "CGROUP", tmp_path)

    def allow(limit):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text("1000000\n")

    return allow


@on_a_cpu
def test_one_cpu_device_gets_a_worker_a_core_and_a_mesh_gets_one_worker():
    one = machine(Plan())
    mesh = machine(Plan(devices=4))
    assert (one.devices, one.workers, one.mesh) == (
        tuple(jax.local_devices()[:1]),
        num_cores(),
        None,
    )
    assert (mesh.devices, mesh.workers) == (tuple(jax.local_devices()), 1)
    assert mesh.mesh.axis_names == ("coalition",) and mesh.mesh.size == 4


@needs_devices(2)
def test_what_the_plan_says_stays():
    on = machine(Plan(workers=3, memory=1000, devices=2))
    assert (len(on.devices), on.workers, on.memory) == (2, 3, 1000)


@on_a_cpu
def test_four_fifths_of_the_memory_that_a_control_group_leaves_are_shared_by_cpu_devices(allowed):
    allowed(5_000_000)
    assert machine(Plan()).memory == 3_200_000
    assert machine(Plan(devices=4)).memory == 800_000


@on_a_cpu
def test_a_control_group_without_a_limit_leaves_the_memory_of_the_system(allowed):
    allowed("max")
    assert machine(Plan()).memory > 10_000_000
    allowed(10**15)
    assert machine(Plan()).memory < 10**14
