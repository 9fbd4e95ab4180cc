"""Marks of tests that need what a machine may not have: several devices, or a CPU."""

import jax
import pytest


def needs_devices(count: int) -> pytest.MarkDecorator:
    """Skips a test where there are fewer devices; four virtual CPU devices are made for the tests,
    but a GPU is one."""
    there = jax.local_device_count()
    return pytest.mark.skipif(there < count, reason=f"needs {count} devices, there is {there}")


on_a_cpu = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="about CPUs, and the tests run on another device"
)
