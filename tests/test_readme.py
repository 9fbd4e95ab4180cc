"""The README and the pages for users are true: what they show runs, and prints what they say."""

import contextlib
import io
import re
import shlex
import sys
import tomllib
from operator import attrgetter
from pathlib import Path

import pytest
from pages import PAGES, README, ROOT, Block, blocks, require_printed

import fedjax_shap as fs
from fedjax_shap.cli.main import COMMANDS, _parser, main
from fedjax_shap.pipeline.manifest import shipped
from fedjax_shap.pipeline.toml import override

PATHS = re.compile(r"\b(?:docs|experiments|benchmarks|tests|fedjax_shap)/[\w/]+(?:\.\w+)?")
# sections of the table "What is there" -> the sections of a configuration whose names it lists
TABLE = ("data", "partition", "corrupt", "task", "model", "algorithm", "steps", "participation")
TABLE += ("devices", "game", "metric", "costs", "economics")


def of(page: str, language: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == language]


def assignments(words: list[str]) -> list[tuple[str, str]]:
    """The fields that a command line sets."""
    return [(name.removeprefix("--"), text) for name, text in zip(words[::2], words[1::2])]


@pytest.mark.parametrize("page", PAGES)
def test_code_is_python_and_names_what_there_is(page):
    for block in of(page, "python"):
        compile(block.text, page, "exec")
    text = (ROOT / page).read_text()
    for name in set(re.findall(r"\bfs\.([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)", text)):
        assert attrgetter(name)(fs) is not None
    for path in set(PATHS.findall(text)):
        assert (ROOT / path).exists() or path.startswith("experiments/results"), path


@pytest.mark.parametrize("page", PAGES)
def test_configurations_are_accepted_as_they_stand_or_added_to_one(page):
    base = tomllib.loads(of("README.md", "toml")[0].text)
    for block in of(page, "toml"):
        own = tomllib.loads(block.text)
        if "sweep" in own:
            assert fs.studies.cells_of(own, fs.studies.axes_of(own["sweep"]))
            continue
        if not block.file and "data" not in own:  # sections to add to a configuration
            own = base | own
        if "nets:" not in block.text:  # which would have to be there
            fs.parse(own)


def test_commands_are_understood():
    commands = [one for block in blocks("README.md") for one in block.commands]
    assert len(commands) > 10
    configured = {block.file: tomllib.loads(block.text) for block in of("README.md", "toml")}
    for command in commands:
        words = shlex.split(command)
        assert words[0] in COMMANDS
        known, rest = _parser(words).parse_known_args(words)
        assert known.command == "run" or not rest, command
        if known.command == "run" and "nets:" not in command:
            fs.parse(override(configured[known.config], assignments(rest)))
        if known.command == "sweep":
            axes = fs.studies.axes_of(dict(word.split("=", 1) for word in known.set))
            assert len(fs.studies.cells_of(configured[known.config], axes)) == 10


def test_the_table_of_what_there_is_has_every_name():
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", README.read_text(), re.M))
    for section in TABLE:
        names = set(shipped()[section].entries) - {"unknown"}
        missing = names - set(re.findall(r"`(\w+)`", rows[section]))
        assert not missing, (section, missing)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_is_shown_runs_and_prints_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    session = {"__name__": "page"}
    for block in blocks(page):
        if block.file:
            Path(block.file).write_text(block.text)
            # a module of another page may have the same name
            monkeypatch.delitem(sys.modules, Path(block.file).stem, raising=False)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            if block.language == "python":
                if "tutorials" not in page:  # elsewhere each block stands by itself
                    session = {"__name__": "page"}
                exec(compile(block.text, page, "exec"), session)
            elif block.printed:  # a command whose output is not shown would only take time
                for command in block.commands:
                    assert main(shlex.split(command)) == 0
        if block.printed:
            require_printed(output.getvalue(), block.printed)
