"""Strict JAX on four virtual CPU devices, and what the tests share; the variables are set before
JAX is imported."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4".strip()
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # products of small matrices, many at once, are slower on more
os.environ["FEDJAX_SHAP_CACHE"] = (
    ""  # nothing in the user's cache folder, and every test compiles its own
)

import hypothesis
import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
hypothesis.settings.register_profile(
    "house", deadline=None, derandomize="CI" in os.environ
)  # compiling takes long
hypothesis.settings.load_profile("house")


@pytest.fixture
def key() -> jax.Array:
    """A typed key, the same in every test."""
    return jax.random.key(0)


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Drops a file's compiled programs when it is done: Linux ends a process that maps 65,530
    pieces of memory."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data: FEDJAX_SHAP_DATA, else shared/data beside the repository, else the
    test is skipped."""
    named = os.environ.get("FEDJAX_SHAP_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if named and not folder.is_dir():
        pytest.fail(f"Expected FEDJAX_SHAP_DATA={named!r} to be a folder.")
    if not folder.is_dir():
        pytest.skip("no real data: name its folder in FEDJAX_SHAP_DATA")
    return folder
