"""What is kept between runs: a second identical run compiles nothing."""

import os
import subprocess
import sys

import pytest

from fedjax_shap.engine import cache

RUN = """
from fedjax_shap.pipeline.config import parse
from fedjax_shap.engine.stopwatch import Stopwatch
from fedjax_shap.pipeline.run import run
config = parse({
    "data": {"name": "digits"},
    "partition": {"name": "iid", "num_clients": 3},
    "local": {"batch_size": 256},
    "algorithm": {"max_rounds": 2},
    "game": {"metric": "negative_loss"},
})
with Stopwatch() as watch:
    result = run(config)
print(watch.programs, watch.cached, result.attribution.values.tolist())
"""


def ran(folder):
    """(programs compiled or read, programs read, values) of one run in a process of its own."""
    environment = os.environ | {"FEDJAX_SHAP_CACHE": folder, "XLA_FLAGS": ""}
    del environment["JAX_COMPILATION_CACHE_DIR"]  # the tests' own, which would stay
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    programs, read, values = done.stdout.split(" ", 2)
    return int(programs), int(read), values


@pytest.mark.slow
def test_a_second_identical_run_compiles_nothing_and_gives_the_same_bits(tmp_path):
    first = ran(str(tmp_path))
    second = ran(str(tmp_path))
    assert first[:2] == (first[0], 0)
    assert second[0] == second[1] == first[0] > 0
    assert first[2] == second[2]


def test_the_folder_is_the_users_cache_unless_named_and_may_be_none(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, "")
    assert cache.folder() is None
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    assert cache.folder() == tmp_path
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.folder() == tmp_path / "fedjax_shap"
