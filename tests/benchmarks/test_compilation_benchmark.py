"""The benchmark of compilation: what it counts, and its record of a small run."""

import json

import pytest

from benchmarks import compilation, programs_watch
from benchmarks.programs_watch import Span

SMALL = """
[partition]
name = "dirichlet"
alpha = 1.0
num_clients = 2
[algorithm]
max_rounds = 1
[local]
batch_size = 32
[plan]
chunk = 4  # the same however fast the machine is just now
"""
SPANS = [
    Span("tracing", "one", 1, 0.0, 3.0, False),
    Span("tracing", "inner", 1, 1.0, 2.0, False),  # within the first
    Span("lowering", "one", 1, 3.0, 4.0, False),
    Span("xla", "one", 1, 4.0, 6.0, False),
    Span("xla", "other", 2, 5.0, 9.0, True),
]


def test_what_is_nested_or_at_the_same_time_counts_once():
    assert programs_watch.totals(SPANS) == {
        "programs": 2,
        "cached": 1,
        "compiling": 6.0,
        "tracing": 3.0,
        "lowering": 1.0,
        "xla": 6.0,
    }
    named = programs_watch.programs(SPANS)
    assert list(named) == ["one", "other", "inner"]
    assert named["one"] == {"count": 1, "traced": 1, "tracing": 3.0, "lowering": 1.0, "xla": 2.0}


def test_the_compilation_benchmark_refuses_what_it_cannot_use(capsys):
    assert compilation.main(["--seeds", "-1"]) == 2
    assert "seeds=-1" in capsys.readouterr().err


@pytest.mark.slow
def test_the_compilation_benchmark_writes_its_record(tmp_path, capsys):
    config = tmp_path / "small.toml"
    config.write_text(SMALL)
    out = tmp_path / "out.json"
    given = ["--config", str(config), "--seeds", "2", "--starts", "1", "--json", str(out)]
    assert compilation.main(given) == 0
    record = json.loads(out.read_text())
    first, again, stored = (record["runs"][name] for name in ("first", "again", "stored"))
    # coalitions, curves, initial parameters, the noise of the validation set; no small ones
    assert first["total"]["programs"] <= 5 and first["total"]["cached"] == 0
    assert again["total"]["cached"] == again["total"]["programs"] == first["total"]["programs"]
    assert stored["total"]["programs"] < first["total"]["programs"]
    # another partition of the same data compiles nothing
    assert record["sweep"][1]["total"]["cached"] == record["sweep"][1]["total"]["programs"]
    # what trains nothing needs no JAX
    assert not any(one["jax"] for one in record["starts"].values())
    assert "One process" in capsys.readouterr().out
