"""Files appear whole or not at all, whoever else writes them at the same time."""

import os
import subprocess
import sys
import threading

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.atomic import creating, replacing

# One of several writers of one file: forty times its own letter, each time of another length.
WRITER = """
import sys
from pathlib import Path
from fedjax_shap.atomic import replacing

letter, path = sys.argv[1].encode(), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()  # all begin at once
for length in range(1, 41):
    with replacing(path) as file:
        for _ in range(length):
            file.write(letter * 1000)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_only_once_it_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_bytes() == b"old"
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("there", [True, False], ids=["old file", "no file"])
def test_a_block_that_fails_leaves_what_was_there(there, tmp_path):
    path = tmp_path / "file"
    if there:
        path.write_bytes(b"old")
    with pytest.raises(KeyError), replacing(path) as file:
        file.write(b"half")
        raise KeyError
    assert names(tmp_path) == ["file"] * there
    assert not there or path.read_bytes() == b"old"


def test_what_cannot_be_flushed_is_not_renamed(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), replacing(tmp_path / "file") as file:
        file.write(b"new")
    assert names(tmp_path) == []


def test_processes_that_write_one_file_at_once_never_fail_and_it_is_always_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a" * 1000)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, letter, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for letter in "ab"
    ]
    ended = threading.Event()
    read = set()

    def watch():
        while not ended.is_set():
            read.add(path.read_bytes())

    watcher = threading.Thread(target=watch)
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    watcher.start()
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    said = [writer.communicate()[1] for writer in writers]
    ended.set()
    watcher.join()
    assert said == ["", ""]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert all(len(set(content)) == 1 and len(content) % 1000 == 0 for content in read)
    assert path.read_bytes() in (b"a" * 40_000, b"b" * 40_000)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_new_file_that_is_overtaken_gives_way(links, tmp_path, monkeypatch):
    def without(*_):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", without)
    with creating("out", tmp_path / "own") as temporary:
        temporary.write_text("mine")
    assert (tmp_path / "own").read_text() == "mine"
    with (
        pytest.raises(InvalidInputError, match="never overwritten"),
        creating("out", tmp_path / "other") as temporary,
    ):
        temporary.write_text("mine")
        (tmp_path / "other").write_text("theirs")
    with pytest.raises(KeyError), creating("out", tmp_path / "third"):
        raise KeyError
    assert (tmp_path / "other").read_text() == "theirs"
    assert names(tmp_path) == ["other", "own"]
