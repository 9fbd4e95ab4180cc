"""All benchmarks in one command: what it runs, what it skips, what it says of those that fail."""

import argparse
import importlib
import io
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import __main__ as everything
from benchmarks import harness, headlines, page_tables, pages

RECORD = {
    "command": "python -m benchmarks.products --json DIR/x.json",
    "device": "cpu (cpu), 1 device(s)",
    "rows": [{"what": "first layer", "us": 92.2, "gflops": 71.1}],
}


@pytest.fixture
def played(monkeypatch):
    """The modules that were run, by a stand-in that fails in `flce`."""
    modules = []

    def one(module, arguments, options):
        modules.append(module)
        if module == "flce":
            return {"failed": "error: Expected data."}
        return {"record": RECORD}

    monkeypatch.setattr(everything, "_one", one)
    monkeypatch.setattr(everything, "commit", lambda: "0123456789ab")
    return modules


def test_every_file_with_a_command_line_is_run_and_takes_its_arguments(monkeypatch):
    known = everything.benchmarks()
    stems = {file.stem for file in everything.HERE.glob("*.py")}
    assert {"coalition_engine", "flce", "scaling", "overheads"} <= {
        run.module for run in known.values()
    }
    assert "harness" not in known and "__main__" not in known
    for name, run in known.items():
        assert run.module in stems
        parser = importlib.import_module(f"benchmarks.{run.module}")._parser()
        monkeypatch.setattr(
            parser, "error", lambda words, name=name: pytest.fail(f"{name} {words}")
        )
        for size in everything.SIZES:
            parser.parse_args(getattr(run, size) or ())


def test_one_that_fails_is_named_and_the_rest_goes_on_and_is_not_run_twice(
    played, tmp_path, capsys
):
    out = tmp_path / "all.json"
    given = ["--only", "flce_quantity", "products", "--json", str(out)]
    given += ["--records", str(tmp_path)]
    assert everything.main(given) == 1
    shown = capsys.readouterr().out
    assert "Expected data." in shown and "Failed: flce_quantity" in shown and "92.2 us" in shown
    rows = json.loads(out.read_text())["benchmarks"]
    assert rows["products"]["record"] == RECORD and "record" not in rows["flce_quantity"]
    assert json.loads((tmp_path / "products_cpu.json").read_text()) == RECORD
    # only what failed is run again
    assert everything.main(given) == 1
    assert played == ["flce", "products", "flce"]
    # other arguments are another benchmark
    everything.main([*given, "--quick"])
    assert played[3:] == ["flce", "products"]
    played.clear()
    assert everything.main(["--table", str(out)]) == 1 and not played


def test_a_changed_tree_is_measured_anew(played, monkeypatch, tmp_path):
    monkeypatch.setattr(everything, "commit", lambda: "0123456789ab+")
    given = ["--only", "products", "--json", str(tmp_path / "all.json")]
    assert [everything.main(given) for _ in range(2)] == [0, 0]
    assert played == ["products"] * 2


def test_a_benchmark_that_takes_too_long_is_ended_with_its_own_processes(monkeypatch, tmp_path):
    marker = tmp_path / "pid"
    sleeper = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(marker) + ".new"!r}, "w").write(str(child.pid))
os.rename({str(marker) + ".new"!r}, {str(marker)!r})
time.sleep(600)
"""
    waited = subprocess.Popen.wait

    def wait(process, timeout=None):  # the limit counts from when both are there
        while timeout and not marker.exists() and process.poll() is None:
            time.sleep(0.02)
        return waited(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    (tmp_path / "benchmarks" / "sleeper.py").write_text(sleeper)
    monkeypatch.setattr(everything, "ROOT", tmp_path)
    options = argparse.Namespace(data=None, limit=0.2)
    assert everything._one("sleeper", (), options) == {"failed": "ended after 0.2 s"}
    child = int(marker.read_text())
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process):
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_what_cannot_be_used_is_refused(tmp_path, capsys):
    (tmp_path / "x.json").write_text("[]")
    for wrong, words in (
        (["--only", "nothing"], "--only"),
        (["--quick", "--full"], "both"),
        (["--limit", "0"], "limit=0"),
        (["--table", str(tmp_path / "x.json")], "record of python -m benchmarks"),
    ):
        assert everything.main(wrong) == 2, wrong
        assert words in capsys.readouterr().err


def test_every_kept_record_has_headlines_and_is_shown():
    modules = set()
    for file in sorted(pages.RESULTS.glob("*.json")):
        record = json.loads(file.read_text())
        modules.add(record["command"].split()[2].removeprefix("benchmarks."))
        found = headlines.headlines(record)
        assert found and all(line.what and line.number for line in found), file.name
    assert modules >= set(headlines.READERS)
    heard = io.StringIO()
    rows = {"x": {"record": RECORD, "seconds": 1.0}}
    everything.show({"benchmarks": rows}, Console(width=200, file=heard))
    assert "71.1 GFLOP/s" in heard.getvalue()


def test_a_page_gets_the_tables_that_it_names_and_keeps_its_words(tmp_path):
    harness.write_json(RECORD, tmp_path / "products_cpu.json")
    part = {"columns": ["n", "seconds"], "rows": [["20", "3 s"]]}
    harness.write_json({"tables": {"games": part}}, tmp_path / "paper.json")
    page = tmp_path / "page.md"
    page.write_text(
        "Before.\n<!-- table: products_cpu -->\nold\n<!-- end of table -->\nBetween.\n"
        "<!-- table: paper/games -->\n<!-- end of table -->\nAfter.\n"
    )
    assert pages.fill(tmp_path, tmp_path) == ["page.md"]
    text = page.read_text()
    assert "| first layer | 92.2 us | 71.1 GFLOP/s |" in text and "old" not in text
    assert "| n | seconds |\n| --- | --- |\n| 20 | 3 s |\n" in text
    assert text.startswith("Before.\n") and text.endswith("After.\n") and "Between." in text
    assert pages.fill(tmp_path, tmp_path) == []
    for wrong in ("nothing", "paper/other", "products_cpu/rivals"):
        with pytest.raises(ValueError, match="table"):
            pages.table_of(wrong, tmp_path)


def test_a_table_of_many_columns_is_made_from_its_record_and_says_where_it_was_made():
    names = {table.stem: json.loads(table.read_text()) for table in pages.RESULTS.glob("*.json")}
    made = 0
    for name, record in names.items():
        for part, table in page_tables.TABLES.get(headlines.module_of(record), {}).items():
            columns, rows = table(record)
            assert rows and all(len(row) == len(columns) for row in rows), name
            text = pages.table_of(f"{name}/{part}")
            assert f"{record['date'][:10]}, commit {record['commit']})" in text
            made += 1
    assert made >= 5
    record = names["coalition_engine_cpu"]
    loop = page_tables.TABLES["coalition_engine"]["rivals"](record).rows[1]
    times = record["seconds_jitted_loop"] / record["seconds_engine"]
    assert float(loop[-1]) == pytest.approx(times, abs=0.05)


@pytest.mark.parametrize("page", sorted(pages.PAGES.glob("*.md")), ids=lambda page: page.name)
def test_the_tables_of_the_pages_are_those_of_the_records(page):
    text = page.read_text(encoding="utf-8")
    assert pages.filled_in(text) == text, "python -m benchmarks --pages writes them"


def test_the_settings_of_a_device_and_the_limit(monkeypatch):
    settings = {"cpu": 1, "elsewhere": 2}
    monkeypatch.setattr(harness.jax, "default_backend", lambda: "gpu")
    assert harness.on_device(settings) == 2
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit = harness.Limit(argparse.Namespace(seconds=None))
    assert not limit.is_over()
    now[0] = harness.SECONDS["elsewhere"]
    assert limit.is_over()
    monkeypatch.setattr(harness.jax, "default_backend", lambda: "cpu")
    endless = harness.Limit(argparse.Namespace(seconds=None))
    now[0] = 1e9
    assert harness.on_device(settings) == 1 and not endless.is_over()
    with pytest.raises(ValueError, match="seconds=0"):
        harness.Limit(argparse.Namespace(seconds=0.0))
