"""What benchmarks share: clocks, records, and command lines."""

import json
import math
import os

import jax
import pytest

from benchmarks import (
    harness,
    timing,
)
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine import cache


def test_a_timing_has_its_compilation_apart_and_its_median_over_the_repeats():
    calls = []
    result, seconds = timing.timed(lambda: calls.append(1) or len(calls), repeats=3)
    assert result == 1 and len(calls) == 4 and len(seconds["runs"]) == 3
    assert seconds["warm"] == sorted(seconds["runs"])[1]
    with pytest.raises(InvalidInputError, match="repeats=-1"):
        timing.timed(lambda: None, repeats=-1)


def test_a_wrong_result_is_refused_before_the_clock_starts():
    calls = []

    def refuse(result):
        raise InvalidInputError(f"Expected {result} to be another.")

    with pytest.raises(InvalidInputError, match="another"):
        timing.timed(lambda: calls.append(1), repeats=3, check=refuse)
    assert len(calls) == 1


def test_a_record_is_whole_or_absent_and_never_holds_nan(tmp_path):
    path = harness.write_json({"a": 1}, tmp_path / "x.json")
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(ValueError):
        harness.write_json({"a": math.nan}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(InvalidInputError, match="to be writable"):
        harness.write_json({}, path / "below.json")


def test_a_commit_is_that_of_the_repository_or_said_to_be_unknown(tmp_path):
    assert harness.commit(tmp_path) == "unknown"


def test_a_command_line_names_no_folder_of_this_machine():
    written = harness.command_line(
        "benchmarks.flce", ["--data", "/a/b", "--json", "/a/b/c/x.json"], "/a/b", "/a/b/c"
    )
    assert written == "python -m benchmarks.flce --data DIR --json DIR/x.json"


def test_what_is_compiled_anew_is_neither_read_nor_kept(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    before = jax.config.jax_enable_compilation_cache
    with timing.compiled_anew():
        assert cache.folder() is None and not jax.config.jax_enable_compilation_cache
    assert (
        os.environ[cache.VARIABLE] == str(tmp_path)
        and jax.config.jax_enable_compilation_cache == before
    )
    monkeypatch.delenv(cache.VARIABLE)
    with timing.compiled_anew():
        pass
    assert cache.VARIABLE not in os.environ
