"""The version: that of a tag at a tag; elsewhere one that names the commit, or says: unknown."""

import re
import shutil
import subprocess
from importlib.metadata import version as installed

import pytest
from pages import README, ROOT

import fedjax_shap as fs
from fedjax_shap import _version


@pytest.fixture
def git(tmp_path):
    """A repository of one commit: what is called runs git in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not there")

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", *who, *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)

    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "first")
    return git


def test_a_tag_is_the_version_and_what_follows_says_how_far_and_where(git, tmp_path):
    git("tag", "v0.2.9")
    assert _version.of_source(tmp_path) == "0.2.9"
    (tmp_path / "file").write_text("2")
    assert re.fullmatch(r"0\.2\.10\.dev0\+g[0-9a-f]{7,}\.dirty", _version.of_source(tmp_path))
    git("commit", "-qam", "second")
    commit = git("rev-parse", "--short=7", "HEAD").stdout.strip()
    assert _version.of_source(tmp_path) == f"0.2.10.dev1+g{commit}"
    git("tag", "-am", "next", "v1.0.0rc1")
    assert _version.of_source(tmp_path) == "1.0.0rc1"


@pytest.mark.parametrize("tag", ["", "nightly", "v2-beta"])
def test_without_a_tag_that_names_a_release_the_commit_is_named(tag, git, tmp_path):
    if tag:
        git("tag", tag)
    commit = git("rev-parse", "--short=7", "HEAD").stdout.strip()
    assert _version.of_source(tmp_path) == f"{_version.RELEASE}.dev0+g{commit}"


def test_where_git_says_nothing_the_version_says_so(git, tmp_path, monkeypatch):
    unknown = f"{_version.RELEASE}.dev0+unknown"
    inside = tmp_path / "unpacked"  # in a repository of something else
    inside.mkdir()
    assert _version.of_source(inside) == unknown
    monkeypatch.setenv("PATH", "")
    assert _version.of_source(tmp_path) == unknown


def test_a_checkout_asks_git_and_what_was_installed_its_metadata(tmp_path, monkeypatch):
    if (ROOT / ".git").exists():
        assert fs.__version__ == _version.of_source(ROOT)
    monkeypatch.setattr(_version, "ROOT", tmp_path)
    assert _version.version.__wrapped__() == installed("fedjax-shap")


def test_the_next_release_has_one_number_everywhere():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    bibtex = re.search(r"version = \{(.*)\}", README.read_text())
    assert cited is not None and cited[1] == _version.RELEASE
    assert bibtex is not None and bibtex[1] == _version.RELEASE
