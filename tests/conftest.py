"""Strict JAX on four virtual CPU devices, and what the tests share; the variables are set before
JAX is imported."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4".strip()
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# on a GPU several processes share its memory
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # products of small matrices, many at once, are slower on more
os.environ["FEDJAX_SHAP_CACHE"] = ""  # nothing in the user's cache folder
# programs are compiled once for all tests, both workers and every Python; `make clean` drops them
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "programs")
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import hypothesis
import jax
import pytest
from cases import one_of_each

jax.config.update("jax_numpy_rank_promotion", "raise")
if os.environ["JAX_PLATFORMS"] != "cpu":
    # what tests compare with is computed in full; the package asks for its own precision
    jax.config.update("jax_default_matmul_precision", "float32")
hypothesis.settings.register_profile(
    "house",
    deadline=None,  # compiling takes long
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # as does drawing on a busy machine
    derandomize="CI" in os.environ,
)
hypothesis.settings.load_profile("house")


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skips files that read configurations where pydantic is missing, as on a borrowed machine."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and "No module named 'pydantic'" in str(report.longrepr):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, "Skipped: pydantic is not installed")


def missing_data(what: str = "real data") -> NoReturn:
    """Skips a test for want of real data; fails it where FEDJAX_SHAP_REQUIRE_DATA is set."""
    if os.environ.get("FEDJAX_SHAP_REQUIRE_DATA"):
        pytest.fail(f"Expected {what} to be there, as FEDJAX_SHAP_REQUIRE_DATA is set.")
    pytest.skip(f"no {what}: name its folder in FEDJAX_SHAP_DATA")


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
    gc.collect()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data: FEDJAX_SHAP_DATA, or shared/data beside the repository.

    Without it a test is skipped; where FEDJAX_SHAP_REQUIRE_DATA is set, as in CI, it fails.
    """
    named = os.environ.get("FEDJAX_SHAP_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(named) if named else beside
    if folder.is_dir():
        return folder
    if named:
        pytest.fail(f"Expected FEDJAX_SHAP_DATA={named!r} to be a folder.")
    missing_data()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--one-case`: a release of Python or JAX breaks functions, seldom a single case."""
    parser.addoption(
        "--one-case",
        action="store_true",
        help="run one case of each parametrised test, and all cases of those marked `every_name`",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spares the garbage collector the thousands of tests, which live to the end."""
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker of `--one-case` known, and has few pauses for garbage: with
    Python's thresholds they took a tenth of a processor's time."""
    gc.set_threshold(10_000, 10, 10)
    config.addinivalue_line(
        "markers", "every_name: goes through a registry; `--one-case` keeps all its cases"
    )


@pytest.hookimpl(trylast=True)  # after `-m` and `-k`: of the cases that they leave, one
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves each test one case, with `--one-case`."""
    if not config.getoption("--one-case"):
        return
    kept, left_out = one_of_each(items)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
