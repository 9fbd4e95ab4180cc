"""What runs elsewhere names what is here: targets of make, versions of Python, files, and hooks."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from pages import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([\w./$()-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="not a checkout: an sdist has no workflows")


def done_by(file: Path) -> str:
    """A workflow without its comments."""
    return re.sub(r"^ *#.*\n", "", file.read_text(), flags=re.M)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_makes_what_there_is(file):
    known = {target.replace("$(VENV)", ".venv") for target in TARGETS}
    for command in re.findall(r"run: make (.*)$", done_by(file), re.M):
        target, *settings = shlex.split(command)
        assert target in known and all("=" in one for one in settings), command


def test_workflows_take_the_pythons_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = [one.rpartition(" ")[2] for one in project["classifiers"] if "Python ::" in one]
    tests = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    (matrix,) = re.findall(r"python-version: \[(.*)\]", tests)
    assert re.findall(r"[\d.]+", matrix) == known
    for file in WORKFLOWS:
        assert set(re.findall(r'python-version: "(.*)"', file.read_text())) <= set(known)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_only_read_and_ends(file):
    text = done_by(file)
    assert "\npermissions:\n  contents: read\n" in text and "\nconcurrency:\n" in text
    assert text.count("permissions:") == 1
    assert text.count("    timeout-minutes:") == text.count("    runs-on:")
    assert text.count("persist-credentials: false") == text.count("uses: actions/checkout@")
    for action in re.findall(r"uses: (\S+)", text):
        assert re.search(r"@(v\d+|release/v1|[0-9a-f]{40})$", action) or action.startswith("./")


def test_hooks_and_images_use_what_there_is():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    test = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for tool in re.findall(r"entry: \.venv/bin/(\w+)", hooks):
        assert any(one.startswith(tool) for one in test["test"])
    image = (ROOT / "Dockerfile").read_text()
    (python,) = re.findall(r"^ARG PYTHON=(.*)$", image, re.M)
    assert f"Python :: {python}" in (ROOT / "pyproject.toml").read_text()
    for source in re.findall(r"^COPY (\w\S+)", image, re.M):
        assert (ROOT / source).exists()


def test_contributors_are_told_of_targets_and_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`make ([\w-]+)", text)
    assert named and set(named) <= TARGETS
    for path in re.findall(r"`((?:fedjax_shap|tests|docs|experiments|examples)/[\w./-]+)`", text):
        assert "NAME" in path or (ROOT / path).exists(), path
